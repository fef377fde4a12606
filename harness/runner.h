/* Carrying out a plan, cell by cell, into a store. What was done is kept: a run that was interrupted, by SIGKILL too, goes on where it
 * stopped. */
#ifndef JEOUL_RUNNER_H
#define JEOUL_RUNNER_H

#include "harness/plan.h"

struct store;

struct runner {
    struct plan plan;
    struct store *store;
    cJSON *system; // as system_describe gives it
    const char *directory;
    char **model_paths; // [n_models]; NULL of an endpoint's
    /* Of the run that comes next: */
    const char *rerun_of;                                // the run whose suspects it measures again; NULL: an ordinary run
    bool (*wanted)(const void *context, const char *id); // which cells it has; NULL: all
    const void *context;
    /* Of the last run: */
    char run_id[40];
    int failed; // cells
};

/* Reads the plan, makes the directory and the models that are missing, opens the store (NULL: DIR/jeoul.db). Close it in any case. */
bool runner_open(struct runner *runner, const char *plan, const char *directory, const char *store, struct error *err) MUST_CHECK;
void runner_close(struct runner *runner);

/* Continues the unfinished run of this plan on this machine, or begins one, and finishes it. A failed cell is counted and is no failure. */
bool runner_run(struct runner *runner, struct error *err) MUST_CHECK;

/* The path of the plan's price book. */
bool runner_prices(const struct runner *runner, char *out, size_t n, struct error *err) MUST_CHECK;

#endif
