/* Packing: see pack.h. Each packer writes one block column (16 rows × the block's values); rows that are missing stay zero bytes, which is
 * the value 0 in every format once its scale is 0. */
#include "engine/cpu/pack.h"

#include <string.h>

static const struct {
    enum tensor_type type;
    int values, bytes; // of 16 rows
    enum activation activation;
} layouts[PACK_COUNT] = {
    [PACK_F32] = {TENSOR_F32, 1, 64, ACTIVATION_FLOAT},           [PACK_F16] = {TENSOR_F16, 1, 32, ACTIVATION_FLOAT},
    [PACK_BF16] = {TENSOR_BF16, 2, 64, ACTIVATION_BF16},          [PACK_Q8_0] = {TENSOR_Q8_0, 32, 544, ACTIVATION_INT8_32},
    [PACK_Q4_0] = {TENSOR_Q4_0, 32, 288, ACTIVATION_INT8_32},     [PACK_Q4_K] = {TENSOR_Q4_K, 256, 2368, ACTIVATION_INT8_256},
    [PACK_Q6_K] = {TENSOR_Q6_K, 256, 3360, ACTIVATION_INT8_256},  [PACK_Q4_1] = {TENSOR_Q4_1, 32, 320, ACTIVATION_INT8_32},
    [PACK_Q5_0] = {TENSOR_Q5_0, 32, 352, ACTIVATION_INT8_32},     [PACK_Q5_1] = {TENSOR_Q5_1, 32, 384, ACTIVATION_INT8_32},
    [PACK_IQ4_NL] = {TENSOR_IQ4_NL, 32, 288, ACTIVATION_INT8_32}, [PACK_MXFP4] = {TENSOR_MXFP4, 32, 288, ACTIVATION_INT8_32},
    [PACK_Q2_K] = {TENSOR_Q2_K, 256, 1344, ACTIVATION_INT8_256},  [PACK_Q3_K] = {TENSOR_Q3_K, 256, 1824, ACTIVATION_INT8_256},
    [PACK_Q5_K] = {TENSOR_Q5_K, 256, 2880, ACTIVATION_INT8_256},  [PACK_IQ4_XS] = {TENSOR_IQ4_XS, 256, 2208, ACTIVATION_INT8_256},
};

enum pack_format pack_format_of(enum tensor_type type)
{
    int format = 0;
    while (layouts[format].type != type) // every type has a layout
        format++;
    return (enum pack_format)format;
}

size_t pack_panel_bytes(enum pack_format format, int64_t k)
{
    return (size_t)((k + layouts[format].values - 1) / layouts[format].values) * (size_t)layouts[format].bytes;
}

enum activation pack_activation(enum pack_format format)
{
    return layouts[format].activation;
}

static void pack_q8_0(const uint8_t *block, int r, uint8_t *out)
{
    memcpy(out + 2 * r, block, 2);
    for (int i = 0; i < 32; i++)
        out[32 + i / 4 * 64 + r * 4 + i % 4] = block[2 + i] ^ 0x80;
}

/* 32 values of 4 bits: groups 0–3 in low nibbles, 4–7 in high ones. value(i) gives them. */
static void pack_nibbles(const uint8_t values[32], int r, uint8_t *out)
{
    for (int i = 0; i < 16; i++)
        out[i / 4 * 64 + r * 4 + i % 4] = (uint8_t)(values[i] | values[i + 16] << 4);
}

static void pack_q4_0(const uint8_t *block, int r, uint8_t *out)
{
    uint8_t values[32];
    memcpy(out + 2 * r, block, 2);
    nibble_codes(block + 2, values);
    pack_nibbles(values, r, out + 32);
}

/* The fifth bits of 32 codes: bit j for group j. */
static void pack_fifth(const uint8_t codes[32], int r, uint8_t *out)
{
    for (int i = 0; i < 32; i++)
        out[r * 4 + i % 4] |= (uint8_t)(codes[i] >> 4 << (i / 4));
}

