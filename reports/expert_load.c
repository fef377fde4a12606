/* Expert load of a run: see expert_load.h. */
#include "reports/expert_load.h"

#include "base/json.h"
#include "base/memory.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANGUAGES = 2, MAX_LAYERS = 1024, MAX_EXPERTS = 4096 };
static const char *const languages[LANGUAGES] = {"ko", "en"};

/* A model's counts over its cells. */
struct loads {
    int n_layers, n_experts;
    double *counts[LANGUAGES]; // [n_layers][n_experts]
    bool there[LANGUAGES];
};

static void loads_free(struct loads *loads)
{
    for (int l = 0; l < LANGUAGES; l++)
        free(loads->counts[l]);
    *loads = (struct loads){0};
}

static bool add_layer(struct loads *loads, const struct json_at *at, double *counts, struct error *err)
{
    struct json_at layer = json_member(at, "layer"), tokens = json_member(at, "tokens");
    int64_t number;
    int n;
    if (!json_integer(&layer, 0, loads->n_layers - 1, &number, err) || !json_array(&tokens, &n, err))
        return false;
    if (n != loads->n_experts)
        return json_error(&tokens, err, "has %d numbers, the model has %d experts", n, loads->n_experts);
    double *row = counts + (size_t)number * (size_t)loads->n_experts;
    const cJSON *value;
    cJSON_ArrayForEach(value, tokens.value) {
        if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0) || value->valuedouble > 1e18)
            return json_error(&tokens, err, "holds something that is no count of tokens");
        *row++ += value->valuedouble;
    }
    return true;
}

static bool add_language(struct loads *loads, const struct json_at *at, struct error *err)
{
    struct json_at name = json_member(at, "language"), layers = json_member(at, "layers");
    const char *language;
    int n, l = 0;
    if (!json_string(&name, &language, err) || !json_array(&layers, &n, err))
        return false;
    while (l < LANGUAGES && strcmp(language, languages[l]) != 0)
        l++;
    if (l == LANGUAGES)
        return true;
    loads->there[l] = true;
    for (int i = 0; i < n; i++) {
        struct json_at layer = json_element(&layers, i);
        if (!add_layer(loads, &layer, loads->counts[l], err))
            return false;
    }
    return true;
}

static bool add_cell(struct loads *loads, const struct json_at *at, struct error *err)
{
    struct json_at layers = json_member(at, "layers"), experts = json_member(at, "experts"), list = json_member(at, "languages");
    int64_t n_layers, n_experts;
    int n;
    if (!json_integer(&layers, 1, MAX_LAYERS, &n_layers, err) || !json_integer(&experts, 1, MAX_EXPERTS, &n_experts, err) ||
        !json_array(&list, &n, err))
        return false;
    if (loads->n_layers && (loads->n_layers != n_layers || loads->n_experts != n_experts))
        return json_error(at, err, "has another number of layers or experts than the model's other cells");
    for (int l = 0; l < LANGUAGES && !loads->n_layers; l++)
        if (!(loads->counts[l] = memory_array((size_t)n_layers * (size_t)n_experts, sizeof(double), "expert load", err)))
            return false;
    loads->n_layers = (int)n_layers;
    loads->n_experts = (int)n_experts;
    for (int i = 0; i < n; i++) {
        struct json_at language = json_element(&list, i);
        if (!add_language(loads, &language, err))
            return false;
    }
    return true;
}

static bool gather(const cJSON *run, const char *model, struct loads *loads, struct error *err)
{
    struct json_at root = json_root("the run document", run), cells = json_member(&root, "cells");
    for (int i = 0; i < cJSON_GetArraySize(cells.value); i++) {
        struct json_at cell = json_element(&cells, i), load = json_member(&cell, "expert_load");
        bool counted = cJSON_IsObject(load.value) && strcmp(json_text(cell.value, "state"), "ok") == 0;
        if (counted && strcmp(json_text(cell.value, "model"), model) == 0 && !add_cell(loads, &load, err))
            return false;
    }
    return true;
}

static void add_language_figures(cJSON *rows, const struct loads *loads, int l)
{
    double imbalance = 0, entropy = 0, routed = 0;
    int n = 0;
    for (int layer = 0; layer < loads->n_layers; layer++) {
        size_t experts = (size_t)loads->n_experts;
        struct evenness even = statistics_evenness(loads->counts[l] + (size_t)layer * experts, experts);
        if (even.sum <= 0)
            continue;
        imbalance += even.imbalance;
        entropy += even.entropy;
        routed = fmax(routed, even.sum);
        n++;
    }
    if (!n)
        return;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "language", languages[l]);
    cJSON_AddNumberToObject(row, "routed", routed);
    cJSON_AddNumberToObject(row, "imbalance", imbalance / n);
    cJSON_AddNumberToObject(row, "entropy", entropy / n);
    cJSON_AddItemToArray(rows, row);
}

static bool add_layer_figures(cJSON *rows, const struct loads *loads, int layer, struct error *err)
{
    size_t n = (size_t)loads->n_experts, at = (size_t)layer * n;
    const double *ko = loads->counts[0] + at, *en = loads->counts[1] + at;
    double bits = statistics_jensen_shannon(ko, en, n);
    struct chance chance;
    if (statistics_evenness(ko, n).sum + statistics_evenness(en, n).sum <= 0) // a dense layer
        return true;
    if (!statistics_jensen_shannon_chance(ko, en, n, (uint64_t)layer, &chance, err))
        return false;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddNumberToObject(row, "layer", layer);
    for (int l = 0; l < LANGUAGES; l++)
        if (loads->there[l])
            cJSON_AddItemToObject(row, languages[l], cJSON_CreateDoubleArray(loads->counts[l] + at, loads->n_experts));
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"bits", bits}, {"expected_bits", chance.expected}, {"p95_bits", chance.p95}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cJSON_AddItemToObject(row, numbers[i].key, isfinite(numbers[i].value) ? cJSON_CreateNumber(numbers[i].value) : cJSON_CreateNull());
    cJSON_AddItemToArray(rows, row);
    return true;
}

bool expert_load_derive(const cJSON *run, cJSON *figures, struct error *err)
{
    cJSON *rows = cJSON_AddArrayToObject(figures, "expert_load");
    const cJSON *model;
    bool ok = true;
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(run, "models")) {
        struct loads loads = {0};
        ok = ok && gather(run, json_text(model, "id"), &loads, err);
        if (ok && loads.n_layers) {
            cJSON *row = cJSON_CreateObject(), *list, *layers;
            cJSON_AddItemToArray(rows, row);
            cJSON_AddStringToObject(row, "model", json_text(model, "id"));
            cJSON_AddNumberToObject(row, "experts", loads.n_experts);
            list = cJSON_AddArrayToObject(row, "languages");
            layers = cJSON_AddArrayToObject(row, "layers");
            for (int l = 0; l < LANGUAGES; l++)
                add_language_figures(list, &loads, l);
            for (int layer = 0; ok && layer < loads.n_layers; layer++)
                ok = add_layer_figures(layers, &loads, layer, err);
        }
        loads_free(&loads);
    }
    return ok;
}
