/* The kernels for AVX2 with FMA and F16C (Haswell, Zen and later): vectors of 8 lanes; the rest is kernels_wide.h. */
#if defined(__x86_64__)
#include "engine/cpu/kernels.h"
#include "engine/tensor.h"

#include <immintrin.h>

#define LANES           8
#define VECTOR_REGISTER "+v"
#define STREAM_AHEAD    0
#define TILE_PANELS     1
#define ALONE_COLUMNS   4
#define QUERIES         3

typedef __m256 vf;
typedef __m256i vi;

#define vf_zero()          _mm256_setzero_ps()
#define vf_set(x)          _mm256_set1_ps(x)
#define vf_load(p)         _mm256_loadu_ps(p)
#define vf_load_bytes(p)   _mm256_loadu_ps((const float *)(const void *)(p))
#define vf_store(p, x)     _mm256_storeu_ps(p, x)
#define vf_add(a, b)       _mm256_add_ps(a, b)
#define vf_sub(a, b)       _mm256_sub_ps(a, b)
#define vf_mul(a, b)       _mm256_mul_ps(a, b)
#define vf_div(a, b)       _mm256_div_ps(a, b)
#define vf_fma(a, b, c)    _mm256_fmadd_ps(a, b, c)
#define vf_max(a, b)       _mm256_max_ps(a, b)
#define vf_min(a, b)       _mm256_min_ps(a, b)
#define vf_abs(a)          _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF)))
#define vf_round(a)        _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vf_from_vi(a)      _mm256_cvtepi32_ps(a)
#define vf_load_f16(p)     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_store_f16(p, x) _mm_storeu_si128((__m128i *)(void *)(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define vf_load_bf16(p)                                                                                                                    \
    _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))), 16))
#define vf_load_u8(p)        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define vf_load_i8(p)        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define vi_load_u8(p)        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#define vi_set(x)            _mm256_set1_epi32(x)
#define vi_load(p)           _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define vi_and(a, b)         _mm256_and_si256(a, b)
#define vi_or(a, b)          _mm256_or_si256(a, b)
#define vi_add(a, b)         _mm256_add_epi32(a, b)
#define vi_shift_right(a, n) _mm256_srli_epi32(a, n)
#define vi_shift_left(a, n)  _mm256_slli_epi32(a, n)
#define vi_round(a)          _mm256_cvtps_epi32(a)

/* 16 bytes that vi_lookup finds by codes 0 … 15 in every byte */
#define vi_table(p)             _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vi_lookup(table, codes) _mm256_shuffle_epi8(table, codes)

/* n is a whole number from −126 to 127 */
static inline vf vf_mul_power_of_two(vf a, vf n)
{
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)));
}

static inline float vf_reduce_add(vf a)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

static inline float vf_reduce_max(vf a)
{
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

static inline int32_t vi_reduce_add(vi a)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
}

static inline void vi_store_i8(int8_t *p, vi a)
{
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}

/* Sum of u8 × s8 over the four bytes of each lane. vpmaddubsw saturates at 16 bits: exact while u ≤ 128, as 2 · 128 · 127 < 2^15. */
static inline vi vi_dot(vi sum, vi u, vi s)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
}

/* Q8_0: the weights' magnitudes (≤ 128) by the activations with the weights' signs; no offset to begin with. */
#define vi_q8_begin(x) ((void)(x), vi_set(0))
static inline vi vi_q8_dot(vi sum, vi u, vi s)
{
    vi w = _mm256_xor_si256(u, _mm256_set1_epi8((char)0x80));
    return vi_dot(sum, _mm256_abs_epi8(w), _mm256_sign_epi8(s, w));
}

/* Sum of s16 × s16 over the two halves of each lane. */
#define vi_dot_16(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
#define vi_load_u8_pairs(p)  _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_even_bf16(a)      _mm256_castsi256_ps(_mm256_slli_epi32(a, 16))
#define vf_odd_bf16(a)       _mm256_castsi256_ps(_mm256_and_si256(a, _mm256_set1_epi32((int)0xFFFF0000)))
/* To nearest even; a NaN stays one. */
static inline void vf_store_bf16(uint16_t *p, vf x)
{
    vi bits = _mm256_castps_si256(x), last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    vi rounded = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7FFF)));
    vi broken = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)), broken), 16);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1)));
}

#include "engine/cpu/kernels_wide.h"
#include "engine/cpu/probe_kernels.h"
#include "engine/cpu/training_kernels.h"

const struct cpu_kernels cpu_kernels_avx2 = {
    .name = "avx2",
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
