/* Text: see text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t more)
{
    size_t needed;
    if (text->failed || __builtin_add_overflow(text->length, more, &needed) || __builtin_add_overflow(needed, 1, &needed)) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    if (n)
        memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
    text->bytes[text->length] = '\0';
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        text->failed = true;
    else if (reserve(text, (size_t)n)) {
        vsnprintf(text->bytes + text->length, (size_t)n + 1, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

bool text_ok(const struct text *text, struct error *err)
{
    return !text->failed || error_set(err, ERROR_MACHINE, "out of memory for a text of %zu bytes", text->length);
}

int utf8_decode(const char *bytes, size_t n, uint32_t *code_point)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (n == 0)
        return 0;
    if (b[0] < 0x80) {
        *code_point = b[0];
        return 1;
    }
    int length = (b[0] & 0xE0) == 0xC0 ? 2 : (b[0] & 0xF0) == 0xE0 ? 3 : (b[0] & 0xF8) == 0xF0 ? 4 : 0;
    if (length == 0 || (size_t)length > n)
        return 0;
    uint32_t value = b[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (b[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code_point = value;
    return length;
}

int utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

size_t utf8_invalid_at(const char *bytes, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint32_t c;
        int length = utf8_decode(bytes + at, n - at, &c);
        if (length == 0)
            return at;
        at += (size_t)length;
    }
    return n;
}

size_t utf8_length(const char *bytes, size_t n)
{
    size_t count = 0;
    for (size_t at = 0; at < n; count++) {
        uint32_t c;
        int length = utf8_decode(bytes + at, n - at, &c);
        at += length ? (size_t)length : 1;
    }
    return count;
}

bool utf8_is_space(uint32_t c)
{
    static const uint32_t others[] = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    bool space = c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || (c >= 0x2000 && c <= 0x200A);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        space = space || c == others[i];
    return space;
}

size_t utf8_words(const char *bytes, size_t n)
{
    size_t count = 0;
    bool inside = false;
    for (size_t at = 0; at < n;) {
        uint32_t c = 0;
        int length = utf8_decode(bytes + at, n - at, &c);
        bool space = length && utf8_is_space(c);
        count += !space && !inside;
        inside = !space;
        at += length ? (size_t)length : 1;
    }
    return count;
}

static int columns(uint32_t c)
{
    if (c < 0x20 || (c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || c == 0xFEFF || (c >= 0x1160 && c <= 0x11FF))
        return 0;
    if ((c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0x303E) || (c >= 0x3041 && c <= 0xA4CF) || (c >= 0xA960 && c <= 0xA97F) ||
        (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
        (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD))
        return 2;
    return 1;
}

int utf8_columns(const char *string)
{
    size_t n = strlen(string);
    int width = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        int length = utf8_decode(string + at, n - at, &c);
        width += length ? columns(c) : 1;
        at += length ? (size_t)length : 1;
    }
    return width;
}

size_t text_distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[65];
    if (n > 64)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            row[j] = substituted < least ? substituted : least;
        }
    }
    return row[n];
}
