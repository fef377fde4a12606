/* Attention over pages of the cache. Part of kernels_wide.h, included by it alone.
 *
 * A tile has up to QUERIES queries, so that a value of K or V is loaded once for all of them. A query's arithmetic is the same in every
 * tile: scores one dimension after the other, values one token after the other. */

/* LANES values from i on, F16 or F32; f is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) vf load_page(const void *page, int i, const enum page_format f)
{
    return f == PAGE_F16 ? vf_load_f16((const uint16_t *)page + i) : vf_load((const float *)page + i);
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

/* The same with q and K in BF16, two dimensions at a time. */
TILE scores_bf16(const struct query *qs, const uint16_t *k, const struct attention_shape *shape, float p[][PAGE_TOKENS], const int Q)
{
    for (int token = 0; token < PAGE_TOKENS; token += 4 * LANES) {
        vf sums[QUERIES][4];
        EACH(q, Q)
            EACH(j, 4)
                sums[q][j] = vf_zero();
        for (int i = 0; i < shape->k_dim; i += 2) {
            vi keys[4];
            EACH(j, 4)
                keys[j] = vi_load(k + i * PAGE_TOKENS + 2 * (token + j * LANES));
            EACH(q, Q) {
                vi pair = vi_set(load_i32(qs[q].b + i));
                EACH(j, 4)
                    sums[q][j] = vf_add_pair(sums[q][j], keys[j], pair);
            }
        }
        EACH(q, Q)
            EACH(j, 4)
                vf_store(p[q] + token + j * LANES, vf_mul(sums[q][j], vf_set(shape->scale)));
    }
}

/* The page's scores become weights, 0 outside of what the query sees; what was summed before is scaled to the new maximum. With b they are
 * rounded to BF16 and stand there too. */
static inline void soften(struct query *q, float p[PAGE_TOKENS], uint16_t *b, int v_dim)
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
    for (int j = 0; b && j < PAGE_TOKENS; j += LANES) { // what is multiplied is what is summed
        vf_store_bf16(b + j, vf_load(p + j));
        vf_store(p + j, vf_load_bf16(b + j));
    }
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
                qs[q].out[d] = __builtin_fmaf(
                    p[q][t], (f == PAGE_F16 ? f16_to_f32(((const uint16_t *)v)[t * v_dim + d]) : ((const float *)v)[t * v_dim + d]),
                    qs[q].out[d]);
    }
}

/* The same with p and V in BF16 for a pair of tokens after the other; of the values only those of `keep` are there, the others count as 0.
 */
TILE add_pairs(struct query *qs, const uint16_t *v, int v_dim, uint16_t p[][PAGE_TOKENS], int from, int to, uint32_t keep, const int Q)
{
    const vi mask = vi_set((int32_t)keep);
    int i = 0;
    for (; i + 4 * LANES <= v_dim; i += 4 * LANES) {
        vf out[QUERIES][4];
        EACH(q, Q)
            EACH(j, 4)
                out[q][j] = vf_load(qs[q].out + i + j * LANES);
        for (int t = from; t < to; t += 2) {
            vi values[4];
            EACH(j, 4)
                values[j] = vi_and(vi_load(v + t * v_dim + 2 * (i + j * LANES)), mask);
            EACH(q, Q) {
                vi weights = vi_set(load_i32(p[q] + t));
                EACH(j, 4)
                    out[q][j] = vf_add_pair(out[q][j], values[j], weights);
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
            for (int t = from; t < to; t += 2)
                out = vf_add_pair(out, vi_and(vi_load(v + t * v_dim + 2 * d), mask), vi_set(load_i32(p[q] + t)));
            vf_store(qs[q].out + d, out);
        }
        for (; d < v_dim; d++)
            for (int t = from; t < to; t++)
                if (keep >> (t % 2 * 16) & 1)
                    qs[q].out[d] = __builtin_fmaf(bf16_to_f32(p[q][t]), bf16_to_f32(v[t / 2 * 2 * v_dim + 2 * d + t % 2]), qs[q].out[d]);
    }
}

/* Tokens first … last − 1 of one query; a pair of which it sees one token is half a pair. */
TILE add_pairs_alone(struct query *q, const uint16_t *v, int v_dim, uint16_t p[][PAGE_TOKENS], int first, int last)
{
    const uint32_t one = 0x0000FFFF, other = 0xFFFF0000, both = one | other;
    if (first >= last)
        return;
    if (first % 2)
        add_pairs(q, v, v_dim, p, first - 1, first + 1, other, 1);
    int from = (first + 1) / 2 * 2, to = last / 2 * 2;
    add_pairs(q, v, v_dim, p, from, to, both, 1);
    if (last % 2 && last > from)
        add_pairs(q, v, v_dim, p, to, to + 2, one, 1);
}

/* Tokens that all queries of the tile see are added for all at once; those before and behind for each alone, so that no query meets a
 * value that it may not see, not even times 0: it may be no number. */
TILE attend_tile(struct query *qs, const void *k, const void *v, const struct attention_shape *shape, const int Q, const enum page_format f)
{
    float p[QUERIES][PAGE_TOKENS];
    uint16_t b[QUERIES][PAGE_TOKENS];
    const int pair = f == PAGE_BF16 ? 2 : 1;
    int from = 0, to = PAGE_TOKENS;
    if (f == PAGE_BF16)
        scores_bf16(qs, k, shape, p, Q);
    else
        scores(qs, k, shape, p, Q, f);
    for (int q = 0; q < Q; q++) {
        soften(&qs[q], p[q], f == PAGE_BF16 ? b[q] : NULL, shape->v_dim);
        from = qs[q].first > from ? qs[q].first : from;
        to = qs[q].count < to ? qs[q].count : to;
    }
    from = (from + pair - 1) / pair * pair;
    to = to / pair * pair;
    to = to < from ? from : to;
    for (int q = 0; q < Q; q++) {
        int last = from < qs[q].count ? from : qs[q].count;
        if (f == PAGE_BF16)
            add_pairs_alone(&qs[q], v, shape->v_dim, &b[q], qs[q].first, last);
        else if (qs[q].first < last)
            add_values(&qs[q], v, shape->v_dim, &p[q], qs[q].first, last, 1, f);
    }
    if (f == PAGE_BF16)
        add_pairs(qs, v, shape->v_dim, b, from, to, 0xFFFFFFFF, Q);
    else
        add_values(qs, v, shape->v_dim, p, from, to, Q, f);
    for (int q = 0; q < Q; q++) {
        int first = to > qs[q].first ? to : qs[q].first;
        if (f == PAGE_BF16)
            add_pairs_alone(&qs[q], v, shape->v_dim, &b[q], first, qs[q].count);
        else if (first < qs[q].count)
            add_values(&qs[q], v, shape->v_dim, &p[q], first, qs[q].count, 1, f);
    }
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
