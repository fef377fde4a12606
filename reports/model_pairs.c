/* Pairs of models, item by item: see model_pairs.h. */
#include "reports/model_pairs.h"

#include "base/json.h"
#include "base/memory.h"
#include "reports/interval_json.h"
#include "reports/reasons.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1 };

struct answers {
    double *against, *model; // 1 right, 0 wrong
    size_t n, against_capacity, model_capacity;
};

/* The labels of a model's acc in a task; NULL where it wasn't asked. */
static const cJSON *acc_labels(const cJSON *run, const char *model, const char *task)
{
    const cJSON *m, *cells = cJSON_GetObjectItem(run, "cells");
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "measurements")) {
        const cJSON *labels = cJSON_GetObjectItem(m, "labels");
        if (strcmp(json_text(m, "metric"), "acc") == 0 && strcmp(json_text(labels, "task"), task) == 0 &&
            strcmp(json_text(json_find(cells, "id", json_text(m, "cell")), "model"), model) == 0)
            return labels;
    }
    return NULL;
}

/* "builtin" of a task of the group builtin_ko; what has no language behind it stays as it is. */
static void set_of(const cJSON *task, char out[128])
{
    char end[32];
    snprintf(out, 128, "%.120s", json_text(task, "group"));
    int n = snprintf(end, sizeof end, "_%.24s", json_text(task, "language"));
    size_t length = strlen(out);
    if (n > 1 && length > (size_t)n && strcmp(out + length - (size_t)n, end) == 0)
        out[length - (size_t)n] = '\0';
}

static bool add_answers(struct answers *to, const char *against, const char *model, struct error *err)
{
    size_t n = strlen(model);
    if (!memory_grow((void **)&to->against, &to->against_capacity, to->n + n, sizeof *to->against, "items", err) ||
        !memory_grow((void **)&to->model, &to->model_capacity, to->n + n, sizeof *to->model, "items", err))
        return false;
    for (size_t i = 0; i < n; i++, to->n++) {
        to->against[to->n] = against[i] == '1';
        to->model[to->n] = model[i] == '1';
    }
    return true;
}

static bool check_right(const cJSON *run, const char *right, const char *task, struct error *err)
{
    return right[strspn(right, "01")] == '\0' ||
           error_set(err, ERROR_INPUT, "run %.64s: the answers (right) to %.64s are no text of 0 and 1", json_text(run, "run_id"), task);
}

/* The answers of both models to the same items of a set; NULL: of all sets. */
static bool collect(const cJSON *run, const cJSON *pair, const char *set, struct answers *out, struct error *err)
{
    const cJSON *task;
    cJSON_ArrayForEach(task, cJSON_GetObjectItem(run, "tasks")) {
        char its[128];
        const char *name = json_text(task, "name");
        set_of(task, its);
        if (set && strcmp(set, its) != 0)
            continue;
        const char *model = json_text(acc_labels(run, json_text(pair, "model"), name), "right"),
                   *against = json_text(acc_labels(run, json_text(pair, "against"), name), "right");
        if (!check_right(run, model, name, err) || !check_right(run, against, name, err))
            return false;
        if (strlen(model) == strlen(against) && !add_answers(out, against, model, err)) // else they weren't asked the same
            return false;
    }
    return true;
}

