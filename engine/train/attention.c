/* Attention of a pass: norms of q and k, rope, softmax over what a row's own sequence has before it; and back. A thread takes one KV head
 * of one sequence with the query heads that share it: nobody else touches their gradients. */
#include "engine/train/pass.h"

#include <string.h>

struct attention_work {
    struct pass *p;
    struct layer_pass *s;
    bool back; // of rope: turned the other way, in d_qk
};

/* Turns pairs of a head by an angle: (a, b) → (a cos − b sin, a sin + b cos); backward by the negative one. */
static void turn(float *head, int dim, bool neox, const float *cosines, const float *sines, float sign)
{
    int half = dim / 2, next = neox ? half : 1, step = neox ? 1 : 2;
    for (int i = 0; i < half; i++) {
        float *a = head + i * step, x = a[0], y = a[next], c = cosines[i], s = sign * sines[i];
        a[0] = x * c - y * s;
        a[next] = x * s + y * c;
    }
}

static void rope_thread(void *context, int thread, int threads)
{
    const struct attention_work *work = context;
    struct pass *p = work->p;
    const struct model_config *c = &p->net->model.config;
    int64_t dim = c->head_dim, heads = c->n_heads + c->n_kv_heads, stride = heads * dim;
    float *rows = work->back ? p->d_qk : work->s->qk;
    for (int sequence = thread; sequence < p->n_sequences; sequence += threads)
        for (int64_t i = p->starts[sequence]; i < p->starts[sequence + 1]; i++) {
            int64_t at = (i - p->starts[sequence]) * (dim / 2);
            for (int64_t h = 0; h < heads; h++)
                turn(rows + i * stride + h * dim, (int)dim, c->architecture->rope_neox, p->cosines + at, p->sines + at,
                     work->back ? -1 : 1);
        }
}

/* A thread's item: a sequence, and a KV head with the query heads first_head … end_head − 1; where its vectors stand, from the
 * sequence's first row. */
struct item {
    int64_t first, length, first_head, end_head, dim, qk_stride, qkv_stride, a_stride;
    const float *k, *v;
};

static struct item item_of(const struct pass *p, const struct layer_pass *s, int64_t number)
{
    const struct model_config *c = &p->net->model.config;
    int64_t dim = c->head_dim, q = c->n_heads * dim, kv = c->n_kv_heads * dim, group = c->n_heads / c->n_kv_heads;
    int64_t sequence = number / c->n_kv_heads, kv_head = number % c->n_kv_heads, first = p->starts[sequence];
    return (struct item){.first = first,
                         .length = p->starts[sequence + 1] - first,
                         .first_head = kv_head * group,
                         .end_head = (kv_head + 1) * group,
                         .dim = dim,
                         .qk_stride = q + kv,
                         .qkv_stride = q + 2 * kv,
                         .a_stride = q,
                         .k = s->qk + first * (q + kv) + q + kv_head * dim,
                         .v = s->qkv + first * (q + 2 * kv) + q + kv + kv_head * dim};
}

static void attend_item(const struct attention_work *work, int64_t number, float *scores)
{
    struct pass *p = work->p;
    const struct cpu_training *t = p->kernels->training;
    const struct item v = item_of(p, work->s, number);
    float scale = p->net->model.config.attention_scale;
    for (int64_t h = v.first_head; h < v.end_head; h++)
        for (int64_t i = 0; i < v.length; i++) {
            float *out = work->s->a + (v.first + i) * v.a_stride + h * v.dim;
            t->dots(scores, work->s->qk + (v.first + i) * v.qk_stride + h * v.dim, v.k, i + 1, v.dim, v.qk_stride, scale);
            t->softmax(scores, i + 1);
            memset(out, 0, (size_t)v.dim * sizeof *out);
            t->combine(out, scores, v.v, i + 1, v.dim, v.qkv_stride);
        }
}

