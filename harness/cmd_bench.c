/* jeoul bench: prefill and decode throughput over configurations, repeats interleaved. */
#include "harness/verbs.h"

#include "base/memory.h"
#include "bench/bench.h"
#include "reports/statistics.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_VALUES = 16, MAX_REPEATS = 1000 };

struct configuration {
    struct bench_workload workload;
    double *rates[2];                 // [repeats] tok/s, by phase
    double *utilisation[2];           // [repeats] MFU, MBU
    double op_ns[2][ENGINE_OP_COUNT]; // over all repeats
};

struct benching {
    struct opened o;
    struct configuration *configurations;
    int n, repeats, warmups;
    struct bench_limit limits[BENCH_MAX_LIMITS];
    int n_limits;
    double copy_bytes_per_s; // the best of several probes; 0: not probed
};

static const struct bench_limit *limit_of(const struct benching *b, const char *metric, int threads)
{
    const struct bench_limit *best = NULL;
    for (int i = 0; i < b->n_limits; i++)
        if (strcmp(b->limits[i].metric, metric) == 0 && b->limits[i].threads <= threads && (!best || b->limits[i].threads > best->threads))
            best = &b->limits[i];
    return best && !best->reason ? best : NULL;
}

/* The peak of the unit that most of the weights are multiplied with. */
static const char *peak_metric(const struct benching *b)
{
    const char *type = b->o.info.quantisation;
    return strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0 ? "f32_peak" : "int8_peak";
}

static bool measure(struct benching *b, struct configuration *c, int repeat, struct error *err)
{
    struct bench_result result;
    if (!bench_run(b->o.engine, &c->workload, NULL, &result, err))
        return false;
    const struct bench_phase *phases[2] = {&result.prefill, &result.decode};
    const struct bench_limit *peak = limit_of(b, peak_metric(b), c->workload.threads);
    const struct bench_limit *read = limit_of(b, "read_bandwidth", c->workload.threads);
    for (int p = 0; p < 2 && repeat >= 0; p++) {
        if (!phases[p]->tokens)
            continue;
        for (int op = 0; op < ENGINE_OP_COUNT; op++)
            c->op_ns[p][op] += (double)phases[p]->counts.op_ns[op];
        c->rates[p][repeat] = (double)phases[p]->tokens * 1e9 / (double)phases[p]->ns;
        c->utilisation[p][repeat] = p == 0 ? (peak ? bench_mfu(phases[p], peak->value) : 0) : read ? bench_mbu(phases[p], read->value) : 0;
    }
    bench_result_free(&result);
    return true;
}

static bool measure_all(struct benching *b, struct error *err)
{
    struct progress progress = progress_begin("measuring");
    bool ok = true;
    int total = (b->repeats + b->warmups) * b->n, done = 0;
    for (int repeat = -b->warmups; ok && repeat < b->repeats; repeat++)
        for (int i = 0; ok && i < b->n; i++) {
            ok = measure(b, &b->configurations[i], repeat, err);
            progress_show(&progress, ++done, total);
        }
    progress_end(&progress);
    return ok;
}

static cJSON *summary_json(const struct summary *s)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "median", s->median);
    cJSON_AddNumberToObject(object, "ci95_low", s->ci95_low);
    cJSON_AddNumberToObject(object, "ci95_high", s->ci95_high);
    if (s->n > 1)
        cJSON_AddNumberToObject(object, "cv", s->cv);
    else
        cJSON_AddNullToObject(object, "cv");
    cJSON_AddNumberToObject(object, "n", (double)s->n);
    cJSON_AddNumberToObject(object, "min", s->minimum);
    cJSON_AddNumberToObject(object, "max", s->maximum);
    return object;
}

