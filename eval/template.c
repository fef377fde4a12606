/* Templates: see template.h. A template is read anew for each record: parsing and filling are one walk, in which `live` tells whether what
 * is read is also done (the branch of a condition that isn't taken is parsed all the same, so that a template is right or wrong as a
 * whole). */
#include "eval/template.h"

#include "base/memory.h"
#include "eval/template_filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 8, MAX_NODES = 4096 };

struct walk {
    const struct template_scope *scope;
    const char *at;
    struct text *out;
    bool live;
    bool forgiving; // a field that is missing is empty
    int depth;
    struct error *err;
};

static bool fail(struct walk *w, const char *what)
{
    return error_set(w->err, ERROR_INPUT, "%s: a template %s, at \"%.40s\"", w->scope->where, what, w->at);
}

/* --- values: what an expression gives, at first as a place in the record, from the first filter on as texts -----------------------------
 */

struct value {
    const cJSON **nodes; // [n_nodes], while no filter has made texts of them
    int n_nodes;
    struct template_list texts;
    bool is_list, is_text, is_missing;
};

static void value_free(struct value *value)
{
    free(value->nodes);
    template_list_free(&value->texts);
    *value = (struct value){0};
}

static void add_number(struct text *out, double number)
{
    char digits[40];
    int precision = 15;
    if (number == floor(number) && fabs(number) < 1e15) {
        text_format(out, "%.0f", number);
        return;
    }
    do // the shortest that reads back as the same number
        snprintf(digits, sizeof digits, "%.*g", precision, number);
    while (strtod(digits, NULL) != number && ++precision <= 17);
    text_add_string(out, digits);
}

static bool add_node(struct walk *w, struct value *value, const cJSON *node, const char *path, size_t n)
{
    struct text *text = template_list_add(&value->texts, w->err);
    if (!text)
        return false;
    if (cJSON_IsString(node))
        text_add_string(text, node->valuestring);
    else if (cJSON_IsNumber(node))
        add_number(text, node->valuedouble);
    else if (cJSON_IsBool(node))
        text_add_string(text, cJSON_IsTrue(node) ? "true" : "false");
    else if (!w->forgiving)
        return error_set(w->err, ERROR_INPUT, "%s: the field \"%.*s\" is not a text", w->scope->where, (int)n, path);
    return text_ok(text, w->err);
}

/* Makes texts of the nodes; a list that stands alone becomes its elements. */
static bool to_texts(struct walk *w, struct value *value, const char *path, size_t n)
{
    if (value->is_text)
        return true;
    value->is_text = true;
    if (value->n_nodes == 1 && !value->is_list && cJSON_IsArray(value->nodes[0])) {
        const cJSON *element;
        value->is_list = true;
        cJSON_ArrayForEach(element, value->nodes[0]) {
            if (!add_node(w, value, element, path, n))
                return false;
        }
        return true;
    }
    for (int i = 0; i < value->n_nodes; i++)
        if (!add_node(w, value, value->nodes[i], path, n))
            return false;
    return true;
}

static const cJSON *element_at(const cJSON *list, long index)
{
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (index < 0)
        index += count;
    return index >= 0 && index < count ? cJSON_GetArrayItem(list, (int)index) : NULL;
}

static const cJSON *root_member(const struct template_scope *scope, const char *name)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(scope->fields, name);
    return node ? node : cJSON_GetObjectItemCaseSensitive(scope->record, name);
}

/* "[*]": the elements of the one list that was reached. */
static bool take_all(struct walk *w, struct value *value)
{
    const cJSON *list = value->n_nodes == 1 ? value->nodes[0] : NULL, *element;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (!cJSON_IsArray(list) || value->is_list || count > MAX_NODES)
        return fail(w, "takes [*] of what is no list");
    const cJSON **nodes = memory_array((size_t)count + 1, sizeof *nodes, "a template", w->err);
    if (!nodes)
        return false;
    int n = 0;
    cJSON_ArrayForEach(element, list)
        nodes[n++] = element;
    free(value->nodes);
    value->nodes = nodes;
    value->n_nodes = n;
    value->is_list = true;
    return true;
}

