/* The innermost loops, one table for each instruction set, and the layouts that they read.
 *
 * A matrix [rows][k] is packed into panels of 16 rows. In a panel the values lie in groups of four consecutive k: 16 rows × 4 bytes = 64
 * bytes, so that one dot-product instruction multiplies a group by four broadcast activations, in all 16 rows at once. An output is the sum
 * over k in one lane, in the order of k: it doesn't depend on how many columns (activation rows) are computed together.
 *
 *     F32, F16         [k][16 values]
 *     BF16             [k / 2][16 rows][2 values]; a last odd k stands beside zeros
 *     Q8_0    of 32 k:  [16 scales f16][8 groups][16 rows][4 × u8 = q + 128]
 *     Q4_0    of 32 k:  [16 scales f16][4][16 rows][4 × (group j low nibble, group j + 4 high nibble)]
 *     Q4_K    of 256 k: [16 d f16][16 dmin f16][8][16 scales u8][4][16][2 minimums u8][8 sub-blocks] as the nibbles of Q4_0
 *     Q6_K    of 256 k: [16 d f16][16][16 scales i8] then for each 16 k: [3][16][4 × (low 6 bits: group j, high 2: bits 2j and
 *                       2j + 1 of group 3)]; value = q − 32
 *
 * With "nibbles" for the [4][16][4] of Q4_0, "pairs" for [4][16][4 × (groups j, j + 4, j + 8, j + 12: 2 bits)], and "bits" for [16][4 ×
 * (bit j: of group j)]:
 *
 *     Q4_1    of 32 k:  [16 d f16][16 m f16][nibbles]; value = d·q + m
 *     Q5_0    of 32 k:  [16 d f16][nibbles][bits]; value = d·(q − 16)
 *     Q5_1    of 32 k:  [16 d f16][16 m f16][nibbles][bits]
 *     IQ4_NL  of 32 k:  [16 d f16][nibbles]; value = d·iq4_values[q]
 *     MXFP4   of 32 k:  [16 d bf16][nibbles]; value = d·mxfp4_values[q]
 *     Q2_K    of 256 k: [16 d f16][16 dmin f16][16][16 × (scale low nibble, minimum high)], then for each 64 k [pairs]
 *     Q3_K    of 256 k: [16 d f16][16][16 scales i8], then for each 64 k [pairs][2 × bits: groups 0 – 7, 8 – 15]; value = q − 4
 *     Q5_K    of 256 k: as Q4_K, its sub-blocks [nibbles][bits]
 *     IQ4_XS  of 256 k: [16 d f16][8][16 scales i8][8 sub-blocks: nibbles]; values as IQ4_NL
 *
 * No weight is rounded by packing. Activations for integer formats are int8 with a float scale for 32 values (blocks of 32) or 256 (blocks
 * of 256), and sums of the int8 values for the offsets: of 32 values, or of 16 and of 32 (blocks of 256). For BF16 they are BF16. */
#ifndef JEOUL_CPU_KERNELS_H
#define JEOUL_CPU_KERNELS_H

#include "engine/backend.h"
#include "engine/cpu/probes.h"
#include "engine/cpu/training.h"
#include "engine/tensor.h"

#include <stddef.h>
#include <stdint.h>

enum { PANEL_ROWS = 16 };

/* So few columns wait for memory, which gives one stream sooner than two: panels are multiplied one after the other. */
enum { ONE_STREAM = 16 };

/* And so many are multiplied while some panels are near: a multiple of the widest tiles. */
enum { COLUMNS_PER_CALL = 96 };

enum pack_format {
    PACK_F32,
    PACK_F16,
    PACK_BF16,
    PACK_Q8_0,
    PACK_Q4_0,
    PACK_Q4_K,
    PACK_Q6_K,
    PACK_Q4_1,
    PACK_Q5_0,
    PACK_Q5_1,
    PACK_IQ4_NL,
    PACK_MXFP4,
    PACK_Q2_K,
    PACK_Q3_K,
    PACK_Q5_K,
    PACK_IQ4_XS,
    PACK_COUNT
};

enum activation { ACTIVATION_FLOAT, ACTIVATION_BF16, ACTIVATION_INT8_32, ACTIVATION_INT8_256, ACTIVATION_COUNT };

/* A block whose values are all smaller counts as zeros: 127 divided by it could overflow. */
#define LEAST_QUANTISED 1e-30f

