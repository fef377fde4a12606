/* jeoul cell: the child's side of a cell. Reads its specification on standard input, measures, and prints one JSON object: measurements,
 * what the model and tasks are, or {"error": …}. Not for people. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/json.h"
#include "bench/bench.h"
#include "eval/eval.h"
#include "harness/counters.h"
#include "harness/energy.h"
#include "harness/expert_load.h"
#include "harness/gpu_meter.h"
#include "harness/places.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static cJSON *labels_of(const char *key, const char *value)
{
    cJSON *labels = cJSON_CreateObject();
    if (key)
        cJSON_AddStringToObject(labels, key, value);
    return labels;
}

/* Adds a measurement; a reason instead of a value where there is none. */
static void add(cJSON *measurements, const char *metric, const char *unit, double value, const char *reason, cJSON *labels)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "metric", metric);
    cJSON_AddStringToObject(m, "unit", unit);
    cJSON_AddItemToObject(m, "value", reason || !isfinite(value) ? cJSON_CreateNull() : cJSON_CreateNumber(value));
    cJSON_AddItemToObject(m, "reason",
                          reason            ? cJSON_CreateString(reason)
                          : isfinite(value) ? cJSON_CreateNull()
                                            : cJSON_CreateString("not a number"));
    cJSON_AddItemToObject(m, "labels", labels);
    cJSON_AddItemToArray(measurements, m);
}

