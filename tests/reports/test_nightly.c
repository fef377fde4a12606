/* The nightly decision on cases worked out by hand. */
#include "tests/support.h"

#include "reports/nightly.h"

static struct nightly_verdict judge(const double *history, size_t n, const double *tonight, size_t m)
{
    struct nightly_verdict v;
    cr_assert(nightly_judge(history, n, tonight, m, 0.05, &v, NULL));
    return v;
}

/* Median 100, distances 2 1 0 1 2, MAD 1: spread 1.4826 %. */
static const double history[] = {98, 99, 100, 101, 102};

Test(nightly, too_little_history_is_no_verdict)
{
    cr_expect_eq(judge(history, 4, (double[]){50}, 1).state, NIGHTLY_NO_DATA);
    cr_expect_eq(judge(history, 5, NULL, 0).state, NIGHTLY_NO_DATA);
}

/* One night against five: 2.8016 · 0.014826 · sqrt(1/5 + 1) = 4.55 %, so that the declared 5 % counts; after three reruns
 * 2.8016 · 0.014826 · sqrt(1/5 + 1/4) = 2.79 %. */
Test(nightly, the_least_change_is_the_greater_of_two)
{
    struct nightly_verdict v;
    cr_expect_float_eq(judge(history, 5, (double[]){100}, 1).effect, 0.05, 1e-12);
    cr_assert(nightly_judge(history, 5, (double[]){100}, 1, 0.01, &v, NULL));
    cr_expect_float_eq(v.effect, 0.0455, 1e-4);
    cr_assert(nightly_judge(history, 5, (double[]){100, 100, 100, 100}, 4, 0.01, &v, NULL));
    cr_expect_float_eq(v.effect, 0.0279, 1e-4);
}

Test(nightly, a_change_is_suspect_first_and_confirmed_when_it_stays)
{
    cr_expect_eq(judge(history, 5, (double[]){96}, 1).state, NIGHTLY_OK);
    cr_expect_eq(judge(history, 5, (double[]){80}, 1).state, NIGHTLY_SUSPECT);
    cr_expect_eq(judge(history, 5, (double[]){120}, 1).state, NIGHTLY_SUSPECT);
    cr_expect_eq(judge(history, 5, (double[]){80, 81, 79, 80}, 4).state, NIGHTLY_CONFIRMED);
    cr_expect_eq(judge(history, 5, (double[]){120, 121, 119, 120}, 4).state, NIGHTLY_IMPROVED);
    cr_expect_eq(judge(history, 5, (double[]){80, 100, 101, 99}, 4).state, NIGHTLY_OK, "one bad night");
    struct nightly_verdict v = judge(history, 5, (double[]){80, 81, 79, 80}, 4);
    cr_expect_float_eq(v.ratio.value, 0.8, 2e-3);
    cr_expect(v.ratio.high < 1);
}

Test(nightly, a_series_that_jumps_about_is_noisy)
{
    cr_expect_eq(judge((double[]){50, 80, 100, 140, 200}, 5, (double[]){60}, 1).state, NIGHTLY_NOISY);
}

/* A run document with one bench configuration of two repeats and one task. */
static cJSON *make_run(const char *id, const char *system, double speed, double accuracy, bool failed)
{
    char text[2000];
    snprintf(text, sizeof text,
             "{\"run_id\": \"%s\", \"started\": \"2026-11-24T00:00:00Z\", \"plan\": {\"name\": \"p\"}, \"system\": {\"id\": \"%s\"},"
             "\"cells\": [{\"id\": \"bench/m/p8/r1\", \"state\": \"ok\"}, {\"id\": \"bench/m/p8/r2\", \"state\": \"%s\"}, {\"id\": "
             "\"eval/m/t\", \"state\": \"ok\"}],"
             "\"measurements\": [{\"cell\": \"bench/m/p8/r1\", \"metric\": \"decode_throughput\", \"unit\": \"tok/s\", \"value\": %g},"
             "{\"cell\": \"bench/m/p8/r2\", \"metric\": \"decode_throughput\", \"unit\": \"tok/s\", \"value\": %g},"
             "{\"cell\": \"eval/m/t\", \"metric\": \"acc\", \"unit\": \"ratio\", \"value\": %g}]}",
             id, system, failed ? "failed" : "ok", speed - 1, speed + 1, accuracy);
    cJSON *run = cJSON_Parse(text);
    cr_assert_not_null(run);
    return run;
}

static const cJSON *series(const cJSON *figures, const char *metric)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "series")) {
        if (strcmp(cJSON_GetObjectItem(row, "metric")->valuestring, metric) == 0)
            return row;
    }
    return NULL;
}

