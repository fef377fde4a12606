/* Packers with AVX2, of whole panels: the bytes that pack.c defines, at the speed of memory. AVX-512 machines use them too, as copying is
 * what limits them.
 *
 * Almost all of packing is one move: 16 bytes of each of 16 rows, taken as four groups of 4 bytes, become [4 groups][16 rows][4 bytes]. A
 * `square` is that, a `group` one of the four. Shifting and masking codes works on bytes, so that it may come after the move. */
#include "engine/cpu/pack.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

struct group {
    __m256i rows[2]; // 0 – 7, 8 – 15: 4 bytes each
};

struct square {
    struct group at[4];
};

static inline __m256i two_lanes(const uint8_t *low, const uint8_t *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)), _mm_loadu_si128((const __m128i *)high),
                                   1);
}

/* 16 bytes at `at` in each row. A lane transposes 4 rows × 4 groups. */
static inline struct square load_square(const uint8_t *at, size_t row_bytes)
{
    struct square s;
    for (int half = 0; half < 2; half++, at += 8 * row_bytes) {
        __m256i a = two_lanes(at, at + 4 * row_bytes), b = two_lanes(at + row_bytes, at + 5 * row_bytes);
        __m256i c = two_lanes(at + 2 * row_bytes, at + 6 * row_bytes), d = two_lanes(at + 3 * row_bytes, at + 7 * row_bytes);
        __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
        s.at[0].rows[half] = _mm256_unpacklo_epi64(ab, cd);
        s.at[1].rows[half] = _mm256_unpackhi_epi64(ab, cd);
        ab = _mm256_unpackhi_epi32(a, b), cd = _mm256_unpackhi_epi32(c, d);
        s.at[2].rows[half] = _mm256_unpacklo_epi64(ab, cd);
        s.at[3].rows[half] = _mm256_unpackhi_epi64(ab, cd);
    }
    return s;
}

/* 4 bytes at `at` in each row. */
static inline struct group load_group(const uint8_t *at, size_t row_bytes)
{
    int32_t values[16];
    for (int r = 0; r < 16; r++)
        memcpy(&values[r], at + (size_t)r * row_bytes, 4);
    return (struct group){{_mm256_loadu_si256((const __m256i *)values), _mm256_loadu_si256((const __m256i *)(values + 8))}};
}

static inline void store_group(struct group g, uint8_t *out)
{
    _mm256_storeu_si256((__m256i *)out, g.rows[0]);
    _mm256_storeu_si256((__m256i *)(out + 32), g.rows[1]);
}

static inline void store_square(const struct square *s, uint8_t *out)
{
    for (int g = 0; g < 4; g++)
        store_group(s->at[g], out + g * 64);
}

/* Each row's 4 bytes as two halves of 16 bits: [2][16 rows]. */
static inline void store_halves(struct group g, uint8_t *out)
{
    __m256i low = _mm256_set1_epi32(0xFFFF);
    __m256i first = _mm256_packus_epi32(_mm256_and_si256(g.rows[0], low), _mm256_and_si256(g.rows[1], low));
    __m256i second = _mm256_packus_epi32(_mm256_srli_epi32(g.rows[0], 16), _mm256_srli_epi32(g.rows[1], 16));
    _mm256_storeu_si256((__m256i *)out, _mm256_permute4x64_epi64(first, 0xD8));
    _mm256_storeu_si256((__m256i *)(out + 32), _mm256_permute4x64_epi64(second, 0xD8));
}

/* Each row's 4 bytes as four columns: [4][16 rows]. */
static inline void store_columns(struct group g, uint8_t *out)
{
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m256i a = _mm256_shuffle_epi8(g.rows[0], order), b = _mm256_shuffle_epi8(g.rows[1], order);      // a lane: [4 columns][4 rows]
    __m256i low = _mm256_permute2x128_si256(a, b, 0x20), high = _mm256_permute2x128_si256(a, b, 0x31); // rows 0–3, 8–11 · 4–7, 12–15
    __m256i first = _mm256_unpacklo_epi32(low, high), second = _mm256_unpackhi_epi32(low, high);       // columns 0, 1 · 2, 3
    first = _mm256_permute4x64_epi64(first, 0xD8), second = _mm256_permute4x64_epi64(second, 0xD8);
    _mm256_storeu_si256((__m256i *)out, first);
    _mm256_storeu_si256((__m256i *)(out + 32), second);
}