/* One part of a path applied to every node that was reached: a name, or an index where name is NULL. */
static void descend(struct value *value, const char *name, long index)
{
    int kept = 0;
    for (int i = 0; i < value->n_nodes; i++) {
        const cJSON *node = name ? cJSON_GetObjectItemCaseSensitive(value->nodes[i], name) : element_at(value->nodes[i], index);
        if (node)
            value->nodes[kept++] = node;
    }
    value->is_missing = kept < value->n_nodes; // one that is missing makes the whole missing
}

static bool parse_name(struct walk *w, char *name, size_t size)
{
    size_t n = strcspn(w->at, ".[]|{}:'");
    if (n == 0 || n >= size)
        return fail(w, "has a field name that is empty or too long");
    memcpy(name, w->at, n);
    name[n] = '\0';
    w->at += n;
    return true;
}

static bool parse_path(struct walk *w, struct value *value)
{
    char name[128];
    if (!parse_name(w, name, sizeof name) || !(value->nodes = memory_array(1, sizeof *value->nodes, "a template", w->err)))
        return false;
    value->nodes[0] = root_member(w->scope, name);
    value->n_nodes = value->nodes[0] != NULL;
    value->is_missing = !value->nodes[0];
    while (*w->at == '.' || *w->at == '[') {
        bool live = w->live && !value->is_missing;
        if (*w->at++ == '.') {
            if (!parse_name(w, name, sizeof name))
                return false;
            if (live)
                descend(value, name, 0);
        } else if (strncmp(w->at, "*]", 2) == 0) {
            if (live && !take_all(w, value))
                return false;
            w->at += 2;
        } else {
            char *end;
            long index = strtol(w->at, &end, 10);
            if (end == w->at || *end != ']')
                return fail(w, "has an index that is no number");
            if (live)
                descend(value, NULL, index);
            w->at = end + 1;
        }
    }
    return true;
}

/* --- filters ---------------------------------------------------------------------------------------------------------------------------
 */

/* What ends an argument that isn't in quotes. */
static bool parse_argument(struct walk *w, struct text *out)
{
    if (*w->at != '\'') {
        size_t n = strcspn(w->at, ":|}'");
        text_add(out, w->at, n);
        w->at += n;
        return text_ok(out, w->err);
    }
    text_add(out, "", 0);
    for (w->at++; *w->at; w->at++) {
        if (*w->at == '\'' && *++w->at != '\'')
            return text_ok(out, w->err);
        text_add(out, w->at, 1);
    }
    return fail(w, "has a quote without its partner");
}

static bool apply_each(struct walk *w, const struct template_filter *filter, const char *const *arguments, struct value *value)
{
    for (size_t i = 0; i < value->texts.n; i++)
        if (!filter->apply(w->scope, arguments, &value->texts.texts[i], w->err))
            return false;
    return true;
}

/* "keys" and "values" of an object. */
static bool take_members(struct walk *w, struct value *value, bool keys)
{
    const cJSON *object = value->n_nodes == 1 ? value->nodes[0] : NULL, *member;
    if (value->is_text || !cJSON_IsObject(object))
        return error_set(w->err, ERROR_INPUT, "%s: filter %s: the field is no object", w->scope->where, keys ? "keys" : "values");
    value->is_text = value->is_list = true;
    cJSON_ArrayForEach(member, object) {
        if (!keys && !add_node(w, value, member, "values", strlen("values")))
            return false;
        struct text *text = keys ? template_list_add(&value->texts, w->err) : NULL;
        if (keys && !text)
            return false;
        if (keys)
            text_add_string(text, member->string);
    }
    return true;
}

