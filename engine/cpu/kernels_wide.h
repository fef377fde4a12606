/* The kernels for any vector width, included once by each instruction set's file after it has defined its vectors:
 *
 *     LANES          floats in a vector (16, 8 or 4); a panel's 16 rows are 16 / LANES vectors, "halves"
 *     STREAM_AHEAD   how many bytes ahead a single column's weights are asked for; 0: the processor's own prefetching is left alone
 *     VECTOR_REGISTER  the constraint of a vector register in assembly
 *     vf, vi         vectors of float and of int32
 *     vf_* vi_*      the few operations on them that are used below
 *     vf_add_pair, vf_pair_*   sums of BF16 pairs; or vf_even_bf16 and vf_odd_bf16, from which they are made here
 *     TILE_PANELS    panels that a tile computes at once, 1 or 2; a tile of two has up to 6 columns, and
 *     ALONE_COLUMNS  columns at most of a tile of one panel, 4 or 8: as many sums as stay in registers
 *     QUERIES        queries that attention computes at once, 3 or 6
 *
 * A tile keeps the sums of V panels (one half of each) by C columns in registers while it streams the panels once: a weight is loaded once
 * for C columns, an activation once for V panels. The arithmetic of one column is the same in every tile. */

#define EACH(I, N) _Pragma("GCC unroll 16") for (int I = 0; I < (N); I++)
#define TILE       static inline __attribute__((always_inline)) void

enum { HALVES = PANEL_ROWS / LANES };

#ifndef vf_add_pair
/* Sums of BF16 pairs where no instruction adds both products: the even values' and the odd ones'. */
typedef struct {
    vf even, odd;
} vf_pair_sum;

static inline vf_pair_sum vf_pair_zero(void)
{
    return (vf_pair_sum){vf_zero(), vf_zero()};
}

static inline vf_pair_sum vf_pair_fma(vi a, vi b, vf_pair_sum sum)
{
    sum.even = vf_fma(vf_even_bf16(a), vf_even_bf16(b), sum.even);
    sum.odd = vf_fma(vf_odd_bf16(a), vf_odd_bf16(b), sum.odd);
    return sum;
}

/* The same in one sum, one after the other. */
static inline vf vf_add_pair(vf sum, vi a, vi b)
{
    return vf_fma(vf_odd_bf16(a), vf_odd_bf16(b), vf_fma(vf_even_bf16(a), vf_even_bf16(b), sum));
}
#define vf_pair_total(sum) vf_add((sum).even, (sum).odd)
#endif

/* What a tile works on. V and C are constants wherever a tile is inlined. */
struct tile {
    const uint8_t *panel[TILE_PANELS];
    int64_t k;
    const struct column *x; // [C]
    float *out[TILE_PANELS];
    int64_t stride;                   // of out
    const uint8_t *next[TILE_PANELS]; // of several panels: what will be wanted next, this tile's share of it; NULL: nothing
    int share;                        // 1 / 2^share of a panel
    bool first;                       // of its panel's tiles: reads it from memory, the others from the cache
    int h;                            // which half of the panels' rows
};

static inline int32_t load_i32(const void *bytes)
{
    int32_t word;
    __builtin_memcpy(&word, bytes, 4);
    return word;
}

/* What is asked for while n bytes at `at` are multiplied. A panel alone streams from memory: few columns as fast as memory gives, which the
 * processor's own prefetching sees to; more, with something to compute, need their weights asked for ahead of their use, the more there is
 * to compute the less near (docs/performance.md has the measurements). Two panels have so many columns that computing takes longest: the
 * panels that come next are brought to the cache meanwhile, a share of them by each tile. */
TILE ask_ahead(const struct tile *t, int64_t at, int n, const int V, const int C)
{
    const int ahead = C == 1 ? STREAM_AHEAD : C == 2 ? 0 : C == 3 ? 4096 : 6144;
    for (int i = 0; V == 1 && ahead && t->first && i < n; i += 64)
        if (C <= 3)
            __builtin_prefetch(t->panel[0] + at + ahead + i, 0, 3);
        else
            __builtin_prefetch(t->panel[0] + at + ahead + i, 0, 2);
    if (V == 1 || !t->next[0])
        return;
    const int64_t begin = at >> t->share & ~63, end = (at + n) >> t->share & ~63; // whole lines: a block's share may be less than one
    for (int v = 0; v < V; v++)
        for (int64_t i = begin; i < end; i += 64)
            __builtin_prefetch(t->next[v] + i, 0, 3);
}

