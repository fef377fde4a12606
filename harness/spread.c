/* A few samples' spread: see spread.h. */
#include "harness/spread.h"

#include "reports/statistics.h"

struct spread spread_of(const double *samples, size_t n)
{
    struct spread s = {statistics_median(samples, n), samples[0], samples[0]};
    for (size_t i = 1; i < n; i++) {
        s.least = samples[i] < s.least ? samples[i] : s.least;
        s.greatest = samples[i] > s.greatest ? samples[i] : s.greatest;
    }
    return s;
}

void spread_add(cJSON *object, const double *samples, size_t n, double factor)
{
    struct spread s = samples ? spread_of(samples, n) : (struct spread){0};
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"median", s.median * factor}, {"min", s.least * factor}, {"max", s.greatest * factor}, {"n", (double)n}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cJSON_AddItemToObject(object, numbers[i].name, samples ? cJSON_CreateNumber(numbers[i].value) : cJSON_CreateNull());
}
