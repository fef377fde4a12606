/* JSON from outside: see json.h. */
#include "base/json.h"

#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int line_of(const char *bytes, size_t offset)
{
    int line = 1;
    for (size_t i = 0; i < offset; i++)
        line += bytes[i] == '\n';
    return line;
}

/* The offset of a \u0000, n when there is none: strings end at a NUL here, so that the rest of such a one would be lost without a word. */
static size_t escaped_nul_at(const char *bytes, size_t n)
{
    const char *end = bytes + n;
    for (const char *at = bytes; (at = memchr(at, '\\', (size_t)(end - at))) && at + 1 < end; at += 2)
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
            return (size_t)(at - bytes);
    return n;
}

cJSON *json_parse(const char *file, const char *bytes, size_t n, struct error *err)
{
    size_t bad = utf8_invalid_at(bytes, n);
    if (bad < n) {
        error_set(err, ERROR_INPUT, "%s: line %d: byte %zu is not valid UTF-8", file, line_of(bytes, bad), bad);
        return NULL;
    }
    const char *nul = memchr(bytes, '\0', n);
    if (nul) {
        error_set(err, ERROR_INPUT, "%s: line %d: a NUL byte in the text", file, line_of(bytes, (size_t)(nul - bytes)));
        return NULL;
    }
    size_t escaped = escaped_nul_at(bytes, n);
    if (escaped < n) {
        error_set(err, ERROR_INPUT, "%s: line %d: a NUL character (\\u0000) in a string", file, line_of(bytes, escaped));
        return NULL;
    }
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) { // a byte order mark is no part of the document
        bytes += 3;
        n -= 3;
    }
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(bytes, n, &end, false);
    if (!value) {
        size_t offset = end && end >= bytes && (size_t)(end - bytes) <= n ? (size_t)(end - bytes) : n;
        error_set(err, ERROR_INPUT, "%s: line %d: not valid JSON near \"%.*s\"", file, line_of(bytes, offset),
                  (int)(n - offset < 24 ? n - offset : 24), bytes + offset);
        return NULL;
    }
    size_t rest = (size_t)(end - bytes);
    while (rest < n && strchr(" \t\r\n", bytes[rest]))
        rest++;
    if (rest < n) {
        error_set(err, ERROR_INPUT, "%s: line %d: more text behind the end of the document", file, line_of(bytes, rest));
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

cJSON *json_read(const char *path, size_t limit_bytes, struct error *err)
{
    struct text text = {0};
    if (!file_read(path, limit_bytes, &text, err))
        return NULL;
    cJSON *value = json_parse(path, text.bytes, text.length, err);
    text_free(&text);
    return value;
}

struct json_at json_root(const char *file, const cJSON *value)
{
    return (struct json_at){.file = file, .value = value};
}

struct json_at json_member(const struct json_at *at, const char *key)
{
    struct json_at member = {.file = at->file};
    member.value = cJSON_IsObject(at->value) ? cJSON_GetObjectItemCaseSensitive(at->value, key) : NULL;
    snprintf(member.path, sizeof member.path, "%.180s%s%.64s", at->path, at->path[0] ? "." : "", key);
    return member;
}

struct json_at json_element(const struct json_at *at, int index)
{
    struct json_at element = {.file = at->file};
    element.value = cJSON_IsArray(at->value) ? cJSON_GetArrayItem(at->value, index) : NULL;
    snprintf(element.path, sizeof element.path, "%.230s[%d]", at->path, index);
    return element;
}

void json_record(const struct json_at *at, struct error *err, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_record(err, ERROR_INPUT, "%s: %s%s%s", at->file, at->path, at->path[0] ? ": " : "", message);
}

static const char *kind(const cJSON *value)
{
    if (!value)
        return "is missing";
    if (cJSON_IsNull(value))
        return "is null";
    if (cJSON_IsBool(value))
        return "is true or false";
    if (cJSON_IsNumber(value))
        return "is a number";
    if (cJSON_IsString(value))
        return "is a string";
    if (cJSON_IsArray(value))
        return "is an array";
    return "is an object";
}

static bool unknown_key(const struct json_at *at, const char *key, const char *const *allowed, struct error *err)
{
    const char *nearest = NULL;
    size_t best = (size_t)-1;
    struct text list = {0};
    for (const char *const *name = allowed; *name; name++) {
        size_t distance = text_distance(key, *name);
        if (distance < best) {
            best = distance;
            nearest = *name;
        }
        text_format(&list, "%s%s", list.length ? ", " : "", *name);
    }
    bool near = nearest && best <= 2 + strlen(key) / 4;
    json_error(at, err, "unknown key \"%.64s\"%s%s%s; allowed: %s", key, near ? ", did you mean \"" : "", near ? nearest : "",
               near ? "\"?" : "", list.bytes ? list.bytes : "none");
    text_free(&list);
    return false;
}

bool json_only(const struct json_at *at, const char *const *allowed, struct error *err)
{
    if (!json_object(at, err))
        return false;
    const cJSON *member;
    cJSON_ArrayForEach(member, at->value) {
        const char *const *name = allowed;
        while (*name && strcmp(*name, member->string) != 0)
            name++;
        if (!*name)
            return unknown_key(at, member->string, allowed, err);
    }
    return true;
}

bool json_object(const struct json_at *at, struct error *err)
{
    return cJSON_IsObject(at->value) || json_error(at, err, "%s, an object is wanted", kind(at->value));
}

bool json_array(const struct json_at *at, int *count, struct error *err)
{
    if (!cJSON_IsArray(at->value))
        return json_error(at, err, "%s, an array is wanted", kind(at->value));
    *count = cJSON_GetArraySize(at->value);
    return true;
}

bool json_string(const struct json_at *at, const char **out, struct error *err)
{
    if (!cJSON_IsString(at->value))
        return json_error(at, err, "%s, a string is wanted", kind(at->value));
    *out = at->value->valuestring;
    return true;
}

bool json_string_or(const struct json_at *at, const char *fallback, const char **out, struct error *err)
{
    *out = fallback;
    return !at->value || json_string(at, out, err);
}

bool json_number(const struct json_at *at, double low, double high, double *out, struct error *err)
{
    if (!cJSON_IsNumber(at->value))
        return json_error(at, err, "%s, a number is wanted", kind(at->value));
    double value = at->value->valuedouble;
    if (!isfinite(value) || value < low || value > high)
        return json_error(at, err, "%.17g is outside %.17g … %.17g", value, low, high);
    *out = value;
    return true;
}

bool json_number_or(const struct json_at *at, double low, double high, double fallback, double *out, struct error *err)
{
    *out = fallback;
    return !at->value || json_number(at, low, high, out, err);
}

bool json_integer(const struct json_at *at, int64_t low, int64_t high, int64_t *out, struct error *err)
{
    double value = 0;
    if (!json_number(at, (double)low, (double)high, &value, err))
        return false;
    if (value != floor(value) || fabs(value) > 9007199254740992.0)
        return json_error(at, err, "%.17g is not a whole number", value);
    *out = (int64_t)value;
    return true;
}

bool json_integer_or(const struct json_at *at, int64_t low, int64_t high, int64_t fallback, int64_t *out, struct error *err)
{
    *out = fallback;
    return !at->value || json_integer(at, low, high, out, err);
}

bool json_bool_or(const struct json_at *at, bool fallback, bool *out, struct error *err)
{
    *out = fallback;
    if (!at->value)
        return true;
    if (!cJSON_IsBool(at->value))
        return json_error(at, err, "%s, true or false is wanted", kind(at->value));
    *out = cJSON_IsTrue(at->value);
    return true;
}

bool json_filled(const struct json_at *at, const char *key, const char **out, struct error *err)
{
    struct json_at member = json_member(at, key);
    return json_string(&member, out, err) && ((*out)[0] || json_error(&member, err, "is empty"));
}

/* The number of parts of a date: 3 of "2026-11-23", 2 of "2026-11", 1 of "2026"; 0: it is none. */
static int date_parts(const char *text)
{
    static const size_t lengths[4] = {0, 4, 7, 10};
    int year, month = 1, day = 1, parts = sscanf(text, "%4d-%2d-%2d", &year, &month, &day);
    bool shaped = parts >= 1 && strlen(text) == lengths[parts] && strspn(text, "0123456789-") == lengths[parts];
    return shaped && month >= 1 && month <= 12 && day >= 1 && day <= 31 ? parts : 0;
}

bool json_day(const struct json_at *at, const char *key, const char **out, struct error *err)
{
    struct json_at member = json_member(at, key);
    return json_string(&member, out, err) &&
           (date_parts(*out) == 3 || json_error(&member, err, "\"%.20s\" is not a date like 2026-11-23", *out));
}

bool json_date(const struct json_at *at, const char *key, const char **out, struct error *err)
{
    struct json_at member = json_member(at, key);
    return json_string(&member, out, err) &&
           (date_parts(*out) > 0 || json_error(&member, err, "\"%.20s\" is not a date like 2026, 2026-11 or 2026-11-23", *out));
}

bool json_value(const struct json_at *at, const char *key, double low, double high, double *out, struct error *err)
{
    struct json_at member = json_member(at, key);
    return json_number(&member, low, high, out, err);
}

const char *json_text(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));
    return value ? value : "";
}

double json_real(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
}

cJSON *json_find(const cJSON *array, const char *key, const char *text)
{
    cJSON *object;
    cJSON_ArrayForEach(object, array)
        if (strcmp(json_text(object, key), text) == 0)
            return object;
    return NULL;
}

void json_add_real(cJSON *object, const char *key, double value, const char *reason)
{
    char reason_key[64];
    if (isfinite(value)) {
        cJSON_AddNumberToObject(object, key, value);
        return;
    }
    cJSON_AddNullToObject(object, key);
    snprintf(reason_key, sizeof reason_key, "%s_reason", key);
    cJSON_AddStringToObject(object, reason_key, reason);
}