/* 16 bits at `at` in each row. */
static inline void put_halves(const uint8_t *at, size_t row_bytes, uint8_t *out)
{
    for (int r = 0; r < 16; r++)
        memcpy(out + 2 * r, at + (size_t)r * row_bytes, 2);
}

static inline __m256i masked(__m256i v, int shift, uint8_t mask) // shift > 0: to the right; the mask keeps what stays in its byte
{
    __m256i moved = shift < 0 ? _mm256_slli_epi16(v, -shift) : _mm256_srli_epi16(v, shift);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}

static inline __m256i or3(__m256i a, __m256i b, __m256i c)
{
    return _mm256_or_si256(a, _mm256_or_si256(b, c));
}

/* Low (high: 0) or high (1) nibbles of two squares as "nibbles": [4][16][4 × (a low, b high)]. */
static inline void put_nibbles(const struct square *a, const struct square *b, int high, uint8_t *out)
{
    for (int g = 0; g < 4; g++)
        for (int h = 0; h < 2; h++) {
            __m256i low = masked(a->at[g].rows[h], high ? 4 : 0, 0x0F), top = masked(b->at[g].rows[h], high ? 0 : -4, 0xF0);
            _mm256_storeu_si256((__m256i *)(out + g * 64 + h * 32), _mm256_or_si256(low, top));
        }
}

/* The bit pairs of 64 values: bits 2·i and 2·i + 1 of 32 bytes (a, b), of the low or the high nibble; first i = 0 of all, then i = 1. */
static inline void put_pairs(const struct square *a, const struct square *b, int high, uint8_t *out)
{
    for (int g = 0; g < 4; g++)
        for (int h = 0; h < 2; h++) {
            __m256i x = masked(a->at[g].rows[h], high ? 4 : 0, 0x0F), y = masked(b->at[g].rows[h], high ? 4 : 0, 0x0F);
            __m256i pairs = or3(masked(x, 0, 0x03), masked(y, -2, 0x0C), _mm256_or_si256(masked(x, -2, 0x30), masked(y, -4, 0xC0)));
            _mm256_storeu_si256((__m256i *)(out + g * 64 + h * 32), pairs);
        }
}

/* Bit `bit` of each of 32 bytes (a, b) as "bits": [16][4 × (bit j: of group j)]. */
static inline void put_bits(const struct square *a, const struct square *b, int bit, uint8_t *out)
{
    for (int h = 0; h < 2; h++) {
        __m256i bits = _mm256_setzero_si256();
        for (int g = 0; g < 8; g++)
            bits = _mm256_or_si256(bits, _mm256_slli_epi16(masked((g < 4 ? a : b)->at[g % 4].rows[h], bit, 1), g));
        _mm256_storeu_si256((__m256i *)(out + h * 32), bits);
    }
}

/* --- one value a block: k is a multiple of 8 -------------------------------------------------------------------------------------------
 */

static void pack_f32(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 4, rows += 16, out += 256) {
        struct square s = load_square(rows, row_bytes);
        store_square(&s, out);
    }
}

static void pack_f16(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 8, rows += 16, out += 256) {
        struct square s = load_square(rows, row_bytes);
        for (int g = 0; g < 4; g++)
            store_halves(s.at[g], out + g * 64);
    }
}

static void pack_bf16(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 8, rows += 16, out += 256) { // pairs of values stay together
        struct square s = load_square(rows, row_bytes);
        store_square(&s, out);
    }
}

/* --- blocks of 32 ----------------------------------------------------------------------------------------------------------------------
 */

static void pack_q8_0(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    const __m256i offset = _mm256_set1_epi8((char)0x80);
    for (int64_t i = 0; i < k; i += 32, rows += 34, out += 544) {
        put_halves(rows, row_bytes, out);
        for (int part = 0; part < 2; part++) {
            struct square s = load_square(rows + 2 + part * 16, row_bytes);
            for (int g = 0; g < 4; g++)
                for (int h = 0; h < 2; h++)
                    s.at[g].rows[h] = _mm256_xor_si256(s.at[g].rows[h], offset);
            store_square(&s, out + 32 + part * 256);
        }
    }
}

