/* Matrices taken apart into planes: the layout of kernels/formats.cl. Nothing is rounded; a row whose width is no multiple of 32 (float
 * formats only) is filled up with zeros. */
#include "engine/gpu/gpu.h"

#include <string.h>

enum { GROUP = 32, MOST_VALUES = 256 };

/* A block of any format in pieces. */
struct pieces {
    uint8_t codes[MOST_VALUES];
    uint8_t scales[MOST_VALUES / GROUP][2];
    uint8_t steps[4];
};

/* What a group of 32 values has in each plane. */
struct layout {
    enum tensor_type type;
    int code_bits, high_bits; // of a code the low bits and the rest; 16 and 32: the values themselves
    int scale_bytes;
    int step_bytes; // of a block
    void (*take)(const uint8_t *block, struct pieces *out);
};

static void take_q8_0(const uint8_t *b, struct pieces *p)
{
    memcpy(p->codes, b + 2, 32);
    memcpy(p->steps, b, 2);
}

static void take_q4_0(const uint8_t *b, struct pieces *p) // and IQ4_NL
{
    nibble_codes(b + 2, p->codes);
    memcpy(p->steps, b, 2);
}

static void take_q4_1(const uint8_t *b, struct pieces *p)
{
    nibble_codes(b + 4, p->codes);
    memcpy(p->steps, b, 4);
}

static void take_q5_0(const uint8_t *b, struct pieces *p)
{
    nibble_codes(b + 6, p->codes);
    fifth_bits(b + 2, p->codes);
    memcpy(p->steps, b, 2);
}

static void take_q5_1(const uint8_t *b, struct pieces *p)
{
    nibble_codes(b + 8, p->codes);
    fifth_bits(b + 4, p->codes);
    memcpy(p->steps, b, 4);
}

static void take_mxfp4(const uint8_t *b, struct pieces *p)
{
    nibble_codes(b + 1, p->codes);
    p->scales[0][0] = b[0];
}

static void take_k_scales(const uint8_t *b, struct pieces *p)
{
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        q4_k_scale(b + 4, j, &scale, &minimum);
        p->scales[j][0] = (uint8_t)scale;
        p->scales[j][1] = (uint8_t)minimum;
    }
    memcpy(p->steps, b, 4);
}

static void take_q4_k(const uint8_t *b, struct pieces *p)
{
    take_k_scales(b, p);
    for (int i = 0; i < 256; i++) {
        uint8_t both = b[16 + i / 64 * 32 + i % 32];
        p->codes[i] = i / 32 & 1 ? both >> 4 : both & 15;
    }
}

static void take_q5_k(const uint8_t *b, struct pieces *p)
{
    take_k_scales(b, p);
    q5_k_codes(b, p->codes);
}

static void take_q6_k(const uint8_t *b, struct pieces *p)
{
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < 32; i++) { // four codes share a byte of high bits
            uint8_t *codes = p->codes + half * 128 + i, first = b[half * 64 + i], second = b[half * 64 + 32 + i],
                    high = b[128 + half * 32 + i];
            codes[0] = (uint8_t)((first & 15) | (high & 3) << 4);
            codes[32] = (uint8_t)((second & 15) | (high >> 2 & 3) << 4);
            codes[64] = (uint8_t)(first >> 4 | (high >> 4 & 3) << 4);
            codes[96] = (uint8_t)(second >> 4 | high >> 6 << 4);
        }
    memcpy(p->scales, b + 192, 16);
    memcpy(p->steps, b + 208, 2);
}

static void take_q2_k(const uint8_t *b, struct pieces *p)
{
    q2_k_codes(b, p->codes);
    memcpy(p->scales, b, 16);
    memcpy(p->steps, b + 80, 4);
}

static void take_q3_k(const uint8_t *b, struct pieces *p)
{
    q3_k_codes(b, p->codes);
    for (int j = 0; j < 16; j++)
        p->scales[j / 2][j % 2] = (uint8_t)q3_k_scale(b + 96, j);
    memcpy(p->steps, b + 108, 2);
}

static void take_iq4_xs(const uint8_t *b, struct pieces *p)
{
    for (int j = 0; j < 8; j++) {
        nibble_codes(b + 8 + j * 16, p->codes + j * 32);
        p->scales[j][0] = (uint8_t)iq4_xs_scale(b, j);
    }
    memcpy(p->steps, b, 2);
}

