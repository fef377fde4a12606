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

static const struct tensor_format formats[] = {
    {TENSOR_F32, "F32", 1, 4, f32_to_float},        {TENSOR_F16, "F16", 1, 2, f16_to_float},
    {TENSOR_BF16, "BF16", 1, 2, bf16_to_float},     {TENSOR_Q8_0, "Q8_0", 32, 34, q8_0_to_float},
    {TENSOR_Q4_0, "Q4_0", 32, 18, q4_0_to_float},   {TENSOR_Q4_K, "Q4_K", 256, 144, q4_k_to_float},
    {TENSOR_Q6_K, "Q6_K", 256, 210, q6_k_to_float},
};

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
