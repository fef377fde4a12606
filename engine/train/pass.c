/* See pass.h: memory, and the way through the layers. */
#include "engine/train/pass.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t q_width(const struct model_config *c)
{
    return (int64_t)c->n_heads * c->head_dim;
}

static int64_t kv_width(const struct model_config *c)
{
    return (int64_t)c->n_kv_heads * c->head_dim;
}

void pass_gemm_room(const struct network *net, const struct cpu_training *kernels, int max_rows, size_t *together, size_t *alone)
{
    const struct model_config *c = &net->model.config;
    int64_t d = c->n_embd, qkv = q_width(c) + 2 * kv_width(c), ff = larger(2 * c->n_ff_dense, c->n_ff), widest = larger(larger(d, qkv), ff);
    int64_t deepest = larger(larger(max_rows, c->n_vocab), widest);
    *together = gemm_b_floats(kernels, deepest, larger(widest, c->n_experts));
    size_t head = gemm_b_floats(kernels, d, c->n_vocab);
    *together = head > *together ? head : *together;
    *alone = gemm_b_floats(kernels, larger(max_rows, larger(d, ff)), larger(d, ff));
}

static bool open_layer(struct pass *p, struct layer_pass *s, struct error *err)
{
    const struct model_config *c = &p->net->model.config;
    size_t rows = (size_t)p->max_rows, d = (size_t)c->n_embd, q = (size_t)q_width(c), kv = (size_t)kv_width(c),
           top_k = (size_t)c->routing.top_k, experts = (size_t)c->n_experts, slots = rows * (experts ? top_k : 1),
           ff = (size_t)(experts ? c->n_ff : c->n_ff_dense);
    struct {
        void *at;
        size_t count;
    } wanted[] = {{&s->x, rows * d},
                  {&s->h, rows * d},
                  {&s->qkv, rows * (q + 2 * kv)},
                  {&s->qk, rows * (q + kv)},
                  {&s->a, rows * q},
                  {&s->middle, rows * d},
                  {&s->h2, rows * d},
                  {&s->gate, slots * ff * (experts ? 1 : 2)},
                  {&s->inner, slots * ff},
                  {&s->up, experts ? slots * ff : 0},
                  {&s->probabilities, rows * experts},
                  {&s->router_log_sum, experts ? rows : 0},
                  {&s->weights, experts ? slots : 0},
                  {&s->ids, experts ? slots : 0},
                  {&s->slot_of, experts ? slots : 0},
                  {&s->choice_of, experts ? slots : 0},
                  {&s->first, experts + 1},
                  {&s->inputs, experts ? slots * d : 0},
                  {&s->outputs, experts ? slots * d : 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *memory = arena_alloc(&p->arena, wanted[i].count, sizeof(float), err); // int32_t are as large
        if (!memory)
            return false;
        memcpy(wanted[i].at, &memory, sizeof memory);
    }
    return true;
}

static bool open_backward(struct pass *p, struct error *err)
{
    const struct model_config *c = &p->net->model.config;
    size_t rows = (size_t)p->max_rows, d = (size_t)c->n_embd, q = (size_t)q_width(c), kv = (size_t)kv_width(c),
           experts = (size_t)c->n_experts, slots = rows * (experts ? (size_t)c->routing.top_k : 1),
           ff = (size_t)(experts ? c->n_ff : c->n_ff_dense), blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    struct {
        float **at;
        size_t count;
    } wanted[] = {{&p->d_hidden, rows * d},
                  {&p->d_x, rows * d},
                  {&p->d_h, rows * d},
                  {&p->d_qkv, rows * (q + 2 * kv)},
                  {&p->d_qk, rows * (q + kv)},
                  {&p->d_a, rows * q},
                  {&p->d_inner, slots * ff},
                  {&p->d_gate, slots * ff * (experts ? 1 : 2)},
                  {&p->d_up, experts ? slots * ff : 0},
                  {&p->d_slots, experts ? slots * d : 0},
                  {&p->d_logits, rows * experts},
                  {&p->d_weights, experts ? slots : 0},
                  {&p->partial, blocks * (d > q ? d : q)}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!(*wanted[i].at = arena_alloc(&p->arena, wanted[i].count, sizeof(float), err)))
            return false;
    return true;
}

/* cos and sin of every position and pair, as the engine has them (Su et al. 2021, equation 15). */
static bool open_rope(struct pass *p, struct error *err)
{
    const struct model_config *c = &p->net->model.config;
    size_t half = (size_t)c->head_dim / 2, n = (size_t)p->max_sequence * half;
    if (!(p->cosines = arena_alloc(&p->arena, n, sizeof(float), err)) || !(p->sines = arena_alloc(&p->arena, n, sizeof(float), err)))
        return false;
    for (size_t position = 0; position < (size_t)p->max_sequence; position++)
        for (size_t i = 0; i < half; i++) {
            double angle = (double)position * (double)(float)pow((double)c->rope_base, -2.0 * (double)i / c->head_dim);
            p->cosines[position * half + i] = (float)cos(angle);
            p->sines[position * half + i] = (float)sin(angle);
        }
    return true;
}

bool pass_open(struct pass *p, const struct network *net, const struct cpu_kernels *kernels, struct pool *pool, struct gemm *gemm,
               int max_rows, int max_sequence, struct error *err)
{
    const struct model_config *c = &net->model.config;
    *p = (struct pass){.net = net, .kernels = kernels, .pool = pool, .gemm = gemm, .max_rows = max_rows, .max_sequence = max_sequence};
    size_t stream = (size_t)max_rows * (size_t)c->n_embd, threads = (size_t)pool_threads_open(pool);
    if (!(p->layers = arena_alloc(&p->arena, (size_t)c->n_layers, sizeof *p->layers, err)) ||
        !(p->last = arena_alloc(&p->arena, stream, sizeof(float), err)) ||
        !(p->hidden = arena_alloc(&p->arena, stream, sizeof(float), err)) ||
        !(p->scores = arena_alloc(&p->arena, threads * 2 * (size_t)max_sequence, sizeof(float), err)) || !open_rope(p, err))
        return false;
    for (int i = 0; i < c->n_layers; i++)
        if (!open_layer(p, &p->layers[i], err))
            return false;
    return !net->gradients || open_backward(p, err);
}

void pass_close(struct pass *p)
{
    arena_free(&p->arena);
    *p = (struct pass){0};
}

/* --- the way through the layers, and back
 * -------------------------------------------------------------------------------------------------- */

static void embed(struct pass *p, float *x)
{
    size_t d = (size_t)p->net->model.config.n_embd;
    const float *table = values_of(&p->net->model.token_embd);
    for (size_t i = 0; i < (size_t)p->rows; i++)
        memcpy(x + i * d, table + (size_t)p->tokens[i] * d, d * sizeof *x);
}

static void embed_back(struct pass *p)
{
    int64_t d = p->net->model.config.n_embd;
    float *table = gradients_of(p->net, &p->net->model.token_embd);
    for (int64_t i = 0; i < p->rows; i++)
        p->kernels->add_scaled(table + p->tokens[i] * d, p->d_x + i * d, 1, d);
}

/* The rows of the dense block between its products. */
struct dense_work {
    struct pass *p;
    struct layer_pass *s;
};

static void activate_rows(void *context, int thread, int threads)
{
    const struct dense_work *work = context;
    struct pass *p = work->p;
    struct layer_pass *s = work->s;
    int64_t ff = p->net->model.config.n_ff_dense;
    for (int64_t i = thread; i < p->rows; i += threads)
        p->kernels->swiglu(s->inner + i * ff, s->gate + i * 2 * ff, s->gate + i * 2 * ff + ff, ff);
}

static void activate_rows_back(void *context, int thread, int threads)
{
    const struct dense_work *work = context;
    struct pass *p = work->p;
    const struct layer_pass *s = work->s;
    int64_t ff = p->net->model.config.n_ff_dense;
    for (int64_t i = thread; i < p->rows; i += threads) {
        float *d_gate = p->d_gate + i * 2 * ff;
        const float *gate = s->gate + i * 2 * ff;
        p->kernels->training->swiglu_back(d_gate, d_gate + ff, gate, gate + ff, p->d_inner + i * ff, ff);
    }
}

static void dense_forward(struct pass *p, const struct layer *l, struct layer_pass *s, float *x)
{
    int64_t d = p->net->model.config.n_embd, ff = p->net->model.config.n_ff_dense;
    project(p, s->gate, 2 * ff, s->h2, d, values_of(&l->dense_gate), 2 * ff, d, false); // up lies behind gate
    pool_run(p->pool, activate_rows, &(struct dense_work){p, s});
    project(p, x, d, s->inner, ff, values_of(&l->dense_down), d, ff, true);
}

static void dense_backward(struct pass *p, const struct layer *l, struct layer_pass *s)
{
    const struct network *net = p->net;
    int64_t d = net->model.config.n_embd, ff = net->model.config.n_ff_dense;
    project_back(p, p->d_inner, gradients_of(net, &l->dense_down), p->d_x, d, s->inner, ff, values_of(&l->dense_down), d, ff, false);
    pool_run(p->pool, activate_rows_back, &(struct dense_work){p, s});
    project_back(p, p->d_h, gradients_of(net, &l->dense_gate), p->d_gate, 2 * ff, s->h2, d, values_of(&l->dense_gate), 2 * ff, d, false);
}

static void layer_forward(struct pass *p, int layer, float *x)
{
    const struct model_config *c = &p->net->model.config;
    const struct layer *l = &p->net->model.layers[layer];
    struct layer_pass *s = &p->layers[layer];
    int64_t d = c->n_embd, q = q_width(c), qkv = q + 2 * kv_width(c);
    size_t stream = (size_t)p->rows * (size_t)d * sizeof *x;
    struct norm_rows shape = {1, d, d, d};
    norm_rows(p, s->h, s->x, &l->attn_norm, &shape);
    project(p, s->qkv, qkv, s->h, d, values_of(&l->q), qkv, d, false); // k and v lie behind q
    attention_forward(p, l, s);
    memcpy(s->middle, s->x, stream);
    project(p, s->middle, d, s->a, q, values_of(&l->o), d, q, true);
    norm_rows(p, s->h2, s->middle, &l->ffn_norm, &shape);
    memcpy(x, s->middle, stream);
    if (c->n_experts)
        experts_forward(p, l, s, x);
    else
        dense_forward(p, l, s, x);
}

static void layer_backward(struct pass *p, int layer)
{
    const struct network *net = p->net;
    const struct model_config *c = &net->model.config;
    const struct layer *l = &net->model.layers[layer];
    struct layer_pass *s = &p->layers[layer];
    int64_t d = c->n_embd, q = q_width(c), qkv = q + 2 * kv_width(c);
    struct norm_rows shape = {1, d, d, d};
    if (c->n_experts)
        experts_backward(p, l, s);
    else
        dense_backward(p, l, s);
    norm_rows_back(p, p->d_x, s->middle, p->d_h, &l->ffn_norm, &shape, true);
    project_back(p, p->d_a, gradients_of(net, &l->o), p->d_x, d, s->a, q, values_of(&l->o), d, q, false);
    attention_backward(p, l, s);
    project_back(p, p->d_h, gradients_of(net, &l->q), p->d_qkv, qkv, s->h, d, values_of(&l->q), qkv, d, false);
    norm_rows_back(p, p->d_x, s->x, p->d_h, &l->attn_norm, &shape, true);
}

void pass_forward(struct pass *p)
{
    const struct model *model = &p->net->model;
    int layers = model->config.n_layers;
    int64_t d = model->config.n_embd;
    p->load_balance = p->router_z = 0;
    embed(p, p->layers[0].x);
    for (int i = 0; i < layers; i++)
        layer_forward(p, i, i + 1 < layers ? p->layers[i + 1].x : p->last);
    norm_rows(p, p->hidden, p->last, &model->output_norm, &(struct norm_rows){1, d, d, d});
}

void pass_backward(struct pass *p)
{
    const struct model *model = &p->net->model;
    int64_t d = model->config.n_embd;
    norm_rows_back(p, p->d_x, p->last, p->d_hidden, &model->output_norm, &(struct norm_rows){1, d, d, d}, false);
    for (int i = model->config.n_layers - 1; i >= 0; i--)
        layer_backward(p, i);
    embed_back(p);
}
