/* What kind of model a file holds, and what one token of it costs: parameters, bytes and operations on one token's path. */
#include "engine/model.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sum {
    struct model *model;
    struct model_info *info;
    uint64_t bytes_by_format[64]; // index: GGUF number
};

static bool count_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    (void)needed;
    (void)err;
    struct sum *sum = context;
    const struct model *model = sum->model;
    const struct tensor *tensor = gguf_tensor(model->file, name);
    bool tied = !tensor && w == &sum->model->output;
    if (tied)
        tensor = gguf_tensor(model->file, "token_embd.weight");
    if (!tensor || !tensor->format)
        return true; // model_load tells
    uint64_t values = (uint64_t)(w->experts * w->rows * w->cols), active = values, bytes = tensor->bytes;
    if (use == WEIGHT_LOOKUP) {
        active = (uint64_t)w->cols; // one row
        bytes /= (uint64_t)w->rows;
    } else if (use == WEIGHT_EXPERTS) {
        active = values / (uint64_t)w->experts * (uint64_t)model->config.routing.top_k;
        bytes = bytes / (uint64_t)w->experts * (uint64_t)model->config.routing.top_k;
    }
    if (!tied)
        sum->info->parameters += values;
    if (!tied && (size_t)tensor->format->type < 64)
        sum->bytes_by_format[tensor->format->type] += tensor->bytes;
    sum->info->active_parameters += active;
    sum->info->active_bytes += bytes;
    if (use == WEIGHT_MATRIX || use == WEIGHT_EXPERTS)
        sum->info->active_operations += 2 * active;
    return true;
}

static const char *text_or_file_name(const struct model_file *file, struct gguf_string name, struct arena *arena, struct error *err)
{
    if (name.n && name.n < 256)
        return arena_copy(arena, name.bytes, name.n, err);
    const char *slash = strrchr(gguf_path(file), '/');
    const char *base = slash ? slash + 1 : gguf_path(file);
    return arena_copy(arena, base, strlen(base), err);
}

bool model_file_info(struct model_file *file, struct model_info *out, struct error *err)
{
    struct model model = {.file = file};
    struct gguf_string name = {NULL, 0};
    *out = (struct model_info){0};
    if (!model_config_read(file, &model.config, err) || !gguf_text(file, "general.name", &name, err) ||
        !gguf_bool(file, "jeoul.random_weights", &out->random_weights, err))
        return false;
    const struct model_config *c = &model.config;
    out->name = text_or_file_name(file, name, gguf_arena(file), err);
    if (!out->name)
        return false;
    out->arch = c->architecture->name;
    out->n_layers = c->n_layers;
    out->n_embd = c->n_embd;
    out->n_heads = c->n_heads;
    out->n_kv_heads = c->n_kv_heads;
    out->head_dim = c->head_dim;
    out->n_experts = c->n_experts;
    out->top_k = c->routing.top_k;
    out->n_ff = c->n_ff;
    out->n_vocab = c->n_vocab;
    out->context_length = c->context_length;
    uint64_t heads = c->architecture->latent_attention ? 1 : 2ull * (uint64_t)c->n_kv_heads; // MLA: one latent is K and V
    out->kv_elements_per_token = (uint64_t)c->n_layers * heads * (uint64_t)c->head_dim;
    for (size_t i = 0; gguf_tensor_at(file, i); i++)
        out->file_bytes += gguf_tensor_at(file, i)->bytes;

    model.layers = memory_array((size_t)c->n_layers, sizeof *model.layers, "layers", err);
    if (!model.layers)
        return false;
    struct sum sum = {.model = &model, .info = out};
    bool ok = model_each_weight(&model, count_weight, &sum, err);
    free(model.layers);
    size_t most = 0;
    for (size_t i = 1; i < 64; i++)
        if (sum.bytes_by_format[i] > sum.bytes_by_format[most])
            most = i;
    const struct tensor_format *format = tensor_format((uint32_t)most);
    snprintf(out->quantisation, sizeof out->quantisation, "%s", format ? format->name : "?");
    return ok;
}
