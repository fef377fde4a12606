/* Expert load of a run, from what its eval cells counted. Private to reports. */
#ifndef JEOUL_REPORTS_EXPERT_LOAD_H
#define JEOUL_REPORTS_EXPERT_LOAD_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* Adds "expert_load" to the figures: for each MoE model that was evaluated
 *     {"model", "experts", "languages": [{"language", "routed", "imbalance", "entropy"}],
 *      "layers": [{"layer", "ko": [experts], "en": [experts], "bits", "expected_bits", "p95_bits"}]}
 * Counts are summed over the model's cells; "routed" is a layer's sum (tokens × experts that each takes), imbalance (greatest ÷ mean) and
 * entropy (÷ log2 experts) are means over layers. A language that was not evaluated has no member in a layer, and bits are null without
 * both. ERROR_INPUT where a document from outside has loads that don't fit together. */
bool expert_load_derive(const cJSON *run, cJSON *figures, struct error *err) MUST_CHECK;

#endif
