/* The forward pass of a decoder with Mixture-of-Experts layers: see forward.h. */
#include "engine/forward.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static bool rope_open(struct rope *rope, const struct model_config *c, struct error *err)
{
    rope->n_dims = c->rope_dims;
    rope->neox = c->architecture->rope_neox;
    rope->magnitude = 1.0f;
    rope->inverse_frequency = memory_array((size_t)c->rope_dims / 2 + 1, sizeof *rope->inverse_frequency, "rope", err);
    if (!rope->inverse_frequency)
        return false;
    for (int i = 0; i < c->rope_dims / 2; i++) // base^(−2i/n), Su et al. 2021, equation 15
        rope->inverse_frequency[i] = (float)pow((double)c->rope_base, -2.0 * i / c->rope_dims);
    return true;
}

bool forward_open(struct forward *f, struct model *model, int max_rows, struct error *err)
{
    const struct model_config *c = &model->config;
    struct activations *s = &f->state;
    struct backend *b = model->backend;
    size_t rows = (size_t)max_rows, d = (size_t)c->n_embd, q = (size_t)c->n_heads * (size_t)c->head_dim,
           kv = (size_t)c->n_kv_heads * (size_t)c->head_dim, top_k = (size_t)c->routing.top_k;
    *f = (struct forward){.model = model};
    f->attention = (struct attention){.n_heads = c->n_heads,
                                      .n_kv_heads = c->n_kv_heads,
                                      .k_dim = c->head_dim,
                                      .v_dim = c->head_dim,
                                      .scale = 1.0f / sqrtf((float)c->head_dim)};
    if (!rope_open(&f->rope, c, err))
        return false;
    struct {
        struct buffer **buffer;
        size_t width, rows;
    } wanted[] = {{&s->x, d, rows},
                  {&s->h, d, rows},
                  {&s->q, q, rows},
                  {&s->k, kv, rows},
                  {&s->v, kv, rows},
                  {&s->a, q, rows},
                  {&s->ids, top_k, rows},
                  {&s->weights, top_k, rows},
                  {&s->wanted, d, LOGITS_CHUNK},
                  {&s->logits, (size_t)c->n_vocab, LOGITS_CHUNK}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t count;
        if (__builtin_mul_overflow(wanted[i].width, wanted[i].rows, &count))
            return error_set(err, ERROR_INPUT, "activations of %zu rows overflow the address space", rows);
        *wanted[i].buffer = b->ops->buffer_new(b, count, err);
        if (!*wanted[i].buffer)
            return false;
    }
    return true;
}

void forward_close(struct forward *f)
{
    struct activations *s = &f->state;
    struct buffer *buffers[] = {s->x, s->h, s->q, s->k, s->v, s->a, s->ids, s->weights, s->wanted, s->logits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (buffers[i])
            f->model->backend->ops->buffer_free(f->model->backend, buffers[i]);
    free(f->rope.inverse_frequency);
    *f = (struct forward){0};
}

/* Books the time since *since to an operation. */
static void book(struct forward *f, enum engine_op op, uint64_t *since)
{
    uint64_t now = clock_ns();
    f->op_ns[op] += now - *since;
    *since = now;
}

static void attention_block(struct forward *f, int layer, const struct batch *batch, uint64_t *since)
{
    const struct model_config *c = &f->model->config;
    const struct layer *l = &f->model->layers[layer];
    const struct activations *s = &f->state;
    struct backend *b = f->model->backend;
    const struct backend_ops *ops = b->ops;

    ops->norm(b, s->h, s->x, &l->attn_norm, batch->n, 1, c->n_embd, c->norm_epsilon);
    book(f, ENGINE_OP_NORM, since);
    ops->project(b, (struct buffer *const[]){s->q, s->k, s->v}, (const struct weight *const[]){&l->q, &l->k, &l->v}, 3, s->h, batch->n,
                 false);
    book(f, ENGINE_OP_PROJECT, since);
    if (c->architecture->qk_norm != QK_NORM_NONE) {
        bool whole = c->architecture->qk_norm == QK_NORM_WHOLE;
        ops->norm(b, s->q, s->q, &l->q_norm, batch->n, whole ? 1 : c->n_heads, whole ? c->n_heads * c->head_dim : c->head_dim,
                  c->norm_epsilon);
        ops->norm(b, s->k, s->k, &l->k_norm, batch->n, whole ? 1 : c->n_kv_heads, whole ? c->n_kv_heads * c->head_dim : c->head_dim,
                  c->norm_epsilon);
        book(f, ENGINE_OP_NORM, since);
    }
    ops->rope(b, s->q, c->n_heads, c->head_dim, &f->rope, batch);
    ops->rope(b, s->k, c->n_kv_heads, c->head_dim, &f->rope, batch);
    book(f, ENGINE_OP_ROPE, since);
    ops->kv_store(b, layer, s->k, s->v, batch);
    book(f, ENGINE_OP_KV, since);
    ops->attend(b, s->a, s->q, layer, &f->attention, batch);
    book(f, ENGINE_OP_ATTENTION, since);
    ops->project(b, (struct buffer *const[]){s->x}, (const struct weight *const[]){&l->o}, 1, s->a, batch->n, true);
    book(f, ENGINE_OP_PROJECT, since);
}

static void experts_block(struct forward *f, int layer, const struct batch *batch, uint64_t *since)
{
    const struct model_config *c = &f->model->config;
    const struct layer *l = &f->model->layers[layer];
    const struct activations *s = &f->state;
    struct backend *b = f->model->backend;
    const struct backend_ops *ops = b->ops;

    ops->norm(b, s->h, s->x, &l->ffn_norm, batch->n, 1, c->n_embd, c->norm_epsilon);
    book(f, ENGINE_OP_NORM, since);
    ops->route(b, s->ids, s->weights, s->h, &l->router, &c->routing, layer, batch->n);
    book(f, ENGINE_OP_ROUTE, since);
    ops->experts(b, s->x, s->h, s->ids, s->weights, &l->gate, &l->up, &l->down, c->routing.top_k, batch->n);
    book(f, ENGINE_OP_EXPERTS, since);
}

void forward_rows(struct forward *f, const struct batch *batch)
{
    uint64_t since = clock_ns();
    struct backend *b = f->model->backend;
    b->ops->embed(b, f->state.x, &f->model->token_embd, batch);
    book(f, ENGINE_OP_EMBED, &since);
    for (int layer = 0; layer < f->model->config.n_layers; layer++) {
        attention_block(f, layer, batch, &since);
        experts_block(f, layer, batch, &since);
    }
}

void forward_logits(struct forward *f, const int32_t *rows, int m)
{
    uint64_t since = clock_ns();
    const struct model_config *c = &f->model->config;
    const struct activations *s = &f->state;
    struct backend *b = f->model->backend;
    b->ops->gather(b, s->wanted, s->x, rows, m, c->n_embd);
    b->ops->norm(b, s->wanted, s->wanted, &f->model->output_norm, m, 1, c->n_embd, c->norm_epsilon);
    b->ops->project(b, (struct buffer *const[]){s->logits}, (const struct weight *const[]){&f->model->output}, 1, s->wanted, m, false);
    book(f, ENGINE_OP_LOGITS, &since);
}
