/* The kernels for any vector width, included once by each instruction set's file after it has defined its vectors:
 *
 *     LANES          floats in a vector (16, 8 or 4); a panel's 16 rows are 16 / LANES vectors, "halves"
 *     STREAM_AHEAD   how many bytes ahead a single column's weights are asked for; 0: the processor's own prefetching is left alone
 *     VECTOR_REGISTER  the constraint of a vector register in assembly
 *     vf, vi         vectors of float and of int32
 *     vf_* vi_*      the few operations on them that are used below
 *     TILES(X)       X(C) for each number of columns that a tile may have, widest first, ending with 1
 *
 * A tile keeps C columns' sums in registers while it streams a panel once. The arithmetic of one column is the same in every tile. */

#define UNROLL _Pragma("GCC unroll 16")
#define TILE   static inline __attribute__((always_inline)) void

enum { HALVES = PANEL_ROWS / LANES };

static inline int32_t load_i32(const int8_t *bytes)
{
    int32_t word;
    __builtin_memcpy(&word, bytes, 4);
    return word;
}

/* A lone column reads weights as fast as memory gives them. Asks for n bytes, STREAM_AHEAD from here. */
TILE ask_ahead(const uint8_t *w, int n, const int C)
{
    if (C == 1 && STREAM_AHEAD)
        for (int i = 0; i < n; i += 64)
            __builtin_prefetch(w + STREAM_AHEAD + i);
}

/* --- float formats
 * ------------------------------------------------------------------------------------------------------------------------ */

#define FLOAT_TILE(NAME, BYTES, LOAD)                                                                                                      \
    TILE NAME##_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)                              \
    {                                                                                                                                      \
        vf even[8], odd[8];                                                                                                                \
        UNROLL for (int c = 0; c < C; c++) even[c] = odd[c] = vf_zero();                                                                   \
        const uint8_t *w = panel + h * LANES * BYTES;                                                                                      \
        int64_t i = 0;                                                                                                                     \
        for (; i + 1 < k; i += 2, w += 2 * PANEL_ROWS * BYTES) {                                                                           \
            vf a = LOAD(w), b = LOAD(w + PANEL_ROWS * BYTES);                                                                              \
            UNROLL for (int c = 0; c < C; c++)                                                                                             \
            {                                                                                                                              \
                even[c] = vf_fma(a, vf_set(x[c].f[i]), even[c]);                                                                           \
                odd[c] = vf_fma(b, vf_set(x[c].f[i + 1]), odd[c]);                                                                         \
            }                                                                                                                              \
        }                                                                                                                                  \
        if (i < k) {                                                                                                                       \
            vf a = LOAD(w);                                                                                                                \
            UNROLL for (int c = 0; c < C; c++) even[c] = vf_fma(a, vf_set(x[c].f[i]), even[c]);                                            \
        }                                                                                                                                  \
        UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, vf_add(even[c], odd[c]));                            \
    }

FLOAT_TILE(f32, 4, vf_load_bytes)
FLOAT_TILE(f16, 2, vf_load_f16)
FLOAT_TILE(bf16, 2, vf_load_bf16)

/* --- integer formats
 * ---------------------------------------------------------------------------------------------------------------------- */