typedef vf vf_sums[TILE_PANELS][ALONE_COLUMNS];
typedef vi vi_sums[TILE_PANELS][ALONE_COLUMNS];

TILE clear(vf_sums sums, const int V, const int C)
{
    EACH(v, V)
        EACH(c, C)
            sums[v][c] = vf_zero();
}

TILE store_out(const struct tile *t, const vf_sums sums, const int V, const int C)
{
    EACH(v, V)
        EACH(c, C)
            vf_store(t->out[v] + c * t->stride + t->h * LANES, sums[v][c]);
}

/* The same start for the sums of a column in all panels. */
TILE begin_sum(vi_sums sums, int c, vi start, const int V)
{
    EACH(v, V)
        sums[v][c] = start;
}

/* Four activations of a column, in every lane. */
static inline __attribute__((always_inline)) vi four(const struct tile *t, int c, int64_t at)
{
    return vi_set(load_i32(t->x[c].q + at));
}

/* --- float formats
 * ------------------------------------------------------------------------------------------------------------------------ */

#define FLOAT_TILE(NAME, BYTES, LOAD)                                                                                                      \
    TILE NAME##_tile(const struct tile *t, const int V, const int C)                                                                       \
    {                                                                                                                                      \
        vf_sums even, odd;                                                                                                                 \
        clear(even, V, C);                                                                                                                 \
        clear(odd, V, C);                                                                                                                  \
        int64_t i = 0, at = t->h * LANES * BYTES;                                                                                          \
        for (; i + 1 < t->k; i += 2, at += 2 * PANEL_ROWS * BYTES)                                                                         \
            EACH(v, V) {                                                                                                                   \
                vf a = LOAD(t->panel[v] + at), b = LOAD(t->panel[v] + at + PANEL_ROWS * BYTES);                                            \
                EACH(c, C) {                                                                                                               \
                    even[v][c] = vf_fma(a, vf_set(t->x[c].f[i]), even[v][c]);                                                              \
                    odd[v][c] = vf_fma(b, vf_set(t->x[c].f[i + 1]), odd[v][c]);                                                            \
                }                                                                                                                          \
            }                                                                                                                              \
        if (i < t->k)                                                                                                                      \
            EACH(v, V) {                                                                                                                   \
                vf a = LOAD(t->panel[v] + at);                                                                                             \
                EACH(c, C)                                                                                                                 \
                    even[v][c] = vf_fma(a, vf_set(t->x[c].f[i]), even[v][c]);                                                              \
            }                                                                                                                              \
        EACH(v, V)                                                                                                                         \
            EACH(c, C)                                                                                                                     \
                even[v][c] = vf_add(even[v][c], odd[v][c]);                                                                                \
        store_out(t, even, V, C);                                                                                                          \
    }

FLOAT_TILE(f32, 4, vf_load_bytes)
FLOAT_TILE(f16, 2, vf_load_f16)

/* Pairs of k: 16 rows × 2 values. Sums of even and of odd k are kept apart where an instruction doesn't add both. */
TILE bf16_tile(const struct tile *t, const int V, const int C)
{
    vf_pair_sum sums[TILE_PANELS][ALONE_COLUMNS];
    EACH(v, V)
        EACH(c, C)
            sums[v][c] = vf_pair_zero();
    int64_t at = t->h * LANES * 4;
    for (int64_t i = 0; i < t->k; i += 2, at += PANEL_ROWS * 4) {
        if (i % 16 == 0)
            ask_ahead(t, at, 512, V, C);
        vi weights[TILE_PANELS];
        EACH(v, V)
            weights[v] = vi_load(t->panel[v] + at);
        EACH(c, C) {
            vi pair = vi_set(load_i32(t->x[c].b + i));
            EACH(v, V)
                sums[v][c] = vf_pair_fma(weights[v], pair, sums[v][c]);
        }
    }
    EACH(v, V)
        EACH(c, C)
            vf_store(t->out[v] + c * t->stride + t->h * LANES, vf_pair_total(sums[v][c]));
}

