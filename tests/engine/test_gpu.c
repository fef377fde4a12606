/* The GPU backend's kernels on OpenCL against their definitions in double: odd sizes, experts without tokens, outputs that hold NaN before.
 * On a machine without an OpenCL device they are skipped, saying so. */
#include "tests/backends.h"
#include "tests/gpu.h"

#include "engine/gguf.h"
#include "engine/gpu/gpu.h"

#include <string.h>

static struct backend *open_backend(int rows, int experts, int top_k, int width)
{
    struct error err = {0};
    struct engine_options options = {.backend = "opencl", .device = GPU_TEST_DEVICE, .exact = true};
    struct backend_limits limits = {.n_layers = 2,
                                    .n_experts = experts,
                                    .max_rows = rows,
                                    .max_width = 512,
                                    .max_columns = 64,
                                    .n_embd = width,
                                    .top_k = top_k,
                                    .n_ff = width,
                                    .n_heads = 1};
    struct backend *backend = gpu_backend_open(&options, &limits, &err);
    cr_assert_not_null(backend, "%s", err.message);
    return backend;
}

static struct buffer *filled(struct backend *b, const void *values, size_t n)
{
    struct error err = {0};
    struct buffer *buffer = b->ops->buffer_new(b, n, &err);
    cr_assert_not_null(buffer, "%s", err.message);
    gpu_write(gpu_of(b), buffer->memory, 0, values, n * 4);
    return buffer;
}

static struct buffer *poisoned(struct backend *b, size_t n)
{
    float *values = malloc(n * sizeof *values);
    memset(values, 0xFF, n * sizeof *values);
    struct buffer *buffer = filled(b, values, n);
    free(values);
    return buffer;
}

static float *contents(struct backend *b, const struct buffer *buffer, size_t n)
{
    struct error err = {0};
    float *values = malloc(n * sizeof *values);
    b->ops->buffer_read(b, buffer, 0, n, values);
    cr_assert(b->ops->finish(b, &err), "%s", err.message);
    return values;
}

/* A weight of random blocks or floats, with what is freed after it. */
struct made {
    struct tensor tensor;
    struct weight weight;
    float *values; // [experts][rows][cols]
    void *bytes;
};

static void load(struct backend *b, struct made *m, enum weight_use use, int64_t experts, int64_t rows, int64_t cols)
{
    struct error err = {0};
    bool unused;
    m->tensor.shape[0] = cols;
    m->tensor.shape[1] = rows;
    m->tensor.shape[2] = experts;
    m->tensor.shape[3] = 1;
    m->tensor.data = m->bytes;
    m->weight = (struct weight){.tensor = &m->tensor, .cols = cols, .rows = rows, .experts = experts};
    cr_assert(b->ops->weight_load(b, &m->weight, use, &unused, &err), "%s", err.message);
}

/* The quantised rows that stand in the goldens, over and over. */
static void make_matrix(struct backend *b, struct made *m, const struct tensor_format *format, enum weight_use use, int64_t experts,
                        int64_t rows, int64_t cols, struct random *random)
{
    size_t count = (size_t)(experts * rows * cols);
    *m = (struct made){.values = malloc(count * sizeof(float))};
    m->tensor.format = format;
    if (format->block_values == 1) {
        m->bytes = malloc(count * 4);
        for (size_t i = 0; i < count; i++) {
            float value = (float)random_normal(random);
            uint16_t half = format->type == TENSOR_F16 ? f32_to_f16(value) : f32_to_bf16(value);
            memcpy((char *)m->bytes + i * (size_t)format->block_bytes, format->type == TENSOR_F32 ? (void *)&value : (void *)&half,
                   (size_t)format->block_bytes);
        }
        m->tensor.bytes = count * (size_t)format->block_bytes;
    } else {
        struct error err = {0};
        char name[64];
        struct model_file *file = model_file_open("tests/data/goldens/quants/quants.gguf", &err);
        cr_assert_not_null(file, "%s", err.message);
        snprintf(name, sizeof name, "q.%s", format->name);
        const struct tensor *from = gguf_tensor(file, name);
        m->tensor.bytes = count / (size_t)format->block_values * (size_t)format->block_bytes;
        m->bytes = malloc(m->tensor.bytes);
        uint64_t sane = from->bytes / 2; // the second half is random bytes: huge and tiny scales
        for (uint64_t i = 0; i < m->tensor.bytes; i++)
            ((char *)m->bytes)[i] = ((const char *)from->data)[i % sane];
        model_file_close(file);
    }
    format->to_float(m->bytes, m->values, (int64_t)count);
    load(b, m, use, experts, rows, cols);
}

