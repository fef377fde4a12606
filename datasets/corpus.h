/* The training corpus: Korean and English sentences made by a grammar of our own and a seed. One document a line.
 *
 * It teaches what the built-in sets ask (particles, endings, numerals, agreement, arithmetic in words …) and the plain sentences around
 * that, with other content: what the built-in items hold is read from their files and held out while the corpus is made. docs/training.md
 * says for each set what that is. */
#ifndef JEOUL_DATASETS_CORPUS_H
#define JEOUL_DATASETS_CORPUS_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

struct corpus_options {
    const char *grammar;  // a grammar file: datasets/corpus/grammar.json
    const char *held_out; // the directory of the built-in sets: datasets/builtin
    uint64_t seed;
    size_t bytes;                                               // as many whole documents as are needed to reach it
    void (*progress)(void *context, size_t done, size_t total); // may be NULL
    void *context;
};

/* Appends the corpus to `out`. The bytes depend on the grammar, the built-in sets, the seed and `bytes` only; a longer corpus of the same
 * seed begins with the shorter one. A grammar that is broken (an unknown rule, field or form, endless recursion) is ERROR_INPUT with the
 * place named, and so are built-in sets that are missing or not as they should be. */
bool corpus_generate(const struct corpus_options *options, struct text *out, struct error *err) MUST_CHECK;

#endif
