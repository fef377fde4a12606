/* The logits of every position of a list of tokens: what the verbs logits, verify and kl share. */
#ifndef JEOUL_POSITIONS_H
#define JEOUL_POSITIONS_H

#include "harness/open.h"

/* Token ids from a file, one a line; "-" is standard input. Free with token_list_free. */
bool positions_read(const char *path, struct token_list *out, struct error *err) MUST_CHECK;

/* The engine for one list of tokens; K and V in F32 unless --kv says else, as references are made. */
bool positions_open_engine(const struct cli *cli, struct opened *opened, int threads, const struct token_list *tokens, int chunk,
                           struct error *err) MUST_CHECK;

/* One sequence that is walked along, some tokens in a step. Zero-initialise; close whatever opening came to. */
struct walk {
    struct engine *engine;
    int seq;  // −1: none yet
    int most; // tokens of a step
    size_t n_vocab;
    struct engine_row *rows;
    float *logits; // [most][n_vocab], of the last step
};
bool walk_open(struct walk *walk, struct engine *engine, int most, struct error *err) MUST_CHECK;
bool walk_begin(struct walk *walk, struct error *err) MUST_CHECK; // an empty sequence instead of the one before
/* Appends n ≤ most tokens; the logits of those from `first` on are in walk->logits, each at its own place. */
bool walk_step(struct walk *walk, const int32_t *tokens, int n, int first, struct error *err) MUST_CHECK;
void walk_close(struct walk *walk);

/* Runs the tokens as one sequence, `chunk` of them in a step, and gives fn the logits of `n` positions, [n][n_vocab], from `first` on.
 * Stops and returns false when fn does. */
typedef bool positions_fn(void *context, size_t first, int n, const float *logits, struct error *err);
bool positions_each(struct engine *engine, const struct token_list *tokens, int chunk, positions_fn *fn, void *context,
                    struct error *err) MUST_CHECK;

#endif
