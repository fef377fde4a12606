/* What a training holds between its steps. Private to engine/train. */
#ifndef JEOUL_TRAIN_TRAINER_H
#define JEOUL_TRAIN_TRAINER_H

#include "engine/train/loss.h"

enum { NORM_BLOCK = 1 << 14 }; // gradients whose squares are one sum

struct trainer {
    struct arena arena;       // names
    struct train_shape shape; // its strings are the arena's
    struct train_settings settings;
    struct train_data data;
    uint64_t identity; // of shape, settings and data: what a checkpoint has to agree with
    const struct cpu_kernels *kernels;
    struct pool *pool;
    struct gemm gemm;
    struct network net, teacher;
    bool taught;
    struct pass pass, teacher_pass;
    struct loss loss;
    float *first_moments, *second_moments; // [n_values], of AdamW
    int64_t step, tokens;
    size_t cursor; // the sequence that comes next
    /* the step's rows */
    int32_t *row_tokens, *row_targets; // [tokens_per_step]
    int32_t *row_starts;               // [tokens_per_step + 1]
    double *block_squares;             // of each NORM_BLOCK, for the gradient's norm
};

/* Sequences from the cursor on, whole, as many as fit; cut where they are longer than the context. Moves the cursor. */
void trainer_fill(struct trainer *t, const struct train_data *data, size_t *cursor);

/* Forward and, with gradients, backward over the rows that are filled in; returns the total loss. */
double trainer_compute(struct trainer *t, bool gradients, bool taught);

/* AdamW over all weights with their gradients, clipped; returns the gradient's norm before that. */
double trainer_update(struct trainer *t, double rate);
double trainer_rate(const struct train_settings *settings, int64_t step); // 1 … steps

#endif
