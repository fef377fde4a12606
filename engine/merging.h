/* Joining neighbours, the cheapest pair first: what byte-pair encoding and SentencePiece have in common. Private to the tokenizer.
 *
 * The symbols of a piece are a doubly linked list; pairs that may be joined wait in a heap, the leftmost first where costs are equal. A
 * join makes at most two new pairs, so a piece of n symbols costs n log n whatever it holds. */
#ifndef JEOUL_ENGINE_MERGING_H
#define JEOUL_ENGINE_MERGING_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct symbol {
    const char *bytes;
    uint32_t n;             // 0: joined into its left neighbour
    int32_t id;             // the token that it is, or -1
    int32_t previous, next; // -1: none
};

/* Zero-initialise before, merging_free after; a structure serves any number of pieces. */
struct merging {
    struct symbol *symbols; // of the piece under way; symbols[0] is never joined away
    size_t count, capacity;
    struct candidate *heap;
    size_t heap_count, heap_capacity;
};

/* Whether two neighbours may be joined: what it costs (less is earlier) and the token that they become. */
typedef bool merging_pair(const void *context, const struct symbol *left, const struct symbol *right, double *cost, int32_t *joined);

void merging_begin(struct merging *m);
bool merging_add(struct merging *m, const char *bytes, size_t n, int32_t id, struct error *err) MUST_CHECK; // behind the last symbol
bool merging_run(struct merging *m, merging_pair *pair, const void *context, struct error *err) MUST_CHECK;
void merging_free(struct merging *m);

#endif
