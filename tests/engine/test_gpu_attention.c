/* Attention on OpenCL against its definition in double, over several chunks of pages: windows, sinks, many heads, the latent cache, every
 * cache type; and the same bits whether a row's chunks are shared out or not. */
#include "tests/backends.h"
#include "tests/gpu.h"

#include "engine/gpu/gpu.h"

#include <string.h>

enum { POSITIONS = 4 * PAGE_TOKENS + 7, PAGES = POSITIONS / PAGE_TOKENS + 1 };

/* As the cache holds them. */
static float *rounded_values(struct random *random, size_t n, enum engine_kv type)
{
    float *values = random_values(random, n);
    for (size_t i = 0; i < n; i++)
        values[i] = type == ENGINE_KV_F16    ? f16_to_f32(f32_to_f16(values[i]))
                    : type == ENGINE_KV_BF16 ? bf16_to_f32(f32_to_bf16(values[i]))
                                             : values[i];
    return values;
}

/* All positions in steps of the given size, in `units` multiprocessors: few rows on many share their chunks out. [POSITIONS][heads][v_dim],
 * free with free(). */
static float *run(const struct attention_setting *s, const struct attention_data *d, int step, int units)
{
    struct error err = {0};
    size_t nq = (size_t)(s->n_heads * s->k_dim), nk = (size_t)(s->n_kv_heads * s->k_dim), nv = (size_t)(s->n_kv_heads * s->v_dim),
           no = (size_t)(s->n_heads * s->v_dim);
    struct engine_options options = {.backend = "opencl", .device = GPU_TEST_DEVICE, .exact = true};
    struct backend_limits limits = {
        .n_layers = 1, .max_rows = POSITIONS, .max_width = 512, .max_columns = 1, .n_embd = 8, .n_heads = s->n_heads};
    struct backend *b = gpu_backend_open(&options, &limits, &err);
    cr_assert_not_null(b, "%s", err.message);
    gpu_of(b)->facts.units = units;
    struct kv_shape shape = {.type = s->type,
                             .n_layers = 1,
                             .n_kv_heads = s->n_kv_heads,
                             .k_dim = s->k_dim,
                             .v_dim = s->v_dim,
                             .v_in_k = s->v_in_k,
                             .n_pages = PAGES + 1};
    cr_assert(b->ops->kv_open(b, &shape, &err), "%s", err.message);
    struct tensor tensor = {.data = d->sinks, .format = tensor_format(TENSOR_F32), .bytes = (size_t)s->n_heads * sizeof(float)};
    struct weight sinks = {.tensor = &tensor, .cols = s->n_heads, .rows = 1, .experts = 1};
    bool unused;
    cr_assert(b->ops->weight_load(b, &sinks, WEIGHT_VECTOR, &unused, &err), "%s", err.message);
    struct attention attention = {.n_heads = s->n_heads,
                                  .n_kv_heads = s->n_kv_heads,
                                  .k_dim = s->k_dim,
                                  .v_dim = s->v_dim,
                                  .scale = 1.0f / sqrtf((float)s->k_dim),
                                  .window = s->window,
                                  .sinks = s->sinks ? &sinks : NULL};
    int32_t page_numbers[PAGES], positions[POSITIONS];
    const int32_t *pages[POSITIONS];
    for (int i = 0; i < PAGES; i++)
        page_numbers[i] = PAGES - 1 - i; // pages needn't be in order
    for (int i = 0; i < POSITIONS; i++) {
        positions[i] = i;
        pages[i] = page_numbers;
    }
    float *result = malloc(POSITIONS * no * sizeof *result);
    struct buffer *q = b->ops->buffer_new(b, POSITIONS * nq, &err), *k = b->ops->buffer_new(b, POSITIONS * nk, &err),
                  *v = b->ops->buffer_new(b, POSITIONS * nv, &err), *out = b->ops->buffer_new(b, POSITIONS * no, &err);
    for (int at = 0; at < POSITIONS; at += step) {
        int n = POSITIONS - at < step ? POSITIONS - at : step;
        struct batch batch = {.n = n, .positions = positions + at, .pages = pages + at};
        memset(result + (size_t)at * no, 0xFF, (size_t)n * no * sizeof *result);
        gpu_write(gpu_of(b), out->memory, 0, result + (size_t)at * no, (size_t)n * no * sizeof *result); // NaN
        gpu_write(gpu_of(b), q->memory, 0, d->q + (size_t)at * nq, (size_t)n * nq * sizeof(float));
        gpu_write(gpu_of(b), k->memory, 0, d->k + (size_t)at * nk, (size_t)n * nk * sizeof(float));
        gpu_write(gpu_of(b), v->memory, 0, d->v + (size_t)at * nv, (size_t)n * nv * sizeof(float));
        b->ops->kv_store(b, 0, k, s->v_in_k ? NULL : v, &batch);
        if (at == 0) { // a page that moves on copy on write
            b->ops->kv_copy_page(b, page_numbers[0], PAGES);
            page_numbers[0] = PAGES;
            gpu_use_batch(gpu_of(b), &batch, true);
        }
        b->ops->attend(b, out, q, 0, &attention, &batch);
        b->ops->buffer_read(b, out, 0, (size_t)n * no, result + (size_t)at * no);
    }
    cr_assert(b->ops->finish(b, &err), "%s", err.message);
    struct buffer *buffers[] = {q, k, v, out};
    for (int i = 0; i < 4; i++)
        b->ops->buffer_free(b, buffers[i]);
    b->ops->weight_unload(b, &sinks);
    b->ops->close(b);
    return result;
}

