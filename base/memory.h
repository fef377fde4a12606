/* Memory: checked allocation, and an arena whose blocks live as long as their owner. */
#ifndef JEOUL_BASE_MEMORY_H
#define JEOUL_BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>

/* count × size zeroed bytes, NULL with err set when the product overflows or memory runs out. Free with free(). A zero count gives a valid
 * pointer. `what` names the thing in the message ("vocabulary"). */
void *memory_array(size_t count, size_t size, const char *what, struct error *err) MUST_CHECK;

/* Grows *array (of *capacity elements) to hold at least `needed`, doubling. On failure the old array stays valid. */
bool memory_grow(void **array, size_t *capacity, size_t needed, size_t size, const char *what, struct error *err) MUST_CHECK;

/* An arena: allocations are 16-byte aligned, zeroed, and freed together. Zero-initialise to begin. */
struct arena {
    struct arena_block *blocks;
};

void *arena_alloc(struct arena *arena, size_t count, size_t size, struct error *err) MUST_CHECK;

/* A copy of n bytes with a NUL behind them. */
char *arena_copy(struct arena *arena, const char *bytes, size_t n, struct error *err) MUST_CHECK;

void arena_free(struct arena *arena);

#endif
