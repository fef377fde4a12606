/* Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019). Private to the tokenizer. */
#ifndef JEOUL_ENGINE_BPE_H
#define JEOUL_ENGINE_BPE_H

#include "engine/engine.h"
#include "engine/merging.h"
#include "engine/vocabulary.h"

struct bpe;

/* The merges of a file over its vocabulary (kept by the caller), cut by the pre-tokenizer that tokenizer.ggml.pre names. NULL with
 * ERROR_INPUT for an unknown pre-tokenizer and for merges that don't join two tokens to a third. */
struct bpe *bpe_open(const struct vocabulary *v, const struct model_file *file, const char *pre, struct error *err) MUST_CHECK;
void bpe_close(struct bpe *bpe);

bool bpe_adds_bos(const struct bpe *bpe); // unless the file says otherwise

/* Appends the tokens of a text that holds no special token. */
bool bpe_encode(const struct bpe *bpe, const char *bytes, size_t n, struct merging *m, struct token_list *out,
                struct error *err) MUST_CHECK;

#endif
