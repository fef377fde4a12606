/* Servers under load: see served.h. */
#include "reports/served.h"

#include "base/json.h"
#include "base/memory.h"
#include "reports/interval_json.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Figures and the measurements that they are medians of. */
static const struct {
    const char *key, *metric, *statistic;
} columns[] = {{"requests_per_s", "served_requests", ""}, {"input_tok_per_s", "served_input", ""},
               {"output_tok_per_s", "served_output", ""}, {"ttft_ns", "served_ttft", "median"},
               {"ttft_p90_ns", "served_ttft", "p90"},     {"tpot_ns", "served_tpot", "median"},
               {"e2el_ns", "served_e2el", "median"}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static bool same_configuration(const cJSON *a, const cJSON *b)
{
    const cJSON *x = cJSON_GetObjectItem(a, "config"), *y = cJSON_GetObjectItem(b, "config");
    return strcmp(json_text(a, "kind"), "load") == 0 && strcmp(json_text(a, "state"), "ok") == 0 &&
           strcmp(json_text(a, "model"), json_text(b, "model")) == 0 && cJSON_Compare(x, y, true);
}

static const cJSON *measurement_of(const cJSON *run, const char *cell, int column)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "measurements"))
        if (strcmp(json_text(m, "cell"), cell) == 0 && strcmp(json_text(m, "metric"), columns[column].metric) == 0 &&
            strcmp(json_text(cJSON_GetObjectItem(m, "labels"), "statistic"), columns[column].statistic) == 0)
            return m;
    return NULL;
}

/* One figure over the repeats of a cell's configuration. */
static bool add_column(const cJSON *run, const cJSON *first, int column, double *samples, cJSON *row, struct error *err)
{
    const cJSON *cell, *missing = NULL;
    struct summary s;
    size_t n = 0;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells")) {
        const cJSON *m = same_configuration(cell, first) ? measurement_of(run, json_text(cell, "id"), column) : NULL;
        if (m && cJSON_IsNumber(cJSON_GetObjectItem(m, "value")))
            samples[n++] = json_real(m, "value");
        else if (m)
            missing = m;
    }
    if (n && !missing) {
        if (!statistics_summary(samples, n, 1, &s, err))
            return false;
        cJSON_AddItemToObject(row, columns[column].key, interval_json((struct interval){s.median, s.ci95_low, s.ci95_high}));
        return true;
    }
    char key[64];
    snprintf(key, sizeof key, "%s_reason", columns[column].key);
    cJSON_AddNullToObject(row, columns[column].key);
    cJSON_AddStringToObject(row, key, missing ? json_text(missing, "reason") : "not measured");
    return true;
}

static bool add_row(const cJSON *run, const cJSON *first, double *samples, cJSON *rows, struct error *err)
{
    static const char *const keys[][2] = {
        {"words", "prompt"}, {"generate", "generate"}, {"concurrency", "concurrency"}, {"requests", "requests"}};
    const cJSON *cell;
    cJSON *row = cJSON_CreateObject();
    int repeats = 0;
    cJSON_AddItemToArray(rows, row);
    cJSON_AddStringToObject(row, "model", json_text(first, "model"));
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        cJSON_AddNumberToObject(row, keys[k][0], json_real(cJSON_GetObjectItem(first, "config"), keys[k][1]));
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells"))
        repeats += same_configuration(cell, first);
    cJSON_AddNumberToObject(row, "repeats", repeats);
    for (int column = 0; column < COLUMNS; column++)
        if (!add_column(run, first, column, samples, row, err))
            return false;
    return true;
}

bool served_derive(const cJSON *run, cJSON *figures, struct error *err)
{
    const cJSON *cell, *before, *cells = cJSON_GetObjectItem(run, "cells");
    cJSON *rows = cJSON_AddArrayToObject(figures, "served");
    double *samples = memory_array((size_t)cJSON_GetArraySize(cells), sizeof *samples, "samples", err);
    bool ok = samples != NULL;
    cJSON_ArrayForEach(cell, cells) {
        bool new = same_configuration(cell, cell);
        for (before = cells->child; new &&before != cell; before = before->next)
            new = !same_configuration(before, cell);
        ok = ok && (!new || add_row(run, cell, samples, rows, err));
    }
    free(samples);
    return ok;
}