static bool add_row(const cJSON *run, const cJSON *pair, const char *set, cJSON *rows, struct error *err)
{
    struct answers a = {0};
    struct interval difference;
    uint64_t only_model = 0, only_against = 0;
    double sum_model = 0, sum_against = 0;
    bool ok = collect(run, pair, set, &a, err);
    if (ok && a.n && (ok = statistics_paired(a.against, a.model, a.n, SEED, &difference, err))) {
        for (size_t i = 0; i < a.n; i++) {
            only_model += a.model[i] > a.against[i];
            only_against += a.against[i] > a.model[i];
            sum_model += a.model[i];
            sum_against += a.against[i];
        }
        cJSON *row = cJSON_CreateObject();
        cJSON_AddItemToObject(row, "set", set ? cJSON_CreateString(set) : cJSON_CreateNull());
        cJSON_AddNumberToObject(row, "n", (double)a.n);
        cJSON_AddNumberToObject(row, "a", sum_against / (double)a.n);
        cJSON_AddNumberToObject(row, "b", sum_model / (double)a.n);
        cJSON_AddItemToObject(row, "difference", interval_json(difference));
        cJSON_AddNumberToObject(row, "only_model_right", (double)only_model);
        cJSON_AddNumberToObject(row, "only_against_right", (double)only_against);
        cJSON_AddNumberToObject(row, "mcnemar_p", statistics_mcnemar(only_model, only_model + only_against));
        cJSON_AddItemToArray(rows, row);
    }
    free(a.against);
    free(a.model);
    return ok;
}

static bool derive_pair(const cJSON *run, const cJSON *pair, cJSON *pairs, struct error *err)
{
    const cJSON *task;
    cJSON *out = cJSON_CreateObject();
    for (const char *const *key = (const char *const[]){"what", "model", "against", NULL}; *key; key++)
        cJSON_AddStringToObject(out, *key, json_text(pair, *key));
    cJSON *rows = cJSON_AddArrayToObject(out, "rows");
    cJSON_AddItemToArray(pairs, out);
    cJSON_ArrayForEach(task, cJSON_GetObjectItem(run, "tasks")) {
        char set[128];
        set_of(task, set);
        if (!json_find(rows, "set", set) && !add_row(run, pair, set, rows, err))
            return false;
    }
    if (cJSON_GetArraySize(rows) > 1 && !add_row(run, pair, NULL, rows, err))
        return false;
    cJSON_AddItemToObject(out, "reason",
                          cJSON_GetArraySize(rows) ? cJSON_CreateNull() : cJSON_CreateString(reason_words(REASON_NO_COMMON_ITEM)));
    return true;
}

static void weigh(cJSON *figures, const char *id, cJSON *weighed)
{
    const cJSON *row, *model = json_find(cJSON_GetObjectItem(figures, "models"), "id", id), *cost = NULL;
    double n = 0, correct = 0;
    if (json_find(weighed, "model", id))
        return;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "accuracy"))
        if (strcmp(json_text(row, "model"), id) == 0) {
            n += json_real(row, "n");
            correct += json_real(row, "correct");
        }
    if (!model || !(n > 0))
        return;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "cost"))
        if (strcmp(json_text(row, "model"), id) == 0 && strcmp(json_text(row, "kind"), "correct_answers") == 0)
            cost = row;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "model", id);
    cJSON_AddStringToObject(out, "name", json_text(model, "name"));
    cJSON_AddStringToObject(out, "quantisation", json_text(model, "quantisation"));
    json_add_real(out, "active_bytes", json_real(model, "active_bytes"), "a server doesn't tell");
    cJSON_AddNumberToObject(out, "n", n);
    cJSON_AddItemToObject(out, "acc", interval_json(statistics_wilson((uint64_t)correct, (uint64_t)n)));
    cJSON_AddItemToObject(out, "krw_per_1000_correct", cost ? cJSON_Duplicate(cJSON_GetObjectItem(cost, "krw"), true) : cJSON_CreateNull());
    cJSON_AddItemToObject(out, "reason",
                          cost ? cJSON_Duplicate(cJSON_GetObjectItem(cost, "reason"), true)
                               : cJSON_CreateString(reason_words(REASON_NO_COST)));
    cJSON_AddItemToArray(weighed, out);
}

bool model_pairs_derive(const cJSON *run, cJSON *figures, struct error *err)
{
    const cJSON *pair;
    cJSON *pairs = cJSON_AddArrayToObject(figures, "pairs"), *weighed = cJSON_AddArrayToObject(figures, "weighed");
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(run, "compare")) {
        if (!derive_pair(run, pair, pairs, err))
            return false;
        weigh(figures, json_text(pair, "model"), weighed);
        weigh(figures, json_text(pair, "against"), weighed);
    }
    return true;
}
