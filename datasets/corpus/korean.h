/* Korean particles, chosen by how the word before them ends, and numbers in words. */
#ifndef JEOUL_CORPUS_KOREAN_H
#define JEOUL_CORPUS_KOREAN_H

#include "base/text.h"

enum form {
    FORM_PLAIN,
    FORM_TOPIC,       // 은, 는
    FORM_SUBJECT,     // 이, 가
    FORM_OBJECT,      // 을, 를
    FORM_WITH,        // 과, 와
    FORM_BY,          // 으로, 로; ㄹ counts as an open syllable
    FORM_OF,          // 의
    FORM_ARTICLE,     // English: a, an, before the word
    FORM_ARTICLE_CAP, // A, An
    FORM_COUNT
};

/* By the name that grammars use: "은", "이", "을", "과", "으로", "의", "a", "A". False when unknown. */
bool form_named(const char *name, size_t n, enum form *out);

/* The particle of the form behind a word of n bytes; "" for forms that are none. Digits and Latin letters count by how they are read in
 * Korean where that is certain (digits), else as open. */
const char *particle(enum form form, const char *word, size_t n);

/* Sino-Korean ("십칠", 0 … 99) and native numerals before a counter ("열일곱", "스물한", 1 … 99), English ("seventeen", 0 … 99). */
enum { NUMBER_LIMIT = 100 };
void number_sino(struct text *out, int value);
void number_native(struct text *out, int value);
void number_english(struct text *out, int value, bool capital);

#endif
