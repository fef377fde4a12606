/* Deciding about a night: see nightly.h. */
#include "reports/nightly.h"

#include "base/json.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const nightly_state_names[NIGHTLY_STATES] = {"ok", "suspect", "confirmed", "improved", "noisy", "no-data"};

/* Spread of the history as a fraction of its median: 1.4826 · MAD estimates the standard deviation of normal values. */
static double robust_cv(const double *values, size_t n)
{
    double median = statistics_median(values, n), *distances = malloc(n * sizeof *distances), spread = NAN;
    for (size_t i = 0; distances && i < n; i++)
        distances[i] = fabs(values[i] - median);
    if (distances)
        spread = 1.4826 * statistics_median(distances, n) / median;
    free(distances);
    return spread;
}

bool nightly_judge(const double *history, size_t n_history, const double *tonight, size_t n_tonight, double minimum_effect,
                   struct nightly_verdict *out, struct error *err)
{
    static const double power = 1.959963985 + 0.841621234, noisy = 0.5;
    *out = (struct nightly_verdict){.state = NIGHTLY_NO_DATA, .effect = minimum_effect};
    if (n_history < NIGHTLY_LEAST_HISTORY || !n_tonight)
        return true;
    if (!statistics_ratio(history, n_history, tonight, n_tonight, &out->ratio, err))
        return false;
    double detectable = power * robust_cv(history, n_history) * sqrt(1 / (double)n_history + 1 / (double)n_tonight);
    out->effect = fmax(minimum_effect, detectable);
    double change = out->ratio.value - 1;
    if (detectable > noisy)
        out->state = NIGHTLY_NOISY;
    else if (fabs(change) < out->effect)
        out->state = NIGHTLY_OK;
    else if (n_tonight == 1)
        out->state = NIGHTLY_SUSPECT;
    else if (out->ratio.low > 1 || out->ratio.high < 1)
        out->state = change < 0 ? NIGHTLY_CONFIRMED : NIGHTLY_IMPROVED;
    else
        out->state = NIGHTLY_OK;
    return true;
}

enum { MAX_REPEATS = 1000, MAX_RUNS = 4096 };

/* Bytes of a cell's id without its repeat: "bench/m/p8-n1-b1-t1-kv_f16" of "…/r3". */
static size_t series_length(const char *cell)
{
    const char *slash = strrchr(cell, '/');
    bool repeat = slash && slash[1] == 'r' && slash[2] && strspn(slash + 2, "0123456789") == strlen(slash + 2);
    return repeat ? (size_t)(slash - cell) : strlen(cell);
}

static bool is_series_metric(const char *metric)
{
    return strcmp(metric, "prefill_throughput") == 0 || strcmp(metric, "decode_throughput") == 0 || strcmp(metric, "acc") == 0;
}

static bool failed_cell(const cJSON *run, const char *id)
{
    const cJSON *cell;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells"))
        if (strcmp(json_text(cell, "id"), id) == 0)
            return strcmp(json_text(cell, "state"), "ok") != 0;
    return true;
}

/* The row of the series, made when it isn't there. */
static cJSON *series_row(cJSON *series, const char *cell, const char *metric, const char *unit)
{
    size_t n = series_length(cell);
    cJSON *row;
    cJSON_ArrayForEach(row, series) {
        const char *key = json_text(row, "cell");
        if (strlen(key) == n && memcmp(key, cell, n) == 0 && strcmp(json_text(row, "metric"), metric) == 0)
            return row;
    }
    char *key = strndup(cell, n);
    row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "cell", key ? key : cell);
    cJSON_AddStringToObject(row, "metric", metric);
    cJSON_AddStringToObject(row, "unit", unit);
    cJSON_AddArrayToObject(row, "points");
    cJSON_AddItemToArray(series, row);
    free(key);
    return row;
}

