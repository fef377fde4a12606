/* See grammar.h. Alternatives are compiled at opening into parts, each a literal text or a reference to a rule: what is wrong in a grammar
 * is found then, with its place, and expanding is a walk over parts. */
#include "datasets/corpus/grammar.h"

#include "base/json.h"
#include "datasets/corpus/korean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GRAMMAR_BYTES = 1 << 22, MAX_FIELDS = 8, MAX_IDS = 10, MAX_DEPTH = 32, MAX_RULES = 1024, UNBOUND = -1 };

struct part {
    const char *literal; // NULL: a reference
    size_t length;
    int rule, id, field; // id 0: not bound
    enum form form;
};

struct parts {
    struct part *list;
    size_t n, capacity;
};

struct alternative {
    struct parts fields[MAX_FIELDS];
};

struct rule {
    const char *name;
    const char *fields[MAX_FIELDS]; // names; none: one form without a name
    int n_fields;
    struct alternative *alternatives;
    int n;
    int bound[MAX_IDS]; // alternative of each #id in this document
};

struct document {
    const char *name;
    int rule; // −1: numbers
    int64_t weight;
};

struct grammar {
    cJSON *json;
    struct arena arena;
    struct rule *rules;
    struct document *documents;
    int n_rules, n_documents;
    int64_t total_weight;
};

static int find_rule(const struct grammar *g, const char *name, size_t n)
{
    for (int i = 0; i < g->n_rules; i++)
        if (strlen(g->rules[i].name) == n && memcmp(g->rules[i].name, name, n) == 0)
            return i;
    return -1;
}

static bool add_part(struct parts *parts, const struct part *part, struct error *err)
{
    if (!memory_grow((void **)&parts->list, &parts->capacity, parts->n + 1, sizeof *parts->list, "grammar", err))
        return false;
    parts->list[parts->n++] = *part;
    return true;
}

/* "rule#1.field:form" between the braces. */
static bool read_reference(const struct grammar *g, const struct json_at *at, const char *text, size_t n, struct part *part,
                           struct error *err)
{
    size_t name = 0;
    while (name < n && !strchr("#.:", text[name]))
        name++;
    *part = (struct part){.rule = find_rule(g, text, name)};
    if (part->rule < 0)
        return json_error(at, err, "{%.*s}: there is no rule \"%.*s\"", (int)n, text, (int)name, text);
    size_t i = name;
    if (i + 1 < n && text[i] == '#' && text[i + 1] >= '1' && text[i + 1] <= '9') {
        part->id = text[i + 1] - '0';
        i += 2;
    }
    const struct rule *rule = &g->rules[part->rule];
    if (i < n && text[i] == '.') {
        size_t end = ++i;
        while (end < n && text[end] != ':')
            end++;
        for (part->field = 0; part->field < rule->n_fields; part->field++)
            if (strlen(rule->fields[part->field]) == end - i && memcmp(rule->fields[part->field], text + i, end - i) == 0)
                break;
        if (part->field == rule->n_fields)
            return json_error(at, err, "{%.*s}: the rule \"%s\" has no field \"%.*s\"", (int)n, text, rule->name, (int)(end - i), text + i);
        i = end;
    }
    if (i < n && text[i] == ':' && form_named(text + i + 1, n - i - 1, &part->form))
        return true;
    return i == n || json_error(at, err, "{%.*s}: \"%.*s\" is not understood; {rule#1.field:form} is the form, see docs/training.md",
                                (int)n, text, (int)(n - i), text + i);
}

static bool compile(const struct grammar *g, const struct json_at *at, const char *text, size_t n, struct parts *out, struct error *err)
{
    for (size_t i = 0; i < n;) {
        const char *open = memchr(text + i, '{', n - i);
        size_t literal = open ? (size_t)(open - text) - i : n - i;
        if (literal && !add_part(out, &(struct part){.literal = text + i, .length = literal}, err))
            return false;
        i += literal;
        if (!open)
            break;
        const char *close = memchr(open, '}', n - i);
        struct part part;
        if (!close)
            return json_error(at, err, "a { without its }");
        if (!read_reference(g, at, open + 1, (size_t)(close - open) - 1, &part, err) || !add_part(out, &part, err))
            return false;
        i = (size_t)(close - text) + 1;
    }
    return true;
}

