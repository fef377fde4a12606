/* Encoding blocks of weights.
 *
 * Every format is a grid of few values (integers from low to high, or a table) times a scale, perhaps plus a minimum. A block's scale is
 * sought so that the squared error over the block is least: for a few trial scales the values are rounded to the grid, then the best scale
 * for these codes follows in closed form. Formats of 256 values round the scales of their sub-blocks to few bits themselves; each is then
 * tried one step up and down with the block's scale as it is stored. What is stored last are the codes that are nearest under the scales
 * as a reader will see them. */
#include "engine/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Half-way between neighbours of iq4_values, the one table of which grids are made. */
static const float iq4_middles[15] = {-115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101};

/* What a code can stand for before its scale: low … high, or the 16 values of a table in rising order. */
struct grid {
    int low, high;
    const int8_t *table;
};

/* The nearest whole number, ties to even; |x| < 2^22. */
static inline float nearest_whole(float x)
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

static inline float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

/* The grid's value that is nearest to x. */
static inline float nearest(const struct grid *grid, float x)
{
    if (!grid->table)
        return nearest_whole(clamp(x, (float)grid->low, (float)grid->high));
    int at = 0;
    for (int step = 8; step; step /= 2)
        at += step * (x > iq4_middles[at + step - 1]);
    return (float)grid->table[at];
}

/* The place of one of the grid's values. */
static uint8_t code_of(const struct grid *grid, float value)
{
    if (!grid->table)
        return (uint8_t)((int)value - grid->low);
    uint8_t code = 0;
    while ((float)grid->table[code] < value)
        code++;
    return code;
}

static float inverse_of(float scale)
{
    return fabsf(scale) > FLT_MIN ? 1 / scale : 0;
}

/* The codes of n values under a scale. */
static void encode(const float *x, int n, const struct grid *grid, float scale, uint8_t *codes)
{
    float inverse = inverse_of(scale);
    for (int i = 0; i < n; i++)
        codes[i] = code_of(grid, nearest(grid, x[i] * inverse));
}

static float squared_error(const float *x, int n, const struct grid *grid, float scale)
{
    float inverse = inverse_of(scale), sum = 0;
    for (int i = 0; i < n; i++) {
        float difference = x[i] - scale * nearest(grid, x[i] * inverse);
        sum += difference * difference;
    }
    return sum;
}

/* --- a scale alone
 * -------------------------------------------------------------------------------------------------------------------------- */

/* The scale with which n values come nearest to the grid. The greatest of them goes to the grid's lower end, which is the longer one, or a
 * little beyond it or short of it. */
static float fit_scale(const float *x, int n, const struct grid *grid)
{
    enum { REACH = 9 }; // trials to either side
    float greatest = 0, most = 0, best = 0, end = (float)(grid->table ? grid->table[0] : grid->low), step = grid->table ? 1.0f : 0.1f;
    for (int i = 0; i < n; i++)
        greatest = fabsf(x[i]) > fabsf(greatest) ? x[i] : greatest;
    if (fabsf(greatest) < 1e-15f) // far below what a half-precision scale can hold
        return 0;
    for (int trial = -REACH; trial <= REACH; trial++) {
        float products = 0, squares = 0, inverse = (end + step * (float)trial) / greatest;
        for (int i = 0; i < n; i++) {
            float value = nearest(grid, x[i] * inverse);
            products += x[i] * value;
            squares += value * value;
        }
        /* with the scale products / squares the squared error is Σx² less `gain` */
        float gain = squares > 0 ? products / squares * products : 0;
        if (gain > most) {
            most = gain;
            best = products / squares;
        }
    }
    return best;
}

/* The scale as its two bytes, and as a reader will see it. */
static float store_f16(uint8_t *out, float value)
{
    uint16_t half = f32_to_f16(value);
    memcpy(out, &half, 2);
    return f16_to_f32(half);
}

/* A block's scale whose sub-blocks have scales of their own. Where half-precision numbers are coarse it is rounded up: sub-blocks can make
 * up for one that is too large, not for one that is too small or 0. */
static float store_f16_above(uint8_t *out, float value)
{
    uint16_t half = f32_to_f16(value);
    if (fabsf(value) < 0x1p-14f && fabsf(f16_to_f32(half)) < fabsf(value))
        half++;
    memcpy(out, &half, 2);
    return f16_to_f32(half);
}

