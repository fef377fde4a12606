/* Attention on OpenCL against its definition in double, over several chunks of pages: windows, sinks, many heads, the latent cache, every
 * cache type; the same on emulated matrix units, where weights of the softmax are rounded; and the same bits whether a row's chunks are
 * shared out or not, however its sequence is cut, and whatever sequences are in a step with it. */
#include "tests/backends.h"
#include "tests/gpu.h"

#include "engine/gpu/gpu.h"

#include <string.h>

enum { POSITIONS = 4 * PAGE_TOKENS + 7, PAGES = POSITIONS / PAGE_TOKENS + 1, SEQUENCES = 3 };

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

/* A backend of one layer, and buffers of POSITIONS rows. */
struct device {
    struct backend *b;
    struct attention attention;
    struct tensor tensor;
    struct weight sinks;
    struct buffer *q, *k, *v, *out;
    size_t nq, nk, nv, no; // values of a row
};

/* What was never stored is NaN. */
static void poison_cache(struct gpu *gpu)
{
    size_t page = (size_t)gpu->kv.n_pages * (size_t)gpu->kv.n_kv_heads * PAGE_TOKENS * (size_t)gpu->kv_element,
           k = page * (size_t)gpu->kv.k_dim, v = gpu->kv.v_in_k ? 0 : page * (size_t)gpu->kv.v_dim;
    void *nan = memset(malloc(k + v), 0xFF, k + v);
    gpu_write(gpu, gpu->k_cache[0], 0, nan, k);
    if (v)
        gpu_write(gpu, gpu->v_cache[0], 0, nan, v);
    free(nan);
}

/* units: multiprocessors: few rows on many share their chunks out. */
static void open_device(struct device *d, const struct attention_setting *s, float *sinks, bool mma, int units)
{
    struct error err = {0};
    struct engine_options options = {.backend = "opencl", .device = GPU_TEST_DEVICE, .exact = true};
    struct backend_limits limits = {
        .n_layers = 1, .max_rows = POSITIONS, .max_width = 512, .max_columns = 1, .n_embd = 8, .n_heads = s->n_heads};
    struct backend *b = gpu_backend_open(&options, &limits, &err);
    cr_assert_not_null(b, "%s", err.message);
    gpu_of(b)->facts.units = units;
    gpu_of(b)->mma = mma; // emulated
    struct kv_shape shape = {.type = s->type,
                             .n_layers = 1,
                             .n_kv_heads = s->n_kv_heads,
                             .k_dim = s->k_dim,
                             .v_dim = s->v_dim,
                             .v_in_k = s->v_in_k,
                             .n_pages = SEQUENCES * PAGES + 1};
    cr_assert(b->ops->kv_open(b, &shape, &err), "%s", err.message);
    poison_cache(gpu_of(b));
    *d = (struct device){.b = b,
                         .tensor = {.data = sinks, .format = tensor_format(TENSOR_F32), .bytes = (size_t)s->n_heads * sizeof(float)},
                         .nq = (size_t)(s->n_heads * s->k_dim),
                         .nk = (size_t)(s->n_kv_heads * s->k_dim),
                         .nv = (size_t)(s->n_kv_heads * s->v_dim),
                         .no = (size_t)(s->n_heads * s->v_dim)};
    d->sinks = (struct weight){.tensor = &d->tensor, .cols = s->n_heads, .rows = 1, .experts = 1};
    bool unused;
    cr_assert(b->ops->weight_load(b, &d->sinks, WEIGHT_VECTOR, &unused, &err), "%s", err.message);
    d->attention = (struct attention){.n_heads = s->n_heads,
                                      .n_kv_heads = s->n_kv_heads,
                                      .k_dim = s->k_dim,
                                      .v_dim = s->v_dim,
                                      .scale = 1.0f / sqrtf((float)s->k_dim),
                                      .window = s->window,
                                      .sinks = s->sinks ? &d->sinks : NULL};
    d->q = b->ops->buffer_new(b, POSITIONS * d->nq, &err);
    d->k = b->ops->buffer_new(b, POSITIONS * d->nk, &err);
    d->v = b->ops->buffer_new(b, POSITIONS * d->nv, &err);
    d->out = b->ops->buffer_new(b, POSITIONS * d->no, &err);
    cr_assert(d->q && d->k && d->v && d->out, "%s", err.message);
}

