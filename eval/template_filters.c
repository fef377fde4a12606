/* Filters of templates: see template_filters.h. Texts are UTF-8; what Python's methods of the same names do is what they do. */
#include "eval/template_filters.h"

#include "base/memory.h"
#include "eval/filter.h"
#include "eval/math_answer.h"
#include "eval/pattern.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void replace_text(struct text *text, const char *bytes, size_t n)
{
    struct text copy = {0};
    text_add(&copy, bytes, n);
    copy.failed |= text->failed;
    text_free(text);
    *text = copy;
}

static size_t first_character(const struct text *text)
{
    uint32_t c;
    int n = utf8_decode(text->bytes, text->length, &c);
    return n ? (size_t)n : text->length ? 1 : 0;
}

static bool strip(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)arguments;
    filter_strip(text);
    return text_ok(text, err);
}

static bool lower(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)arguments;
    filter_lower(text);
    return text_ok(text, err);
}

static bool upper(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)arguments;
    filter_upper(text);
    return text_ok(text, err);
}

/* The first character by one function, the rest by another (NULL: as it is). */
static bool change_first(struct text *text, void (*first)(struct text *), void (*rest)(struct text *), struct error *err)
{
    size_t n = first_character(text);
    struct text head = {0}, tail = {0};
    text_add(&head, text->bytes, n);
    text_add(&tail, text->bytes + n, text->length - n);
    first(&head);
    if (rest)
        rest(&tail);
    text_clear(text);
    text_add(text, head.bytes, head.length);
    text_add(text, tail.bytes, tail.length);
    text->failed |= head.failed || tail.failed;
    text_free(&head);
    text_free(&tail);
    return text_ok(text, err);
}

static bool capitalise(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)arguments;
    return change_first(text, filter_upper, filter_lower, err);
}

static bool lower_first(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)arguments;
    return change_first(text, filter_lower, NULL, err);
}

static bool whole_number(const struct template_scope *scope, const char *what, const char *text, long *out, struct error *err)
{
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno || *out > INT_MAX || *out < -INT_MAX)
        return error_set(err, ERROR_INPUT, "%s: filter %s: \"%.40s\" is no whole number", scope->where, what, text);
    return true;
}

static bool cut(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long n;
    if (!whole_number(scope, "cut", arguments[0], &n, err))
        return false;
    for (; n > 0 && text->length > 0; n--) {
        do
            text->length--;
        while (text->length > 0 && ((unsigned char)text->bytes[text->length] & 0xC0) == 0x80);
        text->bytes[text->length] = '\0';
    }
    return true;
}

/* Every `from` becomes `to`, from left to right, in one pass. */
static bool replace(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    struct text out = {0};
    const char *at = text->bytes, *end = text->bytes + text->length, *found;
    size_t n = strlen(arguments[0]);
    if (n == 0)
        return error_set(err, ERROR_INPUT, "%s: filter replace: nothing to be replaced is named", scope->where);
    while ((found = memmem(at, (size_t)(end - at), arguments[0], n))) {
        text_add(&out, at, (size_t)(found - at));
        text_add_string(&out, arguments[1]);
        at = found + n;
    }
    text_add(&out, at, (size_t)(end - at));
    out.failed |= text->failed;
    text_free(text);
    *text = out;
    return text_ok(text, err);
}

struct template_pattern {
    char *source;
    struct pattern *pattern;
};

void template_patterns_free(struct template_patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++) {
        free(patterns->patterns[i].source);
        pattern_free(patterns->patterns[i].pattern);
    }
    free(patterns->patterns);
    *patterns = (struct template_patterns){0};
}

static const struct pattern *compiled(const struct template_scope *scope, const char *source, struct error *err)
{
    struct template_patterns *known = scope->patterns;
    for (size_t i = 0; i < known->n; i++)
        if (strcmp(known->patterns[i].source, source) == 0)
            return known->patterns[i].pattern;
    if (!memory_grow((void **)&known->patterns, &known->capacity, known->n + 1, sizeof *known->patterns, "patterns", err))
        return NULL;
    struct pattern *pattern = pattern_compile(source, err);
    char *copy = pattern ? strdup(source) : NULL;
    if (!copy) {
        if (pattern)
            error_record(err, ERROR_MACHINE, "out of memory for a pattern");
        else
            error_record_prefix(err, "%s", scope->where);
        pattern_free(pattern);
        return NULL;
    }
    known->patterns[known->n++] = (struct template_pattern){copy, pattern};
    return pattern;
}

