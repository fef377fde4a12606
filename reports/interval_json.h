/* An interval as every document of ours writes it: {"value", "low", "high"}. */
#ifndef JEOUL_REPORTS_INTERVAL_JSON_H
#define JEOUL_REPORTS_INTERVAL_JSON_H

#include "reports/statistics.h"

#include <cjson/cJSON.h>

cJSON *interval_json(struct interval interval); // the caller's

#endif
