/* The engine's promises: what cannot be done is refused and changes nothing; a row's result depends on its own sequence only. */
#include "tests/support.h"

#include "engine/engine.h"

#include <string.h>

static const char model[] = "tests/data/goldens/olmoe/model.gguf";

struct opened {
    struct model_file *file;
    struct engine *engine;
    int n_vocab, context;
};

static struct opened open_file(const char *path, size_t kv_tokens)
{
    struct error err = {0};
    struct opened o = {.file = model_file_open(path, &err)};
    cr_assert_not_null(o.file, "%s", err.message);
    struct engine_options options = {.threads = 2, .kv_tokens = kv_tokens, .max_rows = 64};
    o.engine = engine_open(o.file, &options, &err);
    cr_assert_not_null(o.engine, "%s", err.message);
    o.n_vocab = engine_facts(o.engine).n_vocab;
    o.context = engine_facts(o.engine).context_length;
    return o;
}

static struct opened open_engine(size_t kv_tokens)
{
    return open_file(model, kv_tokens);
}

/* The golden model with another context length in its metadata. */
static struct opened open_with_context(uint32_t context, size_t kv_tokens)
{
    static const char key[] = "olmoe.context_length";
    char path[] = "/tmp/jeoul-test-engine-XXXXXX";
    size_t n;
    char *bytes = read_whole(model, &n);
    char *at = memmem(bytes, n, key, sizeof key - 1);
    int fd = mkstemp(path);
    cr_assert(at != NULL && fd >= 0);
    memcpy(at + sizeof key - 1 + 4, &context, sizeof context); // behind the type, u32
    cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    free(bytes);
    struct opened o = open_file(path, kv_tokens);
    unlink(path);
    cr_assert_eq(o.context, (int)context);
    return o;
}

static void close_engine(struct opened *o)
{
    engine_close(o->engine);
    model_file_close(o->file);
}

static int new_sequence(struct opened *o)
{
    struct error err = {0};
    int seq = engine_seq_new(o->engine, &err);
    cr_assert_geq(seq, 0, "%s", err.message);
    return seq;
}

static int32_t token_at(const struct opened *o, int i)
{
    return (i * 37 + 11) % o->n_vocab;
}

/* Appends tokens first … first + n − 1 of the test's text to a sequence, without asking for anything. */
static void feed(struct opened *o, int seq, int first, int n)
{
    struct error err = {0};
    struct engine_row rows[64];
    for (int at = 0; at < n;) {
        int m = 0;
        for (; m < 64 && at < n; m++, at++)
            rows[m] = (struct engine_row){.seq = seq, .token = token_at(o, first + at)};
        cr_assert(engine_step(o->engine, rows, m, &err), "%s", err.message);
    }
}

static void expect_refused(struct opened *o, struct engine_row *rows, int n, const char *why)
{
    struct error err = {0};
    struct engine_counts before, after;
    engine_read_counts(o->engine, &before);
    cr_expect_not(engine_step(o->engine, rows, n, &err), "%s", why);
    cr_expect_eq(err.code, ERROR_INPUT, "%s: %s", why, err.message);
    cr_expect_neq(err.message[0], '\0', "%s: no message", why);
    engine_read_counts(o->engine, &after);
    cr_expect_eq(before.rows, after.rows, "%s: rows were computed", why);
    cr_expect_eq(before.steps, after.steps, "%s: a step was counted", why);
}

/* The logits after one more token; free with free(). */
static float *logits_after(struct opened *o, int seq, int32_t token)
{
    struct error err = {0};
    size_t bytes = (size_t)o->n_vocab * sizeof(float);
    float *logits = malloc(bytes);
    memset(logits, 0xFF, bytes);
    struct engine_row row = {.seq = seq, .token = token, .want = ENGINE_WANT_LOGITS, .logits = logits};
    cr_assert(engine_step(o->engine, &row, 1, &err), "%s", err.message);
    for (int i = 0; i < o->n_vocab; i++)
        cr_assert(isfinite(logits[i]), "logit %d is %g", i, (double)logits[i]);
    return logits;
}

static void expect_same_bits(const struct opened *o, float *a, float *b, const char *what)
{
    cr_expect_eq(memcmp(a, b, (size_t)o->n_vocab * sizeof *a), 0, "%s", what);
    free(a);
    free(b);
}

