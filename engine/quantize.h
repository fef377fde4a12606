/* Encoders: floats into the blocks of every format. Private to the engine; convert.c quantises files with them. */
#ifndef JEOUL_ENGINE_QUANTIZE_H
#define JEOUL_ENGINE_QUANTIZE_H

#include "engine/tensor.h"

/* Encodes `count` values, a multiple of the format's block. All must be finite and, except for F32, BF16 and MXFP4, no larger than
 * QUANTIZE_LIMIT in magnitude: scales are half-precision numbers. The bytes depend on the values alone. */
void quantize_values(enum tensor_type type, const float *values, int64_t count, uint8_t *blocks);

#define QUANTIZE_LIMIT 65504.0f
bool quantize_has_limit(enum tensor_type type);

#endif
