/* Filters that search: see filter.h. */
#include "eval/filter_steps.h"

#include "eval/pattern.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *step_text(const cJSON *step, const char *key, const char *fallback)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, key));
    return value ? value : fallback;
}

static int group_select(const cJSON *step)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(step, "group_select");
    return cJSON_IsNumber(value) ? value->valueint : 0;
}

static bool become(struct text *text, const char *value, struct error *err)
{
    text_clear(text);
    text_add_string(text, value);
    return text_ok(text, err);
}

/* The chosen match of a pattern, stripped, in `out` (cleared before); *found false where there is none or it is empty. */
static bool search(const cJSON *step, const char *pattern_text, const struct text *in, struct text *out, int *found, struct error *err)
{
    struct pattern *pattern = pattern_compile(pattern_text, err);
    text_clear(out);
    bool ok = pattern && pattern_find(pattern, in->bytes, in->length, group_select(step), out, found, err);
    pattern_free(pattern);
    if (ok)
        filter_strip(out);
    return ok;
}

bool filter_regex(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    struct text match = {0};
    int found;
    (void)item;
    bool ok = search(step, step_text(step, "regex_pattern", "#### (\\-?[0-9\\.\\,]+)"), text, &match, &found, err) &&
              become(text, found > 0 ? match.bytes : step_text(step, "fallback", "[invalid]"), err);
    text_free(&match);
    return ok;
}

bool filter_regex_cascade(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    const cJSON *patterns = cJSON_GetObjectItemCaseSensitive(step, "regex_patterns"), *one;
    struct text match = {0};
    int found = 0;
    bool ok = cJSON_IsArray(patterns) || error_set(err, ERROR_INPUT, "regex_cascade: \"regex_patterns\" is no list");
    (void)item;
    cJSON_ArrayForEach(one, patterns) {
        if (!ok || found)
            break;
        ok = (cJSON_IsString(one) || error_set(err, ERROR_INPUT, "regex_cascade: a pattern is not a text")) &&
             search(step, one->valuestring, text, &match, &found, err);
    }
    ok = ok && become(text, found > 0 ? match.bytes : step_text(step, "fallback", "[invalid]"), err);
    text_free(&match);
    return ok;
}

/* What the reference's filters ignore, taken out of a text. */
static bool ignore(const cJSON *step, struct text *text, struct error *err)
{
    if (!filter_remove_all(cJSON_GetObjectItemCaseSensitive(step, "regexes_to_ignore"), text, err))
        return false;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(step, "ignore_case")))
        filter_lower(text);
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(step, "ignore_punctuation")))
        return text_ok(text, err);
    struct pattern *punctuation = pattern_compile("\\p{P}", err);
    bool ok = punctuation && pattern_remove(punctuation, text, err);
    pattern_free(punctuation);
    return ok;
}

/* --- multiple choice -------------------------------------------------------------------------------------------------------------------
 */

enum { LETTERS = 26 };

struct choice_texts {
    struct text texts[LETTERS];
    int n;
};

static void add_choice(void *context, const char *match, size_t n)
{
    struct choice_texts *c = context;
    if (c->n < LETTERS)
        text_add(&c->texts[c->n++], match, n);
}

static bool read_choices(const cJSON *step, const struct filter_item *item, struct choice_texts *out, struct error *err)
{
    for (int i = 0; i < item->n_choices; i++)
        add_choice(out, item->choices[i], strlen(item->choices[i]));
    if (!item->n_choices && item->question) {
        struct pattern *labels = pattern_compile("\\([A-Z]\\)([^\\n^(]*)", err);
        bool ok = labels && pattern_each(labels, item->question, strlen(item->question), add_choice, out, err);
        pattern_free(labels);
        if (!ok)
            return false;
    }
    for (int i = 0; i < out->n; i++) {
        filter_strip(&out->texts[i]);
        if (!text_ok(&out->texts[i], err) || !ignore(step, &out->texts[i], err))
            return false;
    }
    return out->n > 0 || error_set(err, ERROR_INPUT, "the item names no choices");
}

