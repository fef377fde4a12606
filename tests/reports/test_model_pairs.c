/* Pairs of models on a run made by hand. */
#include "tests/support.h"

#include "base/json.h"
#include "reports/model_pairs.h"
#include "reports/reports.h"
#include "reports/statistics.h"

#include <math.h>
#include <string.h>

#define TASK(name, group, language)                                                                                                        \
    "{\"name\": \"" name "\", \"group\": \"" group "\", \"language\": \"" language "\", \"chance\": 0.5, \"n_items\": 8}"
#define CELL(id, model) "{\"id\": \"" id "\", \"kind\": \"eval\", \"model\": \"" model "\", \"state\": \"ok\", \"config\": {}}"
#define ACC(cell, task, right, correct)                                                                                                    \
    "{\"cell\": \"" cell "\", \"metric\": \"acc\", \"unit\": \"ratio\", \"value\": 0.5, \"reason\": null, \"labels\": {\"task\": \"" task  \
    "\", "                                                                                                                                 \
    "\"correct\": " correct ", \"n\": 8, \"right\": \"" right "\"}}"
#define ASKED(cell, task)                                                                                                                  \
    "{\"cell\": \"" cell                                                                                                                   \
    "\", \"metric\": \"eval_throughput\", \"unit\": \"tok/s\", \"value\": 5, \"reason\": null, \"labels\": {\"task\": "                    \
    "\"" task "\", \"tokens\": 1000}}"

static const char run_text[] =
    "{\"schema\": \"jeoul/run/1\", \"run_id\": \"r\", \"started\": \"2026-11-23T00:00:00Z\", \"system\": {}, \"jeoul\": {}, \"plan\": {},"
    "\"price\": null, \"compare\": [{\"what\": \"experts\", \"model\": \"m\", \"against\": \"d\"}],"
    "\"models\": [{\"id\": \"m\", \"name\": \"M\", \"quantisation\": \"Q8_0\", \"active_bytes\": 5},"
    "{\"id\": \"d\", \"name\": \"D\", \"quantisation\": \"Q8_0\", \"active_bytes\": 4}],"
    "\"tasks\": [" TASK("x_ko_a", "x_ko", "ko") "," TASK("x_en_a", "x_en", "en") "," TASK(
        "y", "y",
        "en") "],"
              "\"cells\": [" CELL("em", "m") "," CELL(
                  "ed", "d") "],"
                             "\"measurements\": [" ACC("em", "x_ko_a", "11111110", "7") "," ACC("ed", "x_ko_a", "00011110", "4") "," ACC(
                                 "em", "x_en_a", "11110000", "4") "," ACC("ed", "x_en_a", "11110001",
                                                                          "5") "," ACC("em", "y", "1111",
                                                                                       "4") "," ACC("ed", "y", "11111",
                                                                                                    "5") "," ASKED("em", "x_ko_a") "]}";

static cJSON *figures_of(const char *text, struct error *err)
{
    cJSON *run = cJSON_Parse(text);
    cr_assert_not_null(run);
    cJSON *figures = report_figures(run, "reports/prices/default.json", err);
    cJSON_Delete(run);
    return figures;
}

Test(model_pairs, languages_of_a_set_are_joined_and_answers_to_other_items_left_out)
{
    struct error err = {0};
    cJSON *figures = figures_of(run_text, &err);
    cr_assert_not_null(figures, "%s", err.message);
    const cJSON *pair = cJSON_GetArrayItem(cJSON_GetObjectItem(figures, "pairs"), 0), *rows = cJSON_GetObjectItem(pair, "rows");
    cr_assert_eq(cJSON_GetArraySize(rows), 1, "y, of which one answered 4 items and the other 5, is no row, and one set needs no sum");
    const cJSON *row = cJSON_GetArrayItem(rows, 0), *d = cJSON_GetObjectItem(row, "difference");
    cr_expect_str_eq(json_text(row, "set"), "x");
    cr_expect_eq(json_real(row, "n"), 16);
    cr_expect_float_eq(json_real(row, "a"), 9.0 / 16, 1e-12);
    cr_expect_float_eq(json_real(row, "b"), 11.0 / 16, 1e-12);
    cr_expect_float_eq(json_real(d, "value"), 2.0 / 16, 1e-12);
    cr_expect(json_real(d, "low") <= 0 && json_real(d, "high") > 2.0 / 16);
    cr_expect_eq(json_real(row, "only_model_right"), 3);
    cr_expect_eq(json_real(row, "only_against_right"), 1);
    cr_expect_float_eq(json_real(row, "mcnemar_p"), statistics_mcnemar(3, 4), 1e-12);
    cJSON_Delete(figures);
}

Test(model_pairs, a_model_is_weighed_with_the_reason_for_what_is_missing)
{
    struct error err = {0};
    cJSON *figures = figures_of(run_text, &err);
    cr_assert_not_null(figures, "%s", err.message);
    const cJSON *weighed = cJSON_GetObjectItem(figures, "weighed"), *m = cJSON_GetArrayItem(weighed, 0);
    cr_assert_eq(cJSON_GetArraySize(weighed), 2);
    cr_expect_str_eq(json_text(m, "model"), "m");
    cr_expect_eq(json_real(m, "active_bytes"), 5);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(m, "krw_per_1000_correct")));
    cr_expect(strlen(json_text(m, "reason")) > 0);
    cJSON_Delete(figures);
}

Test(model_pairs, answers_that_are_no_ones_and_zeros_are_refused)
{
    struct error err = {0};
    char text[sizeof run_text];
    memcpy(text, run_text, sizeof text);
    memcpy(strstr(text, "11111110"), "11?11110", 8);
    cr_assert_null(figures_of(text, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "answers (right) to x_ko_a") != NULL, "%s", err.message);
}

Test(model_pairs, a_run_that_compares_nothing_has_no_pairs)
{
    struct error err = {0};
    char text[sizeof run_text];
    memcpy(text, run_text, sizeof text);
    memcpy(strstr(text, "\"compare\""), "\"xompare\"", 9);
    cJSON *figures = figures_of(text, &err);
    cr_assert_not_null(figures, "%s", err.message);
    cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(figures, "pairs")), 0);
    cJSON_Delete(figures);
}
