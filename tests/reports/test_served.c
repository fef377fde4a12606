/* Servers under load: figures over the repeats of a hand-made run. */
#include "tests/support.h"

#include "base/json.h"
#include "base/text.h"
#include "reports/served.h"

#define CELL(id, state, concurrency)                                                                                                       \
    "{\"id\": \"" id "\", \"kind\": \"load\", \"model\": \"m\", \"state\": \"" state "\", \"config\": {\"prompt\": 6, \"generate\": 5, "   \
    "\"concurrency\": " concurrency ", \"requests\": 2}}"
#define RATE(cell, value)                                                                                                                  \
    "{\"cell\": \"" cell "\", \"metric\": \"served_output\", \"value\": " value ", \"reason\": \"untold\", \"labels\": {}}"
#define TTFT(cell, statistic, value)                                                                                                       \
    "{\"cell\": \"" cell "\", \"metric\": \"served_ttft\", \"value\": " value                                                              \
    ", \"reason\": \"few\", \"labels\": {\"statistic\": \"" statistic "\"}}"

static cJSON *served_of(const char *cells, const char *measurements)
{
    struct error err = {0};
    struct text text = {0};
    text_format(&text, "{\"cells\": [%s], \"measurements\": [%s]}", cells, measurements);
    cJSON *run = cJSON_Parse(text.bytes), *figures = cJSON_CreateObject();
    cr_assert_not_null(run);
    cr_assert(served_derive(run, figures, &err), "%s", err.message);
    cJSON *rows = cJSON_DetachItemFromObject(figures, "served");
    cJSON_Delete(figures);
    cJSON_Delete(run);
    text_free(&text);
    return rows;
}

Test(served, a_row_is_the_median_of_the_repeats_that_ended_well)
{
    cJSON *rows = served_of(
        CELL("a1", "ok", "1") "," CELL("b1", "ok", "2") "," CELL("a2", "ok", "1") "," CELL("a3", "failed", "1") "," CELL("a4", "ok", "1"),
        RATE("a1", "10") "," RATE("b1", "99") "," RATE("a2", "30") "," RATE("a3", "1000") "," RATE("a4", "20") "," TTFT(
            "a1", "median", "5") "," TTFT("a2", "median", "7") "," TTFT("a4", "median", "6"));
    const cJSON *a = rows->child, *b = a->next;
    cr_assert_eq(cJSON_GetArraySize(rows), 2);
    cr_expect_eq(json_real(a, "repeats"), 3);
    cr_expect_eq(json_real(a, "words"), 6);
    cr_expect_eq(json_real(cJSON_GetObjectItem(a, "output_tok_per_s"), "value"), 20);
    cr_expect_eq(json_real(cJSON_GetObjectItem(a, "ttft_ns"), "value"), 6);
    cr_expect_eq(json_real(b, "concurrency"), 2);
    cr_expect_eq(json_real(cJSON_GetObjectItem(b, "output_tok_per_s"), "value"), 99);
    cr_expect_str_eq(json_text(b, "ttft_ns_reason"), "not measured");
    cJSON_Delete(rows);
}

Test(served, what_one_repeat_lacks_is_null_with_its_reason)
{
    cJSON *rows = served_of(CELL("a1", "ok", "1") "," CELL("a2", "ok", "1"),
                            RATE("a1", "10") "," RATE("a2", "null") "," TTFT("a1", "p90", "null") "," TTFT("a2", "p90", "null"));
    const cJSON *row = rows->child;
    cr_assert_eq(cJSON_GetArraySize(rows), 1);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(row, "output_tok_per_s")));
    cr_expect_str_eq(json_text(row, "output_tok_per_s_reason"), "untold");
    cr_expect_str_eq(json_text(row, "ttft_p90_ns_reason"), "few");
    cJSON_Delete(rows);
}

Test(served, a_run_without_loads_has_no_rows)
{
    cJSON *rows = served_of("", "");
    cr_expect_eq(cJSON_GetArraySize(rows), 0);
    cJSON_Delete(rows);
}
