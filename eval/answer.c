/* Prompts answered by the engine, or through somebody who has another: each becomes requests, all requests go to whoever answers, and an
 * item is done with its last one. */
#include "eval/asking.h"

#include "base/memory.h"
#include "eval/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- items ------------------------------------------------------------------------------------------------------------------------------
 */

static bool copy_texts(char **from, int n, char ***out, struct error *err)
{
    *out = memory_array((size_t)n, sizeof **out, "texts", err);
    for (int i = 0; *out && i < n; i++)
        if (!((*out)[i] = strdup(from[i])))
            return error_set(err, ERROR_MACHINE, "out of memory for an item's texts");
    return *out != NULL;
}

bool answer_item_open(const struct prompt *prompt, struct eval_item *item, struct error *err)
{
    size_t n = (size_t)prompt->n;
    *item = (struct eval_item){.kind = prompt->kind,
                               .doc_index = prompt->doc_index,
                               .n = prompt->n,
                               .gold = prompt->gold,
                               .choice = -1,
                               .choice_norm = -1,
                               .choice_bytes = -1,
                               .choice_mutual_info = -1};
    item->log_likelihood = memory_array(n, sizeof *item->log_likelihood, "scores", err);
    item->continuation_tokens = memory_array(n, sizeof *item->continuation_tokens, "scores", err);
    item->is_greedy = memory_array(n, sizeof *item->is_greedy, "scores", err);
    if (!item->log_likelihood || !item->continuation_tokens || !item->is_greedy ||
        !copy_texts(prompt->contexts, prompt->n, &item->contexts, err))
        return false;
    if (prompt->continuations && !copy_texts(prompt->continuations, prompt->n, &item->continuations, err))
        return false;
    if (prompt->unconditional && !(item->unconditional = memory_array(n, sizeof *item->unconditional, "scores", err)))
        return false;
    if (prompt->target && !(item->target = strdup(prompt->target)))
        return error_set(err, ERROR_MACHINE, "out of memory for an item's texts");
    return true;
}

void answer_item_free(struct eval_item *item)
{
    for (int i = 0; i < item->n; i++) {
        if (item->contexts)
            free(item->contexts[i]);
        if (item->continuations)
            free(item->continuations[i]);
    }
    free(item->contexts);
    free(item->continuations);
    free(item->log_likelihood);
    free(item->unconditional);
    free(item->continuation_tokens);
    free(item->is_greedy);
    free(item->text);
    free(item->target);
    *item = (struct eval_item){0};
}

/* --- answers into items ------------------------------------------------------------------------------------------------------------------
 */

static bool answered(void *context, struct request *request, struct error *err)
{
    struct asking *a = context;
    struct asked *asked = &a->asked[request->item];
    struct eval_item *item = &a->result->items[request->item];
    a->result->inside_token += request->inside_token;
    if (request->missing) {
        snprintf(a->result->left_out, sizeof a->result->left_out, "%s", request->missing);
        return false;
    }
    if (--asked->left)
        return true;
    const struct request *r = &a->requests[asked->first];
    if (r->whole)
        item->context_tokens = r->n_context;
    switch (item->kind) {
    case EVAL_CHOICES:
    case EVAL_LIKELIHOOD:
        for (int i = 0; i < item->n; i++) {
            item->log_likelihood[i] = r[i].log_likelihood;
            item->is_greedy[i] = r[i].greedy;
            item->continuation_tokens[i] = r[i].n_continuation;
            if (item->unconditional)
                item->unconditional[i] = r[item->n + i].log_likelihood;
        }
        break;
    case EVAL_ROLLING:
        for (size_t i = 0; i < asked->n; i++) // in the windows' order, whatever order they were answered in
            item->log_likelihood[0] += r[i].log_likelihood;
        break;
    case EVAL_GENERATE:
        filter_mend(&request->text);
        filter_cut(&request->text, a->stops);
        if (!text_ok(&request->text, err))
            return false;
        item->text = request->text.bytes;
        request->text = (struct text){0};
        item->continuation_tokens[0] = request->generated;
    }
    item->answered = true;
    return !a->how->answered || a->how->answered(a->how->context, item, err);
}

