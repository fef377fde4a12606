/* Accuracy of a run's figures: what counts, and what is null with a reason. */
#include "tests/support.h"

#include "base/json.h"
#include "base/text.h"
#include "reports/reports.h"

#define TASK(name, language, chance)                                                                                                       \
    "{\"name\": \"" name "\", \"group\": \"" name "\", \"language\": \"" language "\", \"chance\": " chance ", \"n_items\": 8}"
#define SCORE(task, metric, value, labels)                                                                                                 \
    "{\"cell\": \"c\", \"metric\": \"" metric "\", \"unit\": \"ratio\", \"value\": " value                                                 \
    ", \"reason\": \"why\", \"labels\": {\"task\": \"" task "\"" labels "}}"
#define RIGHT(correct, filter) ", \"n\": 8, \"correct\": " correct ", \"filter\": \"" filter "\""

static cJSON *accuracy_of(const char *tasks, const char *measurements)
{
    struct error err = {0};
    struct text text = {0};
    text_format(
        &text,
        "{\"schema\": \"jeoul/run/1\", \"run_id\": \"r\", \"started\": \"2026-11-23T00:00:00Z\", \"system\": {}, \"jeoul\": {}, "
        "\"plan\": {}, \"price\": null, \"models\": [{\"id\": \"m\"}], \"tasks\": [%s], "
        "\"cells\": [{\"id\": \"c\", \"kind\": \"eval\", \"model\": \"m\", \"state\": \"ok\", \"config\": {}}], \"measurements\": [%s]}",
        tasks, measurements);
    cJSON *run = cJSON_Parse(text.bytes);
    cr_assert_not_null(run);
    cJSON *figures = report_figures(run, "reports/prices/default.json", &err);
    cr_assert_not_null(figures, "%s", err.message);
    cJSON *accuracy = cJSON_DetachItemFromObject(figures, "accuracy");
    cJSON_Delete(figures);
    cJSON_Delete(run);
    text_free(&text);
    return accuracy;
}

Test(accuracy, what_is_written_counts_by_its_first_filter_and_has_no_chance)
{
    cJSON *rows = accuracy_of(
        TASK("choose", "en", "0.25") "," TASK("write", "en", "null"),
        SCORE("choose", "acc", "0.5", RIGHT("4", "none")) "," SCORE("write", "exact_match", "0.25", RIGHT("2", "strict")) "," SCORE(
            "write", "exact_match", "0.75", RIGHT("6", "flexible")));
    const cJSON *row = rows->child;
    cr_assert_eq(cJSON_GetArraySize(rows), 1);
    cr_expect_eq(json_real(row, "n"), 16);
    cr_expect_float_eq(json_real(cJSON_GetObjectItem(row, "acc"), "value"), 6.0 / 16, 1e-12);
    cr_expect_float_eq(json_real(row, "acc_macro"), (0.5 + 0.25) / 2, 1e-12);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(row, "chance")) && *json_text(row, "chance_reason"));
    cJSON_Delete(rows);
}

Test(accuracy, a_language_without_right_answers_has_a_reason_and_no_interval)
{
    cJSON *rows = accuracy_of(TASK("pages", "en", "null"), SCORE("pages", "word_perplexity", "12.5", ", \"n\": 8"));
    const cJSON *row = rows->child;
    cr_assert_eq(cJSON_GetArraySize(rows), 1);
    for (const char *const *key = (const char *const[]){"acc", "acc_macro", "chance", NULL}; *key; key++)
        cr_expect(cJSON_IsNull(cJSON_GetObjectItem(row, *key)), "%s", *key);
    cr_expect(*json_text(row, "acc_reason") && *json_text(row, "acc_macro_reason"));
    cJSON_Delete(rows);
}

Test(accuracy, what_was_left_out_makes_no_row)
{
    cJSON *rows = accuracy_of(TASK("choose", "en", "0.25"), SCORE("choose", "acc", "null", ""));
    cr_expect_eq(cJSON_GetArraySize(rows), 0);
    cJSON_Delete(rows);
}