/* --- integer formats
 * ---------------------------------------------------------------------------------------------------------------------- */

/* Adds to sum[] the products of four weights of each row by four activations from x_at on. */
TILE group_dot(const struct tile *t, int64_t x_at, const vi *weights, vi_sums sum, const int V, const int C)
{
    EACH(c, C) {
        vi x = four(t, c, x_at);
        EACH(v, V)
            sum[v][c] = vi_dot(sum[v][c], weights[v], x);
    }
}

/* Blocks of 32: total += sum · (weights' scale · activations' scale), with the weights' scales as F16 at the block's begin. */
TILE add_blocks_of_32(const struct tile *t, int64_t block, const vf *scales, vi_sums sum, vf_sums total, const int V, const int C)
{
    EACH(c, C) {
        vf x = vf_set(t->x[c].scale[block]);
        EACH(v, V)
            total[v][c] = vf_fma(vf_from_vi(sum[v][c]), vf_mul(scales[v], x), total[v][c]);
    }
}

TILE q8_0_tile(const struct tile *t, const int V, const int C)
{
    vf_sums total;
    clear(total, V, C);
    int64_t at = 0;
    for (int64_t block = 0; block < t->k / 32; block++, at += 544) {
        vi_sums sum;
        vf scales[TILE_PANELS];
        ask_ahead(t, at, 544, V, C);
        EACH(c, C)
            begin_sum(sum, c, vi_q8_begin(t->x[c].sum[block]), V);
        EACH(g, 8) {
            vi weights[TILE_PANELS];
            EACH(v, V)
                weights[v] = vi_load(t->panel[v] + at + 32 + g * 64 + t->h * LANES * 4);
            EACH(c, C) {
                vi x = four(t, c, block * 32 + g * 4);
                EACH(v, V)
                    sum[v][c] = vi_q8_dot(sum[v][c], weights[v], x);
            }
        }
        EACH(v, V)
            scales[v] = vf_load_f16(t->panel[v] + at + t->h * LANES * 2);
        add_blocks_of_32(t, block, scales, sum, total, V, C);
    }
    store_out(t, total, V, C);
}

/* Adds to sum[] the products of codes, first[] for four activations from x_at on and second[] for four from x_at + 16 on. */
TILE codes_dot(const struct tile *t, int64_t x_at, const vi *first, const vi *second, vi_sums sum, const int V, const int C)
{
    EACH(c, C) {
        vi low = four(t, c, x_at), high = four(t, c, x_at + 16);
        EACH(v, V) {
            sum[v][c] = vi_dot(sum[v][c], first[v], low);
            sum[v][c] = vi_dot(sum[v][c], second[v], high);
        }
    }
}

/* Adds the products of the 32 nibbles that begin at `at` (4 vectors, groups j and j + 4) to sum[]. */
TILE nibbles_dot(const struct tile *t, int64_t at, int64_t x_at, vi_sums sum, const int V, const int C)
{
    const vi low = vi_set(0x0F0F0F0F);
    EACH(g, 4) {
        vi first[TILE_PANELS], second[TILE_PANELS];
        EACH(v, V) {
            vi both = vi_load(t->panel[v] + at + g * 64 + t->h * LANES * 4);
            first[v] = vi_and(both, low);
            second[v] = vi_and(vi_shift_right(both, 4), low);
        }
        codes_dot(t, x_at + g * 4, first, second, sum, V, C);
    }
}

/* nibbles_dot for codes of five bits: 64 bytes behind the nibbles hold the fifth, bit j for group j. */
TILE fifth_dot(const struct tile *t, int64_t at, int64_t x_at, vi_sums sum, const int V, const int C)
{
    const vi low = vi_set(0x0F0F0F0F), fifth = vi_set(0x10101010);
    EACH(g, 4) {
        vi first[TILE_PANELS], second[TILE_PANELS];
        EACH(v, V) {
            const uint8_t *w = t->panel[v] + at + t->h * LANES * 4;
            vi both = vi_load(w + g * 64), bits = vi_load(w + 256);
            first[v] = vi_or(vi_and(both, low), vi_and(vi_shift_left(bits, 4 - g), fifth));
            second[v] = vi_or(vi_and(vi_shift_right(both, 4), low), vi_and(vi_shift_right(bits, g), fifth));
        }
        codes_dot(t, x_at + g * 4, first, second, sum, V, C);
    }
}

