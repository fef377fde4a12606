/* Prompts of a task's items: see prompt.h.
 *
 *     prompt = description + for each example: text + target delimiter + answer + few-shot delimiter, + text of the record
 *
 * An example without an answer has neither delimiter. The examples' texts are made once and kept by their place in the pool. */
#include "eval/prompt.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/python_random.h"
#include "eval/pattern.h"
#include "eval/template.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 256, SEED = 1234 };

struct rendering {
    const struct eval_task *task;
    struct json_at root;
    struct prompt_rules rules;
    struct template_patterns patterns;
    struct template_scope scope; // of the record at hand
    cJSON *fields;               // that the task made of it
    char where[1024];
    int shots;
    cJSON *pool;
    cJSON **examples;     // [n_examples] of the pool
    char **example_texts; // [n_examples], NULL until wanted
    int n_examples;
    char pool_name[4096];
    uint32_t *drawn; // [shots + 1]
    struct python_random random;
    struct error *err;
};

static const char *text_of(const struct rendering *r, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r->task->document, key));
}

static const char *fewshot_text_of(const struct rendering *r, const char *key)
{
    const char *own =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(r->task->document, "fewshot"), key));
    return own ? own : text_of(r, key);
}

static bool fill(struct rendering *r, const char *source, struct text *out)
{
    return template_fill(&r->scope, source, out, r->err);
}

/* A filled template as a string to free; NULL on failure. */
static char *filled(struct rendering *r, const char *source)
{
    struct text out = {0};
    if (fill(r, source, &out))
        return out.bytes;
    text_free(&out);
    return NULL;
}

/* Turns to a record: its place in messages, the fields that the task makes of it. */
static bool begin_record(struct rendering *r, const cJSON *record, const char *file, int number)
{
    const cJSON *field;
    snprintf(r->where, sizeof r->where, "task %.100s, %.700s, record %d", r->task->info.name, file, number);
    cJSON_Delete(r->fields);
    r->fields = cJSON_CreateObject();
    r->scope = (struct template_scope){.record = record,
                                       .fields = r->fields,
                                       .filters = cJSON_GetObjectItemCaseSensitive(r->task->document, "define"),
                                       .patterns = &r->patterns,
                                       .where = r->where};
    cJSON_ArrayForEach(field, cJSON_GetObjectItemCaseSensitive(r->task->document, "fields")) {
        struct json_at at = json_member(&r->root, "fields");
        if (!cJSON_IsString(field))
            return json_error(&at, r->err, "\"%.40s\" is no template", field->string);
        char *value = filled(r, field->valuestring);
        if (!value)
            return false;
        bool ok = cJSON_AddStringToObject(r->fields, field->string, value) != NULL;
        free(value);
        if (!ok)
            return error_set(r->err, ERROR_MACHINE, "out of memory for a record");
    }
    return true;
}

/* --- choices and answers ----------------------------------------------------------------------------------------------------------------
 */

/* The list under a key: a list of templates, or one that gives a list. */
static bool list_of(struct rendering *r, const char *key, struct template_list *out)
{
    struct json_at at = json_member(&r->root, key);
    int n;
    if (cJSON_IsString(at.value))
        return template_list(&r->scope, at.value->valuestring, out, r->err);
    if (!json_array(&at, &n, r->err))
        return false;
    for (int i = 0; i < n; i++) {
        struct json_at element = json_element(&at, i);
        const char *source;
        struct text text = {0};
        bool ok = json_string(&element, &source, r->err) && fill(r, source, &text) &&
                  memory_grow((void **)&out->texts, &out->capacity, out->n + 1, sizeof *out->texts, "choices", r->err);
        if (!ok) {
            text_free(&text);
            return false;
        }
        out->texts[out->n++] = text;
    }
    return true;
}

/* The choices; with contexts of their own, those contexts. */
static bool choices_of(struct rendering *r, struct template_list *out)
{
    bool own = cJSON_HasObjectItem(r->task->document, "contexts");
    if (!list_of(r, own ? "contexts" : "choices", out))
        return false;
    if (out->n < 2 || out->n > MAX_CHOICES)
        return error_set(r->err, ERROR_INPUT, "%s: %zu choices, 2 … %d are wanted", r->where, out->n, MAX_CHOICES);
    return true;
}

