/* Requests: what a model is asked, as tokens. Built from text by the rules of lm-evaluation-harness (request.c), answered together
 * (schedule.c). Private to eval. */
#ifndef JEOUL_EVAL_REQUEST_H
#define JEOUL_EVAL_REQUEST_H

#include "eval/eval.h"

#include <stddef.h>
#include <stdint.h>

/* How texts become tokens. */
struct request_rules {
    const struct tokenizer *tokenizer;
    int max_length; // tokens that the model takes at once
};

/* Bytes of white space at the end, as Python's str.rstrip sees it (Unicode white space). */
size_t request_trailing_space(const char *text, size_t n);

/* The tokens of a context: without the white space at its end, which goes to what follows; one prefix token (BOS, else EOS) where nothing
 * is left, ERROR_INPUT where the model has neither. Appends. */
bool request_context(const struct request_rules *rules, const char *text, struct token_list *out, struct error *err) MUST_CHECK;

/* The tokens of a continuation behind a context: those of the whole behind as many as the context alone has. Appends to `out`, and sets
 * *n_context to how many of the context's last tokens stay when both are cut on the left to max_length + 1. Where the context is empty and
 * the continuation begins with the prefix token, that token is not scored. A continuation that is longer than max_length, or has no tokens
 * of its own, is ERROR_INPUT. */
bool request_continuation(const struct request_rules *rules, const char *context_text, size_t context_tokens, const char *text,
                          struct token_list *out, int *n_context, struct error *err) MUST_CHECK;

/* The tokens of a prompt to write on from, cut on the left to max_length − max_tokens; fails where that leaves none. */
bool request_prompt(const struct request_rules *rules, const char *text, int max_tokens, struct token_list *context,
                    struct error *err) MUST_CHECK;

/* The tokens of a text that is scored whole, behind the prefix token. */
bool request_whole(const struct request_rules *rules, const char *text, struct token_list *out, struct error *err) MUST_CHECK;

/* Such a text in windows: each predicts up to max_length tokens, and no token is predicted twice. A full window is given the one token
 * before it, a short last one as many as fit. Numbers count in a list that begins with the prefix token. */
struct rolling_window {
    size_t first, count; // predicted tokens
    size_t context;      // tokens before `first` that it is given
};
/* Of n tokens behind the prefix token: the number of windows; out (may be NULL) has room for them. */
size_t request_windows(size_t n, size_t max_length, struct rolling_window *out);

#endif
