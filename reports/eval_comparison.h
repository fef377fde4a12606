/* Two evaluations of the same items, and the gap between Korean and English in one: from the lines that `jeoul eval --samples` writes. */
#ifndef JEOUL_EVAL_COMPARISON_H
#define JEOUL_EVAL_COMPARISON_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* a and b: arrays of sample lines. Items are matched by task and record; those of one side alone are counted. An object:
 *
 *     "items", "only_a", "only_b"
 *     "rows": for each score, by task, by language and over all ("task", "language" or neither): "score", "n", "a", "b",
 *             "difference": {"value", "low", "high"} (b − a, paired bootstrap), "only_a_right", "only_b_right", "mcnemar_p" (null, with
 *             "mcnemar_reason", where the score is no right or wrong)
 *     "flipped": items that one has right and the other wrong: "task", "language", "doc_index", "score", "a", "b"
 *     "gaps_a", "gaps_b": as eval_gaps
 *
 * ERROR_INPUT: a line is no sample, an item stands twice, the same record was asked in other words, or no item is in both. */
cJSON *eval_comparison(const cJSON *a, const cJSON *b, struct error *err) MUST_CHECK;

/* Korean less English where the samples have a set in both languages: "ko", "en", "score", "n_ko", "n_en", "paired" (the same items in
 * both), "difference" (paired bootstrap, else Newcombe's). An empty array where they have none. */
cJSON *eval_gaps(const cJSON *samples, struct error *err) MUST_CHECK;

#endif
