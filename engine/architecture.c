/* The architectures that are read, and their configuration from metadata.
 *
 * A new architecture is a row here, and a golden model in the tests. Keys are "<arch>.NAME". Every key under that prefix has to be known:
 * one that isn't might change the result, so it is refused by name. */
#include "engine/model.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct architecture architectures[] = {
    {"olmoe", QK_NORM_WHOLE, true, false, "feed_forward_length"},
    {"qwen3moe", QK_NORM_HEAD, true, true, "expert_feed_forward_length"},
};

/* Keys that are read below, or that change nothing. */
static const char *const known_keys[] = {"vocab_size",
                                         "context_length",
                                         "embedding_length",
                                         "block_count",
                                         "feed_forward_length",
                                         "expert_feed_forward_length",
                                         "expert_count",
                                         "expert_used_count",
                                         "attention.head_count",
                                         "attention.head_count_kv",
                                         "attention.key_length",
                                         "attention.value_length",
                                         "attention.layer_norm_rms_epsilon",
                                         "rope.freq_base",
                                         "rope.dimension_count",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.finetuned",
                                         "expert_shared_count",
                                         "expert_group_count",
                                         "expert_group_used_count",
                                         "expert_weights_scale",
                                         "expert_weights_norm",
                                         "expert_gating_func",
                                         "use_parallel_residual",
                                         "tensor_data_layout",
                                         "quantize_imatrix",
                                         NULL};

const struct architecture *architecture_at(size_t index)
{
    return index < sizeof architectures / sizeof *architectures ? &architectures[index] : NULL;
}

const struct architecture *architecture_named(struct gguf_string name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (strlen(architectures[i].name) == name.n && memcmp(architectures[i].name, name.bytes, name.n) == 0)
            return &architectures[i];
    return NULL;
}

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

/* An integer from low to high; a missing one is `fallback`, or an error where fallback is negative. */
static int integer(struct reader *r, const char *name, int64_t low, int64_t high, int64_t fallback)
{
    uint32_t value = fallback >= 0 ? (uint32_t)fallback : 0;
    if (!r->ok)
        return 0;
    const char *key = key_of(r, name);
    r->ok = fallback >= 0 ? gguf_u32(r->file, key, &value, r->err) : gguf_need_u32(r->file, key, &value, r->err);
    if (r->ok && (value < low || value > high))
        r->ok = error_set(r->err, ERROR_INPUT, "%s: key %s is %" PRIu32 ", %" PRId64 " … %" PRId64 " is allowed", gguf_path(r->file), key,
                          value, low, high);
    return r->ok ? (int)value : 0;
}

static float positive(struct reader *r, const char *name, float fallback)
{
    float value = fallback;
    if (!r->ok)
        return 0;
    const char *key = key_of(r, name);
    r->ok = gguf_f32(r->file, key, &value, r->err);
    if (r->ok && !(value > 0 && isfinite(value)))
        r->ok = error_set(r->err, ERROR_INPUT, "%s: key %s is %g, a positive number is wanted", gguf_path(r->file), key, (double)value);
    return value;
}

/* Refuses what these architectures don't have: the file says something that this engine would silently ignore. */
static void refuse_unsupported(struct reader *r)
{
    if (!r->ok)
        return;
    struct gguf_string scaling = {"none", 4};
    r->ok = gguf_text(r->file, key_of(r, "rope.scaling.type"), &scaling, r->err);
    if (r->ok && !(scaling.n == 4 && memcmp(scaling.bytes, "none", 4) == 0))
        r->ok = error_set(r->err, ERROR_INPUT, "%s: key %s is \"%.*s\": rope scaling is not supported for this architecture",
                          gguf_path(r->file), r->key, (int)(scaling.n > 32 ? 32 : scaling.n), scaling.bytes);
    integer(r, "expert_shared_count", 0, 0, 0);
    integer(r, "expert_group_count", 0, 1, 0);
    integer(r, "expert_gating_func", 1, 1, 1); // softmax
    float scale = 1.0f;
    if (r->ok)
        r->ok = gguf_f32(r->file, key_of(r, "expert_weights_scale"), &scale, r->err);
    if (r->ok && scale != 1.0f && scale != 0.0f)
        r->ok = error_set(r->err, ERROR_INPUT, "%s: key %s is %g: scaled expert weights are not supported for this architecture",
                          gguf_path(r->file), r->key, (double)scale);
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

bool model_config_read(const struct model_file *file, struct model_config *out, struct error *err)
{
    *out = (struct model_config){0};
    if (!architecture_of(file, &out->architecture, err) || !check_keys(file, out->architecture->name, err))
        return false;
    struct reader reader = {.file = file, .arch = out->architecture->name, .err = err, .ok = true}, *r = &reader;
    out->n_layers = integer(r, "block_count", 1, 1024, -1);
    out->n_embd = integer(r, "embedding_length", 1, 1 << 20, -1);
    out->n_heads = integer(r, "attention.head_count", 1, 4096, -1);
    out->n_kv_heads = integer(r, "attention.head_count_kv", 1, 4096, out->n_heads);
    out->context_length = integer(r, "context_length", 1, 1 << 28, -1);
    out->n_experts = integer(r, "expert_count", 1, 4096, -1);
    out->routing.top_k = integer(r, "expert_used_count", 1, out->n_experts, -1);
    out->n_ff = integer(r, out->architecture->expert_width_key, 1, 1 << 20, -1);
    out->head_dim = integer(r, "attention.key_length", 1, MAX_HEAD_DIM, out->n_heads ? out->n_embd / out->n_heads : 0);
    integer(r, "attention.value_length", out->head_dim, out->head_dim, out->head_dim);
    out->rope_dims = integer(r, "rope.dimension_count", 0, out->head_dim, out->head_dim);
    out->norm_epsilon = positive(r, "attention.layer_norm_rms_epsilon", 1e-5f);
    out->rope_base = positive(r, "rope.freq_base", 10000.0f);
    refuse_unsupported(r);
    if (!r->ok || out->n_kv_heads < 1)
        return false;
    if (out->head_dim > MAX_HEAD_DIM || out->n_heads / out->n_kv_heads > MAX_HEAD_GROUP)
        return error_set(err, ERROR_INPUT, "%s: heads of %d values, %d of them to a KV head: at most %d and %d are supported",
                         gguf_path(file), out->head_dim, out->n_heads / out->n_kv_heads, MAX_HEAD_DIM, MAX_HEAD_GROUP);
    if (out->n_heads % out->n_kv_heads)
        return error_set(err, ERROR_INPUT, "%s: %d heads cannot share %d KV heads evenly", gguf_path(file), out->n_heads, out->n_kv_heads);
    if (out->rope_dims % 2)
        return error_set(err, ERROR_INPUT, "%s: rope over %d values: an even number is wanted", gguf_path(file), out->rope_dims);
    out->routing.n_experts = out->n_experts;
    out->routing.gate = GATE_SOFTMAX;
    out->routing.normalise = out->architecture->normalise_weights;
    out->routing.scale = 1.0f;

    const struct tensor *embedding = gguf_tensor(file, "token_embd.weight");
    if (!embedding)
        return error_set(err, ERROR_INPUT, "%s: the tensor token_embd.weight is missing%s", gguf_path(file),
                         gguf_tensor_at(file, 0) ? "" : ": the file holds a vocabulary only");
    out->n_vocab = (int)embedding->shape[1];
    return true;
}