TILE q8_0_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 32; block++, panel += 544) {
        vi sum[8];
        const uint8_t *w = panel + 32 + h * LANES * 4;
        ask_ahead(panel, 544, C);
        UNROLL for (int c = 0; c < C; c++) sum[c] = vi_q8_begin(x[c].sum[block]);
        UNROLL for (int g = 0; g < 8; g++)
        {
            vi weights = vi_load(w + g * 64);
            UNROLL for (int c = 0; c < C; c++) sum[c] = vi_q8_dot(sum[c], weights, vi_set(load_i32(x[c].q + block * 32 + g * 4)));
        }
        vf scale = vf_load_f16(panel + h * LANES * 2);
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(vf_from_vi(sum[c]), vf_mul(scale, vf_set(x[c].scale[block])), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

/* Adds the products of 32 nibbles (4 vectors, groups j and j + 4) to sum[]. */
TILE nibbles_dot(const uint8_t *w, const struct column *x, int64_t at, vi *sum, const int C)
{
    const vi low = vi_set(0x0F0F0F0F);
    UNROLL for (int g = 0; g < 4; g++)
    {
        vi both = vi_load(w + g * 64), first = vi_and(both, low), second = vi_and(vi_shift_right(both, 4), low);
        UNROLL for (int c = 0; c < C; c++)
        {
            sum[c] = vi_dot(sum[c], first, vi_set(load_i32(x[c].q + at + g * 4)));
            sum[c] = vi_dot(sum[c], second, vi_set(load_i32(x[c].q + at + 16 + g * 4)));
        }
    }
}

TILE q4_0_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 32; block++, panel += 288) {
        vi sum[8];
        ask_ahead(panel, 288, C);
        UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(-8 * x[c].sum[block]);
        nibbles_dot(panel + 32 + h * LANES * 4, x, block * 32, sum, C);
        vf scale = vf_load_f16(panel + h * LANES * 2);
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(vf_from_vi(sum[c]), vf_mul(scale, vf_set(x[c].scale[block])), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

TILE q4_k_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 2368) {
        vf d = vf_load_f16(panel + h * LANES * 2), dmin = vf_load_f16(panel + 32 + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int j = 0; j < 8; j++) {
            vi sum[8];
            ask_ahead(panel + j * 296, 296, C);
            UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(0);
            nibbles_dot(panel + 320 + j * 256 + h * LANES * 4, x, block * 256 + j * 32, sum, C);
            vf scale = vf_mul(d, vf_load_u8(panel + 64 + j * 16 + h * LANES));
            vf minimum = vf_mul(dmin, vf_load_u8(panel + 192 + j * 16 + h * LANES));
            UNROLL for (int c = 0; c < C; c++)
            {
                const int32_t *sums = x[c].sum + block * 16 + j * 2;
                part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
                part[c] = vf_fma(vf_set(-(float)(sums[0] + sums[1])), minimum, part[c]);
            }
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

TILE q6_k_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    const vi low = vi_set(0x0F0F0F0F), high = vi_set(0x30303030);
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 3360) {
        vf d = vf_load_f16(panel + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int chunk = 0; chunk < 4; chunk++) {
            const uint8_t *w = panel + 288 + chunk * 768 + h * LANES * 4;
            ask_ahead(panel + chunk * 840, 840, C);
            UNROLL for (int j = 0; j < 4; j++) // sub-blocks of 16 values: groups 4j … 4j + 3
            {
                vi sum[8];
                int at = chunk * 4 + j;
                UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(-32 * x[c].sum[block * 16 + at]);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    int group = j * 4 + g;
                    vi lows = vi_load(w + (group & 7) * 64), highs = vi_load(w + 512 + (group & 3) * 64);
                    lows = vi_and(group < 8 ? lows : vi_shift_right(lows, 4), low);
                    highs = vi_and(j < 2 ? vi_shift_left(highs, 4 - 2 * j) : vi_shift_right(highs, 2 * j - 4), high);
                    vi weights = vi_or(lows, highs);
                    UNROLL for (int c = 0; c < C; c++) sum[c] =
                        vi_dot(sum[c], weights, vi_set(load_i32(x[c].q + block * 256 + at * 16 + g * 4)));
                }
                vf scale = vf_mul(d, vf_load_i8(panel + 32 + at * 16 + h * LANES));
                UNROLL for (int c = 0; c < C; c++) part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
            }
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

#include "engine/cpu/kernels_wide_formats.h"

/* A function of n columns from a tile: as many of the widest as fit, then the next. */
#define ONE_TILE(NAME, COUNT)                                                                                                              \
    for (; n >= COUNT; n -= COUNT, columns += COUNT, out += COUNT * PANEL_ROWS)                                                            \
        for (int h = 0; h < HALVES; h++)                                                                                                   \
            NAME##_tile(panel, k, columns, out, h, COUNT);
#define PANEL_FUNCTION(NAME)                                                                                                               \
    static void panel_##NAME(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out)                             \
    {                                                                                                                                      \
        TILES(NAME)                                                                                                                        \
    }

PANEL_FUNCTION(f32)
PANEL_FUNCTION(f16)
PANEL_FUNCTION(bf16)
PANEL_FUNCTION(q8_0)
PANEL_FUNCTION(q4_0)
PANEL_FUNCTION(q4_k)
PANEL_FUNCTION(q6_k)
PANEL_FUNCTION(q4_1)
PANEL_FUNCTION(q5_0)
PANEL_FUNCTION(q5_1)
PANEL_FUNCTION(iq4_nl)
PANEL_FUNCTION(mxfp4)
PANEL_FUNCTION(q2_k)
PANEL_FUNCTION(q3_k)
PANEL_FUNCTION(q5_k)
PANEL_FUNCTION(iq4_xs)

/* --- activations
 * --------------------------------------------------------------------------------------------------------------------------- */

/* Greatest magnitude of n values; `broken` becomes NaN where one of them is NaN or infinite, which a maximum alone would lose, else 0. */
static inline float greatest_of(const float *x, int n, float *broken)
{
    vf greatest = vf_zero(), poison = vf_zero();
    for (int i = 0; i < n; i += LANES) {
        vf value = vf_load(x + i);
        greatest = vf_max(greatest, vf_abs(value));
        poison = vf_fma(value, vf_zero(), poison);
    }
    *broken = vf_reduce_add(poison);
    return vf_reduce_max(greatest);
}

/* n values, a multiple of 16, as int8 = round(x · inverse); returns their sum. */
static inline int32_t round_values(const float *x, int n, float inverse, int8_t *q)
{
    vi total = vi_set(0);
    for (int i = 0; i < n; i += LANES) {
        vi rounded = vi_round(vf_mul(vf_load(x + i), vf_set(inverse)));
        total = vi_add(total, rounded);
        vi_store_i8(q + i, rounded);
    }
    return vi_reduce_add(total);
}

/* A block of a broken model's activations is all zeros with the scale NaN: its products are NaN, as they would be in float. */
TILE quantise_blocks(const float *x, int64_t k, const int block, const int sum_of, int8_t *q, float *scale, int32_t *sum)
{
    for (int64_t first = 0; first < k; first += block, x += block, q += block) {
        float broken, amax = greatest_of(x, block, &broken), inverse = amax > LEAST_QUANTISED ? 127.0f / amax : 0;
        if (broken != 0) {
            __builtin_memset(q, 0, (size_t)block);
            __builtin_memset(sum, 0, (size_t)(block / sum_of) * sizeof *sum);
            sum += block / sum_of;
            scale[first / block] = broken;
            continue;
        }
        scale[first / block] = amax / 127.0f;
        for (int i = 0; i < block; i += sum_of)
            *sum++ = round_values(x + i, sum_of, inverse, q + i);
    }
}

static void quantise_32(const float *x, int64_t k, int8_t *q, float *scale, int32_t *sum)
{
    quantise_blocks(x, k, 32, 32, q, scale, sum);
}

static void quantise_256(const float *x, int64_t k, int8_t *q, float *scale, int32_t *sum)
{
    quantise_blocks(x, k, 256, 16, q, scale, sum);
}

/* e^x: 2^n · e^r with r = x − n ln 2 in two parts, and a polynomial for e^r (Cephes, expf); relative error below 2e-7 for −87 ≤ x ≤ 88,
 * values outside are clamped. */
static inline vf vf_exp(vf x)
{
    x = vf_min(vf_max(x, vf_set(-87.3f)), vf_set(88.0f));
    vf n = vf_round(vf_mul(x, vf_set(1.44269504f)));
    vf r = vf_fma(n, vf_set(-0.693359375f), x);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_fma(vf_mul(r, r), p, vf_add(r, vf_set(1.0f)));
    return vf_mul_power_of_two(p, n);
}

static inline float scalar_exp(float x)
{
    float lanes[LANES];
    vf_store(lanes, vf_exp(vf_set(x)));
    return lanes[0];
}

static void norm(float *y, const float *x, const float *w, int64_t n, float epsilon)
{
    vf squares = vf_zero();
    float tail = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        squares = vf_fma(vf_load(x + i), vf_load(x + i), squares);
    for (; i < n; i++)
        tail += x[i] * x[i];
    float factor = 1.0f / __builtin_sqrtf((vf_reduce_add(squares) + tail) / (float)n + epsilon);
    for (i = 0; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), vf_set(factor)), vf_load(w + i)));
    for (; i < n; i++)
        y[i] = x[i] * factor * w[i];
}

static void swiglu(float *out, const float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = vf_load(gate + i);
        vf_store(out + i, vf_mul(vf_div(g, vf_add(vf_set(1.0f), vf_exp(vf_sub(vf_zero(), g)))), vf_load(up + i)));
    }
    for (; i < n; i++)
        out[i] = gate[i] / (1.0f + scalar_exp(-gate[i])) * up[i];
}