static const struct layout layouts[] = {
    {TENSOR_F32, 32, 0, 0, 0, NULL},          {TENSOR_F16, 16, 0, 0, 0, NULL},      {TENSOR_BF16, 16, 0, 0, 0, NULL},
    {TENSOR_Q8_0, 8, 0, 0, 2, take_q8_0},     {TENSOR_Q4_0, 4, 0, 0, 2, take_q4_0}, {TENSOR_Q4_1, 4, 0, 0, 4, take_q4_1},
    {TENSOR_Q5_0, 4, 1, 0, 2, take_q5_0},     {TENSOR_Q5_1, 4, 1, 0, 4, take_q5_1}, {TENSOR_IQ4_NL, 4, 0, 0, 2, take_q4_0},
    {TENSOR_MXFP4, 4, 0, 1, 0, take_mxfp4},   {TENSOR_Q4_K, 4, 0, 2, 4, take_q4_k}, {TENSOR_Q5_K, 4, 1, 2, 4, take_q5_k},
    {TENSOR_Q6_K, 4, 2, 2, 2, take_q6_k},     {TENSOR_Q2_K, 2, 0, 2, 4, take_q2_k}, {TENSOR_Q3_K, 2, 1, 2, 2, take_q3_k},
    {TENSOR_IQ4_XS, 4, 0, 1, 2, take_iq4_xs},
};

static const struct layout *layout_of(enum tensor_type type)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL; // there is none: test_planes asks for every format
}

void gpu_plane_bytes(const struct gpu_weight *w, size_t out[GPU_PLANES])
{
    const struct tensor_format *format = w->tensor->format;
    const struct layout *l = layout_of(format->type);
    size_t groups = (size_t)(w->cols + GROUP - 1) / GROUP, blocks = (size_t)(w->cols / format->block_values);
    out[0] = groups * (size_t)l->code_bits * 4;
    out[1] = groups * (size_t)l->high_bits * 4;
    out[2] = groups * (size_t)l->scale_bytes;
    out[3] = blocks * (size_t)l->step_bytes;
}

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

void gpu_planes(struct gpu_weight *w)
{
    uint64_t rows = (uint64_t)w->rows * (uint64_t)w->experts;
    size_t row[GPU_PLANES];
    gpu_plane_bytes(w, row);
    w->high = aligned(rows * row[0]);
    w->scales = w->high + aligned(rows * row[1]);
    w->steps = w->scales + aligned(rows * row[2]);
    w->bytes = w->steps + aligned(rows * row[3]);
}

/* Bits of 32 codes in words, value 0 lowest; nibbles as GGUF has them: value j and j + 16 in byte j. */
static void put_codes(const struct layout *l, const uint8_t *codes, uint8_t *low, uint8_t *high)
{
    uint32_t words[2] = {0};
    if (l->code_bits == 8)
        memcpy(low, codes, GROUP);
    else if (l->code_bits == 4)
        for (int j = 0; j < 16; j++)
            low[j] = (uint8_t)((codes[j] & 15) | (codes[j + 16] & 15) << 4);
    else {
        for (int j = 0; j < GROUP; j++)
            words[j / 16] |= (uint32_t)(codes[j] & 3) << (j % 16 * 2);
        memcpy(low, words, sizeof words);
        words[0] = words[1] = 0;
    }
    for (int j = 0; j < GROUP; j++)
        if (l->high_bits == 1)
            words[0] |= (uint32_t)(codes[j] >> l->code_bits & 1) << j;
        else if (l->high_bits == 2)
            words[j / 16] |= (uint32_t)(codes[j] >> l->code_bits & 3) << (j % 16 * 2);
    memcpy(high, words, (size_t)l->high_bits * 4);
}

void gpu_take_rows(const struct gpu_weight *w, int64_t first, int64_t rows, uint8_t *const out[GPU_PLANES])
{
    const struct tensor_format *format = w->tensor->format;
    const struct layout *l = layout_of(format->type);
    size_t from_row = (size_t)(w->cols / format->block_values) * (size_t)format->block_bytes, row[GPU_PLANES];
    const uint8_t *from = (const uint8_t *)w->tensor->data + (size_t)first * from_row;
    int groups = format->block_values / GROUP;
    uint8_t *codes = out[0], *high = out[1], *scales = out[2], *steps = out[3];
    struct pieces pieces = {0};
    gpu_plane_bytes(w, row);
    for (int64_t r = 0; r < rows; r++, from += from_row) {
        if (!l->take) {
            memset(codes, 0, row[0]);
            memcpy(codes, from, from_row);
            codes += row[0];
            continue;
        }
        for (const uint8_t *block = from; block < from + from_row; block += format->block_bytes) {
            l->take(block, &pieces);
            for (int g = 0; g < groups; g++) {
                put_codes(l, pieces.codes + g * GROUP, codes, high);
                memcpy(scales, pieces.scales[g], (size_t)l->scale_bytes);
                codes += l->code_bits * 4;
                high += l->high_bits * 4;
                scales += l->scale_bytes;
            }
            memcpy(steps, pieces.steps, (size_t)l->step_bytes);
            steps += l->step_bytes;
        }
    }
}