static void close_device(struct device *d)
{
    struct error err = {0};
    struct buffer *buffers[] = {d->q, d->k, d->v, d->out};
    cr_assert(d->b->ops->finish(d->b, &err), "%s", err.message);
    for (int i = 0; i < 4; i++)
        d->b->ops->buffer_free(d->b, buffers[i]);
    d->b->ops->weight_unload(d->b, &d->sinks);
    d->b->ops->close(d->b);
}

/* A row's values by its position, from[position][width], into the buffer's row. */
static void put(struct device *d, struct buffer *to, const float *from, size_t width, const struct batch *batch)
{
    for (int i = 0; i < batch->n; i++)
        gpu_write(gpu_of(d->b), to->memory, (size_t)i * width * sizeof *from, from + (size_t)batch->positions[i] * width,
                  width * sizeof *from);
}

/* One step: into the cache, and result[n][heads][v_dim] out of it; what was not written is NaN. */
static void run_step(struct device *d, const struct attention_data *data, bool v_in_k, const struct batch *batch, float *result)
{
    size_t bytes = (size_t)batch->n * d->no * sizeof *result;
    memset(result, 0xFF, bytes);
    gpu_write(gpu_of(d->b), d->out->memory, 0, result, bytes);
    put(d, d->q, data->q, d->nq, batch);
    put(d, d->k, data->k, d->nk, batch);
    if (!v_in_k)
        put(d, d->v, data->v, d->nv, batch);
    d->b->ops->kv_store(d->b, 0, d->k, v_in_k ? NULL : d->v, batch);
    d->b->ops->attend(d->b, d->out, d->q, 0, &d->attention, batch);
    d->b->ops->buffer_read(d->b, d->out, 0, (size_t)batch->n * d->no, result);
}

/* All positions in steps of the given size. [POSITIONS][heads][v_dim], free with free(). */
static float *run(const struct attention_setting *s, const struct attention_data *data, bool mma, int step, int units)
{
    struct device d;
    int32_t page_numbers[PAGES], positions[POSITIONS];
    const int32_t *pages[POSITIONS];
    open_device(&d, s, data->sinks, mma, units);
    for (int i = 0; i < PAGES; i++)
        page_numbers[i] = PAGES - 1 - i; // pages needn't be in order
    for (int i = 0; i < POSITIONS; i++) {
        positions[i] = i;
        pages[i] = page_numbers;
    }
    float *result = malloc(POSITIONS * d.no * sizeof *result);
    for (int at = 0; at < POSITIONS; at += step) {
        int n = POSITIONS - at < step ? POSITIONS - at : step;
        struct batch batch = {.n = n, .positions = positions + at, .pages = pages + at};
        run_step(&d, data, s->v_in_k, &batch, result + (size_t)at * d.no);
        if (at == 0) { // a page that moves on copy on write
            d.b->ops->kv_copy_page(d.b, page_numbers[0], PAGES);
            page_numbers[0] = PAGES;
            gpu_use_batch(gpu_of(d.b), &(struct batch){.n = 0}, true); // the next step has other pages
        }
    }
    close_device(&d);
    return result;
}

