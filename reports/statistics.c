/* Statistics: see statistics.h. */
#include "reports/statistics.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void statistics_sort(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
}

static double median_of_sorted(const double *values, size_t n)
{
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double statistics_median(const double *values, size_t n)
{
    double *sorted = n ? malloc(n * sizeof *sorted) : NULL;
    if (!sorted)
        return NAN;
    memcpy(sorted, values, n * sizeof *sorted);
    statistics_sort(sorted, n);
    double median = median_of_sorted(sorted, n);
    free(sorted);
    return median;
}

double statistics_percentile(const double *values, size_t n, double p)
{
    double *sorted = n ? malloc(n * sizeof *sorted) : NULL;
    if (!sorted)
        return NAN;
    memcpy(sorted, values, n * sizeof *sorted);
    statistics_sort(sorted, n);
    size_t rank = (size_t)ceil(p * (double)n - 1e-9); // 0.07 × 100 is a little more than 7 in binary
    double value = sorted[rank < 1 ? 0 : rank > n ? n - 1 : rank - 1];
    free(sorted);
    return value;
}

/* The 2.5th and 97.5th percentile of the medians of resamples (Efron 1979). */
static bool bootstrap(const double *values, size_t n, uint64_t seed, double *low, double *high, struct error *err)
{
    double *medians = memory_array(STATISTICS_RESAMPLES, sizeof *medians, "bootstrap", err);
    double *sample = memory_array(n, sizeof *sample, "bootstrap", err);
    bool ok = medians && sample;
    struct random random = random_seed(seed, n);
    for (int r = 0; ok && r < STATISTICS_RESAMPLES; r++) {
        for (size_t i = 0; i < n; i++)
            sample[i] = values[random_below(&random, n)];
        statistics_sort(sample, n);
        medians[r] = median_of_sorted(sample, n);
    }
    if (ok) {
        statistics_sort(medians, STATISTICS_RESAMPLES);
        *low = medians[(int)ceil(0.025 * STATISTICS_RESAMPLES) - 1];
        *high = medians[(int)ceil(0.975 * STATISTICS_RESAMPLES) - 1];
    }
    free(medians);
    free(sample);
    return ok;
}

bool statistics_summary(const double *values, size_t n, uint64_t seed, struct summary *out, struct error *err)
{
    *out = (struct summary){.n = n, .standard_deviation = NAN, .cv = NAN};
    if (n == 0)
        return error_set(err, ERROR_INPUT, "a summary of no values");
    out->minimum = out->maximum = values[0];
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return error_set(err, ERROR_INPUT, "value %zu of %zu is not a finite number", i + 1, n);
        out->mean += values[i] / (double)n;
        out->minimum = fmin(out->minimum, values[i]);
        out->maximum = fmax(out->maximum, values[i]);
    }
    out->median = out->ci95_low = out->ci95_high = statistics_median(values, n);
    if (n < 2)
        return true;
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - out->mean) * (values[i] - out->mean);
    out->standard_deviation = sqrt(squares / (double)(n - 1));
    out->cv = out->standard_deviation / out->mean;
    return bootstrap(values, n, seed, &out->ci95_low, &out->ci95_high, err);
}

struct interval statistics_wilson(uint64_t k, uint64_t n)
{
    const double z = 1.959963984540054; // the 97.5th percentile of the normal distribution
    if (n == 0)
        return (struct interval){NAN, 0, 1};
    double count = (double)n, p = (double)k / count, z2 = z * z;
    double centre = (p + z2 / (2 * count)) / (1 + z2 / count);
    double half = z / (1 + z2 / count) * sqrt(p * (1 - p) / count + z2 / (4 * count * count));
    return (struct interval){p, k == 0 ? 0 : centre - half, k == n ? 1 : centre + half}; // exact at the ends
}