static void make_vector(struct backend *b, struct made *m, int64_t experts, int64_t cols, struct random *random)
{
    *m = (struct made){.bytes = random_values(random, (size_t)(experts * cols))};
    m->tensor.bytes = (size_t)(experts * cols) * 4;
    m->tensor.format = tensor_format(TENSOR_F32);
    load(b, m, WEIGHT_VECTOR, experts, 1, cols);
}

static void unmake(struct backend *b, struct made *m)
{
    b->ops->weight_unload(b, &m->weight);
    free(m->values);
    free(m->bytes);
}

Test(gpu_formats, values_on_the_device_are_the_definition_s_bit_for_bit)
{
    const struct tensor_format *format;
    struct error err = {0};
    NEEDS_OPENCL();
    struct backend *b = open_backend(1, 0, 0, 32);
    struct model_file *file = model_file_open("tests/data/goldens/quants/quants.gguf", &err);
    cr_assert_not_null(file, "%s", err.message);
    for (size_t i = 0; (format = tensor_format_at(i)); i++) {
        enum { ROWS = 16, COLS = 256, COUNT = ROWS * COLS };
        char name[64];
        bool unused;
        float wanted[COUNT];
        snprintf(name, sizeof name, format->type == TENSOR_F32 ? "source" : "q.%s", format->name);
        const struct tensor *tensor = gguf_tensor(file, name);
        int64_t rows = tensor->shape[1];
        struct weight weight = {.tensor = tensor, .cols = COLS, .rows = rows, .experts = 1};
        cr_assert(b->ops->weight_load(b, &weight, WEIGHT_MATRIX, &unused, &err), "%s: %s", format->name, err.message);
        const struct gpu_weight *w = weight.packed;
        struct buffer *out = poisoned(b, COUNT);
        int64_t groups = rows * COLS / 32;
        gpu_run(gpu_of(b), gpu_of(b)->formats[format->type].kernels[GPU_VALUES], 64, (uint32_t[]){(uint32_t)(groups + 63) / 64, 1, 1},
                GPU_ARGS(gpu_memory(out->memory), gpu_memory(w->memory), gpu_long((int64_t)w->high), gpu_long((int64_t)w->scales),
                         gpu_long((int64_t)w->steps), gpu_long(groups)));
        float *got = contents(b, out, (size_t)(rows * COLS));
        format->to_float(tensor->data, wanted, rows * COLS);
        cr_expect(memcmp(got, wanted, (size_t)(rows * COLS) * sizeof *got) == 0, "%s", format->name);
        free(got);
        b->ops->buffer_free(b, out);
        b->ops->weight_unload(b, &weight);
    }
    model_file_close(file);
    b->ops->close(b);
}

static void check_product(struct backend *b, const struct tensor_format *format, int64_t rows, int64_t cols, int n, bool accumulate)
{
    struct random random = random_seed(11, 0);
    struct made m;
    make_matrix(b, &m, format, WEIGHT_MATRIX, 1, rows, cols, &random);
    size_t nx = (size_t)n * (size_t)cols, ny = (size_t)n * (size_t)rows;
    float *x = random_values(&random, nx), *before = random_values(&random, ny), *wanted = malloc(ny * sizeof *wanted);
    struct buffer *bx = filled(b, x, nx), *by = accumulate ? filled(b, before, ny) : poisoned(b, ny);
    b->ops->project(b, (struct buffer *const[]){by}, (const struct weight *const[]){&m.weight}, 1, bx, n, accumulate);
    float *got = contents(b, by, ny);
    for (size_t i = 0; i < ny; i++) {
        double sum = accumulate ? (double)before[i] : 0;
        for (size_t k = 0; k < (size_t)cols; k++)
            sum += (double)m.values[i % (size_t)rows * (size_t)cols + k] * (double)x[i / (size_t)rows * (size_t)cols + k];
        wanted[i] = (float)sum;
    }
    double d = nmse(got, wanted, ny);
    cr_expect(d < 1e-11, "%s [%d][%d] · %d%s: NMSE %g", format->name, (int)rows, (int)cols, n, accumulate ? " added" : "", d);
    b->ops->buffer_free(b, bx);
    b->ops->buffer_free(b, by);
    unmake(b, &m);
    free(x), free(before), free(wanted), free(got);
}