/* Swaps the bits of `mask` with those `shift` above them. */
static inline __m256i swap_bits(__m256i x, int shift, int mask)
{
    __m256i t = _mm256_and_si256(_mm256_xor_si256(x, _mm256_srli_epi32(x, shift)), _mm256_set1_epi32(mask));
    return _mm256_xor_si256(x, _mm256_xor_si256(t, _mm256_slli_epi32(t, shift)));
}

/* The fifth bits of 32 codes, bit 4·j + b of a row's 32, become bit j of byte b: the five digits of a bit's number turn by two places,
 * which is four exchanges of two digits. */
static inline void put_fifth(const uint8_t *at, size_t row_bytes, uint8_t *out)
{
    struct group g = load_group(at, row_bytes);
    for (int h = 0; h < 2; h++) {
        __m256i x = swap_bits(swap_bits(g.rows[h], 14, 0x0000CCCC), 7, 0x00AA00AA);
        g.rows[h] = swap_bits(swap_bits(x, 2, 0x0C0C0C0C), 1, 0x22222222);
    }
    store_group(g, out);
}

/* halves: of 16 bits before the codes; fifth: their bits come between. A byte of 4-bit codes is in the panel what it is in the block. */
static inline void pack_codes_32(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out, int halves, bool fifth)
{
    size_t head = 2 * (size_t)halves, block_bytes = head + (fifth ? 20 : 16);
    for (int64_t i = 0; i < k; i += 32, rows += block_bytes) {
        for (int j = 0; j < halves; j++, out += 32)
            put_halves(rows + 2 * j, row_bytes, out);
        struct square s = load_square(rows + block_bytes - 16, row_bytes);
        store_square(&s, out);
        out += 256;
        if (fifth) {
            put_fifth(rows + head, row_bytes, out);
            out += 64;
        }
    }
}

static void pack_q4_0(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out) // IQ4_NL too
{
    pack_codes_32(rows, row_bytes, k, out, 1, false);
}

static void pack_q4_1(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    pack_codes_32(rows, row_bytes, k, out, 2, false);
}

static void pack_q5_0(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    pack_codes_32(rows, row_bytes, k, out, 1, true);
}

static void pack_q5_1(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    pack_codes_32(rows, row_bytes, k, out, 2, true);
}

static void pack_mxfp4(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 32, rows += 17, out += 288) {
        for (int r = 0; r < 16; r++) { // mxfp4_scale as BF16; below 2 a subnormal
            int exponent = rows[(size_t)r * row_bytes];
            uint16_t scale = (uint16_t)(exponent < 2 ? 0x20 << exponent : (exponent - 1) << 7);
            memcpy(out + 2 * r, &scale, 2);
        }
        struct square s = load_square(rows + 1, row_bytes);
        store_square(&s, out + 32);
    }
}

/* --- blocks of 256 ---------------------------------------------------------------------------------------------------------------------
 */

static void pack_q2_k(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 256, rows += 84, out += 1344) {
        struct square scales = load_square(rows, row_bytes);
        store_halves(load_group(rows + 80, row_bytes), out);
        for (int g = 0; g < 4; g++)
            store_columns(scales.at[g], out + 64 + g * 64);
        for (int chunk = 0; chunk < 4; chunk++) {
            const uint8_t *at = rows + 16 + chunk / 2 * 32;
            struct square a = load_square(at, row_bytes), b = load_square(at + 16, row_bytes);
            put_pairs(&a, &b, chunk % 2, out + 320 + chunk * 256);
        }
    }
}

/* Four scales of six bits, less 32: low nibbles of `low` >> shift, high bits of `high` >> high_shift. */
static inline struct group q3_scales(struct group low, int shift, struct group high, int high_shift)
{
    struct group scales;
    for (int h = 0; h < 2; h++) {
        __m256i top = _mm256_slli_epi16(masked(high.rows[h], high_shift, 3), 4);
        scales.rows[h] = _mm256_sub_epi8(_mm256_or_si256(masked(low.rows[h], shift, 15), top), _mm256_set1_epi8(32));
    }
    return scales;
}

