/* Texts for jeoul kl, as tokens: cut into windows, each of which is a sequence of its own and a block of the statistics. */
#ifndef JEOUL_KL_TEXTS_H
#define JEOUL_KL_TEXTS_H

#include "engine/engine.h"

#include <cjson/cJSON.h>

enum { KL_LANGUAGES = 4 };

struct kl_block {
    int language;
    size_t first; // of its tokens in `tokens`
    int n;        // tokens; position i predicts token i + 1, so that n − 1 − skip are scored
};

/* Zero-initialise but for window and skip; kl_texts_free. */
struct kl_texts {
    int window;   // tokens of a block at most, BOS included
    int skip;     // the first positions of a block, which are not scored
    size_t limit; // scored tokens of each language; 0: all
    struct token_list tokens;
    struct kl_block *blocks;
    size_t n_blocks, capacity;
    int n_languages;
    struct {
        char name[16];
        size_t scored;
        cJSON *sources; // where its texts are from, an array of strings
    } languages[KL_LANGUAGES];
};

/* Adds n bytes of text. Blocks begin with BOS where the model's own tokenizer says so; what leaves nothing to score is left out. `source`
 * names it in results. */
bool kl_texts_add(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, const char *source, const char *bytes,
                  size_t n, struct error *err) MUST_CHECK;

/* "ko=FILE": a file of text, or JSON Lines with a text a line under "text" where its name ends in .jsonl. */
bool kl_texts_add_file(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *argument, struct error *err) MUST_CHECK;

/* The texts that come with jeoul, Korean and English, and with `data` (--data DIR, may be NULL) WikiText-2's test set instead of the
 * English ones. */
bool kl_texts_add_own(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *data, struct error *err) MUST_CHECK;

/* The number of a language, added when it is new; −1 where there are too many. */
int kl_texts_language(struct kl_texts *texts, const char *name, struct error *err) MUST_CHECK;

/* Scored positions of a block, and of all. */
int kl_block_scored(const struct kl_texts *texts, const struct kl_block *block);
size_t kl_texts_scored(const struct kl_texts *texts);

void kl_texts_free(struct kl_texts *texts);

#endif
