/* What the built-in items hold, kept out of the corpus while it is made. */
#ifndef JEOUL_CORPUS_HOLD_OUT_H
#define JEOUL_CORPUS_HOLD_OUT_H

#include "base/memory.h"
#include "base/text.h"

#include <stdint.h>

enum { HELD_NUMBERS = 100 };

struct held_run {
    int first, step;
};

struct hold_out {
    struct arena arena;
    const char **words; // sorted: words that no document may contain (nouns of English items, a noun of a Korean item with a particle)
    size_t n_words, words_capacity;
    const char **nouns; // sorted: entries of the grammar's lexicon that are dropped
    size_t n_nouns, nouns_capacity;
    const char **phrases; // sorted: that no document may contain
    size_t n_phrases, phrases_capacity;
    uint32_t *beginnings;  // [65537]: where the phrases with these first two bytes begin among them; NULL: there are none
    struct held_run *runs; // arithmetic sequences of four numbers
    size_t n_runs, runs_capacity;
    bool sums[HELD_NUMBERS][HELD_NUMBERS], differences[HELD_NUMBERS][HELD_NUMBERS]; // a + b is held as b + a too
    bool compared[HELD_NUMBERS][HELD_NUMBERS];                                      // both orders
};

/* Reads the built-in sets of a directory. Zero-initialise before, hold_out_free after, on failure too. */
bool hold_out_read(struct hold_out *held, const char *directory, struct error *err) MUST_CHECK;
void hold_out_free(struct hold_out *held);

bool hold_out_noun(const struct hold_out *held, const char *word, size_t n);
bool hold_out_run(const struct hold_out *held, int first, int step, int count);      // whether the run holds an item's four numbers
bool hold_out_document(const struct hold_out *held, const char *document, size_t n); // whether it holds a word or a phrase

#endif