Test(engine, rows_that_cannot_be_computed_are_refused_and_change_nothing)
{
    struct opened o = open_engine(256);
    int seq = new_sequence(&o), twin = new_sequence(&o);
    feed(&o, seq, 0, 10);
    feed(&o, twin, 0, 10);
    const int32_t bad_tokens[] = {-1, o.n_vocab, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof bad_tokens / sizeof *bad_tokens; i++) {
        struct engine_row rows[] = {{.seq = seq, .token = 1}, {.seq = seq, .token = bad_tokens[i]}};
        expect_refused(&o, rows, 2, "a token out of range");
    }
    const int32_t bad_targets[] = {-2, o.n_vocab, INT32_MAX};
    for (size_t i = 0; i < sizeof bad_targets / sizeof *bad_targets; i++) {
        struct engine_row rows[] = {{.seq = seq, .token = 1},
                                    {.seq = seq, .token = 1, .want = ENGINE_WANT_SCORE, .target = bad_targets[i]}};
        expect_refused(&o, rows, 2, "a target out of range");
    }
    const int bad_sequences[] = {-1, 17, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof bad_sequences / sizeof *bad_sequences; i++) {
        struct engine_row rows[] = {{.seq = seq, .token = 1}, {.seq = bad_sequences[i], .token = 1}};
        expect_refused(&o, rows, 2, "an unknown sequence");
    }
    int gone = new_sequence(&o);
    engine_seq_free(o.engine, gone);
    expect_refused(&o, &(struct engine_row){.seq = gone, .token = 1}, 1, "a freed sequence");
    struct engine_row many[65];
    for (int i = 0; i < 65; i++)
        many[i] = (struct engine_row){.seq = seq, .token = 1};
    expect_refused(&o, many, 65, "more than max_rows");
    expect_refused(&o, many, 0, "no rows");
    cr_expect_eq(engine_seq_length(o.engine, seq), 10);
    expect_same_bits(&o, logits_after(&o, seq, 5), logits_after(&o, twin, 5), "refused rows left something behind");
    close_engine(&o);
}

Test(engine, a_full_cache_is_refused_and_serves_again_when_room_is_made)
{
    struct opened o = open_engine(128);
    struct error err = {0};
    size_t room = engine_facts(o.engine).kv_tokens;
    cr_assert_geq(room, 128);
    cr_assert_lt(room, 1024);
    int seqs[16], n = 0;
    for (size_t used = 0; used < room; used += 64, n++) { // a page each
        seqs[n] = new_sequence(&o);
        feed(&o, seqs[n], 0, n == 0 ? 63 : 64);
    }
    int other = new_sequence(&o);
    struct engine_row rows[] = {{.seq = seqs[0], .token = 3}, {.seq = other, .token = 3}};
    expect_refused(&o, rows, 2, "a full cache");
    cr_expect_eq(engine_seq_length(o.engine, seqs[0]), 63);
    cr_expect_eq(engine_seq_length(o.engine, other), 0);
    int fork = engine_seq_fork(o.engine, seqs[0], &err);
    cr_assert_geq(fork, 0, "a fork takes no page: %s", err.message);
    expect_refused(&o, rows, 1, "no page for the copy of a shared one");
    engine_seq_free(o.engine, seqs[1]);
    cr_assert(engine_step(o.engine, rows, 1, &err), "%s", err.message);
    cr_expect_eq(engine_seq_length(o.engine, seqs[0]), 64);
    cr_expect_eq(engine_seq_length(o.engine, fork), 63);
    close_engine(&o);
}

Test(engine, a_sequence_beyond_the_context_is_refused)
{
    enum { context = 100 };
    struct opened o = open_with_context(context, 512);
    int seq = new_sequence(&o);
    feed(&o, seq, 0, context - 1);
    struct engine_row rows[] = {{.seq = seq, .token = 1}, {.seq = seq, .token = 2}};
    expect_refused(&o, rows, 2, "the context is exceeded");
    cr_expect_eq(engine_seq_length(o.engine, seq), context - 1);
    feed(&o, seq, 0, 1);
    expect_refused(&o, rows, 1, "the context is exceeded by one");
    close_engine(&o);
}

