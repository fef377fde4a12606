/* Documents of numbers: sums and differences, comparisons, sequences, Korean numerals with counters, numbers in words. */
#ifndef JEOUL_CORPUS_NUMBERS_H
#define JEOUL_CORPUS_NUMBERS_H

#include "base/random.h"
#include "datasets/corpus/hold_out.h"

/* Appends a document of the kind ("@sum_ko"); an unknown kind is ERROR_INPUT with the list. */
bool numbers_document(const char *kind, const struct hold_out *held, struct random *random, struct text *out, struct error *err) MUST_CHECK;

#endif