/* An alternative; *dropped where one of its forms is a held-out noun. */
static bool read_alternative(struct grammar *g, const struct rule *rule, const struct json_at *at, const struct hold_out *held,
                             struct alternative *out, bool *dropped, struct error *err)
{
    const char *text;
    int wanted = rule->n_fields ? rule->n_fields : 1, found = 0;
    if (!json_string(at, &text, err))
        return false;
    while (true) {
        size_t n = rule->n_fields ? strcspn(text, "|") : strlen(text);
        if (found == wanted)
            return json_error(at, err, "more than the %d forms of \"%s\"", wanted, rule->name);
        *dropped |= rule->n_fields && hold_out_noun(held, text, n);
        if (!compile(g, at, text, n, &out->fields[found++], err))
            return false;
        if (text[n] == '\0')
            break;
        text += n + 1;
    }
    return found == wanted || json_error(at, err, "%d forms, the rule \"%s\" has %d", found, rule->name, wanted);
}

static void free_alternative(struct alternative *alternative)
{
    for (int f = 0; f < MAX_FIELDS; f++)
        free(alternative->fields[f].list);
    *alternative = (struct alternative){0};
}

static bool read_rule(struct grammar *g, struct rule *rule, const struct json_at *at, const struct hold_out *held, struct error *err)
{
    int count;
    if (!json_array(at, &count, err) || !(rule->alternatives = memory_array((size_t)count + 1, sizeof *rule->alternatives, "grammar", err)))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(at, i);
        struct alternative *alternative = &rule->alternatives[rule->n++];
        bool dropped = false;
        if (!read_alternative(g, rule, &element, held, alternative, &dropped, err))
            return false;
        if (dropped) {
            free_alternative(alternative);
            rule->n--;
        }
    }
    return rule->n > 0 || json_error(at, err, "a rule without an alternative%s", count ? ": all of them are held out" : "");
}

static bool read_fields(struct rule *rule, const struct json_at *fields, struct error *err)
{
    struct json_at at = json_member(fields, rule->name);
    if (!at.value)
        return true;
    if (!json_array(&at, &rule->n_fields, err))
        return false;
    if (rule->n_fields < 1 || rule->n_fields > MAX_FIELDS)
        return json_error(&at, err, "%d fields: 1 … %d are allowed", rule->n_fields, MAX_FIELDS);
    for (int i = 0; i < rule->n_fields; i++) {
        struct json_at element = json_element(&at, i);
        if (!json_string(&element, &rule->fields[i], err))
            return false;
    }
    return true;
}

static bool read_rules(struct grammar *g, const struct json_at *root, const struct hold_out *held, struct error *err)
{
    struct json_at rules = json_member(root, "rules"), fields = json_member(root, "fields");
    const cJSON *member;
    if (!json_object(&rules, err) || (fields.value && !json_object(&fields, err)))
        return false;
    int count = cJSON_GetArraySize(rules.value);
    if (count > MAX_RULES)
        return json_error(&rules, err, "%d rules: at most %d are allowed", count, MAX_RULES);
    if (!(g->rules = memory_array((size_t)count + 1, sizeof *g->rules, "grammar", err)))
        return false;
    cJSON_ArrayForEach(member, rules.value)
        g->rules[g->n_rules++].name = member->string;
    for (int i = 0; i < g->n_rules; i++)
        if (!read_fields(&g->rules[i], &fields, err))
            return false;
    for (int i = 0; i < g->n_rules; i++) {
        struct json_at at = json_member(&rules, g->rules[i].name);
        if (!read_rule(g, &g->rules[i], &at, held, err))
            return false;
    }
    return true;
}

