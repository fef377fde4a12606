/* jeoul bench: prefill and decode throughput over configurations, repeats interleaved, the machine's limits beside each. */
#include "harness/verbs.h"

#include "base/memory.h"
#include "base/processors.h"
#include "harness/bench_report.h"
#include "harness/bench_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 16, MAX_REPEATS = 1000 };

static const double probe_seconds = 0.015;

/* The unit that most of the weights are multiplied with. */
static enum engine_probe unit_of(const struct benching *b, bool exact)
{
    const char *type = b->o.info.quantisation;
    struct engine_facts facts = engine_facts(b->o.engine);
    if (strcmp(facts.backend, "cpu") != 0)
        return facts.matrix_units ? ENGINE_PROBE_BF16 : ENGINE_PROBE_F32;
    struct engine_probing bf16 = {ENGINE_PROBE_BF16, ENGINE_PROBE_REGISTERS, b->beside.isa, 1};
    if (strcmp(type, "BF16") == 0 && !exact && !engine_probe_missing(NULL, &bf16))
        return ENGINE_PROBE_BF16;
    return exact || strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0 ? ENGINE_PROBE_F32
                                                                                                      : ENGINE_PROBE_INT8;
}

static struct bench_sample sample_of(const struct bench_beside *beside, const struct bench_phase *phase, enum bench_phase_kind kind)
{
    struct bench_sample s = {.tok_per_s = (double)phase->tokens * 1e9 / (double)phase->ns,
                             .bytes_per_token = (double)(phase->counts.weight_bytes + phase->counts.kv_bytes) / (double)phase->tokens,
                             .operations_per_token = (double)phase->counts.operations / (double)phase->tokens};
    if (!beside->prober)
        return s;
    s.read_bytes_per_s = beside->read_bytes_per_s[kind];
    s.operations_per_s = beside->operations_per_s[kind];
    s.utilisation = kind == BENCH_PREFILL ? bench_mfu(phase, s.operations_per_s) : bench_mbu(phase, s.read_bytes_per_s);
    struct bench_prediction allowed = bench_predict(phase, s.read_bytes_per_s, s.operations_per_s);
    s.reached = s.tok_per_s / allowed.tok_per_s;
    s.bound_by_read = allowed.bound_by_read;
    return s;
}

