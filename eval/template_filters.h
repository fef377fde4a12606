/* The filters of templates, one function each; docs/tasks.md tells what they do. Private to template.c. */
#ifndef JEOUL_EVAL_TEMPLATE_FILTERS_H
#define JEOUL_EVAL_TEMPLATE_FILTERS_H

#include "eval/template.h"

enum { TEMPLATE_MAX_ARGUMENTS = 2 };

struct template_filter {
    const char *name;
    int n_arguments;
    /* `text` is never without bytes and stays so. */
    bool (*apply)(const struct template_scope *scope, const char *const *arguments, struct text *text, struct error *err);
};

/* NULL when unknown. */
const struct template_filter *template_filter_named(const char *name, size_t n);

/* "strip, lower, …" for messages. */
void template_filter_names(struct text *out);

/* The texts of a list as Python writes it: "['a', \"b\"]". */
bool template_parse_list(const struct template_scope *scope, const char *source, struct template_list *out, struct error *err) MUST_CHECK;

/* Room for one more text in a list, NULL when memory runs out. */
struct text *template_list_add(struct template_list *list, struct error *err);

#endif
