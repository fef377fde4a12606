/* See korean.h. A Hangul syllable's code point is 0xAC00 + (initial · 21 + vowel) · 28 + final (Unicode, chapter 3.12): final 0 is an open
 * syllable, 8 is ㄹ. */
#include "datasets/corpus/korean.h"

#include <ctype.h>
#include <string.h>

enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3, FINALS = 28, FINAL_RIEUL = 8, OPEN = 0, CLOSED = 1 };

static const char *const form_names[FORM_COUNT] = {"", "은", "이", "을", "과", "으로", "의", "a", "A"};
static const char *const particles[FORM_COUNT][2] = {
    [FORM_PLAIN] = {"", ""},      [FORM_TOPIC] = {"는", "은"}, [FORM_SUBJECT] = {"가", "이"},
    [FORM_OBJECT] = {"를", "을"}, [FORM_WITH] = {"와", "과"},  [FORM_BY] = {"로", "으로"},
    [FORM_OF] = {"의", "의"},     [FORM_ARTICLE] = {"", ""},   [FORM_ARTICLE_CAP] = {"", ""}};

bool form_named(const char *name, size_t n, enum form *out)
{
    for (int form = FORM_PLAIN + 1; form < FORM_COUNT; form++)
        if (strlen(form_names[form]) == n && memcmp(form_names[form], name, n) == 0) {
            *out = (enum form)form;
            return true;
        }
    return false;
}

/* The final consonant's number of the last syllable, of a digit that of its Sino-Korean name (영 일 이 삼 사 오 육 칠 팔 구). */
static int final_of(const char *word, size_t n)
{
    static const int digits[10] = {21, 8, 0, 16, 0, 0, 1, 8, 8, 0};
    uint32_t c = 0;
    if (n && isdigit((unsigned char)word[n - 1]))
        return digits[word[n - 1] - '0'];
    if (n < 3 || utf8_decode(word + n - 3, 3, &c) != 3 || c < HANGUL_FIRST || c > HANGUL_LAST)
        return 0;
    return (int)(c - HANGUL_FIRST) % FINALS;
}

const char *particle(enum form form, const char *word, size_t n)
{
    int final = final_of(word, n);
    bool closed = final != 0 && !(form == FORM_BY && final == FINAL_RIEUL);
    return particles[form][closed ? CLOSED : OPEN];
}

void number_sino(struct text *out, int value)
{
    static const char *const digits[] = {"영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"};
    if (value >= 20)
        text_add_string(out, digits[value / 10]);
    if (value >= 10)
        text_add_string(out, "십");
    if (value % 10 || value == 0)
        text_add_string(out, digits[value % 10]);
}

void number_native(struct text *out, int value)
{
    static const char *const tens[] = {"", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"};
    static const char *const ones[] = {"", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"};
    if (value == 20) {
        text_add_string(out, "스무");
        return;
    }
    text_add_string(out, tens[value / 10]);
    text_add_string(out, ones[value % 10]);
}

void number_english(struct text *out, int value, bool capital)
{
    static const char *const small[] = {"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
    size_t first = out->length;
    text_add_string(out, value < 20 ? small[value] : tens[value / 10]);
    if (value >= 20 && value % 10)
        text_format(out, "-%s", small[value % 10]);
    if (capital && !out->failed)
        out->bytes[first] = (char)toupper((unsigned char)out->bytes[first]);
}