/* Weights and activations are rounded to BF16 on matrix units: the definition of rounded ones is met, so every index is right. */
Test(gpu_product, emulated_matrix_units_meet_the_definition_of_rounded_values_and_give_the_same_bits_in_any_company)
{
    enum { ROWS = 37, COLS = 1312, N = 35 }; // 41 groups: segments of different lengths
    static const enum tensor_type types[] = {TENSOR_F16, TENSOR_Q8_0, TENSOR_MXFP4};
    NEEDS_OPENCL();
    struct backend *b = open_backend(N, 0, 0, 512);
    gpu_of(b)->mma = true; // emulated
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct random random = random_seed(13, i);
        struct made m;
        make_matrix(b, &m, tensor_format(types[i]), WEIGHT_MATRIX, 1, ROWS, COLS, &random);
        float *x = random_values(&random, N * COLS), *wanted = malloc(N * ROWS * sizeof *wanted);
        for (int c = 0; c < N; c++)
            for (int r = 0; r < ROWS; r++) {
                double sum = 0;
                for (int k = 0; k < COLS; k++)
                    sum += (double)bf16_to_f32(f32_to_bf16(m.values[r * COLS + k])) * (double)bf16_to_f32(f32_to_bf16(x[c * COLS + k]));
                wanted[c * ROWS + r] = (float)sum;
            }
        struct buffer *bx = filled(b, x, N * COLS), *by = poisoned(b, N * ROWS), *few = poisoned(b, 3 * ROWS);
        b->ops->project(b, (struct buffer *const[]){by}, (const struct weight *const[]){&m.weight}, 1, bx, N, false);
        b->ops->project(b, (struct buffer *const[]){few}, (const struct weight *const[]){&m.weight}, 1, bx, 3, false);
        float *got = contents(b, by, N * ROWS), *got_few = contents(b, few, 3 * ROWS);
        double d = nmse(got, wanted, N * ROWS);
        cr_expect(d < 1e-11, "%s: NMSE %g", m.tensor.format->name, d);
        cr_expect_arr_eq(got_few, got, 3 * ROWS * sizeof *got, "%s: bits depend on the number of columns", m.tensor.format->name);
        b->ops->buffer_free(b, bx), b->ops->buffer_free(b, by), b->ops->buffer_free(b, few);
        unmake(b, &m);
        free(x), free(wanted), free(got), free(got_few);
    }
    b->ops->close(b);
}

Test(gpu_product, every_format_meets_the_definition)
{
    const struct tensor_format *format;
    NEEDS_OPENCL();
    struct backend *b = open_backend(16, 0, 0, 512);
    for (size_t i = 0; (format = tensor_format_at(i)); i++) {
        check_product(b, format, 7, 512, 1, false);
        check_product(b, format, 7, 512, 3, true);
    }
    b->ops->close(b);
}

Test(gpu_product, odd_sizes_meet_the_definition)
{
    static const int rows[] = {1, 3, 4, 5, 33}, cols[] = {1, 31, 33, 64}, ns[] = {1, 2, 7, 8, 9, 16, 17};
    NEEDS_OPENCL();
    struct backend *b = open_backend(32, 0, 0, 64);
    for (size_t r = 0; r < 5; r++)
        for (size_t c = 0; c < 4; c++)
            for (size_t i = 0; i < 7; i++)
                check_product(b, tensor_format(c % 2 ? TENSOR_F32 : TENSOR_BF16), rows[r], cols[c], ns[i], i % 2);
    b->ops->close(b);
}

/* Operations on one row are held back and joined; on two rows they are not. What both leave in memory is the same, whoever reads it. */
enum { FUSE_D = 64, FUSE_HEAD = 16, FUSE_Q = 32, FUSE_KV = 16 };

struct fused {
    struct made norm, q, bias, k, v, head_norm, o;
    struct rope rope;
};

enum { FUSED_BUFFERS = 5 };
static const size_t fused_widths[FUSED_BUFFERS] = {FUSE_D, FUSE_D, FUSE_Q, FUSE_KV, FUSE_D}; // x, h, q, k, b

