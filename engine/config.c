/* A model's configuration from its metadata. Keys are "<arch>.NAME".
 *
 * Every key under that prefix has to be known, and a key that this engine reads but whose value it would not honour is refused: a file
 * never says something that is silently ignored. */
#include "engine/model.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Keys that are read below, or that change nothing. */
static const char *const known_keys[] = {"vocab_size",
                                         "context_length",
                                         "embedding_length",
                                         "block_count",
                                         "feed_forward_length",
                                         "expert_feed_forward_length",
                                         "expert_shared_feed_forward_length",
                                         "expert_count",
                                         "expert_used_count",
                                         "expert_shared_count",
                                         "expert_group_count",
                                         "expert_group_used_count",
                                         "expert_weights_scale",
                                         "expert_weights_norm",
                                         "expert_gating_func",
                                         "leading_dense_block_count",
                                         "nextn_predict_layers",
                                         "attention.head_count",
                                         "attention.head_count_kv",
                                         "attention.key_length",
                                         "attention.value_length",
                                         "attention.key_length_mla",
                                         "attention.value_length_mla",
                                         "attention.q_lora_rank",
                                         "attention.kv_lora_rank",
                                         "attention.layer_norm_rms_epsilon",
                                         "attention.sliding_window",
                                         "attention.sliding_window_pattern",
                                         "attention.scale",
                                         "embedding_scale",
                                         "residual_scale",
                                         "logit_scale",
                                         "rope.freq_base",
                                         "rope.dimension_count",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.finetuned",
                                         "rope.scaling.yarn_beta_fast",
                                         "rope.scaling.yarn_beta_slow",
                                         "rope.scaling.yarn_log_multiplier",
                                         "use_parallel_residual",
                                         "tensor_data_layout",
                                         "quantize_imatrix",
                                         NULL};

static bool check_keys(const struct model_file *file, const char *arch, struct error *err)
{
    size_t prefix = strlen(arch);
    struct model_meta meta;
    for (size_t i = 0; model_file_meta((struct model_file *)(uintptr_t)file, i, &meta); i++) {
        if (strncmp(meta.key, arch, prefix) != 0 || meta.key[prefix] != '.')
            continue;
        bool known = false;
        for (const char *const *key = known_keys; *key && !known; key++)
            known = strcmp(*key, meta.key + prefix + 1) == 0;
        if (!known)
            return error_set(
                err, ERROR_INPUT,
                "%s: the key %s (%.60s) is not understood, and might change the results; a model that needs it is not supported",
                gguf_path(file), meta.key, meta.value);
    }
    return true;
}

struct reader {
    const struct model_file *file;
    const char *arch;
    struct error *err;
    bool ok; // sticky
    char key[128];
};

static const char *key_of(struct reader *r, const char *name)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, name);
    return r->key;
}

static bool has(struct reader *r, const char *name)
{
    return gguf_find(r->file, key_of(r, name)) != NULL;
}

#define refuse(r, ...) ((r)->ok = (r)->ok && error_set((r)->err, ERROR_INPUT, __VA_ARGS__))

/* An integer from low to high; a missing one is `fallback`, or an error where fallback is negative. */
static int integer(struct reader *r, const char *name, int64_t low, int64_t high, int64_t fallback)
{
    uint32_t value = fallback >= 0 ? (uint32_t)fallback : 0;
    if (!r->ok)
        return 0;
    const char *key = key_of(r, name);
    r->ok = fallback >= 0 ? gguf_u32(r->file, key, &value, r->err) : gguf_need_u32(r->file, key, &value, r->err);
    if (r->ok && (value < low || value > high))
        refuse(r, "%s: key %s is %" PRIu32 ", %" PRId64 " … %" PRId64 " is allowed", gguf_path(r->file), key, value, low, high);
    return r->ok ? (int)value : 0;
}

static float number(struct reader *r, const char *name, float fallback)
{
    float value = fallback;
    if (!r->ok)
        return fallback;
    const char *key = key_of(r, name);
    r->ok = gguf_f32(r->file, key, &value, r->err);
    if (r->ok && !isfinite(value))
        refuse(r, "%s: key %s is %g, a finite number is wanted", gguf_path(r->file), key, (double)value);
    return value;
}