static double config_number(const cJSON *config, const char *key)
{
    const cJSON *value = cJSON_GetObjectItem(config, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static cJSON *model_json(const struct opened *o, const char *id, const char *path)
{
    const struct model_info *i = &o->info;
    cJSON *model = cJSON_CreateObject();
    cJSON_AddStringToObject(model, "id", id);
    cJSON_AddStringToObject(model, "name", i->name);
    cJSON_AddStringToObject(model, "arch", i->arch);
    cJSON_AddStringToObject(model, "quantisation", i->quantisation);
    cJSON_AddStringToObject(model, "file", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"file_bytes", (double)i->file_bytes},
                   {"parameters", (double)i->parameters},
                   {"active_parameters", (double)i->active_parameters},
                   {"active_bytes", (double)i->active_bytes},
                   {"active_operations", (double)i->active_operations},
                   {"kv_elements_per_token", (double)i->kv_elements_per_token},
                   {"n_layers", i->n_layers},
                   {"n_embd", i->n_embd},
                   {"n_experts", i->n_experts},
                   {"top_k", i->top_k},
                   {"n_vocab", i->n_vocab}};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        cJSON_AddNumberToObject(model, numbers[n].name, numbers[n].value);
    cJSON_AddBoolToObject(model, "random_weights", i->random_weights);
    return model;
}

static bool run_limits(cJSON *measurements, struct error *err)
{
    enum { ROUNDS = 9 };
    int threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct bench_limit *limits = NULL;
    struct engine_prober *prober = engine_prober_open(threads, err);
    int n = prober ? bench_limits_short_list(threads, &limits, err) : -1;
    bool ok = n >= 0 && bench_limits_measure(prober, limits, n, ROUNDS, 0.1, NULL, NULL, err);
    for (int i = 0; ok && i < n; i++) {
        const struct bench_limit *limit = &limits[i];
        cJSON *labels = cJSON_CreateObject();
        cJSON_AddNumberToObject(labels, "threads", limit->what.threads);
        add(measurements, bench_limit_metric(limit->what.probe), bench_limit_unit(limit->what.probe),
            limit->reason ? 0 : statistics_median(limit->samples, ROUNDS), limit->reason, labels);
    }
    if (n >= 0)
        bench_limits_free(limits, n);
    engine_prober_close(prober);
    return ok;
}

/* Energy and counters belong to the same phases: both are begun and ended by these. */
struct watching {
    struct bench_hooks counters;
    struct energy energy;
    bool on_gpu;
    struct gpu_meter meter;
    cJSON *measurements;
};

static void begin(void *context, enum bench_phase_kind phase)
{
    struct watching *w = context;
    w->counters.begin(w->counters.context, phase);
    energy_begin(&w->energy);
    if (w->on_gpu)
        gpu_meter_begin(&w->meter);
}

static cJSON *energy_labels(enum bench_phase_kind phase, const char *scope)
{
    cJSON *labels = labels_of("phase", phase == BENCH_PREFILL ? "prefill" : "decode");
    cJSON_AddStringToObject(labels, "scope", scope);
    return labels;
}

static void end(void *context, enum bench_phase_kind phase)
{
    struct watching *w = context;
    double joules;
    bool there = energy_end(&w->energy, &joules) && w->energy.n;
    w->counters.end(w->counters.context, phase);
    add(w->measurements, "energy", "J", joules, there ? NULL : w->energy.reason, energy_labels(phase, "package"));
    if (!w->on_gpu)
        return;
    const char *reason = gpu_meter_end(&w->meter, &joules);
    add(w->measurements, "energy", "J", joules, reason, energy_labels(phase, "gpu-board"));
    add(w->measurements, "gpu_clock", "Hz", w->meter.clock_mhz * 1e6, w->meter.clock_reason[0] ? w->meter.clock_reason : NULL,
        energy_labels(phase, "gpu-board"));
}

static void add_phase(cJSON *measurements, const char *name, const struct bench_phase *phase)
{
    char metric[64];
    if (!phase->tokens)
        return;
    snprintf(metric, sizeof metric, "%s_throughput", name);
    add(measurements, metric, "tok/s", (double)phase->tokens * 1e9 / (double)phase->ns, NULL, labels_of("phase", name));
    add(measurements, "operation_rate", "operation/s", (double)phase->counts.operations * 1e9 / (double)phase->ns, NULL,
        labels_of("phase", name));
    add(measurements, "model_bandwidth", "byte/s", (double)(phase->counts.weight_bytes + phase->counts.kv_bytes) * 1e9 / (double)phase->ns,
        NULL, labels_of("phase", name));
}

static void add_latencies(cJSON *measurements, const struct bench_result *result)
{
    const struct bench_phase *decode = &result->decode;
    add(measurements, "ttft", "ns", (double)result->prefill.ns, NULL, labels_of(NULL, NULL));
    add(measurements, "tpot", "ns", (double)decode->ns / (decode->n_steps ? decode->n_steps : 1), NULL, labels_of(NULL, NULL));
    double *steps = malloc(((size_t)decode->n_steps + 1) * sizeof *steps);
    for (int i = 0; steps && i < decode->n_steps; i++)
        steps[i] = (double)decode->step_ns[i];
    bool enough = decode->n_steps >= 662; // the floor of a 99th percentile, docs/measurement.md
    add(measurements, "itl_p99", "ns", steps && enough ? statistics_percentile(steps, (size_t)decode->n_steps, 0.99) : 0,
        enough ? NULL : "n too small: 662 steps are the floor", labels_of(NULL, NULL));
    free(steps);
}

/* Where the plan has the cell run, read strictly: see add_place of plan.c. */
static void place_of(const cJSON *config, struct engine_options *options)
{
    const char *backend = cJSON_GetStringValue(cJSON_GetObjectItem(config, "backend"));
    if (!backend)
        return;
    options->backend = backend;
    options->device = (int)config_number(config, "device");
    options->experts_cpu = (int)config_number(config, "experts_cpu");
}

static bool run_bench(struct opened *o, const cJSON *config, cJSON *measurements, struct error *err)
{
    struct bench_workload w = {.prompt_tokens = (int)config_number(config, "prompt"),
                               .generate_tokens = (int)config_number(config, "generate"),
                               .batch = (int)config_number(config, "batch"),
                               .threads = (int)config_number(config, "threads"),
                               .seed = 1};
    struct engine_options options = {.threads = w.threads, .kv_tokens = bench_kv_tokens(&w), .max_rows = w.batch > 512 ? w.batch : 512};
    struct bench_result result;
    place_of(config, &options);
    if (!open_kv_named(cJSON_GetStringValue(cJSON_GetObjectItem(config, "kv")), &options.kv, err) ||
        !(o->engine = engine_open(o->file, &options, err)))
        return false;
    for (int i = 0; i < (int)config_number(config, "warmup"); i++) {
        if (!bench_run(o->engine, &w, NULL, NULL, &result, err))
            return false;
        bench_result_free(&result);
    }
    struct counters *counters = counters_open(o->engine);
    if (!counters)
        return error_set(err, ERROR_MACHINE, "out of memory");
    struct watching watching = {.counters = counters_hooks(counters),
                                .energy = energy_open("/sys/class/powercap"),
                                .on_gpu = options.backend != NULL,
                                .measurements = measurements};
    if (watching.on_gpu)
        watching.meter = gpu_meter_open(options.backend, options.device);
    struct bench_hooks hooks = {begin, end, &watching};
    bool ok = bench_run(o->engine, &w, NULL, &hooks, &result, err);
    if (ok) {
        struct rusage usage;
        add_phase(measurements, "prefill", &result.prefill);
        add_phase(measurements, "decode", &result.decode);
        add_latencies(measurements, &result);
        add(measurements, "load_time", "ns", (double)engine_facts(o->engine).load_ns, NULL, labels_of(NULL, NULL));
        getrusage(RUSAGE_SELF, &usage);
        add(measurements, "peak_rss", "byte", (double)usage.ru_maxrss * 1024, NULL, labels_of(NULL, NULL));
        cJSON *counted = counters_measurements(counters);
        while (cJSON_GetArraySize(counted))
            cJSON_AddItemToArray(measurements, cJSON_DetachItemFromArray(counted, 0));
        cJSON_Delete(counted);
        bench_result_free(&result);
    }
    counters_close(counters);
    return ok;
}

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
static void add_right(cJSON *labels, const struct eval_metric *m, int n)
{
    char *right = m->values ? malloc((size_t)n + 1) : NULL;
    if (!right)
        return;
    for (int i = 0; i < n; i++)
        right[i] = m->values[i] > 0.5 ? '1' : '0';
    right[n] = '\0';
    cJSON_AddStringToObject(labels, "right", right);
    free(right);
}

static void add_scores(cJSON *measurements, const struct eval_task_info *info, const struct eval_result *r)
{
    for (int i = 0; i < r->n_metrics; i++) {
        const struct eval_metric *m = &r->metrics[i];
        cJSON *labels = labels_of("task", info->name);
        if (m->is_share)
            cJSON_AddNumberToObject(labels, "correct", round(m->value * r->n));
        cJSON_AddNumberToObject(labels, "n", r->n);
        cJSON_AddStringToObject(labels, "filter", m->filter);
        if (m->is_share && strcmp(m->name, "acc") == 0)
            add_right(labels, m, r->n);
        if (isfinite(m->stderr_))
            cJSON_AddNumberToObject(labels, "stderr", m->stderr_);
        add(measurements, m->name, m->lower_is_better ? "" : "ratio", m->value, NULL, labels);
    }
    cJSON *labels = labels_of("task", info->name);
    cJSON_AddStringToObject(labels, "language", info->language);
    cJSON_AddNumberToObject(labels, "tokens", (double)r->text_tokens);
    cJSON_AddNumberToObject(labels, "characters", (double)r->text_characters);
    cJSON_AddNumberToObject(labels, "words", (double)r->text_words);
    cJSON_AddNumberToObject(labels, "bytes", (double)r->text_bytes);
    add(measurements, "fertility", "tok/1000 characters", 1000.0 * (double)r->text_tokens / (double)r->text_characters, NULL, labels);
    labels = labels_of("task", info->name);
    cJSON_AddNumberToObject(labels, "tokens", (double)r->prompt_tokens);
    add(measurements, "eval_throughput", "tok/s", (double)r->prompt_tokens * 1e9 / (double)r->ns, NULL, labels);
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
        add(measurements, "expert_imbalance", "ratio", imbalance, n ? NULL : "no token was routed",
            labels_of("language", json_text(one, "language")));
        add(measurements, "routing_entropy", "ratio", entropy, n ? NULL : "no token was routed",
            labels_of("language", json_text(one, "language")));
    }
}

