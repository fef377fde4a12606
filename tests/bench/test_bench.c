/* Workloads at a depth, limits, and the arithmetic of what limits allow. */
#include "bench/bench.h"
#include "tests/support.h"

static const char *const model_path = "tests/data/goldens/olmoe/model.gguf";
static const char *const short_context_path = "bench/models/jeoul-student.gguf";

Test(roofline, decode_that_reads_longer_than_it_computes_is_bound_by_reading)
{
    /* 6 tokens; 8 GB of weights and 2 GB of cache at 40 GB/s: 0.25 s. 50 Gop at 500 Gop/s: 0.1 s. 6 / 0.25 = 24 tok/s. Took 0.5 s. */
    struct bench_phase phase = {
        .tokens = 6, .ns = 500000000, .counts = {.weight_bytes = 8000000000, .kv_bytes = 2000000000, .operations = 50000000000}};
    struct bench_prediction p = bench_predict(&phase, 40e9, 500e9);
    cr_assert(p.bound_by_read);
    cr_assert_float_eq(p.read_seconds, 0.25, 1e-12);
    cr_assert_float_eq(p.operation_seconds, 0.1, 1e-12);
    cr_assert_float_eq(p.tok_per_s, 24, 1e-9);
    cr_assert_float_eq(bench_mbu(&phase, 40e9), 0.5, 1e-12);
    cr_assert_float_eq(bench_mfu(&phase, 500e9), 0.2, 1e-12);
}

Test(roofline, a_large_batch_is_bound_by_operations)
{
    /* 64 tokens; 4 GB at 40 GB/s: 0.1 s. 160 Gop at 800 Gop/s: 0.2 s. 64 / 0.2 = 320 tok/s. */
    struct bench_phase phase = {.tokens = 64, .ns = 400000000, .counts = {.weight_bytes = 4000000000, .operations = 160000000000}};
    struct bench_prediction p = bench_predict(&phase, 40e9, 800e9);
    cr_assert_not(p.bound_by_read);
    cr_assert_float_eq(p.tok_per_s, 320, 1e-9);
}

static struct engine *open_engine(const char *path, struct model_file **file, size_t kv_tokens, int context)
{
    struct error err = {0};
    *file = model_file_open(path, &err);
    cr_assert_not_null(*file, "%s", err.message);
    struct engine_options options = {.threads = 1, .kv_tokens = kv_tokens, .context = context, .max_rows = 64};
    struct engine *engine = engine_open(*file, &options, &err);
    cr_assert_not_null(engine, "%s", err.message);
    return engine;
}

static struct bench_result run(struct engine *engine, const struct bench_workload *w, const struct bench_depths *depths)
{
    struct error err = {0};
    struct bench_result result;
    cr_assert(bench_run(engine, w, depths, NULL, &result, &err), "%s", err.message);
    return result;
}

static void same_work(const struct bench_phase *a, const struct bench_phase *b)
{
    cr_assert_eq(a->tokens, b->tokens);
    cr_assert_eq(a->counts.operations, b->counts.operations);
    cr_assert_eq(a->counts.weight_bytes, b->counts.weight_bytes, "the same experts are used");
    cr_assert_eq(a->counts.kv_bytes, b->counts.kv_bytes, "the same cache is read");
}

Test(depth, forks_of_filled_sequences_do_the_work_of_fresh_ones)
{
    struct error err = {0};
    struct model_file *file;
    struct bench_workload deepest = {.depth = 200, .batch = 3, .threads = 1, .seed = 7};
    struct bench_workload w = {.prompt_tokens = 20, .generate_tokens = 5, .batch = 2, .threads = 1, .depth = 130, .seed = 7};
    struct engine *engine = open_engine(model_path, &file, bench_kv_tokens_forked(&w, &deepest), 4096);
    struct bench_depths *depths = bench_depths_open(engine, &deepest, &err);
    cr_assert_not_null(depths, "%s", err.message);
    for (int repeat = 0; repeat < 3; repeat++) { // pages of earlier repeats are free again
        struct bench_result forked = run(engine, &w, depths);
        if (repeat == 2) {
            bench_depths_close(depths);
            struct bench_result fresh = run(engine, &w, NULL);
            same_work(&forked.prefill, &fresh.prefill);
            same_work(&forked.decode, &fresh.decode);
            cr_assert_gt(fresh.decode.counts.kv_bytes, 0);
            bench_result_free(&fresh);
        }
        bench_result_free(&forked);
    }
    engine_close(engine);
    model_file_close(file);
}

