/* Python's `re` on PCRE2: see pattern.h. */
#include "eval/pattern.h"

#include "base/memory.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    uint32_t groups;
};

/* "\Z" is PCRE2's "\z": its own "\Z" also matches before a line end. */
static void translate(struct text *out, const char *source)
{
    for (; *source; source++) {
        if (*source == '\\' && source[1]) {
            text_add(out, source, 1);
            source++;
            text_add_string(out, *source == 'Z' ? "z" : (char[]){*source, '\0'});
        } else
            text_add(out, source, 1);
    }
    text_add(out, "", 0);
}

struct pattern *pattern_compile(const char *source, struct error *err)
{
    int code;
    PCRE2_SIZE at;
    struct text translated = {0};
    struct pattern *pattern = memory_array(1, sizeof *pattern, "pattern", err);
    translate(&translated, source);
    if (!pattern || !text_ok(&translated, err))
        goto fail;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)translated.bytes, translated.length, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!pattern->code) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(code, message, sizeof message);
        error_set(err, ERROR_INPUT, "the pattern \"%.100s\": %s at byte %zu", source, (const char *)message, (size_t)at);
        goto fail;
    }
    pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &pattern->groups);
    if (!(pattern->match = pcre2_match_data_create_from_pattern(pattern->code, NULL))) {
        error_set(err, ERROR_MACHINE, "out of memory for a pattern");
        goto fail;
    }
    text_free(&translated);
    return pattern;
fail:
    text_free(&translated);
    pattern_free(pattern);
    return NULL;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    free(pattern);
}

/* The next match from *at on: 1 and *at behind it, 0 when there is none, −1 with err. *empty_before forbids an empty match at *at. */
static int next_match(const struct pattern *p, const char *text, size_t n, size_t *at, bool *empty_before, struct error *err)
{
    if (*at > n)
        return 0;
    int result = pcre2_match(p->code, (PCRE2_SPTR)text, n, *at, *empty_before ? PCRE2_NOTEMPTY_ATSTART : 0, p->match, NULL);
    if (result == PCRE2_ERROR_NOMATCH)
        return 0;
    if (result < 0) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(result, message, sizeof message);
        error_set(err, ERROR_INPUT, "a pattern on the text \"%.40s\": %s", text, (const char *)message);
        return -1;
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->match);
    *empty_before = ends[0] == ends[1];
    *at = ends[1];
    return 1;
}

/* The text that findall gives for the match at hand: false where it has several groups and all are empty. */
static bool match_text(const struct pattern *p, const char *text, const char **out, size_t *n)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->match);
    uint32_t first = p->groups ? 1 : 0, last = p->groups ? p->groups : 0;
    *out = "";
    *n = 0;
    for (uint32_t g = first; g <= last; g++) {
        if (ends[2 * g] == PCRE2_UNSET || (p->groups > 1 && ends[2 * g] == ends[2 * g + 1]))
            continue;
        *out = text + ends[2 * g];
        *n = ends[2 * g + 1] - ends[2 * g];
        return true;
    }
    return p->groups <= 1;
}

bool pattern_each(const struct pattern *p, const char *text, size_t n, void (*fn)(void *, const char *, size_t), void *context,
                  struct error *err)
{
    size_t at = 0;
    bool empty = false;
    int result;
    while ((result = next_match(p, text, n, &at, &empty, err)) > 0) {
        const char *match;
        size_t length;
        match_text(p, text, &match, &length);
        fn(context, match, length);
    }
    return result == 0;
}

static void count_match(void *context, const char *match, size_t n)
{
    (void)match;
    (void)n;
    ++*(int *)context;
}

bool pattern_find(const struct pattern *p, const char *text, size_t n, int select, struct text *out, int *found, struct error *err)
{
    int count = 0;
    size_t at = 0;
    bool empty = false;
    *found = 0;
    text_add(out, "", 0);
    if (select < 0) {
        if (!pattern_each(p, text, n, count_match, &count, err))
            return false;
        select += count;
    }
    if (select < 0)
        return true;
    for (int k = 0; k <= select; k++) {
        int result = next_match(p, text, n, &at, &empty, err);
        if (result <= 0)
            return result == 0;
    }
    const char *match;
    size_t length;
    *found = match_text(p, text, &match, &length) ? 1 : -1;
    text_add(out, match, length);
    return text_ok(out, err);
}

/* "$1" is what the first group matched (nothing where it took no part), "$$" a dollar; all else stands for itself. */
static bool add_replacement(const struct pattern *p, const char *text, const char *replacement, struct text *out, struct error *err)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->match);
    for (const char *at = replacement; *at;) {
        size_t plain = strcspn(at, "$");
        text_add(out, at, plain);
        at += plain;
        if (!*at)
            break;
        uint32_t group = (uint32_t)(at[1] - '0');
        if (at[1] == '$')
            text_add(out, "$", 1);
        else if (at[1] < '1' || at[1] > '9' || group > p->groups)
            return error_set(err, ERROR_INPUT, "the replacement \"%.60s\": \"%.2s\" names none of the pattern's %u groups ($$ is a dollar)",
                             replacement, at, p->groups);
        else if (ends[2 * group] != PCRE2_UNSET)
            text_add(out, text + ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
        at += 2;
    }
    return true;
}

bool pattern_replace(const struct pattern *p, const char *replacement, struct text *text, struct error *err)
{
    struct text out = {0};
    size_t at = 0, kept = 0;
    bool empty = false, ok = true;
    int result = 0;
    text_add(&out, "", 0);
    while (ok && (result = next_match(p, text->bytes, text->length, &at, &empty, err)) > 0) {
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->match);
        text_add(&out, text->bytes + kept, ends[0] - kept);
        kept = ends[1];
        ok = add_replacement(p, text->bytes, replacement, &out, err);
    }
    text_add(&out, text->bytes + kept, text->length - kept);
    if (!ok || result < 0 || !text_ok(&out, err)) {
        text_free(&out);
        return false;
    }
    text_free(text);
    *text = out;
    return true;
}

bool pattern_remove(const struct pattern *p, struct text *text, struct error *err)
{
    return pattern_replace(p, "", text, err);
}

void pattern_escape(struct text *out, const char *text, size_t n)
{
    text_add(out, "", 0);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!plain)
            text_add(out, "\\", 1);
        text_add(out, text + i, 1);
    }
}