static void add_scaled(float *y, const float *x, float factor, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_fma(vf_set(factor), vf_load(x + i), vf_load(y + i)));
    for (; i < n; i++)
        y[i] = __builtin_fmaf(factor, x[i], y[i]);
}

static double sum_exp(const float *x, int64_t n, float maximum)
{
    enum { CHUNK = 32 * LANES }; // summed in float, chunks in double
    double sum = 0;
    int64_t i = 0;
    while (i + LANES <= n) {
        int64_t end = i + CHUNK < n ? i + CHUNK : n;
        vf part = vf_zero();
        for (; i + LANES <= end; i += LANES)
            part = vf_add(part, vf_exp(vf_sub(vf_load(x + i), vf_set(maximum))));
        sum += (double)vf_reduce_add(part);
    }
    for (; i < n; i++)
        sum += (double)scalar_exp(x[i] - maximum);
    return sum;
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(out + i, vf_load_f16((const uint8_t *)(in + i)));
    for (; i < n; i++)
        out[i] = f16_to_f32(in[i]);
}

static void from_bf16(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(out + i, vf_load_bf16((const uint8_t *)(in + i)));
    for (; i < n; i++)
        out[i] = bf16_to_f32(in[i]);
}

static void to_f16(uint16_t *out, const float *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store_f16(out + i, vf_load(in + i));
    for (; i < n; i++)
        out[i] = f32_to_f16(in[i]);
}

