/* The architectures that are read. A new one is a row here, and a golden model in the tests.
 *
 * What a file's keys say is read by config.c for all architectures alike; a row says what the name alone implies. */
#include "engine/model.h"

#include <string.h>

#define EXPERT_WIDTH "expert_feed_forward_length"
#define ONLY_WIDTH   "feed_forward_length"

static const struct architecture architectures[] = {
    {"olmoe", QK_NORM_WHOLE, .rope_neox = true, NORMALISE_NEVER, GATE_SOFTMAX, ONLY_WIDTH, .ffn_norm = "ffn_norm"},
    {"qwen3moe", QK_NORM_HEAD, .rope_neox = true, NORMALISE_ALWAYS, GATE_SOFTMAX, EXPERT_WIDTH, .ffn_norm = "ffn_norm"},
    {"qwen2moe", QK_NORM_IF_THERE, .rope_neox = true, NORMALISE_NEVER, GATE_SOFTMAX, EXPERT_WIDTH, .ffn_norm = "ffn_norm"},
    {"llama", QK_NORM_IF_THERE, .rope_neox = false, NORMALISE_ALWAYS, GATE_SOFTMAX, ONLY_WIDTH, .dense_too = true, .ffn_norm = "ffn_norm"},
    {"deepseek2", QK_NORM_IF_THERE, .rope_neox = false, NORMALISE_BY_KEY, GATE_SOFTMAX, EXPERT_WIDTH, .ffn_norm = "ffn_norm",
     .latent_attention = true},
    {"gpt-oss", QK_NORM_IF_THERE, .rope_neox = true, NORMALISE_NEVER, GATE_SOFTMAX_CHOSEN, EXPERT_WIDTH, .ffn_norm = "post_attention_norm",
     .function = ACT_SWIGLU_OAI, .window_period = 2},
    {"glm4moe", QK_NORM_IF_THERE, .rope_neox = true, NORMALISE_BY_KEY, GATE_SIGMOID, EXPERT_WIDTH, .ffn_norm = "post_attention_norm"},
    {"exaone-moe", QK_NORM_HEAD, .rope_neox = true, NORMALISE_BY_KEY, GATE_SIGMOID, EXPERT_WIDTH, .ffn_norm = "ffn_norm",
     .window_period = 4, .rope_in_window = true},
    {"granitemoe", QK_NORM_IF_THERE, .rope_neox = false, NORMALISE_ALWAYS, GATE_SOFTMAX, ONLY_WIDTH, .ffn_norm = "ffn_norm",
     .scales = true},
    {"qwen3", QK_NORM_HEAD, .rope_neox = true, .dense_too = true, .ffn_norm = "ffn_norm"},
    {"exaone4", QK_NORM_HEAD, .rope_neox = true, .dense_too = true, .window_period = 4, .rope_in_window = true},
};

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
