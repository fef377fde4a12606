/* Attention over pages of the cache. Part of kernels_wide.h, included by it alone. */

/* Scores of 64 tokens in lanes: K is stored by dimension, so there is no sum across lanes. */
static inline vf load_f16(const void *page, int i)
{
    return vf_load_f16((const uint16_t *)page + i);
}

static inline vf load_bf16(const void *page, int i)
{
    return vf_load_bf16((const uint16_t *)page + i);
}

static inline vf load_f32(const void *page, int i)
{
    return vf_load((const float *)page + i);
}

/* LANES values from i on; f is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) vf load_page(const void *page, int i, const enum page_format f)
{
    return f == PAGE_F16 ? load_f16(page, i) : f == PAGE_BF16 ? load_bf16(page, i) : load_f32(page, i);
}

TILE attend(const float *q, const void *k, const void *v, int first, int count, int k_dim, int v_dim, float scale,
            struct attention_state *state, const enum page_format f)
{
    enum { VECTORS = 64 / LANES };
    vf sums[VECTORS];
    float p[64], maximum = state->maximum;
    EACH(j, VECTORS)
        sums[j] = vf_zero();
    for (int i = 0; i < k_dim; i++) {
        vf value = vf_set(q[i]);
        EACH(j, VECTORS)
            sums[j] = vf_fma(value, load_page(k, i * 64 + j * LANES, f), sums[j]);
    }
    EACH(j, VECTORS)
        vf_store(p + j * LANES, vf_mul(sums[j], vf_set(scale)));
    for (int t = first; t < count; t++)
        maximum = p[t] > maximum ? p[t] : maximum;
    EACH(j, VECTORS)
        vf_store(p + j * LANES, vf_exp(vf_sub(vf_load(p + j * LANES), vf_set(maximum))));
    float correction = state->sum > 0 ? scalar_exp(state->maximum - maximum) : 0, sum = 0;
    for (int t = first; t < count; t++)
        sum += p[t];
    state->maximum = maximum;
    state->sum = state->sum * correction + sum;
    int i = 0;
    for (; i + 4 * LANES <= v_dim; i += 4 * LANES) {
        vf out[4];
        EACH(j, 4)
            out[j] = vf_mul(vf_load(state->out + i + j * LANES), vf_set(correction));
        for (int t = first; t < count; t++) {
            vf weight = vf_set(p[t]);
            EACH(j, 4)
                out[j] = vf_fma(weight, load_page(v, t * v_dim + i + j * LANES, f), out[j]);
        }
        EACH(j, 4)
            vf_store(state->out + i + j * LANES, out[j]);
    }
    for (; i + LANES <= v_dim; i += LANES) {
        vf out = vf_mul(vf_load(state->out + i), vf_set(correction));
        for (int t = first; t < count; t++)
            out = vf_fma(vf_set(p[t]), load_page(v, t * v_dim + i, f), out);
        vf_store(state->out + i, out);
    }
    for (; i < v_dim; i++) {
        float out = state->out[i] * correction;
        for (int t = first; t < count; t++)
            out = __builtin_fmaf(p[t], page_value(v, t * v_dim + i, f), out);
        state->out[i] = out;
    }
}

ATTEND_PAGE(attend_f32, PAGE_F32)
ATTEND_PAGE(attend_f16, PAGE_F16)
ATTEND_PAGE(attend_bf16, PAGE_BF16)
