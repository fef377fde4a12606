/* Means of values that come in blocks: see statistics.h. */
#include "reports/statistics.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

bool statistics_blocks(const double *sums, const double *sizes, size_t n, uint64_t seed, struct block_mean *out, struct error *err)
{
    double sum = 0, size = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sums[i];
        size += sizes[i];
    }
    *out = (struct block_mean){sum / size, NAN, NAN, NAN};
    if (n < 2)
        return true;
    for (size_t i = 0; i < n; i++) {
        double off = sums[i] - out->value * sizes[i];
        squares += off * off;
    }
    out->stderr_ = sqrt((double)n / (double)(n - 1) * squares) / size;
    double *means = memory_array(STATISTICS_RESAMPLES, sizeof *means, "bootstrap", err);
    if (!means)
        return false;
    struct random random = random_seed(seed, n);
    for (int r = 0; r < STATISTICS_RESAMPLES; r++) {
        sum = size = 0;
        for (size_t k = 0; k < n; k++) {
            size_t i = (size_t)random_below(&random, n);
            sum += sums[i];
            size += sizes[i];
        }
        means[r] = sum / size;
    }
    statistics_sort(means, STATISTICS_RESAMPLES);
    out->low = means[(size_t)(0.025 * STATISTICS_RESAMPLES) - 1];
    out->high = means[(size_t)(0.975 * STATISTICS_RESAMPLES) - 1];
    free(means);
    return true;
}
