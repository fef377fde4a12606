/* One of the two models that jeoul kl compares: opened, described, walked along. */
#ifndef JEOUL_KL_SIDE_H
#define JEOUL_KL_SIDE_H

#include "base/hash.h"
#include "harness/open.h"
#include "harness/positions.h"

#include <cjson/cJSON.h>

/* Zero-initialise but for the path, which may be NULL: that side is a file of logits, or not wanted. kl_side_close. */
struct kl_side {
    const char *path;
    struct opened o;
    struct walk walk;
    char vocabulary[HASH_HEX]; // SHA-256 of every token's length and bytes: the same for files whose ids mean the same
    cJSON *what; // what it is and how it runs: "name", "file", "fingerprint", "arch", "quantisation", "backend", "isa", "kv" …
};

/* The file and its vocabulary. */
bool kl_side_open(struct kl_side *side, struct error *err) MUST_CHECK;

/* The engine by such options, and a walk of `max_rows` tokens a step. */
bool kl_side_start(struct kl_side *side, const struct engine_options *options, struct error *err) MUST_CHECK;

/* Whether the side can be compared with a reference of that vocabulary; the error names both. */
bool kl_side_compatible(const struct kl_side *side, const char *reference, const char *vocabulary, size_t n_vocab,
                        struct error *err) MUST_CHECK;

/* Windows that are longer than the model takes are refused. */
bool kl_side_takes(const struct kl_side *side, int window, struct error *err) MUST_CHECK;

void kl_side_print(const char *label, const cJSON *what);

void kl_side_close(struct kl_side *side);

#endif