static bool measure(struct benching *b, struct bench_configuration *c, int repeat, struct error *err)
{
    struct bench_result result;
    b->beside.threads = c->workload.threads;
    struct bench_hooks hooks = bench_beside_hooks(&b->beside);
    if (!bench_run(b->o.engine, &c->workload, b->depths, b->beside.prober ? &hooks : NULL, &result, err))
        return false;
    const struct bench_phase *phases[2] = {&result.prefill, &result.decode};
    for (int p = 0; p < 2 && repeat >= 0; p++) {
        if (!phases[p]->tokens)
            continue;
        for (int op = 0; op < ENGINE_OP_COUNT; op++)
            c->op_ns[p][op] += (double)phases[p]->counts.op_ns[op];
        c->device_ns[p] += (double)phases[p]->counts.device_ns;
        c->wall_ns[p] += (double)phases[p]->ns;
        if (phases[p]->counts.device_reason) // once unknown, the sum is
            c->device_reason = phases[p]->counts.device_reason;
        c->samples[p][repeat] = sample_of(&b->beside, phases[p], (enum bench_phase_kind)p);
    }
    bench_result_free(&result);
    if (b->beside.failed)
        *err = b->beside.err;
    return !b->beside.failed;
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

/* The lists of options that configurations are combined from. */
struct lists {
    int64_t prompts[MAX_VALUES], batches[MAX_VALUES], prompt_batches[MAX_VALUES], threads[MAX_VALUES], depths[MAX_VALUES], generate;
    int n_prompts, n_batches, n_prompt_batches, n_threads, n_depths;
};

static bool read_lists(const struct cli *cli, struct lists *l, struct error *err)
{
    char all[16];
    snprintf(all, sizeof all, "%d", processors_available());
    return (l->n_prompts = cli_numbers(cli, "prompt", 0, 1 << 20, "512", l->prompts, MAX_VALUES, err)) > 0 &&
           (l->n_batches = cli_numbers(cli, "batch", 1, 4096, "1", l->batches, MAX_VALUES, err)) > 0 &&
           (l->n_prompt_batches =
                cli_numbers(cli, "prompt-batch", 1, 4096, cli_text(cli, "batch", "1"), l->prompt_batches, MAX_VALUES, err)) > 0 &&
           (l->n_threads = cli_numbers(cli, "threads", 1, 1024, all, l->threads, MAX_VALUES, err)) > 0 &&
           (l->n_depths = cli_numbers(cli, "depth", 0, 1 << 20, "0", l->depths, MAX_VALUES, err)) > 0 &&
           cli_number(cli, "generate", 0, 1 << 20, 64, &l->generate, err);
}

static bool add_configuration(struct benching *b, const struct bench_workload *w, struct error *err)
{
    struct bench_configuration *c = &b->configurations[b->n++];
    c->workload = *w;
    for (int phase = 0; phase < 2; phase++)
        if (!(c->samples[phase] = memory_array((size_t)b->repeats, sizeof *c->samples[phase], "samples", err)))
            return false;
    struct bench_workload *most = &b->deepest;
    most->batch = w->batch > most->batch ? w->batch : most->batch;
    most->depth = w->depth > most->depth ? w->depth : most->depth;
    most->threads = w->threads > most->threads ? w->threads : most->threads;
    most->seed = w->seed;
    return true;
}

/* Every combination. Apart: decode begins at the depth, in a configuration of its own that has no prompt. */
static bool combine(struct benching *b, struct lists *l, bool apart, struct error *err)
{
    bool decodes = !apart;
    for (int p = 0; p < l->n_prompts; p++)
        decodes |= l->prompts[p] == 0;
    if (!decodes && l->n_prompts == MAX_VALUES)
        return error_set(err, ERROR_INPUT, "--apart with %d prompts: at most %d", MAX_VALUES, MAX_VALUES - 1);
    if (!decodes)
        l->prompts[l->n_prompts++] = 0;
    int n_batches = l->n_batches > l->n_prompt_batches ? l->n_batches : l->n_prompt_batches;
    size_t n = (size_t)l->n_prompts * (size_t)n_batches * (size_t)l->n_threads * (size_t)l->n_depths;
    if (!(b->configurations = memory_array(n, sizeof *b->configurations, "configurations", err)))
        return false;
    for (int d = 0; d < l->n_depths; d++)
        for (int p = 0; p < l->n_prompts; p++)
            for (int s = 0; s < (apart && l->prompts[p] ? l->n_prompt_batches : l->n_batches); s++)
                for (int t = 0; t < l->n_threads; t++) {
                    struct bench_workload w = {.prompt_tokens = (int)l->prompts[p],
                                               .generate_tokens = apart && l->prompts[p] ? 0 : (int)l->generate,
                                               .batch = (int)(apart && l->prompts[p] ? l->prompt_batches : l->batches)[s],
                                               .threads = (int)l->threads[t],
                                               .depth = (int)l->depths[d],
                                               .seed = 1};
                    if ((w.prompt_tokens || w.generate_tokens) && !add_configuration(b, &w, err))
                        return false;
                }
    return b->n > 0 || error_set(err, ERROR_INPUT, "nothing to measure: neither --prompt nor --generate asks for tokens");
}

/* The engine with room for every configuration; sequences may pass the model's context, whose length no time depends on. */
static bool open_for_all(struct cli *cli, struct benching *b, struct error *err)
{
    size_t room = 0;
    int context = b->o.info.context_length;
    for (int i = 0; i < b->n; i++) {
        const struct bench_workload *w = &b->configurations[i].workload;
        size_t tokens = b->deepest.depth ? bench_kv_tokens_forked(w, &b->deepest) : bench_kv_tokens(w);
        int length = w->depth + w->prompt_tokens + w->generate_tokens;
        room = tokens > room ? tokens : room;
        context = length > context ? length : context;
    }
    struct engine_options options = {.threads = b->deepest.threads,
                                     .kv = ENGINE_KV_BF16,
                                     .kv_tokens = room,
                                     .max_rows = b->deepest.batch > 512 ? b->deepest.batch : 512,
                                     .context = context};
    if (!open_engine(cli, &b->o, &options, err))
        return false;
    return !b->deepest.depth || (b->depths = bench_depths_open(b->o.engine, &b->deepest, err));
}

/* For packing to be set beside: bytes copied, so half of those read and written; the best of a few. */
static bool probe_copy(struct benching *b, struct error *err)
{
    enum { ROUNDS = 4 };
    struct engine_probing copying = {ENGINE_PROBE_COPY, ENGINE_PROBE_MEMORY, b->beside.isa, b->deepest.threads};
    for (int round = 0; round < ROUNDS; round++) {
        double rate;
        if (!engine_probe(b->beside.prober, &copying, 0.05, &rate, err))
            return false;
        b->copy_bytes_per_s = rate / 2 > b->copy_bytes_per_s ? rate / 2 : b->copy_bytes_per_s;
    }
    return true;
}

/* Of the device that computes. A GPU of which parts run elsewhere, or that cannot be probed, has no limits. */
static bool open_prober(struct cli *cli, struct benching *b, struct error *err)
{
    struct engine_probing reading = {ENGINE_PROBE_READ, ENGINE_PROBE_MEMORY, b->beside.isa, 1};
    struct engine_facts facts = engine_facts(b->o.engine);
    int64_t device;
    if (strcmp(facts.backend, "cpu") == 0)
        return (b->prober = b->beside.prober = engine_prober_open(b->deepest.threads, err)) != NULL;
    if (facts.experts_cpu) {
        b->not_probed = "experts run on the CPU: the limits of a GPU are not this model's";
        return true;
    }
    if (!cli_number(cli, "device", 0, 1023, 0, &device, err) || !(b->prober = engine_prober_open_gpu(facts.backend, (int)device, err)))
        return false;
    b->not_probed = engine_probe_missing(b->prober, &reading);
    b->beside.prober = b->not_probed ? NULL : b->prober;
    return true;
}

static bool prepare(struct cli *cli, struct benching *b, struct error *err)
{
    struct lists lists;
    int64_t repeats, warmups;
    if (!read_lists(cli, &lists, err) || !cli_number(cli, "repeats", 1, MAX_REPEATS, 5, &repeats, err) ||
        !cli_number(cli, "warmup", 0, 100, 1, &warmups, err) || !open_file(cli, &b->o, err))
        return false;
    b->repeats = (int)repeats;
    b->warmups = (int)warmups;
    if (cli_text(cli, "prompt-batch", NULL) && !cli_flag(cli, "apart"))
        return error_set(err, ERROR_INPUT, "--prompt-batch is for prompts that are measured --apart from decode");
    if (!combine(b, &lists, cli_flag(cli, "apart"), err) || !open_for_all(cli, b, err))
        return false;
    b->beside = (struct bench_beside){.isa = engine_facts(b->o.engine).isa, .seconds = probe_seconds};
    b->beside.unit = unit_of(b, cli_flag(cli, "exact"));
    if (cli_flag(cli, "no-limits"))
        b->not_probed = bench_no_limits;
    else if (!open_prober(cli, b, err))
        return false;
    return !b->beside.prober || strcmp(engine_facts(b->o.engine).backend, "cpu") != 0 || probe_copy(b, err);
}

static int run(struct cli *cli, struct error *err)
{
    struct benching b = {0};
    if (cli_flag(cli, "train")) {
        (void)(bench_train(cli, err) || error_prefix(err, "bench"));
        return 0;
    }
    if (prepare(cli, &b, err) && measure_all(&b, err))
        (void)(bench_report(&b, cli_flag(cli, "json"), err) || error_prefix(err, "bench"));
    for (int i = 0; i < b.n; i++)
        for (int p = 0; p < 2; p++)
            free(b.configurations[i].samples[p]);
    free(b.configurations);
    engine_prober_close(b.prober);
    bench_depths_close(b.depths);
    open_close(&b.o);
    return 0;
}

const struct cli_verb verb_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "Measure prefill and decode throughput of a model on this machine",
    .text = "Every combination of --prompt, --batch, --threads and --depth is a configuration; their repeats are\n"
            "interleaved. The table gives the median, its bootstrap 95 % interval and the share of the machine's\n"
            "limit, probed beside each phase: the multiplying unit's peak (prefill), read bandwidth (decode). The\n"
            "last line tells how the model was loaded, beside the speed of copying memory.",
    .example = "jeoul bench -m model.gguf -p 512 -n 64 -b 1,4 -t 1,2 -r 5 --json",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"prompt", 'p', "N,…", "prompt tokens of each sequence; 0: none (512)"},
                {"generate", 'n', "N", "decode steps (64)"},
                {"batch", 'b', "N,…", "sequences at once (1)"},
                {"threads", 't', "N,…", "threads (every CPU that it may use)"},
                {"depth", 0, "N,…", "tokens already in each sequence (0)"},
                {"apart", 0, NULL, "decode starts at the depth, not behind the prompt"},
                {"prompt-batch", 0, "N,…", "with --apart, sequences at once of prompts (those of --batch)"},
                {"repeats", 'r', "N", "repeats (5)"},
                {"warmup", 0, "N", "repeats before that are dropped (1)"},
                {"no-limits", 0, NULL, "do not probe the machine's limits"},
                {"train", 0, "CONFIG", "the speed of training a shape instead (docs/training.md)"},
                {"json", 0, NULL, "the result as JSON"},
                OPEN_OPTION_KV,
                OPEN_OPTIONS_ENGINE},
};