static bool join(struct walk *w, struct value *value, const char *between)
{
    struct text out = {0};
    text_add(&out, "", 0);
    for (size_t i = 0; i < value->texts.n; i++) {
        text_add_string(&out, i ? between : "");
        text_add(&out, value->texts.texts[i].bytes, value->texts.texts[i].length);
    }
    template_list_free(&value->texts);
    value->is_list = false;
    struct text *text = template_list_add(&value->texts, w->err);
    if (text)
        text_add(text, out.bytes, out.length);
    text_free(&out);
    return text && text_ok(text, w->err);
}

static bool parse_list(struct walk *w, struct value *value)
{
    struct template_list list = {0};
    if (value->is_list || value->texts.n != 1)
        return fail(w, "makes a list of what is one already");
    bool ok = template_parse_list(w->scope, value->texts.texts[0].bytes, &list, w->err);
    template_list_free(&value->texts);
    value->texts = list;
    value->is_list = true;
    return ok;
}

/* "item:2": one element of a list. */
static bool take_item(struct walk *w, struct value *value, const char *number)
{
    char *end;
    long at = strtol(number, &end, 10);
    if (end == number || *end != '\0')
        return fail(w, "takes an item whose number is none");
    at += at < 0 ? (long)value->texts.n : 0;
    if (at < 0 || at >= (long)value->texts.n)
        return error_set(w->err, ERROR_INPUT, "%s: filter item: the list has %zu, no item %s", w->scope->where, value->texts.n, number);
    struct text kept = value->texts.texts[at];
    value->texts.texts[at] = value->texts.texts[0];
    value->texts.texts[0] = kept;
    while (value->texts.n > 1)
        text_free(&value->texts.texts[--value->texts.n]);
    value->is_list = false;
    return true;
}

/* "pieces:,": what stands between the separators. */
static bool take_pieces(struct walk *w, struct value *value, const char *separator)
{
    struct template_list list = {0};
    size_t n = strlen(separator);
    if (value->is_list || value->texts.n != 1 || n == 0)
        return fail(w, "makes pieces of what is a list, or names no separator");
    const char *at = value->texts.texts[0].bytes, *next;
    struct text *piece;
    do {
        next = strstr(at, separator);
        if ((piece = template_list_add(&list, w->err)))
            text_add(piece, at, next ? (size_t)(next - at) : strlen(at));
        at = next ? next + n : at;
    } while (piece && next);
    template_list_free(&value->texts);
    value->texts = list;
    value->is_list = true;
    return piece != NULL;
}

static bool apply_chain(struct walk *w, struct value *value, const char *path, size_t path_length);

/* A filter that the task defines: its chain in place of the name. */
static bool apply_defined(struct walk *w, const cJSON *chain, struct value *value, const char *path, size_t n)
{
    const char *back = w->at;
    struct text bar = {0};
    if (!cJSON_IsString(chain) || w->depth >= MAX_DEPTH)
        return fail(w, "uses a filter of the task's that is no text, or goes too deep");
    text_format(&bar, "|%s", chain->valuestring);
    if (!text_ok(&bar, w->err))
        return false;
    w->at = bar.bytes;
    w->depth++;
    bool ok = apply_chain(w, value, path, n) && (*w->at == '\0' || fail(w, "has something behind its filters"));
    w->depth--;
    w->at = back;
    text_free(&bar);
    return ok;
}

/* Filters that make lists or take from them, beside those of single texts. */
enum list_filter { KEYS, VALUES, LIST, PIECES, ITEM, JOIN, LIST_FILTERS };
static const struct {
    const char *name;
    int n_arguments;
} list_filters[LIST_FILTERS] = {{"keys", 0}, {"values", 0}, {"list", 0}, {"pieces", 1}, {"item", 1}, {"join", 1}};

static bool apply_list_filter(struct walk *w, enum list_filter filter, const char *argument, struct value *value)
{
    switch (filter) {
    case LIST:
        return parse_list(w, value);
    case PIECES:
        return take_pieces(w, value, argument);
    case ITEM:
        return take_item(w, value, argument);
    default:
        return join(w, value, argument);
    }
}

