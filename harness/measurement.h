/* Measurements as cells give them: a value, or null with a reason. docs/run-document.md lists them. */
#ifndef JEOUL_MEASUREMENT_H
#define JEOUL_MEASUREMENT_H

#include <cjson/cJSON.h>

/* {} or {key: value}; key NULL: {}. */
cJSON *measurement_labels(const char *key, const char *value);

/* Appends one; `labels` goes with it. A reason instead of a value where there is none. */
void measurement_add(cJSON *measurements, const char *metric, const char *unit, double value, const char *reason, cJSON *labels);

#endif
