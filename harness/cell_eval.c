/* Eval cells: see cell_eval.h. */
#include "harness/cell_eval.h"

#include "base/json.h"
#include "base/memory.h"
#include "harness/expert_load.h"
#include "harness/measurement.h"
#include "harness/places.h"
#include "harness/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_task(cJSON *tasks, const struct eval_task_info *info)
{
    cJSON *task = cJSON_CreateObject();
    const char *const texts[][2] = {{"name", info->name},
                                    {"group", info->group},
                                    {"language", info->language},
                                    {"version", info->version},
                                    {"licence", info->licence},
                                    {"source", info->source},
                                    {"summary_ko", info->summary_ko},
                                    {"summary_en", info->summary_en},
                                    {"data_sha256", info->data_sha256}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cJSON_AddStringToObject(task, texts[i][0], texts[i][1]);
    cJSON_AddNumberToObject(task, "n_items", info->n_items);
    cJSON_AddNumberToObject(task, "chance", info->chance);
    cJSON_AddItemToArray(tasks, task);
}

/* "1101…": which items are right, in the set's order; what compares two models item by item reads it. */
static bool add_right(cJSON *labels, const struct eval_metric *m, int n, struct error *err)
{
    char *right = memory_array((size_t)n + 1, 1, "answers", err);
    if (!right)
        return false;
    for (int i = 0; i < n; i++)
        right[i] = m->values[i] > 0.5 ? '1' : '0';
    right[n] = '\0';
    cJSON_AddStringToObject(labels, "right", right);
    free(right);
    return true;
}

static bool add_scores(cJSON *measurements, const struct eval_task_info *info, const struct eval_result *r, struct error *err)
{
    for (int i = 0; i < r->n_metrics; i++) {
        const struct eval_metric *m = &r->metrics[i];
        cJSON *labels = measurement_labels("task", info->name);
        measurement_add(measurements, m->name, m->lower_is_better ? "" : "ratio", m->value, NULL, labels);
        if (m->is_share)
            cJSON_AddNumberToObject(labels, "correct", round(m->value * r->n));
        cJSON_AddNumberToObject(labels, "n", r->n);
        cJSON_AddStringToObject(labels, "filter", m->filter);
        if (m->is_share && m->values && strcmp(m->name, "acc") == 0 && !add_right(labels, m, r->n, err))
            return false;
        if (isfinite(m->stderr_))
            cJSON_AddNumberToObject(labels, "stderr", m->stderr_);
    }
    return true;
}

/* What the texts take in tokens, and how fast they were asked. */
static void add_tokens(cJSON *measurements, const struct eval_task_info *info, const struct eval_result *r)
{
    const char *unknown = r->text_tokens < 0 ? scores_not_counted : NULL;
    cJSON *labels = measurement_labels("task", info->name);
    cJSON_AddStringToObject(labels, "language", info->language);
    json_add_real(labels, "tokens", unknown ? NAN : (double)r->text_tokens, unknown);
    cJSON_AddNumberToObject(labels, "characters", (double)r->text_characters);
    cJSON_AddNumberToObject(labels, "words", (double)r->text_words);
    cJSON_AddNumberToObject(labels, "bytes", (double)r->text_bytes);
    measurement_add(measurements, "fertility", "tok/1000 characters", 1000.0 * (double)r->text_tokens / (double)r->text_characters, unknown,
                    labels);
    unknown = r->prompt_tokens ? NULL : "the server doesn't tell how many tokens it was asked";
    labels = measurement_labels("task", info->name);
    json_add_real(labels, "tokens", unknown ? NAN : (double)r->prompt_tokens, unknown);
    measurement_add(measurements, "eval_throughput", "tok/s", (double)r->prompt_tokens * 1e9 / (double)r->ns, unknown, labels);
}

/* Imbalance and entropy of each language, as means over layers. */
static void add_routing(cJSON *measurements, const cJSON *load)
{
    const cJSON *one, *layer;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(load, "languages")) {
        double imbalance = 0, entropy = 0;
        int n = cJSON_GetArraySize(cJSON_GetObjectItem(one, "layers"));
        cJSON_ArrayForEach(layer, cJSON_GetObjectItem(one, "layers")) {
            imbalance += json_real(layer, "imbalance") / n;
            entropy += json_real(layer, "entropy") / n;
        }
        measurement_add(measurements, "expert_imbalance", "ratio", imbalance, n ? NULL : "no token was routed",
                        measurement_labels("language", json_text(one, "language")));
        measurement_add(measurements, "routing_entropy", "ratio", entropy, n ? NULL : "no token was routed",
                        measurement_labels("language", json_text(one, "language")));
    }
}

