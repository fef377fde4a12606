/* Every panel kernel against the scalar one, which defines it; a column's bits don't depend on its company. */
#include "tests/support.h"

#include "engine/cpu/kernels.h"
#include "engine/cpu/pack.h"
#include "engine/gguf.h"
#include "engine/synth.h"

#include <string.h>

enum { MAX_K = 1280, MAX_COLUMNS = 19, MAX_OUT = MAX_COLUMNS * PANEL_ROWS };

static const int64_t widths[] = {256, 512, 1280};

struct activations {
    float f[MAX_COLUMNS][MAX_K];
    int8_t q[MAX_COLUMNS][MAX_K];
    float scale[MAX_COLUMNS][MAX_K / 32];
    int32_t sum[MAX_COLUMNS][MAX_K / 16];
    int16_t sum32[MAX_COLUMNS][MAX_K / 32];
    uint16_t b[MAX_COLUMNS][MAX_K];
    struct column columns[MAX_COLUMNS];
};

static struct column_room room_of(struct activations *a, int c)
{
    return (struct column_room){.b = a->b[c], .q = a->q[c], .scale = a->scale[c], .sum = a->sum[c], .sum32 = a->sum32[c]};
}

static void multiply(const struct cpu_kernels *kernels, enum pack_format format, const uint8_t *panel, int64_t k,
                     const struct column *columns, int n, float *out)
{
    kernels->panels[format](&(struct panels){.count = 1, .at = {panel}, .out = {out}, .stride = PANEL_ROWS}, k, columns, n);
}

