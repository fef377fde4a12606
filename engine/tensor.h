/* Tensors as GGUF files have them: types, block sizes, and the scalar conversion to float that defines each type.
 *
 * A row of `k` values is k / block_values blocks of block_bytes each. Layouts are those of the GGUF specification; tensor_to_float is met
 * bit for bit by the golden files. */
#ifndef JEOUL_ENGINE_TENSOR_H
#define JEOUL_ENGINE_TENSOR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* The numbers are GGUF's. */
enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16 = 1,
    TENSOR_Q4_0 = 2,
    TENSOR_Q8_0 = 8,
    TENSOR_Q4_K = 12,
    TENSOR_Q6_K = 14,
    TENSOR_BF16 = 30,
};

struct tensor_format {
    enum tensor_type type;
    const char *name; // "Q4_K"
    int block_values; // values in a block
    int block_bytes;
    void (*to_float)(const void *blocks, float *out, int64_t count); // count values, a multiple of block_values
};

/* NULL for a number that is not supported. */
const struct tensor_format *tensor_format(uint32_t type);
const struct tensor_format *tensor_format_at(size_t index); // all of them in turn; NULL past the end

struct tensor {
    const char *name;
    const struct tensor_format *format;
    int n_dims;
    int64_t shape[4]; // shape[0] contiguous; unused dimensions are 1
    const void *data; // in the mapped file
    uint64_t offset, bytes;
};

/* Pieces of the K formats that packers share: the j-th (0–7) 6-bit scale and minimum of a Q4_K block; the i-th (0–255) value of a Q6_K
 * block, −32 … 31, before its scales. */
void q4_k_scale(const uint8_t packed[12], int j, int *scale, int *minimum);
int q6_k_value(const uint8_t *block, int i);

/* Single values, by the rules of IEEE 754 (round to nearest even on the way down). */
float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t brain);
uint16_t f32_to_bf16(float value);

#endif
