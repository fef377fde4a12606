/* Packing: see pack.h. Each packer writes one block column (16 rows × the block's values); rows that are missing stay zero bytes, which is
 * the value 0 in every format once its scale is 0. */
#include "engine/cpu/pack.h"

#include <string.h>

enum pack_format pack_format_of(enum tensor_type type)
{
    switch (type) {
    case TENSOR_F16:
        return PACK_F16;
    case TENSOR_BF16:
        return PACK_BF16;
    case TENSOR_Q8_0:
        return PACK_Q8_0;
    case TENSOR_Q4_0:
        return PACK_Q4_0;
    case TENSOR_Q4_K:
        return PACK_Q4_K;
    case TENSOR_Q6_K:
        return PACK_Q6_K;
    case TENSOR_F32:
        break;
    }
    return PACK_F32;
}

static const struct {
    int values, bytes; // of 16 rows
    enum activation activation;
} layouts[PACK_COUNT] = {
    [PACK_F32] = {1, 64, ACTIVATION_FLOAT},         [PACK_F16] = {1, 32, ACTIVATION_FLOAT},
    [PACK_BF16] = {1, 32, ACTIVATION_FLOAT},        [PACK_Q8_0] = {32, 544, ACTIVATION_INT8_32},
    [PACK_Q4_0] = {32, 288, ACTIVATION_INT8_32},    [PACK_Q4_K] = {256, 2368, ACTIVATION_INT8_256},
    [PACK_Q6_K] = {256, 3360, ACTIVATION_INT8_256},
};

size_t pack_panel_bytes(enum pack_format format, int64_t k)
{
    return (size_t)(k / layouts[format].values) * (size_t)layouts[format].bytes;
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
    for (int i = 0; i < 16; i++) {
        values[i] = block[2 + i] & 15;
        values[i + 16] = block[2 + i] >> 4;
    }
    pack_nibbles(values, r, out + 32);
}

static void pack_q4_k(const uint8_t *block, int r, uint8_t *out)
{
    memcpy(out + 2 * r, block, 2);
    memcpy(out + 32 + 2 * r, block + 2, 2);
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        uint8_t values[32];
        q4_k_scale(block + 4, j, &scale, &minimum);
        out[64 + j * 16 + r] = (uint8_t)scale;
        out[192 + j * 16 + r] = (uint8_t)minimum;
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
        int value = q6_k_value(block, i) + 32, group = i % 64 / 4, byte = i % 4;
        uint8_t *chunk = out + 288 + i / 64 * 768;
        chunk[(group & 7) * 64 + r * 4 + byte] |= (uint8_t)((value & 15) << (group / 8 * 4));
        chunk[512 + (group & 3) * 64 + r * 4 + byte] |= (uint8_t)(value >> 4 << (group / 4 * 2));
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
            default: // one value: F32, F16, BF16
                memcpy(out + (size_t)r * (size_t)format->block_bytes, block, (size_t)format->block_bytes);
            }
    }
}
