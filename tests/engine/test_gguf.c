/* Hostile GGUF files: refused with a place, never a crash. */
#include "tests/support.h"

#include "engine/engine.h"

#include <string.h>
#include <sys/stat.h>

static const char golden[] = "tests/data/goldens/olmoe/model.gguf";

static const char *write_bytes(const char *bytes, size_t n)
{
    static char path[64];
    strcpy(path, "/tmp/jeoul-gguf-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
    return path;
}

/* Opens as far as it goes; true when the whole model opened. */
static bool opens(const char *bytes, size_t n, struct error *err)
{
    const char *path = write_bytes(bytes, n);
    struct model_file *file = model_file_open(path, err);
    bool ok = false;
    if (file) {
        struct model_info info;
        struct model_meta meta;
        for (size_t i = 0; model_file_meta(file, i, &meta); i++)
            cr_assert(meta.value != NULL);
        struct tokenizer *tokenizer = tokenizer_open(file, err);
        tokenizer_close(tokenizer);
        struct engine *engine = NULL;
        if (model_file_info(file, &info, err))
            engine = engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64, .max_rows = 4}, err);
        ok = engine != NULL;
        engine_close(engine);
        model_file_close(file);
    }
    unlink(path);
    return ok;
}

Test(gguf, a_truncated_file_is_refused_wherever_it_is_cut)
{
    size_t n;
    char *bytes = read_whole(golden, &n);
    for (size_t cut = 0; cut < n; cut += cut < 16384 ? 61 : 16001) {
        struct error err = {0};
        cr_assert(!opens(bytes, cut, &err), "cut at %zu", cut);
        cr_assert_eq(err.code, ERROR_INPUT, "cut at %zu: %s", cut, err.message);
    }
    free(bytes);
}

Test(gguf, flipped_bits_never_crash, .timeout = 120)
{
    size_t n;
    char *bytes = read_whole(golden, &n);
    for (size_t i = 0; i < 12000; i += 7) {
        struct error err = {0};
        bytes[i] ^= (char)(1 << (i % 8));
        (void)opens(bytes, n, &err);
        bytes[i] ^= (char)(1 << (i % 8));
    }
    free(bytes);
}

Test(gguf, absurd_counts_are_refused_before_memory_is_asked_for)
{
    size_t n;
    char *bytes = read_whole(golden, &n);
    for (int at = 8; at <= 16; at += 8) { // tensors, metadata
        char kept[8];
        memcpy(kept, bytes + at, 8);
        memset(bytes + at, 0x7F, 8);
        struct error err = {0};
        cr_assert(!opens(bytes, n, &err));
        cr_assert_eq(err.code, ERROR_INPUT);
        cr_assert(strstr(err.message, "room for") != NULL, "%s", err.message);
        memcpy(bytes + at, kept, 8);
    }
    struct error err = {0};
    cr_assert(opens(bytes, n, &err), "%s", err.message);
    free(bytes);
}

Test(engine, rows_that_cannot_be_computed_are_refused_and_change_nothing)
{
    struct error err = {0};
    struct model_file *file = model_file_open(golden, &err);
    struct engine *engine = engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 128, .max_rows = 200}, &err);
    cr_assert_not_null(engine, "%s", err.message);
    int seq = engine_seq_new(engine, &err);
    struct engine_row rows[200];
    for (int i = 0; i < 200; i++)
        rows[i] = (struct engine_row){.seq = seq, .token = i};
    const struct {
        int n, at;
        struct engine_row row;
        const char *words;
    } bad[] = {{1, 0, {.seq = seq, .token = 320}, "out of range"},
               {3, 2, {.seq = seq, .token = -1}, "out of range"},
               {2, 1, {.seq = 7, .token = 1}, "does not exist"},
               {2, 1, {.seq = seq, .token = 1, .want = ENGINE_WANT_SCORE, .target = 999}, "target"},
               {200, 0, {.seq = seq, .token = 1}, "cache is full"},
               {0, 0, {.seq = seq, .token = 1}, "a step of 0 rows"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct engine_row kept = rows[bad[i].at];
        rows[bad[i].at] = bad[i].row;
        cr_expect(!engine_step(engine, rows, bad[i].n, &err));
        cr_expect_eq(err.code, ERROR_INPUT);
        cr_expect(strstr(err.message, bad[i].words) != NULL, "%s", err.message);
        cr_expect_eq(engine_seq_length(engine, seq), 0);
        rows[bad[i].at] = kept;
    }
    cr_assert(engine_step(engine, rows, 100, &err), "%s", err.message);
    cr_assert_eq(engine_seq_length(engine, seq), 100);
    engine_close(engine);
    model_file_close(file);
}

Test(engine, a_fork_goes_on_like_the_original_whoever_else_is_in_the_batch)
{
    enum { VOCABULARY = 320 };
    struct error err = {0};
    struct model_file *file = model_file_open(golden, &err);
    struct engine *engine = engine_open(file, &(struct engine_options){.threads = 2, .kv_tokens = 1024}, &err);
    cr_assert_not_null(engine, "%s", err.message);
    int seq = engine_seq_new(engine, &err), other = engine_seq_new(engine, &err);
    struct engine_row rows[70];
    for (int i = 0; i < 70; i++)
        rows[i] = (struct engine_row){.seq = seq, .token = i * 3 % VOCABULARY};
    cr_assert(engine_step(engine, rows, 70, &err));
    int fork = engine_seq_fork(engine, seq, &err);
    float alone[VOCABULARY], together[VOCABULARY];
    struct engine_row one = {.seq = seq, .token = 5, .want = ENGINE_WANT_LOGITS, .logits = alone};
    cr_assert(engine_step(engine, &one, 1, &err));
    struct engine_row mixed[] = {{.seq = other, .token = 9},
                                 {.seq = other, .token = 8},
                                 {.seq = fork, .token = 5, .want = ENGINE_WANT_LOGITS, .logits = together},
                                 {.seq = seq, .token = 11}};
    cr_assert(engine_step(engine, mixed, 4, &err), "%s", err.message);
    cr_assert(memcmp(alone, together, sizeof alone) == 0);
    engine_seq_truncate(engine, seq, 70);
    memset(together, 0, sizeof together);
    struct engine_row again = {.seq = seq, .token = 5, .want = ENGINE_WANT_LOGITS, .logits = together};
    cr_assert(engine_step(engine, &again, 1, &err));
    cr_assert(memcmp(alone, together, sizeof alone) == 0);
    engine_close(engine);
    model_file_close(file);
}
