/* Prompts made into requests, by tokens or by texts. Private to answer.c and its neighbours. */
#ifndef JEOUL_EVAL_ASKING_H
#define JEOUL_EVAL_ASKING_H

#include "eval/answer.h"
#include "eval/request.h"

/* The tokens, or the joined texts, of a prompt, and its requests among all. */
struct asked {
    struct token_list context, *parts; // parts: continuations, or the other contexts; [n_parts]
    int n_parts;
    struct text *texts; // [n_texts]; contexts and continuations joined
    int n_texts;
    size_t first, n, left; // requests
};

struct asking {
    const struct answering *how;
    const struct prompt *prompts;
    struct eval_result *result;
    struct request_rules rules; // tokenizer NULL: asked by texts
    struct asked *asked;        // [n]
    struct request *requests;
    size_t n_requests, capacity;
    const char *stops[34];
    char *eos_text;
    double done; // requests that somebody else has answered
    struct error *err;
};

/* Makes the requests of an item that isn't answered, and counts its texts. */
bool asking_add(struct asking *a, int item) MUST_CHECK;

/* A new request of an item; NULL when memory runs out. Requests move with each. */
struct request *asking_request(struct asking *a, int item);

/* The requests of an item by texts. Not of rolling windows, which are cut by tokens. */
bool asking_add_texts(struct asking *a, int item) MUST_CHECK;

void asking_count_text(struct asking *a, const char *text, size_t tokens);

void asking_free(struct asking *a);

#endif