TILE q4_0_tile(const struct tile *t, const int V, const int C)
{
    vf_sums total;
    clear(total, V, C);
    int64_t at = 0;
    for (int64_t block = 0; block < t->k / 32; block++, at += 288) {
        vi_sums sum;
        vf scales[TILE_PANELS];
        ask_ahead(t, at, 288, V, C);
        EACH(c, C)
            begin_sum(sum, c, vi_set(-8 * t->x[c].sum[block]), V);
        nibbles_dot(t, at + 32, block * 32, sum, V, C);
        EACH(v, V)
            scales[v] = vf_load_f16(t->panel[v] + at + t->h * LANES * 2);
        add_blocks_of_32(t, block, scales, sum, total, V, C);
    }
    store_out(t, total, V, C);
}

/* K-quants: the values of 256 k are summed with the weights' scales alone, then scaled by the activations' scale. */
TILE add_part(const struct tile *t, int64_t block, vf_sums part, vf_sums total, const int V, const int C)
{
    EACH(c, C) {
        vf x = vf_set(t->x[c].scale[block]);
        EACH(v, V)
            total[v][c] = vf_fma(part[v][c], x, total[v][c]);
    }
}

/* part −= dmin · Σ minimum · (sum of 32 activations) of the block, summed exactly as integers: `at` is where the minimums lie,
 * [4][16 rows][2 × u8]. */
TILE begin_with_minimums(const struct tile *t, int64_t at, int64_t block, const vf *dmin, vf_sums part, const int V, const int C)
{
    vi_sums sum;
    EACH(c, C)
        begin_sum(sum, c, vi_set(0), V);
    EACH(j, 4) {
        vi minimums[TILE_PANELS];
        EACH(v, V)
            minimums[v] = vi_load_u8_pairs(t->panel[v] + at + j * 32 + t->h * LANES * 2);
        EACH(c, C) {
            vi sums = vi_set(load_i32(t->x[c].sum32 + block * 8 + j * 2));
            EACH(v, V)
                sum[v][c] = vi_dot_16(sum[v][c], minimums[v], sums);
        }
    }
    EACH(v, V)
        EACH(c, C)
            part[v][c] = vf_mul(vf_from_vi(sum[v][c]), vf_sub(vf_zero(), dmin[v]));
}

/* 4 and 5 bits: Q4_K, Q5_K. F is a constant wherever this is inlined. */
TILE scaled_codes_tile(const struct tile *t, const int V, const int C, const enum pack_format F)
{
    const int codes = F == PACK_Q5_K ? 320 : 256, bytes = 320 + 8 * codes;
    vf_sums total;
    clear(total, V, C);
    int64_t base = 0;
    for (int64_t block = 0; block < t->k / 256; block++, base += bytes) {
        vf d[TILE_PANELS], dmin[TILE_PANELS];
        vf_sums part;
        EACH(v, V) {
            d[v] = vf_load_f16(t->panel[v] + base + t->h * LANES * 2);
            dmin[v] = vf_load_f16(t->panel[v] + base + 32 + t->h * LANES * 2);
        }
        begin_with_minimums(t, base + 192, block, dmin, part, V, C);
        for (int j = 0; j < 8; j++) {
            vi_sums sum;
            ask_ahead(t, base + j * bytes / 8, bytes / 8, V, C);
            EACH(c, C)
                begin_sum(sum, c, vi_set(0), V);
            if (F == PACK_Q5_K)
                fifth_dot(t, base + 320 + j * codes, block * 256 + j * 32, sum, V, C);
            else
                nibbles_dot(t, base + 320 + j * codes, block * 256 + j * 32, sum, V, C);
            EACH(v, V) {
                vf scale = vf_mul(d[v], vf_load_u8(t->panel[v] + base + 64 + j * 16 + t->h * LANES));
                EACH(c, C)
                    part[v][c] = vf_fma(vf_from_vi(sum[v][c]), scale, part[v][c]);
            }
        }
        add_part(t, block, part, total, V, C);
    }
    store_out(t, total, V, C);
}

TILE q4_k_tile(const struct tile *t, const int V, const int C)
{
    scaled_codes_tile(t, V, C, PACK_Q4_K);
}