Test(depth, too_little_room_is_refused_with_both_numbers)
{
    struct error err = {0};
    struct model_file *file;
    struct bench_workload deepest = {.depth = 200, .batch = 3, .threads = 1, .seed = 7};
    struct engine *engine = open_engine(model_path, &file, 128, 0);
    cr_assert_null(bench_depths_open(engine, &deepest, &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    cr_assert_not_null(strstr(err.message, "768 tokens of cache"), "%s", err.message); // 3 × 4 pages of 64
    engine_close(engine);
    model_file_close(file);
}

Test(depth, a_sequence_may_pass_the_models_context_only_where_the_engine_was_opened_so)
{
    struct error err = {0};
    struct model_file *file;
    struct model_info info;
    file = model_file_open(short_context_path, &err);
    cr_assert(file && model_file_info(file, &info, &err), "%s", err.message);
    model_file_close(file);
    struct bench_workload w = {.depth = info.context_length, .generate_tokens = 2, .batch = 1, .threads = 1, .seed = 1};
    struct bench_result result;
    struct engine *engine = open_engine(short_context_path, &file, bench_kv_tokens(&w), 0);
    cr_assert_not(bench_run(engine, &w, NULL, NULL, &result, &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    engine_close(engine);
    model_file_close(file);
    engine = open_engine(short_context_path, &file, bench_kv_tokens(&w), info.context_length + 2);
    result = run(engine, &w, NULL);
    cr_assert_eq(result.decode.tokens, 2);
    bench_result_free(&result);
    engine_close(engine);
    model_file_close(file);
}

Test(limits, every_limit_of_the_list_has_samples_or_a_reason)
{
    struct error err = {0};
    struct bench_limit *limits;
    const int64_t threads[] = {1, 2};
    enum { ROUNDS = 2 };
    int n = bench_limits_list(threads, 2, &limits, &err), missing = 0;
    cr_assert_gt(n, 0, "%s", err.message);
    struct engine_prober *prober = engine_prober_open(2, &err);
    cr_assert_not_null(prober, "%s", err.message);
    cr_assert(bench_limits_measure(prober, limits, n, ROUNDS, 0.0001, NULL, NULL, &err), "%s", err.message);
    for (int i = 0; i < n; i++) {
        missing += limits[i].reason != NULL;
        cr_assert((limits[i].reason != NULL) != (limits[i].samples != NULL));
        for (int round = 0; round < ROUNDS && limits[i].samples; round++)
            cr_assert(isfinite(limits[i].samples[round]) && limits[i].samples[round] > 0);
    }
    cr_assert_gt(missing, 0, "the scalar set has no BF16 unit");
    bench_limits_free(limits, n);
    engine_prober_close(prober);
}

Test(limits, what_is_missing_is_refused_with_its_reason)
{
    struct error err = {0};
    double rate;
    struct engine_prober *prober = engine_prober_open(1, &err);
    cr_assert_not_null(prober, "%s", err.message);
    const struct {
        struct engine_probing what;
        const char *words;
    } cases[] = {{{ENGINE_PROBE_READ, ENGINE_PROBE_REGISTERS, "scalar", 1}, "registers have no bandwidth"},
                 {{ENGINE_PROBE_BF16, ENGINE_PROBE_REGISTERS, "scalar", 1}, "no such unit"},
                 {{ENGINE_PROBE_INT8, ENGINE_PROBE_REGISTERS, "abacus", 1}, "abacus"},
                 {{ENGINE_PROBE_INT8, ENGINE_PROBE_REGISTERS, "scalar", 2}, "2 threads"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err = (struct error){0};
        cr_assert_not(engine_probe(prober, &cases[i].what, 0.0001, &rate, &err));
        cr_assert_eq(err.code, ERROR_INPUT);
        cr_assert_not_null(strstr(err.message, cases[i].words), "%s", err.message);
    }
    engine_prober_close(prober);
}

Test(limits, limits_beside_a_sample_are_those_of_its_phases)
{
    struct error err = {0};
    struct model_file *file;
    struct bench_workload w = {.prompt_tokens = 8, .batch = 1, .threads = 1, .seed = 1};
    struct engine *engine = open_engine(model_path, &file, 64, 0);
    struct bench_beside beside = {
        .prober = engine_prober_open(1, &err), .unit = ENGINE_PROBE_INT8, .isa = "scalar", .threads = 1, .seconds = 1e-4};
    struct bench_hooks hooks = bench_beside_hooks(&beside);
    struct bench_result result;
    cr_assert_not_null(beside.prober, "%s", err.message);
    cr_assert(bench_run(engine, &w, NULL, &hooks, &result, &err), "%s", err.message);
    cr_assert_not(beside.failed);
    cr_assert(beside.read_bytes_per_s[BENCH_PREFILL] > 0 && beside.operations_per_s[BENCH_PREFILL] > 0);
    cr_assert(beside.read_bytes_per_s[BENCH_DECODE] == 0, "there was no decode");
    bench_result_free(&result);
    engine_prober_close(beside.prober);
    engine_close(engine);
    model_file_close(file);
}
