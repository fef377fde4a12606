/* Writing a byte-level BPE vocabulary into a GGUF: the tokenizer.ggml.* entries in the "gpt2" form.
 *
 * Token i < 256 is a byte; every later ordinary token joins two earlier ones, and its merge is written in the same order, so that BPE
 * reaches it; control tokens come last. */
#ifndef JEOUL_ENGINE_VOCABULARY_WRITE_H
#define JEOUL_ENGINE_VOCABULARY_WRITE_H

#include "engine/gguf_write.h"

#include <stdint.h>

enum { CONTROL_TOKENS = 2 }; // "<|endoftext|>" and "<|padding|>"

struct vocabulary_parts {
    struct text tokens, merges; // GGUF strings one after the other
    uint64_t n_tokens, n_merges;
    uint64_t limit; // ordinary tokens at most
};

/* Zero-initialise but for limit, then begin: the bytes. */
void vocabulary_parts_begin(struct vocabulary_parts *v);
/* Adds the token left + right, unless the vocabulary is full. */
void vocabulary_parts_join(struct vocabulary_parts *v, const char *left, size_t n_left, const char *right, size_t n_right);
/* Appends the entries; adds_bos: texts begin with <|endoftext|> unless asked otherwise. */
void vocabulary_parts_put(struct vocabulary_parts *v, const char *pre, bool adds_bos, struct gguf_entries *out);
bool vocabulary_parts_ok(const struct vocabulary_parts *v, struct error *err) MUST_CHECK;
void vocabulary_parts_free(struct vocabulary_parts *v);

#endif
