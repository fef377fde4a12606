/* Loading a model: one list of weights, each found by name, checked in shape, given to the backend. Pages of the file that a backend no
 * longer needs are dropped one tensor at a time, so that packing needs no second copy of the model in memory. */
#include "engine/model.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    int layer;        // −1: outside the layers
    const char *kind; // "weight" or "bias"
    bool needed;
    bool ok; // sticky
};

static void visit(struct visit *v, struct weight *w, const char *stem, enum weight_use use, int64_t experts, int64_t rows, int64_t cols)
{
    char name[80];
    if (!v->ok)
        return;
    if (v->layer >= 0)
        snprintf(name, sizeof name, "blk.%d.%s.%s", v->layer, stem, v->kind);
    else
        snprintf(name, sizeof name, "%s.%s", stem, v->kind);
    shape(w, experts, rows, cols);
    v->ok = v->fn(v->context, w, name, use, v->needed, v->err);
}

/* What a file may have and need not. */
static void visit_if_there(struct visit *v, struct weight *w, const char *stem, const char *kind, int64_t rows, int64_t cols)
{
    v->needed = false;
    v->kind = kind;
    visit(v, w, stem, WEIGHT_VECTOR, 1, rows, cols);
    v->needed = true;
    v->kind = "weight";
}

static void visit_latent_attention(struct visit *v, struct layer *l, const struct model_config *c)
{
    int64_t heads = c->n_heads, k = c->mla.nope + c->rope_dims, latent = c->mla.kv_lora, d = c->n_embd;
    if (c->mla.q_lora) {
        visit(v, &l->q_a, "attn_q_a", WEIGHT_MATRIX, 1, c->mla.q_lora, d);
        visit(v, &l->q_a_norm, "attn_q_a_norm", WEIGHT_VECTOR, 1, 1, c->mla.q_lora);
        visit(v, &l->q_b, "attn_q_b", WEIGHT_MATRIX, 1, heads * k, c->mla.q_lora);
    } else
        visit(v, &l->q, "attn_q", WEIGHT_MATRIX, 1, heads * k, d);
    visit(v, &l->kv_a, "attn_kv_a_mqa", WEIGHT_MATRIX, 1, latent + c->rope_dims, d);
    visit(v, &l->kv_a_norm, "attn_kv_a_norm", WEIGHT_VECTOR, 1, 1, latent);
    visit(v, &l->k_b, "attn_k_b", WEIGHT_MATRIX, heads, latent, c->mla.nope);
    visit(v, &l->v_b, "attn_v_b", WEIGHT_MATRIX, heads, c->mla.v, latent);
    visit(v, &l->o, "attn_output", WEIGHT_MATRIX, 1, d, heads * c->mla.v);
}

static void visit_attention(struct visit *v, struct layer *l, const struct model_config *c)
{
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim, d = c->n_embd;
    enum qk_norm norm = c->architecture->qk_norm;
    visit(v, &l->q, "attn_q", WEIGHT_MATRIX, 1, q, d);
    visit(v, &l->k, "attn_k", WEIGHT_MATRIX, 1, kv, d);
    visit(v, &l->v, "attn_v", WEIGHT_MATRIX, 1, kv, d);
    visit_if_there(v, &l->q_bias, "attn_q", "bias", 1, q);
    visit_if_there(v, &l->k_bias, "attn_k", "bias", 1, kv);
    visit_if_there(v, &l->v_bias, "attn_v", "bias", 1, kv);
    v->needed = norm != QK_NORM_IF_THERE;
    visit(v, &l->q_norm, "attn_q_norm", WEIGHT_VECTOR, 1, 1, norm == QK_NORM_WHOLE ? q : c->head_dim);
    visit(v, &l->k_norm, "attn_k_norm", WEIGHT_VECTOR, 1, 1, norm == QK_NORM_WHOLE ? kv : c->head_dim);
    v->needed = true;
    visit_if_there(v, &l->sinks, "attn_sinks", "weight", 1, c->n_heads);
    visit(v, &l->o, "attn_output", WEIGHT_MATRIX, 1, d, q);
    visit_if_there(v, &l->o_bias, "attn_output", "bias", 1, d);
}