/* With P = softmax(scale · q·K): dV = Pᵀ·dO, dP = dO·Vᵀ, dS = P ∘ (dP − Σ P ∘ dP), dq = scale · dS·K, dK = scale · dSᵀ·q. */
static void attend_item_back(const struct attention_work *work, int64_t number, float *scores)
{
    struct pass *p = work->p;
    const struct cpu_training *t = p->kernels->training;
    const struct item v = item_of(p, work->s, number);
    float scale = p->net->model.config.attention_scale;
    float *d_k = p->d_qk + (v.k - work->s->qk), *d_v = p->d_qkv + (v.v - work->s->qkv), *d_scores = scores + p->max_sequence;
    for (int64_t h = v.first_head; h < v.end_head; h++)
        for (int64_t i = 0; i < v.length; i++) {
            const float *q = work->s->qk + (v.first + i) * v.qk_stride + h * v.dim,
                        *d_out = p->d_a + (v.first + i) * v.a_stride + h * v.dim;
            t->dots(scores, q, v.k, i + 1, v.dim, v.qk_stride, scale);
            t->softmax(scores, i + 1);
            t->dots(d_scores, d_out, v.v, i + 1, v.dim, v.qkv_stride, 1);
            t->spread(d_v, scores, d_out, i + 1, v.dim, v.qkv_stride);
            float sum = 0;
            for (int64_t j = 0; j <= i; j++)
                sum += scores[j] * d_scores[j];
            for (int64_t j = 0; j <= i; j++)
                d_scores[j] = scale * scores[j] * (d_scores[j] - sum);
            t->combine(p->d_qk + (v.first + i) * v.qk_stride + h * v.dim, d_scores, v.k, i + 1, v.dim, v.qk_stride);
            t->spread(d_k, d_scores, q, i + 1, v.dim, v.qk_stride);
        }
}

static void attend_thread(void *context, int thread, int threads)
{
    (void)threads;
    const struct attention_work *work = context;
    struct pass *p = work->p;
    int64_t items = (int64_t)p->n_sequences * p->net->model.config.n_kv_heads, item;
    float *scores = p->scores + (int64_t)thread * 2 * p->max_sequence;
    while ((item = pool_next(p->pool, items)) >= 0)
        if (work->back)
            attend_item_back(work, item, scores);
        else
            attend_item(work, item, scores);
}

/* q and k of all rows, of those strides; whole rows or heads are normalised, by the architecture. */
static struct norm_rows qk_shape(const struct model_config *c, int heads, int64_t x_stride, int64_t y_stride)
{
    bool whole = c->architecture->qk_norm == QK_NORM_WHOLE;
    return (struct norm_rows){whole ? 1 : heads, whole ? (int64_t)heads * c->head_dim : c->head_dim, x_stride, y_stride};
}

void attention_forward(struct pass *p, const struct layer *l, struct layer_pass *s)
{
    const struct model_config *c = &p->net->model.config;
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;
    if (values_of(&l->q_norm)) {
        struct norm_rows of_q = qk_shape(c, c->n_heads, q + 2 * kv, q + kv), of_k = qk_shape(c, c->n_kv_heads, q + 2 * kv, q + kv);
        norm_rows(p, s->qk, s->qkv, &l->q_norm, &of_q);
        norm_rows(p, s->qk + q, s->qkv + q, &l->k_norm, &of_k);
    } else
        for (int64_t i = 0; i < p->rows; i++)
            memcpy(s->qk + i * (q + kv), s->qkv + i * (q + 2 * kv), (size_t)(q + kv) * sizeof *s->qk);
    struct attention_work work = {p, s, false};
    pool_run(p->pool, rope_thread, &work);
    pool_run(p->pool, attend_thread, &work);
}

void attention_backward(struct pass *p, const struct layer *l, struct layer_pass *s)
{
    const struct model_config *c = &p->net->model.config;
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;
    struct attention_work work = {p, s, true};
    memset(p->d_qk, 0, (size_t)(p->rows * (q + kv)) * sizeof *p->d_qk);
    memset(p->d_qkv, 0, (size_t)(p->rows * (q + 2 * kv)) * sizeof *p->d_qkv);
    pool_run(p->pool, attend_thread, &work);
    pool_run(p->pool, rope_thread, &work);
    if (values_of(&l->q_norm)) {
        struct norm_rows of_q = qk_shape(c, c->n_heads, q + 2 * kv, q + kv), of_k = qk_shape(c, c->n_kv_heads, q + 2 * kv, q + kv);
        norm_rows_back(p, p->d_qkv, s->qkv, p->d_qk, &l->q_norm, &of_q, false);
        norm_rows_back(p, p->d_qkv + q, s->qkv + q, p->d_qk + q, &l->k_norm, &of_k, false);
    } else
        for (int64_t i = 0; i < p->rows; i++)
            memcpy(p->d_qkv + i * (q + 2 * kv), p->d_qk + i * (q + kv), (size_t)(q + kv) * sizeof *p->d_qk);
}
