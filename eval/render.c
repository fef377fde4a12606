/* Items as JSON, in the words of lm-evaluation-harness: what would be asked, for people and for comparing. */
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/prompt.h"

#include <stdlib.h>
#include <string.h>

static void add_texts(cJSON *object, const char *key, char *const *texts, int n)
{
    cJSON_AddItemToObject(object, key, cJSON_CreateStringArray((const char *const *)texts, n));
}

static void add_lengths(cJSON *object, const struct prompt *p)
{
    cJSON *characters = cJSON_AddArrayToObject(object, "choice_chars"), *bytes = cJSON_AddArrayToObject(object, "choice_bytes");
    for (int i = 0; i < p->n; i++) {
        size_t n = strlen(p->choices[i]);
        cJSON_AddItemToArray(characters, cJSON_CreateNumber((double)utf8_length(p->choices[i], n)));
        cJSON_AddItemToArray(bytes, cJSON_CreateNumber((double)n));
    }
}

static void add_choices(cJSON *object, const struct prompt *p)
{
    if (p->own_contexts)
        add_texts(object, "contexts", p->contexts, p->n);
    else
        cJSON_AddStringToObject(object, "context", p->contexts[0]);
    add_texts(object, "continuations", p->continuations, p->n);
    add_texts(object, "choices", p->choices, p->n);
    add_lengths(object, p);
    if (p->labels)
        cJSON_AddItemToObject(object, "labels", cJSON_CreateIntArray(p->labels, p->n));
    else if (p->gold >= 0)
        cJSON_AddNumberToObject(object, "gold", p->gold);
    else
        cJSON_AddNullToObject(object, "gold"); // none of the choices
}

static void add_generation(cJSON *object, const struct prompt_rules *rules)
{
    cJSON *options = cJSON_AddObjectToObject(object, "generation_kwargs"), *until = cJSON_AddArrayToObject(options, "until");
    for (const char *const *stop = rules->stops; *stop; stop++)
        cJSON_AddItemToArray(until, cJSON_CreateString(*stop));
    cJSON_AddNumberToObject(options, "max_gen_toks", rules->max_tokens);
    cJSON_AddFalseToObject(options, "do_sample");
}

static bool add_rolling(cJSON *object, const struct prompt *p, struct error *err)
{
    char hash[HASH_HEX];
    const char *text = p->continuations[0];
    if (!hash_bytes(text, strlen(text), hash, err))
        return false;
    cJSON_AddStringToObject(object, "target_sha256", hash);
    cJSON_AddNumberToObject(object, "target_chars", (double)utf8_length(text, strlen(text)));
    cJSON_AddNumberToObject(object, "words", p->words);
    cJSON_AddNumberToObject(object, "bytes", p->bytes);
    cJSON_AddStringToObject(object, "target", text);
    return true;
}

/* A version that is a number is written as one. */
static void add_version(cJSON *object, const char *version)
{
    char *end;
    double number = strtod(version, &end);
    if (end != version && *end == '\0')
        cJSON_AddNumberToObject(object, "version", number);
    else
        cJSON_AddStringToObject(object, "version", version);
}

static void add_metrics(cJSON *object, const struct eval_task *task, const struct prompt_rules *rules)
{
    cJSON *metrics = cJSON_AddArrayToObject(object, "metrics");
    const cJSON *named = cJSON_GetObjectItemCaseSensitive(task->document, "metrics"), *one;
    cJSON_ArrayForEach(one, named)
        cJSON_AddItemToArray(metrics, cJSON_CreateString(cJSON_IsString(one) ? one->valuestring : json_text(one, "metric")));
    if (!named)
        cJSON_AddItemToArray(metrics, cJSON_CreateString(rules->metric));
}

static bool add_item(cJSON *object, const struct eval_task *task, const struct prompt_rules *rules, const struct prompt *p,
                     struct error *err)
{
    cJSON_AddStringToObject(object, "task", task->info.name);
    add_version(object, task->info.version);
    cJSON_AddNumberToObject(object, "doc_index", p->doc_index);
    cJSON_AddNumberToObject(object, "num_fewshot", p->n_shots);
    cJSON_AddStringToObject(object, "output_type", eval_kind_name(p->kind));
    if (p->n_shots)
        cJSON_AddItemToObject(object, "fewshot_indices", cJSON_CreateIntArray(p->shots, p->n_shots));
    switch (p->kind) {
    case EVAL_CHOICES:
        add_choices(object, p);
        break;
    case EVAL_LIKELIHOOD:
        cJSON_AddStringToObject(object, "context", p->contexts[0]);
        cJSON_AddStringToObject(object, "continuation", p->continuations[0]);
        break;
    case EVAL_GENERATE:
        cJSON_AddStringToObject(object, "context", p->contexts[0]);
        cJSON_AddStringToObject(object, "target", p->target);
        add_generation(object, rules);
        break;
    case EVAL_ROLLING:
        if (!add_rolling(object, p, err))
            return false;
        break;
    }
    add_metrics(object, task, rules);
    return true;
}

bool eval_task_render(const struct eval_task *task, int shots, int limit,
                      bool (*line)(void *context, const struct cJSON *item, struct error *err), void *context, struct error *err)
{
    struct prompt *prompts = NULL;
    struct prompt_rules rules;
    int count = 0;
    bool ok = prompt_rules_of_task(task, &rules, err) && prompts_of_task(task, shots, limit, &prompts, &count, err);
    for (int i = 0; ok && i < count; i++) {
        cJSON *object = cJSON_CreateObject();
        ok = add_item(object, task, &rules, &prompts[i], err) && line(context, object, err);
        cJSON_Delete(object);
    }
    prompts_free(prompts, count);
    return ok;
}
