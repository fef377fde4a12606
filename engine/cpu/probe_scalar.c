/* The probes in plain C, as the compiler makes them for every processor of this kind: see probes.h. */
#include "engine/cpu/kernels.h"

#include <string.h>

enum { SUMS = 16 };

/* NEXT(sum, i, j) is the sum after one product; its factors change with the round or are the sum itself, so that none can be left out. */
#define PROBE_OF(NAME, SUM, VALUE, NEXT, PRODUCT)                                                                                          \
    static double NAME##_registers(int64_t rounds)                                                                                         \
    {                                                                                                                                      \
        SUM sums[SUMS] = {0};                                                                                                              \
        for (uint32_t i = 0; i < (uint32_t)rounds; i++)                                                                                    \
            for (uint32_t j = 0; j < SUMS; j++)                                                                                            \
                sums[j] = NEXT(sums[j], i, j);                                                                                             \
        __asm__ volatile("" : : "r"(sums) : "memory");                                                                                     \
        return 2.0 * SUMS * (double)rounds;                                                                                                \
    }                                                                                                                                      \
    static double NAME##_bytes(const uint8_t *bytes, size_t n)                                                                             \
    {                                                                                                                                      \
        SUM sums[SUMS] = {0};                                                                                                              \
        for (size_t i = 0; i < n; i += SUMS * sizeof(VALUE)) {                                                                             \
            VALUE values[SUMS];                                                                                                            \
            memcpy(values, bytes + i, sizeof values);                                                                                      \
            for (int j = 0; j < SUMS; j++)                                                                                                 \
                sums[j] += PRODUCT(values[j]);                                                                                             \
        }                                                                                                                                  \
        __asm__ volatile("" : : "r"(sums) : "memory");                                                                                     \
        return 2.0 * (double)n / (double)sizeof(VALUE);                                                                                    \
    }

/* Unsigned sums wrap. */
#define INT8_NEXT(sum, i, j) ((sum) + (uint8_t)((i) + (j)) * (uint32_t)(int8_t)((i) ^ (j)))
#define INT8_PRODUCT(value)  (uint32_t)((value) * -3)
#define F32_NEXT(sum, i, j)  ((sum)*0.999f + 1.0f)
#define F32_PRODUCT(value)   ((value)*0.999f)
PROBE_OF(probe_int8, uint32_t, uint8_t, INT8_NEXT, INT8_PRODUCT)
PROBE_OF(probe_f32, float, float, F32_NEXT, F32_PRODUCT)

static void probe_read(const uint8_t *bytes, size_t n)
{
    uint64_t sums[SUMS] = {0};
    for (size_t i = 0; i < n; i += sizeof sums) {
        uint64_t words[SUMS];
        memcpy(words, bytes + i, sizeof words);
        for (int j = 0; j < SUMS; j++)
            sums[j] ^= words[j];
    }
    __asm__ volatile("" : : "r"(sums) : "memory");
}

static void probe_write(uint8_t *bytes, size_t n)
{
    memset(bytes, 1, n);
}

static void probe_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, n);
}

const struct cpu_probes cpu_probes_scalar = {
    .from_registers = {probe_int8_registers, NULL, probe_f32_registers},
    .from_bytes = {probe_int8_bytes, NULL, probe_f32_bytes},
    .read = probe_read,
    .write = probe_write,
    .copy = probe_copy,
};
