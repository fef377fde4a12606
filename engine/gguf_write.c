/* Writing GGUF: see gguf_write.h. */
#include "engine/gguf_write.h"

#include <string.h>

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

void gguf_put_entry(struct text *out, const struct gguf_value *value)
{
    gguf_put_string(out, value->key, strlen(value->key));
    gguf_put_u32(out, value->type);
    if (value->type == GGUF_ARRAY) {
        gguf_put_u32(out, value->element);
        gguf_put_u64(out, value->count);
    } else if (value->type == GGUF_STRING)
        gguf_put_u64(out, value->count);
    text_add(out, (const char *)value->data, gguf_value_bytes(value));
}
