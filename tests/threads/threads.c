/* What threads share, as a plain program for ThreadSanitizer (Criterion's own processes do not run under it): the pool with changing
 * numbers of threads, the engine over every operation, a GPU's upload, and training. Exits with 1 when a result is wrong; ThreadSanitizer
 * tells of races.
 */
#include "engine/cpu/pool.h"
#include "engine/engine.h"
#include "engine/gpu/gpu.h"
#include "engine/train.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 1000, THREADS = 4, VOCABULARY = 320 };

struct sharing {
    struct pool *pool;
    int64_t parts[THREADS];
    int64_t first_total; // written by thread 0 between barriers, read by all
    _Atomic int wrong;
};

static void share(void *context, int thread, int threads)
{
    struct sharing *s = context;
    s->parts[thread] = 0;
    for (int64_t item; (item = pool_next(s->pool, ITEMS)) >= 0;)
        s->parts[thread] += item;
    pool_barrier(s->pool);
    if (thread == 0) {
        s->first_total = 0;
        for (int i = 0; i < threads; i++)
            s->first_total += s->parts[i];
    }
    pool_barrier(s->pool);
    if (s->first_total != (int64_t)ITEMS * (ITEMS - 1) / 2)
        atomic_store(&s->wrong, 1);
}

static int check_pool(void)
{
    struct error err = {0};
    struct sharing s = {.pool = pool_open(THREADS, &err)};
    if (!s.pool)
        return 1;
    for (int round = 0; round < 300; round++) {
        pool_use(s.pool, 1 + round % THREADS);
        pool_run(s.pool, share, &s);
    }
    pool_close(s.pool);
    return atomic_load(&s.wrong);
}

static int check_engine(const char *path)
{
    struct error err = {0};
    float one[VOCABULARY], many[VOCABULARY];
    int wrong = 0;
    struct model_file *file = model_file_open(path, &err);
    struct engine *engine = file ? engine_open(file, &(struct engine_options){.threads = THREADS, .kv_tokens = 512}, &err) : NULL;
    for (int threads = 1; engine && threads <= THREADS; threads++) {
        struct engine_row rows[40];
        int seq = engine_seq_new(engine, &err);
        float *logits = threads == 1 ? one : many;
        engine_use_threads(engine, threads);
        for (int i = 0; i < 40; i++)
            rows[i] = (struct engine_row){
                .seq = seq, .token = i * 7, .want = i == 39 ? ENGINE_WANT_LOGITS : ENGINE_WANT_NOTHING, .logits = logits};
        wrong |= !engine_step(engine, rows, 40, &err);
        rows[0] = (struct engine_row){.seq = seq, .token = 1, .want = ENGINE_WANT_SCORE, .target = 2};
        wrong |= !engine_step(engine, rows, 1, &err);
        wrong |= threads > 1 && memcmp(one, many, sizeof one) != 0;
        engine_seq_free(engine, seq);
    }
    wrong |= !engine;
    engine_close(engine);
    model_file_close(file);
    if (err.code)
        fprintf(stderr, "%s\n", err.message);
    return wrong;
}

/* The same losses from one thread and from many. */
static int check_training(void)
{
    enum { LENGTH = 6, SEQUENCES = 12, STEPS = 3 };
    struct error err = {0};
    int32_t tokens[LENGTH * SEQUENCES];
    size_t starts[SEQUENCES + 1];
    for (int i = 0; i < LENGTH * SEQUENCES; i++)
        tokens[i] = i * 5 % 40;
    for (size_t i = 0; i <= SEQUENCES; i++)
        starts[i] = i * LENGTH;
    struct train_data data = {.tokens = tokens, .starts = starts, .n_sequences = SEQUENCES};
    struct train_shape shape = {.name = "threads",
                                .arch = "qwen3moe",
                                .n_layers = 2,
                                .n_embd = 32,
                                .n_heads = 2,
                                .n_kv_heads = 1,
                                .head_dim = 16,
                                .n_vocab = 40,
                                .context_length = 16,
                                .n_experts = 4,
                                .top_k = 2,
                                .n_ff = 32,
                                .tied = true,
                                .rope_base = 10000,
                                .deviation = 0.1};
    struct train_losses losses[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct train_settings settings = {
            .seed = 1, .steps = STEPS, .tokens_per_step = LENGTH * SEQUENCES, .rate = 1e-2, .clip = 1, .threads = i ? THREADS : 1};
        struct trainer *trainer = trainer_open(&shape, &settings, &data, NULL, &err);
        for (int step = 0; trainer && step < STEPS; step++)
            if (!trainer_step(trainer, &losses[i], &err))
                break;
        trainer_close(trainer);
    }
    if (err.code)
        fprintf(stderr, "%s\n", err.message);
    return losses[0].step != STEPS || memcmp(&losses[0], &losses[1], sizeof losses[0]) != 0;
}

/* A device whose driver guards nothing itself. */
static struct {
    uint8_t *bytes;
    uint64_t written; // by no atomic operation
} device;

static bool write_to_device(struct gpu_context *c, uint64_t to, size_t at, const void *from, size_t bytes, struct error *err)
{
    (void)c, (void)to, (void)err;
    memcpy(device.bytes + at, from, bytes);
    device.written += bytes;
    return true;
}

static int check_upload(void)
{
    enum { ROWS = 3001, COLS = 4096 };
    static const struct gpu_driver driver = {.write = write_to_device};
    struct gpu gpu = {.driver = &driver, .upload_threads = THREADS};
    struct error err = {0};
    const struct tensor_format *format = tensor_format(TENSOR_Q8_0);
    size_t bytes = (size_t)ROWS * COLS / (size_t)format->block_values * (size_t)format->block_bytes;
    uint8_t *blocks = calloc(bytes, 1);
    struct tensor tensor = {.format = format, .data = blocks, .bytes = bytes};
    struct gpu_weight w = {.tensor = &tensor, .rows = ROWS, .cols = COLS, .experts = 1};
    gpu_planes(&w);
    device.bytes = calloc(w.bytes, 1);
    int wrong = !blocks || !device.bytes || !gpu_upload(&gpu, &w, &err) || device.written != bytes;
    free(blocks);
    free(device.bytes);
    return wrong;
}

/* Threads that must share one processor sleep where others spin. */
static int check_pool_on_one_processor(void)
{
    cpu_set_t all, one;
    int first = 0;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return 1;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    int wrong = sched_setaffinity(0, sizeof one, &one) != 0 || check_pool();
    return sched_setaffinity(0, sizeof all, &all) != 0 || wrong;
}

int main(void)
{
    int failed = check_training() + check_pool() + check_pool_on_one_processor() + check_engine("tests/data/goldens/olmoe/model.gguf") +
                 check_engine("tests/data/goldens/olmoe_q8_0/model.gguf") + check_upload();
    printf("%d passed, %d failed\n", 6 - failed, failed);
    return failed != 0;
}
