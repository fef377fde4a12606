/* Pieces of GGUF files being written, little endian, appended to a text. */
#ifndef JEOUL_ENGINE_GGUF_WRITE_H
#define JEOUL_ENGINE_GGUF_WRITE_H

#include "base/text.h"
#include "engine/gguf.h"

void gguf_put_u32(struct text *out, uint32_t value);
void gguf_put_u64(struct text *out, uint64_t value);
void gguf_put_string(struct text *out, const char *bytes, size_t n);
void gguf_put_entry(struct text *out, const struct gguf_value *value); // key, type and value as another file has them

#endif
