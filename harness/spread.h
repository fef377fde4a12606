/* Median, least and greatest of a few samples, as JSON: what is enough where no interval is claimed. */
#ifndef JEOUL_SPREAD_H
#define JEOUL_SPREAD_H

#include <cjson/cJSON.h>
#include <stddef.h>

struct spread {
    double median, least, greatest;
};
struct spread spread_of(const double *samples, size_t n); // n > 0

/* Adds "median", "min", "max" and "n" to the object; each null where samples is NULL. Values are multiplied by `factor`. */
void spread_add(cJSON *object, const double *samples, size_t n, double factor);

#endif
