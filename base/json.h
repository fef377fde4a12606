/* JSON from outside, read strictly: every getter names the file, the path inside it, what was found and what is allowed.
 *
 *     struct json_at at = {.file = "plan.json"};                 // the root
 *     struct json_at bench = json_member(&at, "bench");          // its member
 *     json_number(&bench, …)                                     // "plan.json: bench: is a string, a number is wanted"
 *
 * Built on cJSON; output is built with cJSON directly. */
#ifndef JEOUL_BASE_JSON_H
#define JEOUL_BASE_JSON_H

#include "base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* A place in a document: the value, and the words that lead to it. */
struct json_at {
    const char *file;
    const cJSON *value;
    char path[256]; // "bench.threads[1]", empty at the root
};

/* Parses a whole text (NULs, escaped ones too, trailing bytes and invalid UTF-8 are refused; the line of a syntax error is named). NULL on
 * failure; free with cJSON_Delete. `file` names it in messages. */
cJSON *json_parse(const char *file, const char *bytes, size_t n, struct error *err) MUST_CHECK;

/* Reads and parses a file of at most limit_bytes. */
cJSON *json_read(const char *path, size_t limit_bytes, struct error *err) MUST_CHECK;

struct json_at json_root(const char *file, const cJSON *value);

/* The member `key` (value NULL when it is absent) or the element `index` of the value. */
struct json_at json_member(const struct json_at *at, const char *key);
struct json_at json_element(const struct json_at *at, int index);

/* Refuses members that are not in the NULL-terminated list, naming the nearest allowed one. False when it isn't an object. */
bool json_only(const struct json_at *at, const char *const *allowed, struct error *err) MUST_CHECK;

/* The getters fail when the value is absent or of another type; *_or forms give a fallback when it is absent (never when it is of another
 * type). Numbers outside [low, high] and NaN are refused. Strings stay owned by the document. */
bool json_object(const struct json_at *at, struct error *err) MUST_CHECK;
bool json_array(const struct json_at *at, int *count, struct error *err) MUST_CHECK;
bool json_string(const struct json_at *at, const char **out, struct error *err) MUST_CHECK;
bool json_string_or(const struct json_at *at, const char *fallback, const char **out, struct error *err) MUST_CHECK;
bool json_number(const struct json_at *at, double low, double high, double *out, struct error *err) MUST_CHECK;
bool json_number_or(const struct json_at *at, double low, double high, double fallback, double *out, struct error *err) MUST_CHECK;
bool json_integer(const struct json_at *at, int64_t low, int64_t high, int64_t *out, struct error *err) MUST_CHECK;
bool json_integer_or(const struct json_at *at, int64_t low, int64_t high, int64_t fallback, int64_t *out, struct error *err) MUST_CHECK;
bool json_bool_or(const struct json_at *at, bool fallback, bool *out, struct error *err) MUST_CHECK;

/* What sources and tables are full of, by the key of a member: a string that is not empty; a day like "2026-11-23"; a date that may be less
 * exact ("2026", "2026-11"); a number in [low, high]. */
bool json_filled(const struct json_at *at, const char *key, const char **out, struct error *err) MUST_CHECK;
bool json_day(const struct json_at *at, const char *key, const char **out, struct error *err) MUST_CHECK;
bool json_date(const struct json_at *at, const char *key, const char **out, struct error *err) MUST_CHECK;
bool json_value(const struct json_at *at, const char *key, double low, double high, double *out, struct error *err) MUST_CHECK;

/* Members of our own documents, which need no check: "" and NaN where there is none of that type. */
const char *json_text(const cJSON *object, const char *key);
double json_real(const cJSON *object, const char *key);

/* The first object of an array whose member `key` is that text; NULL where there is none. */
cJSON *json_find(const cJSON *array, const char *key, const char *text);

/* Adds a number, or null and "KEY_reason" beside it where the value is none. */
void json_add_real(cJSON *object, const char *key, double value, const char *reason);

/* An error at a place: "file: path: message"; false. */
#define json_error(at, err, ...) (json_record((at), (err), __VA_ARGS__), error_false())
void json_record(const struct json_at *at, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