static void visit_dense(struct visit *v, struct layer *l, const char *const names[3], int64_t d, int64_t f)
{
    visit(v, &l->dense_gate, names[0], WEIGHT_MATRIX, 1, f, d);
    visit(v, &l->dense_up, names[1], WEIGHT_MATRIX, 1, f, d);
    visit(v, &l->dense_down, names[2], WEIGHT_MATRIX, 1, d, f);
}

static void visit_experts(struct visit *v, struct layer *l, const struct model_config *c)
{
    int64_t d = c->n_embd, e = c->n_experts, f = c->n_ff;
    visit(v, &l->router, "ffn_gate_inp", WEIGHT_MATRIX, 1, e, d);
    visit_if_there(v, &l->router_bias, "ffn_gate_inp", "bias", 1, e);
    visit_if_there(v, &l->selection, "exp_probs_b", "bias", 1, e);
    visit(v, &l->gate, "ffn_gate_exps", WEIGHT_EXPERTS, e, f, d);
    visit(v, &l->up, "ffn_up_exps", WEIGHT_EXPERTS, e, f, d);
    visit(v, &l->down, "ffn_down_exps", WEIGHT_EXPERTS, e, d, f);
    visit_if_there(v, &l->gate_bias, "ffn_gate_exps", "bias", e, f);
    visit_if_there(v, &l->up_bias, "ffn_up_exps", "bias", e, f);
    visit_if_there(v, &l->down_bias, "ffn_down_exps", "bias", e, d);
    if (!c->n_ff_shared)
        return;
    visit_dense(v, l, (const char *const[]){"ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"}, d, c->n_ff_shared);
    visit_if_there(v, &l->shared_router, "ffn_gate_inp_shexp", "weight", 1, d);
}

bool model_each_weight(struct model *model, model_weight_fn *fn, void *context, struct error *err)
{
    const struct model_config *c = &model->config;
    const char *ffn_norm = c->architecture->ffn_norm;
    struct visit outer = {.fn = fn, .context = context, .err = err, .layer = -1, .kind = "weight", .needed = true, .ok = true}, *v = &outer;
    int64_t d = c->n_embd;
    visit(v, &model->token_embd, "token_embd", WEIGHT_LOOKUP, 1, c->n_vocab, d);
    for (v->layer = 0; v->layer < c->n_layers; v->layer++) {
        struct layer *l = &model->layers[v->layer];
        if (ffn_norm)
            visit(v, &l->attn_norm, "attn_norm", WEIGHT_VECTOR, 1, 1, d);
        if (c->architecture->latent_attention)
            visit_latent_attention(v, l, c);
        else
            visit_attention(v, l, c);
        visit(v, ffn_norm ? &l->ffn_norm : &l->post_attn_norm, ffn_norm ? ffn_norm : "post_attention_norm", WEIGHT_VECTOR, 1, 1, d);
        if (!ffn_norm)
            visit(v, &l->post_ffn_norm, "post_ffw_norm", WEIGHT_VECTOR, 1, 1, d);
        if (model_layer_is_dense(c, v->layer))
            visit_dense(v, l, (const char *const[]){"ffn_gate", "ffn_up", "ffn_down"}, d, c->n_ff_dense);
        else
            visit_experts(v, l, c);
    }
    v->layer = -1;
    visit_if_there(v, &model->rope_freqs, "rope_freqs", "weight", 1, c->rope_dims / 2);
    visit(v, &model->output_norm, "output_norm", WEIGHT_VECTOR, 1, 1, d);
    visit(v, &model->output, "output", WEIGHT_MATRIX, 1, c->n_vocab, d);
    return v->ok;
}

