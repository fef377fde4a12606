/* Where the tokens of a prompt lie in an answer that echoes it. Private to bench. */
#ifndef JEOUL_BENCH_ENDPOINT_PLACE_H
#define JEOUL_BENCH_ENDPOINT_PLACE_H

#include "bench/endpoint_inside.h"

/* The max_tokens of a scored prompt, and how many are written at most. Not 0: to some servers that means "without limit"
 * (llama-cpp-python), some refuse it, and those that take it want the room for a token all the same (vLLM). llama-cpp-python goes on until
 * a character that began is whole, and the longest has four bytes. */
enum { ECHO_ASKS = 1, ECHO_WRITES = 4 };

/* The answer to a scored prompt, as arrays of one element a token: the prompt's, perhaps without a token that the server put before it, and
 * behind them perhaps those that were written. */
struct echoed {
    const cJSON *values, *tokens, *offsets, *tops; // borrowed; offsets NULL: the server sends none
    const char *text;                              // the echo; NULL: the server sends none
    int n;                                         // elements
    int told;                                      // tokens of the prompt as the server counts them; −1: it doesn't tell
};

/* Elements first … end − 1 are what is scored. */
struct place {
    int first, end;
    int hidden;  // tokens before the first element, which the server counts and doesn't list
    bool inside; // the first one begins before what is scored
    bool unsure; // whether the first token of a text that is scored from its beginning is among them can't be said
};

/* By the numbers of the question's ids, else by text offsets. ERROR_INPUT where the answer doesn't fit the question. */
bool place_find(const struct endpoint *endpoint, const struct echoed *echoed, const struct endpoint_question *question, struct place *out,
                struct error *err) MUST_CHECK;

/* A token's string; "" where there is none. */
const char *echoed_token(const struct echoed *echoed, int i);

#endif