/* Adds one run's value to each series: the median of its repeats with their interval. */
static bool add_run(cJSON *series, const cJSON *run, bool tonight, struct error *err)
{
    const cJSON *m, *other;
    bool ok = true;
    double *values = memory_array(MAX_REPEATS, sizeof *values, "repeats", err);
    if (!values)
        return false;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "measurements")) {
        const char *cell = json_text(m, "cell"), *metric = json_text(m, "metric");
        if (!ok || !is_series_metric(metric) || !cJSON_IsNumber(cJSON_GetObjectItem(m, "value")) || failed_cell(run, cell))
            continue;
        cJSON *row = series_row(series, cell, metric, json_text(m, "unit")), *points = cJSON_GetObjectItem(row, "points");
        const cJSON *last = cJSON_GetArrayItem(points, cJSON_GetArraySize(points) - 1);
        if (last && strcmp(json_text(last, "run_id"), json_text(run, "run_id")) == 0)
            continue; // its first repeat has brought the others
        size_t n = 0, length = series_length(cell);
        cJSON_ArrayForEach(other, cJSON_GetObjectItem(run, "measurements")) {
            const char *id = json_text(other, "cell");
            const cJSON *value = cJSON_GetObjectItem(other, "value");
            if (n < MAX_REPEATS && cJSON_IsNumber(value) && strcmp(json_text(other, "metric"), metric) == 0 &&
                series_length(id) == length && memcmp(id, cell, length) == 0 && !failed_cell(run, id))
                values[n++] = value->valuedouble;
        }
        struct summary s;
        if (!(ok = statistics_summary(values, n, 1, &s, err)))
            break;
        cJSON *point = cJSON_CreateObject();
        cJSON_AddStringToObject(point, "run_id", json_text(run, "run_id"));
        cJSON_AddStringToObject(point, "started", json_text(run, "started"));
        cJSON_AddStringToObject(point, "system_id", json_text(cJSON_GetObjectItem(run, "system"), "id"));
        cJSON_AddNumberToObject(point, "value", s.median);
        cJSON_AddNumberToObject(point, "low", s.ci95_low);
        cJSON_AddNumberToObject(point, "high", s.ci95_high);
        cJSON_AddNumberToObject(point, "n", (double)n);
        cJSON_AddBoolToObject(point, "tonight", tonight);
        const char *rerun_of = json_text(run, "rerun_of");
        cJSON_AddItemToObject(point, "rerun_of", rerun_of[0] ? cJSON_CreateString(rerun_of) : cJSON_CreateNull());
        cJSON_AddItemToArray(points, point);
    }
    free(values);
    return ok;
}

static bool is_tonight(const cJSON *point)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(point, "tonight"));
}

/* Whether a point is a night of its own, not one night's rerun. */
static bool is_night(const cJSON *point)
{
    return !json_text(point, "rerun_of")[0];
}

/* A night (its point and its reruns') against the nights of its segment before it. */
static bool judge_night(const cJSON *points, const cJSON *night, double minimum_effect, struct nightly_verdict *out, size_t *n_history,
                        struct error *err)
{
    double *history = memory_array(MAX_RUNS, sizeof *history, "history", err), values[NIGHTLY_RERUNS + 1];
    size_t n = 0;
    bool before = true;
    *n_history = 0;
    if (!history)
        return false;
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        double value = json_real(point, "value");
        before = before && point != night;
        if (!(value > 0) || strcmp(json_text(point, "system_id"), json_text(night, "system_id")) != 0)
            continue; // an accuracy of 0 has no ratio; another machine is another segment
        bool own = point == night || (is_tonight(point) && is_tonight(night)) ||
                   strcmp(json_text(point, "rerun_of"), json_text(night, "run_id")) == 0;
        if (own && n <= NIGHTLY_RERUNS)
            values[n++] = value;
        else if (!own && before && is_night(point) && *n_history < MAX_RUNS)
            history[(*n_history)++] = value;
    }
    bool ok = nightly_judge(history, *n_history, values, n, minimum_effect, out, err);
    free(history);
    return ok;
}

