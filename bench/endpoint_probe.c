/* What a server offers, found by texts whose answers are checked as strictly as every later one.
 *
 * They are one text that ends in six ways: what was foretold at its last token can't depend on that token. That finds servers whose values
 * are one token late, beside the token that they were computed after (nothing else about such an answer is wrong), and those that don't
 * name the likeliest token. */
#include "bench/endpoint_answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ENDINGS = 6 };

/* Two scripts, digits and a line end: where tokenizers differ. */
#define PROBE_TEXT "저울은 무게를 12번 잽니다.\nThe scales weigh 12 times"
static const char *const texts[ENDINGS] = {PROBE_TEXT ".", PROBE_TEXT "?", PROBE_TEXT "!", PROBE_TEXT ",", PROBE_TEXT ":", PROBE_TEXT ";"};

struct probed {
    cJSON *answer; // that fits the question, or NULL and why
    struct echoed echoed;
    char why[1024];
};

struct probing {
    struct asking asking;
    struct probed probed[ENDINGS];
};

static bool probing_body(void *context, size_t i, struct text *out, struct error *err)
{
    return asking_body(&((struct probing *)context)->asking, i, out, err);
}

/* That the server won't or can't is an answer here, with its reason. */
static enum posts_verdict take_probed(void *context, size_t i, const struct posts_answer *answer, struct error *err)
{
    struct probing *probing = context;
    struct probed *probed = &probing->probed[i];
    struct endpoint *e = probing->asking.endpoint;
    struct endpoint_question *q = &probing->asking.questions[i];
    struct error why = {0};
    enum posts_verdict verdict;
    cJSON *document = endpoint_read(answer, &verdict, &why);
    if (!document && verdict == POSTS_AGAIN) {
        *err = why;
        return verdict;
    }
    if (document && echoed_read(document, q, &probed->echoed, &why) && echoed_score(e, &probed->echoed, q, &why) && !q->missing) {
        probed->answer = document;
        return POSTS_TAKEN;
    }
    if (document && !q->missing)
        error_prefix(&why, "%s", answer->shown);
    snprintf(probed->why, sizeof probed->why, "%s", q->missing ? q->missing : why.message);
    cJSON_Delete(document);
    return POSTS_TAKEN;
}

static void forget(struct probing *probing)
{
    for (int i = 0; i < ENDINGS; i++)
        cJSON_Delete(probing->probed[i].answer);
}

/* The first n texts; the first reason why an answer doesn't fit is kept. */
static bool ask_texts(struct endpoint *e, struct endpoint_question *questions, int n, struct probing *probing, struct error *err)
{
    *probing = (struct probing){.asking = {.endpoint = e, .questions = questions}};
    struct posts_work work = {.n = (size_t)n, .body = probing_body, .take = take_probed, .context = probing};
    bool ok = endpoint_post(e, "completions", &work, true, NULL, err);
    e->scores = ok;
    for (int i = 0; ok && i < n; i++) {
        if (questions[i].foreign)
            ok = error_set(err, ERROR_INPUT, "%s: our token ids are another text to the server: %s is not its own", e->base,
                           e->options.names.tokenizer);
        if (e->scores && !probing->probed[i].answer)
            snprintf(e->no_scores, sizeof e->no_scores, "%s", probing->probed[i].why);
        e->scores = e->scores && probing->probed[i].answer;
    }
    return ok;
}

/* Where two answers' tokens part; −1: one is the other's beginning, or they have no token in common. */
static int part_at(const struct echoed *a, const struct echoed *b)
{
    int i = 0;
    while (i < a->n && i < b->n && strcmp(echoed_token(a, i), echoed_token(b, i)) == 0)
        i++;
    return i > 0 && i < a->n && i < b->n ? i : -1;
}

/* The likeliest token is the same, about as likely; two that are as likely may change places by the server's rounding. */
static bool foretells_alike(const struct echoed *a, const struct echoed *b, int i)
{
    double value_a = 0, value_b = 0;
    const char *best_a = echoed_best(a, i, &value_a), *best_b = echoed_best(b, i, &value_b);
    return best_a && best_b && fabs(value_a - value_b) <= (strcmp(best_a, best_b) == 0 ? 0.5 : 0.15);
}

/* Whether what stands beside a token depends on that token. */
static bool is_late(const struct probing *probing)
{
    for (int i = 1; i < ENDINGS; i++) {
        const struct echoed *first = &probing->probed[0].echoed, *other = &probing->probed[i].echoed;
        int at = part_at(first, other);
        if (at >= 0 && !foretells_alike(first, other, at))
            return true;
    }
    return false;
}

/* One text shows whether there is anything to find. */
static bool probe(struct endpoint *e, struct endpoint_question questions[ENDINGS], struct error *err)
{
    struct probing probing;
    bool ok = ask_texts(e, questions, 1, &probing, err);
    forget(&probing);
    if (!ok || !e->scores)
        return ok;
    ok = ask_texts(e, questions, ENDINGS, &probing, err);
    if (ok && e->scores && is_late(&probing)) {
        e->scores = false;
        snprintf(e->no_scores, sizeof e->no_scores,
                 "%s: what the server says beside a token depends on that token: its log-probabilities are one token late, or its "
                 "top_logprobs name no likelier one",
                 e->base);
    }
    forget(&probing);
    return ok;
}

/* By text, from its middle on; by ids, where the server takes them, adds none, and reads them as the text that they are here. */
bool endpoint_probe(struct endpoint *e, struct error *err)
{
    struct endpoint_question questions[ENDINGS] = {0};
    struct token_list lists[ENDINGS] = {0};
    bool ok = true;
    for (int i = 0; ok && i < ENDINGS; i++) {
        struct token_list *list = &lists[i];
        questions[i] = (struct endpoint_question){.kind = ENDPOINT_SCORE, .text = texts[i], .from = sizeof "저울은" - 1};
        if (!e->options.tokenizer)
            continue;
        ok = tokenize(e->options.tokenizer, texts[i], strlen(texts[i]), 0, list, err);
        questions[i] = (struct endpoint_question){
            .kind = ENDPOINT_SCORE, .ids = {list->ids, list->ids + 1}, .n_ids = {1, (int)list->count - 1}, .echo = texts[i]};
    }
    ok = ok && probe(e, questions, err);
    for (int i = 0; i < ENDINGS; i++)
        token_list_free(&lists[i]);
    return ok;
}
