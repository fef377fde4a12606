/* Filters: see filter.h. */
#include "eval/filter.h"

#include "base/memory.h"
#include "eval/filter_steps.h"
#include "eval/pattern.h"
#include "eval/request.h"

#include <locale.h>
#include <string.h>
#include <wctype.h>

static void replace(struct text *text, struct text *by)
{
    by->failed |= text->failed;
    text_add(by, "", 0);
    text_free(text);
    *text = *by;
    *by = (struct text){0};
}

void filter_strip(struct text *text)
{
    struct text out = {0};
    size_t end = text->length - request_trailing_space(text->bytes, text->length), begin = 0, n;
    while (begin < end) { // a character that is trailing space on its own is leading space
        uint32_t c;
        n = (size_t)utf8_decode(text->bytes + begin, end - begin, &c);
        if (!n || request_trailing_space(text->bytes + begin, n) != n)
            break;
        begin += n;
    }
    text_add(&out, text->bytes + begin, end - begin);
    replace(text, &out);
}

static void change_case(struct text *text, bool upper)
{
    struct text out = {0};
    locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    for (size_t at = 0; at < text->length;) {
        uint32_t c;
        char bytes[4];
        int n = utf8_decode(text->bytes + at, text->length - at, &c);
        if (n == 0) {
            text_add(&out, text->bytes + at++, 1);
            continue;
        }
        if (c < 0x80)
            c = upper ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (unicode)
            c = (uint32_t)(upper ? towupper_l((wint_t)c, unicode) : towlower_l((wint_t)c, unicode));
        text_add(&out, bytes, (size_t)utf8_encode(c, bytes));
        at += (size_t)n;
    }
    if (unicode)
        freelocale(unicode);
    replace(text, &out);
}

void filter_lower(struct text *text)
{
    change_case(text, false);
}

void filter_upper(struct text *text)
{
    change_case(text, true);
}

void filter_cut(struct text *text, const char *const *stops)
{
    for (; text->bytes && stops && *stops; stops++) {
        const char *found = **stops ? memmem(text->bytes, text->length, *stops, strlen(*stops)) : NULL;
        if (!found)
            continue;
        text->length = (size_t)(found - text->bytes);
        text->bytes[text->length] = '\0';
    }
}

void filter_mend(struct text *text)
{
    struct text out = {0};
    for (size_t at = 0; at < text->length;) {
        uint32_t c;
        int n = utf8_decode(text->bytes + at, text->length - at, &c);
        if (n == 0 || c == 0) // a NUL would end the text
            text_add_string(&out, "\xEF\xBF\xBD");
        else
            text_add(&out, text->bytes + at, (size_t)n);
        at += n ? (size_t)n : 1;
    }
    replace(text, &out);
}

static void remove_ascii(struct text *text, const char *characters)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->length; i++)
        if (!strchr(characters, text->bytes[i]))
            text->bytes[kept++] = text->bytes[i];
    text->length = kept;
    text->bytes[kept] = '\0';
}

bool filter_remove_all(const cJSON *patterns, struct text *text, struct error *err)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, patterns) {
        if (!cJSON_IsString(one))
            return error_set(err, ERROR_INPUT, "regexes_to_ignore: an entry is not a text");
        struct pattern *pattern = pattern_compile(one->valuestring, err);
        bool ok = pattern && pattern_remove(pattern, text, err);
        pattern_free(pattern);
        if (!ok)
            return false;
    }
    return true;
}

static bool reduce(const struct match_rules *rules, const char *source, struct text *out, struct error *err)
{
    text_add_string(out, source);
    if (!text_ok(out, err) || !filter_remove_all(rules->regexes_to_ignore, out, err))
        return false;
    if (rules->ignore_case)
        filter_lower(out);
    if (rules->ignore_punctuation)
        remove_ascii(out, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    if (rules->ignore_numbers)
        remove_ascii(out, "0123456789");
    return text_ok(out, err);
}

bool filter_equal(const struct match_rules *rules, const char *prediction, const char *reference, bool *equal, struct error *err)
{
    struct text a = {0}, b = {0};
    bool ok = reduce(rules, prediction, &a, err) && reduce(rules, reference, &b, err);
    *equal = ok && a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
    text_free(&a);
    text_free(&b);
    return ok;
}

static bool take_first(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    (void)step;
    (void)item;
    return text_ok(text, err);
}

static bool remove_whitespace(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    filter_strip(text);
    return take_first(step, item, text, err);
}

static bool lowercase(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    filter_lower(text);
    return take_first(step, item, text, err);
}

static bool uppercase(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    filter_upper(text);
    return take_first(step, item, text, err);
}

static bool map_text(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(step, "mapping_dict"), text->bytes);
    (void)item;
    if (!value)
        value = cJSON_GetObjectItemCaseSensitive(step, "default_value");
    if (!cJSON_IsString(value))
        return error_set(err, ERROR_INPUT, "map: \"%.40s\" is not in mapping_dict, and there is no default_value", text->bytes);
    text_clear(text);
    text_add_string(text, value->valuestring);
    return text_ok(text, err);
}

static const struct {
    const char *name;
    bool (*apply)(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err);
} functions[] = {{"take_first", take_first},
                 {"regex", filter_regex},
                 {"remove_whitespace", remove_whitespace},
                 {"lowercase", lowercase},
                 {"uppercase", uppercase},
                 {"map", map_text},
                 {"multi_choice_regex", filter_multi_choice},
                 {"map_regex", filter_map_regex},
                 {"regex_cascade", filter_regex_cascade},
                 {"number_words", filter_number_words},
                 {"word_sort", filter_word_sort}};

bool filter_apply(const cJSON *steps, const struct filter_item *item, struct text *text, struct error *err)
{
    enum { FUNCTIONS = sizeof functions / sizeof *functions };
    const cJSON *step;
    text_add(text, "", 0);
    cJSON_ArrayForEach(step, steps) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, "function"));
        size_t f = 0;
        while (name && f < FUNCTIONS && strcmp(functions[f].name, name) != 0)
            f++;
        if (!name || f == FUNCTIONS) {
            struct text list = {0};
            for (f = 0; f < FUNCTIONS; f++)
                text_format(&list, "%s%s", f ? ", " : "", functions[f].name);
            error_record(err, ERROR_INPUT, "a filter's function \"%.40s\" is none of %s", name ? name : "", list.bytes ? list.bytes : "");
            text_free(&list);
            return false;
        }
        if (!functions[f].apply(step, item, text, err))
            return error_prefix(err, "filter %s", name);
    }
    return true;
}
