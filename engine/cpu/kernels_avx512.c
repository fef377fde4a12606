/* The kernels for AVX-512 with VNNI and BF16 (Zen 4, Sapphire Rapids and later): vectors of 16 lanes; the rest is kernels_wide.h. */
#if defined(__x86_64__)
#include "engine/cpu/kernels.h"
#include "engine/tensor.h"

#include <immintrin.h>

#define LANES           16
#define VECTOR_REGISTER "+v"
#ifndef STREAM_AHEAD
#define STREAM_AHEAD 0
#endif
#define TILE_PANELS   2
#define ALONE_COLUMNS 8
#define QUERIES       6

typedef __m512 vf;
typedef __m512i vi;

#define vf_zero()                 _mm512_setzero_ps()
#define vf_set(x)                 _mm512_set1_ps(x)
#define vf_load(p)                _mm512_loadu_ps(p)
#define vf_load_bytes(p)          _mm512_loadu_ps((const float *)(const void *)(p))
#define vf_store(p, x)            _mm512_storeu_ps(p, x)
#define vf_add(a, b)              _mm512_add_ps(a, b)
#define vf_sub(a, b)              _mm512_sub_ps(a, b)
#define vf_mul(a, b)              _mm512_mul_ps(a, b)
#define vf_div(a, b)              _mm512_div_ps(a, b)
#define vf_fma(a, b, c)           _mm512_fmadd_ps(a, b, c)
#define vf_max(a, b)              _mm512_max_ps(a, b)
#define vf_min(a, b)              _mm512_min_ps(a, b)
#define vf_abs(a)                 _mm512_abs_ps(a)
#define vf_round(a)               _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vf_mul_power_of_two(a, n) _mm512_scalef_ps(a, n)
#define vf_reduce_add(a)          _mm512_reduce_add_ps(a)
#define vf_reduce_max(a)          _mm512_reduce_max_ps(a)
#define vf_from_vi(a)             _mm512_cvtepi32_ps(a)
#define vf_load_f16(p)            _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define vf_store_f16(p, x)        _mm256_storeu_si256((__m256i *)(void *)(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define vf_load_bf16(p)                                                                                                                    \
    _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(p))), 16))
#define vf_load_u8(p)        _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define vf_load_i8(p)        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define vi_load_u8(p)        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vi_set(x)            _mm512_set1_epi32(x)
#define vi_load(p)           _mm512_loadu_si512(p)
#define vi_and(a, b)         _mm512_and_si512(a, b)
#define vi_or(a, b)          _mm512_or_si512(a, b)
#define vi_add(a, b)         _mm512_add_epi32(a, b)
#define vi_shift_right(a, n) _mm512_srli_epi32(a, n)
#define vi_shift_left(a, n)  _mm512_slli_epi32(a, n)
#define vi_round(a)          _mm512_cvtps_epi32(a)
#define vi_store_i8(p, a)    _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(a))
#define vi_reduce_add(a)     _mm512_reduce_add_epi32(a)
/* 16 bytes that vi_lookup finds by codes 0 … 15 in every byte */
#define vi_table(p)             _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vi_lookup(table, codes) _mm512_shuffle_epi8(table, codes)
/* sum of u8 × s8 over the four bytes of each lane */
#define vi_dot(sum, u, s) _mm512_dpbusd_epi32(sum, u, s)
/* Q8_0: weights are q + 128, so the sum begins with −128 Σx */
#define vi_q8_begin(x)       vi_set(-128 * (x))
#define vi_q8_dot(sum, u, s) _mm512_dpbusd_epi32(sum, u, s)

/* sum of u16 × s16 (both below 2^15) over the two halves of each lane */
#define vi_dot_16(sum, a, b) _mm512_dpwssd_epi32(sum, a, b)
#define vi_load_u8_pairs(p)  _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
/* to nearest even; a NaN stays one */
static inline void vf_store_bf16(uint16_t *p, vf x)
{
    vi bits = _mm512_castps_si512(x), last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    vi rounded = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7FFF)));
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), bits, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}
/* sums of BF16 pairs: one instruction adds both products */
typedef vf vf_pair_sum;
#define vf_add_pair(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#define vf_pair_zero()         vf_zero()
#define vf_pair_fma(a, b, c)   _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#define vf_pair_total(sum)     (sum)

#include "engine/cpu/kernels_wide.h"
#include "engine/cpu/probe_kernels.h"
#include "engine/cpu/training_kernels.h"

const struct cpu_kernels cpu_kernels_avx512 = {
    .name = "avx512",
    .panels = PANEL_FUNCTIONS,
    .quantise = {NULL, quantise_bf16, quantise_32, quantise_256},
    .norm = norm,
    .swiglu = swiglu,
    .add_scaled = add_scaled,
    .sum_exp = sum_exp,
    .from_f16 = from_f16,
    .from_bf16 = from_bf16,
    .to_f16 = to_f16,
    .attend_page = {attend_f32, attend_f16, attend_bf16},
    .probes = &probes,
    .training = &training,
};
#endif
