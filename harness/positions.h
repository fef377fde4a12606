/* The logits of every position of a list of tokens: what the verbs logits and verify share. */
#ifndef JEOUL_POSITIONS_H
#define JEOUL_POSITIONS_H

#include "engine/engine.h"

/* Token ids from a file, one a line; "-" is standard input. Free with token_list_free. */
bool positions_read(const char *path, struct token_list *out, struct error *err) MUST_CHECK;

/* Runs the tokens as one sequence, `chunk` of them in a step, and gives fn the logits of `n` positions, [n][n_vocab], from `first` on.
 * Stops and returns false when fn does. */
typedef bool positions_fn(void *context, size_t first, int n, const float *logits, struct error *err);
bool positions_each(struct engine *engine, const struct token_list *tokens, int chunk, positions_fn *fn, void *context,
                    struct error *err) MUST_CHECK;

#endif
