/* What an eval cell does: tasks, answered by the engine or by a server, as measurements. */
#ifndef JEOUL_CELL_EVAL_H
#define JEOUL_CELL_EVAL_H

#include "harness/open.h"
#include "harness/remote.h"

#include <cjson/cJSON.h>

/* Who answers: one of the two. */
struct cell_answerer {
    struct opened *opened; // with its engine
    struct remote *remote;
};

/* Runs the tasks of a cell's configuration ("tasks", "limit", "data"). Into the result: "tasks", "measurements", and "expert_load" of a
 * model with experts. A task that a server can't do is a measurement of null with its reason. */
bool cell_eval(const struct cell_answerer *by, const cJSON *config, cJSON *result, struct error *err) MUST_CHECK;

#endif
