/* The forward pass of a decoder: see forward.h. What an architecture has not got, a weight without a tensor tells. */
#include "engine/forward.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* YaRN's bounds (Peng et al. 2023, equation 23, with the floor and ceiling of the published code): pairs below `low` turn so often within
 * the original context that they stay as they are, those above `high` are interpolated. */
static void yarn_bounds(const struct model_config *c, double *low, double *high)
{
    const double beta_fast = 32, beta_slow = 1, two_pi = 6.283185307179586;
    double per_log = c->rope_dims / (2 * log((double)c->rope_base));
    *low = fmax(0, floor(per_log * log(c->rope_original_context / (beta_fast * two_pi))));
    *high = fmin(c->rope_dims - 1, ceil(per_log * log(c->rope_original_context / (beta_slow * two_pi))));
}

static bool rope_open(struct rope *rope, const struct model *model, struct error *err)
{
    const struct model_config *c = &model->config;
    const float *divisors = model->rope_freqs.tensor ? model->rope_freqs.tensor->data : NULL;
    double low = 0, high = 0;
    rope->n_dims = c->rope_dims;
    rope->neox = c->architecture->rope_neox;
    rope->magnitude = c->rope_magnitude;
    rope->inverse_frequency = memory_array((size_t)c->rope_dims / 2 + 1, sizeof *rope->inverse_frequency, "rope", err);
    if (!rope->inverse_frequency)
        return false;
    if (c->rope_original_context)
        yarn_bounds(c, &low, &high);
    for (int i = 0; i < c->rope_dims / 2; i++) {
        double frequency = pow((double)c->rope_base, -2.0 * i / c->rope_dims); // Su et al. 2021, equation 15
        if (divisors)
            frequency /= (double)divisors[i];
        double interpolated = frequency / (double)c->rope_factor;
        if (c->rope_original_context) {
            double kept = 1 - fmin(1, fmax(0, (i - low) / fmax(0.001, high - low)));
            interpolated = interpolated * (1 - kept) + frequency * kept;
        }
        rope->inverse_frequency[i] = (float)interpolated;
    }
    return true;
}

enum { BUFFERS = 16 };

/* A buffer of the run state: where it goes and its size. */
struct wanted {
    struct buffer **buffer;
    size_t width, rows;
};

static void list_buffers(const struct model_config *c, int max_rows, struct activations *s, struct wanted out[BUFFERS])
{
    bool mla = c->architecture->latent_attention;
    size_t rows = (size_t)max_rows, d = (size_t)c->n_embd, heads = (size_t)c->n_heads, head = (size_t)c->head_dim,
           kv = (size_t)c->n_kv_heads * head, top_k = (size_t)c->routing.top_k;
    size_t q = heads * (mla ? (size_t)(c->mla.nope + c->rope_dims) : head), a = heads * (mla ? (size_t)c->mla.v : head);
    size_t ff = (size_t)(c->n_ff_dense > c->n_ff_shared ? c->n_ff_dense : c->n_ff_shared);
    const struct wanted list[BUFFERS] = {{&s->x, d, rows},
                                         {&s->h, d, rows},
                                         {&s->b, d, rows},
                                         {&s->q, q, rows},
                                         {&s->k, kv, rows},
                                         {&s->v, mla ? 0 : kv, rows},
                                         {&s->a, a, rows},
                                         {&s->latent_q, mla ? heads * head : 0, rows},
                                         {&s->latent_a, mla ? heads * (size_t)c->mla.kv_lora : 0, rows},
                                         {&s->compressed_q, (size_t)c->mla.q_lora, rows},
                                         {&s->gate, ff, rows},
                                         {&s->up, ff, rows},
                                         {&s->ids, top_k, rows},
                                         {&s->weights, top_k, rows},
                                         {&s->wanted, d, LOGITS_CHUNK},
                                         {&s->logits, (size_t)c->n_vocab, LOGITS_CHUNK}};
    memcpy(out, list, sizeof list);
}

bool forward_elements(const struct model_config *config, int max_rows, size_t *out, struct error *err)
{
    struct activations none;
    struct wanted wanted[BUFFERS];
    size_t count;
    list_buffers(config, max_rows, &none, wanted);
    *out = 0;
    for (int i = 0; i < BUFFERS; i++)
        if (__builtin_mul_overflow(wanted[i].width, wanted[i].rows, &count) || __builtin_add_overflow(*out, count, out))
            return error_set(err, ERROR_INPUT, "activations of %d rows overflow the address space", max_rows);
    return true;
}