static float positive(struct reader *r, const char *name, float fallback)
{
    float value = number(r, name, fallback);
    if (r->ok && !(value > 0))
        refuse(r, "%s: key %s is %g, a positive number is wanted", gguf_path(r->file), r->key, (double)value);
    return value;
}

/* A factor that some files write as 0 for "none". */
static float factor(struct reader *r, const char *name)
{
    float value = number(r, name, 1);
    return value == 0 ? 1 : value;
}

static bool flag(struct reader *r, const char *name, bool fallback)
{
    if (r->ok)
        r->ok = gguf_bool(r->file, key_of(r, name), &fallback, r->err);
    return fallback;
}

static bool text_is(struct gguf_string text, const char *wanted)
{
    return text.n == strlen(wanted) && memcmp(text.bytes, wanted, text.n) == 0;
}

static bool architecture_of(const struct model_file *file, const struct architecture **out, struct error *err)
{
    struct gguf_string name = {NULL, 0};
    if (!gguf_text(file, "general.architecture", &name, err))
        return false;
    if (!name.bytes)
        return error_set(err, ERROR_INPUT, "%s: the key general.architecture is missing: not a model", gguf_path(file));
    *out = architecture_named(name);
    if (*out)
        return true;
    struct text list = {0};
    for (size_t i = 0; architecture_at(i); i++)
        text_format(&list, "%s%s", i ? ", " : "", architecture_at(i)->name);
    error_set(err, ERROR_INPUT, "%s: the architecture \"%.*s\" is not supported; supported are: %s", gguf_path(file),
              (int)(name.n > 64 ? 64 : name.n), name.bytes, list.bytes ? list.bytes : "");
    text_free(&list);
    return false;
}

static void read_experts(struct reader *r, struct model_config *c)
{
    const struct architecture *a = c->architecture;
    c->n_experts = a->expert_width_key ? integer(r, "expert_count", a->dense_too ? 0 : 1, 4096, a->dense_too ? 0 : -1)
                                       : integer(r, "expert_count", 0, 0, 0);
    if (!c->n_experts) {
        c->n_dense_layers = c->n_layers;
        c->n_ff_dense = integer(r, "feed_forward_length", 1, 1 << 20, -1);
        c->routing = (struct routing){.gate = GATE_SOFTMAX, .n_groups = 1, .groups_used = 1, .scale = 1};
        return;
    }
    c->n_dense_layers = integer(r, "leading_dense_block_count", 0, c->n_layers, 0);
    c->n_ff_dense = c->n_dense_layers ? integer(r, "feed_forward_length", 1, 1 << 20, -1) : 0;
    const char *width = has(r, a->expert_width_key) ? a->expert_width_key : "feed_forward_length";
    c->n_ff = integer(r, width, 1, 1 << 20, -1);
    int shared = integer(r, "expert_shared_count", 0, 64, 0);
    c->n_ff_shared = integer(r, "expert_shared_feed_forward_length", 0, 1 << 20, (int64_t)shared * c->n_ff);
    struct routing *routing = &c->routing;
    routing->n_experts = c->n_experts;
    routing->top_k = integer(r, "expert_used_count", 1, c->n_experts, -1);
    int gate = integer(r, "expert_gating_func", 0, 3, a->gate);
    routing->gate = gate ? (enum gate)gate : a->gate; // 0: not said
    routing->scale = factor(r, "expert_weights_scale");
    routing->normalise = flag(r, "expert_weights_norm", a->normalise == NORMALISE_ALWAYS);
    if (a->normalise != NORMALISE_BY_KEY && routing->normalise != (a->normalise == NORMALISE_ALWAYS))
        refuse(r, "%s: key %s contradicts what %s does with the weights of its experts", gguf_path(r->file),
               key_of(r, "expert_weights_norm"), a->name);
    routing->n_groups = integer(r, "expert_group_count", 0, c->n_experts, 1);
    routing->groups_used = integer(r, "expert_group_used_count", 0, c->n_experts, 1);
    if (routing->n_groups <= 1)
        routing->n_groups = routing->groups_used = 1;
    else if (r->ok &&
             (c->n_experts % routing->n_groups || c->n_experts / routing->n_groups < 2 || routing->groups_used < 1 ||
              routing->groups_used > routing->n_groups || routing->groups_used * (c->n_experts / routing->n_groups) < routing->top_k))
        refuse(r, "%s: %d experts in %d groups, of which %d are used for %d choices, do not fit together", gguf_path(r->file), c->n_experts,
               routing->n_groups, routing->groups_used, routing->top_k);
}