Test(engine, a_fork_continues_bitwise_like_the_original)
{
    static const int lengths[] = {1, 63, 64, 65, 100};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct error err = {0};
        struct opened o = open_engine(1024);
        int alone = new_sequence(&o), original = new_sequence(&o);
        feed(&o, alone, 0, lengths[i]);
        feed(&o, original, 0, lengths[i]);
        int fork = engine_seq_fork(o.engine, original, &err);
        cr_assert_geq(fork, 0, "%s", err.message);
        cr_expect_eq(engine_seq_length(o.engine, fork), lengths[i]);
        feed(&o, fork, 500, 7); // another text: must not reach the original
        feed(&o, original, lengths[i], 7);
        feed(&o, alone, lengths[i], 7);
        expect_same_bits(&o, logits_after(&o, alone, 9), logits_after(&o, original, 9), "a fork changed its original");
        engine_seq_truncate(o.engine, fork, lengths[i]);
        feed(&o, fork, lengths[i], 7);
        engine_seq_truncate(o.engine, alone, lengths[i] + 7);
        expect_same_bits(&o, logits_after(&o, alone, 9), logits_after(&o, fork, 9), "a fork continues otherwise than its original");
        close_engine(&o);
    }
}

Test(engine, rows_of_other_sequences_change_no_bit)
{
    enum { TOKENS = 12, OTHERS = 4 };
    struct error err = {0};
    struct opened o = open_engine(1024);
    int alone = new_sequence(&o), among = new_sequence(&o), others[OTHERS];
    for (int i = 0; i < OTHERS; i++) {
        others[i] = new_sequence(&o);
        feed(&o, others[i], 100 * i, 20 + 30 * i);
    }
    size_t bytes = (size_t)o.n_vocab * sizeof(float);
    float *logits = malloc(bytes);
    for (int t = 0; t < TOKENS; t++) {
        float *wanted = logits_after(&o, alone, token_at(&o, t));
        struct engine_row rows[2 * OTHERS + 1];
        int n = 0;
        memset(logits, 0xFF, bytes);
        for (int i = 0; i < OTHERS; i++) {
            if (i == t % OTHERS)
                rows[n++] = (struct engine_row){.seq = among, .token = token_at(&o, t), .want = ENGINE_WANT_LOGITS, .logits = logits};
            for (int j = 0; j <= t % 2; j++)
                rows[n++] =
                    (struct engine_row){.seq = others[i], .token = token_at(&o, 7 * t + i + j), .want = ENGINE_WANT_SCORE, .target = t};
        }
        cr_assert(engine_step(o.engine, rows, n, &err), "%s", err.message);
        cr_expect_eq(memcmp(wanted, logits, bytes), 0, "token %d differs in company", t);
        free(wanted);
    }
    free(logits);
    close_engine(&o);
}

