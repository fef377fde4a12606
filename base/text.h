/* Text: a growing byte buffer, and the little UTF-8 that tables and metrics need. */
#ifndef JEOUL_BASE_TEXT_H
#define JEOUL_BASE_TEXT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* A growing buffer, always NUL-terminated once something was added. Zero-initialise to begin, text_free to end. The add functions keep a
 * sticky `failed` instead of returning an error, so that long sequences of them are checked once with text_ok. */
struct text {
    char *bytes;
    size_t length, capacity;
    bool failed;
};

void text_add(struct text *text, const char *bytes, size_t n);
void text_add_string(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(struct text *text); // keeps the memory
void text_free(struct text *text);
bool text_ok(const struct text *text, struct error *err) MUST_CHECK; // false: memory ran out on the way

/* Decodes one code point at bytes[0..n): returns its length in bytes (1–4) and stores it, or 0 when the bytes are not valid UTF-8
 * (overlong forms, surrogates and values above U+10FFFF included) or n is 0. */
int utf8_decode(const char *bytes, size_t n, uint32_t *code_point);

/* Encodes a code point into out[4]; returns the number of bytes. */
int utf8_encode(uint32_t code_point, char *out);

/* The offset of the first byte that is not valid UTF-8, or n when all is well. */
size_t utf8_invalid_at(const char *bytes, size_t n);

/* The number of code points; invalid bytes count as one each. */
size_t utf8_length(const char *bytes, size_t n);

/* White space as Python's str.isspace and Unicode see it. */
bool utf8_is_space(uint32_t code_point);

/* The number of words: what white space parts, in Korean the eojeol. */
size_t utf8_words(const char *bytes, size_t n);

/* Columns on a terminal: two for Hangul, CJK and full-width forms, none for combining marks, one for the rest. */
int utf8_columns(const char *string);

/* How many bytes are added, removed or changed to make one string of the other (Levenshtein); b's length when b has more than 64. */
size_t text_distance(const char *a, const char *b);

#endif
