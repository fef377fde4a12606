/* The loops of training in the words of a wide instruction set: included by its file after kernels_wide.h. See training.h. */
#include "engine/cpu/training.h"

/* As many sums as stay in registers beside two vectors of b: 12 × 2 of 32 registers, 6 × 2 of 16. */
enum { TILE_ROWS = LANES == 8 ? 6 : 12, TILE_VECTORS = 2 };

static void training_tile(int64_t k, const float *a, const float *b, float *c, int64_t stride, bool add)
{
    vf sums[TILE_ROWS][TILE_VECTORS];
    EACH(r, TILE_ROWS)
        EACH(v, TILE_VECTORS)
            sums[r][v] = vf_zero();
    for (int64_t i = 0; i < k; i++, a += TILE_ROWS, b += TILE_VECTORS * LANES) {
        vf left = vf_load(b), right = vf_load(b + LANES);
        EACH(r, TILE_ROWS) {
            vf x = vf_set(a[r]);
            sums[r][0] = vf_fma(x, left, sums[r][0]);
            sums[r][1] = vf_fma(x, right, sums[r][1]);
        }
    }
    EACH(r, TILE_ROWS)
        EACH(v, TILE_VECTORS) {
            float *to = c + r * stride + v * LANES;
            vf_store(to, add ? vf_add(vf_load(to), sums[r][v]) : sums[r][v]);
        }
}

static void training_dots(float *out, const float *x, const float *rows, int64_t n, int64_t width, int64_t stride, float scale)
{
    for (int64_t j = 0; j < n; j++, rows += stride) {
        vf sum = vf_zero();
        float tail = 0;
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES)
            sum = vf_fma(vf_load(x + i), vf_load(rows + i), sum);
        for (; i < width; i++)
            tail += x[i] * rows[i];
        out[j] = scale * (vf_reduce_add(sum) + tail);
    }
}

static void training_combine(float *out, const float *p, const float *rows, int64_t n, int64_t width, int64_t stride)
{
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        vf sum = vf_load(out + i);
        for (int64_t j = 0; j < n; j++)
            sum = vf_fma(vf_set(p[j]), vf_load(rows + j * stride + i), sum);
        vf_store(out + i, sum);
    }
    for (; i < width; i++)
        for (int64_t j = 0; j < n; j++)
            out[i] += p[j] * rows[j * stride + i];
}

static void training_spread(float *rows, const float *p, const float *x, int64_t n, int64_t width, int64_t stride)
{
    for (int64_t j = 0; j < n; j++)
        add_scaled(rows + j * stride, x, p[j], width);
}

static double training_softmax(float *x, int64_t n)
{
    vf most = vf_set(x[0]);
    float greatest = x[0];
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        most = vf_max(most, vf_load(x + i));
    greatest = vf_reduce_max(most);
    for (; i < n; i++)
        greatest = x[i] > greatest ? x[i] : greatest;
    double sum = sum_exp(x, n, greatest);
    float factor = (float)(1 / sum);
    for (i = 0; i + LANES <= n; i += LANES)
        vf_store(x + i, vf_mul(vf_exp(vf_sub(vf_load(x + i), vf_set(greatest))), vf_set(factor)));
    for (; i < n; i++)
        x[i] = scalar_exp(x[i] - greatest) * factor;
    return (double)greatest + __builtin_log(sum);
}

/* With s = 1 / (1 + e^−g): d silu(g) / dg = s · (1 + g · (1 − s)). */
static void training_swiglu_back(float *d_gate, float *d_up, const float *gate, const float *up, const float *d_out, int64_t n)
{
    vf one = vf_set(1.0f);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = vf_load(gate + i), u = vf_load(up + i), d = vf_load(d_out + i);
        vf s = vf_div(one, vf_add(one, vf_exp(vf_sub(vf_zero(), g))));
        vf_store(d_up + i, vf_mul(d, vf_mul(g, s)));
        vf_store(d_gate + i, vf_mul(vf_mul(d, u), vf_mul(s, vf_fma(g, vf_sub(one, s), one))));
    }
    for (; i < n; i++) {
        float s = 1.0f / (1.0f + scalar_exp(-gate[i])), d = d_out[i];
        d_up[i] = d * gate[i] * s;
        d_gate[i] = d * up[i] * s * (1.0f + gate[i] * (1.0f - s));
    }
}

/* With r = 1 / sqrt(mean(x²) + ε): d_x = r·w·d_y − x·r³/n · Σ d_y·w·x, d_w = d_y·x·r. */
static void training_norm_back(float *d_x, float *d_w, const float *x, const float *w, const float *d_y, int64_t n, float epsilon, bool add)
{
    vf squares = vf_zero(), products = vf_zero();
    float square = 0, product = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf value = vf_load(x + i);
        squares = vf_fma(value, value, squares);
        products = vf_fma(vf_mul(vf_load(d_y + i), vf_load(w + i)), value, products);
    }
    for (; i < n; i++) {
        square += x[i] * x[i];
        product += d_y[i] * w[i] * x[i];
    }
    float r = 1.0f / __builtin_sqrtf((vf_reduce_add(squares) + square) / (float)n + epsilon);
    float back = -(vf_reduce_add(products) + product) * r * r * r / (float)n;
    for (i = 0; i + LANES <= n; i += LANES) {
        vf value = vf_load(x + i), d = vf_mul(vf_load(d_y + i), vf_set(r));
        vf_store(d_w + i, vf_fma(d, value, vf_load(d_w + i)));
        vf gradient = vf_fma(value, vf_set(back), vf_mul(d, vf_load(w + i)));
        vf_store(d_x + i, add ? vf_add(vf_load(d_x + i), gradient) : gradient);
    }
    for (; i < n; i++) {
        float d = d_y[i] * r, gradient = x[i] * back + d * w[i];
        d_w[i] += d * x[i];
        d_x[i] = add ? d_x[i] + gradient : gradient;
    }
}

static double training_sum_squares(const float *x, int64_t n)
{
    double total = 0;
    int64_t i = 0;
    while (i + LANES <= n) {
        int64_t end = i + 64 * LANES < n ? i + 64 * LANES : n;
        vf sum = vf_zero();
        for (; i + LANES <= end; i += LANES)
            sum = vf_fma(vf_load(x + i), vf_load(x + i), sum);
        total += (double)vf_reduce_add(sum);
    }
    for (; i < n; i++)
        total += (double)(x[i] * x[i]);
    return total;
}

/* Plain: the compiler makes vectors of it, and the square root is rounded in all of them alike. */
static void training_adamw(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, int64_t n,
                           const struct adamw *step)
{
    const struct adamw s = *step;
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * s.scale;
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * gradient;
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * gradient * gradient;
        w[i] -= s.rate * (m[i] * s.m_factor / (__builtin_sqrtf(v[i] * s.v_factor) + s.epsilon) + s.decay * w[i]);
    }
}

static const struct cpu_training training = {
    .tile_rows = TILE_ROWS,
    .tile_cols = TILE_VECTORS * LANES,
    .tile = training_tile,
    .dots = training_dots,
    .combine = training_combine,
    .spread = training_spread,
    .softmax = training_softmax,
    .swiglu_back = training_swiglu_back,
    .norm_back = training_norm_back,
    .sum_squares = training_sum_squares,
    .adamw = training_adamw,
};
