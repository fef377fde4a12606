/* The innermost loops of training, one table for each instruction set. A result's order of sums doesn't depend on what is computed beside
 * it. */
#ifndef JEOUL_CPU_TRAINING_H
#define JEOUL_CPU_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

/* One step of AdamW (Loshchilov and Hutter 2019, algorithm 2), with the bias corrections of Adam taken into the two factors:
 *     m = β1·m + (1 − β1)·g    v = β2·v + (1 − β2)·g²    w −= rate·(m·m_factor / (√(v·v_factor) + ε) + decay·w)
 * where g is the gradient times `scale`. */
struct adamw {
    float beta1, beta2, epsilon, rate, decay, scale, m_factor, v_factor;
};

struct cpu_training {
    int tile_rows, tile_cols;
    /* c[tile_rows][…stride] (+)= Σ_k a[k][tile_rows] · b[k][tile_cols] */
    void (*tile)(int64_t k, const float *a, const float *b, float *c, int64_t stride, bool add);
    /* out[j] = scale · Σ_i x[i] · rows[j][i] over n rows of `width`, `stride` apart */
    void (*dots)(float *out, const float *x, const float *rows, int64_t n, int64_t width, int64_t stride, float scale);
    /* out[i] += Σ_j p[j] · rows[j][i] */
    void (*combine)(float *out, const float *p, const float *rows, int64_t n, int64_t width, int64_t stride);
    /* rows[j][i] += p[j] · x[i] */
    void (*spread)(float *rows, const float *p, const float *x, int64_t n, int64_t width, int64_t stride);
    /* x = exp(x − l) with l = log Σ exp(x), which is returned */
    double (*softmax)(float *x, int64_t n);
    /* Gradients of silu(gate) · up, of n values. */
    void (*swiglu_back)(float *d_gate, float *d_up, const float *gate, const float *up, const float *d_out, int64_t n);
    /* Gradients of y = x / sqrt(mean(x²) + epsilon) · w: d_x (+)= …, d_w += … d_x may be d_y. */
    void (*norm_back)(float *d_x, float *d_w, const float *x, const float *w, const float *d_y, int64_t n, float epsilon, bool add);
    double (*sum_squares)(const float *x, int64_t n);
    void (*adamw)(float *w, float *m, float *v, const float *g, int64_t n, const struct adamw *step);
};

extern const struct cpu_training cpu_training_scalar;

#endif
