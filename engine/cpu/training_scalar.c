/* The loops of training in plain C: the definition that the wide ones are tested against. See training.h. */
#include "engine/cpu/training.h"

#include <math.h>

enum { ROWS = 4, COLS = 16 };

static void tile(int64_t k, const float *a, const float *b, float *c, int64_t stride, bool add)
{
    float sums[ROWS][COLS] = {{0}};
    for (int64_t i = 0; i < k; i++)
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < COLS; j++)
                sums[r][j] += a[i * ROWS + r] * b[i * COLS + j];
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < COLS; j++)
            c[r * stride + j] = sums[r][j] + (add ? c[r * stride + j] : 0);
}

static void dots(float *out, const float *x, const float *rows, int64_t n, int64_t width, int64_t stride, float scale)
{
    for (int64_t j = 0; j < n; j++) {
        float sum = 0;
        for (int64_t i = 0; i < width; i++)
            sum += x[i] * rows[j * stride + i];
        out[j] = scale * sum;
    }
}

static void combine(float *out, const float *p, const float *rows, int64_t n, int64_t width, int64_t stride)
{
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < width; i++)
            out[i] += p[j] * rows[j * stride + i];
}

static void spread(float *rows, const float *p, const float *x, int64_t n, int64_t width, int64_t stride)
{
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < width; i++)
            rows[j * stride + i] += p[j] * x[i];
}

static double softmax(float *x, int64_t n)
{
    float greatest = x[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        greatest = fmaxf(greatest, x[i]);
    for (int64_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - greatest);
    for (int64_t i = 0; i < n; i++)
        x[i] = expf(x[i] - greatest) * (float)(1 / sum);
    return (double)greatest + log(sum);
}

static void swiglu_back(float *d_gate, float *d_up, const float *gate, const float *up, const float *d_out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float s = 1.0f / (1.0f + expf(-gate[i])), d = d_out[i];
        d_up[i] = d * gate[i] * s;
        d_gate[i] = d * up[i] * s * (1.0f + gate[i] * (1.0f - s));
    }
}

static void norm_back(float *d_x, float *d_w, const float *x, const float *w, const float *d_y, int64_t n, float epsilon, bool add)
{
    double squares = 0, products = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x[i] * (double)x[i];
        products += (double)d_y[i] * (double)w[i] * (double)x[i];
    }
    double r = 1 / sqrt(squares / (double)n + (double)epsilon);
    for (int64_t i = 0; i < n; i++) {
        float gradient = (float)(r * (double)w[i] * (double)d_y[i] - (double)x[i] * r * r * r / (double)n * products);
        d_w[i] += (float)((double)d_y[i] * (double)x[i] * r);
        d_x[i] = gradient + (add ? d_x[i] : 0);
    }
}

static double sum_squares(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static void adamw(float *w, float *m, float *v, const float *g, int64_t n, const struct adamw *s)
{
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * s->scale;
        m[i] = s->beta1 * m[i] + (1 - s->beta1) * gradient;
        v[i] = s->beta2 * v[i] + (1 - s->beta2) * gradient * gradient;
        w[i] -= s->rate * (m[i] * s->m_factor / (sqrtf(v[i] * s->v_factor) + s->epsilon) + s->decay * w[i]);
    }
}

const struct cpu_training cpu_training_scalar = {
    .tile_rows = ROWS,
    .tile_cols = COLS,
    .tile = tile,
    .dots = dots,
    .combine = combine,
    .spread = spread,
    .softmax = softmax,
    .swiglu_back = swiglu_back,
    .norm_back = norm_back,
    .sum_squares = sum_squares,
    .adamw = adamw,
};
