/* The packed form of a model as a file, mapped at the next start instead of packing again (docs/loading.md).
 *
 * A file belongs to one model file at one path and to one version of the layouts. It is believed when its identity is the model's, and
 * every piece of it has its checksum: all of them are computed at open, by all threads. It is written under a temporary name, synced and
 * renamed: whoever reads an old one keeps it, two who write at once both write a whole one. */
#ifndef JEOUL_CPU_PACK_CACHE_H
#define JEOUL_CPU_PACK_CACHE_H

#include "engine/cpu/kernels.h"
#include "engine/cpu/pool.h"

#include <stddef.h>

struct pack_cache;

/* A packed matrix: [experts][panels]. */
struct pack_matrix {
    uint64_t format; // enum pack_format
    int64_t rows, cols, experts;
    uint64_t bytes;
};

/* Opens DIRECTORY/NAME-….pack for a model file, to read it where that is `allowed` and there is a sound one of that identity, else to write
 * it. NULL: neither is possible. Why a file that was there is not read, or why none can be written, is one line in `note`; it stays empty
 * where all is well. */
struct pack_cache *pack_cache_open(const char *directory, const char *model_path, uint64_t identity, bool allowed, struct pool *pool,
                                   char note[], size_t note_bytes);

/* The file's next matrix where the cache is read; NULL where it isn't, or where that is another matrix. Valid until close. */
const uint8_t *pack_cache_take(struct pack_cache *cache, const struct pack_matrix *wanted);

/* Whether matrices are taken from it. */
bool pack_cache_is_read(const struct pack_cache *cache);

/* Appends a matrix to a cache that is written; one that cannot be (the disk is full) is given up with a note. */
void pack_cache_put(struct pack_cache *cache, const struct pack_matrix *matrix, const uint8_t *bytes, struct pool *pool);

/* After the last matrix: makes the file that was written valid and names it. False: it was given up, or what is read has more matrices. */
bool pack_cache_finish(struct pack_cache *cache);

/* Removes the file that is read, which is not this model's packed form after all. */
void pack_cache_discard(struct pack_cache *cache, const char *why);

void pack_cache_close(struct pack_cache *cache); // NULL is allowed; unmaps what was taken

#endif
