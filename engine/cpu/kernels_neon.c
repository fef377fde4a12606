/* The kernels for AArch64 with NEON, which every such processor has: vectors of 4 lanes; the rest is kernels_wide.h. Where the compiler may
 * use the dot-product instructions (ARMv8.2 and later, -march=…+dotprod), they take the place of multiply and pairwise add. */
#if defined(__aarch64__)
#include "engine/cpu/kernels.h"
#include "engine/tensor.h"

#include <arm_neon.h>

#define LANES           4
#define TILE_PANELS     1
#define ALONE_COLUMNS   4
#define QUERIES         6
#define VECTOR_REGISTER "+w"
#define STREAM_AHEAD    0

typedef float32x4_t vf;
typedef int32x4_t vi;

#define vf_zero()            vdupq_n_f32(0)
#define vf_set(x)            vdupq_n_f32(x)
#define vf_load(p)           vld1q_f32(p)
#define vf_load_bytes(p)     vreinterpretq_f32_u8(vld1q_u8(p))
#define vf_store(p, x)       vst1q_f32(p, x)
#define vf_add(a, b)         vaddq_f32(a, b)
#define vf_sub(a, b)         vsubq_f32(a, b)
#define vf_mul(a, b)         vmulq_f32(a, b)
#define vf_div(a, b)         vdivq_f32(a, b)
#define vf_fma(a, b, c)      vfmaq_f32(c, a, b)
#define vf_abs(a)            vabsq_f32(a)
#define vf_round(a)          vrndnq_f32(a)
#define vf_from_vi(a)        vcvtq_f32_s32(a)
#define vf_load_f16(p)       vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)(const void *)(p))))
#define vf_store_f16(p, x)   vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)))
#define vf_load_bf16(p)      vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8((const uint8_t *)(const void *)(p))), 16))
#define vi_set(x)            vdupq_n_s32(x)
#define vi_load(p)           vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)(const void *)(p)))
#define vi_and(a, b)         vandq_s32(a, b)
#define vi_or(a, b)          vorrq_s32(a, b)
#define vi_add(a, b)         vaddq_s32(a, b)
#define vi_shift_right(a, n) vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-(n))))
#define vi_shift_left(a, n)  vshlq_s32(a, vdupq_n_s32(n))
#define vi_round(a)          vcvtnq_s32_f32(a)
#define vf_reduce_add(a)     vaddvq_f32(a)
#define vf_reduce_max(a)     vmaxvq_f32(a)
#define vi_reduce_add(a)     vaddvq_s32(a)

/* As x86 has it: of a NaN and a number the second operand. */
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline uint32_t load_word(const void *p)
{
    uint32_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

static inline vf vf_load_u8(const uint8_t *p)
{
    uint16x8_t wide = vmovl_u8(vcreate_u8(load_word(p)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}

static inline vf vf_load_i8(const uint8_t *p)
{
    int16x8_t wide = vmovl_s8(vcreate_s8(load_word(p)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

static inline vi vi_load_u8(const uint8_t *p)
{
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(load_word(p))))));
}

/* 16 bytes that vi_lookup finds by codes 0 … 15 in every byte */
#define vi_table(p)             vreinterpretq_s32_u8(vld1q_u8(p))
#define vi_lookup(table, codes) vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(table), vreinterpretq_u8_s32(codes)))

/* n is a whole number from −126 to 127 */
static inline vf vf_mul_power_of_two(vf a, vf n)
{
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23)));
}

static inline void vi_store_i8(int8_t *p, vi a)
{
    int16x4_t words = vqmovn_s32(a);
    uint32_t bytes = vget_lane_u32(vreinterpret_u32_s8(vqmovn_s16(vcombine_s16(words, words))), 0);
    __builtin_memcpy(p, &bytes, sizeof bytes);
}

/* Sum of s8 × s8 over the four bytes of each lane; weights that are at most 127 are the same with and without a sign. */
static inline vi vi_dot(vi sum, vi u, vi s)
{
    int8x16_t a = vreinterpretq_s8_s32(u), b = vreinterpretq_s8_s32(s);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, a, b);
#else
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b))), high = vpaddlq_s16(vmull_high_s8(a, b));
    return vaddq_s32(sum, vpaddq_s32(low, high));
#endif
}

/* Q8_0: the panel holds q + 128, which is q with its highest bit turned; −128 times at most 127 twice stays within 16 bits. */
#define vi_q8_begin(x) ((void)(x), vi_set(0))
static inline vi vi_q8_dot(vi sum, vi u, vi s)
{
    return vi_dot(sum, vreinterpretq_s32_u8(veorq_u8(vreinterpretq_u8_s32(u), vdupq_n_u8(0x80))), s);
}

/* Sum of s16 × s16 over the two halves of each lane. */
static inline vi vi_dot_16(vi sum, vi a, vi b)
{
    int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}
#define vi_load_u8_pairs(p) vreinterpretq_s32_u16(vmovl_u8(vld1_u8(p)))
#define vf_even_bf16(a)     vreinterpretq_f32_s32(vshlq_n_s32(a, 16))
#define vf_odd_bf16(a)      vreinterpretq_f32_s32(vandq_s32(a, vdupq_n_s32((int32_t)0xFFFF0000)))
/* To nearest even; a NaN stays one. */
static inline void vf_store_bf16(uint16_t *p, vf x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x), last = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(last, vdupq_n_u32(0x7FFF)));
    rounded = vbslq_u32(vceqq_f32(x, x), rounded, vorrq_u32(bits, vdupq_n_u32(0x400000)));
    vst1_u16(p, vshrn_n_u32(rounded, 16));
}

#include "engine/cpu/kernels_wide.h"
#include "engine/cpu/probe_kernels.h"
#include "engine/cpu/training_kernels.h"

const struct cpu_kernels cpu_kernels_neon = {
    .name = "neon",
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
