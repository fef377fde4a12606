/* Pairs of models whose accuracy is compared item by item: experts against their dense twin, a student against itself without a teacher.
 * Private to reports. */
#ifndef JEOUL_MODEL_PAIRS_H
#define JEOUL_MODEL_PAIRS_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* Adds "pairs" to a run's figures, an element for each of its "compare":
 *
 *     "what", "model", "against"
 *     "rows": for each set (the tasks' group without its language) and, with more than one, for all ("set": null): "n", "a" (against),
 *             "b" (model), "difference" (b − a, paired bootstrap), "only_model_right", "only_against_right", "mcnemar_p"
 *     "reason": why there are no rows, else null
 *
 * and "weighed", an element for each model of a pair that answered something: "model", "name", "quantisation", "active_bytes" (null of an
 * endpoint), "n", "acc" (Wilson's interval, over all its items), "krw_per_1000_correct" (from "cost"; null with a reason). ERROR_INPUT: a
 * "right" that is no text of 0 and 1. */
bool model_pairs_derive(const cJSON *run, cJSON *figures, struct error *err) MUST_CHECK;

#endif
