/* Vocabularies: see vocabulary.h. What the file says is hostile until it is checked here; what passes is never checked again. */
#include "engine/vocabulary.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKEN_BYTES = 1 << 16 };

static const char space_mark[] = "\u2581";

static uint64_t hash_bytes_of(const char *bytes, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

/* Ordinary text becomes a token of the lowest rank; of tokens with the same bytes (olmo has "ĠĠ" and a user-defined "  ") it is one. */
static int rank_of(const struct token *token)
{
    switch (token->type) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        return 2;
    case TOKEN_USER:
        return 1;
    default:
        return 0;
    }
}

bool token_is_special(const struct token *token)
{
    return rank_of(token) > 0;
}

int32_t vocabulary_find(const struct vocabulary *v, const char *bytes, size_t n, bool control)
{
    int32_t best = NO_TOKEN;
    int limit = control ? 3 : 2;
    size_t mask = v->n_slots - 1;
    for (size_t slot = hash_bytes_of(bytes, n) & mask; v->slots[slot]; slot = (slot + 1) & mask) {
        const struct token *token = &v->tokens[v->slots[slot] - 1];
        if (token->n == n && rank_of(token) < limit && memcmp(token->bytes, bytes, n) == 0) {
            best = v->slots[slot] - 1;
            limit = rank_of(token);
        }
    }
    return best;
}

