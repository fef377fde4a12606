/* A task run: prompts, what a journal has of them, the rest by the engine or an answerer, the scores. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "eval/answer.h"
#include "eval/journal.h"
#include "eval/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct running {
    const struct eval_task *task;
    const struct eval_options *options;
    struct eval_result *result;
    struct prompt *prompts; // [result->n]
    struct prompt_rules rules;
    struct journal *journal; // NULL: none
    struct error *err;
};

/* What an item's answer depends on beside its own text. */
static bool journal_key(const struct running *r, char key[HASH_HEX])
{
    struct text text = {0};
    char *document = cJSON_PrintUnformatted(r->task->document);
    text_format(&text, "%s\n%s\n%s\n%d %d", r->options->system ? r->options->system : "", document ? document : "", r->task->data_sha256,
                r->options->shots, r->options->max_length);
    text.failed |= !document;
    free(document);
    bool ok = text_ok(&text, r->err) && hash_bytes(text.bytes, text.length, key, r->err);
    text_free(&text);
    return ok;
}

/* A record whose answer is none of its choices counts as wrong, as in lm-evaluation-harness; a damaged file is not to be scored in silence.
 */
static void warn_of_gold(const struct running *r)
{
    int count = 0, first = 0;
    for (int i = 0; i < r->result->n; i++)
        if (r->prompts[i].kind == EVAL_CHOICES && r->prompts[i].gold < 0 && count++ == 0)
            first = r->task->record_numbers[r->prompts[i].doc_index];
    if (count)
        snprintf(r->result->warning, sizeof r->result->warning,
                 "%.400s, record %d: its answer is none of its choices and counts as wrong, as in lm-evaluation-harness; so are %d of %d",
                 r->task->data_path, first, count, r->result->n);
}

static bool prepare(struct running *r)
{
    char key[HASH_HEX];
    int n = r->result->n;
    int rendered;
    r->result->items = memory_array((size_t)n, sizeof *r->result->items, "items", r->err);
    if (!r->result->items || !prompts_of_task(r->task, r->options->shots, n, &r->prompts, &rendered, r->err) ||
        !prompt_rules_of_task(r->task, &r->rules, r->err))
        return false;
    r->result->kind = r->rules.kind;
    if (r->options->journal && (!journal_key(r, key) || !(r->journal = journal_open(r->options->journal, r->task->info.name, key, r->err))))
        return false;
    for (int i = 0; i < n; i++) {
        struct eval_item *item = &r->result->items[i];
        if (!answer_item_open(&r->prompts[i], item, r->err) || (r->journal && !journal_take(r->journal, item, r->err)))
            return false;
        r->result->resumed += item->answered;
    }
    warn_of_gold(r);
    return true;
}

static bool note(void *context, const struct eval_item *item, struct error *err)
{
    return journal_note(context, item, err);
}

void eval_result_free(struct eval_result *result)
{
    for (int i = 0; result->items && i < result->n; i++)
        answer_item_free(&result->items[i]);
    for (int i = 0; i < result->n_metrics; i++)
        free(result->metrics[i].values);
    free(result->items);
    free(result->metrics);
    *result = (struct eval_result){0};
}

const struct eval_metric *eval_metric(const struct eval_result *result, const char *name)
{
    for (int i = 0; i < result->n_metrics; i++)
        if (strcmp(result->metrics[i].name, name) == 0)
            return &result->metrics[i];
    return NULL;
}

static bool run(struct answering how, const struct eval_task *task, const struct eval_options *options, struct eval_result *result,
                struct error *err)
{
    uint64_t began = clock_ns();
    int n = task->info.n_items;
    *result = (struct eval_result){.n = options->limit > 0 && options->limit < n ? options->limit : n};
    struct running r = {.task = task, .options = options, .result = result, .err = err};
    bool ok = prepare(&r);
    how.rules = &r.rules;
    how.options = options;
    how.answered = r.journal ? note : NULL;
    how.context = r.journal;
    ok = ok && ((answer_prompts(&how, r.prompts, result, err) && (!r.journal || journal_sync(r.journal, err)) &&
                 (result->left_out[0] || judge(&r.rules, r.prompts, options->bootstrap, result, err))) ||
                error_prefix(err, "task %s", task->info.name));
    journal_close(r.journal);
    prompts_free(r.prompts, result->n);
    result->ns = clock_ns() - began;
    if (!ok)
        eval_result_free(result);
    return ok;
}

bool eval_run(struct engine *engine, const struct tokenizer *tokenizer, const struct eval_task *task, const struct eval_options *options,
              struct eval_result *result, struct error *err)
{
    struct answering how = {.engine = engine, .tokenizer = tokenizer};
    return run(how, task, options, result, err);
}

bool eval_run_through(const struct eval_answerer *answerer, const struct eval_task *task, const struct eval_options *options,
                      struct eval_result *result, struct error *err)
{
    struct answering how = {.answerer = answerer, .tokenizer = answerer->tokenizer};
    return run(how, task, options, result, err);
}
