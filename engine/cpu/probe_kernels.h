/* The probes in the words of a wide instruction set: included by its file after kernels_wide.h.
 *
 * Ten independent sums hide the latency of any unit there is and stay in registers; the empty asm keeps a loop from being
 * folded and a product of unchanged operands (three instructions on AVX2) from being taken out of it. Reads go
 * in four streams a quarter of the piece apart: measured on Zen 4 as fast as one or two streams on huge pages and a quarter faster on small
 * ones; software prefetch gave nothing, eight streams lost a sixth. Writes and copies go past the caches where an instruction does that:
 * the line isn't read first. */
#include "engine/cpu/probes.h"

#if defined(__AVX512F__)
#define vf_store_past_caches(p, x) _mm512_stream_ps(p, x)
#define fence_stores()             _mm_sfence()
#elif defined(__AVX2__)
#define vf_store_past_caches(p, x) _mm256_stream_ps(p, x)
#define fence_stores()             _mm_sfence()
#else
#define vf_store_past_caches(p, x) vf_store(p, x)
#define fence_stores()             ((void)0)
#endif

enum { PROBE_SUMS = 10, PROBE_LOADS = 8, PROBE_STREAMS = 4, VECTOR_BYTES = 4 * LANES };

/* NAME_registers and NAME_bytes: SUM starts as ZERO, PRODUCT(sum, a, b) adds OPERATIONS to it. */
#define PROBE_OF(NAME, SUM, ZERO, OPERAND, SET, LOAD, PRODUCT, OPERATIONS)                                                                 \
    static double NAME##_registers(int64_t rounds)                                                                                         \
    {                                                                                                                                      \
        SUM sums[PROBE_SUMS];                                                                                                              \
        OPERAND a = SET, b = SET;                                                                                                          \
        EACH(j, PROBE_SUMS)                                                                                                                \
            sums[j] = ZERO;                                                                                                                \
        for (int64_t i = 0; i < rounds; i++)                                                                                               \
            EACH(j, PROBE_SUMS) {                                                                                                          \
                sums[j] = PRODUCT(sums[j], a, b);                                                                                          \
                __asm__ volatile("" : VECTOR_REGISTER(sums[j]), VECTOR_REGISTER(a));                                                       \
            }                                                                                                                              \
        return (double)PROBE_SUMS * (OPERATIONS) * (double)rounds;                                                                         \
    }                                                                                                                                      \
    static double NAME##_bytes(const uint8_t *bytes, size_t n)                                                                             \
    {                                                                                                                                      \
        SUM sums[PROBE_LOADS];                                                                                                             \
        OPERAND b = SET;                                                                                                                   \
        EACH(j, PROBE_LOADS)                                                                                                               \
            sums[j] = ZERO;                                                                                                                \
        for (size_t i = 0; i < n; i += PROBE_LOADS * VECTOR_BYTES)                                                                         \
            EACH(j, PROBE_LOADS)                                                                                                           \
                sums[j] = PRODUCT(sums[j], LOAD(bytes + i + (size_t)j * VECTOR_BYTES), b);                                                 \
        EACH(j, PROBE_LOADS)                                                                                                               \
            __asm__ volatile("" : VECTOR_REGISTER(sums[j]));                                                                               \
        return (double)(n / VECTOR_BYTES) * (OPERATIONS);                                                                                  \
    }

#define probe_f32_product(sum, a, b) vf_fma(a, b, sum)
PROBE_OF(probe_int8, vi, vi_set(0), vi, vi_set(0x01020301), vi_load, vi_dot, 8 * LANES)
PROBE_OF(probe_f32, vf, vf_zero(), vf, vf_set(0.5f), vf_load_bytes, probe_f32_product, 2 * LANES)
#if defined(__AVX512BF16__)
#define probe_bf16_product(sum, a, b) vf_pair_fma(a, b, sum)
PROBE_OF(probe_bf16, vf_pair_sum, vf_pair_zero(), vi, vi_set(0x3F003F00), vi_load, probe_bf16_product, 4 * LANES)
#define PROBES_BF16(HOW) probe_bf16_##HOW
#else
#define PROBES_BF16(HOW) NULL
#endif

static void probe_read(const uint8_t *bytes, size_t n)
{
    vi sums[PROBE_STREAMS];
    size_t stream = n / PROBE_STREAMS;
    EACH(s, PROBE_STREAMS)
        sums[s] = vi_set(0);
    for (size_t i = 0; i < stream; i += 4 * VECTOR_BYTES)
        EACH(s, PROBE_STREAMS)
            EACH(j, 4)
                sums[s] = vi_add(sums[s], vi_load(bytes + (size_t)s * stream + i + (size_t)j * VECTOR_BYTES));
    EACH(s, PROBE_STREAMS)
        __asm__ volatile("" : VECTOR_REGISTER(sums[s]));
}

static void probe_write(uint8_t *bytes, size_t n)
{
    vf value = vf_set(1);
    for (size_t i = 0; i < n; i += 4 * VECTOR_BYTES)
        EACH(j, 4)
            vf_store_past_caches((float *)(void *)(bytes + i + (size_t)j * VECTOR_BYTES), value);
    fence_stores();
}

static void probe_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i += 4 * VECTOR_BYTES)
        EACH(j, 4) {
            size_t at = i + (size_t)j * VECTOR_BYTES;
            vf_store_past_caches((float *)(void *)(to + at), vf_load_bytes(from + at));
        }
    fence_stores();
}

static const struct cpu_probes probes = {
    .from_registers = {probe_int8_registers, PROBES_BF16(registers), probe_f32_registers},
    .from_bytes = {probe_int8_bytes, PROBES_BF16(bytes), probe_f32_bytes},
    .read = probe_read,
    .write = probe_write,
    .copy = probe_copy,
};