/* 256 values in sub-blocks of n with whole scales from least to most: the block's scale goes to out, codes and scales are returned. */
static void fit_blocks(const float *x, int n, const struct grid *grid, int least, int most, uint8_t *out, int *scales, uint8_t *codes)
{
    float fitted[16], greatest = 0;
    for (int j = 0; j < 256 / n; j++) {
        fitted[j] = fit_scale(x + j * n, n, grid);
        greatest = fabsf(fitted[j]) > fabsf(greatest) ? fitted[j] : greatest;
    }
    float d = store_f16_above(out, greatest / (float)least), inverse = inverse_of(d);
    for (int j = 0; j < 256 / n; j++) {
        int near = (int)nearest_whole(clamp(fitted[j] * inverse, (float)least, (float)most));
        float error = INFINITY;
        for (int scale = near > least ? near - 1 : near; scale <= near + 1 && scale <= most; scale++) {
            float this = squared_error(x + j * n, n, grid, d * (float)scale);
            if (this < error) {
                error = this;
                scales[j] = scale;
            }
        }
        encode(x + j * n, n, grid, d * (float)scales[j], codes + j * n);
    }
}

/* --- a scale and a minimum
 * ------------------------------------------------------------------------------------------------------------------ */

struct range {
    float scale, least; // value = scale · code + least
};

/* The scale and minimum with which n values come nearest to codes 0 … high. `below`: the minimum may not be positive. */
static struct range fit_range(const float *x, int n, int high, bool below)
{
    enum { TRIALS = 21 };
    float low = x[0], top = x[0], sum = 0, total = 0, best_error = INFINITY;
    for (int i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        top = fmaxf(top, x[i]);
    }
    if (below)
        low = fminf(low, 0);
    for (int i = 0; i < n; i++) { // sums are of x − low: a minimum far from 0 would cost them their digits
        sum += x[i] - low;
        total += (x[i] - low) * (x[i] - low);
    }
    struct range best = {0, low};
    if (top - low < 1e-15f)
        return best;
    for (int trial = 0; trial < TRIALS; trial++) {
        float inverse = ((float)high - 1 + 0.1f * (float)trial) / (top - low), codes = 0, squares = 0, products = 0;
        for (int i = 0; i < n; i++) {
            float code = nearest_whole(clamp((x[i] - low) * inverse, 0, (float)high));
            codes += code;
            squares += code * code;
            products += (x[i] - low) * code;
        }
        float determinant = (float)n * squares - codes * codes; // of the normal equations of x ≈ scale · code + least
        struct range r = {products / squares, low};             // all codes alike; the greatest is never 0
        if (determinant > 0)
            r = (struct range){((float)n * products - sum * codes) / determinant, low + (squares * sum - codes * products) / determinant};
        if (below && r.least > 0)
            r = (struct range){(products + low * codes) / squares, 0};
        /* Σ(y − scale · code − shift)², y = x − low and shift = least − low, multiplied out */
        float shift = r.least - low;
        float error =
            total - 2 * (r.scale * products + shift * sum) + r.scale * (r.scale * squares + 2 * shift * codes) + shift * shift * (float)n;
        if (error < best_error) {
            best_error = error;
            best = r;
        }
    }
    return best;
}

static float range_error(const float *x, int n, int high, struct range r)
{
    float inverse = inverse_of(r.scale), sum = 0;
    for (int i = 0; i < n; i++) {
        float code = nearest_whole(clamp((x[i] - r.least) * inverse, 0, (float)high)), difference = x[i] - r.scale * code - r.least;
        sum += difference * difference;
    }
    return sum;
}

static void encode_range(const float *x, int n, int high, struct range r, uint8_t *codes)
{
    float inverse = inverse_of(r.scale);
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)nearest_whole(clamp((x[i] - r.least) * inverse, 0, (float)high));
}

/* 256 values in sub-blocks of n: value = d·scale·code − dmin·minimum, scales and minimums 0 … most. d and dmin go to out. */
static void fit_ranges(const float *x, int n, int high, int most, uint8_t *out, uint8_t *scales, uint8_t *minimums, uint8_t *codes)
{
    struct range fitted[16];
    float scale = 0, least = 0;
    for (int j = 0; j < 256 / n; j++) {
        fitted[j] = fit_range(x + j * n, n, high, true);
        scale = fmaxf(scale, fitted[j].scale);
        least = fminf(least, fitted[j].least);
    }
    float d = store_f16_above(out, scale / (float)most), dmin = store_f16_above(out + 2, -least / (float)most), error;
    for (int j = 0; j < 256 / n; j++) {
        int s = (int)nearest_whole(clamp(fitted[j].scale * inverse_of(d), 0, (float)most));
        int m = (int)nearest_whole(clamp(-fitted[j].least * inverse_of(dmin), 0, (float)most));
        error = INFINITY;
        for (int a = s > 0 ? s - 1 : s; a <= s + 1 && a <= most; a++)
            for (int b = m > 0 ? m - 1 : m; b <= m + 1 && b <= most; b++) {
                float this = range_error(x + j * n, n, high, (struct range){d * (float)a, -dmin * (float)b});
                if (this < error) {
                    error = this;
                    scales[j] = (uint8_t)a;
                    minimums[j] = (uint8_t)b;
                }
            }
        encode_range(x + j * n, n, high, (struct range){d * (float)scales[j], -dmin * (float)minimums[j]}, codes + j * n);
    }
}