Test(nightly, series_are_medians_of_repeats_and_other_machines_are_not_compared)
{
    cJSON *earlier = cJSON_CreateArray(), *tonight = cJSON_CreateArray();
    for (int i = 0; i < 6; i++)
        cJSON_AddItemToArray(earlier, make_run("old", "there", 1000, 0.5, false));
    for (int i = 0; i < 5; i++) {
        char id[24];
        snprintf(id, sizeof id, "n%d", i);
        cJSON_AddItemToArray(earlier, make_run(id, "here", 100 + i * 0.1, 0.5, false));
    }
    cJSON_AddItemToArray(tonight, make_run("now", "here", 70, 0.5, false));
    cJSON *figures = nightly_figures(earlier, tonight, 0.05, NULL);
    cr_assert_not_null(figures);
    const cJSON *decode = series(figures, "decode_throughput"), *acc = series(figures, "acc");
    cr_assert(decode && acc);
    cr_expect_str_eq(cJSON_GetObjectItem(decode, "cell")->valuestring, "bench/m/p8");
    cr_expect_str_eq(cJSON_GetObjectItem(decode, "state")->valuestring, "suspect");
    cr_expect_eq(cJSON_GetObjectItem(decode, "history")->valueint, 5);
    cr_expect_str_eq(cJSON_GetObjectItem(acc, "state")->valuestring, "ok");
    cr_expect(nightly_has_cell(figures, NIGHTLY_SUSPECT, "bench/m/p8/r7"));
    cr_expect_not(nightly_has_cell(figures, NIGHTLY_SUSPECT, "eval/m/t"));
    cr_expect_not(nightly_has_cell(figures, NIGHTLY_SUSPECT, "bench/m/p80/r1"));
    cJSON_Delete(figures);
    for (int i = 0; i < 3; i++) {
        char id[24];
        snprintf(id, sizeof id, "again%d", i);
        cJSON_AddItemToArray(tonight, make_run(id, "here", 71, 0.5, false));
    }
    figures = nightly_figures(earlier, tonight, 0.05, NULL);
    cr_expect_eq(nightly_count(figures, NIGHTLY_CONFIRMED), 1);
    cr_expect_eq(nightly_count(figures, NIGHTLY_OK), 1);
    cJSON_Delete(figures);
    cJSON_Delete(earlier);
    cJSON_Delete(tonight);
}

/* 5 nights, a sixth that was slower and measured again three times, a seventh on a machine of another kind. */
Test(nightly, a_change_that_was_confirmed_stays_marked)
{
    cJSON *earlier = cJSON_CreateArray(), *tonight = cJSON_CreateArray();
    for (int i = 0; i < 5; i++) {
        char id[24];
        snprintf(id, sizeof id, "n%d", i);
        cJSON_AddItemToArray(earlier, make_run(id, "here", 100 + i * 0.1, 0.5, false));
    }
    for (int i = 0; i < 4; i++) {
        char id[24];
        snprintf(id, sizeof id, "slow%d", i);
        cJSON *run = make_run(id, "here", 70 + i * 0.1, 0.5, false);
        if (i)
            cJSON_AddStringToObject(run, "rerun_of", "slow0");
        cJSON_AddItemToArray(earlier, run);
    }
    cJSON_AddItemToArray(tonight, make_run("now", "there", 100, 0.5, false));
    cJSON *figures = nightly_figures(earlier, tonight, 0.05, NULL);
    cr_assert_not_null(figures);
    const cJSON *row = series(figures, "decode_throughput"), *points = cJSON_GetObjectItem(row, "points"), *point;
    cr_expect_eq(cJSON_GetArraySize(points), 10);
    int at = 0;
    cJSON_ArrayForEach(point, points) {
        const cJSON *change = cJSON_GetObjectItem(point, "change");
        cr_expect_str_eq(change ? change->valuestring : "", at == 5 ? "confirmed" : at == 9 ? "segment" : "", "point %d", at);
        at++;
    }
    cr_expect_str_eq(cJSON_GetObjectItem(row, "state")->valuestring, "no-data");
    cJSON_Delete(figures);
    /* the next night at home has six nights before it, not nine */
    cJSON *home = cJSON_CreateArray();
    cJSON_AddItemToArray(home, make_run("home", "here", 100, 0.5, false));
    figures = nightly_figures(earlier, home, 0.05, NULL);
    cr_expect_eq(cJSON_GetObjectItem(series(figures, "decode_throughput"), "history")->valueint, 6);
    cJSON_Delete(figures);
    cJSON_Delete(home);
    cJSON_Delete(earlier);
    cJSON_Delete(tonight);
}

Test(nightly, failed_cells_give_no_value)
{
    cJSON *earlier = cJSON_CreateArray(), *tonight = cJSON_CreateArray();
    cJSON_AddItemToArray(tonight, make_run("now", "here", 70, 0.5, true));
    cJSON *figures = nightly_figures(earlier, tonight, 0.05, NULL);
    const cJSON *point = cJSON_GetArrayItem(cJSON_GetObjectItem(series(figures, "decode_throughput"), "points"), 0);
    cr_expect_eq(cJSON_GetObjectItem(point, "n")->valueint, 1);
    cr_expect_float_eq(cJSON_GetObjectItem(point, "value")->valuedouble, 69, 1e-12);
    cJSON_Delete(figures);
    cJSON_Delete(earlier);
    cJSON_Delete(tonight);
}
