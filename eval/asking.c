/* Prompts into requests, by tokens: see asking.h. */
#include "eval/asking.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct request *asking_request(struct asking *a, int item)
{
    if (!memory_grow((void **)&a->requests, &a->capacity, a->n_requests + 1, sizeof *a->requests, "requests", a->err))
        return NULL;
    struct request *r = &a->requests[a->n_requests++];
    *r = (struct request){.item = item};
    a->asked[item].n++;
    return r;
}

void asking_count_text(struct asking *a, const char *text, size_t tokens)
{
    size_t n = strlen(text);
    a->result->text_tokens += (int64_t)tokens;
    a->result->text_characters += (int64_t)utf8_length(text, n);
    a->result->text_words += (int64_t)utf8_words(text, n);
    a->result->text_bytes += (int64_t)n;
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
    struct request *r = asking_request(a, item);
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
    asking_count_text(a, p->contexts[0], without_bos(a, &asked->context));
    for (int i = 0; i < p->n; i++) {
        struct token_list *context = &asked->context, *continuation = &asked->parts[i];
        if (i && strcmp(p->contexts[i], p->contexts[0]) != 0) {
            context = &asked->parts[p->n + i];
            if (!request_context(&a->rules, p->contexts[i], context, a->err))
                return false;
            asking_count_text(a, p->contexts[i], without_bos(a, context));
        }
        if (!ask_pair(a, item, p->contexts[i], context, p->continuations[i], continuation))
            return false;
        out->continuation_tokens[i] = (int)continuation->count;
        asking_count_text(a, p->continuations[i], continuation->count);
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
        struct request *r = asking_request(a, item);
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
    asking_count_text(a, text, n);
    return true;
}

static bool ask_text(struct asking *a, int item)
{
    struct asked *asked = &a->asked[item];
    const char *text = a->prompts[item].contexts[0];
    int max_tokens = a->how->rules->max_tokens;
    if (!request_prompt(&a->rules, text, max_tokens, &asked->context, a->err))
        return false;
    struct request *r = asking_request(a, item);
    if (!r)
        return false;
    r->kind = REQUEST_GENERATE;
    r->context = asked->context.ids;
    r->n_context = (int)asked->context.count;
    r->max_tokens = max_tokens;
    r->stops = a->stops;
    a->result->items[item].context_tokens = r->n_context;
    asking_count_text(a, text, without_bos(a, &asked->context));
    return true;
}

bool asking_add(struct asking *a, int item)
{
    static bool (*const by_kind[])(struct asking *, int) = {
        [EVAL_CHOICES] = ask_pairs, [EVAL_LIKELIHOOD] = ask_pairs, [EVAL_ROLLING] = ask_rolling, [EVAL_GENERATE] = ask_text};
    struct asked *asked = &a->asked[item];
    const struct eval_answerer *answerer = a->how->answerer;
    bool by_text = !a->rules.tokenizer || (answerer && answerer->writes_by_text && a->prompts[item].kind == EVAL_GENERATE);
    asked->first = a->n_requests;
    if (by_text ? !asking_add_texts(a, item) : !by_kind[a->prompts[item].kind](a, item))
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

void asking_free(struct asking *a)
{
    for (size_t i = 0; i < a->n_requests; i++)
        text_free(&a->requests[i].text);
    for (int i = 0; a->asked && i < a->result->n; i++) {
        struct asked *asked = &a->asked[i];
        token_list_free(&asked->context);
        for (int k = 0; k < asked->n_parts; k++)
            token_list_free(&asked->parts[k]);
        for (int k = 0; k < asked->n_texts; k++)
            text_free(&asked->texts[k]);
        free(asked->parts);
        free(asked->texts);
    }
    free(a->asked);
    free(a->requests);
    free(a->eos_text);
}
