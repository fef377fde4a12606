/* See network.h. */
#include "engine/train/network.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const trainable[] = {"olmoe", "qwen3moe", "qwen3", "llama", NULL};

static bool check_architecture(const char *name, const struct architecture **out, struct error *err)
{
    for (const char *const *known = trainable; *known; known++)
        if (strcmp(*known, name) == 0) {
            *out = architecture_named((struct gguf_string){name, strlen(name)});
            return true;
        }
    return error_set(err, ERROR_INPUT, "the architecture \"%.32s\" cannot be trained; olmoe, qwen3moe, qwen3 and llama can", name);
}

static bool configure(struct model_config *c, const struct train_shape *s, struct error *err)
{
    if (!check_architecture(s->arch, &c->architecture, err))
        return false;
    bool moe = !c->architecture->dense_too;
    if (moe != (s->n_experts > 0))
        return error_set(err, ERROR_INPUT, "%s %s experts: %d are given", s->arch, moe ? "has" : "is trained without", s->n_experts);
    if (s->n_heads % s->n_kv_heads || s->head_dim % 2)
        return error_set(err, ERROR_INPUT, "%d heads of %d values on %d KV heads: the heads have to share evenly, their values to be even",
                         s->n_heads, s->head_dim, s->n_kv_heads);
    if (c->architecture->qk_norm == QK_NORM_WHOLE && s->n_heads * s->head_dim != s->n_embd)
        return error_set(err, ERROR_INPUT, "%s needs heads · head_dim = embedding: %d · %d is not %d", s->arch, s->n_heads, s->head_dim,
                         s->n_embd);
    if (moe && (s->top_k < 1 || s->top_k > s->n_experts))
        return error_set(err, ERROR_INPUT, "top_k %d of %d experts: 1 … %d are allowed", s->top_k, s->n_experts, s->n_experts);
    c->n_layers = s->n_layers;
    c->n_embd = s->n_embd;
    c->n_heads = s->n_heads;
    c->n_kv_heads = s->n_kv_heads;
    c->head_dim = c->rope_dims = s->head_dim;
    c->n_vocab = s->n_vocab;
    c->context_length = s->context_length;
    c->norm_epsilon = 1e-5f;
    c->rope_base = (float)s->rope_base;
    c->attention_scale = 1.0f / sqrtf((float)s->head_dim);
    c->n_experts = moe ? s->n_experts : 0;
    c->n_ff = moe ? s->n_ff : 0;
    c->n_ff_dense = moe ? 0 : s->n_ff;
    c->n_dense_layers = moe ? 0 : s->n_layers;
    c->routing = (struct routing){.n_experts = c->n_experts,
                                  .top_k = moe ? s->top_k : 0,
                                  .gate = GATE_SOFTMAX,
                                  .n_groups = 1,
                                  .groups_used = 1,
                                  .normalise = c->architecture->normalise == NORMALISE_ALWAYS,
                                  .scale = 1};
    return true;
}

/* Whether the network has values of its own for a weight: a tied output takes the token embedding's. */
static bool is_own(const struct network *net, const struct weight *w, bool needed)
{
    return needed && !(net->tied && w == &net->model.output);
}

/* Lays the weights out one after the other. */
static bool add_parameter(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct network *net = context;
    if (!is_own(net, w, needed))
        return true;
    if (!memory_grow((void **)&net->parameters, &net->capacity, net->n_parameters + 1, sizeof *net->parameters, "weights", err))
        return false;
    struct parameter *p = &net->parameters[net->n_parameters++];
    *p = (struct parameter){.use = use, .cols = w->cols, .rows = w->rows, .experts = w->experts, .first = net->n_values};
    snprintf(p->name, sizeof p->name, "%s", name);
    p->count = (size_t)(w->cols * w->rows * w->experts);
    net->n_values += p->count;
    return true;
}

static bool place_parameter(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct network *net = context;
    (void)name, (void)use, (void)err;
    if (is_own(net, w, needed))
        w->packed = net->values + net->parameters[net->placed++].first;
    return true;
}

