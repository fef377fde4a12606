/* Members of archives, and gzipped files, unpacked into memory by libarchive. Nothing is ever written under a name that an archive gives.
 */
#ifndef JEOUL_DATASETS_UNPACK_H
#define JEOUL_DATASETS_UNPACK_H

#include "base/text.h"

/* Unpacks the member of the zip, tar or compressed tar at `path` (or, member NULL, of the one gzipped file) into `out`, which must be
 * empty. Fails on more than `limit_bytes`, on an archive that is cut or damaged, on members whose names lead out of it, on links; a member
 * that isn't there is answered with what is. */
bool unpack_file(const char *path, const char *member, size_t limit_bytes, struct text *out, struct error *err) MUST_CHECK;

/* The same from memory; `name` names it in messages. */
bool unpack_bytes(const char *name, const char *bytes, size_t n, const char *member, size_t limit_bytes, struct text *out,
                  struct error *err) MUST_CHECK;

/* True when the bytes begin like a gzipped file. */
bool unpack_is_gzip(const char *bytes, size_t n);

#endif
