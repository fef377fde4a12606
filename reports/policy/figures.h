/* What the files that make a policy report's figures share. Private to them. */
#ifndef JEOUL_POLICY_FIGURES_H
#define JEOUL_POLICY_FIGURES_H

#include "reports/policy/evaluation.h"

struct policy {
    const struct scenario *scenario;
    struct measured measured[SCENARIO_MOST];
    struct result base, good, bad; // every input at its value; throughput, price and tariff at their favourable and at their other ends
    cJSON *root;
    struct error *err;
};

/* Null for NaN, infinity and NULL. put_interval sorts its ends. */
void put_number(cJSON *object, const char *key, double value);
void put_text(cJSON *object, const char *key, const char *value);
void put_interval(cJSON *object, const char *key, double value, double one_end, double other_end);

/* Everything that the report rests on, a row each (inputs.c). */
void policy_add_inputs(struct policy *policy);

/* The scenario with something else in it: levers one at a time, credits, tariffs, models; APIs to buy from and the prices at which the
 * ranking flips (alternatives.c). */
bool policy_add_alternatives(struct policy *policy) MUST_CHECK;

#endif