static bool sub(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const struct pattern *pattern = compiled(scope, arguments[0], err);
    return pattern && (pattern_replace(pattern, arguments[1], text, err) || error_prefix(err, "%s", scope->where));
}

static bool match(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const struct pattern *pattern = compiled(scope, arguments[0], err);
    struct text out = {0};
    int found;
    if (!pattern || !pattern_find(pattern, text->bytes, text->length, 0, &out, &found, err)) {
        text_free(&out);
        return pattern && error_prefix(err, "%s", scope->where);
    }
    text_free(text);
    *text = out;
    return text_ok(text, err);
}

static const char *last_of(const struct text *text, const char *what)
{
    const char *found = NULL, *at = text->bytes, *next;
    while (*what && (next = strstr(at, what))) {
        found = next;
        at = next + 1;
    }
    return found;
}

static bool missing(const struct template_scope *scope, const char *filter, const char *what, const struct text *text, struct error *err)
{
    return error_set(err, ERROR_INPUT, "%s: filter %s: there is no \"%.20s\" in \"%.60s\"", scope->where, filter, what, text->bytes);
}

static bool before(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const char *found = strstr(text->bytes, arguments[0]);
    if (!found)
        return missing(scope, "before", arguments[0], text, err);
    replace_text(text, text->bytes, (size_t)(found - text->bytes));
    return text_ok(text, err);
}

static bool after(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const char *found = strstr(text->bytes, arguments[0]);
    if (!found)
        return missing(scope, "after", arguments[0], text, err);
    found += strlen(arguments[0]);
    replace_text(text, found, text->length - (size_t)(found - text->bytes));
    return text_ok(text, err);
}

static bool before_last(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const char *found = last_of(text, arguments[0]);
    (void)scope;
    replace_text(text, text->bytes, found ? (size_t)(found - text->bytes) : 0);
    return text_ok(text, err);
}

static bool after_last(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    const char *found = last_of(text, arguments[0]);
    (void)scope;
    if (found) {
        found += strlen(arguments[0]);
        replace_text(text, found, text->length - (size_t)(found - text->bytes));
    }
    return text_ok(text, err);
}

static bool split(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long n;
    size_t length = strlen(arguments[0]);
    if (!whole_number(scope, "split", arguments[1], &n, err))
        return false;
    const char *at = text->bytes, *next = NULL;
    for (; length && n > 0 && (next = strstr(at, arguments[0])); n--)
        at = next + length;
    if (n != 0 || length == 0)
        return error_set(err, ERROR_INPUT, "%s: filter split: \"%.60s\" has no piece %s between \"%.20s\"", scope->where, text->bytes,
                         arguments[1], arguments[0]);
    next = strstr(at, arguments[0]);
    replace_text(text, at, next ? (size_t)(next - at) : text->length - (size_t)(at - text->bytes));
    return text_ok(text, err);
}

static bool add(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long value, n;
    if (!whole_number(scope, "add", arguments[0], &n, err) || !whole_number(scope, "add", text->bytes, &value, err))
        return false;
    text_clear(text);
    text_format(text, "%ld", value + n);
    return text_ok(text, err);
}

static bool letter(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long value;
    (void)arguments;
    if (!whole_number(scope, "letter", text->bytes, &value, err))
        return false;
    if (value < 0 || value > 25)
        return error_set(err, ERROR_INPUT, "%s: filter letter: %ld is no letter's number; 0 … 25 are", scope->where, value);
    text_clear(text);
    text_format(text, "%c", (char)('A' + value));
    return text_ok(text, err);
}

static bool map(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    for (const char *entry = arguments[0]; *entry;) {
        size_t length = strcspn(entry, ";");
        const char *equals = memchr(entry, '=', length);
        if (!equals)
            return error_set(err, ERROR_INPUT, "%s: filter map: \"%.*s\" has no \"=\"", scope->where, (int)length, entry);
        if ((size_t)(equals - entry) == text->length && memcmp(entry, text->bytes, text->length) == 0) {
            replace_text(text, equals + 1, length - (size_t)(equals - entry) - 1);
            return text_ok(text, err);
        }
        entry += length + (entry[length] == ';');
    }
    return error_set(err, ERROR_INPUT, "%s: \"%.40s\" is none of the values that the task maps (%.200s)", scope->where, text->bytes,
                     arguments[0]);
}

