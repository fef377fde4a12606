/* Distributions given as counts: how even one is, how far two are apart, and how far chance alone takes them: see statistics.h. */
#include "reports/statistics.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

struct evenness statistics_evenness(const double *counts, size_t n)
{
    double sum = 0, greatest = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        sum += counts[i];
        greatest = fmax(greatest, counts[i]);
    }
    if (!(sum > 0))
        return (struct evenness){0, NAN, NAN};
    for (size_t i = 0; i < n; i++)
        bits -= counts[i] > 0 ? counts[i] / sum * log2(counts[i] / sum) : 0;
    return (struct evenness){sum, greatest * (double)n / sum, n > 1 ? bits / log2((double)n) : 1};
}

double statistics_jensen_shannon(const double *a, const double *b, size_t n)
{
    double sum_a = 0, sum_b = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b[i];
    }
    if (!(sum_a > 0) || !(sum_b > 0))
        return NAN;
    for (size_t i = 0; i < n; i++) {
        double p = a[i] / sum_a, q = b[i] / sum_b, m = (p + q) / 2;
        bits += (p > 0 ? p * log2(p / m) : 0) / 2 + (q > 0 ? q * log2(q / m) : 0) / 2;
    }
    return fmax(0, bits);
}

/* A draw of Binomial(n, p), p ≤ 1/2: by inversion where few are expected (Kachitvichyanukul and Schmeiser 1988, BINV), else the rounded
 * normal, which is as good as exact there. */
static double binomial_low(struct random *random, double n, double p)
{
    double q = 1 - p;
    if (n * p >= 30) {
        double x = floor(n * p + sqrt(n * p * q) * random_normal(random) + 0.5);
        return x < 0 ? 0 : x > n ? n : x;
    }
    double u = random_unit(random), at = pow(q, n), x = 0;
    while (u > at && x < n) {
        u -= at;
        x++;
        at *= (n + 1 - x) / x * (p / q);
    }
    return x;
}

static double binomial(struct random *random, double n, double p)
{
    return p > 0.5 ? n - binomial_low(random, n, 1 - p) : binomial_low(random, n, p);
}

/* `count` draws from the distribution of `weights` (their sum given), counted: a binomial for each, of what the others left. */
static void multinomial(struct random *random, double count, const double *weights, double sum, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        double p = sum > 0 ? weights[i] / sum : 0;
        out[i] = p >= 1 ? count : p > 0 && count > 0 ? binomial(random, count, p) : 0;
        count -= out[i];
        sum -= weights[i];
    }
}

bool statistics_jensen_shannon_chance(const double *a, const double *b, size_t n, uint64_t seed, struct chance *out, struct error *err)
{
    enum { DRAWS = 1000 };
    double sum_a = 0, sum_b = 0, *memory = memory_array(3 * n + DRAWS, sizeof *memory, "divergence", err);
    *out = (struct chance){NAN, NAN};
    if (!memory)
        return false;
    double *pooled = memory, *one = pooled + n, *other = one + n, *draws = other + n;
    for (size_t i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b[i];
        pooled[i] = a[i] + b[i];
    }
    if (sum_a > 0 && sum_b > 0) {
        struct random random = random_seed(seed, n);
        out->expected = 0;
        for (int d = 0; d < DRAWS; d++) {
            multinomial(&random, sum_a, pooled, sum_a + sum_b, n, one);
            multinomial(&random, sum_b, pooled, sum_a + sum_b, n, other);
            draws[d] = statistics_jensen_shannon(one, other, n);
            out->expected += draws[d] / DRAWS;
        }
        statistics_sort(draws, DRAWS);
        out->p95 = draws[DRAWS * 95 / 100 - 1];
    }
    free(memory);
    return true;
}
