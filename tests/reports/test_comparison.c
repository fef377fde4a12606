/* Comparisons on runs whose figures are worked out by hand. */
#include "tests/support.h"

#include "reports/comparison.h"

static const char prices[] = "reports/prices/default.json";

/* A run of one configuration: five repeats of prefill 1000 × factor and decode 100 × factor, a little apart. */
static void add_run(cJSON *runs, const char *model, double factor, const char *price)
{
    cJSON *run = cJSON_CreateObject(), *cells = cJSON_AddArrayToObject(run, "cells"),
          *measurements = cJSON_AddArrayToObject(run, "measurements");
    cJSON_AddStringToObject(run, "schema", "jeoul/run/1");
    for (const char *const *key = (const char *const[]){"run_id", "started", "finished", "state", NULL}; *key; key++)
        cJSON_AddStringToObject(run, *key, *key);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(run, "plan"), "name", "p");
    cJSON_AddStringToObject(cJSON_AddObjectToObject(run, "jeoul"), "version", "1");
    cJSON_AddStringToObject(cJSON_AddObjectToObject(run, "system"), "id", "s");
    if (price)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(run, "price"), "system", price);
    cJSON *models = cJSON_AddArrayToObject(run, "models"), *about = cJSON_CreateObject();
    cJSON_AddStringToObject(about, "id", "m");
    cJSON_AddStringToObject(about, "name", model);
    cJSON_AddStringToObject(about, "quantisation", "Q8_0");
    cJSON_AddNumberToObject(about, "file_bytes", 1000);
    cJSON_AddItemToArray(models, about);
    for (int i = 0; i < 5; i++) {
        char id[32];
        snprintf(id, sizeof id, "bench/m/c/r%d", i + 1);
        cJSON *cell = cJSON_CreateObject(), *config = cJSON_AddObjectToObject(cell, "config");
        cJSON_AddStringToObject(cell, "id", id);
        cJSON_AddStringToObject(cell, "kind", "bench");
        cJSON_AddStringToObject(cell, "model", "m");
        cJSON_AddStringToObject(cell, "state", "ok");
        cJSON_AddNumberToObject(config, "prompt", 512);
        cJSON_AddNumberToObject(config, "generate", 64);
        cJSON_AddNumberToObject(config, "batch", 1);
        cJSON_AddNumberToObject(config, "threads", 2);
        cJSON_AddStringToObject(config, "kv", "f16");
        cJSON_AddItemToArray(cells, cell);
        for (int phase = 0; phase < 2; phase++) {
            cJSON *m = cJSON_CreateObject();
            cJSON_AddStringToObject(m, "cell", id);
            cJSON_AddStringToObject(m, "metric", phase ? "decode_throughput" : "prefill_throughput");
            cJSON_AddStringToObject(m, "unit", "tok/s");
            cJSON_AddNumberToObject(m, "value", (phase ? 100 : 1000) * factor * (1 + (i - 2) * 0.001));
            cJSON_AddStringToObject(cJSON_AddObjectToObject(m, "labels"), "phase", phase ? "decode" : "prefill");
            cJSON_AddItemToArray(measurements, m);
        }
    }
    cJSON_AddItemToArray(runs, run);
}

static double value(const cJSON *option, const char *key)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(option, key), "value")->valuedouble;
}

/* Price 0.0816 USD × 1422.16 = 116.048 won an hour; output 116.048 / (100 · 3600 / 10⁶) = 322.36 won a million, input a tenth. The second
 * option is 2.5 times as fast: it may cost 2.5 · 116.048 = 290.12 won an hour. Demand: 86.4 M tokens in at 1000 tok/s is a day, 17.28 M out
 * at 100 tok/s two days: at half use 6 machines; 2.5 times as fast 2.4, so 3. */
Test(comparison, cost_break_even_and_machines_by_hand)
{
    struct demand demand = {.input_tokens_per_day = 86.4e6, .output_tokens_per_day = 17.28e6, .utilisation = 0.5};
    cJSON *runs = cJSON_CreateArray();
    add_run(runs, "one", 1, "cloud-vm-2vcpu");
    add_run(runs, "one", 2.5, "cloud-vm-2vcpu");
    cJSON *figures = comparison_figures(runs, prices, &demand, NULL);
    cr_assert_not_null(figures);
    const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItem(figures, "options"), 0), *b = a->next;
    cr_expect_float_eq(value(a, "cost_output"), 322.36, 0.01);
    cr_expect_float_eq(value(a, "cost_input"), 32.236, 0.001);
    cr_expect_float_eq(value(b, "decode_ratio"), 2.5, 1e-9);
    cr_expect_float_eq(value(b, "break_even_krw_per_hour"), 290.12, 0.01);
    cr_expect_eq(value(a, "machines"), 6);
    cr_expect_eq(value(b, "machines"), 3);
    cr_expect(cJSON_IsTrue(cJSON_GetObjectItem(b, "same_model")) && cJSON_IsTrue(cJSON_GetObjectItem(b, "same_work")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(a, "cost_ko_characters")), "no Korean text was tokenized");
    cJSON_Delete(figures);
    cJSON_Delete(runs);
}

Test(comparison, other_models_are_said_to_be_others_and_no_price_is_no_cost)
{
    cJSON *runs = cJSON_CreateArray();
    add_run(runs, "one", 1, NULL);
    add_run(runs, "two", 1, NULL);
    cJSON *figures = comparison_figures(runs, prices, NULL, NULL);
    cr_assert_not_null(figures);
    const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItem(figures, "options"), 0), *b = a->next;
    cr_expect(cJSON_IsFalse(cJSON_GetObjectItem(b, "same_model")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(b, "cost_output")) && cJSON_IsString(cJSON_GetObjectItem(b, "cost_reason")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(b, "break_even_krw_per_hour")));
    cr_expect_null(cJSON_GetObjectItem(b, "machines"));
    cJSON_Delete(figures);
    cJSON_Delete(runs);
}

Test(comparison, nothing_to_compare_is_refused)
{
    struct error err = {0};
    cJSON *runs = cJSON_CreateArray();
    cr_expect_null(comparison_figures(runs, prices, NULL, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cJSON_Delete(runs);
}