/* What a chart marks: the night from which a change was confirmed, and where a machine or compiler changed. */
static bool mark_changes(const cJSON *points, double minimum_effect, struct error *err)
{
    cJSON *point;
    const cJSON *before = NULL;
    cJSON_ArrayForEach(point, points) {
        struct nightly_verdict v;
        size_t n_history;
        if (!is_night(point) || (before && is_tonight(before)))
            continue;
        if (!judge_night(points, point, minimum_effect, &v, &n_history, err))
            return false;
        bool segment = before && strcmp(json_text(before, "system_id"), json_text(point, "system_id")) != 0;
        if (v.state == NIGHTLY_CONFIRMED || v.state == NIGHTLY_IMPROVED || segment)
            cJSON_AddStringToObject(point, "change", segment ? "segment" : nightly_state_names[v.state]);
        before = point;
    }
    return true;
}

static bool judge_series(cJSON *row, double minimum_effect, struct error *err)
{
    const cJSON *points = cJSON_GetObjectItem(row, "points"), *tonight;
    cJSON_ArrayForEach(tonight, points)
        if (is_tonight(tonight))
            break;
    struct nightly_verdict v = {.state = NIGHTLY_NO_DATA, .effect = minimum_effect};
    size_t n_history = 0;
    if (!mark_changes(points, minimum_effect, err) || (tonight && !judge_night(points, tonight, minimum_effect, &v, &n_history, err)))
        return false;
    cJSON_AddStringToObject(row, "state", nightly_state_names[v.state]);
    cJSON_AddNumberToObject(row, "history", (double)n_history);
    cJSON_AddNumberToObject(row, "effect", v.effect);
    if (v.state == NIGHTLY_NO_DATA)
        cJSON_AddNullToObject(row, "ratio");
    else {
        cJSON *ratio = cJSON_AddObjectToObject(row, "ratio");
        cJSON_AddNumberToObject(ratio, "value", v.ratio.value);
        cJSON_AddNumberToObject(ratio, "low", v.ratio.low);
        cJSON_AddItemToObject(ratio, "high", isfinite(v.ratio.high) ? cJSON_CreateNumber(v.ratio.high) : cJSON_CreateNull());
        cJSON_AddNumberToObject(ratio, "p", v.ratio.p);
    }
    return true;
}

cJSON *nightly_figures(const cJSON *earlier, const cJSON *tonight, double minimum_effect, struct error *err)
{
    const cJSON *run, *first = cJSON_GetArrayItem(tonight, 0);
    const char *system_id = json_text(cJSON_GetObjectItem(first, "system"), "id");
    cJSON *root = cJSON_CreateObject(), *series, *row;
    cJSON_AddStringToObject(root, "schema", "jeoul/nightly/1");
    cJSON_AddStringToObject(root, "plan", json_text(cJSON_GetObjectItem(first, "plan"), "name"));
    cJSON_AddStringToObject(root, "run_id", json_text(first, "run_id"));
    cJSON_AddStringToObject(root, "started", json_text(first, "started"));
    cJSON_AddStringToObject(root, "system_id", system_id);
    cJSON_AddNumberToObject(root, "minimum_effect", minimum_effect);
    cJSON_AddNumberToObject(root, "reruns", cJSON_GetArraySize(tonight) - 1);
    series = cJSON_AddArrayToObject(root, "series");
    bool ok = true;
    cJSON_ArrayForEach(run, earlier)
        ok = ok && add_run(series, run, false, err);
    cJSON_ArrayForEach(run, tonight)
        ok = ok && add_run(series, run, true, err);
    cJSON_ArrayForEach(row, series)
        ok = ok && judge_series(row, minimum_effect, err);
    if (ok)
        return root;
    cJSON_Delete(root);
    return NULL;
}

bool nightly_has_cell(const cJSON *figures, enum nightly_state state, const char *cell)
{
    const cJSON *row;
    size_t n = series_length(cell);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "series")) {
        const char *key = json_text(row, "cell");
        if (strcmp(json_text(row, "state"), nightly_state_names[state]) == 0 && strlen(key) == n && memcmp(key, cell, n) == 0)
            return true;
    }
    return false;
}

int nightly_count(const cJSON *figures, enum nightly_state state)
{
    int count = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "series"))
        count += strcmp(json_text(row, "state"), nightly_state_names[state]) == 0;
    return count;
}
