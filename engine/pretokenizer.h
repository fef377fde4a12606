/* Pre-tokenizers: the published regular expressions that cut a text into pieces before byte-pair encoding. */
#ifndef JEOUL_ENGINE_PRETOKENIZER_H
#define JEOUL_ENGINE_PRETOKENIZER_H

#include "base/error.h"

#include <stddef.h>

struct pretokenizer;

/* By tokenizer.ggml.pre; an unknown name is ERROR_INPUT with the list of those that are known. */
struct pretokenizer *pretokenizer_open(const char *name, struct error *err) MUST_CHECK;
void pretokenizer_close(struct pretokenizer *pretokenizer);

/* Whether the family takes a piece that is a token as it is, without merging; whether it adds BOS unless the file says otherwise. */
bool pretokenizer_ignores_merges(const struct pretokenizer *pretokenizer);
bool pretokenizer_adds_bos(const struct pretokenizer *pretokenizer);

/* Calls fn for each piece of n bytes in order; together they are the text. Bytes that are not UTF-8 are pieces of their own. Stops and
 * returns false when fn does or memory runs out. */
typedef bool pretokenizer_fn(void *context, const char *bytes, size_t n, struct error *err);
bool pretokenize(const struct pretokenizer *pretokenizer, const char *bytes, size_t n, pretokenizer_fn *fn, void *context,
                 struct error *err) MUST_CHECK;

#endif