/* One of the choices' texts within the answer: its letter, in `match`. */
static bool search_choice_text(const cJSON *step, const struct choice_texts *choices, const struct text *text, struct text *match,
                               int *found, struct error *err)
{
    struct text pattern = {0}, reduced = {0};
    for (int i = 0; i < choices->n; i++) {
        text_add_string(&pattern, i ? "|" : "");
        pattern_escape(&pattern, choices->texts[i].bytes, choices->texts[i].length);
    }
    text_add(&reduced, text->bytes, text->length);
    bool ok = text_ok(&pattern, err) && text_ok(&reduced, err) && ignore(step, &reduced, err) &&
              search(step, pattern.bytes, &reduced, match, found, err);
    for (int i = choices->n - 1; ok && *found > 0 && match->length && i >= 0; i--) // the last of equal ones, as in a dictionary
        if (strcmp(choices->texts[i].bytes, match->bytes) == 0) {
            char letter[4] = {'(', (char)('A' + i), ')', '\0'};
            ok = become(match, letter, err);
            break;
        }
    text_free(&pattern);
    text_free(&reduced);
    return ok;
}

static bool search_letter(const cJSON *step, int n, const struct text *text, struct text *match, int *found, struct error *err)
{
    char pattern[16 + 2 * LETTERS] = ":[\\s]*(", letter[4] = "(A)";
    size_t at = strlen(pattern);
    for (int i = 0; i < n; i++) {
        pattern[at++] = (char)('A' + i);
        pattern[at++] = i + 1 < n ? '|' : ')';
    }
    if (!search(step, pattern, text, match, found, err))
        return false;
    if (*found <= 0)
        return true;
    letter[1] = match->bytes[0];
    return become(match, letter, err);
}

bool filter_multi_choice(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    struct choice_texts choices = {0};
    struct text match = {0};
    int found = 0;
    bool ok = read_choices(step, item, &choices, err) &&
              search(step, step_text(step, "regex_pattern", "#### (\\-?[0-9\\.\\,]+)"), text, &match, &found, err);
    if (ok && !(found > 0 && match.length))
        ok = search_choice_text(step, &choices, text, &match, &found, err);
    if (ok && !(found > 0 && match.length))
        ok = search_letter(step, choices.n, text, &match, &found, err);
    ok = ok && become(text, found > 0 && match.length ? match.bytes : step_text(step, "fallback", "[invalid]"), err);
    for (int i = 0; i < choices.n; i++)
        text_free(&choices.texts[i]);
    text_free(&match);
    return ok;
}

/* --- patterns that stand for values ------------------------------------------------------------------------------------------------------
 */

bool filter_map_regex(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(step, "regex_pattern_to_value"), *one;
    const char *value = step_text(step, "fallback", "[invalid]");
    struct text all = {0}, match = {0}, part = {0};
    int found = 0;
    (void)item;
    cJSON_ArrayForEach(one, values)
        text_format(&all, "%s%s", all.length ? "|" : "", one->string);
    text_add(&all, "", 0);
    bool ok = text_ok(&all, err) && ignore(step, text, err) && search(step, all.bytes, text, &match, &found, err);
    if (ok && found > 0 && match.length) {
        ok = ignore(step, &match, err);
        cJSON_ArrayForEach(one, values) {
            if (ok && (ok = search(step, one->string, &match, &part, &found, err)) && found > 0 && part.length) {
                value = cJSON_IsString(one) ? one->valuestring : value;
                break;
            }
        }
    }
    ok = ok && become(text, value, err);
    text_free(&all);
    text_free(&match);
    text_free(&part);
    return ok;
}

/* --- numbers in words -------------------------------------------------------------------------------------------------------------------
 */

static int64_t word_value(const char *word, size_t n)
{
    static const struct {
        const char *word;
        int64_t value;
    } words[] = {{"zero", 0},      {"one", 1},         {"two", 2},           {"three", 3},
                 {"four", 4},      {"five", 5},        {"six", 6},           {"seven", 7},
                 {"eight", 8},     {"nine", 9},        {"ten", 10},          {"eleven", 11},
                 {"twelve", 12},   {"thirteen", 13},   {"fourteen", 14},     {"fifteen", 15},
                 {"sixteen", 16},  {"seventeen", 17},  {"eighteen", 18},     {"nineteen", 19},
                 {"twenty", 20},   {"thirty", 30},     {"forty", 40},        {"fifty", 50},
                 {"sixty", 60},    {"seventy", 70},    {"eighty", 80},       {"ninety", 90},
                 {"hundred", 100}, {"thousand", 1000}, {"million", 1000000}, {"billion", 1000000000}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == n && memcmp(words[i].word, word, n) == 0)
            return words[i].value;
    return -1;
}