static bool unknown_filter(struct walk *w, const char *name, size_t n)
{
    struct text names = {0};
    template_filter_names(&names);
    for (int i = 0; i < LIST_FILTERS; i++)
        text_format(&names, ", %s", list_filters[i].name);
    error_record(w->err, ERROR_INPUT, "%s: unknown filter \"%.*s\"; there are %s", w->scope->where, (int)(n > 32 ? 32 : n), name,
                 names.bytes ? names.bytes : "none");
    text_free(&names);
    return false;
}

static bool apply_filter(struct walk *w, const char *name, size_t n, const char *const *arguments, int count, struct value *value,
                         const char *path, size_t path_length)
{
    const struct template_filter *filter = template_filter_named(name, n);
    int list = 0;
    while (list < LIST_FILTERS && !(strlen(list_filters[list].name) == n && memcmp(list_filters[list].name, name, n) == 0))
        list++;
    if (!filter && list == LIST_FILTERS)
        return unknown_filter(w, name, n);
    int wanted = filter ? filter->n_arguments : list_filters[list].n_arguments;
    if (count != wanted)
        return error_set(w->err, ERROR_INPUT, "%s: the filter \"%.*s\" has %d arguments, %d are wanted", w->scope->where, (int)n, name,
                         count, wanted);
    if (!w->live)
        return true;
    if (!filter && (list == KEYS || list == VALUES))
        return take_members(w, value, list == KEYS);
    if (!to_texts(w, value, path, path_length))
        return false;
    return filter ? apply_each(w, filter, arguments, value) : apply_list_filter(w, (enum list_filter)list, arguments[0], value);
}

/* "|name:argument:argument|…", as far as it goes. */
static bool apply_chain(struct walk *w, struct value *value, const char *path, size_t path_length)
{
    while (*w->at == '|') {
        const char *name = ++w->at;
        size_t n = strcspn(name, ":|}'");
        struct text arguments[TEMPLATE_MAX_ARGUMENTS] = {0};
        const char *texts[TEMPLATE_MAX_ARGUMENTS] = {NULL};
        char defined[64];
        int count = 0;
        bool ok = true;
        w->at += n;
        while (ok && *w->at == ':') {
            if (count == TEMPLATE_MAX_ARGUMENTS) {
                ok = fail(w, "gives a filter too many arguments");
                break;
            }
            w->at++;
            ok = parse_argument(w, &arguments[count]);
            texts[count] = arguments[count].bytes;
            count++;
        }
        snprintf(defined, sizeof defined, "%.*s", (int)(n < sizeof defined ? n : 0), name);
        const cJSON *chain = cJSON_GetObjectItemCaseSensitive(w->scope->filters, defined);
        if (ok && chain && count == 0)
            ok = apply_defined(w, chain, value, path, path_length);
        else if (ok)
            ok = apply_filter(w, name, n, texts, count, value, path, path_length);
        for (int i = 0; i < TEMPLATE_MAX_ARGUMENTS; i++)
            text_free(&arguments[i]);
        if (!ok)
            return false;
    }
    return true;
}

/* "field|filters}": the value, as texts; w->at comes to stand behind the brace. */
static bool parse_expression(struct walk *w, struct value *value)
{
    const char *path = w->at;
    if (!strchr(path, '}'))
        return fail(w, "has a brace without its partner");
    if (!parse_path(w, value))
        return false;
    size_t n = (size_t)(w->at - path);
    if (w->live && value->is_missing) {
        if (!w->forgiving)
            return error_set(w->err, ERROR_INPUT, "%s: the field \"%.*s\" is missing", w->scope->where, (int)n, path);
        value->is_text = true; // nothing, and filters of nothing are nothing
    }
    bool live = w->live;
    w->live = live && !value->is_missing;
    bool ok = apply_chain(w, value, path, n);
    w->live = live;
    if (!ok)
        return false;
    if (*w->at != '}')
        return fail(w, "has a brace without its partner");
    w->at++;
    return !w->live || to_texts(w, value, path, n);
}