/* The formats of 32 codes with four or five bits: a head of one or two halves, from the block's first bytes, then the codes. */
static void pack_codes_32(enum pack_format packed, const uint8_t *block, int r, uint8_t *out)
{
    bool fifth = packed == PACK_Q5_0 || packed == PACK_Q5_1;
    int halves = packed == PACK_Q4_1 || packed == PACK_Q5_1 ? 2 : 1, head = packed == PACK_MXFP4 ? 1 : 2 * halves;
    uint8_t codes[32], low[32];
    if (packed == PACK_MXFP4) {
        uint16_t scale = f32_to_bf16(mxfp4_scale(block[0])); // exact: a power of two
        memcpy(out + 2 * r, &scale, 2);
    } else
        for (int i = 0; i < halves; i++)
            memcpy(out + 32 * i + 2 * r, block + 2 * i, 2);
    nibble_codes(block + head + (fifth ? 4 : 0), codes);
    if (fifth)
        fifth_bits(block + head, codes);
    for (int i = 0; i < 32; i++)
        low[i] = codes[i] & 15;
    pack_nibbles(low, r, out + 32 * halves);
    if (fifth)
        pack_fifth(codes, r, out + 32 * halves + 256);
}

/* Bit pairs of 256 codes: for each 64 of them at `stride` bytes, the pairs of four groups in a byte. */
static void pack_pairs(const uint8_t codes[256], int r, int stride, uint8_t *out)
{
    for (int i = 0; i < 256; i++) {
        int group = i % 64 / 4;
        out[i / 64 * stride + (group & 3) * 64 + r * 4 + i % 4] |= (uint8_t)((codes[i] & 3) << (group / 4 * 2));
    }
}

static void pack_q2_k(const uint8_t *block, int r, uint8_t *out)
{
    uint8_t codes[256];
    memcpy(out + 2 * r, block + 80, 2);
    memcpy(out + 32 + 2 * r, block + 82, 2);
    for (int j = 0; j < 16; j++)
        out[64 + j * 16 + r] = block[j];
    q2_k_codes(block, codes);
    pack_pairs(codes, r, 256, out + 320);
}

static void pack_q3_k(const uint8_t *block, int r, uint8_t *out)
{
    uint8_t codes[256];
    memcpy(out + 2 * r, block + 108, 2);
    for (int j = 0; j < 16; j++)
        out[32 + j * 16 + r] = (uint8_t)q3_k_scale(block + 96, j);
    q3_k_codes(block, codes);
    pack_pairs(codes, r, 384, out + 288);
    for (int i = 0; i < 256; i++) {
        int group = i % 64 / 4;
        out[288 + i / 64 * 384 + 256 + group / 8 * 64 + r * 4 + i % 4] |= (uint8_t)(codes[i] >> 2 << (group & 7));
    }
}

/* Scale and minimum of sub-block j of Q4_K and Q5_K; minimums lie in pairs. */
static void put_scale(uint8_t *out, int j, int r, int scale, int minimum)
{
    out[64 + j * 16 + r] = (uint8_t)scale;
    out[192 + (j / 2 * 16 + r) * 2 + j % 2] = (uint8_t)minimum;
}

static void pack_q5_k(const uint8_t *block, int r, uint8_t *out)
{
    uint8_t codes[256], low[32];
    memcpy(out + 2 * r, block, 2);
    memcpy(out + 32 + 2 * r, block + 2, 2);
    q5_k_codes(block, codes);
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        q4_k_scale(block + 4, j, &scale, &minimum);
        put_scale(out, j, r, scale, minimum);
        for (int i = 0; i < 32; i++)
            low[i] = codes[j * 32 + i] & 15;
        pack_nibbles(low, r, out + 320 + j * 320);
        pack_fifth(codes + j * 32, r, out + 320 + j * 320 + 256);
    }
}

static void pack_iq4_xs(const uint8_t *block, int r, uint8_t *out)
{
    uint8_t codes[32];
    memcpy(out + 2 * r, block, 2);
    for (int j = 0; j < 8; j++) {
        out[32 + j * 16 + r] = (uint8_t)iq4_xs_scale(block, j);
        nibble_codes(block + 8 + j * 16, codes);
        pack_nibbles(codes, r, out + 160 + j * 256);
    }
}