/* Sequences of the same tokens in steps of many lengths, the last of them a fork of the first: true if all bits are those wanted. */
static bool run_together(const struct attention_setting *s, const struct attention_data *data, bool mma, int units, const float *wanted)
{
    enum { FORKED = PAGE_TOKENS + 5 }; // at a position within the second page
    struct random random = random_seed(7, (uint64_t)s->k_dim);
    struct device d;
    int32_t page_numbers[SEQUENCES][PAGES];
    int done[SEQUENCES] = {0};
    bool same = true;
    open_device(&d, s, data->sinks, mma, units);
    for (int i = 0; i < SEQUENCES * PAGES; i++)
        page_numbers[i / PAGES][i % PAGES] = SEQUENCES * PAGES - i;
    float *result = malloc(POSITIONS * d.no * sizeof *result);
    for (bool more = true, forked = false; more;) {
        int32_t positions[POSITIONS];
        const int32_t *pages[POSITIONS];
        int n = 0;
        if (!forked && done[0] >= FORKED) {
            page_numbers[SEQUENCES - 1][0] = page_numbers[0][0];
            d.b->ops->kv_copy_page(d.b, page_numbers[0][1], page_numbers[SEQUENCES - 1][1]);
            done[SEQUENCES - 1] = FORKED;
            forked = true;
        }
        for (int i = 0; i < SEQUENCES - !forked; i++) {
            int rows = random_below(&random, 2) ? 1 : (int)random_below(&random, POSITIONS / SEQUENCES);
            for (; rows > 0 && done[i] < POSITIONS; rows--, n++) {
                positions[n] = done[i]++;
                pages[n] = page_numbers[i];
            }
        }
        gpu_use_batch(gpu_of(d.b), &(struct batch){.n = 0}, true);
        struct batch batch = {.n = n, .positions = positions, .pages = pages};
        if (n > 0)
            run_step(&d, data, s->v_in_k, &batch, result);
        for (int i = 0; i < n; i++)
            same = same && memcmp(result + (size_t)i * d.no, wanted + (size_t)positions[i] * d.no, d.no * sizeof *result) == 0;
        more = !forked;
        for (int i = 0; i < SEQUENCES; i++)
            more = more || done[i] < POSITIONS;
    }
    free(result);
    close_device(&d);
    return same;
}

/* The greatest distance from the definition, over some of the values. */
static double distance(const struct attention_setting *s, const struct attention_data *data, const float *got)
{
    double result = 0;
    for (int p = 0; p < POSITIONS; p += 13)
        for (int head = 0; head < s->n_heads; head += 3)
            for (int j = 0; j < s->v_dim; j += 7) {
                double d =
                    fabs((double)got[(size_t)(p * s->n_heads + head) * (size_t)s->v_dim + (size_t)j] - attended(s, data, p, head, j));
                result = d <= result ? result : d; // NaN stays
            }
    return result;
}

static struct attention_data made_data(const struct attention_setting *s, bool mma, uint64_t seed)
{
    struct random random = random_seed(5, seed);
    enum engine_kv type = mma ? ENGINE_KV_BF16 : s->type;
    return (struct attention_data){.q = rounded_values(&random, POSITIONS * (size_t)(s->n_heads * s->k_dim), mma ? type : ENGINE_KV_F32),
                                   .k = rounded_values(&random, POSITIONS * (size_t)(s->n_kv_heads * s->k_dim), type),
                                   .v = rounded_values(&random, POSITIONS * (size_t)(s->n_kv_heads * s->v_dim), type),
                                   .sinks = random_values(&random, (size_t)s->n_heads)};
}

static void free_data(struct attention_data *d)
{
    free(d->q), free(d->k), free(d->v), free(d->sinks);
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
        size_t bytes = POSITIONS * (size_t)(s->n_heads * s->v_dim) * sizeof(float);
        struct attention_data d = made_data(s, false, i);
        float *whole = run(s, &d, false, POSITIONS, 1), *shared = run(s, &d, false, 67, 1 << 20);
        cr_expect(memcmp(whole, shared, bytes) == 0, "setting %zu: bits depend on how chunks are shared out", i);
        cr_expect(run_together(s, &d, false, 1, whole), "setting %zu: bits depend on what else is in a step", i);
        double far = distance(s, &d, whole);
        cr_expect(far <= 2e-5, "setting %zu: %g from the definition", i, far);
        free(whole), free(shared), free_data(&d);
    }
}