static bool add_expression(struct walk *w)
{
    struct value value = {0};
    bool ok = parse_expression(w, &value);
    if (ok && w->live && value.is_list)
        ok = error_set(w->err, ERROR_INPUT, "%s: a list stands where a text is wanted: [n] takes an element, |join:', ' makes a text of it",
                       w->scope->where);
    if (ok && w->live && value.texts.n)
        text_add(w->out, value.texts.texts[0].bytes, value.texts.texts[0].length);
    value_free(&value);
    return ok;
}

static bool is_empty(const struct value *value)
{
    for (size_t i = 0; i < value->texts.n; i++)
        if (value->texts.texts[i].length)
            return false;
    return true;
}

static bool walk_text(struct walk *w);

/* "{?" is behind: the condition, its branches, "{/}". */
static bool walk_condition(struct walk *w)
{
    struct value value = {0};
    bool live = w->live, forgiving = w->forgiving;
    if (++w->depth > MAX_DEPTH)
        return fail(w, "nests its conditions too deep");
    w->forgiving = true;
    bool ok = parse_expression(w, &value), holds = ok && !is_empty(&value);
    value_free(&value);
    w->forgiving = forgiving;
    w->live = live && holds;
    ok = ok && walk_text(w);
    if (ok && strncmp(w->at, "{:}", 3) == 0) {
        w->at += 3;
        w->live = live && !holds;
        ok = walk_text(w);
    }
    w->live = live;
    if (ok && strncmp(w->at, "{/}", 3) != 0)
        return fail(w, "has a condition without its {/}");
    w->at += ok ? 3 : 0;
    w->depth--;
    return ok;
}

/* Up to the end, or a "{:}" or "{/}" that isn't of a condition begun here. */
static bool walk_text(struct walk *w)
{
    for (;;) {
        size_t plain = strcspn(w->at, "{}");
        if (w->live)
            text_add(w->out, w->at, plain);
        w->at += plain;
        if (!*w->at || strncmp(w->at, "{:}", 3) == 0 || strncmp(w->at, "{/}", 3) == 0)
            return true;
        if (w->at[0] == w->at[1]) { // "{{" or "}}"
            if (w->live)
                text_add(w->out, w->at, 1);
            w->at += 2;
            continue;
        }
        if (*w->at == '}')
            return fail(w, "has a brace without its partner");
        w->at++;
        bool ok;
        if (*w->at == '?') {
            w->at++;
            ok = walk_condition(w);
        } else
            ok = add_expression(w);
        if (!ok)
            return false;
    }
}

/* The whole template. */
static bool walk_all(struct walk *w)
{
    text_add(w->out, "", 0);
    return walk_text(w) && (*w->at == '\0' || fail(w, "ends a condition that was not begun")) && text_ok(w->out, w->err);
}

bool template_fill(const struct template_scope *scope, const char *source, struct text *out, struct error *err)
{
    struct walk w = {.scope = scope, .at = source, .out = out, .live = true, .err = err};
    return walk_all(&w);
}

bool template_list(const struct template_scope *scope, const char *source, struct template_list *out, struct error *err)
{
    struct walk w = {.scope = scope, .at = source, .live = true, .err = err};
    struct value value = {0};
    if (*source != '{')
        return fail(&w, "that gives a list begins with no brace");
    w.at++;
    bool ok = parse_expression(&w, &value) && (*w.at == '\0' || fail(&w, "that gives a list has something behind its brace"));
    if (ok) {
        *out = value.texts;
        value.texts = (struct template_list){0};
    }
    value_free(&value);
    return ok;
}

bool template_holds(const struct template_scope *scope, const char *source, bool *holds, struct error *err)
{
    struct text out = {0};
    struct walk w = {.scope = scope, .at = source, .out = &out, .live = true, .forgiving = true, .err = err};
    bool ok = walk_all(&w);
    *holds = out.length > 0;
    text_free(&out);
    return ok;
}
