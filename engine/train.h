/* Training: the engine's second door. Small models from source, on the CPU, in F32: a vocabulary, then weights.
 *
 * The forward pass is the engine's own for the architectures olmoe, qwen3moe, qwen3 and llama; what is exported gives the same logits in
 * inference. Everything depends on the seed and the settings only: not on threads, and not on how a training is cut into sessions. */
#ifndef JEOUL_ENGINE_TRAIN_H
#define JEOUL_ENGINE_TRAIN_H

#include "base/error.h"

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

#endif
