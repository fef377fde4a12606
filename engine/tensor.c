/* Tensor types: the table of formats and, for each, the conversion to float that defines what its bytes mean.
 *
 * Blocks hold little-endian half-precision scales and packed integers; the drawings beside each function give the layout. The order of
 * operations matters: expected values are met bit for bit. */
#include "engine/tensor.h"

#include <string.h>

float f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
    if (exponent == 31)
        bits = sign | 0x7F800000u | fraction << 13;
    else if (exponent)
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    else { // zero or subnormal: fraction × 2^-24 is exact in float
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

uint16_t f32_to_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000u) // NaN stays quiet NaN
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000u) // rounds to beyond 65504
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < 0x38800000u) { // subnormal half: let float addition round at 2^-24
        float absolute;
        memcpy(&absolute, &magnitude, 4);
        float shifted = absolute + 0.5f; // ulp of [0.5, 1) is 2^-24
        uint32_t rounded;
        memcpy(&rounded, &shifted, 4);
        return (uint16_t)(sign | (rounded - 0x3F000000u));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | ((magnitude + 0xFFF + odd - (112u << 23)) >> 13));
}

float bf16_to_f32(uint16_t brain)
{
    uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

uint16_t f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7FFFFFFF) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static uint16_t load_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static float load_f16(const uint8_t *bytes)
{
    return f16_to_f32(load_u16(bytes));
}

static void f32_to_float(const void *blocks, float *out, int64_t count)
{
    memcpy(out, blocks, (size_t)count * 4);
}

static void f16_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i++)
        out[i] = load_f16(b + 2 * i);
}

static void bf16_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i++)
        out[i] = bf16_to_f32(load_u16(b + 2 * i));
}

/* Q8_0: [d f16][32 × int8], value = d·q */
static void q8_0_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 34) {
        float d = load_f16(b);
        for (int j = 0; j < 32; j++)
            out[i + j] = (float)(int8_t)b[2 + j] * d;
    }
}

/* Q4_0: [d f16][16 bytes], byte j holds value j (low nibble) and j + 16 (high); value = d·(q − 8) */
static void q4_0_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 18) {
        float d = load_f16(b);
        for (int j = 0; j < 16; j++) {
            out[i + j] = (float)((b[2 + j] & 15) - 8) * d;
            out[i + j + 16] = (float)((b[2 + j] >> 4) - 8) * d;
        }
    }
}

void nibble_codes(const uint8_t packed[16], uint8_t codes[32])
{
    for (int j = 0; j < 16; j++) {
        codes[j] = packed[j] & 15;
        codes[j + 16] = packed[j] >> 4;
    }
}

void fifth_bits(const uint8_t bits[4], uint8_t codes[32])
{
    for (int j = 0; j < 32; j++)
        codes[j] |= (uint8_t)((bits[j / 8] >> (j % 8) & 1) << 4);
}

/* Q4_1: [d f16][m f16][16 bytes] as Q4_0; value = d·q + m */
static void q4_1_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 20) {
        float d = load_f16(b), m = load_f16(b + 2);
        uint8_t codes[32];
        nibble_codes(b + 4, codes);
        for (int j = 0; j < 32; j++)
            out[i + j] = (float)codes[j] * d + m;
    }
}

/* Q5_0: [d f16][32 fifth bits][16 bytes] as Q4_0; value = d·(q − 16) */
static void q5_0_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 22) {
        float d = load_f16(b);
        uint8_t codes[32];
        nibble_codes(b + 6, codes);
        fifth_bits(b + 2, codes);
        for (int j = 0; j < 32; j++)
            out[i + j] = (float)(codes[j] - 16) * d;
    }
}

/* Q5_1: [d f16][m f16][32 fifth bits][16 bytes]; value = d·q + m */
static void q5_1_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 24) {
        float d = load_f16(b), m = load_f16(b + 2);
        uint8_t codes[32];
        nibble_codes(b + 8, codes);
        fifth_bits(b + 4, codes);
        for (int j = 0; j < 32; j++)
            out[i + j] = (float)codes[j] * d + m;
    }
}

