/* Intervals as JSON: see interval_json.h. */
#include "reports/interval_json.h"

cJSON *interval_json(struct interval interval)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "value", interval.value);
    cJSON_AddNumberToObject(object, "low", interval.low);
    cJSON_AddNumberToObject(object, "high", interval.high);
    return object;
}