/* Each operation's share of the engine's time. */
static cJSON *shares_json(const double op_ns[ENGINE_OP_COUNT])
{
    cJSON *shares = cJSON_CreateObject();
    double total = 0;
    for (int op = 0; op < ENGINE_OP_COUNT; op++)
        total += op_ns[op];
    for (int op = 0; op < ENGINE_OP_COUNT && total > 0; op++)
        cJSON_AddNumberToObject(shares, engine_op_names[op], op_ns[op] / total);
    return shares;
}

static void add_limits(const struct benching *b, cJSON *root)
{
    cJSON *array = cJSON_AddArrayToObject(root, "limits");
    for (int i = 0; i < b->n_limits; i++) {
        cJSON *limit = cJSON_CreateObject();
        cJSON_AddStringToObject(limit, "metric", b->limits[i].metric);
        cJSON_AddStringToObject(limit, "unit", b->limits[i].unit);
        cJSON_AddNumberToObject(limit, "threads", b->limits[i].threads);
        cJSON_AddItemToObject(limit, "value", b->limits[i].reason ? cJSON_CreateNull() : cJSON_CreateNumber(b->limits[i].value));
        cJSON_AddItemToObject(limit, "reason", b->limits[i].reason ? cJSON_CreateString(b->limits[i].reason) : cJSON_CreateNull());
        cJSON_AddItemToArray(array, limit);
    }
}

/* How fast weights were packed, beside how fast this machine copies. */
static double pack_rate(const struct engine_facts *facts)
{
    return facts->pack_ns ? (double)facts->packed_from_bytes * 1e9 / (double)facts->pack_ns : 0;
}

