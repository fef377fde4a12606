/* SHA-256 (FIPS 180-4, by OpenSSL), in hexadecimal. */
#ifndef JEOUL_BASE_HASH_H
#define JEOUL_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>

enum { HASH_HEX = 65 }; // 64 digits and the NUL

bool hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX], struct error *err) MUST_CHECK;
bool hash_file(const char *path, char hex[HASH_HEX], struct error *err) MUST_CHECK; // streamed

#endif