static bool read_documents(struct grammar *g, const struct json_at *root, struct error *err)
{
    struct json_at documents = json_member(root, "documents");
    const cJSON *member;
    if (!json_object(&documents, err) ||
        !(g->documents = memory_array((size_t)cJSON_GetArraySize(documents.value) + 1, sizeof *g->documents, "grammar", err)))
        return false;
    cJSON_ArrayForEach(member, documents.value) {
        struct json_at at = json_member(&documents, member->string);
        struct document *document = &g->documents[g->n_documents++];
        document->name = member->string;
        document->rule = member->string[0] == '@' ? -1 : find_rule(g, member->string, strlen(member->string));
        if (member->string[0] != '@' && document->rule < 0)
            return json_error(&at, err, "there is no such rule");
        if (!json_integer(&at, 1, 1000000, &document->weight, err))
            return false;
        g->total_weight += document->weight;
    }
    return g->n_documents > 0 || json_error(&documents, err, "at least one kind of document is wanted");
}

struct grammar *grammar_open(const char *path, const struct hold_out *held, struct error *err)
{
    static const char *const keys[] = {"documents", "fields", "rules", NULL};
    struct grammar *g = memory_array(1, sizeof *g, "grammar", err);
    if (!g)
        return NULL;
    g->json = json_read(path, MAX_GRAMMAR_BYTES, err);
    struct json_at root = json_root(path, g->json);
    if (g->json && json_only(&root, keys, err) && read_rules(g, &root, held, err) && read_documents(g, &root, err))
        return g;
    grammar_close(g);
    return NULL;
}

void grammar_close(struct grammar *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_rules; i++) {
        for (int a = 0; a < g->rules[i].n; a++)
            free_alternative(&g->rules[i].alternatives[a]);
        free(g->rules[i].alternatives);
    }
    free(g->rules);
    free(g->documents);
    cJSON_Delete(g->json);
    free(g);
}

int grammar_document(const struct grammar *g, struct random *random)
{
    int64_t at = (int64_t)random_below(random, (uint64_t)g->total_weight);
    int i = 0;
    while (at >= g->documents[i].weight)
        at -= g->documents[i++].weight;
    return i;
}

const char *grammar_document_name(const struct grammar *g, int document)
{
    return g->documents[document].name;
}

/* A bound alternative differs from those bound to other ids where the rule has enough of them. */
static int choose(struct rule *rule, int id, struct random *random)
{
    if (id && rule->bound[id] != UNBOUND)
        return rule->bound[id];
    int chosen = (int)random_below(random, (uint64_t)rule->n);
    for (int other = 1; id && rule->n > MAX_IDS && other < MAX_IDS; other++)
        if (other != id && rule->bound[other] == chosen) {
            chosen = (chosen + 1) % rule->n;
            other = 0;
        }
    if (id)
        rule->bound[id] = chosen;
    return chosen;
}

static bool expand(struct grammar *g, int rule_index, int id, int field, struct random *random, struct text *out, int depth,
                   struct error *err)
{
    struct rule *rule = &g->rules[rule_index];
    if (depth == MAX_DEPTH)
        return error_set(err, ERROR_INPUT, "the grammar's rule \"%s\" goes round: %d rules inside each other", rule->name, MAX_DEPTH);
    const struct parts *parts = &rule->alternatives[choose(rule, id, random)].fields[field];
    for (size_t i = 0; i < parts->n; i++) {
        const struct part *part = &parts->list[i];
        if (part->literal) {
            text_add(out, part->literal, part->length);
            continue;
        }
        struct text word = {0};
        bool ok = expand(g, part->rule, part->id, part->field, random, &word, depth + 1, err);
        if (ok && word.length && (part->form == FORM_ARTICLE || part->form == FORM_ARTICLE_CAP)) {
            text_add_string(out, part->form == FORM_ARTICLE ? "a" : "A");
            text_add_string(out, strchr("aeiou", word.bytes[0]) ? "n " : " ");
        }
        text_add(out, word.bytes ? word.bytes : "", word.length);
        if (ok && word.length)
            text_add_string(out, particle(part->form, word.bytes, word.length));
        text_free(&word);
        if (!ok)
            return false;
    }
    return true;
}

bool grammar_expand(struct grammar *g, int document, struct random *random, struct text *out, struct error *err)
{
    for (int i = 0; i < g->n_rules; i++)
        for (int id = 0; id < MAX_IDS; id++)
            g->rules[i].bound[id] = UNBOUND;
    return expand(g, g->documents[document].rule, 0, 0, random, out, 0, err) && text_ok(out, err);
}
