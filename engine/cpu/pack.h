/* Packing weights into the panels that the kernels read (kernels.h has the layouts). */
#ifndef JEOUL_CPU_PACK_H
#define JEOUL_CPU_PACK_H

#include "engine/cpu/kernels.h"
#include "engine/tensor.h"

/* The packed form of a type. */
enum pack_format pack_format_of(enum tensor_type type);

/* Packs rows first … first + 15 of a matrix [rows][k] into one panel; rows beyond the last are zero. `matrix` is the matrix's first block.
 */
void pack_panel(enum tensor_type type, const uint8_t *matrix, int64_t rows, int64_t k, int64_t first, uint8_t *panel);

#endif
