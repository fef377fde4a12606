/* Matrix products in F32 of any shape and either orientation, blocked and packed (Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication", ACM TOMS 34(3), 2008). An element is the sum over k in one order, whatever else is computed and on how many
 * threads. */
#ifndef JEOUL_TRAIN_GEMM_H
#define JEOUL_TRAIN_GEMM_H

#include "engine/cpu/pool.h"
#include "engine/cpu/training.h"

#include <stddef.h>

/* Values at[i · row + j · col]: transposing is exchanging the strides; one of them is 1. */
struct matrix {
    const float *at;
    int64_t row, col;
};

static inline struct matrix as_is(const float *at, int64_t stride)
{
    return (struct matrix){at, stride, 1};
}

static inline struct matrix transposed(const float *at, int64_t stride)
{
    return (struct matrix){at, 1, stride};
}

/* c[m][…stride] (+)= a[m][k] · b[k][n] */
struct product {
    float *c;
    int64_t stride, m, n, k;
    struct matrix a, b;
    bool add;
};

/* Room for packed operands. */
struct gemm_room {
    float *a, *b;
};

struct gemm {
    const struct cpu_training *kernels;
    struct pool *pool;
    float *team_b;             // of gemm_together
    struct gemm_room *threads; // [pool's threads]: a of either, b of gemm_alone
};

/* Floats that a packed b of k × n takes. */
size_t gemm_b_floats(const struct cpu_training *kernels, int64_t k, int64_t n);

/* Rooms for b of at most so many floats, of the team's products and of those of one thread. */
bool gemm_open(struct gemm *gemm, const struct cpu_training *kernels, struct pool *pool, size_t together_floats, size_t alone_floats,
               struct error *err) MUST_CHECK;
void gemm_close(struct gemm *gemm);

void gemm_together(struct gemm *gemm, const struct product *p);          // on all threads; from outside pool_run
void gemm_alone(struct gemm *gemm, int thread, const struct product *p); // from within it

#endif
