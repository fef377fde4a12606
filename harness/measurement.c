/* Measurements: see measurement.h. */
#include "harness/measurement.h"

#include <math.h>

cJSON *measurement_labels(const char *key, const char *value)
{
    cJSON *labels = cJSON_CreateObject();
    if (key)
        cJSON_AddStringToObject(labels, key, value);
    return labels;
}

void measurement_add(cJSON *measurements, const char *metric, const char *unit, double value, const char *reason, cJSON *labels)
{
    cJSON *m = cJSON_CreateObject();
    reason = reason ? reason : isfinite(value) ? NULL : "not a number";
    cJSON_AddStringToObject(m, "metric", metric);
    cJSON_AddStringToObject(m, "unit", unit);
    cJSON_AddItemToObject(m, "value", reason ? cJSON_CreateNull() : cJSON_CreateNumber(value));
    cJSON_AddItemToObject(m, "reason", reason ? cJSON_CreateString(reason) : cJSON_CreateNull());
    cJSON_AddItemToObject(m, "labels", labels);
    cJSON_AddItemToArray(measurements, m);
}