/* --- bits (drawings: tensor.c)
 * -------------------------------------------------------------------------------------------------------------- */

static void put_nibbles(const uint8_t codes[32], uint8_t out[16])
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

static void put_fifth_bits(const uint8_t codes[32], uint8_t out[4])
{
    for (int i = 0; i < 32; i++)
        out[i / 8] |= (uint8_t)(codes[i] >> 4 << (i % 8));
}

static void put_pairs(const uint8_t codes[256], uint8_t out[64])
{
    for (int i = 0; i < 256; i++)
        out[i / 128 * 32 + i % 32] |= (uint8_t)((codes[i] & 3) << (i % 128 / 32 * 2));
}

static const struct grid four_bits = {-8, 7, NULL}, five_bits = {-16, 15, NULL}, three_bits = {-4, 3, NULL}, six_bits = {-32, 31, NULL},
                         iq4 = {0, 0, iq4_values};

static void q8_0_block(const float *x, uint8_t *out)
{
    float greatest = 0;
    for (int i = 0; i < 32; i++)
        greatest = fmaxf(greatest, fabsf(x[i]));
    float inverse = inverse_of(store_f16(out, greatest / 127));
    for (int i = 0; i < 32; i++)
        out[2 + i] = (uint8_t)(int8_t)nearest_whole(clamp(x[i] * inverse, -127, 127));
}

/* Q4_0, Q5_0, IQ4_NL: a scale alone. */
static void block_of_32(const float *x, const struct grid *grid, bool fifth, uint8_t *out)
{
    uint8_t codes[32];
    encode(x, 32, grid, store_f16(out, fit_scale(x, 32, grid)), codes);
    if (fifth)
        put_fifth_bits(codes, out + 2);
    put_nibbles(codes, out + (fifth ? 6 : 2));
}

/* Q4_1, Q5_1: a scale and a minimum. */
static void range_of_32(const float *x, int high, bool fifth, uint8_t *out)
{
    uint8_t codes[32];
    struct range r = fit_range(x, 32, high, false);
    r = (struct range){store_f16(out, r.scale), store_f16(out + 2, r.least)};
    encode_range(x, 32, high, r, codes);
    if (fifth)
        put_fifth_bits(codes, out + 4);
    put_nibbles(codes, out + (fifth ? 8 : 4));
}

/* The nearest e2m1 for a doubled value; a tie goes to the smaller magnitude. */
static uint8_t e2m1(float x)
{
    uint8_t code = 0;
    while (code < 7 && 2 * fabsf(x) > (float)(mxfp4_values[code] + mxfp4_values[code + 1]))
        code++;
    return x < 0 && code ? code | 8 : code;
}

static void mxfp4_block(const float *x, uint8_t *out)
{
    uint8_t codes[32];
    float greatest = 0;
    int exponent;
    for (int i = 0; i < 32; i++)
        greatest = fmaxf(greatest, fabsf(x[i]));
    if (greatest == 0)
        return;                  // zero bytes are zeros
    frexpf(greatest, &exponent); // 2^(exponent − 1) ≤ greatest < 2^exponent; 4 … 6 is the top of e2m1, so 2^(exponent − 3) or a neighbour
    double least = INFINITY;
    for (int e = exponent - 3 + 127 - 1; e <= exponent - 3 + 127 + 1; e++) {
        double error = 0;
        if (e < 0 || e > 254)
            continue;
        float scale = mxfp4_scale((uint8_t)e);
        for (int i = 0; i < 32; i++) {
            double difference = (double)x[i] - (double)scale * (double)mxfp4_values[e2m1(x[i] / scale)];
            error += difference * difference;
        }
        if (error < least) {
            least = error;
            out[0] = (uint8_t)e;
        }
    }
    for (int i = 0; i < 32; i++)
        codes[i] = e2m1(x[i] / mxfp4_scale(out[0]));
    put_nibbles(codes, out + 1);
}

static void q2_k_block(const float *x, uint8_t *out)
{
    uint8_t codes[256], scales[16], minimums[16];
    fit_ranges(x, 16, 3, 15, out + 80, scales, minimums, codes);
    for (int j = 0; j < 16; j++)
        out[j] = (uint8_t)(scales[j] | minimums[j] << 4);
    put_pairs(codes, out + 16);
}

