/* Prompts answered by the engine: each becomes requests, all requests go through one schedule, and an item is done with its last one. */
#include "eval/answer.h"

#include "base/memory.h"
#include "eval/request.h"
#include "eval/schedule.h"

#include <stdlib.h>
#include <string.h>

/* The tokens of a prompt, and its requests among all. */
struct asked {
    struct token_list context, *parts; // parts: continuations, or the other contexts; [n_parts]
    int n_parts;
    size_t first, n, left; // requests
};

struct asking {
    const struct answering *how;
    const struct prompt *prompts;
    struct eval_result *result;
    struct request_rules rules;
    struct asked *asked; // [n]
    struct request *requests;
    size_t n_requests, capacity;
    const char *stops[34];
    char *eos_text;
    struct error *err;
};

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

/* --- prompts into requests
 * ----------------------------------------------------------------------------------------------------------------
 */

static struct request *add_request(struct asking *a, int item)
{
    if (!memory_grow((void **)&a->requests, &a->capacity, a->n_requests + 1, sizeof *a->requests, "requests", a->err))
        return NULL;
    struct request *r = &a->requests[a->n_requests++];
    *r = (struct request){.item = item};
    a->asked[item].n++;
    return r;
}

static void count_text(struct asking *a, const char *text, size_t tokens)
{
    a->result->text_tokens += (int64_t)tokens;
    a->result->text_characters += (int64_t)utf8_length(text, strlen(text));
}

static size_t without_bos(const struct asking *a, const struct token_list *list)
{
    return list->count - (list->count && list->ids[0] == tokenizer_info(a->rules.tokenizer).bos);
}

/* A continuation behind a context whose tokens are there. */
static bool ask_pair(struct asking *a, int item, const char *context_text, const struct token_list *context, const char *text,
                     struct token_list *continuation)
{
    int n_context;
    if (!request_continuation(&a->rules, context_text, context->count, text, continuation, &n_context, a->err))
        return false;
    struct request *r = add_request(a, item);
    if (!r)
        return false;
    r->kind = REQUEST_SCORE;
    r->context = context->ids + context->count - n_context;
    r->n_context = n_context;
    r->continuation = continuation->ids;
    r->n_continuation = (int)continuation->count;
    return true;
}

static bool ask_pairs(struct asking *a, int item)
{
    const struct prompt *p = &a->prompts[item];
    struct asked *asked = &a->asked[item];
    struct eval_item *out = &a->result->items[item];
    /* one continuation each, then the other contexts (or none), then the empty context and the continuations behind it */
    int most = 2 * p->n + (p->unconditional ? p->n + 1 : 0);
    if (!(asked->parts = memory_array((size_t)most, sizeof *asked->parts, "tokens", a->err)))
        return false;
    asked->n_parts = most;
    if (!request_context(&a->rules, p->contexts[0], &asked->context, a->err))
        return false;
    count_text(a, p->contexts[0], without_bos(a, &asked->context));
    for (int i = 0; i < p->n; i++) {
        struct token_list *context = &asked->context, *continuation = &asked->parts[i];
        if (i && strcmp(p->contexts[i], p->contexts[0]) != 0) {
            context = &asked->parts[p->n + i];
            if (!request_context(&a->rules, p->contexts[i], context, a->err))
                return false;
            count_text(a, p->contexts[i], without_bos(a, context));
        }
        if (!ask_pair(a, item, p->contexts[i], context, p->continuations[i], continuation))
            return false;
        out->continuation_tokens[i] = (int)continuation->count;
        count_text(a, p->continuations[i], continuation->count);
    }
    out->context_tokens = (int)asked->context.count;
    if (!p->unconditional)
        return true;
    struct token_list *nothing = &asked->parts[3 * p->n];
    if (!request_context(&a->rules, "", nothing, a->err))
        return false;
    for (int i = 0; i < p->n; i++)
        if (!ask_pair(a, item, "", nothing, p->continuations[i], &asked->parts[2 * p->n + i]))
            return false;
    return true;
}

static bool ask_rolling(struct asking *a, int item)
{
    struct asked *asked = &a->asked[item];
    const char *text = a->prompts[item].continuations[0];
    if (!request_whole(&a->rules, text, &asked->context, a->err))
        return false;
    const int32_t *ids = asked->context.ids;
    size_t n = asked->context.count - 1, windows = request_windows(n, (size_t)a->rules.max_length, NULL);
    struct rolling_window *window = memory_array(windows, sizeof *window, "windows", a->err);
    if (!window)
        return false;
    request_windows(n, (size_t)a->rules.max_length, window);
    for (size_t w = 0; w < windows; w++) {
        struct request *r = add_request(a, item);
        if (!r) {
            free(window);
            return false;
        }
        r->kind = REQUEST_SCORE;
        r->context = ids + window[w].first - window[w].context;
        r->n_context = (int)window[w].context;
        r->continuation = ids + window[w].first;
        r->n_continuation = (int)window[w].count;
    }
    free(window);
    a->result->items[item].continuation_tokens[0] = (int)n;
    count_text(a, text, n);
    return true;
}