/* Older files of DeepSeek-V2 hold K's and V's parts of each head in one tensor, [nope rows, then v rows][kv_lora]. Their parts as tensors
 * of their own, as floats: V's as it is, K's transposed, since the absorbed form multiplies by it from the other side. */
static const struct tensor *latent_part(struct model *model, const struct weight *w, const char *name, struct error *err)
{
    const struct model_config *c = &model->config;
    const char *key = strstr(name, ".attn_k_b."), *value = strstr(name, ".attn_v_b.");
    char both[80];
    snprintf(both, sizeof both, "%.*s.attn_kv_b.weight", (int)((key ? key : value ? value : name) - name), name);
    const struct tensor *from = key || value ? gguf_tensor(model->file, both) : NULL;
    if (!from || !from->format) {
        error_set(err, ERROR_INPUT, "%s: the tensor %s is missing", gguf_path(model->file), name);
        return NULL;
    }
    int64_t heads = c->n_heads, nope = c->mla.nope, v = c->mla.v, latent = c->mla.kv_lora;
    if (from->shape[0] != latent || from->shape[1] != heads * (nope + v) || from->shape[2] != 1 || latent % from->format->block_values) {
        error_set(err, ERROR_INPUT,
                  "%s: tensor %s has the shape [%" PRId64 ", %" PRId64 "], the metadata ask for [%" PRId64 ", %" PRId64 "]",
                  gguf_path(model->file), both, from->shape[0], from->shape[1], latent, heads * (nope + v));
        return NULL;
    }
    struct arena *arena = gguf_arena(model->file);
    struct tensor *part = arena_alloc(arena, 1, sizeof *part, err);
    float *values = part ? arena_alloc(arena, (size_t)(w->experts * w->rows * w->cols), sizeof *values, err) : NULL;
    float *row = values ? arena_alloc(arena, (size_t)latent, sizeof *row, err) : NULL;
    if (!row)
        return NULL;
    size_t row_bytes = (size_t)(latent / from->format->block_values) * (size_t)from->format->block_bytes;
    for (int64_t head = 0; head < heads; head++)
        for (int64_t i = 0; i < (key ? nope : v); i++) {
            int64_t at = head * (nope + v) + (key ? i : nope + i);
            from->format->to_float((const uint8_t *)from->data + (size_t)at * row_bytes, row, latent);
            for (int64_t j = 0; j < latent; j++)
                values[key ? (head * latent + j) * nope + i : (head * v + i) * latent + j] = row[j];
        }
    *part = (struct tensor){.name = name, .data = values, .format = tensor_format(TENSOR_F32), .shape = {w->cols, w->rows, w->experts, 1}};
    part->bytes = (size_t)(w->experts * w->rows * w->cols) * sizeof *values;
    return part;
}

static bool load_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct model *model = context;
    const struct tensor *tensor = gguf_tensor(model->file, name);
    bool tied = !tensor && w == &model->output;
    if (tied)
        tensor = model->token_embd.tensor;
    if (!tensor && !needed)
        return true;
    if (!tensor && (tensor = latent_part(model, w, name, err)) == NULL)
        return false;
    if (!tensor->format)
        return gguf_refuse_type(model->file, tensor, err);
    if (tensor->shape[0] != w->cols || tensor->shape[1] != w->rows || tensor->shape[2] != w->experts || tensor->shape[3] != 1)
        return error_set(err, ERROR_INPUT,
                         "%s: tensor %s has the shape [%" PRId64 ", %" PRId64 ", %" PRId64 "], the metadata ask for [%" PRId64 ", %" PRId64
                         ", %" PRId64 "]",
                         gguf_path(model->file), name, tensor->shape[0], tensor->shape[1], tensor->shape[2], w->cols, w->rows, w->experts);
    if (use == WEIGHT_VECTOR && tensor->format->type != TENSOR_F32)
        return error_set(err, ERROR_INPUT, "%s: tensor %s is %s, F32 is wanted for norms and biases", gguf_path(model->file), name,
                         tensor->format->name);
    w->tensor = tensor;
    bool unused = false, in_file = tied || gguf_tensor(model->file, name) == tensor;
    if (!model->backend->ops->weight_load(model->backend, w, use, &unused, err)) {
        w->tensor = NULL;
        return error_prefix(err, "%s: tensor %s", gguf_path(model->file), name);
    }
    if (unused && in_file)
        gguf_drop(model->file, tensor);
    return true;
}

