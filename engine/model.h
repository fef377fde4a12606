/* A model is a configuration and its weights. Architectures are rows of a table (architecture.c), not copies of a forward pass. */
#ifndef JEOUL_ENGINE_MODEL_H
#define JEOUL_ENGINE_MODEL_H

#include "engine/backend.h"
#include "engine/gguf.h"

enum qk_norm {
    QK_NORM_IF_THERE, // over each head, where the file has the tensors
    QK_NORM_WHOLE,    // over the whole projection
    QK_NORM_HEAD,     // over each head
};

/* Whether the chosen experts' weights are divided by their sum: what the architecture does, or what the file's key says. */
enum normalise { NORMALISE_BY_KEY, NORMALISE_ALWAYS, NORMALISE_NEVER };

/* What differs between architectures; what is a matter of the file's keys is in model_config. */
struct architecture {
    const char *name; // general.architecture
    enum qk_norm qk_norm;
    bool rope_neox;
    enum normalise normalise;
    enum gate gate;               // where the file has no expert_gating_func
    const char *expert_width_key; // "<arch>." + this: width of an expert; NULL: a dense architecture
    bool dense_too;               // a file may have no experts
    const char *ffn_norm;         // the tensor that normalises before the feed-forward block; NULL: norms stand behind the blocks instead
    enum activation_function function;
    int window_period;     // of so many layers the last one sees everything, the others a window; 0: no windows
    bool rope_in_window;   // layers that see everything have no rope
    bool latent_attention; // MLA
    bool scales;           // embedding_scale, residual_scale, attention.scale, logit_scale
};

const struct architecture *architecture_named(struct gguf_string name); // NULL: not supported
const struct architecture *architecture_at(size_t index);               // NULL past the end

struct model_config {
    const struct architecture *architecture;
    int n_layers, n_dense_layers; // the first ones have a dense feed-forward block; of a dense model all
    int n_embd, n_heads, n_kv_heads, head_dim, n_vocab, context_length;
    int n_experts, n_ff, n_ff_shared, n_ff_dense; // 0: there is none
    float norm_epsilon;
    int window; // 0: none
    /* MLA (DeepSeek-V2, 2024): a latent of kv_lora values and a key of rope_dims values for each token; heads of nope + rope_dims and v */
    struct {
        int q_lora, kv_lora, nope, v; // q_lora 0: q is projected directly
    } mla;
    int rope_dims;
    float rope_base, rope_factor; // positions are divided by rope_factor
    int rope_original_context;    // of YaRN (Peng et al. 2023); 0: no YaRN
    float rope_magnitude;         // of cos and sin
    float attention_scale;
    float embedding_scale, residual_scale, logit_scale; // 1: none; logits are divided by theirs
    struct routing routing;
};

static inline bool model_layer_is_dense(const struct model_config *c, int layer)
{
    return layer < c->n_dense_layers;
}

/* The window of a layer; 0: it sees everything. */
static inline int model_layer_window(const struct model_config *c, int layer)
{
    int period = c->architecture->window_period;
    return c->window && period && layer % period < period - 1 ? c->window : 0;
}

static inline bool model_layer_has_rope(const struct model_config *c, int layer)
{
    return !c->architecture->rope_in_window || !c->window || model_layer_window(c, layer);
}

/* From the metadata: complete, in range, and nothing in it that would change the result and isn't understood. */
bool model_config_read(const struct model_file *file, struct model_config *out, struct error *err) MUST_CHECK;

/* Weights of a layer; which of them there are is a matter of the architecture and of the file. A weight without a tensor isn't used. */
struct layer {
    struct weight attn_norm; // [n_embd]
    struct weight q;         // [n_heads × head_dim][n_embd], or with MLA and no q_lora
    struct weight k, v;      // [n_kv_heads × head_dim][n_embd]
    struct weight q_bias, k_bias, v_bias, o_bias;
    struct weight q_norm;                                  // [n_heads × head_dim] or [head_dim]
    struct weight k_norm;                                  // [n_kv_heads × head_dim] or [head_dim]
    struct weight sinks;                                   // [n_heads]
    struct weight q_a, q_a_norm, q_b;                      // [q_lora][n_embd], [q_lora], [n_heads × (nope + rope)][q_lora]
    struct weight kv_a, kv_a_norm;                         // [kv_lora + rope][n_embd], [kv_lora]
    struct weight k_b, v_b;                                // [n_heads][kv_lora][nope], [n_heads][v][kv_lora]: of each head a matrix
    struct weight o;                                       // [n_embd][n_heads × head_dim]
    struct weight post_attn_norm, ffn_norm, post_ffn_norm; // [n_embd]
    struct weight router, router_bias, selection;          // [n_experts][n_embd], [n_experts], [n_experts]
    struct weight gate, up;                                // [n_experts][n_ff][n_embd]
    struct weight down;                                    // [n_experts][n_embd][n_ff]
    struct weight gate_bias, up_bias, down_bias;           // [n_experts][n_ff], [n_experts][n_ff], [n_experts][n_embd]
    struct weight dense_gate, dense_up, dense_down; // [n_ff][n_embd], [n_ff][n_embd], [n_embd][n_ff]: of a dense layer or the shared expert
    struct weight shared_router;                    // [n_embd]: the shared expert is weighted by its sigmoid
};

struct model {
    struct model_config config;
    struct model_file *file;
    struct backend *backend;
    struct weight token_embd;  // [n_vocab][n_embd], looked up
    struct weight output_norm; // [n_embd]
    struct weight output;      // [n_vocab][n_embd]; token_embd's values where the file has no output.weight
    struct weight rope_freqs;  // [rope_dims/2]: the frequencies are divided by them
    struct layer *layers;      // [n_layers]
};

/* Tells the backend, where it asks, which weights there will be. */
bool model_plan(struct model *model, struct model_file *file, struct backend *backend, struct error *err) MUST_CHECK;

/* Finds, checks and loads every weight into the backend. On failure model_unload cleans up what was loaded. */
bool model_load(struct model *model, struct model_file *file, struct backend *backend, struct error *err) MUST_CHECK;
void model_unload(struct model *model);

/* Calls fn for every weight that a model of this configuration has, with the name of its tensor, its shape and its use. The one list of
 * weights: loading, unloading and counting go over it. Stops and returns false when fn does. */
typedef bool model_weight_fn(void *context, struct weight *weight, const char *name, enum weight_use use, bool needed, struct error *err);
bool model_each_weight(struct model *model, model_weight_fn *fn, void *context, struct error *err) MUST_CHECK;

#endif