bool forward_open(struct forward *f, struct model *model, int max_rows, struct error *err)
{
    struct backend *b = model->backend;
    struct wanted wanted[BUFFERS];
    size_t all;
    *f = (struct forward){.model = model};
    if (!rope_open(&f->rope, model, err) || !forward_elements(&model->config, max_rows, &all, err))
        return false;
    list_buffers(&model->config, max_rows, &f->state, wanted);
    for (int i = 0; i < BUFFERS; i++)
        if (!(*wanted[i].buffer = b->ops->buffer_new(b, wanted[i].width * wanted[i].rows, err)))
            return false;
    return true;
}

void forward_close(struct forward *f)
{
    struct activations *s = &f->state;
    struct buffer *buffers[] = {s->x,    s->h,  s->b,   s->q,       s->k,      s->v,     s->a, s->latent_q, s->latent_a, s->compressed_q,
                                s->gate, s->up, s->ids, s->weights, s->wanted, s->logits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (buffers[i])
            f->model->backend->ops->buffer_free(f->model->backend, buffers[i]);
    free(f->rope.inverse_frequency);
    *f = (struct forward){0};
}

/* A step through the layers: what every block needs. */
struct pass {
    struct forward *f;
    const struct model_config *c;
    struct activations *s;
    struct backend *b;
    const struct backend_ops *ops;
    const struct batch *batch;
    int n;
    uint64_t since;
};

/* Books the time since the last booking to an operation. */
static void book(struct pass *p, enum engine_op op)
{
    uint64_t now = clock_ns();
    p->f->op_ns[op] += now - p->since;
    p->since = now;
}

static void norm(struct pass *p, struct buffer *y, const struct buffer *x, const struct weight *w, int groups, int width)
{
    p->ops->norm(p->b, y, x, w, p->n, groups, width, width, p->c->norm_epsilon);
    book(p, ENGINE_OP_NORM);
}

static void project(struct pass *p, struct buffer *y, const struct weight *w, const struct weight *bias, const struct buffer *x)
{
    p->ops->project(p->b, (struct buffer *const[]){y}, (const struct weight *const[]){w}, 1, x, p->n, false);
    if (bias && bias->tensor)
        p->ops->add_bias(p->b, y, bias, p->n);
}

/* Adds a branch to the residual stream by its last product: at once where nothing comes between, else by way of s->b. */
static void project_to_stream(struct pass *p, const struct weight *w, const struct weight *bias, const struct weight *post_norm,
                              const struct buffer *x)
{
    if (!bias->tensor && !post_norm->tensor && p->c->residual_scale == 1) {
        p->ops->project(p->b, (struct buffer *const[]){p->s->x}, (const struct weight *const[]){w}, 1, x, p->n, true);
        return;
    }
    project(p, p->s->b, w, bias, x);
    if (post_norm->tensor)
        p->ops->norm(p->b, p->s->b, p->s->b, post_norm, p->n, 1, p->c->n_embd, p->c->n_embd, p->c->norm_epsilon);
    p->ops->add(p->b, p->s->x, p->s->b, p->n, p->c->n_embd, p->c->residual_scale);
}

static struct attention attention_of(const struct pass *p, const struct layer *l, int layer)
{
    const struct model_config *c = p->c;
    return (struct attention){.n_heads = c->n_heads,
                              .n_kv_heads = c->n_kv_heads,
                              .k_dim = c->head_dim,
                              .v_dim = c->architecture->latent_attention ? c->mla.kv_lora : c->head_dim,
                              .scale = c->attention_scale,
                              .window = model_layer_window(c, layer),
                              .sinks = l->sinks.tensor ? &l->sinks : NULL};
}

/* q, k and v of a layer, turned by their positions, into the cache; s->a holds what is attended to. */
static void attend(struct pass *p, const struct layer *l, int layer, const struct buffer *h)
{
    const struct model_config *c = p->c;
    struct activations *s = p->s;
    p->ops->project(p->b, (struct buffer *const[]){s->q, s->k, s->v}, (const struct weight *const[]){&l->q, &l->k, &l->v}, 3, h, p->n,
                    false);
    const struct weight *biases[] = {&l->q_bias, &l->k_bias, &l->v_bias};
    struct buffer *biased[] = {s->q, s->k, s->v};
    for (int i = 0; i < 3; i++)
        if (biases[i]->tensor)
            p->ops->add_bias(p->b, biased[i], biases[i], p->n);
    book(p, ENGINE_OP_PROJECT);
    bool whole = c->architecture->qk_norm == QK_NORM_WHOLE;
    if (l->q_norm.tensor)
        norm(p, s->q, s->q, &l->q_norm, whole ? 1 : c->n_heads, whole ? c->n_heads * c->head_dim : c->head_dim);
    if (l->k_norm.tensor)
        norm(p, s->k, s->k, &l->k_norm, whole ? 1 : c->n_kv_heads, whole ? c->n_kv_heads * c->head_dim : c->head_dim);
    if (model_layer_has_rope(c, layer)) {
        p->ops->rope(p->b, s->q, c->n_heads, c->head_dim, 0, &p->f->rope, p->batch);
        p->ops->rope(p->b, s->k, c->n_kv_heads, c->head_dim, 0, &p->f->rope, p->batch);
        book(p, ENGINE_OP_ROPE);
    }
    p->ops->kv_store(p->b, layer, s->k, s->v, p->batch);
    book(p, ENGINE_OP_KV);
    struct attention attention = attention_of(p, l, layer);
    p->ops->attend(p->b, s->a, s->q, layer, &attention, p->batch);
    book(p, ENGINE_OP_ATTENTION);
}

/* The same for MLA in its absorbed form (DeepSeek-V2, 2024, section 2.1): the cache holds a latent and a rotary key; each head's query is
 * carried into the latent by k_b, and what it attends to back by v_b. */
static void attend_latent(struct pass *p, const struct layer *l, int layer, const struct buffer *h)
{
    const struct model_config *c = p->c;
    struct activations *s = p->s;
    int nope = c->mla.nope, rope = c->rope_dims, latent = c->mla.kv_lora, row = latent + rope;
    if (c->mla.q_lora) {
        project(p, s->compressed_q, &l->q_a, NULL, h);
        norm(p, s->compressed_q, s->compressed_q, &l->q_a_norm, 1, c->mla.q_lora);
    }
    project(p, s->q, c->mla.q_lora ? &l->q_b : &l->q, NULL, c->mla.q_lora ? s->compressed_q : h);
    project(p, s->k, &l->kv_a, NULL, h);
    book(p, ENGINE_OP_PROJECT);
    p->ops->norm(p->b, s->k, s->k, &l->kv_a_norm, p->n, 1, latent, row, c->norm_epsilon);
    book(p, ENGINE_OP_NORM);
    p->ops->rope(p->b, s->q, c->n_heads, nope + rope, nope, &p->f->rope, p->batch);
    p->ops->rope(p->b, s->k, 1, row, latent, &p->f->rope, p->batch);
    book(p, ENGINE_OP_ROPE);
    p->ops->project_heads(p->b, s->latent_q, row, &l->k_b, s->q, nope + rope, p->n);
    p->ops->copy_columns(p->b, s->latent_q, row, latent, s->q, nope + rope, nope, rope, p->n * c->n_heads);
    book(p, ENGINE_OP_PROJECT);
    p->ops->kv_store(p->b, layer, s->k, NULL, p->batch);
    book(p, ENGINE_OP_KV);
    struct attention attention = attention_of(p, l, layer);
    p->ops->attend(p->b, s->latent_a, s->latent_q, layer, &attention, p->batch);
    book(p, ENGINE_OP_ATTENTION);
    p->ops->project_heads(p->b, s->a, c->mla.v, &l->v_b, s->latent_a, latent, p->n);
    book(p, ENGINE_OP_PROJECT);
}

/* gate, up and their product in s->gate. */
static void dense_middle(struct pass *p, const struct layer *l, const struct buffer *h, int width)
{
    struct activations *s = p->s;
    p->ops->project(p->b, (struct buffer *const[]){s->gate, s->up}, (const struct weight *const[]){&l->dense_gate, &l->dense_up}, 2, h,
                    p->n, false);
    p->ops->activate(p->b, s->gate, s->up, p->n, width, ACT_SWIGLU);
}

static void dense_block(struct pass *p, const struct layer *l, const struct buffer *h)
{
    static const struct weight none;
    dense_middle(p, l, h, p->c->n_ff_dense);
    project_to_stream(p, &l->dense_down, &none, &l->post_ffn_norm, p->s->gate);
    book(p, ENGINE_OP_PROJECT);
}

static void shared_expert(struct pass *p, const struct layer *l, struct buffer *to)
{
    struct activations *s = p->s;
    dense_middle(p, l, s->h, p->c->n_ff_shared);
    if (!l->shared_router.tensor) {
        p->ops->project(p->b, (struct buffer *const[]){to}, (const struct weight *const[]){&l->dense_down}, 1, s->gate, p->n, true);
        return;
    }
    project(p, s->b, &l->dense_down, NULL, s->gate);
    p->ops->gate_rows(p->b, s->b, s->h, &l->shared_router, p->n, p->c->n_embd);
    p->ops->add(p->b, to, s->b, p->n, p->c->n_embd, 1);
}

static const struct weight *if_there(const struct weight *w)
{
    return w->tensor ? w : NULL;
}

static void experts_block(struct pass *p, const struct layer *l, int layer)
{
    const struct model_config *c = p->c;
    struct activations *s = p->s;
    bool direct = c->residual_scale == 1;
    struct buffer *to = direct ? s->x : s->b;
    struct router router = {&l->router, if_there(&l->router_bias), if_there(&l->selection)};
    struct experts experts = {&l->gate,
                              &l->up,
                              &l->down,
                              if_there(&l->gate_bias),
                              if_there(&l->up_bias),
                              if_there(&l->down_bias),
                              c->architecture->function,
                              c->routing.top_k};
    p->ops->route(p->b, s->ids, s->weights, s->h, &router, &c->routing, layer, p->n);
    book(p, ENGINE_OP_ROUTE);
    if (!direct)
        p->ops->clear(p->b, to, p->n, c->n_embd);
    p->ops->experts(p->b, to, s->h, s->ids, s->weights, &experts, p->n);
    if (c->n_ff_shared)
        shared_expert(p, l, to);
    if (!direct)
        p->ops->add(p->b, s->x, to, p->n, c->n_embd, c->residual_scale);
    book(p, ENGINE_OP_EXPERTS);
}

static void layer_rows(struct pass *p, int layer)
{
    const struct model_config *c = p->c;
    const struct layer *l = &p->f->model->layers[layer];
    struct activations *s = p->s;
    const struct buffer *h = s->x; // norms stand before the blocks or behind them
    if (l->attn_norm.tensor) {
        norm(p, s->h, s->x, &l->attn_norm, 1, c->n_embd);
        h = s->h;
    }
    if (c->architecture->latent_attention)
        attend_latent(p, l, layer, h);
    else
        attend(p, l, layer, h);
    project_to_stream(p, &l->o, &l->o_bias, &l->post_attn_norm, s->a);
    book(p, ENGINE_OP_PROJECT);
    if (l->ffn_norm.tensor)
        norm(p, s->h, s->x, &l->ffn_norm, 1, c->n_embd);
    if (model_layer_is_dense(c, layer))
        dense_block(p, l, h);
    else
        experts_block(p, l, layer);
}

static struct pass pass_begin(struct forward *f, const struct batch *batch, int n)
{
    struct backend *b = f->model->backend;
    return (struct pass){
        .f = f, .c = &f->model->config, .s = &f->state, .b = b, .ops = b->ops, .batch = batch, .n = n, .since = clock_ns()};
}

void forward_rows(struct forward *f, const struct batch *batch)
{
    struct pass pass = pass_begin(f, batch, batch->n), *p = &pass;
    p->ops->embed(p->b, p->s->x, &f->model->token_embd, batch);
    if (p->c->embedding_scale != 1)
        p->ops->scale(p->b, p->s->x, p->n, p->c->n_embd, p->c->embedding_scale);
    book(p, ENGINE_OP_EMBED);
    for (int layer = 0; layer < p->c->n_layers; layer++)
        layer_rows(p, layer);
}

void forward_logits(struct forward *f, const int32_t *rows, int m)
{
    struct pass pass = pass_begin(f, NULL, m), *p = &pass;
    struct activations *s = p->s;
    p->ops->gather(p->b, s->wanted, s->x, rows, m, p->c->n_embd);
    p->ops->norm(p->b, s->wanted, s->wanted, &f->model->output_norm, m, 1, p->c->n_embd, p->c->n_embd, p->c->norm_epsilon);
    project(p, s->logits, &f->model->output, NULL, s->wanted);
    if (p->c->logit_scale != 1)
        p->ops->scale(p->b, s->logits, m, p->c->n_vocab, 1 / p->c->logit_scale);
    book(p, ENGINE_OP_LOGITS);
}
