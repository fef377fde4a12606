/* Expert load by language: see expert_load.h. */
#include "harness/expert_load.h"

#include "base/json.h"
#include "base/memory.h"
#include "harness/cli.h"
#include "reports/statistics.h"

#include <math.h>
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

static cJSON *layers_json(const struct expert_load *load, const double *tokens)
{
    cJSON *layers = cJSON_CreateArray();
    for (int layer = 0; layer < load->n_layers; layer++) {
        const double *row = tokens + (size_t)layer * (size_t)load->n_experts;
        struct evenness even = statistics_evenness(row, (size_t)load->n_experts);
        if (even.sum <= 0)
            continue;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "layer", layer);
        cJSON_AddNumberToObject(one, "imbalance", even.imbalance);
        cJSON_AddNumberToObject(one, "entropy", even.entropy);
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

static bool add_divergence(const struct expert_load *load, cJSON *root, struct error *err)
{
    const double *ko = tokens_of(load, "ko"), *en = tokens_of(load, "en");
    if (!ko || !en) {
        cJSON_AddNullToObject(root, "divergence");
        cJSON_AddStringToObject(root, "divergence_reason", "tasks of both languages are needed");
        return true;
    }
    cJSON *divergence = cJSON_AddArrayToObject(root, "divergence");
    for (int layer = 0; layer < load->n_layers; layer++) {
        size_t at = (size_t)layer * (size_t)load->n_experts, n = (size_t)load->n_experts;
        double bits = statistics_jensen_shannon(ko + at, en + at, n);
        struct chance chance;
        if (!(bits >= 0))
            continue;
        if (!statistics_jensen_shannon_chance(ko + at, en + at, n, (uint64_t)layer, &chance, err))
            return false;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "layer", layer);
        cJSON_AddNumberToObject(one, "bits", bits);
        cJSON_AddNumberToObject(one, "expected_bits", chance.expected);
        cJSON_AddNumberToObject(one, "p95_bits", chance.p95);
        cJSON_AddItemToArray(divergence, one);
    }
    return true;
}

bool expert_load_json(const struct expert_load *load, cJSON **out, struct error *err)
{
    *out = NULL;
    if (!load->before)
        return true;
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
    if (add_divergence(load, root, err)) {
        *out = root;
        return true;
    }
    cJSON_Delete(root);
    return false;
}

/* The mean over layers of each of a list's numbers. */
static double mean_of(const cJSON *list, const char *key)
{
    double sum = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
        sum += json_real(one, key);
    return sum / cJSON_GetArraySize(list);
}

void expert_load_print(const cJSON *load)
{
    const cJSON *one, *divergence = cJSON_GetObjectItem(load, "divergence");
    if (!cJSON_IsObject(load))
        return;
    puts("\nexpert load, means over layers");
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(load, "languages"))
        printf("  %s: the busiest expert has %s times the mean\n", json_text(one, "language"),
               number_for_people(mean_of(cJSON_GetObjectItem(one, "layers"), "imbalance")));
    if (cJSON_GetArraySize(divergence))
        printf("  Korean and English differ by %.3g bits (Jensen–Shannon), by chance %.2g\n", mean_of(divergence, "bits"),
               mean_of(divergence, "expected_bits"));
}