static void pack_q3_k(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 256, rows += 110, out += 1824) {
        struct group scales[3];
        for (int g = 0; g < 3; g++)
            scales[g] = load_group(rows + 96 + g * 4, row_bytes);
        put_halves(rows + 108, row_bytes, out);
        for (int j = 0; j < 4; j++)
            store_columns(q3_scales(scales[j % 2], j / 2 * 4, scales[2], j * 2), out + 32 + j * 64);
        struct square third_a = load_square(rows, row_bytes), third_b = load_square(rows + 16, row_bytes);
        for (int chunk = 0; chunk < 4; chunk++) {
            const uint8_t *at = rows + 32 + chunk / 2 * 32;
            struct square a = load_square(at, row_bytes), b = load_square(at + 16, row_bytes);
            put_pairs(&a, &b, chunk % 2, out + 288 + chunk * 384);
            put_bits(&third_a, &third_b, 2 * chunk, out + 288 + chunk * 384 + 256);
            put_bits(&third_a, &third_b, 2 * chunk + 1, out + 288 + chunk * 384 + 320);
        }
    }
}

/* The first 16 bytes of a block of Q4_K or Q5_K: d, dmin, and twelve bytes that hold 8 scales and 8 minimums of six bits. */
static inline void put_k_scales(const uint8_t *rows, size_t row_bytes, uint8_t *out)
{
    struct square head = load_square(rows, row_bytes);
    struct group scales[2], minimums[2]; // 0 – 3, 4 – 7
    for (int h = 0; h < 2; h++) {
        __m256i a = head.at[1].rows[h], b = head.at[2].rows[h], c = head.at[3].rows[h];
        scales[0].rows[h] = masked(a, 0, 63);
        minimums[0].rows[h] = masked(b, 0, 63);
        scales[1].rows[h] = _mm256_or_si256(masked(c, 0, 15), masked(a, 2, 0x30));
        minimums[1].rows[h] = _mm256_or_si256(masked(c, 4, 15), masked(b, 2, 0x30));
    }
    store_halves(head.at[0], out);
    for (int i = 0; i < 2; i++) {
        store_columns(scales[i], out + 64 + i * 64);
        store_halves(minimums[i], out + 192 + i * 64); // in pairs
    }
}

static void pack_q4_k(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 256, rows += 144, out += 2368) {
        put_k_scales(rows, row_bytes, out);
        for (int pair = 0; pair < 4; pair++) {
            const uint8_t *at = rows + 16 + pair * 32;
            struct square a = load_square(at, row_bytes), b = load_square(at + 16, row_bytes);
            put_nibbles(&a, &b, 0, out + 320 + pair * 512);
            put_nibbles(&a, &b, 1, out + 320 + pair * 512 + 256);
        }
    }
}

static void pack_q5_k(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 256, rows += 176, out += 2880) {
        put_k_scales(rows, row_bytes, out);
        struct square fifth_a = load_square(rows + 16, row_bytes), fifth_b = load_square(rows + 32, row_bytes);
        for (int j = 0; j < 8; j++) {
            const uint8_t *at = rows + 48 + j / 2 * 32;
            struct square a = load_square(at, row_bytes), b = load_square(at + 16, row_bytes);
            put_nibbles(&a, &b, j % 2, out + 320 + j * 320);
            put_bits(&fifth_a, &fifth_b, j, out + 320 + j * 320 + 256);
        }
    }
}

/* 16 codes of six bits in three vectors; the fourth group's lie by two bits above the others'. */
static inline void put_sixes(const struct square *lows, int low_shift, const struct square *highs, int high_shift, uint8_t *out)
{
    struct square codes;
    for (int g = 0; g < 4; g++)
        for (int h = 0; h < 2; h++) {
            __m256i top = masked(highs->at[g].rows[h], high_shift - 4, 0x30);
            codes.at[g].rows[h] = _mm256_or_si256(masked(lows->at[g].rows[h], low_shift, 15), top);
        }
    for (int g = 0; g < 3; g++) {
        for (int h = 0; h < 2; h++) {
            __m256i pair = masked(codes.at[3].rows[h], 2 * g - 6, 0xC0);
            codes.at[g].rows[h] = _mm256_or_si256(codes.at[g].rows[h], pair);
        }
        store_group(codes.at[g], out + g * 64);
    }
}

