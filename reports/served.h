/* Servers under load, from a run's load cells. Private to reports. */
#ifndef JEOUL_REPORTS_SERVED_H
#define JEOUL_REPORTS_SERVED_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* Adds "served" to the figures, a row for each model and configuration:
 *     {"model", "words", "generate", "concurrency", "requests", "repeats", "requests_per_s", "input_tok_per_s", "output_tok_per_s",
 * "ttft_ns", "ttft_p90_ns", "tpot_ns", "e2el_ns"} each of the figures the median of the repeats with its bootstrap interval, {"value",
 * "low", "high"}, or null with KEY_reason. */
bool served_derive(const cJSON *run, cJSON *figures, struct error *err) MUST_CHECK;

#endif
