/* Packing weights into the panels that the kernels read (kernels.h has the layouts). */
#ifndef JEOUL_CPU_PACK_H
#define JEOUL_CPU_PACK_H

#include "engine/cpu/kernels.h"
#include "engine/tensor.h"

/* The packed form of a type. */
enum pack_format pack_format_of(enum tensor_type type);

/* Packs rows first … first + 15 of a matrix [rows][k] into one panel; rows beyond the last are zero. `matrix` is the matrix's first block.
 * The definition, byte by byte. */
void pack_panel(enum tensor_type type, const uint8_t *matrix, int64_t rows, int64_t k, int64_t first, uint8_t *panel);

/* The same bytes, by the packers that go with the kernels. */
void pack_panel_with(const struct cpu_kernels *kernels, enum tensor_type type, const uint8_t *matrix, int64_t rows, int64_t k,
                     int64_t first, uint8_t *panel);

/* A packer of an instruction set: 16 rows that are all there, k a multiple of 8 and of the format's block. */
typedef void pack_rows_fn(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *panel);
#if defined(__x86_64__)
extern pack_rows_fn *const pack_rows_avx2[PACK_COUNT];
#endif

#endif