/* Queries, keys and values are BF16 from the start; the softmax's weights, each off by 2^-9 of itself at most, are what is rounded. */
Test(gpu_attention, emulated_matrix_units_meet_the_definition_and_give_the_same_bits_whatever_the_cut_and_the_company)
{
    static const struct attention_setting settings[] = {
        {8, 1, 128, 128, 0, false, false, ENGINE_KV_BF16}, {6, 2, 64, 64, 100, false, true, ENGINE_KV_F16},
        {2, 2, 80, 80, 1, false, false, ENGINE_KV_BF16},   {20, 1, 16, 48, 150, false, true, ENGINE_KV_BF16},
        {3, 3, 96, 96, 64, false, false, ENGINE_KV_F16},   {4, 2, 256, 256, 0, false, false, ENGINE_KV_BF16},
    };
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct attention_setting *s = &settings[i];
        size_t bytes = POSITIONS * (size_t)(s->n_heads * s->v_dim) * sizeof(float);
        struct attention_data d = made_data(s, true, i);
        float *whole = run(s, &d, true, POSITIONS, 1), *shared = run(s, &d, true, 67, 1 << 20);
        cr_expect(memcmp(whole, shared, bytes) == 0, "setting %zu: bits depend on how chunks are shared out", i);
        float *ones = run(s, &d, true, 1, i % 2 ? 1 : 1 << 20);
        cr_expect(memcmp(whole, ones, bytes) == 0, "setting %zu: bits depend on how a sequence is cut", i);
        cr_expect(run_together(s, &d, true, i % 2 ? 1 << 20 : 1, whole), "setting %zu: bits depend on what else is in a step", i);
        double far = distance(s, &d, whole);
        cr_expect(far <= 1e-2, "setting %zu: %g from the definition", i, far);
        cr_expect(far >= 1e-5 || s->window == 1, "setting %zu: %g from the definition: nothing was rounded", i, far);
        free(whole), free(shared), free(ones), free_data(&d);
    }
}

/* Heads that are no whole tiles, floats in the cache and values in keys: the same bits as without matrix units. */
Test(gpu_attention, what_matrix_units_do_not_take_is_in_float)
{
    static const struct attention_setting settings[] = {
        {6, 6, 20, 16, 0, false, false, ENGINE_KV_F16},  {4, 2, 16, 24, 70, false, true, ENGINE_KV_BF16},
        {4, 2, 16, 16, 0, false, false, ENGINE_KV_F32},  {20, 1, 32, 16, 0, true, false, ENGINE_KV_BF16},
        {1, 1, 272, 16, 0, false, false, ENGINE_KV_F16},
    };
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct attention_setting *s = &settings[i];
        struct attention_data d = made_data(s, false, i);
        float *wanted = run(s, &d, false, POSITIONS, 1), *got = run(s, &d, true, POSITIONS, 1);
        cr_expect(memcmp(wanted, got, POSITIONS * (size_t)(s->n_heads * s->v_dim) * sizeof(float)) == 0, "setting %zu", i);
        free(wanted), free(got), free_data(&d);
    }
}

Test(gpu_attention, a_step_without_rows_writes_nothing)
{
    static const struct attention_setting s = {4, 2, 16, 16, 0, false, false, ENGINE_KV_BF16};
    NEEDS_OPENCL();
    for (int mma = 0; mma <= 1; mma++) {
        struct attention_data data = made_data(&s, mma, 0);
        struct device d;
        float before[64], after[64];
        memset(before, 0xFF, sizeof before);
        open_device(&d, &s, data.sinks, mma, 1);
        gpu_write(gpu_of(d.b), d.out->memory, 0, before, sizeof before);
        struct batch none = {.n = 0};
        d.b->ops->kv_store(d.b, 0, d.k, d.v, &none);
        d.b->ops->attend(d.b, d.out, d.q, 0, &d.attention, &none);
        d.b->ops->buffer_read(d.b, d.out, 0, 64, after);
        cr_expect(memcmp(before, after, sizeof before) == 0);
        close_device(&d);
        free_data(&data);
    }
}