/* The right choice: digits are its number from 0, anything else is its text; −1 when there is no such one. */
static bool gold_of(struct rendering *r, const struct template_list *choices, int *gold)
{
    const char *source = text_of(r, "gold");
    struct text text = {0};
    *gold = -1;
    if (!source) { // labels tell
        *gold = 0;
        return true;
    }
    if (!fill(r, source, &text)) {
        text_free(&text);
        return error_prefix(r->err, "the gold label");
    }
    bool ok = text.length > 0 || error_set(r->err, ERROR_INPUT, "%s: has no gold label", r->where);
    if (text.length > 0 && strspn(text.bytes, "0123456789") == text.length) {
        long number = text.length < 10 ? strtol(text.bytes, NULL, 10) : MAX_CHOICES;
        *gold = number < (long)choices->n ? (int)number : -1;
    } else
        for (size_t i = 0; i < choices->n && *gold < 0; i++)
            if (strcmp(choices->texts[i].bytes, text.bytes) == 0)
                *gold = (int)i;
    text_free(&text);
    return ok;
}

static bool labels_of(struct rendering *r, struct prompt *p)
{
    const char *source = text_of(r, "labels");
    struct template_list labels = {0};
    if (!source)
        return true;
    bool ok =
        template_list(&r->scope, source, &labels, r->err) && (p->labels = memory_array((size_t)p->n, sizeof *p->labels, "labels", r->err));
    if (ok && labels.n != (size_t)p->n)
        ok = error_set(r->err, ERROR_INPUT, "%s: %zu labels for %d choices", r->where, labels.n, p->n);
    int right = 0;
    for (int i = 0; ok && i < p->n; i++) {
        p->labels[i] = strcmp(labels.texts[i].bytes, "1") == 0;
        right += p->labels[i];
    }
    ok = ok && (right > 0 || error_set(r->err, ERROR_INPUT, "%s: no choice is labelled 1: has no gold label", r->where));
    template_list_free(&labels);
    return ok;
}

/* What stands for the answer of an example; empty: nothing. */
static bool answer_of(struct rendering *r, const struct template_list *choices, int gold, struct text *out)
{
    const char *source = NULL;
    if (fewshot_text_of(r, "target"))
        source = fewshot_text_of(r, "target");
    else if (r->rules.kind == EVAL_LIKELIHOOD || text_of(r, "continuation"))
        source = text_of(r, "continuation");
    if (source)
        return fill(r, source, out);
    if (gold < 0)
        return error_set(r->err, ERROR_INPUT, "%s: an example whose answer is none of its choices", r->where);
    text_add(out, choices->texts[gold].bytes, choices->texts[gold].length);
    return true;
}

/* --- few-shot examples ------------------------------------------------------------------------------------------------------------------
 */

static bool open_pool(struct rendering *r)
{
    cJSON *one;
    if (r->shots == 0)
        return true;
    if (!(r->pool = task_data_pool(r->task, r->pool_name, sizeof r->pool_name, r->err)))
        return false;
    size_t n = (size_t)cJSON_GetArraySize(r->pool);
    r->examples = memory_array(n, sizeof *r->examples, "examples", r->err);
    r->example_texts = memory_array(n, sizeof *r->example_texts, "examples", r->err);
    r->drawn = memory_array((size_t)r->shots + 1, sizeof *r->drawn, "examples", r->err);
    if (!r->examples || !r->example_texts || !r->drawn)
        return false;
    cJSON_ArrayForEach(one, r->pool)
        r->examples[r->n_examples++] = one;
    python_random_seed(&r->random, SEED);
    int wanted = r->shots + (r->task->fewshot.sampler == TASK_RANDOM_WITHOUT_SELF);
    return r->n_examples >= wanted || error_set(r->err, ERROR_INPUT, "task %s: %d examples are wanted, %s has %d", r->task->info.name,
                                                wanted, r->pool_name, r->n_examples);
}

/* Which examples stand before a record: shots numbers of the pool into out. */
static bool draw(struct rendering *r, const cJSON *record, int *out)
{
    enum task_sampler sampler = r->task->fewshot.sampler;
    bool random = sampler == TASK_RANDOM || sampler == TASK_RANDOM_WITHOUT_SELF;
    bool without_self = sampler == TASK_RANDOM_WITHOUT_SELF || sampler == TASK_FIRST_WITHOUT_SELF;
    int candidates = random ? r->shots + without_self : r->n_examples, n = 0;
    if (random && !python_random_sample(&r->random, (uint32_t)r->n_examples, (uint32_t)candidates, r->drawn, r->err))
        return false;
    for (int i = 0; i < candidates && n < r->shots; i++) {
        int at = random ? (int)r->drawn[i] : i;
        if (!without_self || !cJSON_Compare(r->examples[at], record, true))
            out[n++] = at;
    }
    return n == r->shots || error_set(r->err, ERROR_INPUT, "%s: %d examples are wanted, %s has %d that are not the record itself", r->where,
                                      r->shots, r->pool_name, n);
}