/* MLA: the cached row is the latent and the shared rotary key, for one KV head. */
static void read_latent(struct reader *r, struct model_config *c)
{
    c->mla.kv_lora = integer(r, "attention.kv_lora_rank", 1, MAX_HEAD_DIM, -1);
    c->mla.q_lora = integer(r, "attention.q_lora_rank", 0, 1 << 20, 0);
    c->rope_dims = integer(r, "rope.dimension_count", 2, MAX_HEAD_DIM, -1);
    bool now = has(r, "attention.key_length_mla");
    int k = integer(r, now ? "attention.key_length_mla" : "attention.key_length", c->rope_dims + 1, MAX_HEAD_DIM, -1);
    c->mla.v = integer(r, now ? "attention.value_length_mla" : "attention.value_length", 1, MAX_HEAD_DIM, -1);
    c->mla.nope = k - c->rope_dims;
    c->n_kv_heads = 1;
    c->head_dim = c->mla.kv_lora + c->rope_dims;
}

static void read_attention(struct reader *r, struct model_config *c)
{
    const struct architecture *a = c->architecture;
    c->n_heads = integer(r, "attention.head_count", 1, 4096, -1);
    if (a->latent_attention)
        read_latent(r, c);
    else {
        c->n_kv_heads = integer(r, "attention.head_count_kv", 1, 4096, c->n_heads);
        c->head_dim = integer(r, "attention.key_length", 1, MAX_HEAD_DIM, c->n_heads ? c->n_embd / c->n_heads : 0);
        integer(r, "attention.value_length", c->head_dim, c->head_dim, c->head_dim);
        c->rope_dims = integer(r, "rope.dimension_count", 0, c->head_dim, c->head_dim);
        integer(r, "attention.kv_lora_rank", 0, 0, 0);
    }
    if (!r->ok)
        return;
    if (c->n_kv_heads < 1 || c->head_dim > MAX_HEAD_DIM || c->n_heads / c->n_kv_heads > MAX_HEAD_GROUP)
        refuse(r, "%s: heads of %d values, %d of them to a KV head: at most %d and %d are supported", gguf_path(r->file), c->head_dim,
               c->n_kv_heads ? c->n_heads / c->n_kv_heads : 0, MAX_HEAD_DIM, MAX_HEAD_GROUP);
    else if (c->n_heads % c->n_kv_heads)
        refuse(r, "%s: %d heads cannot share %d KV heads evenly", gguf_path(r->file), c->n_heads, c->n_kv_heads);
    else if (c->rope_dims % 2)
        refuse(r, "%s: rope over %d values: an even number is wanted", gguf_path(r->file), c->rope_dims);
    c->attention_scale = 1.0f / sqrtf((float)(a->latent_attention ? c->mla.nope + c->rope_dims : c->head_dim));
}

/* The window holds for the layers that the architecture's period names; the file's own pattern says the same and isn't read. exaone4 has
 * windows in its large form only, which is known by its 64 layers. */
static void read_window(struct reader *r, struct model_config *c)
{
    enum { LAYERS_OF_EXAONE4_32B = 64 };
    const struct architecture *a = c->architecture;
    c->window = integer(r, "attention.sliding_window", 0, 1 << 28, 0);
    bool windows = a->window_period && (!a->dense_too || c->n_layers == LAYERS_OF_EXAONE4_32B);
    if (r->ok && c->window && !windows && c->window < c->context_length)
        refuse(r, "%s: key %s is %d: %s has no windows here", gguf_path(r->file), key_of(r, "attention.sliding_window"), c->window,
               a->name);
    if (!windows)
        c->window = 0;
}