static bool lay_out(struct network *net, bool gradients, struct error *err)
{
    if (!(net->model.layers = memory_array((size_t)net->model.config.n_layers, sizeof *net->model.layers, "layers", err)) ||
        !model_each_weight(&net->model, add_parameter, net, err) ||
        !(net->values = memory_array(net->n_values, sizeof *net->values, "weights", err)) ||
        (gradients && !(net->gradients = memory_array(net->n_values, sizeof *net->gradients, "gradients", err))))
        return false;
    return model_each_weight(&net->model, place_parameter, net, err);
}

bool network_new(struct network *net, const struct train_shape *shape, uint64_t seed, struct error *err)
{
    *net = (struct network){.tied = shape->tied};
    if (!configure(&net->model.config, shape, err) || !lay_out(net, true, err))
        return false;
    for (size_t i = 0; i < net->n_parameters; i++) {
        const struct parameter *p = &net->parameters[i];
        struct random random = random_seed(seed, i);
        for (size_t j = p->first; j < p->first + p->count; j++)
            net->values[j] = p->use == WEIGHT_VECTOR ? 1.0f : (float)(shape->deviation * random_normal(&random));
    }
    return true;
}

static bool read_parameter(const struct network *net, const struct parameter *p, const struct model_file *file, struct error *err)
{
    const struct tensor *tensor = gguf_tensor(file, p->name);
    if (!tensor || !tensor->format)
        return error_set(err, ERROR_INPUT, "%s: the tensor %s is missing or of a type that is not read", gguf_path(file), p->name);
    if (tensor->shape[0] != p->cols || tensor->shape[1] * tensor->shape[2] != p->rows * p->experts ||
        p->cols % tensor->format->block_values)
        return error_set(err, ERROR_INPUT, "%s: tensor %s has another shape than the metadata ask for", gguf_path(file), p->name);
    tensor->format->to_float(tensor->data, net->values + p->first, (int64_t)p->count);
    return true;
}

bool network_read(struct network *net, struct model_file *file, struct error *err)
{
    const struct architecture *architecture;
    *net = (struct network){.tied = gguf_tensor(file, "output.weight") == NULL};
    if (!model_config_read(file, &net->model.config, err))
        return false;
    if (!check_architecture(net->model.config.architecture->name, &architecture, err))
        return error_prefix(err, "%s", gguf_path(file));
    const struct model_config *c = &net->model.config;
    if (c->n_ff_shared || (c->n_experts && c->n_dense_layers) || c->rope_dims != c->head_dim || c->rope_factor != 1 ||
        (c->architecture->dense_too && c->n_experts))
        return error_set(err, ERROR_INPUT,
                         "%s: a model with shared experts, dense layers among others, or scaled rope is not trained or taught from",
                         gguf_path(file));
    if (!lay_out(net, false, err))
        return false;
    for (size_t i = 0; i < net->n_parameters; i++)
        if (!read_parameter(net, &net->parameters[i], file, err))
            return false;
    return true;
}

void network_free(struct network *net)
{
    free(net->model.layers);
    free(net->parameters);
    free(net->values);
    free(net->gradients);
    *net = (struct network){0};
}

struct train_size network_size(const struct network *net)
{
    struct train_size size = {0};
    for (size_t i = 0; i < net->n_parameters; i++) {
        const struct parameter *p = &net->parameters[i];
        size.parameters += p->count;
        size.active_parameters += p->use == WEIGHT_EXPERTS  ? p->count / (size_t)p->experts * (size_t)net->model.config.routing.top_k
                                  : p->use == WEIGHT_LOOKUP ? (size_t)p->cols + (net->tied ? p->count : 0)
                                                            : p->count;
    }
    return size;
}

bool train_shape_check(const struct train_shape *shape, struct train_size *size, struct error *err)
{
    struct network net = {.tied = shape->tied};
    bool ok = configure(&net.model.config, shape, err) &&
              (net.model.layers = memory_array((size_t)shape->n_layers, sizeof *net.model.layers, "layers", err)) &&
              model_each_weight(&net.model, add_parameter, &net, err);
    *size = ok ? network_size(&net) : (struct train_size){0};
    network_free(&net);
    return ok;
}