/* The text of an example, delimiters included. Moves the scope to it. */
static bool make_example(struct rendering *r, int at)
{
    struct template_list choices = {0};
    struct text text = {0}, answer = {0};
    bool own = cJSON_HasObjectItem(r->task->document, "contexts");
    int gold = -1;
    bool ok = begin_record(r, r->examples[at], r->pool_name, at + 1);
    if (ok && r->rules.kind == EVAL_CHOICES)
        ok = choices_of(r, &choices) && gold_of(r, &choices, &gold);
    if (ok && own)
        ok = gold >= 0 || error_set(r->err, ERROR_INPUT, "%s: an example whose answer is none of its choices", r->where);
    if (ok && own)
        text_add(&text, choices.texts[gold].bytes, choices.texts[gold].length);
    else
        ok = ok && fill(r, fewshot_text_of(r, "context"), &text);
    ok = ok && answer_of(r, &choices, gold, &answer);
    if (ok && answer.length) {
        text_add_string(&text, r->task->target_delimiter);
        text_add(&text, answer.bytes, answer.length);
        text_add_string(&text, r->task->fewshot_delimiter);
    }
    text_free(&answer);
    template_list_free(&choices);
    if (ok && text_ok(&text, r->err)) {
        r->example_texts[at] = text.bytes;
        return true;
    }
    text_free(&text);
    return false;
}

/* Description and examples. */
static bool add_header(struct rendering *r, const struct prompt *p, struct text *out)
{
    const char *description = text_of(r, "description");
    if (description && !fill(r, description, out))
        return false;
    for (int i = 0; i < p->n_shots; i++)
        text_add_string(out, r->example_texts[p->shots[i]]);
    return true;
}

/* --- a prompt ---------------------------------------------------------------------------------------------------------------------------
 */

static char *joined(const char *a, const char *b, struct error *err)
{
    struct text text = {0};
    text_add_string(&text, a);
    text_add_string(&text, b);
    if (text_ok(&text, err))
        return text.bytes;
    text_free(&text);
    return NULL;
}

static bool allocate(struct prompt *p, int n, bool continuations, struct error *err)
{
    size_t size = (size_t)n;
    p->n = n;
    return (p->contexts = memory_array(size, sizeof *p->contexts, "prompts", err)) &&
           (!continuations || (p->continuations = memory_array(size, sizeof *p->continuations, "prompts", err)));
}

static bool render_choices(struct rendering *r, struct prompt *p, const char *header)
{
    const char *context = text_of(r, "context"), *continuation = text_of(r, "continuation");
    struct template_list choices = {0};
    char *tail = NULL, *text = NULL;
    bool ok = choices_of(r, &choices) && gold_of(r, &choices, &p->gold) && allocate(p, (int)choices.n, true, r->err) &&
              (p->choices = memory_array(choices.n, sizeof *p->choices, "prompts", r->err)) && labels_of(r, p);
    p->own_contexts = !context;
    p->unconditional = r->rules.unconditional;
    if (p->own_contexts)
        ok = ok && (tail = filled(r, continuation));
    else
        ok = ok && (text = filled(r, context)) && (p->contexts[0] = joined(header, text, r->err));
    for (int i = 0; ok && i < p->n; i++) {
        const char *choice = choices.texts[i].bytes;
        if (p->own_contexts)
            p->contexts[i] = joined(header, choice, r->err);
        else
            p->contexts[i] = p->contexts[0];
        p->continuations[i] = joined(r->task->target_delimiter, tail ? tail : choice, r->err);
        p->choices[i] = joined(choice, "", r->err);
        ok = p->contexts[i] && p->continuations[i] && p->choices[i];
    }
    free(tail);
    free(text);
    template_list_free(&choices);
    return ok;
}

static bool render_likelihood(struct rendering *r, struct prompt *p, const char *header)
{
    char *text = filled(r, text_of(r, "context"));
    bool ok = text && allocate(p, 1, true, r->err) && (p->contexts[0] = joined(header, text, r->err)) &&
              (p->continuations[0] = filled(r, text_of(r, "continuation")));
    free(text);
    return ok;
}

static bool render_generate(struct rendering *r, struct prompt *p, const char *header)
{
    const char *question = text_of(r, "question");
    char *text = filled(r, text_of(r, "context"));
    bool ok = text && allocate(p, 1, false, r->err) && (p->contexts[0] = joined(header, text, r->err)) &&
              (p->target = filled(r, text_of(r, "target"))) && (!question || (p->question = filled(r, question)));
    if (ok && !*p->target)
        ok = error_set(r->err, ERROR_INPUT, "%s: has no gold label: its target is empty", r->where);
    free(text);
    return ok;
}

static void count_one(void *context, const char *match, size_t n)
{
    (void)match;
    (void)n;
    ++*(double *)context;
}