static void run_fused(struct backend *b, const struct fused *f, const float *x, int n, float *out[FUSED_BUFFERS])
{
    static const int32_t positions[2] = {3, 3}, pages[2] = {0, 1};
    struct buffer *v = poisoned(b, (size_t)n * FUSE_KV), *buffers[FUSED_BUFFERS];
    const int32_t *page_lists[2] = {&pages[0], &pages[1]};
    struct batch batch = {.n = n, .positions = positions, .pages = page_lists};
    buffers[0] = filled(b, x, (size_t)n * FUSE_D);
    for (int i = 1; i < FUSED_BUFFERS; i++)
        buffers[i] = poisoned(b, (size_t)n * fused_widths[i]);
    struct buffer *h = buffers[1], *q = buffers[2], *k = buffers[3], *sum = buffers[4];
    gpu_use_batch(gpu_of(b), &batch, true);
    b->ops->norm(b, h, buffers[0], &f->norm.weight, n, 1, FUSE_D, FUSE_D, 1e-5f);
    b->ops->project(b, (struct buffer *const[]){q, k, v}, (const struct weight *const[]){&f->q.weight, &f->k.weight, &f->v.weight}, 3, h, n,
                    false);
    b->ops->add_bias(b, k, &f->bias.weight, n);
    b->ops->norm(b, q, q, &f->head_norm.weight, n, FUSE_Q / FUSE_HEAD, FUSE_HEAD, FUSE_HEAD, 1e-5f);
    b->ops->rope(b, q, FUSE_Q / FUSE_HEAD, FUSE_HEAD, 0, &f->rope, &batch);
    b->ops->rope(b, k, FUSE_KV / FUSE_HEAD, FUSE_HEAD, 0, &f->rope, &batch);
    b->ops->norm(b, k, k, &f->head_norm.weight, n, FUSE_KV / FUSE_HEAD, FUSE_HEAD, FUSE_HEAD, 1e-5f); // after its turn: not joined
    b->ops->kv_store(b, 0, k, v, &batch);
    b->ops->project(b, (struct buffer *const[]){sum}, (const struct weight *const[]){&f->o.weight}, 1, q, n, false);
    b->ops->add(b, buffers[0], sum, n, FUSE_D, 0.5f);
    b->ops->project(b, (struct buffer *const[]){buffers[0]}, (const struct weight *const[]){&f->o.weight}, 1, q, n, true);
    b->ops->norm(b, h, buffers[0], &f->norm.weight, n, 1, FUSE_D, FUSE_D, 1e-5f); // read by nobody before it is read back
    for (int i = 0; i < FUSED_BUFFERS; i++) {
        out[i] = contents(b, buffers[i], (size_t)n * fused_widths[i]);
        b->ops->buffer_free(b, buffers[i]);
    }
    b->ops->buffer_free(b, v);
}

Test(gpu_fuse, joined_operations_leave_what_they_leave_apart)
{
    struct error err = {0};
    struct random random = random_seed(17, 0);
    float inverse_frequency[FUSE_HEAD / 2];
    NEEDS_OPENCL();
    struct backend *b = open_backend(2, 0, 0, FUSE_D);
    struct fused f = {.rope = {.n_dims = FUSE_HEAD, .neox = true, .inverse_frequency = inverse_frequency, .magnitude = 1}};
    struct kv_shape shape = {
        .type = ENGINE_KV_F16, .n_layers = 1, .n_kv_heads = FUSE_KV / FUSE_HEAD, .k_dim = FUSE_HEAD, .v_dim = FUSE_HEAD, .n_pages = 2};
    for (int i = 0; i < FUSE_HEAD / 2; i++)
        inverse_frequency[i] = powf(10, -(float)i);
    gpu_of(b)->limits.n_heads = FUSE_Q / FUSE_HEAD;
    cr_assert(b->ops->kv_open(b, &shape, &err), "%s", err.message);
    make_vector(b, &f.norm, 1, FUSE_D, &random), make_vector(b, &f.bias, 1, FUSE_KV, &random);
    make_vector(b, &f.head_norm, 1, FUSE_HEAD, &random);
    make_matrix(b, &f.q, tensor_format(TENSOR_Q8_0), WEIGHT_MATRIX, 1, FUSE_Q, FUSE_D, &random);
    make_matrix(b, &f.k, tensor_format(TENSOR_Q8_0), WEIGHT_MATRIX, 1, FUSE_KV, FUSE_D, &random);
    make_matrix(b, &f.v, tensor_format(TENSOR_F16), WEIGHT_MATRIX, 1, FUSE_KV, FUSE_D, &random); // another format: a launch of its own
    make_matrix(b, &f.o, tensor_format(TENSOR_F16), WEIGHT_MATRIX, 1, FUSE_D, FUSE_Q, &random);
    float *x = random_values(&random, 2 * FUSE_D), *both[FUSED_BUFFERS];
    run_fused(b, &f, x, 2, both);
    for (size_t row = 0; row < 2; row++) {
        float *one[FUSED_BUFFERS];
        run_fused(b, &f, x + row * FUSE_D, 1, one);
        for (int i = 0; i < FUSED_BUFFERS; i++) {
            cr_expect_arr_eq(one[i], both[i] + row * fused_widths[i], fused_widths[i] * sizeof(float), "row %zu: buffer %d", row, i);
            cr_expect(isfinite(one[i][0]), "row %zu: buffer %d was not written", row, i);
            free(one[i]);
        }
    }
    for (int i = 0; i < FUSED_BUFFERS; i++)
        free(both[i]);
    free(x);
    unmake(b, &f.norm), unmake(b, &f.bias), unmake(b, &f.head_norm), unmake(b, &f.q), unmake(b, &f.k), unmake(b, &f.v), unmake(b, &f.o);
    b->ops->close(b);
}

