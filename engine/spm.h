/* SentencePiece-style encoding: pieces with scores, bytes for what has none (Kudo and Richardson 2018). Private to the tokenizer. */
#ifndef JEOUL_ENGINE_SPM_H
#define JEOUL_ENGINE_SPM_H

#include "engine/engine.h"
#include "engine/merging.h"
#include "engine/vocabulary.h"

/* Appends the tokens of a text that holds no special token; `prefix`: as if a space stood before it. */
bool spm_encode(const struct vocabulary *v, int32_t unknown, const char *bytes, size_t n, bool prefix, struct merging *m,
                struct token_list *out, struct error *err) MUST_CHECK;

#endif