/* Conditions leave the text as it is where they hold, else nothing. */
static bool hold(bool holds, struct text *text)
{
    if (!holds)
        text_clear(text);
    return true;
}

static bool contains(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)err;
    return hold(strstr(text->bytes, arguments[0]) != NULL, text);
}

static bool equals(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    (void)scope;
    (void)err;
    return hold(strcmp(text->bytes, arguments[0]) == 0, text);
}

static bool less(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long value, n;
    return whole_number(scope, "less", arguments[0], &n, err) && whole_number(scope, "less", text->bytes, &value, err) &&
           hold(value < n, text);
}

static bool more(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    long value, n;
    return whole_number(scope, "more", arguments[0], &n, err) && whole_number(scope, "more", text->bytes, &value, err) &&
           hold(value > n, text);
}

static bool index_of(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    struct text path = {0};
    struct template_list list = {0};
    struct template_scope plain = *scope;
    plain.filters = NULL; // a filter of the task's that named itself here would go on for ever
    text_format(&path, "{%s}", arguments[0]);
    bool ok = text_ok(&path, err) && template_list(&plain, path.bytes, &list, err);
    size_t at = 0;
    while (ok && at < list.n && strcmp(list.texts[at].bytes, text->bytes) != 0)
        at++;
    if (ok && at == list.n)
        ok = error_set(err, ERROR_INPUT, "%s: \"%.40s\" is none of the %zu values of %s", scope->where, text->bytes, list.n, path.bytes);
    if (ok) {
        text_clear(text);
        text_format(text, "%zu", at);
        ok = text_ok(text, err);
    }
    text_free(&path);
    template_list_free(&list);
    return ok;
}

static bool number(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err)
{
    struct text out = {0};
    (void)scope;
    (void)arguments;
    if (!math_answer_spell(text->bytes, &out, err)) {
        text_free(&out);
        return false;
    }
    text_add(&out, "", 0);
    text_free(text);
    *text = out;
    return text_ok(text, err);
}

static const struct template_filter filters[] = {
    {"strip", 0, strip},
    {"lower", 0, lower},
    {"upper", 0, upper},
    {"capitalise", 0, capitalise},
    {"lower_first", 0, lower_first},
    {"cut", 1, cut},
    {"replace", 2, replace},
    {"sub", 2, sub},
    {"match", 1, match},
    {"before", 1, before},
    {"after", 1, after},
    {"before_last", 1, before_last},
    {"after_last", 1, after_last},
    {"split", 2, split},
    {"add", 1, add},
    {"letter", 0, letter},
    {"number", 0, number},
    {"map", 1, map},
    {"index", 1, index_of},
    {"contains", 1, contains},
    {"equals", 1, equals},
    {"less", 1, less},
    {"more", 1, more},
};

const struct template_filter *template_filter_named(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (strlen(filters[i].name) == n && memcmp(filters[i].name, name, n) == 0)
            return &filters[i];
    return NULL;
}

void template_filter_names(struct text *out)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        text_format(out, "%s%s", i ? ", " : "", filters[i].name);
}

struct text *template_list_add(struct template_list *list, struct error *err)
{
    if (!memory_grow((void **)&list->texts, &list->capacity, list->n + 1, sizeof *list->texts, "a list", err))
        return NULL;
    struct text *text = &list->texts[list->n++];
    *text = (struct text){0};
    text_add(text, "", 0);
    return text;
}

void template_list_free(struct template_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        text_free(&list->texts[i]);
    free(list->texts);
    *list = (struct template_list){0};
}

/* One element in quotes at *at, which is moved behind it. */
static bool parse_string(const char **at, struct text *out)
{
    const char quote = *(*at)++;
    while (**at && **at != quote) {
        if (**at == '\\' && (*at)[1]) {
            ++*at;
            text_add(out, **at == 'n' ? "\n" : **at == 't' ? "\t" : *at, 1);
        } else
            text_add(out, *at, 1);
        ++*at;
    }
    return *(*at)++ == quote;
}

bool template_parse_list(const struct template_scope *scope, const char *source, struct template_list *out, struct error *err)
{
    const char *at = source + strspn(source, " ");
    bool ok = *at++ == '[';
    while (ok && *(at += strspn(at, " ,\n")) != ']') {
        struct text *text = *at == '\'' || *at == '"' ? template_list_add(out, err) : NULL;
        ok = text && parse_string(&at, text);
    }
    return ok || error_set(err, ERROR_INPUT, "%s: \"%.60s\" is no list of texts in quotes", scope->where, source);
}
