/* Policy: what a scenario of accelerators would serve, draw and cost. docs/policy.md has the formulas and the schema of a scenario.
 *
 * A figure is measured (a run), a fact (the catalogue, dated), projected (a formula) or assumed (the scenario), and says which. */
#ifndef JEOUL_POLICY_H
#define JEOUL_POLICY_H

#include "reports/policy/scenario.h"
#include "reports/reports.h"

/* fleet_runs: for each fleet of the scenario the run document that it names, or null; runs: documents of measured runs to be shown beside
 * the projections. Schema jeoul/policy-figures/1. NULL on failure; free with cJSON_Delete. */
cJSON *policy_figures(const struct scenario *scenario, const cJSON *fleet_runs, const cJSON *runs, const char *prices,
                      struct error *err) MUST_CHECK;

/* Writes policy.json and the pages policy.ko.html and policy.en.html, or one of them, into the directory, which is made when missing. */
bool policy_write(const cJSON *figures, const char *directory, bool korean, bool english, struct error *err) MUST_CHECK;

#endif