static void add_number_or_null(cJSON *object, const char *key, double value)
{
    cJSON_AddItemToObject(object, key, value > 0 ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

static void add_load(const struct benching *b, const struct engine_facts *facts, cJSON *root)
{
    cJSON *load = cJSON_AddObjectToObject(root, "load");
    double rate = pack_rate(facts);
    cJSON_AddNumberToObject(load, "seconds", (double)facts->load_ns * 1e-9);
    cJSON_AddStringToObject(load, "pack_cache", engine_pack_cache_names[facts->pack_cache]);
    cJSON_AddNumberToObject(load, "packed_bytes", (double)facts->packed_bytes);
    cJSON_AddNumberToObject(load, "packed_from_bytes", (double)facts->packed_from_bytes);
    add_number_or_null(load, "pack_seconds", (double)facts->pack_ns * 1e-9);
    add_number_or_null(load, "memory_seconds", (double)facts->memory_ns * 1e-9);
    add_number_or_null(load, "pack_bytes_per_s", rate);
    add_number_or_null(load, "copy_bytes_per_s", b->copy_bytes_per_s);
    add_number_or_null(load, "pack_share_of_copy", b->copy_bytes_per_s > 0 ? rate / b->copy_bytes_per_s : 0);
}

static void print_load(const struct benching *b, const struct engine_facts *facts)
{
    double rate = pack_rate(facts);
    printf("loaded in %s s", number_for_people((double)facts->load_ns * 1e-9));
    if (facts->pack_cache == ENGINE_PACK_CACHE_USED)
        printf(", found packed");
    else if (rate > 0)
        printf(", packed at %s/s", bytes_for_people(rate));
    if (rate > 0 && b->copy_bytes_per_s > 0)
        printf(", %s %% of copying", number_for_people(100 * rate / b->copy_bytes_per_s));
    printf("\n");
}

static bool report(const struct benching *b, bool json, struct error *err)
{
    static const char *const phase_names[2] = {"prefill", "decode"}, *const utilisation_names[2] = {"mfu", "mbu"};
    struct engine_facts facts = engine_facts(b->o.engine);
    cJSON *root = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(root, "results");
    cJSON_AddStringToObject(root, "model", b->o.info.name);
    cJSON_AddStringToObject(root, "quantisation", b->o.info.quantisation);
    cJSON_AddStringToObject(root, "isa", facts.isa);
    cJSON_AddNumberToObject(root, "load_ns", (double)facts.load_ns);
    add_limits(b, root);
    add_load(b, &facts, root);
    if (!json) {
        printf("%s, %s, %s\n\n%-8s %7s %6s %8s %12s %21s %7s %8s\n", b->o.info.name, b->o.info.quantisation, facts.isa, "phase", "tokens",
               "batch", "threads", "tok/s", "95 % interval", "CV", "of limit");
    }
    bool ok = true;
    for (int i = 0; ok && i < b->n; i++)
        for (int p = 0; ok && p < 2; p++) {
            const struct configuration *c = &b->configurations[i];
            int tokens = p == 0 ? c->workload.prompt_tokens : c->workload.generate_tokens;
            if (!tokens)
                continue;
            struct summary s, u;
            ok = statistics_summary(c->rates[p], (size_t)b->repeats, 1, &s, err) &&
                 statistics_summary(c->utilisation[p], (size_t)b->repeats, 1, &u, err);
            if (!ok)
                break;
            cJSON *row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "phase", phase_names[p]);
            cJSON_AddNumberToObject(row, "tokens", tokens);
            cJSON_AddNumberToObject(row, "depth", c->workload.depth + (p == 0 ? 0 : c->workload.prompt_tokens));
            cJSON_AddNumberToObject(row, "batch", c->workload.batch);
            cJSON_AddNumberToObject(row, "threads", c->workload.threads);
            cJSON_AddItemToObject(row, "tok_per_s", summary_json(&s));
            if (u.median > 0)
                cJSON_AddNumberToObject(row, utilisation_names[p], u.median);
            else
                cJSON_AddNullToObject(row, utilisation_names[p]);
            cJSON_AddStringToObject(row, "limit", p == 0 ? peak_metric(b) : "read_bandwidth");
            cJSON_AddItemToObject(row, "op_share", shares_json(c->op_ns[p]));
            cJSON_AddItemToArray(results, row);
            if (!json)
                printf("%-8s %7d %6d %8d %12s %9s … %9s %5.1f %% %6s %%\n", phase_names[p], tokens, c->workload.batch, c->workload.threads,
                       number_for_people(s.median), number_for_people(s.ci95_low), number_for_people(s.ci95_high),
                       100 * (s.n > 1 ? s.cv : 0), u.median > 0 ? number_for_people(100 * u.median) : "–");
        }
    if (!json && ok)
        print_load(b, &facts);
    char *text = json && ok ? cJSON_Print(root) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
    return ok;
}

static bool probe_copy(struct benching *b, int threads, struct error *err)
{
    enum { ROUNDS = 4 };
    for (int round = 0; round < ROUNDS; round++) { // the best: neighbours only ever take away
        double rate;
        if (!engine_probe_copy(threads, 0.1, &rate, err))
            return false;
        b->copy_bytes_per_s = rate > b->copy_bytes_per_s ? rate : b->copy_bytes_per_s;
    }
    return true;
}

static bool prepare(struct cli *cli, struct benching *b, struct error *err)
{
    int64_t prompts[MAX_VALUES], batches[MAX_VALUES], threads[MAX_VALUES], generate, repeats, warmups, depth;
    char online[16];
    snprintf(online, sizeof online, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    int n_prompts = cli_numbers(cli, "prompt", 0, 1 << 20, "512", prompts, MAX_VALUES, err);
    int n_batches = n_prompts < 0 ? -1 : cli_numbers(cli, "batch", 1, 4096, "1", batches, MAX_VALUES, err);
    int n_threads = n_batches < 0 ? -1 : cli_numbers(cli, "threads", 1, 1024, online, threads, MAX_VALUES, err);
    if (n_threads < 0 || !cli_number(cli, "generate", 0, 1 << 20, 64, &generate, err) ||
        !cli_number(cli, "repeats", 1, MAX_REPEATS, 5, &repeats, err) || !cli_number(cli, "warmup", 0, 100, 1, &warmups, err) ||
        !cli_number(cli, "depth", 0, 1 << 20, 0, &depth, err) || !open_file(cli, &b->o, err))
        return false;
    b->repeats = (int)repeats;
    b->warmups = (int)warmups;
    b->configurations =
        memory_array((size_t)n_prompts * (size_t)n_batches * (size_t)n_threads, sizeof *b->configurations, "configurations", err);
    if (!b->configurations)
        return false;
    size_t room = 0;
    int most_threads = 1, most_batch = 1;
    for (int p = 0; p < n_prompts; p++)
        for (int s = 0; s < n_batches; s++)
            for (int t = 0; t < n_threads; t++) {
                struct configuration *c = &b->configurations[b->n++];
                c->workload = (struct bench_workload){.prompt_tokens = (int)prompts[p],
                                                      .generate_tokens = (int)generate,
                                                      .batch = (int)batches[s],
                                                      .threads = (int)threads[t],
                                                      .depth = (int)depth,
                                                      .seed = 1};
                for (int phase = 0; phase < 2; phase++)
                    if (!(c->rates[phase] = memory_array((size_t)repeats, sizeof(double), "samples", err)) ||
                        !(c->utilisation[phase] = memory_array((size_t)repeats, sizeof(double), "samples", err)))
                        return false;
                size_t tokens = bench_kv_tokens(&c->workload);
                room = tokens > room ? tokens : room;
                most_threads = c->workload.threads > most_threads ? c->workload.threads : most_threads;
                most_batch = c->workload.batch > most_batch ? c->workload.batch : most_batch;
            }
    if (!open_engine(cli, &b->o, most_threads, room, most_batch > 512 ? most_batch : 512, err))
        return false;
    if (cli_flag(cli, "no-limits"))
        return true;
    b->n_limits = bench_limits(most_threads, 0.4, b->limits, err);
    return b->n_limits >= 0 && probe_copy(b, most_threads, err);
}

static int run(struct cli *cli, struct error *err)
{
    struct benching b = {0};
    if (prepare(cli, &b, err) && measure_all(&b, err))
        (void)(report(&b, cli_flag(cli, "json"), err) || error_prefix(err, "bench"));
    for (int i = 0; i < b.n; i++)
        for (int p = 0; p < 2; p++) {
            free(b.configurations[i].rates[p]);
            free(b.configurations[i].utilisation[p]);
        }
    free(b.configurations);
    open_close(&b.o);
    return 0;
}

const struct cli_verb verb_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "Measure prefill and decode throughput of a model on this machine",
    .text = "Every combination of --prompt, --batch and --threads is a configuration. Repeats are interleaved\n"
            "between configurations; the table gives the median with its bootstrap 95 % interval, and the\n"
            "share of the machine's own limit (int8 or float peak in prefill, read bandwidth in decode).\n"
            "The last line tells how the model was loaded, beside the speed of copying memory.",
    .example = "jeoul bench -m model.gguf -p 512 -n 64 -b 1,4 -t 1,2 -r 5 --json",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"prompt", 'p', "N,…", "prompt tokens of each sequence; 0: none (512)"},
                {"generate", 'n', "N", "decode steps (64)"},
                {"batch", 'b', "N,…", "sequences at once (1)"},
                {"threads", 't', "N,…", "threads (every online CPU)"},
                {"repeats", 'r', "N", "repeats (5)"},
                {"warmup", 0, "N", "repeats before that are dropped (1)"},
                {"depth", 0, "N", "tokens already in each sequence (0)"},
                {"no-limits", 0, NULL, "do not probe the machine's limits"},
                {"json", 0, NULL, "the result as JSON"},
                OPEN_OPTION_KV,
                OPEN_OPTION_ISA,
                OPEN_OPTION_EXACT,
                OPEN_OPTION_NO_PACK,
                OPEN_OPTION_PACK_CACHE},
};
