/* Comparison: which system for the money. Options side by side, from runs of one or several stores. docs/compare.md has the formulas.
 *
 * An option is a configuration of a run in which decode was measured: run × model × batch × threads × KV type. The first is the reference
 * that ratios and break-even prices refer to. */
#ifndef JEOUL_COMPARISON_H
#define JEOUL_COMPARISON_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* What has to be served, from a file of schema jeoul/demand/1. */
struct demand {
    double input_tokens_per_day, output_tokens_per_day;
    double utilisation; // the share of a day in which a machine may work, 0 < u ≤ 1
};
bool demand_read(const char *path, struct demand *out, struct error *err) MUST_CHECK;

/* runs: run documents; prices: a price book's path; demand: NULL for none. Schema jeoul/comparison/1. Values that cannot be had are null
 * with a reason beside them. Fails where nothing can be compared. */
cJSON *comparison_figures(const cJSON *runs, const char *prices, const struct demand *demand, struct error *err) MUST_CHECK;

/* Writes compare.json, compare.ko.html and compare.en.html into the directory, which is made when missing. */
bool comparison_write(const cJSON *figures, const char *directory, struct error *err) MUST_CHECK;

/* Whether two options are of the same weights: the same name, quantisation and size of the file. */
bool comparison_same_model(const cJSON *a, const cJSON *b);

#endif
