/* Prompts into requests by texts, for an answerer whose tokenizer isn't known here: see asking.h. Context and continuation are sent as one
 * text; white space at the context's end belongs to what follows, as where they are tokens. */
#include "eval/asking.h"

#include "base/memory.h"

#include <string.h>

static bool add_score(struct asking *a, int item, const char *context, const char *continuation, struct text *whole)
{
    size_t n = strlen(context);
    text_add_string(whole, context);
    text_add_string(whole, continuation);
    struct request *r = text_ok(whole, a->err) ? asking_request(a, item) : NULL;
    if (!r)
        return false;
    r->kind = REQUEST_SCORE;
    r->whole = whole->bytes;
    r->whole_context = n - request_trailing_space(context, n);
    return true;
}

static bool add_scores(struct asking *a, int item)
{
    const struct prompt *p = &a->prompts[item];
    struct asked *asked = &a->asked[item];
    int n = p->unconditional ? 2 * p->n : p->n;
    if (!(asked->texts = memory_array((size_t)n, sizeof *asked->texts, "texts", a->err)))
        return false;
    asked->n_texts = n;
    for (int i = 0; i < p->n; i++) {
        if (i == 0 || strcmp(p->contexts[i], p->contexts[0]) != 0)
            asking_count_text(a, p->contexts[i], 0);
        asking_count_text(a, p->continuations[i], 0);
        if (!add_score(a, item, p->contexts[i], p->continuations[i], &asked->texts[i]))
            return false;
    }
    for (int i = p->n; i < n; i++)
        if (!add_score(a, item, "", p->continuations[i - p->n], &asked->texts[i]))
            return false;
    return true;
}

bool asking_add_texts(struct asking *a, int item)
{
    const struct prompt *p = &a->prompts[item];
    if (p->kind != EVAL_GENERATE)
        return add_scores(a, item);
    struct request *r = asking_request(a, item);
    if (!r)
        return false;
    r->kind = REQUEST_GENERATE;
    r->whole = p->contexts[0];
    r->whole_context = strlen(r->whole);
    r->max_tokens = a->how->rules->max_tokens;
    r->stops = a->stops;
    asking_count_text(a, r->whole, 0);
    return true;
}