static double activated(enum activation_function function, double gate, double up)
{
    if (function == ACT_SWIGLU)
        return gate / (1 + exp(-gate)) * up;
    double g = gate > 7 ? 7 : gate, u = up > 7 ? 7 : up < -7 ? -7 : up;
    return g / (1 + exp(-1.702 * g)) * (u + 1);
}

/* Experts of which some have no tokens, one has most of them; with and without biases. */
static void check_experts(int n, int n_experts, int top_k, bool biases)
{
    enum { WIDTH = 40, FF = 36 };
    struct random random = random_seed(7, 0);
    struct backend *b = open_backend(n, n_experts, top_k, WIDTH);
    const struct tensor_format *format = tensor_format(TENSOR_F16);
    struct made gate, up, down, gate_bias, up_bias, down_bias;
    make_matrix(b, &gate, format, WEIGHT_EXPERTS, n_experts, FF, WIDTH, &random);
    make_matrix(b, &up, format, WEIGHT_EXPERTS, n_experts, FF, WIDTH, &random);
    make_matrix(b, &down, format, WEIGHT_EXPERTS, n_experts, WIDTH, FF, &random);
    make_vector(b, &gate_bias, n_experts, FF, &random);
    make_vector(b, &up_bias, n_experts, FF, &random);
    make_vector(b, &down_bias, n_experts, WIDTH, &random);
    struct experts experts = {&gate.weight, &up.weight, &down.weight, NULL, NULL, NULL, ACT_SWIGLU, top_k};
    if (biases)
        experts = (struct experts){&gate.weight,    &up.weight,        &down.weight,   &gate_bias.weight,
                                   &up_bias.weight, &down_bias.weight, ACT_SWIGLU_OAI, top_k};
    size_t count = (size_t)n * WIDTH, pairs = (size_t)(n * top_k);
    float *x = random_values(&random, count), *h = random_values(&random, count), *weights = random_values(&random, pairs);
    int32_t *ids = malloc(pairs * sizeof *ids);
    uint64_t *load = calloc((size_t)n_experts, sizeof *load);
    for (size_t p = 0; p < pairs; p++) { // expert 1 has none, expert 0 every row
        int k = (int)(p % (size_t)top_k);
        ids[p] = k == 0 ? 0 : 2 + (int)((p / (size_t)top_k + (size_t)k) % (size_t)(n_experts - 2));
        load[ids[p]]++;
    }
    struct buffer *bx = filled(b, x, count), *bh = filled(b, h, count), *bi = filled(b, ids, pairs), *bw = filled(b, weights, pairs);
    gpu_of(b)->routed_layer = 1;
    b->ops->experts(b, bx, bh, bi, bw, &experts, n);
    float *got = contents(b, bx, count), *wanted = malloc(count * sizeof *wanted);
    for (int r = 0; r < n; r++)
        for (int d = 0; d < WIDTH; d++) {
            double sum = (double)x[r * WIDTH + d];
            for (int k = 0; k < top_k; k++) {
                int e = ids[r * top_k + k];
                double out = biases ? (double)((float *)down_bias.bytes)[e * WIDTH + d] : 0;
                for (int f = 0; f < FF; f++) {
                    double g = biases ? (double)((float *)gate_bias.bytes)[e * FF + f] : 0,
                           u = biases ? (double)((float *)up_bias.bytes)[e * FF + f] : 0;
                    for (int i = 0; i < WIDTH; i++) {
                        g += (double)gate.values[(e * FF + f) * WIDTH + i] * (double)h[r * WIDTH + i];
                        u += (double)up.values[(e * FF + f) * WIDTH + i] * (double)h[r * WIDTH + i];
                    }
                    out += activated(experts.function, g, u) * (double)down.values[(e * WIDTH + d) * FF + f];
                }
                sum += out * (double)weights[r * top_k + k];
            }
            wanted[r * WIDTH + d] = (float)sum;
        }
    double distance = nmse(got, wanted, count);
    cr_expect(distance < 1e-11, "%d rows, %d of %d experts: NMSE %g", n, top_k, n_experts, distance);
    cr_expect_arr_eq(b->ops->expert_load(b) + n_experts, load, (size_t)n_experts * sizeof *load, "%d rows: the layer's load", n);
    struct buffer *buffers[] = {bx, bh, bi, bw};
    struct made *made[] = {&gate, &up, &down, &gate_bias, &up_bias, &down_bias};
    for (int i = 0; i < 4; i++)
        b->ops->buffer_free(b, buffers[i]);
    for (int i = 0; i < 6; i++)
        unmake(b, made[i]);
    free(x), free(h), free(weights), free(ids), free(got), free(wanted), free(load);
    b->ops->close(b);
}

