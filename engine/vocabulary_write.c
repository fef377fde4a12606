/* See vocabulary_write.h. */
#include "engine/vocabulary_write.h"

#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3 }; // of tokenizer.ggml.token_type

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

static void put_array(struct gguf_entries *out, const char *key, enum gguf_type element, uint64_t n)
{
    gguf_put_key(out, key, GGUF_ARRAY);
    gguf_put_u32(&out->text, element);
    gguf_put_u64(&out->text, n);
}

void vocabulary_parts_put(struct vocabulary_parts *v, const char *pre, bool adds_bos, struct gguf_entries *out)
{
    static const char *const controls[CONTROL_TOKENS] = {"<|endoftext|>", "<|padding|>"};
    uint64_t n = v->n_tokens + CONTROL_TOKENS;
    uint32_t endoftext = (uint32_t)v->n_tokens, padding = endoftext + 1;
    gguf_put_text(out, "tokenizer.ggml.model", "gpt2");
    gguf_put_text(out, "tokenizer.ggml.pre", pre);
    put_array(out, "tokenizer.ggml.tokens", GGUF_STRING, n);
    text_add(&out->text, v->tokens.bytes, v->tokens.length);
    for (int i = 0; i < CONTROL_TOKENS; i++)
        gguf_put_string(&out->text, controls[i], strlen(controls[i]));
    put_array(out, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (uint64_t i = 0; i < n; i++)
        gguf_put_u32(&out->text, i < v->n_tokens ? TYPE_NORMAL : TYPE_CONTROL);
    put_array(out, "tokenizer.ggml.merges", GGUF_STRING, v->n_merges);
    text_add(&out->text, v->merges.bytes, v->merges.length);
    gguf_put_number(out, "tokenizer.ggml.bos_token_id", endoftext);
    gguf_put_number(out, "tokenizer.ggml.eos_token_id", endoftext);
    gguf_put_number(out, "tokenizer.ggml.padding_token_id", padding);
    gguf_put_bool(out, "tokenizer.ggml.add_bos_token", adds_bos);
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