/* One activation row; what its kind doesn't have is NULL. */
struct column {
    const float *f;       // [k], ACTIVATION_FLOAT
    const uint16_t *b;    // [k], ACTIVATION_BF16; 0 behind an odd k
    const int8_t *q;      // [k]
    const float *scale;   // [k / 32] or [k / 256]
    const int32_t *sum;   // [k / 32] or [k / 16]
    const int16_t *sum32; // [k / 32], ACTIVATION_INT8_256
};

/* Where a row of float activations goes when it is made a column of another kind. */
struct column_room {
    uint16_t *b;
    int8_t *q;
    float *scale;
    int32_t *sum;
    int16_t *sum32;
};

/* Panels of one format and width that are multiplied with the same columns: out[i][n][16] = at[i] · columns, or, where there is `add`,
 * add[n][add_at + 16 i …] += factors[n] · (at[i] · columns), of at most COLUMNS_PER_CALL columns. */
struct panels {
    int count; // 1 or 2
    const uint8_t *at[2];
    float *out[2];
    int64_t stride; // of out from one column to the next, in floats: at least 16
    float *const *add;
    const float *factors;
    int64_t add_at;
    const uint8_t *next; // the panels that are wanted after these, as many, one behind the other; NULL: unknown
    size_t bytes;        // of a panel
};

enum page_format { PAGE_F32, PAGE_F16, PAGE_BF16, PAGE_FORMAT_COUNT };

/* A query head of a row over the pages of its sequence, softmax under way (Milakov and Gimelshein 2018, online softmax). */
struct query {
    const float *q;    // [k_dim]
    const uint16_t *b; // the same in BF16, for a page of that format; k_dim is even
    int first, count;  // what it sees of the page at hand: tokens first … count − 1, at least one
    float maximum, sum;
    float *out; // [v_dim], not yet divided by sum
};

struct attention_shape {
    int k_dim, v_dim;
    float scale; // of the scores
};

struct cpu_kernels {
    const char *name;
    void (*panels[PACK_COUNT])(const struct panels *panels, int64_t k, const struct column *columns, int n);
    /* int8 = round to nearest even of x · (127 / greatest magnitude of the block); scale = greatest / 127. BF16: nearest even. */
    void (*quantise[ACTIVATION_COUNT])(const float *x, int64_t k, const struct column_room *out);
    void (*norm)(float *y, const float *x, const float *w, int64_t n, float epsilon);
    void (*swiglu)(float *out, const float *gate, const float *up, int64_t n); // silu(gate) · up
    void (*add_scaled)(float *y, const float *x, float factor, int64_t n);     // y += factor · x
    double (*sum_exp)(const float *x, int64_t n, float maximum);               // Σ exp(x − maximum)
    void (*from_f16)(float *out, const uint16_t *in, int64_t n);
    void (*from_bf16)(float *out, const uint16_t *in, int64_t n);
    void (*to_f16)(uint16_t *out, const float *in, int64_t n);
    /* One page, in any of the cache's formats, added to each query. F32 and F16 are k[k_dim][PAGE_TOKENS] and v[PAGE_TOKENS][v_dim] and
     * give the same bits. BF16 lies in pairs, k[k_dim / 2][PAGE_TOKENS][2] and v[PAGE_TOKENS / 2][v_dim][2]; there q and the weights are
     * rounded to BF16 too. What a query gets doesn't depend on its company. */
    void (*attend_page[PAGE_FORMAT_COUNT])(struct query *queries, int n, const void *k, const void *v, const struct attention_shape *);
    const struct cpu_probes *probes; // of the machine's limits
    const struct cpu_training *training;
};

extern const struct cpu_kernels cpu_kernels_scalar;
extern const struct cpu_probes cpu_probes_scalar;
#if defined(__x86_64__)
extern const struct cpu_kernels cpu_kernels_avx2;
extern const struct cpu_kernels cpu_kernels_avx512, cpu_kernels_avx512_ahead; // the same results; which is faster depends on the maker
#elif defined(__aarch64__)
extern const struct cpu_kernels cpu_kernels_neon;
#endif

/* Bytes of a panel of k columns; the activation that a format multiplies with. */
size_t pack_panel_bytes(enum pack_format format, int64_t k);
enum activation pack_activation(enum pack_format format);

#endif
