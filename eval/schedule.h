/* Requests answered together: prefixes computed once, steps filled with rows whatever request they are of. Private to eval. */
#ifndef JEOUL_EVAL_SCHEDULE_H
#define JEOUL_EVAL_SCHEDULE_H

#include "eval/request.h"

struct schedule_options {
    const struct tokenizer *tokenizer; // for what GENERATE requests write; NULL when there are none
    int max_rows;                      // of a step; 0: as the engine was opened
    bool alone;                        // one request after the other, each from its first token on: what sharing is compared with
    /* Called once for each request when it is answered, in any order; false stops with err. May be NULL. */
    bool (*done)(void *context, struct request *request, struct error *err);
    void (*progress)(void *context, double done_rows, double total_rows); // may be NULL
    void *context;
};

struct schedule_counts {
    int64_t alone_rows;    // rows that all requests would take, each on its own
    int64_t distinct_rows; // as many of them as have different beginnings: sharing can't leave fewer. Not with `alone`
    int64_t computed_rows; // rows that were computed
};

/* Answers n requests. No answer depends on the others, on their order, or on the options. A request that the engine's cache can't hold is
 * ERROR_INPUT. `counts` is added to. */
bool schedule_run(struct engine *engine, struct request *requests, size_t n, const struct schedule_options *options,
                  struct schedule_counts *counts, struct error *err) MUST_CHECK;

#endif
