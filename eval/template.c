/* Templates: see template.h. */
#include "eval/template.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void replace_text(struct text *text, const char *bytes, size_t n)
{
    struct text copy = {0};
    text_add(&copy, bytes, n);
    copy.failed |= text->failed;
    text_free(text);
    *text = copy;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void strip(struct text *text)
{
    size_t begin = 0, end = text->length;
    while (begin < end && is_space(text->bytes[begin]))
        begin++;
    while (end > begin && is_space(text->bytes[end - 1]))
        end--;
    replace_text(text, text->bytes + begin, end - begin);
}

/* Every `from` becomes `to`, from left to right, in one pass. */
static void substitute(struct text *text, const char *from, const char *to)
{
    struct text out = {0};
    size_t n = strlen(from);
    for (size_t at = 0; at < text->length;)
        if (text->length - at >= n && memcmp(text->bytes + at, from, n) == 0) {
            text_add_string(&out, to);
            at += n;
        } else
            text_add(&out, text->bytes + at++, 1);
    text_add(&out, "", 0);
    out.failed |= text->failed;
    text_free(text);
    *text = out;
}

/* "[…]" without a line end inside, the shortest one. */
static void remove_brackets(struct text *text)
{
    struct text out = {0};
    for (size_t at = 0; at < text->length; at++) {
        const char *begin = text->bytes + at;
        const char *close = *begin == '[' ? memchr(begin, ']', text->length - at) : NULL;
        if (close && !memchr(begin, '\n', (size_t)(close - begin)))
            at += (size_t)(close - begin);
        else
            text_add(&out, begin, 1);
    }
    text_add(&out, "", 0);
    out.failed |= text->failed;
    text_free(text);
    *text = out;
}

static bool map_value(const char *list, size_t n, const char *where, struct text *text, struct error *err)
{
    for (size_t at = 0; at < n;) {
        const char *entry = list + at, *end = memchr(entry, ';', n - at);
        size_t length = end ? (size_t)(end - entry) : n - at;
        const char *equals = memchr(entry, '=', length);
        if (!equals)
            return error_set(err, ERROR_INPUT, "%s: filter map: \"%.*s\" has no \"=\"", where, (int)length, entry);
        if ((size_t)(equals - entry) == text->length && memcmp(entry, text->bytes, text->length) == 0) {
            replace_text(text, equals + 1, length - (size_t)(equals - entry) - 1);
            return true;
        }
        at += length + 1;
    }
    return error_set(err, ERROR_INPUT, "%s: \"%.40s\" is none of the values that the task maps (%.*s)", where, text->bytes, (int)n, list);
}

bool template_filter(const char *filter, size_t n, const char *where, struct text *text, struct error *err)
{
    if (n == 5 && memcmp(filter, "strip", n) == 0)
        strip(text);
    else if (n == 10 && memcmp(filter, "capitalise", n) == 0)
        for (size_t i = 0; i < text->length; i++)
            text->bytes[i] = (char)(i ? tolower((unsigned char)text->bytes[i]) : toupper((unsigned char)text->bytes[i]));
    else if (n == 9 && memcmp(filter, "hellaswag", n) == 0) {
        strip(text);
        substitute(text, " [title]", ". ");
        remove_brackets(text);
        substitute(text, "  ", " ");
    } else if (n > 4 && memcmp(filter, "map:", 4) == 0)
        return map_value(filter + 4, n - 4, where, text, err);
    else
        return error_set(err, ERROR_INPUT, "%s: unknown filter \"%.*s\"; there are strip, capitalise, hellaswag and map:", where,
                         (int)(n > 32 ? 32 : n), filter);
    return text_ok(text, err);
}

static bool field_text(const cJSON *record, const char *name, size_t n, const char *where, struct text *out, struct error *err)
{
    char key[128];
    if (n == 0 || n >= sizeof key)
        return error_set(err, ERROR_INPUT, "%s: a template's field name is empty or too long", where);
    memcpy(key, name, n);
    key[n] = '\0';
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, key);
    text_add(out, "", 0);
    if (cJSON_IsString(value))
        text_add_string(out, value->valuestring);
    else if (cJSON_IsNumber(value) && value->valuedouble == floor(value->valuedouble))
        text_format(out, "%.0f", value->valuedouble);
    else if (cJSON_IsBool(value))
        text_add_string(out, cJSON_IsTrue(value) ? "true" : "false");
    else
        return error_set(err, ERROR_INPUT, "%s: the field \"%s\" is %s", where, key, value ? "not a text" : "missing");
    return text_ok(out, err);
}

bool template_fill(const char *source, const cJSON *record, const char *where, struct text *out, struct error *err)
{
    text_add(out, "", 0);
    while (*source) {
        size_t plain = strcspn(source, "{}");
        text_add(out, source, plain);
        source += plain;
        if (!*source)
            break;
        if (source[0] == source[1]) { // "{{" or "}}"
            text_add(out, source, 1);
            source += 2;
            continue;
        }
        const char *close = strchr(source, '}');
        if (*source == '}' || !close)
            return error_set(err, ERROR_INPUT, "%s: a template has a brace without its partner", where);
        struct text value = {0};
        size_t n = strcspn(source + 1, "|}");
        bool ok = field_text(record, source + 1, n, where, &value, err);
        for (const char *at = source + 1 + n; ok && *at == '|';) {
            n = strcspn(at + 1, "|}");
            ok = template_filter(at + 1, n, where, &value, err);
            at += 1 + n;
        }
        if (ok)
            text_add(out, value.bytes, value.length);
        text_free(&value);
        if (!ok)
            return false;
        source = close + 1;
    }
    return text_ok(out, err);
}