/* "two hundred and five" is 205; −1 where no word is a number. */
static int64_t number_of_words(const char *text)
{
    int64_t total = 0, part = 0;
    bool any = false;
    while (*text) {
        size_t n = strcspn(text, " \t,-&");
        int64_t value = word_value(text, n);
        if (value >= 1000) {
            total += (part ? part : 1) * value;
            part = 0;
        } else if (value == 100)
            part = (part ? part : 1) * 100;
        else if (value >= 0)
            part += value;
        any = any || value >= 0;
        text += n + (text[n] != '\0');
    }
    return any ? total + part : -1;
}

/* A run of number words, as the reference has it: by a slip of its, "six", "seven", "eight" and "nine" are none at a run's end. */
#define NUMBER_WORDS(teens, eights)                                                                                                        \
    "zero|one|two|three|four|five|(?:twen|thir|for|fif|six|seven|nine)" teens "|eight" eights                                              \
    "|ten|eleven|twelve|fourteen|hundred|thousand|(?:m|b|tr)illion"
static const char number_run[] = "((?:(?:" NUMBER_WORDS("(?:teen|ty)", "(?:|een|y)") ")(?:" NUMBER_WORDS(
    "(?:|teen|ty)", "(?:een|y)") "|[^\\S\r\n]|,|and|&)+)?(?:" NUMBER_WORDS("(?:teen|ty)", "(?:een|y)") "))";

bool filter_number_words(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    struct text match = {0};
    int found = 0;
    (void)item;
    bool ok = search(step, step_text(step, "regex_pattern", "([-0-9]+)"), text, &match, &found, err);
    if (ok && !(found > 0 && match.length)) {
        filter_lower(text);
        ok = search(step, number_run, text, &match, &found, err);
        int64_t value = ok && found > 0 ? number_of_words(match.bytes) : -1;
        text_clear(&match);
        if (value >= 0)
            text_format(&match, "%lld", (long long)value);
    }
    ok = ok && become(text, match.length ? match.bytes : step_text(step, "fallback", "[invalid]"), err);
    text_free(&match);
    return ok;
}

/* --- words in the order of their last mention
 * ---------------------------------------------------------------------------------------------
 */

enum { MOST_WORDS = 256 };

struct mentions {
    char *words[MOST_WORDS];
    int n;
};

/* A word said again goes to the end. */
static void mention(void *context, const char *match, size_t n)
{
    struct mentions *m = context;
    char *word = strndup(match, n);
    int at = 0;
    while (word && at < m->n && strcmp(m->words[at], word) != 0)
        at++;
    if (at < m->n) {
        free(m->words[at]);
        memmove(&m->words[at], &m->words[at + 1], (size_t)(--m->n - at) * sizeof *m->words);
    }
    if (word && m->n < MOST_WORDS)
        m->words[m->n++] = word;
    else
        free(word);
}

bool filter_word_sort(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    const char *list = item->question ? strstr(item->question, "List:") : NULL;
    struct text source = {0};
    struct mentions mentions = {0};
    (void)step;
    if (!list)
        return error_set(err, ERROR_INPUT, "the item's question has no \"List:\"");
    list += strlen("List:");
    for (size_t n; *list && strncmp(list, "List:", 5) != 0; list += n ? n : 1) {
        n = strcspn(list, " \t\r\n");
        if (n) // not escaped, as in the reference
            text_format(&source, "%s\\b%.*s\\b", source.length ? "|" : "", (int)n, list);
    }
    text_add(&source, "", 0);
    struct pattern *pattern = text_ok(&source, err) ? pattern_compile(source.bytes, err) : NULL;
    bool ok = pattern && pattern_each(pattern, text->bytes, text->length, mention, &mentions, err);
    text_clear(text);
    text_add(text, "", 0);
    for (int i = 0; i < mentions.n; i++) {
        text_format(text, "%s%s", i ? " " : "", mentions.words[i]);
        free(mentions.words[i]);
    }
    pattern_free(pattern);
    text_free(&source);
    return ok && text_ok(text, err);
}