Test(engine, scores_are_the_log_softmax_of_the_logits)
{
    struct error err = {0};
    struct opened o = open_engine(256);
    int seq = new_sequence(&o), twin = new_sequence(&o);
    feed(&o, seq, 0, 5);
    feed(&o, twin, 0, 5);
    float *logits = logits_after(&o, seq, 3);
    int best = 0;
    double sum = 0;
    for (int i = 1; i < o.n_vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    for (int i = 0; i < o.n_vocab; i++)
        sum += exp((double)logits[i] - (double)logits[best]);
    struct engine_row row = {.seq = twin, .token = 3, .want = ENGINE_WANT_SCORE, .target = 7};
    cr_assert(engine_step(o.engine, &row, 1, &err), "%s", err.message);
    double wanted = (double)logits[7] - (double)logits[best] - log(sum);
    cr_expect_lt(fabs((double)row.log_probability - wanted), 1e-4, "%g, %g is right", (double)row.log_probability, wanted);
    cr_expect_eq(row.argmax, best);
    cr_expect_eq(row.target_is_argmax, logits[7] == logits[best]);
    free(logits);
    close_engine(&o);
}

Test(engine, other_targets_of_a_row_score_as_if_each_were_alone)
{
    struct error err = {0};
    struct opened o = open_engine(256);
    enum { TARGETS = 5 };
    struct engine_target others[TARGETS];
    int together = new_sequence(&o), best = -1;
    feed(&o, together, 0, 5);
    for (int i = 0; i < TARGETS; i++)
        others[i] = (struct engine_target){.token = 11 * i};
    struct engine_row row = {.seq = together, .token = 3, .want = ENGINE_WANT_SCORE, .target = 7, .others = others, .n_others = TARGETS};
    cr_assert(engine_step(o.engine, &row, 1, &err), "%s", err.message);
    for (int i = 0; i < TARGETS; i++) {
        int alone = new_sequence(&o);
        feed(&o, alone, 0, 5);
        struct engine_row single = {.seq = alone, .token = 3, .want = ENGINE_WANT_SCORE, .target = others[i].token};
        cr_assert(engine_step(o.engine, &single, 1, &err), "%s", err.message);
        cr_expect_eq(memcmp(&single.log_probability, &others[i].log_probability, sizeof(float)), 0, "target %d", others[i].token);
        cr_expect_eq(others[i].is_argmax, others[i].token == single.argmax);
        best = single.argmax;
        engine_seq_free(o.engine, alone);
    }
    others[0].token = best;
    engine_seq_truncate(o.engine, together, 5);
    cr_assert(engine_step(o.engine, &row, 1, &err), "%s", err.message);
    cr_expect(others[0].is_argmax);
    others[0].token = o.n_vocab;
    cr_expect_not(engine_step(o.engine, &row, 1, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    close_engine(&o);
}

/* A step of so many rows that products are quantised and added where they are made, and experts have columns for several calls, gives the
 * bits of steps of few rows. */
static void check_large_step(const char *quantisation, int threads)
{
    static const char shape[] =
        "{\"name\": \"t\", \"arch\": \"qwen3moe\", \"layers\": 2, \"embedding\": 256, \"heads\": 2, \"kv_heads\": 1, "
        "\"head_dim\": 128, \"experts\": 18, \"top_k\": 4, \"expert_width\": 512, \"vocabulary\": 320, \"context\": 1024}";
    enum { ROWS = 700, FEW = 50 };
    struct error err = {0};
    char json[] = "/tmp/jeoul-test-shape-XXXXXX", path[sizeof json + 5];
    int fd = mkstemp(json);
    cr_assert(fd >= 0 && write(fd, shape, sizeof shape - 1) == (ssize_t)sizeof shape - 1);
    close(fd);
    snprintf(path, sizeof path, "%s.gguf", json);
    cr_assert(synth_write(path, &(struct synth_options){.shape = json, .quantisation = quantisation, .seed = 3}, &err), "%s", err.message);
    struct model_file *file = model_file_open(path, &err);
    cr_assert_not_null(file, "%s", err.message);
    struct engine_options options = {.threads = threads, .kv_tokens = 2 * ROWS + 64, .max_rows = ROWS};
    struct engine *engine = engine_open(file, &options, &err);
    cr_assert_not_null(engine, "%s", err.message);
    struct engine_row *rows = calloc(2 * ROWS, sizeof *rows);
    for (int which = 0; which < 2; which++) {
        int seq = engine_seq_new(engine, &err), step = which ? FEW : ROWS;
        for (int i = 0; i < ROWS; i++)
            rows[which * ROWS + i] =
                (struct engine_row){.seq = seq, .token = (i * 37 + 11) % 320, .want = ENGINE_WANT_SCORE, .target = i % 320};
        for (int at = 0; at < ROWS; at += step)
            cr_assert(engine_step(engine, rows + which * ROWS + at, step, &err), "%s", err.message);
    }
    for (int i = 0; i < ROWS; i++)
        cr_expect_eq(memcmp(&rows[i].log_probability, &rows[ROWS + i].log_probability, sizeof(float)), 0, "%s, %d threads: row %d",
                     quantisation, threads, i);
    free(rows);
    engine_close(engine);
    model_file_close(file);
    unlink(path);
    unlink(json);
}

Test(engine, a_large_step_gives_the_bits_of_small_ones)
{
    static const char *const quantisations[] = {"q8_0", "q4_0", "q4_k_m", "bf16"};
    for (int threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < sizeof quantisations / sizeof *quantisations; i++)
            check_large_step(quantisations[i], threads);
}