static void q3_k_block(const float *x, uint8_t *out)
{
    uint8_t codes[256];
    int scales[16];
    fit_blocks(x, 16, &three_bits, -32, 31, out + 108, scales, codes);
    for (int j = 0; j < 16; j++) {
        int scale = scales[j] + 32;
        out[96 + j % 8] |= (uint8_t)((scale & 15) << (j / 8 * 4));
        out[104 + j % 4] |= (uint8_t)(scale >> 4 << (j / 4 * 2));
    }
    put_pairs(codes, out + 32);
    for (int i = 0; i < 256; i++)
        out[i % 32] |= (uint8_t)(codes[i] >> 2 << (i / 32));
}

/* Q4_K, Q5_K */
static void q45_k_block(const float *x, bool fifth, uint8_t *out)
{
    uint8_t codes[256], scales[8], minimums[8], *packed = out + 4, *nibbles = out + (fifth ? 48 : 16);
    fit_ranges(x, 32, fifth ? 31 : 15, 63, out, scales, minimums, codes);
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(minimums[j] | minimums[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
    }
    for (int i = 0; i < 256; i++) {
        int j = i / 32;
        nibbles[j / 2 * 32 + i % 32] |= (uint8_t)((codes[i] & 15) << (j % 2 * 4));
        if (fifth)
            out[16 + i % 32] |= (uint8_t)(codes[i] >> 4 << j);
    }
}

static void q6_k_block(const float *x, uint8_t *out)
{
    uint8_t codes[256];
    int scales[16];
    fit_blocks(x, 16, &six_bits, -128, 127, out + 208, scales, codes);
    for (int j = 0; j < 16; j++)
        out[192 + j] = (uint8_t)scales[j];
    for (int i = 0; i < 256; i++) {
        int half = i / 128, quarter = i % 128 / 32, l = i % 32;
        out[half * 64 + (quarter & 1) * 32 + l] |= (uint8_t)((codes[i] & 15) << (quarter / 2 * 4));
        out[128 + half * 32 + l] |= (uint8_t)(codes[i] >> 4 << (2 * quarter));
    }
}

static void iq4_xs_block(const float *x, uint8_t *out)
{
    uint8_t codes[256];
    int scales[8];
    fit_blocks(x, 32, &iq4, -32, 31, out, scales, codes);
    for (int j = 0; j < 8; j++) {
        int scale = scales[j] + 32;
        out[2 + j / 4] |= (uint8_t)(scale >> 4 << (j % 4 * 2));
        out[4 + j / 2] |= (uint8_t)((scale & 15) << (j % 2 * 4));
        put_nibbles(codes + j * 32, out + 8 + j * 16);
    }
}

bool quantize_has_limit(enum tensor_type type)
{
    return type != TENSOR_F32 && type != TENSOR_BF16 && type != TENSOR_MXFP4;
}

static void quantize_block(enum tensor_type type, const float *x, uint8_t *out)
{
    uint16_t half;
    switch (type) {
    case TENSOR_F32:
        memcpy(out, x, 4);
        break;
    case TENSOR_F16:
    case TENSOR_BF16:
        half = type == TENSOR_F16 ? f32_to_f16(*x) : f32_to_bf16(*x);
        memcpy(out, &half, 2);
        break;
    case TENSOR_Q8_0:
        q8_0_block(x, out);
        break;
    case TENSOR_Q4_0:
        block_of_32(x, &four_bits, false, out);
        break;
    case TENSOR_Q5_0:
        block_of_32(x, &five_bits, true, out);
        break;
    case TENSOR_IQ4_NL:
        block_of_32(x, &iq4, false, out);
        break;
    case TENSOR_Q4_1:
        range_of_32(x, 15, false, out);
        break;
    case TENSOR_Q5_1:
        range_of_32(x, 31, true, out);
        break;
    case TENSOR_MXFP4:
        mxfp4_block(x, out);
        break;
    case TENSOR_Q2_K:
        q2_k_block(x, out);
        break;
    case TENSOR_Q3_K:
        q3_k_block(x, out);
        break;
    case TENSOR_Q4_K:
        q45_k_block(x, false, out);
        break;
    case TENSOR_Q5_K:
        q45_k_block(x, true, out);
        break;
    case TENSOR_Q6_K:
        q6_k_block(x, out);
        break;
    case TENSOR_IQ4_XS:
        iq4_xs_block(x, out);
        break;
    }
}

void quantize_values(enum tensor_type type, const float *values, int64_t count, uint8_t *blocks)
{
    const struct tensor_format *format = tensor_format((uint32_t)type);
    memset(blocks, 0, (size_t)(count / format->block_values) * (size_t)format->block_bytes); // the packers above set bits
    for (int64_t i = 0; i < count; i += format->block_values, blocks += format->block_bytes)
        quantize_block(type, values + i, blocks);
}
