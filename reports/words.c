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

/* Thousands by comma. */
static void add_digits(struct text *out, const char *digits)
{
    size_t whole = strcspn(digits, "."), sign = digits[0] == '-';
    text_add_string(out, sign ? "−" : "");
    for (size_t i = sign; digits[i]; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0)
            text_add_string(out, ",");
        text_add(out, &digits[i], 1);
    }
}

/* Three significant digits keep their zeros ("57.0"); what somebody wrote down loses them ("20", "4.5"). */
static void add_plain(struct text *out, double value, bool exact)
{
    double magnitude = fabs(value);
    int decimals = exact ? magnitude >= 100 ? 2 : 4 : magnitude >= 100 || magnitude == 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
    char digits[64];
    int n = snprintf(digits, sizeof digits, "%.*f", decimals, value);
    while (exact && digits[n - 1] == '0')
        digits[--n] = '\0';
    if (digits[n - 1] == '.')
        digits[n - 1] = '\0';
    add_digits(out, digits);
}

/* 3.80e12 → "3조 8,000억", 8.6e7 → "8,600만": two units of ten thousand at most, the second where it isn't empty. */
static bool add_korean(struct text *out, double value)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e16, "경"}, {1e12, "조"}, {1e8, "억"}, {1e4, "만"}};
    if (fabs(value) < 1e6)
        return false;
    text_add_string(out, value < 0 ? "−" : "");
    double left = fabs(value);
    for (int i = 0, parts = 0; i < 4 && parts < 2; i++) {
        double count = floor(left / units[i].unit + 1e-9);
        if (count < 1) {
            parts += parts > 0;
            continue;
        }
        text_add_string(out, parts++ ? " " : "");
        add_plain(out, count, true);
        text_add_string(out, units[i].name);
        left = fmax(left - count * units[i].unit, 0);
    }
    return true;
}

static bool add_english(struct text *out, double value, bool exact)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e15, "quadrillion"}, {1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}};
    for (int i = 0; i < 4; i++)
        if (fabs(value) >= units[i].unit) {
            add_plain(out, value / units[i].unit, exact);
            text_format(out, " %s", units[i].name);
            return true;
        }
    return false;
}

static void add(struct text *out, enum report_language language, enum word word, double value, bool exact)
{
    if (!isfinite(value)) {
        text_add_string(out, "–");
        return;
    }
    bool korean = language == REPORT_KO, spelt = false;
    value = word == WORD_PERCENT ? 100 * value : value;
    value = exact ? value : rounded(value);
    if (word == WORD_COUNT || word == WORD_WON)
        spelt = korean ? add_korean(out, value) : add_english(out, value, exact);
    if (!spelt)
        add_plain(out, value, exact);
    text_add_string(out, word == WORD_PERCENT ? " %" : word != WORD_WON ? "" : !korean ? " won" : spelt ? " 원" : "원");
}

void words_add(struct text *out, enum report_language language, enum word word, double value)
{
    add(out, language, word, value, false);
}

void words_add_exact(struct text *out, enum report_language language, enum word word, double value)
{
    add(out, language, word, value, true);
}

void words_number(struct text *out, double value)
{
    if (isfinite(value))
        add_plain(out, value, false);
    else
        text_add_string(out, "–");
}

void words_count(struct text *out, double value)
{
    char digits[64];
    snprintf(digits, sizeof digits, "%.0f", value);
    if (isfinite(value) && fabs(value) < 1e18)
        add_digits(out, digits);
    else
        text_add_string(out, "–");
}