static bool render_rolling(struct rendering *r, struct prompt *p, const char *header)
{
    const char *original = text_of(r, "original");
    char *text = NULL;
    (void)header;
    struct pattern *spaces = pattern_compile("\\s+", r->err);
    bool ok = spaces && allocate(p, 1, true, r->err) && (p->contexts[0] = joined("", "", r->err)) &&
              (p->continuations[0] = filled(r, text_of(r, "target"))) && (text = filled(r, original ? original : text_of(r, "target")));
    if (ok) {
        p->words = 1; // pieces between runs of white space, the empty ones at the edges too
        p->bytes = (double)strlen(text);
        ok = pattern_each(spaces, text, strlen(text), count_one, &p->words, r->err);
    }
    pattern_free(spaces);
    free(text);
    return ok;
}

static bool render_prompt(struct rendering *r, const cJSON *record, int index, struct prompt *p)
{
    static bool (*const by_kind[])(struct rendering *, struct prompt *, const char *) = {[EVAL_CHOICES] = render_choices,
                                                                                         [EVAL_LIKELIHOOD] = render_likelihood,
                                                                                         [EVAL_ROLLING] = render_rolling,
                                                                                         [EVAL_GENERATE] = render_generate};
    struct text header = {0};
    p->kind = r->rules.kind;
    p->doc_index = index;
    if (r->shots && (!(p->shots = memory_array((size_t)r->shots, sizeof *p->shots, "prompts", r->err)) || !draw(r, record, p->shots)))
        return false;
    p->n_shots = r->shots;
    for (int i = 0; i < p->n_shots; i++)
        if (!r->example_texts[p->shots[i]] && !make_example(r, p->shots[i]))
            return false;
    text_add(&header, "", 0);
    bool ok = begin_record(r, record, r->task->data_path, r->task->record_numbers[index]) && add_header(r, p, &header) &&
              text_ok(&header, r->err) && by_kind[p->kind](r, p, header.bytes);
    text_free(&header);
    return ok;
}

static bool rendering_open(struct rendering *r, const struct eval_task *task, int shots, struct error *err)
{
    *r = (struct rendering){.task = task, .root = json_root(task->file, task->document), .shots = prompt_shots(task, shots), .err = err};
    return prompt_rules_of_task(task, &r->rules, err) && open_pool(r);
}

static void rendering_close(struct rendering *r)
{
    template_patterns_free(&r->patterns);
    cJSON_Delete(r->fields);
    cJSON_Delete(r->pool);
    for (int i = 0; i < r->n_examples; i++)
        free(r->example_texts[i]);
    free(r->example_texts);
    free(r->examples);
    free(r->drawn);
}

static void free_texts(char **texts, int n, bool one)
{
    for (int i = 0; texts && i < n; i++)
        if (i == 0 || !one)
            free(texts[i]);
    free(texts);
}

static void prompt_free(struct prompt *p)
{
    free_texts(p->contexts, p->n, !p->own_contexts);
    free_texts(p->continuations, p->n, false);
    free_texts(p->choices, p->n, false);
    free(p->labels);
    free(p->target);
    free(p->question);
    free(p->shots);
    *p = (struct prompt){0};
}

void prompts_free(struct prompt *prompts, int count)
{
    for (int i = 0; prompts && i < count; i++)
        prompt_free(&prompts[i]);
    free(prompts);
}

int prompt_shots(const struct eval_task *task, int shots)
{
    if (task->info.kind == EVAL_ROLLING)
        return 0;
    return shots < 0 || task->fewshot.fixed ? task->fewshot.shots : shots;
}

bool prompts_of_task(const struct eval_task *task, int shots, int limit, struct prompt **out, int *count, struct error *err)
{
    struct rendering r;
    const cJSON *record;
    int n = task->info.n_items, index = 0;
    if (limit > 0 && limit < n)
        n = limit;
    *count = n;
    bool ok = (*out = memory_array((size_t)n, sizeof **out, "prompts", err)) != NULL;
    ok = rendering_open(&r, task, shots, err) && ok;
    cJSON_ArrayForEach(record, task->records) {
        if (!ok || index == n)
            break;
        ok = render_prompt(&r, record, index, &(*out)[index]);
        index++;
    }
    rendering_close(&r);
    if (ok)
        return true;
    prompts_free(*out, n);
    *out = NULL;
    *count = 0;
    return false;
}

bool prompt_chance(const struct eval_task *task, double *chance, struct error *err)
{
    struct rendering r;
    const cJSON *record;
    int index = 0;
    bool choices = task->info.kind == EVAL_CHOICES;
    *chance = choices ? 0 : NAN;
    bool ok = rendering_open(&r, task, 0, err);
    r.shots = 0;
    cJSON_ArrayForEach(record, task->records) {
        struct prompt p = {0};
        ok = ok && render_prompt(&r, record, index++, &p);
        if (ok && choices)
            *chance += 1.0 / p.n / task->info.n_items;
        prompt_free(&p);
    }
    rendering_close(&r);
    return ok;
}
