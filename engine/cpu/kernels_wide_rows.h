/* Kernels on rows of floats: quantising, norms, activation functions, conversions. Part of kernels_wide.h, included by it alone. */

/* --- activations
 * --------------------------------------------------------------------------------------------------------------------------- */

/* Greatest magnitude of n values; `broken` becomes NaN where one of them is NaN or infinite, which a maximum alone would lose, else 0. */
static inline float greatest_of(const float *x, int n, float *broken)
{
    vf greatest = vf_zero(), poison = vf_zero();
    for (int i = 0; i < n; i += LANES) {
        vf value = vf_load(x + i);
        greatest = vf_max(greatest, vf_abs(value));
        poison = vf_fma(value, vf_zero(), poison);
    }
    *broken = vf_reduce_add(poison);
    return vf_reduce_max(greatest);
}

/* n values, a multiple of 16, as int8 = round(x · inverse); returns their sum. */
static inline int32_t round_values(const float *x, int n, float inverse, int8_t *q)
{
    vi total = vi_set(0);
    for (int i = 0; i < n; i += LANES) {
        vi rounded = vi_round(vf_mul(vf_load(x + i), vf_set(inverse)));
        total = vi_add(total, rounded);
        vi_store_i8(q + i, rounded);
    }
    return vi_reduce_add(total);
}

/* A block of a broken model's activations is all zeros with the scale NaN: its products are NaN, as they would be in float. */
TILE quantise_blocks(const float *x, int64_t k, const int block, const int sum_of, const struct column_room *out)
{
    int8_t *q = out->q;
    float *scale = out->scale;
    int32_t *sum = out->sum;
    for (int64_t first = 0; first < k; first += block, x += block, q += block) {
        float broken, amax = greatest_of(x, block, &broken), inverse = amax > LEAST_QUANTISED ? 127.0f / amax : 0;
        if (broken != 0) {
            __builtin_memset(q, 0, (size_t)block);
            __builtin_memset(sum, 0, (size_t)(block / sum_of) * sizeof *sum);
            sum += block / sum_of;
            scale[first / block] = broken;
            continue;
        }
        scale[first / block] = amax / 127.0f;
        for (int i = 0; i < block; i += sum_of)
            *sum++ = round_values(x + i, sum_of, inverse, q + i);
    }
}

static void quantise_32(const float *x, int64_t k, const struct column_room *out)
{
    quantise_blocks(x, k, 32, 32, out);
}

static void quantise_256(const float *x, int64_t k, const struct column_room *out)
{
    quantise_blocks(x, k, 256, 16, out);
    for (int64_t i = 0; i < k / 32; i++)
        out->sum32[i] = (int16_t)(out->sum[2 * i] + out->sum[2 * i + 1]);
}

static void quantise_bf16(const float *x, int64_t k, const struct column_room *out)
{
    int64_t i = 0;
    for (; i + LANES <= k; i += LANES)
        vf_store_bf16(out->b + i, vf_load(x + i));
    for (; i < k; i++)
        out->b[i] = f32_to_bf16(x[i]);
    if (k % 2)
        out->b[k] = 0;
}

/* e^x: 2^n · e^r with r = x − n ln 2 in two parts, and a polynomial for e^r (Cephes, expf); relative error below 2e-7 for −87 ≤ x ≤ 88,
 * values outside are clamped. */
static inline vf vf_exp(vf x)
{
    x = vf_min(vf_max(x, vf_set(-87.3f)), vf_set(88.0f));
    vf n = vf_round(vf_mul(x, vf_set(1.44269504f)));
    vf r = vf_fma(n, vf_set(-0.693359375f), x);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_fma(vf_mul(r, r), p, vf_add(r, vf_set(1.0f)));
    return vf_mul_power_of_two(p, n);
}

static inline float scalar_exp(float x)
{
    float lanes[LANES];
    vf_store(lanes, vf_exp(vf_set(x)));
    return lanes[0];
}

static void norm(float *y, const float *x, const float *w, int64_t n, float epsilon)
{
    vf squares = vf_zero();
    float tail = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        squares = vf_fma(vf_load(x + i), vf_load(x + i), squares);
    for (; i < n; i++)
        tail += x[i] * x[i];
    float factor = 1.0f / __builtin_sqrtf((vf_reduce_add(squares) + tail) / (float)n + epsilon);
    for (i = 0; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), vf_set(factor)), vf_load(w + i)));
    for (; i < n; i++)
        y[i] = x[i] * factor * w[i];
}

static void swiglu(float *out, const float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf g = vf_load(gate + i);
        vf_store(out + i, vf_mul(vf_div(g, vf_add(vf_set(1.0f), vf_exp(vf_sub(vf_zero(), g)))), vf_load(up + i)));
    }
    for (; i < n; i++)
        out[i] = gate[i] / (1.0f + scalar_exp(-gate[i])) * up[i];
}

static void add_scaled(float *y, const float *x, float factor, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_fma(vf_set(factor), vf_load(x + i), vf_load(y + i)));
    for (; i < n; i++)
        y[i] = __builtin_fmaf(factor, x[i], y[i]);
}

static double sum_exp(const float *x, int64_t n, float maximum)
{
    enum { CHUNK = 32 * LANES }; // summed in float, chunks in double
    double sum = 0;
    int64_t i = 0;
    while (i + LANES <= n) {
        int64_t end = i + CHUNK < n ? i + CHUNK : n;
        vf part = vf_zero();
        for (; i + LANES <= end; i += LANES)
            part = vf_add(part, vf_exp(vf_sub(vf_load(x + i), vf_set(maximum))));
        sum += (double)vf_reduce_add(part);
    }
    for (; i < n; i++)
        sum += (double)scalar_exp(x[i] - maximum);
    return sum;
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(out + i, vf_load_f16((const uint8_t *)(in + i)));
    for (; i < n; i++)
        out[i] = f16_to_f32(in[i]);
}

static void from_bf16(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(out + i, vf_load_bf16((const uint8_t *)(in + i)));
    for (; i < n; i++)
        out[i] = bf16_to_f32(in[i]);
}

static void to_f16(uint16_t *out, const float *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store_f16(out + i, vf_load(in + i));
    for (; i < n; i++)
        out[i] = f32_to_f16(in[i]);
}