/* A task's scores, and the experts that its tokens went to. */
static bool run_task(struct opened *o, const struct eval_task *task, const struct eval_options *options, struct expert_load *load,
                     cJSON *result, struct error *err)
{
    struct eval_result r;
    struct eval_task_info info = eval_task_info(task);
    if (!expert_load_begin(load, o->engine, err) || !eval_run(o->engine, o->tokenizer, task, options, &r, err))
        return false;
    add_task(cJSON_GetObjectItem(result, "tasks"), &info);
    add_scores(cJSON_GetObjectItem(result, "measurements"), &info, &r);
    eval_result_free(&r);
    return expert_load_end(load, o->engine, info.language, err);
}

static bool run_eval(struct opened *o, const cJSON *config, cJSON *result, struct error *err)
{
    char task_files[4096], builtin[4096];
    struct eval_places places = {
        .tasks = task_files, .builtin = builtin, .data = cJSON_GetStringValue(cJSON_GetObjectItem(config, "data"))};
    struct eval_options options = {.limit = (int)config_number(config, "limit"), .shots = -1};
    struct expert_load load = {.n_layers = o->info.n_layers, .n_experts = o->info.n_experts};
    struct engine_options engine = {.threads = (int)config_number(config, "threads"),
                                    .kv = ENGINE_KV_BF16, // as jeoul eval has it: the same scores
                                    .kv_tokens = 2 * (size_t)o->info.context_length + 8192};
    place_of(config, &engine);
    struct eval_task **tasks = NULL;
    int count = 0;
    bool ok = places_find("datasets/tasks", task_files, sizeof task_files, err) &&
              places_find("datasets/builtin", builtin, sizeof builtin, err) && open_tokenizer(o, err) &&
              (o->engine = engine_open(o->file, &engine, err)) &&
              eval_tasks_open(&places, cJSON_GetStringValue(cJSON_GetObjectItem(config, "tasks")), &tasks, &count, err);
    for (int i = 0; i < count; i++) {
        ok = ok && run_task(o, tasks[i], &options, &load, result, err);
        eval_task_close(tasks[i]);
    }
    free(tasks);
    cJSON *json = NULL;
    ok = ok && expert_load_json(&load, &json, err);
    if (json) {
        add_routing(cJSON_GetObjectItem(result, "measurements"), json);
        cJSON_AddItemToObject(result, "expert_load", json);
    }
    expert_load_free(&load);
    return ok;
}

