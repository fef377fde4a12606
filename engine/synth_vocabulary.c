/* A deterministic byte-level vocabulary: see synth.h.
 *
 * Token i < 256 is a byte; every later ordinary token is the join of two earlier ones, and its merge is written in the same order, so that
 * BPE reaches it. Hangul syllables come by the frequency of their parts: open syllables first, then common finals, as a small vocabulary
 * has room for some only. */
#include "engine/synth.h"

#include "engine/gguf_write.h"

#include <stdlib.h>
#include <string.h>

enum { CONTROL_TOKENS = 2 };

struct vocabulary {
    struct text tokens, merges; // GGUF strings one after the other
    uint64_t n_tokens, n_merges, limit;
};

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

/* Adds the token left + right, unless the vocabulary is full. */
static void join(struct vocabulary *v, const char *left, size_t n_left, const char *right, size_t n_right)
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

static void add_hangul(struct vocabulary *v)
{
    static const int finals[] = {0, 4, 8, 21, 1, 16, 17, 20, 19, 7, 22, 25, 26, 27, 23, 24, 2, 3, 5, 6, 9, 10, 11, 12, 13, 14, 15, 18};
    static const int vowels[] = {0, 20, 4, 8, 18, 13, 5, 1, 6, 9, 14, 11, 17, 2, 12, 16, 19, 15, 7, 10, 3};
    static const int initials[] = {11, 0, 2, 3, 9, 12, 5, 18, 6, 7, 14, 16, 17, 15, 4, 1, 10, 13, 8};
    for (uint32_t prefix = 0xAC00 >> 6; prefix <= 0xD7A3 >> 6; prefix++) { // the first two bytes of 64 code points
        char bytes[4];
        utf8_encode(prefix << 6, bytes);
        join(v, bytes, 1, bytes + 1, 1);
    }
    for (size_t f = 0; f < sizeof finals / sizeof *finals; f++)
        for (size_t m = 0; m < sizeof vowels / sizeof *vowels; m++)
            for (size_t i = 0; i < sizeof initials / sizeof *initials; i++) {
                char bytes[4];
                utf8_encode(0xAC00u + (uint32_t)((initials[i] * 21 + vowels[m]) * 28 + finals[f]), bytes);
                join(v, bytes, 2, bytes + 2, 1);
            }
}

static void add_letters(struct vocabulary *v)
{
    char word[4];
    for (int i = 0; i < 52; i++) {
        word[0] = (char)(i < 26 ? 'a' + i : 'A' + i - 26);
        join(v, " ", 1, word, 1);
    }
    for (int i = 0; i < 26 * 26; i++) {
        word[0] = (char)('a' + i / 26);
        word[1] = (char)('a' + i % 26);
        join(v, word, 1, word + 1, 1);
    }
}

static void add_longer_letters(struct vocabulary *v)
{
    char word[4];
    for (int length = 3; length <= 4; length++)
        for (int i = 0; i < (length == 3 ? 26 * 26 * 26 : 26 * 26 * 26 * 26) && v->n_tokens < v->limit; i++) {
            for (int j = length - 1, rest = i; j >= 0; j--, rest /= 26)
                word[j] = (char)('a' + rest % 26);
            join(v, word, 2, word + 2, (size_t)length - 2);
        }
}

static void put_key(struct text *out, const char *key, uint32_t type)
{
    gguf_put_string(out, key, strlen(key));
    gguf_put_u32(out, type);
}

bool synth_vocabulary(struct text *out, int n, const char *pre, uint64_t *entries, struct error *err)
{
    static const char *const controls[CONTROL_TOKENS] = {"<|endoftext|>", "<|padding|>"};
    struct vocabulary v = {.limit = (uint64_t)n - CONTROL_TOKENS};
    for (int byte = 0; byte < 256; byte++, v.n_tokens++) {
        char c[4];
        gguf_put_string(&v.tokens, c, (size_t)stand_in((uint8_t)byte, c));
    }
    add_letters(&v);
    add_hangul(&v);
    add_longer_letters(&v);
    for (int i = 0; i < CONTROL_TOKENS; i++)
        gguf_put_string(&v.tokens, controls[i], strlen(controls[i]));

    put_key(out, "tokenizer.ggml.model", GGUF_STRING);
    gguf_put_string(out, "gpt2", 4);
    put_key(out, "tokenizer.ggml.pre", GGUF_STRING);
    gguf_put_string(out, pre, strlen(pre));
    put_key(out, "tokenizer.ggml.tokens", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_STRING);
    gguf_put_u64(out, (uint64_t)n);
    text_add(out, v.tokens.bytes, v.tokens.length);
    put_key(out, "tokenizer.ggml.token_type", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_I32);
    gguf_put_u64(out, (uint64_t)n);
    for (int i = 0; i < n; i++)
        gguf_put_u32(out, i < n - CONTROL_TOKENS ? 1 : 3);
    put_key(out, "tokenizer.ggml.merges", GGUF_ARRAY);
    gguf_put_u32(out, GGUF_STRING);
    gguf_put_u64(out, v.n_merges);
    text_add(out, v.merges.bytes, v.merges.length);
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.padding_token_id"};
    for (int i = 0; i < 3; i++) {
        put_key(out, ids[i], GGUF_U32);
        gguf_put_u32(out, (uint32_t)(n - (i < 2 ? 2 : 1)));
    }
    put_key(out, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    text_add(out, "\0", 1);
    *entries += 9;
    bool ok = text_ok(&v.tokens, err) && text_ok(&v.merges, err) && text_ok(out, err);
    if (ok && v.n_tokens != v.limit)
        ok = error_set(err, ERROR_INPUT, "a vocabulary of %d tokens is larger than what can be made up (%llu)", n,
                       (unsigned long long)v.n_tokens);
    text_free(&v.tokens);
    text_free(&v.merges);
    return ok;
}
