/* Running one workload: see bench.h. */
#include "bench/bench.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 64 }; // the engine's pages: sequences take whole ones

void bench_result_free(struct bench_result *result)
{
    free(result->prefill.step_ns);
    free(result->decode.step_ns);
    *result = (struct bench_result){0};
}

static size_t whole_pages(size_t tokens)
{
    return (tokens + PAGE - 1) / PAGE * PAGE;
}

size_t bench_kv_tokens(const struct bench_workload *w)
{
    size_t each = (size_t)w->depth + (size_t)w->prompt_tokens + (size_t)w->generate_tokens + 1;
    return whole_pages(each) * (size_t)w->batch;
}

/* Beside the filled pages a fork has a copy of its last one, as far as it is begun, and its own. */
size_t bench_kv_tokens_forked(const struct bench_workload *w, const struct bench_workload *deepest)
{
    size_t own = (size_t)(w->depth % PAGE) + (size_t)w->prompt_tokens + (size_t)w->generate_tokens + 1;
    return whole_pages((size_t)deepest->depth) * (size_t)deepest->batch + whole_pages(own) * (size_t)w->batch;
}

/* A hash of where the token stands (splitmix64's finaliser): no state, so any part of a workload can be made again. The last sixteenth of
 * the vocabulary, where control tokens live, is left out. */
int32_t bench_token(const struct bench_workload *w, int n_vocab, int sequence, int position)
{
    uint64_t z = w->seed * 0x9E3779B97F4A7C15u + ((uint64_t)(uint32_t)sequence << 32 | (uint32_t)position);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    int ordinary = n_vocab - n_vocab / 16;
    return (int32_t)(z % (uint64_t)ordinary);
}

struct running {
    struct engine *engine;
    const struct bench_workload *w;
    const struct bench_hooks *hooks;
    struct engine_row *rows; // [max_rows]
    int *sequences;          // [batch]
    int max_rows, n_vocab;
    bool filled; // to the workload's depth
    struct engine_counts before;
    uint64_t began;
};

static void begin(struct running *r, enum bench_phase_kind kind)
{
    if (r->hooks && r->hooks->begin)
        r->hooks->begin(r->hooks->context, kind);
    engine_read_counts(r->engine, &r->before);
    r->began = clock_ns();
}

static void end(struct running *r, enum bench_phase_kind kind, struct bench_phase *phase, int64_t tokens)
{
    phase->ns = clock_ns() - r->began;
    phase->tokens = tokens;
    engine_read_counts(r->engine, &phase->counts);
    phase->counts.steps -= r->before.steps;
    phase->counts.rows -= r->before.rows;
    phase->counts.operations -= r->before.operations;
    phase->counts.weight_bytes -= r->before.weight_bytes;
    phase->counts.kv_bytes -= r->before.kv_bytes;
    phase->counts.device_ns -= r->before.device_ns;
    for (int i = 0; i < ENGINE_OP_COUNT; i++)
        phase->counts.op_ns[i] -= r->before.op_ns[i];
    if (r->hooks && r->hooks->end)
        r->hooks->end(r->hooks->context, kind);
}

static bool timed_step(struct running *r, struct bench_phase *phase, int n, struct error *err)
{
    uint64_t began = clock_ns();
    if (!engine_step(r->engine, r->rows, n, err))
        return false;
    if (phase)
        phase->step_ns[phase->n_steps++] = clock_ns() - began;
    return true;
}

/* Feeds positions first … first + count − 1 of every sequence, in steps as full as they go. A head's logits are computed for the last token
 * of each sequence only. */
static bool feed(struct running *r, struct bench_phase *phase, int first, int count, struct error *err)
{
    int n = 0;
    for (int s = 0; s < r->w->batch; s++)
        for (int i = 0; i < count; i++) {
            bool last = phase && i + 1 == count;
            r->rows[n++] = (struct engine_row){.seq = r->sequences[s],
                                               .token = bench_token(r->w, r->n_vocab, s, first + i),
                                               .want = last ? ENGINE_WANT_SCORE : ENGINE_WANT_NOTHING,
                                               .target = -1};
            bool full = n == r->max_rows || (s + 1 == r->w->batch && i + 1 == count);
            if (full && !timed_step(r, phase, n, err))
                return false;
            n = full ? 0 : n;
        }
    return true;
}

static bool decode(struct running *r, struct bench_phase *phase, int first, struct error *err)
{
    for (int i = 0; i < r->w->generate_tokens; i++) {
        for (int s = 0; s < r->w->batch; s++)
            r->rows[s] = (struct engine_row){
                .seq = r->sequences[s], .token = bench_token(r->w, r->n_vocab, s, first + i), .want = ENGINE_WANT_SCORE, .target = -1};
        if (!timed_step(r, phase, r->w->batch, err))
            return false;
    }
    return true;
}

