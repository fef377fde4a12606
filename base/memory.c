/* Memory: see memory.h. Every product of sizes is checked before it is used. */
#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    alignas(16) unsigned char bytes[];
};

void *memory_array(size_t count, size_t size, const char *what, struct error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        error_set(err, ERROR_INPUT, "%s: %zu elements of %zu bytes overflow the address space", what, count, size);
        return NULL;
    }
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        error_set(err, ERROR_MACHINE, "%s: out of memory for %zu bytes", what, bytes);
    return memory;
}

bool memory_grow(void **array, size_t *capacity, size_t needed, size_t size, const char *what, struct error *err)
{
    if (needed <= *capacity)
        return true;
    size_t grown = *capacity ? *capacity : 16;
    while (grown < needed)
        if (__builtin_mul_overflow(grown, 2, &grown))
            return error_set(err, ERROR_MACHINE, "%s: %zu elements overflow the address space", what, needed);
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes))
        return error_set(err, ERROR_MACHINE, "%s: %zu elements overflow the address space", what, needed);
    void *memory = realloc(*array, bytes);
    if (!memory)
        return error_set(err, ERROR_MACHINE, "%s: out of memory for %zu bytes", what, bytes);
    memset((unsigned char *)memory + *capacity * size, 0, bytes - *capacity * size);
    *array = memory;
    *capacity = grown;
    return true;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size, struct error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ARENA_BLOCK_BYTES) {
        error_set(err, ERROR_INPUT, "%zu elements of %zu bytes overflow the address space", count, size);
        return NULL;
    }
    bytes = (bytes + 15) & ~(size_t)15;
    struct arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        block = calloc(1, sizeof *block + capacity);
        if (!block) {
            error_set(err, ERROR_MACHINE, "out of memory for %zu bytes", bytes);
            return NULL;
        }
        block->capacity = capacity;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t n, struct error *err)
{
    if (n == SIZE_MAX) {
        error_set(err, ERROR_INPUT, "a text of %zu bytes overflows the address space", n);
        return NULL;
    }
    char *copy = arena_alloc(arena, n + 1, 1, err);
    if (copy && n)
        memcpy(copy, bytes, n);
    return copy;
}

void arena_free(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
}