Test(gpu_experts, rows_in_any_number_and_experts_without_any_meet_the_definition)
{
    static const int ns[] = {1, 2, 3, 8, 9, 33};
    NEEDS_OPENCL();
    for (int i = 0; i < 6; i++) {
        check_experts(ns[i], 5, 3, i % 2);
        check_experts(ns[i], 70, 2, i % 2 == 0);
    }
}

/* The router against the CPU backend's, which has the definition's tests. */
Test(gpu_router, choices_are_those_of_the_cpu)
{
    enum { ROWS = 9 };
    static const struct routing routings[] = {
        {.n_experts = 64, .top_k = 8, .gate = GATE_SOFTMAX, .n_groups = 1, .groups_used = 1, .scale = 1},
        {.n_experts = 7, .top_k = 7, .gate = GATE_SOFTMAX, .n_groups = 1, .groups_used = 1, .normalise = true, .scale = 1},
        {.n_experts = 96, .top_k = 6, .gate = GATE_SIGMOID, .n_groups = 8, .groups_used = 3, .normalise = true, .scale = 2.5f},
        {.n_experts = 32, .top_k = 4, .gate = GATE_SOFTMAX_CHOSEN, .n_groups = 1, .groups_used = 1, .scale = 1},
    };
    struct error err = {0};
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof routings / sizeof *routings; i++) {
        const struct routing *r = &routings[i];
        struct random random = random_seed(3, i);
        struct engine_options options = {.threads = 1, .isa = "scalar"};
        struct backend_limits limits = {.n_layers = 1,
                                        .n_experts = r->n_experts,
                                        .max_rows = ROWS,
                                        .max_width = 512,
                                        .max_columns = 1,
                                        .n_embd = 96,
                                        .top_k = r->top_k,
                                        .n_ff = 96,
                                        .n_heads = 1};
        struct backend *gpu = open_backend(ROWS, r->n_experts, r->top_k, 96), *cpu = cpu_backend_open(&options, &limits, &err);
        cr_assert_not_null(cpu, "%s", err.message);
        struct made matrix, bias, selection, cpu_matrix, cpu_bias, cpu_selection;
        make_matrix(gpu, &matrix, tensor_format(TENSOR_F32), WEIGHT_MATRIX, 1, r->n_experts, 32, &random);
        make_vector(gpu, &bias, 1, r->n_experts, &random);
        make_vector(gpu, &selection, 1, r->n_experts, &random);
        cpu_matrix = matrix, cpu_bias = bias, cpu_selection = selection;
        load(cpu, &cpu_matrix, WEIGHT_MATRIX, 1, r->n_experts, 32);
        load(cpu, &cpu_bias, WEIGHT_VECTOR, 1, 1, r->n_experts);
        load(cpu, &cpu_selection, WEIGHT_VECTOR, 1, 1, r->n_experts);
        float *h = random_values(&random, ROWS * 32);
        struct weight rows = {
            .tensor = &(struct tensor){.data = h, .format = tensor_format(TENSOR_F32)}, .cols = 32, .rows = ROWS, .experts = 1};
        struct batch batch = {.n = ROWS, .tokens = (const int32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8}};
        size_t pairs = ROWS * (size_t)r->top_k;
        struct buffer *cpu_h = cpu->ops->buffer_new(cpu, ROWS * 32, &err), *cpu_ids = cpu->ops->buffer_new(cpu, pairs, &err),
                      *cpu_weights = cpu->ops->buffer_new(cpu, pairs, &err), *gpu_h = filled(gpu, h, ROWS * 32),
                      *ids = poisoned(gpu, pairs), *weights = poisoned(gpu, pairs);
        cpu->ops->embed(cpu, cpu_h, &rows, &batch);
        bool plain = i < 2;
        cpu->ops->route(cpu, cpu_ids, cpu_weights, cpu_h,
                        &(struct router){&cpu_matrix.weight, plain ? NULL : &cpu_bias.weight, i == 2 ? &cpu_selection.weight : NULL}, r, 0,
                        ROWS);
        gpu->ops->route(gpu, ids, weights, gpu_h,
                        &(struct router){&matrix.weight, plain ? NULL : &bias.weight, i == 2 ? &selection.weight : NULL}, r, 0, ROWS);
        int32_t *wanted_ids = malloc(pairs * 4);
        float *wanted = malloc(pairs * 4), *got_ids = contents(gpu, ids, pairs), *got = contents(gpu, weights, pairs);
        cpu->ops->buffer_read(cpu, cpu_ids, 0, pairs, wanted_ids);
        cpu->ops->buffer_read(cpu, cpu_weights, 0, pairs, wanted);
        cr_expect_arr_eq(got_ids, wanted_ids, pairs * 4, "routing %zu: experts", i);
        cr_expect(nmse(got, wanted, pairs) < 1e-11, "routing %zu: weights are off by %g", i, nmse(got, wanted, pairs));
        free(h), free(wanted_ids), free(wanted), free(got_ids), free(got);
        cpu->ops->weight_unload(cpu, &cpu_matrix.weight);
        cpu->ops->weight_unload(cpu, &cpu_bias.weight);
        cpu->ops->weight_unload(cpu, &cpu_selection.weight);
        unmake(gpu, &matrix), unmake(gpu, &bias), unmake(gpu, &selection);
        cpu->ops->buffer_free(cpu, cpu_h), cpu->ops->buffer_free(cpu, cpu_ids), cpu->ops->buffer_free(cpu, cpu_weights);
        gpu->ops->buffer_free(gpu, gpu_h), gpu->ops->buffer_free(gpu, ids), gpu->ops->buffer_free(gpu, weights);
        cpu->ops->close(cpu);
        gpu->ops->close(gpu);
    }
}

