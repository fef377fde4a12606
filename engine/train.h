/* Training: the engine's second door. Small models from source, on the CPU, in F32: a vocabulary, then weights.
 *
 * The forward pass computes what the engine's does for the architectures olmoe, qwen3moe, qwen3 and llama, and keeps what the way back
 * needs; what is exported gives the same logits in inference. On one instruction set everything depends on the seed and the settings only:
 * not on threads, and not on how a training is cut into sessions. */
#ifndef JEOUL_ENGINE_TRAIN_H
#define JEOUL_ENGINE_TRAIN_H

#include "engine/engine.h"

#include <stddef.h>
#include <stdint.h>

/* --- Vocabulary ------------------------------------------------------------------------------------------------------------------------
 */

struct vocabulary_options {
    const char *pre;   // pre-tokenizer, as in tokenizer.ggml.pre: "qwen2"
    int tokens;        // at most so many, bytes and two control tokens among them; 258 …
    int longest_bytes; // of a token that joins others; 0: any length. Never a part of a character together with another's
};

/* Learns byte-level BPE merges (Sennrich et al. 2016) from a text and writes a GGUF with the vocabulary only, in the "gpt2" form, whose
 * tokenizer adds <|endoftext|> before a text. The most frequent pair is joined first, of equally frequent ones that with the lower left
 * token, then the lower right one; it ends where no pair stands twice. Unknown pre-tokenizers are ERROR_INPUT. */
bool vocabulary_train(const char *text, size_t n, const struct vocabulary_options *options, const char *path, struct error *err) MUST_CHECK;

/* --- Models ----------------------------------------------------------------------------------------------------------------------------
 */

struct train_shape {
    const char *name; // general.name
    const char *arch; // "olmoe", "qwen3moe", "qwen3", "llama"
    int n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_vocab, context_length;
    int n_experts, top_k;        // 0: dense
    int n_ff;                    // width of an expert, or of the dense block
    bool tied;                   // the output matrix is the token embedding
    double rope_base, deviation; // of the random weights to begin with
};

/* What a shape comes to. Fails where it cannot be trained: an unknown architecture, heads that don't share, an odd head. */
struct train_size {
    uint64_t parameters, active_parameters; // as model_file_info counts them
};
bool train_shape_check(const struct train_shape *shape, struct train_size *size, struct error *err) MUST_CHECK;

/* How it is trained: AdamW with β1 0.9, β2 0.95, ε 1e-8 and gradients clipped to a norm; the rate rises linearly to `rate` over the first
 * steps, then falls along a cosine to `last_rate` at the last one. */
struct train_settings {
    uint64_t seed;
    int steps, warmup_steps;
    int tokens_per_step; // at most, in whole sequences
    double rate, last_rate, weight_decay, clip;
    double load_balance, router_z; // coefficients of the router's losses (docs/training.md has the formulas)
    double temperature, mix;       // distillation: loss = mix · T² · KL(teacher ‖ model) + (1 − mix) · cross-entropy
    int threads;                   // 0: every online CPU
    const char *isa;               // as in engine_options
};

/* Texts as tokens: sequence i is tokens[starts[i] … starts[i + 1] − 1], begins with the token that texts begin with, and is followed by
 * `end`. Sequences longer than the model's context are cut. The arrays stay the caller's and have to stay as they are. */
struct train_data {
    const int32_t *tokens;
    const size_t *starts; // [n_sequences + 1]
    size_t n_sequences;
    int32_t end;
};

struct train_losses {
    int64_t step;                                             // the one that was made: 1 … steps
    int64_t tokens;                                           // seen so far
    int step_tokens;                                          // seen in this step
    double cross_entropy, load_balance, router_z, divergence; // means; the last is KL(teacher ‖ model) at the temperature, 0 without one
    double total;
    double gradient_norm, rate;
};

struct trainer;

/* teacher: NULL, or a model of the same vocabulary, which may be closed afterwards. */
struct trainer *trainer_open(const struct train_shape *shape, const struct train_settings *settings, const struct train_data *data,
                             struct model_file *teacher, struct error *err) MUST_CHECK;
void trainer_close(struct trainer *trainer); // NULL is allowed

/* One step. A loss that is no number any more is ERROR_MACHINE: the rate is too high. */
bool trainer_step(struct trainer *trainer, struct train_losses *losses, struct error *err) MUST_CHECK;

/* Everything that a training consists of; from the same shape, settings but for threads, and data it goes on as if it had never been cut.
 * A checkpoint of another training is ERROR_INPUT. */
bool trainer_save(const struct trainer *trainer, const char *path, struct error *err) MUST_CHECK;
bool trainer_load(struct trainer *trainer, const char *path, struct error *err) MUST_CHECK;
int64_t trainer_steps_made(const struct trainer *trainer);

/* Writes the model in F32, with the vocabulary of a file, as GGUF. */
bool trainer_export(const struct trainer *trainer, struct model_file *vocabulary, const char *path, struct error *err) MUST_CHECK;

/* The mean cross-entropy over sequences that were not trained on; at most the first n of them. */
bool trainer_evaluate(struct trainer *trainer, const struct train_data *data, size_t n, double *cross_entropy,
                      struct error *err) MUST_CHECK;

struct trainer_facts {
    const char *isa;
    int threads;
    struct train_size size;
    double operations_per_token; // of the matrix products of one step, forward and backward, multiply and add counted apart
};
struct trainer_facts trainer_facts(const struct trainer *trainer);

#endif