static void pack_q4_k(const uint8_t *block, int r, uint8_t *out)
{
    memcpy(out + 2 * r, block, 2);
    memcpy(out + 32 + 2 * r, block + 2, 2);
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        uint8_t values[32];
        q4_k_scale(block + 4, j, &scale, &minimum);
        put_scale(out, j, r, scale, minimum);
        for (int i = 0; i < 32; i++) {
            uint8_t pair = block[16 + j / 2 * 32 + i];
            values[i] = j & 1 ? pair >> 4 : pair & 15;
        }
        pack_nibbles(values, r, out + 320 + j * 256);
    }
}

static void pack_q6_k(const uint8_t *block, int r, uint8_t *out)
{
    memcpy(out + 2 * r, block + 208, 2);
    for (int j = 0; j < 16; j++)
        out[32 + j * 16 + r] = block[192 + j];
    for (int i = 0; i < 256; i++) {
        int code = q6_k_value(block, i) + 32, group = i % 16 / 4;
        uint8_t *at = out + 288 + i / 16 * 192 + r * 4 + i % 4;
        if (group < 3)
            at[group * 64] |= (uint8_t)code;
        for (int v = 0; group == 3 && v < 3; v++)
            at[v * 64] |= (uint8_t)((code >> 2 * v & 3) << 6);
    }
}

void pack_panel(enum tensor_type type, const uint8_t *matrix, int64_t rows, int64_t k, int64_t first, uint8_t *panel)
{
    const struct tensor_format *format = tensor_format((uint32_t)type);
    enum pack_format packed = pack_format_of(type);
    int64_t blocks = k / format->block_values;
    size_t out_bytes = (size_t)layouts[packed].bytes;
    memset(panel, 0, pack_panel_bytes(packed, k));
    for (int r = 0; r < PANEL_ROWS && first + r < rows; r++) {
        const uint8_t *block = matrix + (first + r) * blocks * format->block_bytes;
        uint8_t *out = panel;
        for (int64_t i = 0; i < blocks; i++, block += format->block_bytes, out += out_bytes)
            switch (packed) {
            case PACK_Q8_0:
                pack_q8_0(block, r, out);
                break;
            case PACK_Q4_0:
                pack_q4_0(block, r, out);
                break;
            case PACK_Q4_K:
                pack_q4_k(block, r, out);
                break;
            case PACK_Q6_K:
                pack_q6_k(block, r, out);
                break;
            case PACK_Q4_1:
            case PACK_Q5_0:
            case PACK_Q5_1:
            case PACK_IQ4_NL:
            case PACK_MXFP4:
                pack_codes_32(packed, block, r, out);
                break;
            case PACK_Q2_K:
                pack_q2_k(block, r, out);
                break;
            case PACK_Q3_K:
                pack_q3_k(block, r, out);
                break;
            case PACK_Q5_K:
                pack_q5_k(block, r, out);
                break;
            case PACK_IQ4_XS:
                pack_iq4_xs(block, r, out);
                break;
            case PACK_BF16: // blocks of one value, panels of two
                memcpy(panel + ((size_t)(i / 2) * PANEL_ROWS + (size_t)r) * 4 + (size_t)(i % 2) * 2, block, 2);
                break;
            default: // one value: F32, F16
                memcpy(out + (size_t)r * (size_t)format->block_bytes, block, (size_t)format->block_bytes);
            }
    }
}

/* AVX2's packers serve AVX-512 too; the others have the definition. */
static pack_rows_fn *rows_packer(const struct cpu_kernels *kernels, enum pack_format format)
{
#if defined(__x86_64__)
    if (kernels != &cpu_kernels_scalar)
        return pack_rows_avx2[format];
#endif
    (void)kernels, (void)format;
    return NULL;
}

void pack_panel_with(const struct cpu_kernels *kernels, enum tensor_type type, const uint8_t *matrix, int64_t rows, int64_t k,
                     int64_t first, uint8_t *panel)
{
    const struct tensor_format *format = tensor_format((uint32_t)type);
    pack_rows_fn *pack = rows_packer(kernels, pack_format_of(type));
    size_t row_bytes = (size_t)(k / format->block_values) * (size_t)format->block_bytes;
    if (pack && first + PANEL_ROWS <= rows && k % 8 == 0)
        pack(matrix + (size_t)first * row_bytes, row_bytes, k, panel);
    else
        pack_panel(type, matrix, rows, k, first, panel);
}
