/* A model is a configuration and its weights. Architectures are rows of a table (architecture.c), not copies of a forward pass. */
#ifndef JEOUL_ENGINE_MODEL_H
#define JEOUL_ENGINE_MODEL_H

#include "engine/backend.h"
#include "engine/gguf.h"

enum qk_norm { QK_NORM_NONE, QK_NORM_WHOLE, QK_NORM_HEAD };

/* What differs between architectures. */
struct architecture {
    const char *name;     // general.architecture
    enum qk_norm qk_norm; // over the whole projection, or over each head; always before rope
    bool rope_neox;
    bool normalise_weights;       // of the chosen experts
    const char *expert_width_key; // "<arch>." + this: width of an expert
};

const struct architecture *architecture_named(struct gguf_string name); // NULL: not supported
const struct architecture *architecture_at(size_t index);               // NULL past the end

struct model_config {
    const struct architecture *architecture;
    int n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_experts, n_ff, n_vocab, context_length;
    float norm_epsilon, rope_base;
    int rope_dims;
    struct routing routing;
};

/* From the metadata: complete, in range, and nothing in it that would change the result and isn't understood. */
bool model_config_read(const struct model_file *file, struct model_config *out, struct error *err) MUST_CHECK;

/* A name of a weight and what it must look like. */
struct layer {
    struct weight attn_norm; // [n_embd]
    struct weight q;         // [n_heads × head_dim][n_embd]
    struct weight k, v;      // [n_kv_heads × head_dim][n_embd]
    struct weight q_norm;    // [n_heads × head_dim] or [head_dim]
    struct weight k_norm;    // [n_kv_heads × head_dim] or [head_dim]
    struct weight o;         // [n_embd][n_heads × head_dim]
    struct weight ffn_norm;  // [n_embd]
    struct weight router;    // [n_experts][n_embd]
    struct weight gate, up;  // [n_experts][n_ff][n_embd]
    struct weight down;      // [n_experts][n_embd][n_ff]
};

struct model {
    struct model_config config;
    struct model_file *file;
    struct backend *backend;
    struct weight token_embd;  // [n_vocab][n_embd], looked up
    struct weight output_norm; // [n_embd]
    struct weight output;      // [n_vocab][n_embd]; token_embd's values where the file has no output.weight
    struct layer *layers;      // [n_layers]
};

/* Finds, checks and loads every weight into the backend. On failure model_unload cleans up what was loaded. */
bool model_load(struct model *model, struct model_file *file, struct backend *backend, struct error *err) MUST_CHECK;
void model_unload(struct model *model);

/* Calls fn for every weight that a model of this configuration has, with the name of its tensor, its shape and its use. The one list of
 * weights: loading, unloading and counting go over it. Stops and returns false when fn does. */
typedef bool model_weight_fn(void *context, struct weight *weight, const char *name, enum weight_use use, struct error *err);
bool model_each_weight(struct model *model, model_weight_fn *fn, void *context, struct error *err) MUST_CHECK;

#endif