static bool run_cell(const cJSON *specification, cJSON *result, struct error *err)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "kind"));
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "path"));
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "model"));
    const cJSON *config = cJSON_GetObjectItem(specification, "config");
    cJSON *measurements = cJSON_AddArrayToObject(result, "measurements");
    cJSON_AddArrayToObject(result, "tasks");
    if (!kind || !config)
        return error_set(err, ERROR_INPUT, "cell: the specification has no kind or config");
    if (strcmp(kind, "limits") == 0)
        return run_limits(measurements, err);
    if (!path || !model)
        return error_set(err, ERROR_INPUT, "cell: the specification names no model");
    struct opened o = {0};
    bool ok = (o.file = model_file_open(path, err)) && model_file_info(o.file, &o.info, err);
    if (ok)
        cJSON_AddItemToObject(result, "model_info", model_json(&o, model, path));
    ok = ok && (strcmp(kind, "bench") == 0  ? run_bench(&o, config, measurements, err)
                : strcmp(kind, "eval") == 0 ? run_eval(&o, config, result, err)
                                            : error_set(err, ERROR_INPUT, "cell: there is no kind \"%.32s\"", kind));
    open_close(&o);
    return ok;
}

static int run(struct cli *cli, struct error *err)
{
    (void)cli;
    struct text text = {0};
    cJSON *specification = NULL, *result = cJSON_CreateObject();
    struct error failure = {0};
    bool ok = file_read("-", 1 << 20, &text, &failure) &&
              (specification = json_parse("the specification", text.bytes, text.length, &failure)) &&
              run_cell(specification, result, &failure);
    if (!ok)
        cJSON_AddStringToObject(result, "error", failure.message);
    char *out = cJSON_PrintUnformatted(result);
    if (out)
        puts(out);
    else
        error_record(err, ERROR_MACHINE, "out of memory");
    free(out);
    cJSON_Delete(result);
    cJSON_Delete(specification);
    text_free(&text);
    return 0;
}

const struct cli_verb verb_cell = {
    .name = "cell",
    .arguments = "",
    .summary = "Measure one cell of a plan (what run starts)",
    .example = "jeoul cell < specification.json",
    .run = run,
    .hidden = true,
};
