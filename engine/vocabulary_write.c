/* See vocabulary_write.h. */
#include "engine/vocabulary_write.h"

#include "engine/gguf_write.h"

#include <string.h>

/* Printable stand-in of a byte (the GPT-2 alphabet). */
static int stand_in(uint8_t byte, char out[4])
{
    uint32_t c = byte;
    if (byte <= 0x20)
        c = 0x100u + byte;
    else if (byte >= 0x7F && byte <= 0xA0)
        c = 0x121u + byte - 0x7Fu;
    else if (byte == 0xAD)
        c = 0x143;
    return utf8_encode(c, out);
}

static void show(struct text *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c[4];
        text_add(out, c, (size_t)stand_in((uint8_t)bytes[i], c));
    }
}

void vocabulary_parts_begin(struct vocabulary_parts *v)
{
    for (int byte = 0; byte < 256; byte++, v->n_tokens++) {
        char c[4];
        gguf_put_string(&v->tokens, c, (size_t)stand_in((uint8_t)byte, c));
    }
}

void vocabulary_parts_join(struct vocabulary_parts *v, const char *left, size_t n_left, const char *right, size_t n_right)
{
    struct text text = {0};
    if (v->n_tokens >= v->limit)
        return;
    show(&text, left, n_left);
    size_t cut = text.length;
    show(&text, right, n_right);
    gguf_put_string(&v->tokens, text.bytes, text.length);
    v->n_tokens++;
    gguf_put_u64(&v->merges, text.length + 1);
    text_add(&v->merges, text.bytes, cut);
    text_add(&v->merges, " ", 1);
    text_add(&v->merges, text.bytes + cut, text.length - cut);
    v->n_merges++;
    v->tokens.failed |= text.failed;
    text_free(&text);
}

static void put_key(struct text *out, const char *key, uint32_t type)
{
    gguf_put_string(out, key, strlen(key));
    gguf_put_u32(out, type);
}

void vocabulary_parts_put(struct vocabulary_parts *v, const char *pre, bool adds_bos, struct text *out)
{
    static const char *const controls[CONTROL_TOKENS] = {"<|endoftext|>", "<|padding|>"};
    uint64_t n = v->n_tokens + CONTROL_TOKENS;
    put_key(out, "tokenizer.ggml.model", GGUF_STRING);
    gguf_put_string(out, "gpt2", 4);
    put_key(out, "tokenizer.ggml.pre", GGUF_STRING);
    gguf_put_string(out, pre, strlen(pre));
    put_key(out, "tokenizer.ggml.tokens", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_STRING);
    gguf_put_u64(out, n);
    text_add(out, v->tokens.bytes, v->tokens.length);
    for (int i = 0; i < CONTROL_TOKENS; i++)
        gguf_put_string(out, controls[i], strlen(controls[i]));
    put_key(out, "tokenizer.ggml.token_type", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_I32);
    gguf_put_u64(out, n);
    for (uint64_t i = 0; i < n; i++)
        gguf_put_u32(out, i < v->n_tokens ? 1 : 3);
    put_key(out, "tokenizer.ggml.merges", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_STRING);
    gguf_put_u64(out, v->n_merges);
    text_add(out, v->merges.bytes ? v->merges.bytes : "", v->merges.length);
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.padding_token_id"};
    for (int i = 0; i < 3; i++) {
        put_key(out, ids[i], GGUF_U32);
        gguf_put_u32(out, (uint32_t)(n - (i < 2 ? 2 : 1)));
    }
    put_key(out, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    text_add(out, adds_bos ? "\1" : "\0", 1);
}

bool vocabulary_parts_ok(const struct vocabulary_parts *v, struct error *err)
{
    return text_ok(&v->tokens, err) && text_ok(&v->merges, err);
}

void vocabulary_parts_free(struct vocabulary_parts *v)
{
    text_free(&v->tokens);
    text_free(&v->merges);
}
