/* Loading a model: one list of weights, each found by name, checked in shape, given to the backend. Pages of the file that a backend no
 * longer needs are dropped one tensor at a time, so that packing needs no second copy of the model in memory. */
#include "engine/model.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void shape(struct weight *w, int64_t experts, int64_t rows, int64_t cols)
{
    w->experts = experts;
    w->rows = rows;
    w->cols = cols;
}

struct visit {
    model_weight_fn *fn;
    void *context;
    struct error *err;
    int layer; // −1: outside the layers
    bool ok;   // sticky
};

static void visit(struct visit *v, struct weight *w, const char *stem, enum weight_use use, int64_t experts, int64_t rows, int64_t cols)
{
    char name[80];
    if (!v->ok)
        return;
    if (v->layer >= 0)
        snprintf(name, sizeof name, "blk.%d.%s.weight", v->layer, stem);
    else
        snprintf(name, sizeof name, "%s.weight", stem);
    shape(w, experts, rows, cols);
    v->ok = v->fn(v->context, w, name, use, v->err);
}

bool model_each_weight(struct model *model, model_weight_fn *fn, void *context, struct error *err)
{
    const struct model_config *c = &model->config;
    struct visit outer = {.fn = fn, .context = context, .err = err, .layer = -1, .ok = true}, *v = &outer;
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim, d = c->n_embd, e = c->n_experts, f = c->n_ff;
    bool whole = c->architecture->qk_norm == QK_NORM_WHOLE;
    visit(v, &model->token_embd, "token_embd", WEIGHT_LOOKUP, 1, c->n_vocab, d);
    for (v->layer = 0; v->layer < c->n_layers; v->layer++) {
        struct layer *l = &model->layers[v->layer];
        visit(v, &l->attn_norm, "attn_norm", WEIGHT_VECTOR, 1, 1, d);
        visit(v, &l->q, "attn_q", WEIGHT_MATRIX, 1, q, d);
        visit(v, &l->k, "attn_k", WEIGHT_MATRIX, 1, kv, d);
        visit(v, &l->v, "attn_v", WEIGHT_MATRIX, 1, kv, d);
        if (c->architecture->qk_norm != QK_NORM_NONE) {
            visit(v, &l->q_norm, "attn_q_norm", WEIGHT_VECTOR, 1, 1, whole ? q : c->head_dim);
            visit(v, &l->k_norm, "attn_k_norm", WEIGHT_VECTOR, 1, 1, whole ? kv : c->head_dim);
        }
        visit(v, &l->o, "attn_output", WEIGHT_MATRIX, 1, d, q);
        visit(v, &l->ffn_norm, "ffn_norm", WEIGHT_VECTOR, 1, 1, d);
        visit(v, &l->router, "ffn_gate_inp", WEIGHT_MATRIX, 1, e, d);
        visit(v, &l->gate, "ffn_gate_exps", WEIGHT_MATRIX, e, f, d);
        visit(v, &l->up, "ffn_up_exps", WEIGHT_MATRIX, e, f, d);
        visit(v, &l->down, "ffn_down_exps", WEIGHT_MATRIX, e, d, f);
    }
    v->layer = -1;
    visit(v, &model->output_norm, "output_norm", WEIGHT_VECTOR, 1, 1, d);
    visit(v, &model->output, "output", WEIGHT_MATRIX, 1, c->n_vocab, d);
    return v->ok;
}

static bool load_weight(void *context, struct weight *w, const char *name, enum weight_use use, struct error *err)
{
    struct model *model = context;
    const struct tensor *tensor = gguf_tensor(model->file, name);
    bool tied = !tensor && w == &model->output;
    if (tied)
        tensor = model->token_embd.tensor;
    if (!tensor)
        return error_set(err, ERROR_INPUT, "%s: the tensor %s is missing", gguf_path(model->file), name);
    if (!tensor->format)
        return gguf_refuse_type(model->file, tensor, err);
    if (tensor->shape[0] != w->cols || tensor->shape[1] != w->rows || tensor->shape[2] != w->experts || tensor->shape[3] != 1)
        return error_set(err, ERROR_INPUT,
                         "%s: tensor %s has the shape [%" PRId64 ", %" PRId64 ", %" PRId64 "], the metadata ask for [%" PRId64 ", %" PRId64
                         ", %" PRId64 "]",
                         gguf_path(model->file), name, tensor->shape[0], tensor->shape[1], tensor->shape[2], w->cols, w->rows, w->experts);
    if (use == WEIGHT_VECTOR && tensor->format->type != TENSOR_F32)
        return error_set(err, ERROR_INPUT, "%s: tensor %s is %s, F32 is wanted for norms", gguf_path(model->file), name,
                         tensor->format->name);
    w->tensor = tensor;
    bool unused = false;
    if (use == WEIGHT_MATRIX)
        gguf_prefetch(model->file, tensor);
    if (!model->backend->ops->weight_load(model->backend, w, use, &unused, err)) {
        w->tensor = NULL;
        return error_prefix(err, "%s: tensor %s", gguf_path(model->file), name);
    }
    if (unused && !tied)
        gguf_drop(model->file, tensor);
    return true;
}

static bool unload_weight(void *context, struct weight *w, const char *name, enum weight_use use, struct error *err)
{
    struct model *model = context;
    (void)name;
    (void)use;
    (void)err;
    if (w->tensor)
        model->backend->ops->weight_unload(model->backend, w);
    w->tensor = NULL;
    return true;
}

bool model_load(struct model *model, struct model_file *file, struct backend *backend, struct error *err)
{
    model->file = file;
    model->backend = backend;
    model->layers = memory_array((size_t)model->config.n_layers, sizeof *model->layers, "layers", err);
    if (!model->layers)
        return false;
    return model_each_weight(model, load_weight, model, err);
}

void model_unload(struct model *model)
{
    if (model->layers && !model_each_weight(model, unload_weight, model, NULL))
        return; // unload_weight never stops
    free(model->layers);
    model->layers = NULL;
}
