/* Large numbers as people read them: see words.h. */
#include "reports/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits. */
static double rounded(double value)
{
    if (value == 0)
        return 0;
    double step = pow(10, floor(log10(fabs(value))) - 2);
    return round(value / step) * step;
}

/* A number that is rounded already: thousands by comma, at most the decimals that three digits leave. */
static void add_plain(struct text *out, double value)
{
    double magnitude = fabs(value);
    int decimals = magnitude >= 100 || magnitude == 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
    char digits[64];
    snprintf(digits, sizeof digits, "%.*f", decimals, value);
    size_t whole = strcspn(digits, "."), sign = digits[0] == '-';
    for (size_t i = 0; digits[i]; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0)
            text_add_string(out, ",");
        text_add(out, &digits[i], 1);
    }
}

/* 3.80e12 → "3조 8,000억", 8.6e7 → "8,600만": two units of ten thousand at most, the second where it isn't empty. */
static void add_korean(struct text *out, double value)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e16, "경"}, {1e12, "조"}, {1e8, "억"}, {1e4, "만"}};
    if (fabs(value) < 1e6) {
        add_plain(out, value);
        return;
    }
    text_add_string(out, value < 0 ? "−" : "");
    double left = fabs(value);
    for (int i = 0, parts = 0; i < 4 && parts < 2; i++) {
        double count = floor(left / units[i].unit + 1e-9);
        if (count < 1)
            continue;
        text_add_string(out, parts++ ? " " : "");
        add_plain(out, count);
        text_add_string(out, units[i].name);
        left = fmax(left - count * units[i].unit, 0);
    }
}

static void add_english(struct text *out, double value)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e15, "quadrillion"}, {1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}};
    for (int i = 0; i < 4; i++)
        if (fabs(value) >= units[i].unit) {
            add_plain(out, value / units[i].unit);
            text_format(out, " %s", units[i].name);
            return;
        }
    add_plain(out, value);
}

void words_add(struct text *out, enum report_language language, enum word word, double value)
{
    if (!isfinite(value)) {
        text_add_string(out, "–");
        return;
    }
    value = rounded(word == WORD_PERCENT ? 100 * value : value);
    if (word == WORD_PLAIN || word == WORD_PERCENT)
        add_plain(out, value);
    else if (language == REPORT_KO)
        add_korean(out, value);
    else
        add_english(out, value);
    text_add_string(out, word == WORD_PERCENT ? " %" : word != WORD_WON ? "" : language == REPORT_KO ? "원" : " won");
}
