/* Templates: how a task's text is made from a record. docs/tasks.md has the language with examples.
 *
 *     {question}                     a field; {choices.text[0]}, {options[*].label}, {list[-1]} inside it
 *     {question|strip|lower}         filters, from left to right; arguments behind colons, in single quotes where they hold : | } or blanks
 *                                    at their ends ('' is a quote)
 *     {?paragraph}A{:}B{/}           A where the expression is neither missing nor empty, else B; may be nested
 *     {{ and }}                      braces
 *
 * A missing field, an unknown filter and a value that a filter doesn't take are errors that name the task, the file and the record. */
#ifndef JEOUL_EVAL_TEMPLATE_H
#define JEOUL_EVAL_TEMPLATE_H

#include "base/text.h"

#include <cjson/cJSON.h>

/* Compiled patterns, kept from record to record. Zero-initialise to begin. */
struct template_patterns {
    struct template_pattern *patterns;
    size_t n, capacity;
};
void template_patterns_free(struct template_patterns *patterns);

/* What a template can speak of. */
struct template_scope {
    const cJSON *record;
    const cJSON *fields;  // texts that the task made of the record, looked up first; NULL: none
    const cJSON *filters; // the task's own filters: an object of chains ("strip|lower") by name; NULL: none
    struct template_patterns *patterns;
    const char *where; // begins every message: task, file, record
};

/* Appends the template filled. */
bool template_fill(const struct template_scope *scope, const char *source, struct text *out, struct error *err) MUST_CHECK;

/* A template that is one expression, as a list of texts: the elements of a list, or the one value. Free with template_list_free. */
struct template_list {
    struct text *texts;
    size_t n, capacity;
};
bool template_list(const struct template_scope *scope, const char *source, struct template_list *out, struct error *err) MUST_CHECK;
void template_list_free(struct template_list *list);

/* Whether the filled template is not empty; a field that is missing is. */
bool template_holds(const struct template_scope *scope, const char *source, bool *holds, struct error *err) MUST_CHECK;

#endif
