/* Benchmarks: how fast. Workloads over an engine, and the machine's limits. This header is the room's one door.
 *
 * A workload gives raw times and counts; medians and intervals are the reports' business, repeats and processes the harness's. */
#ifndef JEOUL_BENCH_H
#define JEOUL_BENCH_H

#include "engine/engine.h"

/* One configuration. Every sequence gets its own seeded random prompt and, in decode, its own seeded random tokens, so that sequences
 * route to different experts, as real ones do. */
struct bench_workload {
    int prompt_tokens;   // prefill, each sequence; 0: no prefill is timed (decode starts from one token)
    int generate_tokens; // decode steps; 0: none
    int batch;           // sequences at once
    int threads;
    int depth; // tokens already in each sequence before the timed part; 0 usually
    uint64_t seed;
};

enum bench_phase_kind { BENCH_PREFILL, BENCH_DECODE };

struct bench_phase {
    int64_t tokens;    // over all sequences
    uint64_t ns;       // wall clock
    uint64_t *step_ns; // [n_steps], one for each engine step: in decode with batch 1 these are the inter-token latencies
    int n_steps;
    struct engine_counts counts; // of this phase alone
};

struct bench_result {
    struct bench_phase prefill, decode; // tokens is 0 where the workload has no such phase
};
void bench_result_free(struct bench_result *result);

/* Called on the caller's thread right before and after each timed phase: where the harness starts and reads its counters. */
struct bench_hooks {
    void (*begin)(void *context, enum bench_phase_kind phase);
    void (*end)(void *context, enum bench_phase_kind phase);
    void *context;
};

/* Room in the cache that a workload needs, in tokens, with whole pages for each sequence. */
size_t bench_kv_tokens(const struct bench_workload *workload);

/* Runs the workload once, on fresh sequences. Fails when the engine has no room for it. hooks may be NULL. */
bool bench_run(struct engine *engine, const struct bench_workload *workload, const struct bench_hooks *hooks, struct bench_result *result,
               struct error *err) MUST_CHECK;

/* Deterministic tokens of a workload: ordinary ids only (never control tokens), for tests and for peers' runs on the same work. */
int32_t bench_token(const struct bench_workload *workload, int n_vocab, int sequence, int position);

/* Useful operations/s over the measured peak (prefill), bytes read/s over the measured bandwidth (decode); see docs/definitions.md. */
double bench_mfu(const struct bench_phase *phase, double peak_operations_per_s);
double bench_mbu(const struct bench_phase *phase, double read_bytes_per_s);

/* The machine's limits, measured with the engine's own kernels: one row a probe and thread count. */
struct bench_limit {
    const char *metric, *unit; // "read_bandwidth", "byte/s"; "int8_peak", "operation/s"; "f32_peak"; "bf16_peak"
    int threads;
    double value;       // the best of several short runs
    const char *reason; // not NULL: there is no value, and this is why
};

enum { BENCH_MAX_LIMITS = 16 };

/* Probes with 1 thread and with `threads`. Returns the number of rows, −1 on failure. `seconds` for each probe. */
int bench_limits(int threads, double seconds, struct bench_limit out[BENCH_MAX_LIMITS], struct error *err) MUST_CHECK;

#endif