/* The answers, and where they are the engine's, what its experts had to do for them. */
static bool answer(const struct cell_answerer *by, const struct eval_task *task, const struct eval_options *options,
                   struct expert_load *load, struct eval_result *r, struct error *err)
{
    const struct opened *o = by->opened;
    if (!o)
        return eval_run_through(&by->remote->answerer, task, options, r, err);
    return expert_load_begin(load, o->engine, err) && eval_run(o->engine, o->tokenizer, task, options, r, err);
}

static bool run_task(const struct cell_answerer *by, const struct eval_task *task, const struct eval_options *options,
                     struct expert_load *load, cJSON *result, struct error *err)
{
    struct eval_result r;
    struct eval_task_info info = eval_task_info(task);
    cJSON *measurements = cJSON_GetObjectItem(result, "measurements");
    if (!answer(by, task, options, load, &r, err))
        return false;
    bool ok = true;
    add_task(cJSON_GetObjectItem(result, "tasks"), &info);
    if (r.left_out[0])
        measurement_add(measurements, info.metric, "ratio", NAN, r.left_out, measurement_labels("task", info.name));
    else {
        ok = add_scores(measurements, &info, &r, err);
        add_tokens(measurements, &info, &r);
    }
    eval_result_free(&r);
    return ok && (!by->opened || expert_load_end(load, by->opened->engine, info.language, err));
}

static bool add_load(const struct expert_load *load, cJSON *result, struct error *err)
{
    cJSON *json;
    if (!expert_load_json(load, &json, err))
        return false;
    if (json) {
        add_routing(cJSON_GetObjectItem(result, "measurements"), json);
        cJSON_AddItemToObject(result, "expert_load", json);
    }
    return true;
}

bool cell_eval(const struct cell_answerer *by, const cJSON *config, cJSON *result, struct error *err)
{
    char task_files[4096], builtin[4096];
    const cJSON *limit = cJSON_GetObjectItem(config, "limit");
    struct eval_places places = {
        .tasks = task_files, .builtin = builtin, .data = cJSON_GetStringValue(cJSON_GetObjectItem(config, "data"))};
    struct eval_options options = {
        .limit = cJSON_IsNumber(limit) ? limit->valueint : 0, .shots = -1, .max_length = by->opened ? 0 : by->remote->options.max_length};
    struct expert_load load = {0};
    struct eval_task **tasks = NULL;
    int count = 0;
    if (by->opened) {
        load.n_layers = by->opened->info.n_layers;
        load.n_experts = by->opened->info.n_experts;
    }
    bool ok = places_find("datasets/tasks", task_files, sizeof task_files, err) &&
              places_find("datasets/builtin", builtin, sizeof builtin, err) &&
              eval_tasks_open(&places, cJSON_GetStringValue(cJSON_GetObjectItem(config, "tasks")), &tasks, &count, err);
    for (int i = 0; i < count; i++) {
        ok = ok && run_task(by, tasks[i], &options, &load, result, err);
        eval_task_close(tasks[i]);
    }
    free(tasks);
    ok = ok && add_load(&load, result, err);
    expert_load_free(&load);
    return ok;
}