/* Scores of 64 tokens in lanes: K is stored by dimension, so there is no sum across lanes. */
static inline vf load_f16(const void *page, int i)
{
    return vf_load_f16((const uint16_t *)page + i);
}

static inline vf load_bf16(const void *page, int i)
{
    return vf_load_bf16((const uint16_t *)page + i);
}

static inline vf load_f32(const void *page, int i)
{
    return vf_load((const float *)page + i);
}

/* LANES values from i on; f is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) vf load_page(const void *page, int i, const enum page_format f)
{
    return f == PAGE_F16 ? load_f16(page, i) : f == PAGE_BF16 ? load_bf16(page, i) : load_f32(page, i);
}

TILE attend(const float *q, const void *k, const void *v, int first, int count, int k_dim, int v_dim, float scale,
            struct attention_state *state, const enum page_format f)
{
    enum { VECTORS = 64 / LANES };
    vf sums[VECTORS];
    float p[64], maximum = state->maximum;
    UNROLL for (int j = 0; j < VECTORS; j++) sums[j] = vf_zero();
    for (int i = 0; i < k_dim; i++) {
        vf value = vf_set(q[i]);
        UNROLL for (int j = 0; j < VECTORS; j++) sums[j] = vf_fma(value, load_page(k, i * 64 + j * LANES, f), sums[j]);
    }
    UNROLL for (int j = 0; j < VECTORS; j++) vf_store(p + j * LANES, vf_mul(sums[j], vf_set(scale)));
    for (int t = first; t < count; t++)
        maximum = p[t] > maximum ? p[t] : maximum;
    UNROLL for (int j = 0; j < VECTORS; j++) vf_store(p + j * LANES, vf_exp(vf_sub(vf_load(p + j * LANES), vf_set(maximum))));
    float correction = state->sum > 0 ? scalar_exp(state->maximum - maximum) : 0, sum = 0;
    for (int t = first; t < count; t++)
        sum += p[t];
    state->maximum = maximum;
    state->sum = state->sum * correction + sum;
    int i = 0;
    for (; i + 4 * LANES <= v_dim; i += 4 * LANES) {
        vf out[4];
        UNROLL for (int j = 0; j < 4; j++) out[j] = vf_mul(vf_load(state->out + i + j * LANES), vf_set(correction));
        for (int t = first; t < count; t++) {
            vf weight = vf_set(p[t]);
            UNROLL for (int j = 0; j < 4; j++) out[j] = vf_fma(weight, load_page(v, t * v_dim + i + j * LANES, f), out[j]);
        }
        UNROLL for (int j = 0; j < 4; j++) vf_store(state->out + i + j * LANES, out[j]);
    }
    for (; i + LANES <= v_dim; i += LANES) {
        vf out = vf_mul(vf_load(state->out + i), vf_set(correction));
        for (int t = first; t < count; t++)
            out = vf_fma(vf_set(p[t]), load_page(v, t * v_dim + i, f), out);
        vf_store(state->out + i, out);
    }
    for (; i < v_dim; i++) {
        float out = state->out[i] * correction;
        for (int t = first; t < count; t++)
            out = __builtin_fmaf(p[t], page_value(v, t * v_dim + i, f), out);
        state->out[i] = out;
    }
}

ATTEND_PAGE(attend_f32, PAGE_F32)
ATTEND_PAGE(attend_f16, PAGE_F16)
ATTEND_PAGE(attend_bf16, PAGE_BF16)

/* --- probes
 * -------------------------------------------------------------------------------------------------------------------------------- */