static int by_bytes(const void *a, const void *b, void *context)
{
    const struct vocabulary *v = context;
    const struct token *x = &v->tokens[*(const int32_t *)a], *y = &v->tokens[*(const int32_t *)b];
    int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The first special token in [low, high) whose byte at `depth` is at least `byte`; all of them agree in the bytes before. */
static size_t first_from(const struct vocabulary *v, size_t low, size_t high, uint32_t depth, int byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct token *token = &v->tokens[v->specials[middle]];
        if (token->n <= depth || (uint8_t)token->bytes[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t vocabulary_special_at(const struct vocabulary *v, const char *bytes, size_t n, bool control)
{
    int32_t longest = NO_TOKEN;
    size_t low = 0, high = v->n_specials;
    for (uint32_t depth = 0; depth < n && low < high; depth++) {
        int byte = (uint8_t)bytes[depth];
        low = first_from(v, low, high, depth, byte);
        high = first_from(v, low, high, depth, byte + 1);
        for (size_t i = low; i < high && v->tokens[v->specials[i]].n == depth + 1; i++) // those that end here come first
            if (control || v->tokens[v->specials[i]].type == TOKEN_USER)
                longest = v->specials[i];
    }
    return longest;
}

/* --- the spellings ---------------------------------------------------------------------------------------------------------------------
 */

/* The byte that a code point of the byte-level alphabet stands for: printable Latin-1 for itself, the 68 others by U+0100 … in order. */
static int byte_of_code_point(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142)
        return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

bool vocabulary_unspell(struct gguf_string text, char *out, size_t *n)
{
    *n = 0;
    for (uint64_t at = 0; at < text.n;) {
        uint32_t c;
        int length = utf8_decode(text.bytes + at, text.n - at, &c), byte = length ? byte_of_code_point(c) : -1;
        if (byte < 0)
            return false;
        out[(*n)++] = (char)byte;
        at += (uint64_t)length;
    }
    return true;
}

static size_t unmark_spaces(struct gguf_string text, char *out)
{
    const size_t n_mark = sizeof space_mark - 1;
    size_t n = 0;
    for (uint64_t at = 0; at < text.n;)
        if (text.n - at >= n_mark && memcmp(text.bytes + at, space_mark, n_mark) == 0) {
            out[n++] = ' ';
            at += n_mark;
        } else {
            out[n++] = text.bytes[at++];
        }
    return n;
}

/* "<0x0A>" → 10; −1 when it isn't of that form. */
static int byte_of_name(struct gguf_string text)
{
    int value = 0;
    if (text.n != 6 || memcmp(text.bytes, "<0x", 3) != 0 || text.bytes[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = text.bytes[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct vocabulary *v;
    const struct model_file *file;
    enum spelling spelling;
    struct error *err;
};

static bool refuse(const struct reading *r, const char *what, int64_t index)
{
    return error_set(r->err, ERROR_INPUT, "%s: the vocabulary is damaged: %s (entry %" PRId64 ")", gguf_path(r->file), what, index);
}

/* An array beside the tokens, NULL in *out when it is absent and not needed. */
static bool read_beside(const struct reading *r, const char *key, enum gguf_type element, const char *what, bool needed,
                        const struct gguf_value **out)
{
    *out = NULL;
    if (!needed && !gguf_find(r->file, key))
        return true;
    if (!(*out = gguf_array(r->file, key, element, r->err)))
        return false;
    if ((*out)->count != (uint64_t)r->v->count)
        return error_set(r->err, ERROR_INPUT, "%s: %" PRIu64 " %s for %d tokens", gguf_path(r->file), (*out)->count, what, r->v->count);
    return true;
}

static bool read_token(const struct reading *r, int32_t id, struct gguf_string text)
{
    struct vocabulary *v = r->v;
    struct token *token = &v->tokens[id];
    if (text.n > MAX_TOKEN_BYTES)
        return refuse(r, "a token of more than 65,536 bytes", id);
    char *bytes = arena_alloc(&v->arena, text.n + 1, 1, r->err);
    if (!bytes)
        return false;
    size_t n = text.n;
    token->bytes = bytes;
    if (token->type == TOKEN_BYTE && r->spelling == SPELLING_SENTENCEPIECE) {
        int byte = byte_of_name(text);
        if (byte < 0)
            return refuse(r, "a byte token that is not written like <0x0A>", id);
        if (v->of_byte[byte] >= 0)
            return refuse(r, "a token that stands twice", id);
        v->of_byte[byte] = id;
        bytes[0] = (char)byte;
        token->n = 1;
        return true; // text becomes it by its byte only
    }
    if (token_is_special(token)) { // its text is meant as it is
        if (!n)
            return refuse(r, "an empty special token", id);
        memcpy(bytes, text.bytes, n);
        v->specials[v->n_specials++] = id;
    } else if (r->spelling == SPELLING_SENTENCEPIECE) {
        n = unmark_spaces(text, bytes);
    } else if (!vocabulary_unspell(text, bytes, &n)) {
        memcpy(bytes, text.bytes, text.n);
        n = text.n;
    }
    token->n = (uint32_t)n;
    if (!n)
        return true; // a hole in the numbering: no text becomes it
    v->longest = token->n > v->longest ? token->n : v->longest;
    size_t mask = v->n_slots - 1, slot = hash_bytes_of(bytes, n) & mask;
    for (; v->slots[slot]; slot = (slot + 1) & mask) {
        const struct token *other = &v->tokens[v->slots[slot] - 1];
        if (other->n == n && rank_of(other) == rank_of(token) && memcmp(other->bytes, bytes, n) == 0)
            return refuse(r, "a token that stands twice", id);
    }
    v->slots[slot] = id + 1;
    return true;
}

bool vocabulary_read(struct vocabulary *v, const struct model_file *file, enum spelling spelling, struct error *err)
{
    struct reading r = {.v = v, .file = file, .spelling = spelling, .err = err};
    const struct gguf_value *tokens = gguf_array(file, "tokenizer.ggml.tokens", GGUF_STRING, err), *types, *scores;
    if (!tokens)
        return false;
    if (tokens->count == 0 || tokens->count > MAX_VOCABULARY)
        return error_set(err, ERROR_INPUT, "%s: a vocabulary of %" PRIu64 " tokens: 1 … %d are allowed", gguf_path(file), tokens->count,
                         MAX_VOCABULARY);
    v->count = (int)tokens->count;
    bool scored = spelling == SPELLING_SENTENCEPIECE;
    if (!read_beside(&r, "tokenizer.ggml.token_type", GGUF_I32, "token types", false, &types) ||
        !read_beside(&r, "tokenizer.ggml.scores", GGUF_F32, "scores", scored, &scores))
        return false;
    for (v->n_slots = 512; v->n_slots < 2 * tokens->count;)
        v->n_slots *= 2;
    v->tokens = memory_array(tokens->count, sizeof *v->tokens, "vocabulary", err);
    v->slots = memory_array(v->n_slots, sizeof *v->slots, "vocabulary", err);
    v->specials = memory_array(tokens->count, sizeof *v->specials, "vocabulary", err);
    if (!v->tokens || !v->slots || !v->specials)
        return false;
    for (int byte = 0; byte < 256; byte++)
        v->of_byte[byte] = NO_TOKEN;
    uint64_t cursor = 0;
    for (int32_t id = 0; id < v->count; id++) {
        int32_t type = types ? gguf_i32_at(types, (uint64_t)id) : TOKEN_NORMAL;
        if (type < 0 || type > TOKEN_BYTE)
            return refuse(&r, "an unknown token type", id);
        v->tokens[id].type = (uint8_t)type;
        v->tokens[id].score = scores ? gguf_f32_at(scores, (uint64_t)id) : 0;
        if (isnan(v->tokens[id].score))
            return refuse(&r, "a score that is not a number", id);
        if (!read_token(&r, id, gguf_next_string(tokens, &cursor)))
            return false;
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        if (v->of_byte[byte] < 0)
            v->of_byte[byte] = vocabulary_find(v, &c, 1, false);
    }
    qsort_r(v->specials, v->n_specials, sizeof *v->specials, by_bytes, v);
    return true;
}

void vocabulary_free(struct vocabulary *v)
{
    free(v->tokens);
    free(v->slots);
    free(v->specials);
    arena_free(&v->arena);
}