/* 64 bytes of bit pairs: of each 128 values 32 bytes, value 32·q + l in the q-th pair of byte l. */
static void pair_codes(const uint8_t packed[64], uint8_t codes[256])
{
    for (int i = 0; i < 256; i++)
        codes[i] = packed[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

void q2_k_codes(const uint8_t *block, uint8_t codes[256])
{
    pair_codes(block + 16, codes);
}

/* Q2_K: [16 bytes: scale low nibble, minimum high][64 bytes of bit pairs][d f16][dmin f16]; value = d·scale·q − dmin·minimum, a scale for
 * 16 values */
static void q2_k_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 84) {
        float d = load_f16(b + 80), dmin = load_f16(b + 82);
        uint8_t codes[256];
        q2_k_codes(b, codes);
        for (int j = 0; j < 256; j++)
            out[i + j] = d * (float)(b[j / 16] & 15) * (float)codes[j] - dmin * (float)(b[j / 16] >> 4);
    }
}

void q3_k_codes(const uint8_t *block, uint8_t codes[256])
{
    pair_codes(block + 32, codes);
    for (int i = 0; i < 256; i++)
        codes[i] |= (uint8_t)((block[i % 32] >> (i / 32) & 1) << 2);
}

int q3_k_scale(const uint8_t packed[12], int j)
{
    int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4, high = packed[8 + j % 4] >> (j / 4 * 2) & 3;
    return (low | high << 4) - 32;
}

/* Q3_K: [32 bytes of third bits: value 32·j + l in bit j of byte l][64 bytes of bit pairs][12 bytes: 16 scales of 6 bits][d f16];
 * value = d·(scale − 32)·(q − 4) */
static void q3_k_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 110) {
        float d = load_f16(b + 108);
        uint8_t codes[256];
        q3_k_codes(b, codes);
        for (int j = 0; j < 256; j++)
            out[i + j] = d * (float)q3_k_scale(b + 96, j / 16) * (float)(codes[j] - 4);
    }
}

void q4_k_scale(const uint8_t packed[12], int j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = packed[j] & 63;
        *minimum = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
        *minimum = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
    }
}

/* Q4_K: [d f16][dmin f16][12 bytes: 8 scales and 8 minimums of 6 bits][128 bytes]; of each 64 values 32 bytes, low nibbles first;
 * value = d·scale·q − dmin·minimum */
static void q4_k_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 144) {
        float d = load_f16(b), dmin = load_f16(b + 2);
        for (int j = 0; j < 8; j++) {
            int scale, minimum;
            q4_k_scale(b + 4, j, &scale, &minimum);
            float step = d * (float)scale, offset = dmin * (float)minimum;
            const uint8_t *q = b + 16 + (j / 2) * 32;
            for (int l = 0; l < 32; l++)
                out[i + j * 32 + l] = step * (float)(j & 1 ? q[l] >> 4 : q[l] & 15) - offset;
        }
    }
}

void q5_k_codes(const uint8_t *block, uint8_t codes[256])
{
    for (int i = 0; i < 256; i++) {
        int j = i / 32, l = i % 32, pair = block[48 + j / 2 * 32 + l];
        codes[i] = (uint8_t)((j & 1 ? pair >> 4 : pair & 15) | (block[16 + l] >> j & 1) << 4);
    }
}

/* Q5_K: [d f16][dmin f16][12 bytes of scales and minimums][32 bytes of fifth bits: value 32·j + l in bit j of byte l][128 bytes] as Q4_K */
static void q5_k_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 176) {
        float d = load_f16(b), dmin = load_f16(b + 2);
        uint8_t codes[256];
        q5_k_codes(b, codes);
        for (int j = 0; j < 8; j++) {
            int scale, minimum;
            q4_k_scale(b + 4, j, &scale, &minimum);
            float step = d * (float)scale, offset = dmin * (float)minimum;
            for (int l = j * 32; l < j * 32 + 32; l++)
                out[i + l] = step * (float)codes[l] - offset;
        }
    }
}

int q6_k_value(const uint8_t *block, int i)
{
    int half = i / 128, in = i % 128, quarter = in / 32, l = in % 32;
    int low = block[half * 64 + (quarter & 1) * 32 + l];
    low = quarter < 2 ? low & 15 : low >> 4;
    int high = block[128 + half * 32 + l] >> (2 * quarter) & 3;
    return (low | high << 4) - 32;
}

/* Q6_K: [128 bytes of low nibbles][64 bytes of high bit pairs][16 × int8 scales][d f16]; value = d·scale·(q − 32), a scale for 16 values */
static void q6_k_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 210) {
        float d = load_f16(b + 208);
        for (int j = 0; j < 256; j++)
            out[i + j] = d * (float)(int8_t)b[192 + j / 16] * (float)q6_k_value(b, j);
    }
}

