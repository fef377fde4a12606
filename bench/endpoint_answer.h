/* Answers of OpenAI-compatible servers, read. Private to bench. */
#ifndef JEOUL_BENCH_ENDPOINT_ANSWER_H
#define JEOUL_BENCH_ENDPOINT_ANSWER_H

#include "bench/endpoint_place.h"

/* Finds the log-probabilities of an echoed prompt. ERROR_INPUT says what is missing or doesn't fit: it is what a server that doesn't score
 * is told by. */
bool echoed_read(const cJSON *answer, const struct endpoint_question *question, struct echoed *out, struct error *err) MUST_CHECK;

/* Sums what is scored into the question. */
bool echoed_score(const struct endpoint *endpoint, const struct echoed *echoed, struct endpoint_question *question,
                  struct error *err) MUST_CHECK;

/* The likeliest token that an answer names for element i, and how likely it is: NULL where it names none. */
const char *echoed_best(const struct echoed *echoed, int i, double *value);

/* The text that was written, by completions or chat. */
bool written_read(const cJSON *answer, bool chat, struct endpoint_question *question, struct error *err) MUST_CHECK;

/* The server's own words for an answer that isn't 200, at most n − 1 bytes of them, on one line; "" when there are none. */
void server_words(const struct text *answer, char *out, size_t n);

#endif