static bool ask_text(struct asking *a, int item)
{
    struct asked *asked = &a->asked[item];
    const char *text = a->prompts[item].contexts[0];
    int max_tokens = a->how->rules->max_tokens;
    if (!request_prompt(&a->rules, text, max_tokens, &asked->context, a->err))
        return false;
    struct request *r = add_request(a, item);
    if (!r)
        return false;
    r->kind = REQUEST_GENERATE;
    r->context = asked->context.ids;
    r->n_context = (int)asked->context.count;
    r->max_tokens = max_tokens;
    r->stops = a->stops;
    a->result->items[item].context_tokens = r->n_context;
    count_text(a, text, without_bos(a, &asked->context));
    return true;
}

static bool ask(struct asking *a, int item)
{
    static bool (*const by_kind[])(struct asking *, int) = {
        [EVAL_CHOICES] = ask_pairs, [EVAL_LIKELIHOOD] = ask_pairs, [EVAL_ROLLING] = ask_rolling, [EVAL_GENERATE] = ask_text};
    struct asked *asked = &a->asked[item];
    asked->first = a->n_requests;
    if (!by_kind[a->prompts[item].kind](a, item))
        return error_prefix(a->err, "record %d", a->prompts[item].doc_index + 1);
    if (a->result->items[item].answered) { // only its text was to be counted
        a->n_requests = asked->first;
        asked->n = 0;
    }
    asked->left = asked->n;
    if (!asked->n && !a->result->items[item].answered) { // an empty text: nothing to ask
        a->result->items[item].answered = true;
        return !a->how->answered || a->how->answered(a->how->context, &a->result->items[item], a->err);
    }
    return true;
}

/* --- answers into items ------------------------------------------------------------------------------------------------------------------
 */

static bool answered(void *context, struct request *request, struct error *err)
{
    struct asking *a = context;
    struct asked *asked = &a->asked[request->item];
    struct eval_item *item = &a->result->items[request->item];
    if (--asked->left)
        return true;
    const struct request *r = &a->requests[asked->first];
    switch (item->kind) {
    case EVAL_CHOICES:
    case EVAL_LIKELIHOOD:
        for (int i = 0; i < item->n; i++) {
            item->log_likelihood[i] = r[i].log_likelihood;
            item->is_greedy[i] = r[i].greedy;
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
    const char *eos = token_bytes(a->rules.tokenizer, tokenizer_info(a->rules.tokenizer).eos, &length);
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

bool answer_prompts(const struct answering *how, const struct prompt *prompts, struct eval_result *result, struct error *err)
{
    struct engine_facts facts = engine_facts(how->engine);
    struct schedule_counts counts = {0};
    int length = how->options->max_length;
    struct asking a = {.how = how,
                       .prompts = prompts,
                       .result = result,
                       .rules = {how->tokenizer, length > 0 && length < facts.context_length ? length : facts.context_length},
                       .err = err};
    struct schedule_options options = {.tokenizer = how->tokenizer,
                                       .max_rows = how->options->max_batch_rows,
                                       .alone = how->options->alone,
                                       .done = answered,
                                       .progress = how->options->progress ? progress : NULL,
                                       .context = &a};
    a.asked = memory_array((size_t)result->n, sizeof *a.asked, "items", err);
    bool ok = a.asked && find_stops(&a);
    for (int i = 0; ok && i < result->n; i++)
        ok = ask(&a, i);
    ok = ok && schedule_run(how->engine, a.requests, a.n_requests, &options, &counts, err);
    result->prompt_tokens += counts.alone_rows;
    result->computed_tokens += counts.computed_rows;
    for (size_t i = 0; i < a.n_requests; i++)
        text_free(&a.requests[i].text);
    for (int i = 0; a.asked && i < result->n; i++) {
        token_list_free(&a.asked[i].context);
        for (int k = 0; k < a.asked[i].n_parts; k++)
            token_list_free(&a.asked[i].parts[k]);
        free(a.asked[i].parts);
    }
    free(a.asked);
    free(a.requests);
    free(a.eos_text);
    return ok;
}
