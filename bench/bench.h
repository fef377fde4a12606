/* Benchmarks: how fast. Workloads over an engine, the machine's limits, and what those limits allow. This header is the room's one door.
 *
 * A workload gives raw times and counts; medians and intervals are the reports' business, repeats and processes the harness's. */
#ifndef JEOUL_BENCH_H
#define JEOUL_BENCH_H

#include "engine/engine.h"
#include "engine/train.h"

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

/* Sequences that are filled once and forked for each repeat, so that a depth is paid for once. Serves every workload of the same seed
 * with at most so many sequences and so much depth. NULL on failure. Freed before its engine. */
struct bench_depths;
struct bench_depths *bench_depths_open(struct engine *engine, const struct bench_workload *deepest, struct error *err) MUST_CHECK;
void bench_depths_close(struct bench_depths *depths); // NULL is allowed

/* Room in the cache, in tokens, with whole pages for each sequence: that a workload needs for itself; that it needs on top of
 * bench_depths of `deepest`. */
size_t bench_kv_tokens(const struct bench_workload *workload);
size_t bench_kv_tokens_forked(const struct bench_workload *workload, const struct bench_workload *deepest);

/* Runs the workload once, on fresh sequences, or on forks of `depths` where it serves (NULL: fills the depth itself, untimed). Fails when
 * the engine has no room for it. hooks may be NULL. */
bool bench_run(struct engine *engine, const struct bench_workload *workload, const struct bench_depths *depths,
               const struct bench_hooks *hooks, struct bench_result *result, struct error *err) MUST_CHECK;

/* Deterministic tokens of a workload: ordinary ids only (never control tokens), for tests and for peers' runs on the same work. */
int32_t bench_token(const struct bench_workload *workload, int n_vocab, int sequence, int position);

/* --- Training -------------------------------------------------------------------------------------------------------------------------
 */

/* Training of a shape on seeded random tokens: time depends on shapes, not on what is learnt. Sequences have BENCH_TRAINING_SEQUENCE
 * tokens, as sentences have. No teacher. */
enum { BENCH_TRAINING_SEQUENCE = 32 };
struct bench_training;
struct bench_training *bench_training_open(const struct train_shape *shape, const struct train_settings *settings,
                                           struct error *err) MUST_CHECK;
void bench_training_close(struct bench_training *training); // NULL is allowed

struct bench_training_result {
    int64_t tokens;
    uint64_t ns;
    double operations; // of matrix products, forward and backward, multiply and add counted apart
};
bool bench_training_run(struct bench_training *training, int steps, struct bench_training_result *result, struct error *err) MUST_CHECK;
struct trainer_facts bench_training_facts(const struct bench_training *training);

/* --- Limits --------------------------------------------------------------------------------------------------------------------------- */

/* A limit of the machine, in samples. */
struct bench_limit {
    struct engine_probing what;
    const char *reason; // not NULL: there are no samples, and this is why. Lives as long as the prober
    double *samples;    // [rounds] bytes/s or operations/s; bench_limits_free
};
const char *bench_limit_metric(enum engine_probe probe); // "read_bandwidth", "int8_peak" …
const char *bench_limit_unit(enum engine_probe probe);   // "byte/s", "operation/s"
extern const char *const bench_limit_places[ENGINE_PROBE_PLACE_COUNT];

/* Every limit that `jeoul roofline` shows: for each number of threads read, copy and write from memory and read from L2 and L3; for each
 * instruction set and unit products from registers, L2 and memory. Returns how many, −1 on failure. Not yet measured. */
int bench_limits_list(const int64_t *threads, int n_threads, struct bench_limit **out, struct error *err) MUST_CHECK;
/* The four that a run records: read bandwidth of memory, int8, BF16 and F32 peak of the widest instruction set, with 1 thread and
 * `threads`. */
int bench_limits_short_list(int threads, struct bench_limit **out, struct error *err) MUST_CHECK;

/* Those of a GPU: read, copy and write from its memory, BF16 on matrix units and F32 from registers. */
int bench_limits_gpu_list(struct bench_limit **out, struct error *err) MUST_CHECK;

/* Takes `rounds` samples of each, `seconds` each, in interleaved rounds: a drift of the machine meets all alike. progress may be NULL. */
bool bench_limits_measure(struct engine_prober *prober, struct bench_limit *limits, int n, int rounds, double seconds,
                          void (*progress)(void *context, int done, int total), void *context, struct error *err) MUST_CHECK;
void bench_limits_free(struct bench_limit *limits, int n);

/* Limits beside a sample: hooks for bench_run that probe read bandwidth and the unit right before and right after each phase. Of both the
 * greater counts, as neighbours only ever take away. */
struct bench_beside {
    struct engine_prober *prober;
    enum engine_probe unit; // ENGINE_PROBE_INT8 …, which must be there
    const char *isa;
    int threads;
    double seconds;                                  // of one probe
    double read_bytes_per_s[2], operations_per_s[2]; // out, by phase
    bool failed;                                     // out: with err
    struct error err;
};
struct bench_hooks bench_beside_hooks(struct bench_beside *beside);

/* Useful operations/s over the measured peak (prefill), bytes read/s over the measured bandwidth (decode); see docs/performance.md. */
double bench_mfu(const struct bench_phase *phase, double peak_operations_per_s);
double bench_mbu(const struct bench_phase *phase, double read_bytes_per_s);

/* What the limits allow for the work that a phase did (Williams, Waterman and Patterson 2009, roofline): the bytes of weights, each
 * distinct expert once a step, and of the cache, against the operations. The longer time wins. */
struct bench_prediction {
    double read_seconds, operation_seconds;
    bool bound_by_read;
    double tok_per_s; // of a run at the limit
};
struct bench_prediction bench_predict(const struct bench_phase *phase, double read_bytes_per_s, double peak_operations_per_s);

#endif