Test(gpu_rows, scores_tell_the_lowest_of_equal_logits_the_target_and_the_sum)
{
    enum { WIDTH = 1000, ROWS = 3 };
    struct random random = random_seed(2, 0);
    NEEDS_OPENCL();
    struct backend *b = open_backend(4, 0, 0, 32);
    float *logits = random_values(&random, ROWS * WIDTH);
    logits[700] = logits[300] = 9; // equal ones
    struct buffer *buffer = filled(b, logits, ROWS * WIDTH);
    int32_t targets[ROWS] = {300, -1, 999}, argmax[ROWS];
    float greatest[ROWS], target_logit[ROWS];
    double log_sum[ROWS];
    b->ops->score(b, buffer, ROWS, WIDTH, targets, argmax, greatest, target_logit, log_sum);
    cr_expect_eq(argmax[0], 300);
    cr_expect_eq(target_logit[0], 9.0f);
    cr_expect_eq(target_logit[2], logits[3 * WIDTH - 1]);
    for (int r = 0; r < ROWS; r += 2) {
        double sum = 0;
        for (int i = 0; i < WIDTH; i++)
            sum += exp((double)logits[r * WIDTH + i] - (double)greatest[r]);
        cr_expect_float_eq(log_sum[r], log(sum), 1e-6);
    }
    free(logits);
    b->ops->buffer_free(b, buffer);
    b->ops->close(b);
}
