/* Expert load by language: see expert_load.h. */
#include "harness/expert_load.h"

#include "base/memory.h"
#include "reports/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t cells(const struct expert_load *load)
{
    return (size_t)load->n_layers * (size_t)load->n_experts;
}

bool expert_load_begin(struct expert_load *load, const struct engine *engine, struct error *err)
{
    const uint64_t *now = engine_expert_load(engine);
    if (!now || !cells(load))
        return true;
    if (!load->before && !(load->before = memory_array(cells(load), sizeof *load->before, "expert load", err)))
        return false;
    memcpy(load->before, now, cells(load) * sizeof *now);
    return true;
}

bool expert_load_end(struct expert_load *load, const struct engine *engine, const char *language, struct error *err)
{
    const uint64_t *now = engine_expert_load(engine);
    int l = 0;
    if (!now || !load->before)
        return true;
    while (l < load->n_languages && strcmp(load->languages[l].name, language) != 0)
        l++;
    if (l == EXPERT_LOAD_LANGUAGES)
        return error_set(err, ERROR_INPUT, "tasks of more than %d languages in one run", EXPERT_LOAD_LANGUAGES);
    if (l == load->n_languages) {
        if (!(load->languages[l].tokens = memory_array(cells(load), sizeof *load->languages[l].tokens, "expert load", err)))
            return false;
        snprintf(load->languages[l].name, sizeof load->languages[l].name, "%s", language);
        load->n_languages++;
    }
    for (size_t i = 0; i < cells(load); i++)
        load->languages[l].tokens[i] += (double)(now[i] - load->before[i]);
    return true;
}

void expert_load_free(struct expert_load *load)
{
    for (int l = 0; l < load->n_languages; l++)
        free(load->languages[l].tokens);
    free(load->before);
    *load = (struct expert_load){0};
}

static double sum_of(const double *values, int n, double *greatest)
{
    double sum = 0;
    *greatest = 0;
    for (int i = 0; i < n; i++) {
        sum += values[i];
        *greatest = values[i] > *greatest ? values[i] : *greatest;
    }
    return sum;
}

static cJSON *layers_json(const struct expert_load *load, const double *tokens)
{
    cJSON *layers = cJSON_CreateArray();
    for (int layer = 0; layer < load->n_layers; layer++) {
        const double *row = tokens + (size_t)layer * (size_t)load->n_experts;
        double greatest, sum = sum_of(row, load->n_experts, &greatest);
        if (sum <= 0)
            continue;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "layer", layer);
        cJSON_AddNumberToObject(one, "imbalance", greatest * load->n_experts / sum);
        cJSON_AddItemToObject(one, "tokens", cJSON_CreateDoubleArray(row, load->n_experts));
        cJSON_AddItemToArray(layers, one);
    }
    return layers;
}

static const double *tokens_of(const struct expert_load *load, const char *language)
{
    for (int l = 0; l < load->n_languages; l++)
        if (strcmp(load->languages[l].name, language) == 0)
            return load->languages[l].tokens;
    return NULL;
}

cJSON *expert_load_json(const struct expert_load *load)
{
    const double *ko = tokens_of(load, "ko"), *en = tokens_of(load, "en");
    if (!load->before)
        return NULL;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "layers", load->n_layers);
    cJSON_AddNumberToObject(root, "experts", load->n_experts);
    cJSON *languages = cJSON_AddArrayToObject(root, "languages");
    for (int l = 0; l < load->n_languages; l++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "language", load->languages[l].name);
        cJSON_AddItemToObject(one, "layers", layers_json(load, load->languages[l].tokens));
        cJSON_AddItemToArray(languages, one);
    }
    if (!ko || !en) {
        cJSON_AddNullToObject(root, "divergence");
        cJSON_AddStringToObject(root, "divergence_reason", "tasks of both languages are needed");
        return root;
    }
    cJSON *divergence = cJSON_AddArrayToObject(root, "divergence");
    for (int layer = 0; layer < load->n_layers; layer++) {
        size_t at = (size_t)layer * (size_t)load->n_experts;
        double bits = statistics_jensen_shannon(ko + at, en + at, (size_t)load->n_experts);
        if (!(bits >= 0))
            continue;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "layer", layer);
        cJSON_AddNumberToObject(one, "bits", bits);
        cJSON_AddItemToArray(divergence, one);
    }
    return root;
}