Test(gpu_attention, windows_sinks_many_heads_and_the_latent_cache_meet_the_definition)
{
    static const struct attention_setting settings[] = {
        {4, 2, 16, 16, 0, false, false, ENGINE_KV_F32}, {4, 2, 16, 16, 150, false, true, ENGINE_KV_F16},
        {20, 1, 24, 16, 0, true, false, ENGINE_KV_F32}, {20, 1, 24, 24, 100, true, true, ENGINE_KV_BF16},
        {6, 6, 20, 12, 1, false, false, ENGINE_KV_F32}, {18, 2, 144, 136, 64, false, true, ENGINE_KV_F16},
    };
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct attention_setting *s = &settings[i];
        struct random random = random_seed(5, i);
        size_t no = (size_t)(s->n_heads * s->v_dim);
        struct attention_data d = {.q = random_values(&random, POSITIONS * (size_t)(s->n_heads * s->k_dim)),
                                   .k = rounded_values(&random, POSITIONS * (size_t)(s->n_kv_heads * s->k_dim), s->type),
                                   .v = rounded_values(&random, POSITIONS * (size_t)(s->n_kv_heads * s->v_dim), s->type),
                                   .sinks = random_values(&random, (size_t)s->n_heads)};
        float *whole = run(s, &d, POSITIONS, 1), *shared = run(s, &d, 67, 1 << 20);
        cr_expect(memcmp(whole, shared, POSITIONS * no * sizeof *whole) == 0, "setting %zu: bits depend on how chunks are shared out", i);
        for (int p = 0; p < POSITIONS; p += 13)
            for (int head = 0; head < s->n_heads; head += 3)
                for (int j = 0; j < s->v_dim; j += 7) {
                    double wanted = attended(s, &d, p, head, j), got = (double)whole[(size_t)p * no + (size_t)(head * s->v_dim + j)];
                    cr_assert_float_eq(got, wanted, 2e-5, "setting %zu: position %d, head %d, value %d: %g, wanted %g", i, p, head, j, got,
                                       wanted);
                }
        float *arrays[] = {d.q, d.k, d.v, d.sinks, whole, shared};
        for (int k = 0; k < 6; k++)
            free(arrays[k]);
    }
}
