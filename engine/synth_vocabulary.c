/* A deterministic byte-level vocabulary: see synth.h.
 *
 * Token i < 256 is a byte; every later ordinary token is the join of two earlier ones, and its merge is written in the same order, so that
 * BPE reaches it. Hangul syllables come by the frequency of their parts: open syllables first, then common finals, as a small vocabulary
 * has room for some only. */
#include "engine/synth.h"

#include "engine/vocabulary_write.h"

static void add_hangul(struct vocabulary_parts *v)
{
    static const int finals[] = {0, 4, 8, 21, 1, 16, 17, 20, 19, 7, 22, 25, 26, 27, 23, 24, 2, 3, 5, 6, 9, 10, 11, 12, 13, 14, 15, 18};
    static const int vowels[] = {0, 20, 4, 8, 18, 13, 5, 1, 6, 9, 14, 11, 17, 2, 12, 16, 19, 15, 7, 10, 3};
    static const int initials[] = {11, 0, 2, 3, 9, 12, 5, 18, 6, 7, 14, 16, 17, 15, 4, 1, 10, 13, 8};
    for (uint32_t prefix = 0xAC00 >> 6; prefix <= 0xD7A3 >> 6; prefix++) { // the first two bytes of 64 code points
        char bytes[4];
        utf8_encode(prefix << 6, bytes);
        vocabulary_parts_join(v, bytes, 1, bytes + 1, 1);
    }
    for (size_t f = 0; f < sizeof finals / sizeof *finals; f++)
        for (size_t m = 0; m < sizeof vowels / sizeof *vowels; m++)
            for (size_t i = 0; i < sizeof initials / sizeof *initials; i++) {
                char bytes[4];
                utf8_encode(0xAC00u + (uint32_t)((initials[i] * 21 + vowels[m]) * 28 + finals[f]), bytes);
                vocabulary_parts_join(v, bytes, 2, bytes + 2, 1);
            }
}

static void add_letters(struct vocabulary_parts *v)
{
    char word[4];
    for (int i = 0; i < 52; i++) {
        word[0] = (char)(i < 26 ? 'a' + i : 'A' + i - 26);
        vocabulary_parts_join(v, " ", 1, word, 1);
    }
    for (int i = 0; i < 26 * 26; i++) {
        word[0] = (char)('a' + i / 26);
        word[1] = (char)('a' + i % 26);
        vocabulary_parts_join(v, word, 1, word + 1, 1);
    }
}

static void add_longer_letters(struct vocabulary_parts *v)
{
    char word[4];
    for (int length = 3; length <= 4; length++)
        for (int i = 0; i < (length == 3 ? 26 * 26 * 26 : 26 * 26 * 26 * 26) && v->n_tokens < v->limit; i++) {
            for (int j = length - 1, rest = i; j >= 0; j--, rest /= 26)
                word[j] = (char)('a' + rest % 26);
            vocabulary_parts_join(v, word, 2, word + 2, (size_t)length - 2);
        }
}

bool synth_vocabulary(struct gguf_entries *out, int n, const char *pre, struct error *err)
{
    struct vocabulary_parts v = {.limit = (uint64_t)n - CONTROL_TOKENS};
    vocabulary_parts_begin(&v);
    add_letters(&v);
    add_hangul(&v);
    add_longer_letters(&v);
    vocabulary_parts_put(&v, pre, false, out);
    bool ok = vocabulary_parts_ok(&v, err) && text_ok(&out->text, err);
    if (ok && v.n_tokens != v.limit)
        ok = error_set(err, ERROR_INPUT, "a vocabulary of %d tokens is larger than what can be made up (%llu)", n,
                       (unsigned long long)v.n_tokens);
    vocabulary_parts_free(&v);
    return ok;
}
