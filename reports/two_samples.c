/* One sample against another: see statistics.h. */
#include "reports/statistics.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT_VALUES = 50 };

/* P(U = u) for u = 0 … n_a · n_b under the null hypothesis, in out. The greatest of all values belongs to b with probability
 * n_b / (n_a + n_b), and then adds n_a to U (Mann and Whitney 1947). */
static bool null_distribution(size_t n_a, size_t n_b, double *out, struct error *err)
{
    size_t width = n_a * n_b + 1;
    double *rows = memory_array((n_b + 1) * width, sizeof *rows, "Mann–Whitney", err); // rows[j]: i values of a and j of b, i growing
    if (!rows)
        return false;
    for (size_t j = 0; j <= n_b; j++)
        rows[j * width] = 1; // none of a: U is 0
    for (size_t i = 1; i <= n_a; i++)
        for (size_t j = 1; j <= n_b; j++) {
            double of_b = (double)j / (double)(i + j);
            double *now = rows + j * width, *less = rows + (j - 1) * width; // now: still of i − 1 values of a; less: already of i
            for (size_t u = 0; u < width; u++)
                now[u] = (1 - of_b) * now[u] + (u >= i ? of_b * less[u - i] : 0);
        }
    for (size_t u = 0; u < width; u++)
        out[u] = rows[n_b * width + u];
    free(rows);
    return true;
}

/* Σ (t³ − t) over groups of t equal values of both samples. */
static bool tie_correction(const double *a, size_t n_a, const double *b, size_t n_b, double *out, struct error *err)
{
    double *all = memory_array(n_a + n_b, sizeof *all, "Mann–Whitney", err);
    if (!all)
        return false;
    for (size_t i = 0; i < n_a + n_b; i++)
        all[i] = i < n_a ? a[i] : b[i - n_a];
    statistics_sort(all, n_a + n_b);
    *out = 0;
    for (size_t i = 0, end; i < n_a + n_b; i = end) {
        for (end = i + 1; end < n_a + n_b && all[end] == all[i]; end++)
            ;
        double t = (double)(end - i);
        *out += t * t * t - t;
    }
    free(all);
    return true;
}

/* How many of the n_a · n_b pairs lie outside the 95 % interval on each side, and the p of U. */
static bool test(double u, double ties, size_t n_a, size_t n_b, size_t *outside, double *p, struct error *err)
{
    double pairs = (double)n_a * (double)n_b, all = (double)(n_a + n_b), least = fmin(u, pairs - u);
    double deviation = sqrt(pairs / 12 * (all + 1 - ties / (all * (all - 1))));
    if (n_a > EXACT_VALUES || n_b > EXACT_VALUES) {
        double bound = floor(pairs / 2 - 1.959963985 * sqrt(pairs * (all + 1) / 12));
        *outside = bound > 0 ? (size_t)bound : 0;
    } else {
        double *probability = memory_array(n_a * n_b + 1, sizeof *probability, "Mann–Whitney", err), below = 0;
        if (!probability || !null_distribution(n_a, n_b, probability, err)) {
            free(probability);
            return false;
        }
        for (*outside = 0; *outside < n_a * n_b && below + probability[*outside] <= 0.025; (*outside)++)
            below += probability[*outside];
        *p = 0;
        for (size_t i = 0; ties == 0 && i <= (size_t)least; i++)
            *p += 2 * probability[i];
        *p = fmin(*p, 1);
        free(probability);
        if (ties == 0)
            return true;
    }
    *p = deviation > 0 ? fmin(1, erfc(fmax(0, pairs / 2 - least - 0.5) / deviation / sqrt(2))) : 1;
    return true;
}

bool statistics_ratio(const double *a, size_t n_a, const double *b, size_t n_b, struct ratio *out, struct error *err)
{
    size_t pairs, outside;
    if (!n_a || !n_b || __builtin_mul_overflow(n_a, n_b, &pairs))
        return error_set(err, ERROR_INPUT, "a ratio of %zu values to %zu", n_b, n_a);
    for (size_t i = 0; i < n_a + n_b; i++) {
        double value = i < n_a ? a[i] : b[i - n_a];
        if (!(value > 0) || !isfinite(value))
            return error_set(err, ERROR_INPUT, "a ratio of values of which one is %g: they have to be positive", value);
    }
    double *ratios = memory_array(pairs, sizeof *ratios, "ratios", err), u = 0, ties;
    bool ok = ratios && tie_correction(a, n_a, b, n_b, &ties, err);
    for (size_t i = 0; ok && i < n_a; i++)
        for (size_t j = 0; j < n_b; j++) {
            ratios[i * n_b + j] = b[j] / a[i];
            u += b[j] > a[i] ? 1 : b[j] == a[i] ? 0.5 : 0;
        }
    if (ok && (ok = test(u, ties, n_a, n_b, &outside, &out->p, err))) {
        statistics_sort(ratios, pairs);
        out->value = pairs % 2 ? ratios[pairs / 2] : sqrt(ratios[pairs / 2 - 1] * ratios[pairs / 2]);
        out->low = outside ? ratios[outside - 1] : 0;
        out->high = outside ? ratios[pairs - outside] : INFINITY;
    }
    free(ratios);
    return ok;
}
