/* Pieces of GGUF files being written, little endian, appended to a text. */
#ifndef JEOUL_ENGINE_GGUF_WRITE_H
#define JEOUL_ENGINE_GGUF_WRITE_H

#include "base/text.h"
#include "engine/gguf.h"

void gguf_put_u32(struct text *out, uint32_t value);
void gguf_put_u64(struct text *out, uint64_t value);
void gguf_put_string(struct text *out, const char *bytes, size_t n);

/* Metadata: entries one after the other, and how many. Zero-initialise but for arch, free the text at the end. */
struct gguf_entries {
    struct text text;
    uint64_t count;
    const char *arch; // stands before keys that begin with a dot: ".block_count"
};

void gguf_put_key(struct gguf_entries *entries, const char *key, enum gguf_type type); // its value has to be added to the text
void gguf_put_number(struct gguf_entries *entries, const char *key, uint32_t value);
void gguf_put_float(struct gguf_entries *entries, const char *key, float value);
void gguf_put_text(struct gguf_entries *entries, const char *key, const char *value);
void gguf_put_bool(struct gguf_entries *entries, const char *key, bool value);
void gguf_put_entry(struct gguf_entries *entries, const struct gguf_value *value); // key, type and value as another file has them

/* A file begins with this; its tensors' descriptions come next, then a padding, then their data. */
void gguf_put_head(struct text *out, uint64_t n_tensors, const struct gguf_entries *entries);
/* shape[n_dims], fastest first; the offset counts from where the data begin. */
void gguf_put_tensor(struct text *out, const char *name, int n_dims, const int64_t *shape, uint32_t type, uint64_t offset);
void gguf_pad(struct text *out, uint64_t alignment);

#endif