static void read_rope(struct reader *r, struct model_config *c)
{
    struct gguf_string type = {"none", 4};
    c->rope_base = positive(r, "rope.freq_base", 10000.0f);
    c->rope_factor = c->rope_magnitude = 1;
    if (r->ok)
        r->ok = gguf_text(r->file, key_of(r, "rope.scaling.type"), &type, r->err);
    if (!r->ok || text_is(type, "none"))
        return;
    if (!text_is(type, "linear") && !text_is(type, "yarn")) {
        refuse(r, "%s: key %s is \"%.*s\": none, linear and yarn are supported", gguf_path(r->file), key_of(r, "rope.scaling.type"),
               (int)(type.n > 32 ? 32 : type.n), type.bytes);
        return;
    }
    c->rope_factor = positive(r, "rope.scaling.factor", 1);
    if (!text_is(type, "yarn"))
        return;
    c->rope_original_context = integer(r, "rope.scaling.original_context_length", 1, 1 << 28, c->context_length);
    if (number(r, "rope.scaling.yarn_beta_fast", 32) != 32 || number(r, "rope.scaling.yarn_beta_slow", 1) != 1)
        refuse(r, "%s: YaRN with other bounds than 32 and 1 (%s) is not supported", gguf_path(r->file),
               key_of(r, "rope.scaling.yarn_beta_fast"));
    /* DeepSeek puts the magnitude into the scale of the scores: 0.1 · mscale_all_dim is what its key holds */
    float log_multiplier = number(r, "rope.scaling.yarn_log_multiplier", 0);
    if (log_multiplier != 0) {
        float m = 1 + 0.1f * (10 * log_multiplier) * logf(c->rope_factor);
        c->attention_scale *= m * m;
    } else
        c->rope_magnitude = 1 + 0.1f * logf(c->rope_factor);
}

static void read_scales(struct reader *r, struct model_config *c)
{
    static const char *const keys[] = {"embedding_scale", "residual_scale", "logit_scale", "attention.scale"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && r->ok && !c->architecture->scales; i++)
        if (factor(r, keys[i]) != 1)
            refuse(r, "%s: key %s: %s has no such scale", gguf_path(r->file), key_of(r, keys[i]), c->architecture->name);
    c->embedding_scale = factor(r, "embedding_scale");
    c->residual_scale = factor(r, "residual_scale");
    c->logit_scale = factor(r, "logit_scale");
    if (c->architecture->scales && has(r, "attention.scale"))
        c->attention_scale = positive(r, "attention.scale", 1);
}

bool model_config_read(const struct model_file *file, struct model_config *c, struct error *err)
{
    *c = (struct model_config){0};
    if (!architecture_of(file, &c->architecture, err) || !check_keys(file, c->architecture->name, err))
        return false;
    struct reader reader = {.file = file, .arch = c->architecture->name, .err = err, .ok = true}, *r = &reader;
    int blocks = integer(r, "block_count", 1, 1024, -1);
    c->n_layers =
        blocks - integer(r, "nextn_predict_layers", 0, blocks > 1 ? blocks - 1 : 0, 0); // those that guess further tokens come last
    c->n_embd = integer(r, "embedding_length", 1, 1 << 20, -1);
    c->context_length = integer(r, "context_length", 1, 1 << 28, -1);
    c->norm_epsilon = positive(r, "attention.layer_norm_rms_epsilon", 1e-5f);
    read_attention(r, c);
    read_experts(r, c);
    read_window(r, c);
    read_rope(r, c);
    read_scales(r, c);
    if (!r->ok)
        return false;
    const struct tensor *embedding = gguf_tensor(file, "token_embd.weight");
    if (!embedding)
        return error_set(err, ERROR_INPUT, "%s: the tensor token_embd.weight is missing%s", gguf_path(file),
                         gguf_tensor_at(file, 0) ? "" : ": the file holds a vocabulary only");
    c->n_vocab = (int)embedding->shape[1];
    return true;
}
