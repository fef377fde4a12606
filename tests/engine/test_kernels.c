/* Every wide kernel against the scalar definition, on odd sizes and poisoned outputs. */
#include "tests/support.h"

#include "engine/cpu/kernels.h"
#include "engine/cpu/pack.h"
#include "engine/engine.h"
#include "engine/synth.h"

#include <string.h>

enum { MAX_K = 1280, MAX_COLUMNS = 19 };

static const struct cpu_kernels *wide[3];

static int wide_tables(void)
{
    int n = 0;
#if defined(__x86_64__)
    for (const char *const *name = engine_isas(); *name; name++) {
        if (strcmp(*name, "avx512") == 0)
            wide[n++] = &cpu_kernels_avx512;
        if (strcmp(*name, "avx2") == 0)
            wide[n++] = &cpu_kernels_avx2;
    }
#endif
    return n;
}

struct inputs {
    float f[MAX_COLUMNS][MAX_K];
    int8_t q[2][MAX_COLUMNS][MAX_K];
    float scale[2][MAX_COLUMNS][MAX_K / 32];
    int32_t sum[2][MAX_COLUMNS][MAX_K / 16];
    struct column columns[ACTIVATION_COUNT][MAX_COLUMNS];
};

static void make_inputs(struct inputs *in, int64_t k)
{
    struct random random = random_seed(3, (uint64_t)k);
    for (int c = 0; c < MAX_COLUMNS; c++) {
        for (int64_t i = 0; i < k; i++)
            in->f[c][i] = (float)random_normal(&random) * (c == 4 ? 0.0f : 1.0f); // a column of zeros too
        in->columns[ACTIVATION_FLOAT][c] = (struct column){.f = in->f[c]};
        for (int kind = 0; kind < 2; kind++) {
            cpu_kernels_scalar.quantise[kind + 1](in->f[c], k, in->q[kind][c], in->scale[kind][c], in->sum[kind][c]);
            in->columns[kind + 1][c] = (struct column){.q = in->q[kind][c], .scale = in->scale[kind][c], .sum = in->sum[kind][c]};
        }
    }
}

Test(kernels, every_panel_equals_the_scalar_one_for_any_number_of_columns)
{
    static const enum tensor_type types[] = {TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_Q8_0, TENSOR_Q4_0, TENSOR_Q4_K, TENSOR_Q6_K};
    static struct inputs in;
    int tables = wide_tables();
    for (int64_t k = 256; k <= MAX_K; k += 512)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            enum pack_format format = pack_format_of(types[t]);
            size_t bytes = pack_panel_bytes(format, k);
            uint8_t *matrix = calloc(1, 13 * (size_t)k * 4), *panel = aligned_alloc(64, (bytes + 63) / 64 * 64);
            struct random random = random_seed(1, (uint64_t)k);
            make_inputs(&in, k);
            synth_blocks(types[t], &random, 0.1, 13 * k, matrix); // 13 rows: three of the panel are missing
            pack_panel(types[t], matrix, 13, k, 0, panel);
            const struct column *columns = in.columns[pack_activation(format)];
            float wanted[MAX_COLUMNS * PANEL_ROWS], whole[MAX_COLUMNS * PANEL_ROWS];
            cpu_kernels_scalar.panel[format](panel, k, columns, MAX_COLUMNS, wanted);
            for (int c = 0; c < MAX_COLUMNS; c++)
                for (int r = 13; r < PANEL_ROWS; r++)
                    cr_assert_eq(wanted[c * PANEL_ROWS + r], 0.0f);
            for (int w = 0; w < tables; w++)
                for (int n = MAX_COLUMNS; n >= 1; n--) {
                    float out[MAX_COLUMNS * PANEL_ROWS];
                    memset(out, 0xFF, sizeof out);
                    wide[w]->panel[format](panel, k, columns, n, out);
                    if (n == MAX_COLUMNS)
                        memcpy(whole, out, sizeof whole);
                    cr_assert(memcmp(out, whole, (size_t)n * PANEL_ROWS * sizeof *out) == 0, "%s, format %d: %d columns", wide[w]->name,
                              format, n);
                    for (int i = 0; i < n * PANEL_ROWS; i++)
                        cr_assert(fabsf(out[i] - wanted[i]) <= 2e-5f * (1 + fabsf(wanted[i])), "%s, format %d, k %ld, %d: %g, %g wanted",
                                  wide[w]->name, format, (long)k, i, (double)out[i], (double)wanted[i]);
                }
            free(matrix);
            free(panel);
        }
}

Test(kernels, quantised_activations_are_the_same_bits)
{
    static struct inputs in;
    int tables = wide_tables();
    make_inputs(&in, 512);
    for (int w = 0; w < tables; w++)
        for (int kind = 0; kind < 2; kind++) {
            int8_t q[512];
            float scale[16];
            int32_t sum[32];
            wide[w]->quantise[kind + 1](in.f[2], 512, q, scale, sum);
            cr_assert(memcmp(q, in.q[kind][2], 512) == 0 && memcmp(scale, in.scale[kind][2], (kind ? 2 : 16) * 4) == 0 &&
                      memcmp(sum, in.sum[kind][2], (kind ? 32 : 16) * 4) == 0);
        }
}

Test(kernels, small_operations_agree)
{
    static struct inputs in;
    int tables = wide_tables();
    make_inputs(&in, 512);
    float w[512], a[512], b[512];
    for (int i = 0; i < 512; i++)
        w[i] = 1 + 0.01f * (float)i;
    for (int t = 0; t < tables; t++)
        for (int n = 1; n < 70; n += 3) {
            cpu_kernels_scalar.norm(a, in.f[0], w, n, 1e-5f);
            wide[t]->norm(b, in.f[0], w, n, 1e-5f);
            for (int i = 0; i < n; i++)
                cr_assert_float_eq(a[i], b[i], 1e-5f * (1 + fabsf(a[i])));
            cpu_kernels_scalar.swiglu(a, in.f[1], in.f[2], n);
            wide[t]->swiglu(b, in.f[1], in.f[2], n);
            for (int i = 0; i < n; i++)
                cr_assert_float_eq(a[i], b[i], 1e-6f * (1 + fabsf(a[i])));
            double x = cpu_kernels_scalar.sum_exp(in.f[3], n, 3.0f), y = wide[t]->sum_exp(in.f[3], n, 3.0f);
            cr_assert_float_eq(x, y, 1e-6 * x);
        }
}