static bool unload_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct model *model = context;
    (void)name;
    (void)use;
    (void)needed;
    (void)err;
    if (w->tensor)
        model->backend->ops->weight_unload(model->backend, w);
    w->tensor = NULL;
    return true;
}

struct claim {
    const char *name;
    bool found;
};

static bool claim_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct claim *claim = context;
    (void)w, (void)use, (void)needed, (void)err;
    claim->found = claim->found || strcmp(claim->name, name) == 0;
    return !claim->found;
}

/* Tensors that no weight of the model claims would change the result if they were understood. Only those of the first layers are looked at
 * (the leading dense ones and the first behind them): layers are alike. Blocks that guess further tokens are no part of the model here. */
static bool check_tensors(struct model *model, struct error *err)
{
    const struct model_config *c = &model->config;
    struct model first = {.config = *c, .file = model->file, .layers = model->layers};
    first.config.n_layers = c->n_dense_layers < c->n_layers ? c->n_dense_layers + 1 : 1;
    const struct tensor *tensor;
    for (size_t i = 0; (tensor = gguf_tensor_at(model->file, i)) != NULL; i++) {
        const char *name = tensor->name;
        struct claim claim = {.name = name};
        if (strncmp(name, "blk.", 4) == 0 && strtol(name + 4, NULL, 10) >= first.config.n_layers)
            continue;
        if (strstr(name, ".attn_kv_b.weight") && c->architecture->latent_attention)
            continue; // latent_part
        if (!model_each_weight(&first, claim_weight, &claim, err) && !claim.found)
            return false;
        if (!claim.found)
            return error_set(err, ERROR_INPUT,
                             "%s: the tensor %.80s is not understood, and might change the results; a model that needs it is not supported",
                             gguf_path(model->file), name);
    }
    return true;
}

static bool plan_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct model *model = context;
    struct weight planned = *w;
    (void)needed, (void)err;
    planned.tensor = gguf_tensor(model->file, name);
    if (!planned.tensor && w == &model->output)
        planned.tensor = gguf_tensor(model->file, "token_embd.weight");
    if (planned.tensor && planned.tensor->format) // what is missing or not supported is refused when it is loaded
        model->backend->ops->plan_weight(model->backend, &planned, use);
    return true;
}

bool model_plan(struct model *model, struct model_file *file, struct backend *backend, struct error *err)
{
    model->file = file;
    model->backend = backend;
    if (!model->layers)
        model->layers = memory_array((size_t)model->config.n_layers, sizeof *model->layers, "layers", err);
    return model->layers && model_each_weight(model, plan_weight, model, err);
}

bool model_load(struct model *model, struct model_file *file, struct backend *backend, struct error *err)
{
    model->file = file;
    model->backend = backend;
    if (!model->layers)
        model->layers = memory_array((size_t)model->config.n_layers, sizeof *model->layers, "layers", err);
    if (!model->layers)
        return false;
    if (!check_tensors(model, err))
        return false;
    struct weights_source source = {.path = gguf_path(file), .identity = gguf_identity(file)};
    for (;;) {
        backend->ops->weights_begin(backend, &source);
        if (!model_each_weight(model, load_weight, model, err))
            return false;
        if (backend->ops->weights_end(backend))
            return true;
        (void)!model_each_weight(model, unload_weight, model, NULL);
    }
}

void model_unload(struct model *model)
{
    if (model->layers && !model_each_weight(model, unload_weight, model, NULL))
        return; // unload_weight never stops
    free(model->layers);
    model->layers = NULL;
}