TILE q5_k_tile(const struct tile *t, const int V, const int C)
{
    scaled_codes_tile(t, V, C, PACK_Q5_K);
}

/* Four groups of codes of six bits from three vectors. */
static inline __attribute__((always_inline)) void codes_of_six(const uint8_t *at, vi *codes)
{
    const vi low = vi_set(0x3F3F3F3F);
    vi a = vi_load(at), b = vi_load(at + 64), c = vi_load(at + 128);
    codes[0] = vi_and(a, low);
    codes[1] = vi_and(b, low);
    codes[2] = vi_and(c, low);
    vi last = vi_and(vi_shift_right(a, 6), vi_set(0x03030303));
    last = vi_or(last, vi_and(vi_shift_right(b, 4), vi_set(0x0C0C0C0C)));
    codes[3] = vi_or(last, vi_and(vi_shift_right(c, 2), vi_set(0x30303030)));
}

TILE q6_k_tile(const struct tile *t, const int V, const int C)
{
    vf_sums total;
    clear(total, V, C);
    int64_t base = 0;
    for (int64_t block = 0; block < t->k / 256; block++, base += 3360) {
        vf d[TILE_PANELS];
        vf_sums part;
        EACH(v, V)
            d[v] = vf_load_f16(t->panel[v] + base + t->h * LANES * 2);
        clear(part, V, C);
        for (int sub = 0; sub < 16; sub++) {
            vi_sums sum;
            vi codes[TILE_PANELS][4];
            ask_ahead(t, base + sub * 210, 210, V, C);
            EACH(c, C)
                begin_sum(sum, c, vi_set(-32 * t->x[c].sum[block * 16 + sub]), V);
            EACH(v, V)
                codes_of_six(t->panel[v] + base + 288 + sub * 192 + t->h * LANES * 4, codes[v]);
            EACH(g, 4) {
                vi weights[TILE_PANELS];
                EACH(v, V)
                    weights[v] = codes[v][g];
                group_dot(t, block * 256 + sub * 16 + g * 4, weights, sum, V, C);
            }
            EACH(v, V) {
                vf scale = vf_mul(d[v], vf_load_i8(t->panel[v] + base + 32 + sub * 16 + t->h * LANES));
                EACH(c, C)
                    part[v][c] = vf_fma(vf_from_vi(sum[v][c]), scale, part[v][c]);
            }
        }
        add_part(t, block, part, total, V, C);
    }
    store_out(t, total, V, C);
}

#include "engine/cpu/kernels_wide_formats.h"

/* --- any number of panels and columns
 * ----------------------------------------------------------------------------------------------------- */

/* n columns in as few tiles as there can be, and those alike wide: one column alone costs nearly as much as two. */
#define TILE_OF(NAME, V, C)                                                                                                                \
    case C:                                                                                                                                \
        for (; t.h < HALVES; t.h++)                                                                                                        \
            NAME##_tile(&t, V, C);                                                                                                         \
        break;
#define TILES_TO_4(NAME, V) TILE_OF(NAME, V, 1) TILE_OF(NAME, V, 2) TILE_OF(NAME, V, 3) TILE_OF(NAME, V, 4)
#define TILES_TO_6(NAME, V) TILES_TO_4(NAME, V) TILE_OF(NAME, V, 5) TILE_OF(NAME, V, 6)
#define TILES_TO_8(NAME, V) TILES_TO_6(NAME, V) TILE_OF(NAME, V, 7) TILE_OF(NAME, V, 8)

/* V panels from the first one on by all columns, up to MOST in a tile. */
#define PANELS_BY_COLUMNS(NAME, V, MOST)                                                                                                   \
    static void NAME##_by_##V(const struct panels *p, int first, int64_t k, const struct column *columns, int n)                           \
    {                                                                                                                                      \
        int tiles = (n + MOST - 1) / MOST, share = 31 - __builtin_clz((unsigned)tiles | 1);                                                \
        for (int at = 0, done = 0, width; tiles > 0; tiles--, done++, at += width) {                                                       \
            struct tile t = {.k = k, .x = columns + at, .stride = p->stride, .share = share, .first = done == 0};                          \
            width = (n - at + tiles - 1) / tiles;                                                                                          \
            EACH(v, V) {                                                                                                                   \
                t.panel[v] = p->at[first + v];                                                                                             \
                t.out[v] = p->out[first + v] + at * p->stride;                                                                             \
                if (V > 1 && p->next && done < 1 << share)                                                                                 \
                    t.next[v] = p->next + p->bytes * (size_t)v + ((p->bytes * (size_t)done) >> share);                                     \
            }                                                                                                                              \
            switch (width) {                                                                                                               \
                TILES_TO_##MOST(NAME, V)                                                                                                   \
            }                                                                                                                              \
        }                                                                                                                                  \
    }