static bool run_phases(struct running *r, struct bench_result *result, struct error *err)
{
    const struct bench_workload *w = r->w;
    int64_t prompt = (int64_t)w->prompt_tokens * w->batch, generated = (int64_t)w->generate_tokens * w->batch;
    size_t steps = (size_t)(prompt / r->max_rows) + 2;
    result->prefill.step_ns = memory_array(steps, sizeof *result->prefill.step_ns, "step times", err);
    result->decode.step_ns = memory_array((size_t)w->generate_tokens + 1, sizeof *result->decode.step_ns, "step times", err);
    if (!result->prefill.step_ns || !result->decode.step_ns)
        return false;
    int at = w->depth;
    if (at && !r->filled && !feed(r, NULL, 0, at, err))
        return false;
    if (prompt) {
        begin(r, BENCH_PREFILL);
        if (!feed(r, &result->prefill, at, w->prompt_tokens, err))
            return false;
        end(r, BENCH_PREFILL, &result->prefill, prompt);
        at += w->prompt_tokens;
    }
    if (generated) {
        begin(r, BENCH_DECODE);
        if (!decode(r, &result->decode, at, err))
            return false;
        end(r, BENCH_DECODE, &result->decode, generated);
    }
    return true;
}

static bool check(const struct bench_workload *w, struct error *err)
{
    return (w->batch >= 1 && w->prompt_tokens >= 0 && w->generate_tokens >= 0 && w->depth >= 0) ||
           error_set(err, ERROR_INPUT,
                     "a workload of %d sequences, %d + %d tokens: at least one sequence is wanted, and no negative lengths", w->batch,
                     w->prompt_tokens, w->generate_tokens);
}

static bool check_room(const struct bench_workload *w, size_t kv_tokens, const struct engine_facts *facts, struct error *err)
{
    return (w->batch <= facts->max_rows && kv_tokens <= facts->kv_tokens) ||
           error_set(err, ERROR_INPUT, "the workload needs %zu tokens of cache and %d rows, the engine has %zu and %d", kv_tokens, w->batch,
                     facts->kv_tokens, facts->max_rows);
}

struct bench_depths {
    struct bench_workload deepest;
    struct running r; // its rows and sequences
    int opened;
};

struct bench_depths *bench_depths_open(struct engine *engine, const struct bench_workload *deepest, struct error *err)
{
    struct engine_facts facts = engine_facts(engine);
    if (!check(deepest, err) || !check_room(deepest, whole_pages((size_t)deepest->depth) * (size_t)deepest->batch, &facts, err))
        return NULL;
    struct bench_depths *d = memory_array(1, sizeof *d, "depths", err);
    if (!d)
        return NULL;
    d->deepest = *deepest;
    d->r = (struct running){.engine = engine, .w = &d->deepest, .max_rows = facts.max_rows, .n_vocab = facts.n_vocab};
    engine_use_threads(engine, deepest->threads);
    d->r.rows = memory_array((size_t)d->r.max_rows, sizeof *d->r.rows, "rows", err);
    d->r.sequences = memory_array((size_t)deepest->batch, sizeof *d->r.sequences, "sequences", err);
    bool ok = d->r.rows && d->r.sequences;
    for (int i = 0; ok && i < deepest->batch; i++)
        if ((ok = (d->r.sequences[i] = engine_seq_new(engine, err)) >= 0))
            d->opened++;
    if (ok && feed(&d->r, NULL, 0, deepest->depth, err))
        return d;
    bench_depths_close(d);
    return NULL;
}

void bench_depths_close(struct bench_depths *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->opened && d->r.sequences; i++)
        engine_seq_free(d->r.engine, d->r.sequences[i]);
    free(d->r.rows);
    free(d->r.sequences);
    free(d);
}

static bool serves(const struct bench_depths *depths, const struct bench_workload *w)
{
    return depths && w->depth && depths->deepest.seed == w->seed && depths->deepest.batch >= w->batch && depths->deepest.depth >= w->depth;
}

static int open_sequence(const struct running *r, const struct bench_depths *depths, int i, struct error *err)
{
    if (!r->filled)
        return engine_seq_new(r->engine, err);
    int seq = engine_seq_fork(r->engine, depths->r.sequences[i], err);
    if (seq >= 0)
        engine_seq_truncate(r->engine, seq, r->w->depth);
    return seq;
}

bool bench_run(struct engine *engine, const struct bench_workload *w, const struct bench_depths *depths, const struct bench_hooks *hooks,
               struct bench_result *result, struct error *err)
{
    struct engine_facts facts = engine_facts(engine);
    struct running r = {
        .engine = engine, .w = w, .hooks = hooks, .max_rows = facts.max_rows, .n_vocab = facts.n_vocab, .filled = serves(depths, w)};
    *result = (struct bench_result){0};
    if (!check(w, err) || !check_room(w, r.filled ? bench_kv_tokens_forked(w, &depths->deepest) : bench_kv_tokens(w), &facts, err))
        return false;
    engine_use_threads(engine, w->threads);
    r.rows = memory_array((size_t)r.max_rows, sizeof *r.rows, "rows", err);
    r.sequences = memory_array((size_t)w->batch, sizeof *r.sequences, "sequences", err);
    bool ok = r.rows && r.sequences;
    int opened = 0;
    for (; ok && opened < w->batch; opened += ok)
        ok = (r.sequences[opened] = open_sequence(&r, depths, opened, err)) >= 0;
    ok = ok && run_phases(&r, result, err);
    for (int i = 0; i < opened; i++)
        engine_seq_free(engine, r.sequences[i]);
    free(r.rows);
    free(r.sequences);
    if (!ok)
        bench_result_free(result);
    return ok;
}