static const struct cpu_kernels *wide_kernels(int index)
{
#if defined(__x86_64__)
    if (index == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        return &cpu_kernels_avx2;
    if (index == 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16"))
        return &cpu_kernels_avx512;
#endif
    return NULL;
}

/* Random columns of very different magnitudes, one of zeros among them. */
static struct activations *new_activations(enum pack_format format, int64_t k, uint64_t seed)
{
    struct activations *a = calloc(1, sizeof *a);
    struct random random = random_seed(seed, (uint64_t)k);
    cr_assert_not_null(a);
    for (int c = 0; c < MAX_COLUMNS; c++) {
        double magnitude = c == 7 ? 0 : pow(10, c % 5 - 2);
        for (int64_t i = 0; i < k; i++)
            a->f[c][i] = (float)(magnitude * random_normal(&random));
        enum activation activation = pack_activation(format);
        struct column_room room = room_of(a, c);
        if (activation != ACTIVATION_FLOAT)
            cpu_kernels_scalar.quantise[activation](a->f[c], k, &room);
        a->columns[c] =
            (struct column){.f = a->f[c], .b = a->b[c], .q = a->q[c], .scale = a->scale[c], .sum = a->sum[c], .sum32 = a->sum32[c]};
    }
    return a;
}

/* The value that a column of that kind stands for. */
static double activation_value(const struct activations *a, enum activation activation, int c, int i)
{
    switch (activation) {
    case ACTIVATION_FLOAT:
        return (double)a->f[c][i];
    case ACTIVATION_BF16:
        return (double)bf16_to_f32(a->b[c][i]);
    default:
        return (double)a->q[c][i] * (double)a->scale[c][i / (activation == ACTIVATION_INT8_32 ? 32 : 256)];
    }
}

static uint8_t *new_panel(const struct tensor_format *format, int64_t k, int64_t rows)
{
    struct random random = random_seed(7, (uint64_t)format->type);
    uint8_t *matrix = malloc((size_t)(rows * k / format->block_values * format->block_bytes) + 8);
    uint8_t *panel = aligned_alloc(64, (pack_panel_bytes(pack_format_of(format->type), k) + 63) / 64 * 64);
    cr_assert(matrix && panel);
    synth_blocks(format->type, &random, 0.05, rows * k, matrix);
    pack_panel(format->type, matrix, rows, k, 0, panel);
    free(matrix);
    return panel;
}

static void poison(float *out, size_t n)
{
    memset(out, 0xFF, n * sizeof *out);
}

static void compare_columns(const struct cpu_kernels *kernels, const struct tensor_format *format, int64_t k, int n, const float *out,
                            const float *wanted)
{
    for (int c = 0; c < n; c++) {
        double magnitude = 0;
        for (int r = 0; r < PANEL_ROWS; r++)
            magnitude = fmax(magnitude, fabs((double)wanted[c * PANEL_ROWS + r]));
        for (int r = 0; r < PANEL_ROWS; r++) {
            double difference = fabs((double)out[c * PANEL_ROWS + r] - (double)wanted[c * PANEL_ROWS + r]);
            cr_expect(difference <= 1e-5 * magnitude, "%s %s k %d, column %d of %d, row %d: %g, the scalar kernel has %g", kernels->name,
                      format->name, (int)k, c, n, r, (double)out[c * PANEL_ROWS + r], (double)wanted[c * PANEL_ROWS + r]);
        }
    }
}

Test(kernels, wide_panels_meet_the_scalar_ones)
{
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (size_t w = 0; w < 3; w++)
            for (int64_t rows = 13; rows <= PANEL_ROWS; rows += 3) {
                enum pack_format packed = pack_format_of(format->type);
                uint8_t *panel = new_panel(format, widths[w], rows);
                struct activations *a = new_activations(packed, widths[w], f);
                float wanted[MAX_OUT], all[MAX_OUT + 1], out[MAX_OUT + 1];
                multiply(&cpu_kernels_scalar, packed, panel, widths[w], a->columns, MAX_COLUMNS, wanted);
                for (int i = 0; i < 2; i++) {
                    const struct cpu_kernels *kernels = wide_kernels(i);
                    if (!kernels)
                        continue;
                    cr_assert(kernels->panels[packed] != NULL);
                    poison(all, MAX_OUT + 1);
                    multiply(kernels, packed, panel, widths[w], a->columns, MAX_COLUMNS, all);
                    compare_columns(kernels, format, widths[w], MAX_COLUMNS, all, wanted);
                    for (int n = 1; n <= MAX_COLUMNS; n++) {
                        poison(out, MAX_OUT + 1);
                        multiply(kernels, packed, panel, widths[w], a->columns, n, out);
                        cr_expect_eq(memcmp(out, all, (size_t)n * PANEL_ROWS * sizeof *out), 0,
                                     "%s %s k %d: the first %d columns depend on how many there are", kernels->name, format->name,
                                     (int)widths[w], n);
                        for (int c = n * PANEL_ROWS; c <= MAX_OUT; c++)
                            cr_expect(isnan(out[c]), "%s %s: writes behind %d columns", kernels->name, format->name, n);
                    }
                }
                free(a);
                free(panel);
            }
}

Test(kernels, a_column_has_the_same_bits_wherever_it_stands)
{
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (int i = -1; i < 2; i++) {
            const struct cpu_kernels *kernels = i < 0 ? &cpu_kernels_scalar : wide_kernels(i);
            if (!kernels)
                continue;
            enum pack_format packed = pack_format_of(format->type);
            uint8_t *panel = new_panel(format, 512, PANEL_ROWS);
            struct activations *a = new_activations(packed, 512, f);
            float all[MAX_OUT], one[PANEL_ROWS];
            multiply(kernels, packed, panel, 512, a->columns, MAX_COLUMNS, all);
            for (int c = 0; c < MAX_COLUMNS; c++) {
                poison(one, PANEL_ROWS);
                multiply(kernels, packed, panel, 512, &a->columns[c], 1, one);
                cr_expect_eq(memcmp(one, all + c * PANEL_ROWS, sizeof one), 0, "%s %s: column %d alone", kernels->name, format->name, c);
            }
            free(a);
            free(panel);
        }
}

/* The scalar panel against the definition: dequantised weights times dequantised activations, in double. */
Test(kernels, scalar_panels_meet_the_dequantised_weights)
{
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++) {
        enum { K = 512 };
        enum pack_format packed = pack_format_of(format->type);
        enum activation activation = pack_activation(packed);
        struct random random = random_seed(7, (uint64_t)format->type);
        static uint8_t matrix[PANEL_ROWS * K * 4 + 8];
        static float weights[PANEL_ROWS * K];
        synth_blocks(format->type, &random, 0.05, PANEL_ROWS * K, matrix);
        format->to_float(matrix, weights, PANEL_ROWS * K);
        uint8_t *panel = new_panel(format, K, PANEL_ROWS); // the same seed: the same matrix
        struct activations *a = new_activations(packed, K, f);
        float out[MAX_OUT];
        poison(out, MAX_OUT);
        multiply(&cpu_kernels_scalar, packed, panel, K, a->columns, MAX_COLUMNS, out);
        for (int c = 0; c < MAX_COLUMNS; c++)
            for (int r = 0; r < PANEL_ROWS; r++) {
                double sum = 0, magnitude = 0;
                for (int i = 0; i < K; i++) {
                    double x = activation_value(a, activation, c, i);
                    sum += (double)weights[r * K + i] * x;
                    magnitude += fabs((double)weights[r * K + i] * x);
                }
                cr_expect(fabs((double)out[c * PANEL_ROWS + r] - sum) <= 1e-5 * magnitude, "%s column %d row %d: %g, %g is right",
                          format->name, c, r, (double)out[c * PANEL_ROWS + r], sum);
            }
        free(a);
        free(panel);
    }
}

/* Blocks as the reference encoder writes them, with rows of zeros and outliers, and blocks of random bytes: scales of any sign and size. */
Test(kernels, panels_of_golden_blocks_meet_the_dequantised_weights)
{
    enum { K = 256 };
    struct error err = {0};
    struct model_file *file = model_file_open("tests/data/goldens/quants/quants.gguf", &err);
    cr_assert_not_null(file, "%s", err.message);
    const struct tensor_format *format;
    const struct cpu_kernels *all[] = {&cpu_kernels_scalar, wide_kernels(0), wide_kernels(1)};
    for (size_t f = 0; (format = tensor_format_at(f)); f++) {
        if (format->type == TENSOR_F32)
            continue;
        char name[32];
        static float weights[PANEL_ROWS * K];
        snprintf(name, sizeof name, "q.%s", format->name);
        const struct tensor *tensor = gguf_tensor(file, name);
        format->to_float(tensor->data, weights, PANEL_ROWS * K);
        enum pack_format packed = pack_format_of(format->type);
        enum activation activation = pack_activation(packed);
        uint8_t *panel = aligned_alloc(64, (pack_panel_bytes(packed, K) + 63) / 64 * 64);
        cr_assert_not_null(panel);
        pack_panel(format->type, tensor->data, PANEL_ROWS, K, 0, panel);
        struct activations *a = new_activations(packed, K, f);
        for (size_t isa = 0; isa < 3; isa++) {
            float out[MAX_OUT];
            if (!all[isa])
                continue;
            multiply(all[isa], packed, panel, K, a->columns, MAX_COLUMNS, out);
            for (int c = 0; c < MAX_COLUMNS; c++)
                for (int r = 0; r < PANEL_ROWS; r++) {
                    double sum = 0, magnitude = 0;
                    for (int i = 0; i < K; i++) {
                        double x = activation_value(a, activation, c, i);
                        sum += (double)weights[r * K + i] * x;
                        magnitude += fabs((double)weights[r * K + i] * x);
                    }
                    cr_expect(fabs((double)out[c * PANEL_ROWS + r] - sum) <= 1e-4 * magnitude, "%s %s column %d row %d: %g, %g is right",
                              all[isa]->name, format->name, c, r, (double)out[c * PANEL_ROWS + r], sum);
                }
        }
        free(a);
        free(panel);
    }
    model_file_close(file);
}

Test(kernels, quantised_activations_are_the_scalar_ones_bit_for_bit)
{
    enum { ROUNDS = 200 };
    struct random random = random_seed(3, 3);
    for (int round = 0; round < ROUNDS; round++) {
        static float x[MAX_K];
        int64_t k = widths[round % 3];
        for (int64_t i = 0; i < k; i++) {
            x[i] = (float)random_normal(&random) * powf(10, (float)(round % 9) - 4);
            if (round % 4 == 1) // halves: ties
                x[i] = rintf(x[i]) + 0.5f;
            if (round % 4 == 2 && i / 32 % 3 == 0)
                x[i] = 0;
        }
        for (int activation = ACTIVATION_BF16; activation < ACTIVATION_COUNT; activation++) {
            static struct activations a;
            struct column_room scalar = room_of(&a, 0), wide = room_of(&a, 1);
            memset(&a, 0x55, sizeof a);
            cpu_kernels_scalar.quantise[activation](x, k, &scalar);
            for (int i = 0; i < 2; i++) {
                const struct cpu_kernels *kernels = wide_kernels(i);
                if (!kernels)
                    continue;
                memset(a.b[1], 0x55, sizeof a.b[1]);
                memset(a.q[1], 0x55, sizeof a.q[1]);
                memset(a.scale[1], 0x55, sizeof a.scale[1]);
                memset(a.sum[1], 0x55, sizeof a.sum[1]);
                memset(a.sum32[1], 0x55, sizeof a.sum32[1]);
                kernels->quantise[activation](x, k, &wide);
                cr_expect_eq(memcmp(a.b[0], a.b[1], sizeof a.b[0]), 0, "%s: BF16 values, round %d", kernels->name, round);
                cr_expect_eq(memcmp(a.q[0], a.q[1], sizeof a.q[0]), 0, "%s: values, round %d", kernels->name, round);
                cr_expect_eq(memcmp(a.scale[0], a.scale[1], sizeof a.scale[0]), 0, "%s: scales, round %d", kernels->name, round);
                cr_expect_eq(memcmp(a.sum[0], a.sum[1], sizeof a.sum[0]), 0, "%s: sums, round %d", kernels->name, round);
                cr_expect_eq(memcmp(a.sum32[0], a.sum32[1], sizeof a.sum32[0]), 0, "%s: sums of 32, round %d", kernels->name, round);
            }
        }
    }
}

/* A panel has the same bits alone and beside another; an odd width of BF16 ends with a zero. */
Test(kernels, two_panels_are_each_as_alone)
{
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (int i = -1; i < 2; i++)
            for (int64_t k = 256; k >= 255; k--) {
                const struct cpu_kernels *kernels = i < 0 ? &cpu_kernels_scalar : wide_kernels(i);
                if (!kernels || k % format->block_values)
                    continue;
                enum pack_format packed = pack_format_of(format->type);
                uint8_t *a_panel = new_panel(format, k, PANEL_ROWS), *b_panel = new_panel(format, k, 13);
                struct activations *a = new_activations(packed, k, f);
                for (int n = 1; n <= MAX_COLUMNS; n++) {
                    enum { STRIDE = 2 * PANEL_ROWS + 1 };
                    float alone[2][MAX_OUT], both[MAX_COLUMNS][STRIDE];
                    struct panels two = {.count = 2, .at = {a_panel, b_panel}, .out = {both[0], both[0] + PANEL_ROWS}, .stride = STRIDE};
                    poison(both[0], MAX_COLUMNS * STRIDE);
                    multiply(kernels, packed, a_panel, k, a->columns, n, alone[0]);
                    multiply(kernels, packed, b_panel, k, a->columns, n, alone[1]);
                    kernels->panels[packed](&two, k, a->columns, n);
                    for (int c = 0; c < MAX_COLUMNS; c++)
                        for (int r = 0; r < STRIDE; r++) {
                            bool written = c < n && r < 2 * PANEL_ROWS;
                            float wanted = written ? alone[r / PANEL_ROWS][c * PANEL_ROWS + r % PANEL_ROWS] : 0;
                            cr_expect(written ? both[c][r] == wanted : isnan(both[c][r]), "%s %s k %d, %d columns: column %d, row %d",
                                      kernels->name, format->name, (int)k, n, c, r);
                        }
                }
                free(a);
                free(a_panel);
                free(b_panel);
            }
}

/* Weighted and added, products are what they are apart, and what lies around is left alone. */
static void check_added(const struct cpu_kernels *kernels, const struct tensor_format *format, int count)
{
    enum { K = 256, AT = 3, STRIDE = AT + 2 * PANEL_ROWS + 1 };
    enum pack_format packed = pack_format_of(format->type);
    uint8_t *panels[2] = {new_panel(format, K, PANEL_ROWS), new_panel(format, K, PANEL_ROWS)};
    struct activations *a = new_activations(packed, K, 7);
    float apart[2][MAX_OUT], sums[MAX_COLUMNS][STRIDE], factors[MAX_COLUMNS], *rows[MAX_COLUMNS];
    for (int c = 0; c < MAX_COLUMNS; c++) {
        rows[c] = sums[MAX_COLUMNS - 1 - c]; // in an order of their own
        factors[c] = 0.3f * (float)(c - 5);
    }
    for (int n = 1; n <= MAX_COLUMNS; n++) {
        for (int c = 0; c < MAX_COLUMNS; c++)
            for (int r = 0; r < STRIDE; r++)
                sums[c][r] = (float)(c * STRIDE + r);
        for (int i = 0; i < count; i++)
            multiply(kernels, packed, panels[i], K, a->columns, n, apart[i]);
        struct panels work = {.count = count, .at = {panels[0], panels[1]}, .add = rows, .factors = factors, .add_at = AT};
        kernels->panels[packed](&work, K, a->columns, n);
        for (int c = 0; c < MAX_COLUMNS; c++)
            for (int r = 0; r < STRIDE; r++) {
                int from = r - AT;
                float was = (float)((MAX_COLUMNS - 1 - c) * STRIDE + r), wanted = was;
                if (c < n && from >= 0 && from < count * PANEL_ROWS)
                    wanted = fmaf(factors[c], apart[from / PANEL_ROWS][c * PANEL_ROWS + from % PANEL_ROWS], was);
                cr_expect_eq(rows[c][r], wanted, "%s %s, %d panels, %d columns: column %d, row %d", kernels->name, format->name, count, n,
                             c, r);
            }
    }
    free(a);
    free(panels[0]);
    free(panels[1]);
}

Test(kernels, products_are_added_where_they_belong)
{
    const struct cpu_kernels *all[] = {&cpu_kernels_scalar, wide_kernels(0), wide_kernels(1)};
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            for (int count = 1; all[i] && count <= 2; count++)
                check_added(all[i], format, count);
}

/* A value that is no number makes the products of its block NaN, and those of no other column. */
Test(kernels, broken_activations_stay_broken)
{
    static const float broken[] = {NAN, INFINITY, -INFINITY};
    const struct cpu_kernels *all[] = {&cpu_kernels_scalar, wide_kernels(0), wide_kernels(1)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int b = 0; all[i] && b < 3; b++)
            for (int kind = ACTIVATION_INT8_32; kind < ACTIVATION_COUNT; kind++) {
                float x[512], scale[16];
                int8_t q[512];
                int32_t sum[32];
                int16_t sum32[16];
                int block = kind == ACTIVATION_INT8_32 ? 32 : 256;
                for (int j = 0; j < 512; j++)
                    x[j] = (float)(j % 7 - 3);
                x[300] = broken[b];
                x[0] = 1e-38f; // in a block of its own kind: too small to divide by, but finite
                all[i]->quantise[kind](x, 512, &(struct column_room){.q = q, .scale = scale, .sum = sum, .sum32 = sum32});
                for (int j = 0; j < 512 / block; j++)
                    cr_expect_eq(isnan(scale[j]) != 0, j == 300 / block, "%s, kind %d, block %d", all[i]->name, kind, j);
                for (int j = 300 / block * block; j < 300 / block * block + block; j++)
                    cr_expect_eq(q[j], 0);
            }
}

Test(kernels, small_operations_agree_at_any_length)
{
    enum { MOST = 70 };
    struct random random = random_seed(5, 5);
    float w[MOST], x[3][MOST], a[MOST], b[MOST];
    for (int i = 0; i < MOST; i++) {
        w[i] = 1 + 0.01f * (float)i;
        for (int j = 0; j < 3; j++)
            x[j][i] = (float)random_normal(&random);
    }
    for (int t = 0; t < 2; t++) {
        const struct cpu_kernels *kernels = wide_kernels(t);
        for (int n = 1; kernels && n <= MOST; n++) {
            cpu_kernels_scalar.norm(a, x[0], w, n, 1e-5f);
            kernels->norm(b, x[0], w, n, 1e-5f);
            for (int i = 0; i < n; i++)
                cr_expect(fabsf(a[i] - b[i]) <= 1e-5f * (1 + fabsf(a[i])), "%s norm of %d", kernels->name, n);
            cpu_kernels_scalar.swiglu(a, x[1], x[2], n);
            kernels->swiglu(b, x[1], x[2], n);
            for (int i = 0; i < n; i++)
                cr_expect(fabsf(a[i] - b[i]) <= 1e-6f * (1 + fabsf(a[i])), "%s swiglu of %d", kernels->name, n);
            double p = cpu_kernels_scalar.sum_exp(x[0], n, 3.0f), q = kernels->sum_exp(x[0], n, 3.0f);
            cr_expect(fabs(p - q) <= 1e-6 * p, "%s sum_exp of %d", kernels->name, n);
        }
    }
}

/* Pages in F32 and F16 give the same bits; a query has the same bits in any company; every instruction set is near the scalar one. What
 * no query sees is no number. */
enum { K_DIM = 24, V_DIM = 171, QUERIES_MOST = 8 };

struct page_case {
    float k[K_DIM * PAGE_TOKENS], v[PAGE_TOKENS * V_DIM], q[QUERIES_MOST][K_DIM];
    uint16_t half_k[K_DIM * PAGE_TOKENS], half_v[PAGE_TOKENS * V_DIM], b[QUERIES_MOST][K_DIM];
    const int (*range)[2];
};

/* row, at of rows of `stride`: where the value lies in a page of a format. */
static size_t place(enum page_format format, size_t row, size_t at, size_t stride)
{
    return format == PAGE_BF16 ? (row / 2 * stride + at) * 2 + row % 2 : row * stride + at;
}

static void fill_page(struct page_case *c, enum page_format format, const int (*range)[2])
{
    struct random random = random_seed(11, (uint64_t)format);
    int first = PAGE_TOKENS, count = 0; // seen by any
    c->range = range;
    for (int i = 0; i < QUERIES_MOST; i++) {
        first = range[i][0] < first ? range[i][0] : first;
        count = range[i][1] > count ? range[i][1] : count;
        for (int j = 0; j < K_DIM; j++) {
            c->q[i][j] = (float)random_normal(&random);
            c->b[i][j] = f32_to_bf16(c->q[i][j]);
        }
    }
    for (int token = 0; token < PAGE_TOKENS; token++)
        for (int i = 0; i < K_DIM + V_DIM; i++) {
            bool key = i < K_DIM;
            size_t row = (size_t)(key ? i : token), at = (size_t)(key ? token : i - K_DIM), stride = key ? PAGE_TOKENS : V_DIM;
            float value = token < first || token >= count ? NAN : (float)random_normal(&random);
            uint16_t half = format == PAGE_F16 ? f32_to_f16(value) : f32_to_bf16(value);
            (key ? c->half_k : c->half_v)[place(format, row, at, stride)] = half;
            (key ? c->k : c->v)[row * stride + at] = format == PAGE_F16 ? f16_to_f32(half) : bf16_to_f32(half);
        }
}

/* n queries from the given one on, out[n][V_DIM]; returns the sum of the last one's weights. */
static float attend_page(const struct cpu_kernels *kernels, const struct page_case *c, enum page_format format, int begin, int n,
                         float (*out)[V_DIM])
{
    const struct attention_shape shape = {K_DIM, V_DIM, 0.2f};
    struct query queries[QUERIES_MOST];
    memset(out, 0, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++)
        queries[i] = (struct query){c->q[begin + i], c->b[begin + i], c->range[begin + i][0], c->range[begin + i][1], -INFINITY, 0, out[i]};
    bool f32 = format == PAGE_F32;
    kernels->attend_page[format](queries, n, f32 ? (const void *)c->k : c->half_k, f32 ? (const void *)c->v : c->half_v, &shape);
    return queries[n - 1].sum;
}

Test(kernels, attention_is_the_same_in_any_company)
{
    static const int ranges[][QUERIES_MOST][2] = {{{0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}, {0, 8}},
                                                  {{0, 64}, {0, 64}, {0, 64}, {0, 64}, {1, 64}, {2, 64}, {3, 64}, {4, 64}},
                                                  {{5, 33}, {6, 34}, {7, 35}, {8, 36}, {9, 37}, {10, 38}, {11, 39}, {12, 40}},
                                                  {{60, 61}, {61, 62}, {62, 63}, {63, 64}, {63, 64}, {0, 1}, {1, 2}, {2, 3}}};
    static struct page_case c;
    static float alone[QUERIES_MOST][V_DIM], other[QUERIES_MOST][V_DIM], reference[QUERIES_MOST][V_DIM];
    const struct cpu_kernels *all[] = {&cpu_kernels_scalar, wide_kernels(0), wide_kernels(1)};
    for (int format = PAGE_F32; format < PAGE_FORMAT_COUNT; format++)
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
            for (size_t isa = 0; isa < 3; isa++) {
                if (!all[isa])
                    continue;
                fill_page(&c, (enum page_format)format, ranges[r]);
                for (int i = 0; i < QUERIES_MOST; i++) {
                    float sum = attend_page(all[isa], &c, (enum page_format)format, i, 1, &alone[i]);
                    for (int begin = 0; begin <= i; begin++) {
                        cr_expect_eq(attend_page(all[isa], &c, (enum page_format)format, begin, i - begin + 1, other), sum);
                        cr_expect_eq(memcmp(other, alone + begin, (size_t)(i - begin + 1) * sizeof *other), 0,
                                     "%s, format %d, range %zu, queries %d to %d", all[isa]->name, format, r, begin, i);
                    }
                }
                if (format == PAGE_F16) {
                    attend_page(all[isa], &c, PAGE_F32, 0, QUERIES_MOST, other);
                    cr_expect_eq(memcmp(other, alone, sizeof other), 0, "%s: F16 and F32 differ", all[isa]->name);
                }
                if (isa == 0)
                    memcpy(reference, alone, sizeof reference);
                for (int i = 0; i < QUERIES_MOST; i++)
                    for (int j = 0; j < V_DIM; j++) // a weight may be rounded to its other neighbour in BF16
                        cr_expect(fabsf(alone[i][j] - reference[i][j]) <
                                      (format == PAGE_BF16 ? 4e-3f : 1e-4f) * (1 + fabsf(reference[i][j])),
                                  "%s, format %d: query %d, %d: %g, %g", all[isa]->name, format, i, j, (double)alone[i][j],
                                  (double)reference[i][j]);
            }
}
