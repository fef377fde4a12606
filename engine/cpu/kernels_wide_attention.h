/* Attention over pages of the cache. Part of kernels_wide.h, included by it alone.
 *
 * A tile has up to QUERIES queries, so that a value of K or V is loaded once for all of them. A query's arithmetic is the same in every
 * tile: scores one dimension after the other, values one token after the other. */

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

/* p[Q][64] = scale · q · K, four vectors of tokens at a time. */
TILE scores(const struct query *qs, const void *k, const struct attention_shape *shape, float p[][PAGE_TOKENS], const int Q,
            const enum page_format f)
{
    for (int token = 0; token < PAGE_TOKENS; token += 4 * LANES) {
        vf sums[QUERIES][4];
        EACH(q, Q)
            EACH(j, 4)
                sums[q][j] = vf_zero();
        for (int i = 0; i < shape->k_dim; i++) {
            vf keys[4];
            EACH(j, 4)
                keys[j] = load_page(k, i * PAGE_TOKENS + token + j * LANES, f);
            EACH(q, Q) {
                vf value = vf_set(qs[q].q[i]);
                EACH(j, 4)
                    sums[q][j] = vf_fma(value, keys[j], sums[q][j]);
            }
        }
        EACH(q, Q)
            EACH(j, 4)
                vf_store(p[q] + token + j * LANES, vf_mul(sums[q][j], vf_set(shape->scale)));
    }
}

/* The page's scores become weights, 0 outside of what the query sees; what was summed before is scaled to the new maximum. */
static inline void soften(struct query *q, float p[PAGE_TOKENS], int v_dim)
{
    for (int t = 0; t < q->first; t++)
        p[t] = -__builtin_inff();
    for (int t = q->count; t < PAGE_TOKENS; t++)
        p[t] = -__builtin_inff();
    vf greatest = vf_set(q->maximum), sum = vf_zero();
    EACH(j, PAGE_TOKENS / LANES)
        greatest = vf_max(vf_load(p + j * LANES), greatest);
    float maximum = vf_reduce_max(greatest), correction = q->sum > 0 ? scalar_exp(q->maximum - maximum) : 0;
    EACH(j, PAGE_TOKENS / LANES)
        vf_store(p + j * LANES, vf_exp(vf_sub(vf_load(p + j * LANES), vf_set(maximum))));
    for (int t = 0; t < q->first; t++)
        p[t] = 0;
    for (int t = q->count; t < PAGE_TOKENS; t++)
        p[t] = 0;
    EACH(j, PAGE_TOKENS / LANES)
        sum = vf_add(sum, vf_load(p + j * LANES));
    q->maximum = maximum;
    q->sum = q->sum * correction + vf_reduce_add(sum);
    int i = 0;
    for (; i + LANES <= v_dim; i += LANES)
        vf_store(q->out + i, vf_mul(vf_load(q->out + i), vf_set(correction)));
    for (; i < v_dim; i++)
        q->out[i] *= correction;
}

/* out += p · V for tokens from … to − 1 of Q queries. */
TILE add_values(struct query *qs, const void *v, int v_dim, float p[][PAGE_TOKENS], int from, int to, const int Q, const enum page_format f)
{
    int i = 0;
    for (; i + 4 * LANES <= v_dim; i += 4 * LANES) {
        vf out[QUERIES][4];
        EACH(q, Q)
            EACH(j, 4)
                out[q][j] = vf_load(qs[q].out + i + j * LANES);
        for (int t = from; t < to; t++) {
            vf values[4];
            EACH(j, 4)
                values[j] = load_page(v, t * v_dim + i + j * LANES, f);
            EACH(q, Q) {
                vf weight = vf_set(p[q][t]);
                EACH(j, 4)
                    out[q][j] = vf_fma(weight, values[j], out[q][j]);
            }
        }
        EACH(q, Q)
            EACH(j, 4)
                vf_store(qs[q].out + i + j * LANES, out[q][j]);
    }
    for (int q = 0; q < Q; q++) {
        int d = i;
        for (; d + LANES <= v_dim; d += LANES) {
            vf out = vf_load(qs[q].out + d);
            for (int t = from; t < to; t++)
                out = vf_fma(vf_set(p[q][t]), load_page(v, t * v_dim + d, f), out);
            vf_store(qs[q].out + d, out);
        }
        for (; d < v_dim; d++)
            for (int t = from; t < to; t++)
                qs[q].out[d] = __builtin_fmaf(p[q][t], page_value(v, t * v_dim + d, f), qs[q].out[d]);
    }
}

/* Tokens that all queries of the tile see are added for all at once; those before and behind for each alone, so that no query meets a
 * value that it may not see, not even times 0: it may be no number. */
TILE attend_tile(struct query *qs, const void *k, const void *v, const struct attention_shape *shape, const int Q, const enum page_format f)
{
    float p[QUERIES][PAGE_TOKENS];
    int from = 0, to = PAGE_TOKENS;
    scores(qs, k, shape, p, Q, f);
    for (int q = 0; q < Q; q++) {
        soften(&qs[q], p[q], shape->v_dim);
        from = qs[q].first > from ? qs[q].first : from;
        to = qs[q].count < to ? qs[q].count : to;
    }
    to = to < from ? from : to;
    for (int q = 0; q < Q; q++)
        if (qs[q].first < from)
            add_values(&qs[q], v, shape->v_dim, &p[q], qs[q].first, from < qs[q].count ? from : qs[q].count, 1, f);
    add_values(qs, v, shape->v_dim, p, from, to, Q, f);
    for (int q = 0; q < Q; q++)
        if (to < qs[q].count)
            add_values(&qs[q], v, shape->v_dim, &p[q], to, qs[q].count, 1, f);
}

#define ATTEND_TILE(Q, FORMAT)                                                                                                             \
    case Q:                                                                                                                                \
        attend_tile(queries, k, v, shape, Q, FORMAT);                                                                                      \
        break;
#if QUERIES == 6
#define ATTEND_MORE(FORMAT) ATTEND_TILE(4, FORMAT) ATTEND_TILE(5, FORMAT) ATTEND_TILE(6, FORMAT)
#else
#define ATTEND_MORE(FORMAT)
#endif

/* n queries in as few tiles as there can be, and those alike wide. */
#define ATTEND(NAME, FORMAT)                                                                                                               \
    static void NAME(struct query *queries, int n, const void *k, const void *v, const struct attention_shape *shape)                      \
    {                                                                                                                                      \
        for (int tiles = (n + QUERIES - 1) / QUERIES, width; tiles > 0; tiles--, queries += width, n -= width) {                           \
            width = (n + tiles - 1) / tiles;                                                                                               \
            switch (width) {                                                                                                               \
                ATTEND_TILE(1, FORMAT)                                                                                                     \
                ATTEND_TILE(2, FORMAT)                                                                                                     \
                ATTEND_TILE(3, FORMAT)                                                                                                     \
                ATTEND_MORE(FORMAT)                                                                                                        \
            }                                                                                                                              \
        }                                                                                                                                  \
    }

ATTEND(attend_f32, PAGE_F32)
ATTEND(attend_f16, PAGE_F16)
ATTEND(attend_bf16, PAGE_BF16)