const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* IQ4_NL: [d f16][16 bytes] as Q4_0; value = d·iq4_values[q] */
static void iq4_nl_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 18) {
        float d = load_f16(b);
        uint8_t codes[32];
        nibble_codes(b + 2, codes);
        for (int j = 0; j < 32; j++)
            out[i + j] = d * (float)iq4_values[codes[j]];
    }
}

int iq4_xs_scale(const uint8_t *block, int j)
{
    int low = block[4 + j / 2] >> (j % 2 * 4) & 15, high = load_u16(block + 2) >> (2 * j) & 3;
    return (low | high << 4) - 32;
}

/* IQ4_XS: [d f16][8 × 2 high bits of scales][8 × 4 low bits][8 × 16 bytes] each as Q4_0; value = d·(scale − 32)·iq4_values[q] */
static void iq4_xs_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 256, b += 136)
        for (int j = 0; j < 8; j++) {
            float d = load_f16(b) * (float)iq4_xs_scale(b, j);
            uint8_t codes[32];
            nibble_codes(b + 8 + j * 16, codes);
            for (int l = 0; l < 32; l++)
                out[i + j * 32 + l] = d * (float)iq4_values[codes[l]];
        }
}

float mxfp4_scale(uint8_t exponent)
{
    return exponent < 2 ? 0x1p-128f * (float)(1 + exponent) : bf16_to_f32((uint16_t)((exponent - 1) << 7));
}

/* MXFP4: [exponent E8M0][16 bytes] as Q4_0; value = 2^(exponent − 127) · e2m1, here with doubled values and half the scale */
static void mxfp4_to_float(const void *blocks, float *out, int64_t count)
{
    const uint8_t *b = blocks;
    for (int64_t i = 0; i < count; i += 32, b += 17) {
        float d = mxfp4_scale(b[0]);
        uint8_t codes[32];
        nibble_codes(b + 1, codes);
        for (int j = 0; j < 32; j++)
            out[i + j] = (float)mxfp4_values[codes[j]] * d;
    }
}

static const struct tensor_format formats[] = {
    {TENSOR_F32, "F32", 1, 4, f32_to_float},
    {TENSOR_F16, "F16", 1, 2, f16_to_float},
    {TENSOR_BF16, "BF16", 1, 2, bf16_to_float},
    {TENSOR_Q8_0, "Q8_0", 32, 34, q8_0_to_float},
    {TENSOR_Q4_0, "Q4_0", 32, 18, q4_0_to_float},
    {TENSOR_Q4_1, "Q4_1", 32, 20, q4_1_to_float},
    {TENSOR_Q5_0, "Q5_0", 32, 22, q5_0_to_float},
    {TENSOR_Q5_1, "Q5_1", 32, 24, q5_1_to_float},
    {TENSOR_Q2_K, "Q2_K", 256, 84, q2_k_to_float},
    {TENSOR_Q3_K, "Q3_K", 256, 110, q3_k_to_float},
    {TENSOR_Q4_K, "Q4_K", 256, 144, q4_k_to_float},
    {TENSOR_Q5_K, "Q5_K", 256, 176, q5_k_to_float},
    {TENSOR_Q6_K, "Q6_K", 256, 210, q6_k_to_float},
    {TENSOR_IQ4_NL, "IQ4_NL", 32, 18, iq4_nl_to_float},
    {TENSOR_IQ4_XS, "IQ4_XS", 256, 136, iq4_xs_to_float},
    {TENSOR_MXFP4, "MXFP4", 32, 17, mxfp4_to_float},
};

/* Types of GGUF that have no row above, so that they are refused by name. */
static const struct {
    uint32_t type;
    const char *name;
} foreign_types[] = {{9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
                     {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},
                     {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {40, "NVFP4"}};

const struct tensor_format *tensor_format_at(size_t index)
{
    return index < sizeof formats / sizeof *formats ? &formats[index] : NULL;
}

const struct tensor_format *tensor_format(uint32_t type)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if ((uint32_t)formats[i].type == type)
            return &formats[i];
    return NULL;
}

const char *tensor_type_name(uint32_t type)
{
    const struct tensor_format *format = tensor_format(type);
    if (format)
        return format->name;
    for (size_t i = 0; i < sizeof foreign_types / sizeof *foreign_types; i++)
        if (foreign_types[i].type == type)
            return foreign_types[i].name;
    return NULL;
}
