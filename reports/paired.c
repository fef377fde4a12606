/* Two systems on the same items, and two shares of different ones: see statistics.h. */
#include "reports/statistics.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

bool statistics_paired(const double *a, const double *b, size_t n, uint64_t seed, struct interval *out, struct error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += b[i] - a[i];
    *out = (struct interval){sum / (double)n, sum / (double)n, sum / (double)n};
    if (n < 2)
        return true;
    double *means = memory_array(STATISTICS_RESAMPLES, sizeof *means, "bootstrap", err);
    if (!means)
        return false;
    struct random random = random_seed(seed, n);
    for (int r = 0; r < STATISTICS_RESAMPLES; r++) {
        sum = 0;
        for (size_t k = 0; k < n; k++) {
            size_t i = (size_t)random_below(&random, n);
            sum += b[i] - a[i];
        }
        means[r] = sum / (double)n;
    }
    statistics_sort(means, STATISTICS_RESAMPLES);
    out->low = means[(size_t)(0.025 * STATISTICS_RESAMPLES) - 1];
    out->high = means[(size_t)(0.975 * STATISTICS_RESAMPLES) - 1];
    free(means);
    return true;
}

double statistics_mcnemar(uint64_t wins, uint64_t n)
{
    uint64_t least = wins < n - wins ? wins : n - wins;
    double p = 0;
    for (uint64_t k = 0; k <= least; k++)
        p += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) - (double)n * log(2));
    return fmin(1, 2 * p);
}

struct interval statistics_share_difference(uint64_t k_a, uint64_t n_a, uint64_t k_b, uint64_t n_b)
{
    struct interval a = statistics_wilson(k_a, n_a), b = statistics_wilson(k_b, n_b);
    double value = b.value - a.value;
    return (struct interval){value, value - hypot(b.value - b.low, a.high - a.value), value + hypot(b.high - b.value, a.value - a.low)};
}
