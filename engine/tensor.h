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
    TENSOR_Q4_1 = 3,
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q2_K = 10,
    TENSOR_Q3_K = 11,
    TENSOR_Q4_K = 12,
    TENSOR_Q5_K = 13,
    TENSOR_Q6_K = 14,
    TENSOR_IQ4_NL = 20,
    TENSOR_IQ4_XS = 23,
    TENSOR_BF16 = 30,
    TENSOR_MXFP4 = 39,
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
/* GGUF's name of a type, supported or not; NULL for a number that GGUF doesn't have (or no longer has). */
const char *tensor_type_name(uint32_t type);

struct tensor {
    const char *name;
    const struct tensor_format *format;
    int n_dims;
    int64_t shape[4]; // shape[0] contiguous; unused dimensions are 1
    const void *data; // in the mapped file
    uint64_t offset, bytes;
};

/* Pieces that packers and encoders share. Codes are a block's packed integers before offset and scale: 0 … 3 of Q2_K, 0 … 31 of Q5_0. */
void nibble_codes(const uint8_t packed[16], uint8_t codes[32]);
void fifth_bits(const uint8_t bits[4], uint8_t codes[32]); // adds 16 to the codes whose bit is set
void q2_k_codes(const uint8_t *block, uint8_t codes[256]);
void q3_k_codes(const uint8_t *block, uint8_t codes[256]); // value = code − 4
void q5_k_codes(const uint8_t *block, uint8_t codes[256]);
int q6_k_value(const uint8_t *block, int i);                                // −32 … 31
int q3_k_scale(const uint8_t packed[12], int j);                            // j-th (0 – 15) of a Q3_K block, −32 … 31
void q4_k_scale(const uint8_t packed[12], int j, int *scale, int *minimum); // j-th (0 – 7) of a Q4_K or Q5_K block, 6 bits each
int iq4_xs_scale(const uint8_t *block, int j);                              // j-th (0 – 7), −32 … 31
float mxfp4_scale(uint8_t exponent);                                        // half of 2^(exponent − 127), for the doubled values below
extern const int8_t iq4_values[16], mxfp4_values[16];                       // what the codes of IQ4_NL and IQ4_XS, of MXFP4 stand for

/* Single values, by the rules of IEEE 754 (round to nearest even on the way down). */
float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t brain);
uint16_t f32_to_bf16(float value);

#endif
