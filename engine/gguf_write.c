/* Writing GGUF: see gguf_write.h. */
#include "engine/gguf_write.h"

#include <stdio.h>
#include <string.h>

enum { VERSION = 3 };

void gguf_put_u32(struct text *out, uint32_t value)
{
    text_add(out, (const char *)&value, 4);
}

void gguf_put_u64(struct text *out, uint64_t value)
{
    text_add(out, (const char *)&value, 8);
}

void gguf_put_string(struct text *out, const char *bytes, size_t n)
{
    gguf_put_u64(out, n);
    text_add(out, bytes, n);
}

void gguf_put_key(struct gguf_entries *entries, const char *key, enum gguf_type type)
{
    size_t prefix = key[0] == '.' ? strlen(entries->arch) : 0, n = strlen(key);
    gguf_put_u64(&entries->text, prefix + n);
    text_add(&entries->text, entries->arch, prefix);
    text_add(&entries->text, key, n);
    gguf_put_u32(&entries->text, type);
    entries->count++;
}

void gguf_put_number(struct gguf_entries *entries, const char *key, uint32_t value)
{
    gguf_put_key(entries, key, GGUF_U32);
    gguf_put_u32(&entries->text, value);
}

void gguf_put_float(struct gguf_entries *entries, const char *key, float value)
{
    gguf_put_key(entries, key, GGUF_F32);
    text_add(&entries->text, (const char *)&value, sizeof value);
}

void gguf_put_text(struct gguf_entries *entries, const char *key, const char *value)
{
    gguf_put_key(entries, key, GGUF_STRING);
    gguf_put_string(&entries->text, value, strlen(value));
}

void gguf_put_bool(struct gguf_entries *entries, const char *key, bool value)
{
    gguf_put_key(entries, key, GGUF_BOOL);
    text_add(&entries->text, value ? "\1" : "\0", 1);
}

void gguf_put_entry(struct gguf_entries *entries, const struct gguf_value *value)
{
    struct text *out = &entries->text;
    gguf_put_string(out, value->key, strlen(value->key));
    gguf_put_u32(out, value->type);
    if (value->type == GGUF_ARRAY) {
        gguf_put_u32(out, value->element);
        gguf_put_u64(out, value->count);
    } else if (value->type == GGUF_STRING)
        gguf_put_u64(out, value->count);
    text_add(out, (const char *)value->data, gguf_value_bytes(value));
    entries->count++;
}

void gguf_put_head(struct text *out, uint64_t n_tensors, const struct gguf_entries *entries)
{
    text_add_string(out, "GGUF");
    gguf_put_u32(out, VERSION);
    gguf_put_u64(out, n_tensors);
    gguf_put_u64(out, entries->count);
    text_add(out, entries->text.bytes, entries->text.length);
}

void gguf_put_tensor(struct text *out, const char *name, int n_dims, const int64_t *shape, uint32_t type, uint64_t offset)
{
    gguf_put_string(out, name, strlen(name));
    gguf_put_u32(out, (uint32_t)n_dims);
    for (int d = 0; d < n_dims; d++)
        gguf_put_u64(out, (uint64_t)shape[d]);
    gguf_put_u32(out, type);
    gguf_put_u64(out, offset);
}

void gguf_pad(struct text *out, uint64_t alignment)
{
    while (out->length % alignment && !out->failed)
        text_add(out, "\0", 1);
}
