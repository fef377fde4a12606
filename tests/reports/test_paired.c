/* Paired statistics against hand-computed values, and the comparison of two evaluations. */
#include "tests/support.h"

#include "base/json.h"
#include "reports/eval_comparison.h"
#include "reports/statistics.h"

#include <string.h>

Test(paired, mcnemar_by_hand)
{
    cr_expect_float_eq(statistics_mcnemar(0, 0), 1, 1e-12);
    cr_expect_float_eq(statistics_mcnemar(5, 5), 2.0 / 32, 1e-12);
    cr_expect_float_eq(statistics_mcnemar(1, 6), 2 * (1.0 + 6) / 64, 1e-12);
    cr_expect_float_eq(statistics_mcnemar(3, 6), 1, 1e-12);
    cr_expect(statistics_mcnemar(4000, 10000) < 1e-80);
}

Test(paired, bootstrap_pairs_items)
{
    struct error err = {0};
    double a[200], b[200];
    struct interval i, again;
    for (int k = 0; k < 200; k++) {
        a[k] = k % 2;
        b[k] = k % 2 + 0.25; // each item differs by the same: no spread at all
    }
    cr_assert(statistics_paired(a, b, 200, 1, &i, &err));
    cr_expect(i.value == 0.25 && i.low == 0.25 && i.high == 0.25);
    for (int k = 0; k < 200; k++)
        b[k] = k % 4 == 0 ? 1 : a[k];
    cr_assert(statistics_paired(a, b, 200, 1, &i, &err) && statistics_paired(a, b, 200, 1, &again, &err));
    cr_expect_float_eq(i.value, 0.25, 1e-12);
    cr_expect(fabs(i.low - (0.25 - 1.96 * sqrt(0.25 * 0.75 / 200))) < 0.01 &&
              fabs(i.high - (0.25 + 1.96 * sqrt(0.25 * 0.75 / 200))) < 0.01);
    cr_expect(i.low == again.low && i.high == again.high, "seeded");
}

/* Newcombe 1998, table II: 56/70 and 48/80, method 10. */
Test(paired, difference_of_shares_as_published)
{
    struct interval i = statistics_share_difference(48, 80, 56, 70);
    cr_expect_float_eq(i.value, 0.2, 1e-12);
    cr_expect_float_eq(i.low, 0.0524, 5e-5);
    cr_expect_float_eq(i.high, 0.3339, 5e-5);
}

static void add(cJSON *lines, const char *task, const char *language, int doc, int gold, double acc)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"task\": \"%s\", \"group\": \"g\", \"language\": \"%s\", \"doc_index\": %d, \"context\": \"c%d\", \"gold\": %d, "
             "\"scores\": {\"acc\": %g}}",
             task, language, doc, doc, gold, acc);
    cJSON_AddItemToArray(lines, cJSON_Parse(text));
}

static const cJSON *row_of(const cJSON *figures, const char *key, const char *value)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "rows"))
        if (strcmp(json_text(row, key), value) == 0)
            return row;
    cr_assert(false, "no row %s %s", key, value);
    return NULL;
}

Test(paired, evaluations_are_compared_by_task_and_language)
{
    struct error err = {0};
    cJSON *a = cJSON_CreateArray(), *b = cJSON_CreateArray();
    for (int i = 0; i < 10; i++) {
        add(a, "sib200_ko", "ko", i, i % 3, i < 8);
        add(b, "sib200_ko", "ko", 9 - i, (9 - i) % 3, 9 - i < 4); // in another order
        add(a, "sib200_en", "en", i, i % 3, 1);
        add(b, "sib200_en", "en", i, i % 3, 1);
    }
    add(a, "more", "en", 0, 0, 1);
    cJSON *figures = eval_comparison(a, b, &err);
    cr_assert_not_null(figures, "%s", err.message);
    cr_expect_eq(json_real(figures, "items"), 20);
    cr_expect_eq(json_real(figures, "only_a"), 1);
    const cJSON *row = row_of(figures, "task", "sib200_ko");
    cr_expect_float_eq(json_real(row, "a"), 0.8, 1e-12);
    cr_expect_float_eq(json_real(row, "b"), 0.4, 1e-12);
    cr_expect_eq(json_real(row, "only_a_right"), 4);
    cr_expect_float_eq(json_real(row, "mcnemar_p"), 0.125, 1e-12);
    cr_expect_eq(json_real(row_of(figures, "language", "en"), "only_a_right"), 0);
    cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(figures, "flipped")), 4);
    const cJSON *gaps = cJSON_GetObjectItem(figures, "gaps_a");
    cr_assert_eq(cJSON_GetArraySize(gaps), 1);
    cr_expect(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(gaps, 0), "paired")));
    cr_expect_float_eq(json_real(cJSON_GetObjectItem(cJSON_GetArrayItem(gaps, 0), "difference"), "value"), -0.2, 1e-12);
    cJSON_Delete(figures);

    cJSON_SetValuestring(cJSON_GetObjectItem(cJSON_GetArrayItem(b, 0), "context"), "xx");
    cr_expect_null(eval_comparison(a, b, &err));
    cr_expect(strstr(err.message, "record 10 of task sib200_ko was asked in other words"), "%s", err.message);
    cJSON_DeleteItemFromArray(b, 0);
    add(b, "sib200_en", "en", 3, 0, 1);
    cr_expect_null(eval_comparison(a, b, &err));
    cr_expect(strstr(err.message, "twice"), "%s", err.message);
    cJSON_Delete(a);
    cJSON_Delete(b);
}