static void progress(void *context, double done, double total)
{
    const struct asking *a = context;
    a->how->options->progress(a->how->options->context, done, total);
}

/* The task's stops, and the text of the token that ends a text. */
static bool find_stops(struct asking *a)
{
    int n = 0;
    size_t length = 0;
    const struct tokenizer *tokenizer = a->rules.tokenizer;
    const char *eos = tokenizer ? token_bytes(tokenizer, tokenizer_info(tokenizer).eos, &length) : NULL;
    while (a->how->rules->stops[n]) {
        a->stops[n] = a->how->rules->stops[n];
        n++;
    }
    if (eos && length) {
        if (!(a->eos_text = strndup(eos, length)))
            return error_set(a->err, ERROR_MACHINE, "out of memory for stop strings");
        a->stops[n] = a->eos_text;
    }
    return true;
}

static bool answer_by_engine(struct asking *a)
{
    const struct eval_options *given = a->how->options;
    struct schedule_counts counts = {0};
    struct schedule_options options = {.tokenizer = a->how->tokenizer,
                                       .max_rows = given->max_batch_rows,
                                       .alone = given->alone,
                                       .done = answered,
                                       .progress = given->progress ? progress : NULL,
                                       .context = a};
    bool ok = schedule_run(a->how->engine, a->requests, a->n_requests, &options, &counts, a->err);
    a->result->prompt_tokens += counts.alone_rows;
    a->result->distinct_tokens = given->alone ? -1 : counts.distinct_rows;
    a->result->computed_tokens += counts.computed_rows;
    return ok;
}

static bool answered_elsewhere(void *context, struct request *request, struct error *err)
{
    struct asking *a = context;
    int64_t before = request->n_context, scored = request->n_continuation;
    a->result->prompt_tokens += before > 0 ? before + (scored > 0 ? scored : 0) : 0;
    a->done++;
    if (a->how->options->progress)
        progress(a, a->done, (double)a->n_requests);
    return answered(a, request, err);
}

static bool answer_elsewhere(struct asking *a)
{
    size_t failed = 0;
    const struct eval_answerer *answerer = a->how->answerer;
    a->result->distinct_tokens = a->result->computed_tokens = -1;
    if (!a->n_requests || answerer->answer(answerer->self, a->requests, a->n_requests, answered_elsewhere, a, &failed, a->err))
        return true;
    return a->result->left_out[0] || error_prefix(a->err, "record %d", a->prompts[a->requests[failed].item].doc_index + 1);
}

/* Why who is asked can't do such a task; NULL: it can. */
static const char *cannot(const struct answering *how)
{
    if (!how->answerer || how->rules->kind == EVAL_GENERATE)
        return NULL;
    if (how->answerer->no_scores)
        return how->answerer->no_scores;
    return how->rules->kind == EVAL_ROLLING ? how->answerer->no_windows : NULL;
}

/* Tokens that a request may have; 0: not known. */
static int longest(const struct answering *how)
{
    if (how->engine)
        return engine_facts(how->engine).context_length;
    return how->rules->kind == EVAL_GENERATE ? how->answerer->max_length : how->answerer->score_length;
}

bool answer_prompts(const struct answering *how, const struct prompt *prompts, struct eval_result *result, struct error *err)
{
    int most = longest(how), wish = how->options->max_length;
    struct asking a = {.how = how,
                       .prompts = prompts,
                       .result = result,
                       .rules = {how->tokenizer, wish > 0 && (wish < most || !most) ? wish : most},
                       .err = err};
    const char *why = cannot(how);
    if (why) {
        snprintf(result->left_out, sizeof result->left_out, "%s", why);
        return true;
    }
    a.asked = memory_array((size_t)result->n, sizeof *a.asked, "items", err);
    bool ok = a.asked && find_stops(&a);
    for (int i = 0; ok && i < result->n; i++)
        ok = asking_add(&a, i);
    ok = ok && (how->engine ? answer_by_engine(&a) : answer_elsewhere(&a));
    if (!how->tokenizer || (how->answerer && how->answerer->writes_by_text && how->rules->kind == EVAL_GENERATE))
        result->text_tokens = -1;
    asking_free(&a);
    return ok;
}