typedef void panels_function(const struct panels *, int64_t k, const struct column *, int n);

/* Products made apart, weighted and added to where they belong while they are near. */
static void add_products(panels_function *multiply, const struct panels *p, int64_t k, const struct column *columns, int n)
{
    enum { WIDTH = 2 * PANEL_ROWS };
    float products[COLUMNS_PER_CALL * WIDTH];
    struct panels apart = *p;
    apart.add = NULL;
    apart.out[0] = products;
    apart.out[1] = products + PANEL_ROWS;
    apart.stride = WIDTH;
    multiply(&apart, k, columns, n);
    for (int c = 0; c < n; c++) {
        float *y = p->add[c] + p->add_at;
        vf factor = vf_set(p->factors[c]);
        for (int i = 0; i < p->count * PANEL_ROWS; i += LANES)
            vf_store(y + i, vf_fma(factor, vf_load(products + c * WIDTH + i), vf_load(y + i)));
    }
}

#if TILE_PANELS == 2
#define PANEL_FUNCTION(NAME)                                                                                                               \
    PANELS_BY_COLUMNS(NAME, 1, 8)                                                                                                          \
    PANELS_BY_COLUMNS(NAME, 2, 6)                                                                                                          \
    static void panels_##NAME(const struct panels *p, int64_t k, const struct column *columns, int n)                                      \
    {                                                                                                                                      \
        if (p->add)                                                                                                                        \
            add_products(panels_##NAME, p, k, columns, n);                                                                                 \
        else if (p->count == 2 && n > ONE_STREAM)                                                                                          \
            NAME##_by_2(p, 0, k, columns, n);                                                                                              \
        else                                                                                                                               \
            for (int first = 0; first < p->count; first++)                                                                                 \
                NAME##_by_1(p, first, k, columns, n);                                                                                      \
    }
#else
#define PANEL_FUNCTION(NAME)                                                                                                               \
    PANELS_BY_COLUMNS(NAME, 1, 4)                                                                                                          \
    static void panels_##NAME(const struct panels *p, int64_t k, const struct column *columns, int n)                                      \
    {                                                                                                                                      \
        if (p->add)                                                                                                                        \
            add_products(panels_##NAME, p, k, columns, n);                                                                                 \
        else                                                                                                                               \
            for (int first = 0; first < p->count; first++)                                                                                 \
                NAME##_by_1(p, first, k, columns, n);                                                                                      \
    }
#endif

PANEL_FUNCTION(f32)
PANEL_FUNCTION(f16)
PANEL_FUNCTION(bf16)
PANEL_FUNCTION(q8_0)
PANEL_FUNCTION(q4_0)
PANEL_FUNCTION(q4_k)
PANEL_FUNCTION(q6_k)
PANEL_FUNCTION(q4_1)
PANEL_FUNCTION(q5_0)
PANEL_FUNCTION(q5_1)
PANEL_FUNCTION(iq4_nl)
PANEL_FUNCTION(mxfp4)
PANEL_FUNCTION(q2_k)
PANEL_FUNCTION(q3_k)
PANEL_FUNCTION(q5_k)
PANEL_FUNCTION(iq4_xs)

#define PANEL_FUNCTIONS                                                                                                                    \
    {                                                                                                                                      \
        panels_f32, panels_f16, panels_bf16, panels_q8_0, panels_q4_0, panels_q4_k, panels_q6_k, panels_q4_1, panels_q5_0, panels_q5_1,    \
            panels_iq4_nl, panels_mxfp4, panels_q2_k, panels_q3_k, panels_q5_k, panels_iq4_xs                                              \
    }

#include "engine/cpu/kernels_wide_rows.h"

#include "engine/cpu/kernels_wide_attention.h" // stands on the rows' exponential
