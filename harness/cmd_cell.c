/* jeoul cell: the child's side of a cell. Reads its specification on standard input, measures, and prints one JSON object: measurements,
 * what the model and tasks are, or {"error": …}. Not for people. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/json.h"
#include "base/processors.h"
#include "bench/bench.h"
#include "harness/cell_eval.h"
#include "harness/cell_load.h"
#include "harness/counters.h"
#include "harness/energy.h"
#include "harness/gpu_meter.h"
#include "harness/measurement.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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
    int threads = processors_available();
    struct bench_limit *limits = NULL;
    struct engine_prober *prober = engine_prober_open(threads, err);
    int n = prober ? bench_limits_short_list(threads, &limits, err) : -1;
    bool ok = n >= 0 && bench_limits_measure(prober, limits, n, ROUNDS, 0.1, NULL, NULL, err);
    for (int i = 0; ok && i < n; i++) {
        const struct bench_limit *limit = &limits[i];
        cJSON *labels = cJSON_CreateObject();
        cJSON_AddNumberToObject(labels, "threads", limit->what.threads);
        measurement_add(measurements, bench_limit_metric(limit->what.probe), bench_limit_unit(limit->what.probe),
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
    cJSON *labels = measurement_labels("phase", phase == BENCH_PREFILL ? "prefill" : "decode");
    cJSON_AddStringToObject(labels, "scope", scope);
    return labels;
}

static void end(void *context, enum bench_phase_kind phase)
{
    struct watching *w = context;
    double joules;
    bool there = energy_end(&w->energy, &joules) && w->energy.n;
    w->counters.end(w->counters.context, phase);
    measurement_add(w->measurements, "energy", "J", joules, there ? NULL : w->energy.reason, energy_labels(phase, "package"));
    if (!w->on_gpu)
        return;
    const char *reason = gpu_meter_end(&w->meter, &joules);
    measurement_add(w->measurements, "energy", "J", joules, reason, energy_labels(phase, "gpu-board"));
    measurement_add(w->measurements, "gpu_clock", "Hz", w->meter.clock_mhz * 1e6, w->meter.clock_reason[0] ? w->meter.clock_reason : NULL,
                    energy_labels(phase, "gpu-board"));
}

static void add_phase(cJSON *measurements, const char *name, const struct bench_phase *phase, bool on_gpu)
{
    char metric[64];
    if (!phase->tokens)
        return;
    snprintf(metric, sizeof metric, "%s_throughput", name);
    measurement_add(measurements, metric, "tok/s", (double)phase->tokens * 1e9 / (double)phase->ns, NULL,
                    measurement_labels("phase", name));
    measurement_add(measurements, "operation_rate", "operation/s", (double)phase->counts.operations * 1e9 / (double)phase->ns, NULL,
                    measurement_labels("phase", name));
    measurement_add(measurements, "model_bandwidth", "byte/s",
                    (double)(phase->counts.weight_bytes + phase->counts.kv_bytes) * 1e9 / (double)phase->ns, NULL,
                    measurement_labels("phase", name));
    if (on_gpu)
        measurement_add(measurements, "device_time", "ns", (double)phase->counts.device_ns, phase->counts.device_reason,
                        measurement_labels("phase", name));
}

static void add_latencies(cJSON *measurements, const struct bench_result *result)
{
    const struct bench_phase *decode = &result->decode;
    measurement_add(measurements, "ttft", "ns", (double)result->prefill.ns, NULL, measurement_labels(NULL, NULL));
    measurement_add(measurements, "tpot", "ns", (double)decode->ns / (decode->n_steps ? decode->n_steps : 1), NULL,
                    measurement_labels(NULL, NULL));
    double *steps = malloc(((size_t)decode->n_steps + 1) * sizeof *steps);
    for (int i = 0; steps && i < decode->n_steps; i++)
        steps[i] = (double)decode->step_ns[i];
    bool enough = decode->n_steps >= 662; // the floor of a 99th percentile, docs/measurement.md
    measurement_add(measurements, "itl_p99", "ns", steps && enough ? statistics_percentile(steps, (size_t)decode->n_steps, 0.99) : 0,
                    enough ? NULL : "n too small: 662 steps are the floor", measurement_labels(NULL, NULL));
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
        add_phase(measurements, "prefill", &result.prefill, watching.on_gpu);
        add_phase(measurements, "decode", &result.decode, watching.on_gpu);
        add_latencies(measurements, &result);
        measurement_add(measurements, "load_time", "ns", (double)engine_facts(o->engine).load_ns, NULL, measurement_labels(NULL, NULL));
        getrusage(RUSAGE_SELF, &usage);
        measurement_add(measurements, "peak_rss", "byte", (double)usage.ru_maxrss * 1024, NULL, measurement_labels(NULL, NULL));
        cJSON *counted = counters_measurements(counters);
        while (cJSON_GetArraySize(counted))
            cJSON_AddItemToArray(measurements, cJSON_DetachItemFromArray(counted, 0));
        cJSON_Delete(counted);
        bench_result_free(&result);
    }
    counters_close(counters);
    return ok;
}

static bool run_eval(struct opened *o, const cJSON *config, cJSON *result, struct error *err)
{
    struct engine_options options = {.threads = (int)config_number(config, "threads"),
                                     .kv = ENGINE_KV_BF16, // as jeoul eval has it: the same scores
                                     .kv_tokens = 2 * (size_t)o->info.context_length + 8192};
    struct cell_answerer by = {.opened = o};
    place_of(config, &options);
    return open_tokenizer(o, err) && (o->engine = engine_open(o->file, &options, err)) && cell_eval(&by, config, result, err);
}

static bool run_model(const char *kind, const char *model, const char *path, const cJSON *config, cJSON *result, struct error *err)
{
    struct opened o = {0};
    bool ok = (o.file = model_file_open(path, err)) && model_file_info(o.file, &o.info, err);
    if (ok)
        cJSON_AddItemToObject(result, "model_info", model_json(&o, model, path));
    ok = ok && (strcmp(kind, "bench") == 0  ? run_bench(&o, config, cJSON_GetObjectItem(result, "measurements"), err)
                : strcmp(kind, "eval") == 0 ? run_eval(&o, config, result, err)
                                            : error_set(err, ERROR_INPUT, "cell: there is no kind \"%.32s\"", kind));
    open_close(&o);
    return ok;
}

/* A model that a server has; `at`: where it stands in the plan. */
static bool run_endpoint(const char *kind, const char *model, const cJSON *endpoint, const char *at, const cJSON *config, cJSON *result,
                         struct error *err)
{
    struct remote_options options = remote_options_of_plan(endpoint, at);
    struct remote remote = {0};
    struct cell_answerer by = {.remote = &remote};
    bool ok = remote_open(&options, &remote, err);
    if (ok) {
        cJSON *info = cJSON_AddObjectToObject(result, "model_info"), *facts = remote_json(&remote);
        cJSON_AddStringToObject(info, "id", model);
        cJSON_AddStringToObject(info, "name", json_text(facts, "model"));
        cJSON_AddItemToObject(info, "endpoint", facts);
        ok = strcmp(kind, "load") == 0 ? cell_load(&remote, config, cJSON_GetObjectItem(result, "measurements"), err)
                                       : cell_eval(&by, config, result, err);
    }
    remote_close(&remote);
    return ok;
}

static bool run_cell(const cJSON *specification, cJSON *result, struct error *err)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "kind"));
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "path"));
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItem(specification, "model"));
    const cJSON *config = cJSON_GetObjectItem(specification, "config"), *endpoint = cJSON_GetObjectItem(specification, "endpoint");
    cJSON *measurements = cJSON_AddArrayToObject(result, "measurements");
    cJSON_AddArrayToObject(result, "tasks");
    if (!kind || !config)
        return error_set(err, ERROR_INPUT, "cell: the specification has no kind or config");
    if (strcmp(kind, "limits") == 0)
        return run_limits(measurements, err);
    if (!model || (!path && !endpoint))
        return error_set(err, ERROR_INPUT, "cell: the specification names no model");
    return endpoint ? run_endpoint(kind, model, endpoint, json_text(specification, "endpoint_at"), config, result, err)
                    : run_model(kind, model, path, config, result, err);
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