/* Ten independent sums: more than latency × ports needs, few enough to stay in registers. The empty asm keeps the loop from being folded.
 */
static double probe_int8(int64_t iterations)
{
    vi sums[10], a = vi_set(0x01020301), b = vi_set(0x02010302);
    UNROLL for (int j = 0; j < 10; j++) sums[j] = vi_set(j);
    for (int64_t i = 0; i < iterations; i++)
        UNROLL for (int j = 0; j < 10; j++)
        {
            sums[j] = vi_dot(sums[j], a, b);
            __asm__ volatile("" : VECTOR_REGISTER(sums[j]));
        }
    return 10.0 * LANES * 4 * 2 * (double)iterations;
}

static double probe_f32(int64_t iterations)
{
    vf sums[10], a = vf_set(0.5f), b = vf_set(0.25f);
    UNROLL for (int j = 0; j < 10; j++) sums[j] = vf_set((float)j);
    for (int64_t i = 0; i < iterations; i++)
        UNROLL for (int j = 0; j < 10; j++)
        {
            sums[j] = vf_fma(sums[j], a, b);
            __asm__ volatile("" : VECTOR_REGISTER(sums[j]));
        }
    return 10.0 * LANES * 2 * (double)iterations;
}

static uint64_t probe_read(const uint8_t *bytes, size_t n)
{
    vi sums[4];
    UNROLL for (int j = 0; j < 4; j++) sums[j] = vi_set(0);
    for (size_t i = 0; i < n; i += 16 * LANES)
        UNROLL for (int j = 0; j < 4; j++) sums[j] = vi_add(sums[j], vi_load(bytes + i + (size_t)j * LANES * 4));
    return (uint64_t)(uint32_t)vi_reduce_add(vi_add(vi_add(sums[0], sums[1]), vi_add(sums[2], sums[3])));
}
