/* Probes of the machine's limits, one table for each instruction set. Arithmetic is counted as multiply and add apart, memory as bytes
 * read plus bytes written by the program (not what caches move besides). n is a multiple of 8192, arrays are aligned to 64 bytes. */
#ifndef JEOUL_CPU_PROBES_H
#define JEOUL_CPU_PROBES_H

#include "engine/engine.h"

enum { PROBE_UNITS = 3 }; // int8 (u8 × s8 → s32), BF16 pairs, F32: ENGINE_PROBE_INT8 … ENGINE_PROBE_F32

struct cpu_probes {
    /* `rounds` of independent products of registers; NULL: this instruction set has no such unit. Returns the operations done. */
    double (*from_registers[PROBE_UNITS])(int64_t rounds);
    /* The same products with every vector of n bytes loaded once as one of the two operands. */
    double (*from_bytes[PROBE_UNITS])(const uint8_t *bytes, size_t n);
    void (*read)(const uint8_t *bytes, size_t n);
    void (*write)(uint8_t *bytes, size_t n);
    void (*copy)(uint8_t *to, const uint8_t *from, size_t n);
};

#endif
