/* Templates: "{field}" in text, with filters: "{question|map:원인=왜냐하면;결과=그래서}".
 *
 *     strip          white space at both ends removed
 *     capitalise     first letter upper, the rest lower (ASCII; as Python's str.capitalize on English text)
 *     map:a=x;b=y    the value's replacement; a value that isn't listed is an error
 *     hellaswag      the cleaning of that set: strip, " [title]" → ". ", "[…]" removed, two spaces → one
 *
 * "{{" and "}}" are braces. An unknown field or filter is an error that names both. */
#ifndef JEOUL_EVAL_TEMPLATE_H
#define JEOUL_EVAL_TEMPLATE_H

#include "base/text.h"

#include <cjson/cJSON.h>

/* Appends the template filled from a record. `where` names the task and record in errors. */
bool template_fill(const char *source, const cJSON *record, const char *where, struct text *out, struct error *err) MUST_CHECK;

/* One filter by its text ("map:a=x") on a whole string, replacing it. */
bool template_filter(const char *filter, size_t n, const char *where, struct text *text, struct error *err) MUST_CHECK;

#endif