static void pack_q6_k(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    for (int64_t i = 0; i < k; i += 256, rows += 210, out += 3360) {
        struct square scales = load_square(rows + 192, row_bytes);
        put_halves(rows + 208, row_bytes, out);
        for (int g = 0; g < 4; g++)
            store_columns(scales.at[g], out + 32 + g * 64);
        for (int run = 0; run < 16; run++) { // 128 values are four runs of 32: two by low nibbles, two by high ones
            int quarter = run % 8 / 2;
            const uint8_t *low = rows + run / 8 * 64 + quarter % 2 * 32 + run % 2 * 16, *high = rows + 128 + run / 8 * 32 + run % 2 * 16;
            struct square lows = load_square(low, row_bytes), highs = load_square(high, row_bytes);
            put_sixes(&lows, quarter / 2 * 4, &highs, quarter * 2, out + 288 + run * 192);
        }
    }
}

/* Four of the eight scales of IQ4_XS, less 32: nibbles of 16 bits, and bit pairs of 8. */
static inline __m256i iq4_scales(__m256i nibbles, __m256i pairs)
{
    __m256i low = _mm256_and_si256(_mm256_or_si256(nibbles, _mm256_slli_epi32(nibbles, 8)), _mm256_set1_epi32(0x00FF00FF));
    low = masked(_mm256_or_si256(low, _mm256_slli_epi32(low, 4)), 0, 15);
    __m256i high = _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi32(pairs, 12)), _mm256_set1_epi32(0x000F000F));
    high = masked(_mm256_or_si256(high, _mm256_slli_epi32(high, 6)), 0, 3);
    return _mm256_sub_epi8(_mm256_or_si256(low, _mm256_slli_epi16(high, 4)), _mm256_set1_epi8(32));
}

static void pack_iq4_xs(const uint8_t *rows, size_t row_bytes, int64_t k, uint8_t *out)
{
    const __m256i half = _mm256_set1_epi32(0xFFFF), byte = _mm256_set1_epi32(0xFF);
    for (int64_t i = 0; i < k; i += 256, rows += 136, out += 2208) {
        struct group high = load_group(rows, row_bytes), low = load_group(rows + 4, row_bytes), scales[2];
        for (int h = 0; h < 2; h++) {
            __m256i pairs = _mm256_srli_epi32(high.rows[h], 16);
            scales[0].rows[h] = iq4_scales(_mm256_and_si256(low.rows[h], half), _mm256_and_si256(pairs, byte));
            scales[1].rows[h] = iq4_scales(_mm256_srli_epi32(low.rows[h], 16), _mm256_srli_epi32(pairs, 8));
        }
        put_halves(rows, row_bytes, out);
        store_columns(scales[0], out + 32);
        store_columns(scales[1], out + 96);
        for (int j = 0; j < 8; j++) {
            struct square s = load_square(rows + 8 + j * 16, row_bytes);
            store_square(&s, out + 160 + j * 256);
        }
    }
}

pack_rows_fn *const pack_rows_avx2[PACK_COUNT] = {
    [PACK_F32] = pack_f32,   [PACK_F16] = pack_f16,   [PACK_BF16] = pack_bf16,   [PACK_Q8_0] = pack_q8_0,
    [PACK_Q4_0] = pack_q4_0, [PACK_Q4_K] = pack_q4_k, [PACK_Q6_K] = pack_q6_k,   [PACK_Q4_1] = pack_q4_1,
    [PACK_Q5_0] = pack_q5_0, [PACK_Q5_1] = pack_q5_1, [PACK_IQ4_NL] = pack_q4_0, [PACK_MXFP4] = pack_mxfp4,
    [PACK_Q2_K] = pack_q2_k, [PACK_Q3_K] = pack_q3_k, [PACK_Q5_K] = pack_q5_k,   [PACK_IQ4_XS] = pack_iq4_xs,
};

#endif
