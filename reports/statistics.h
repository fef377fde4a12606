/* Statistics: medians and intervals that a metrologist would sign. Pure functions, no allocation kept, seeded where they draw. */
#ifndef JEOUL_STATISTICS_H
#define JEOUL_STATISTICS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* An estimate with its interval. */
struct interval {
    double value, low, high;
};

struct summary {
    size_t n;
    double median, mean, standard_deviation, cv, minimum, maximum; // standard deviation with n − 1; NaN when n < 2, cv too
    double ci95_low, ci95_high;                                    // bootstrap percentile interval of the median; equal to it when n < 2
};

/* Two-pass variance, never E[x²] − E[x]². The bootstrap (Efron 1979) draws `statistics_resamples` times from a generator seeded by the
 * values' number and the given seed: the same samples give the same interval. Fails on n = 0, on NaN and on infinity. */
enum { STATISTICS_RESAMPLES = 10000 };
bool statistics_summary(const double *values, size_t n, uint64_t seed, struct summary *out, struct error *err) MUST_CHECK;

void statistics_sort(double *values, size_t n); // ascending, in place

/* Median; even n: the mean of the two middle values. */
double statistics_median(const double *values, size_t n);

/* Nearest-rank percentile x[ceil(p·n)] (1-based), p in (0, 1]. */
double statistics_percentile(const double *values, size_t n, double p);

/* Wilson's score interval, 95 % (Wilson 1927), for k of n; n = 0 gives {NaN, 0, 1}. */
struct interval statistics_wilson(uint64_t k, uint64_t n);

/* Two samples of positive values, b against a, as a ratio: the Hodges–Lehmann shift of the logarithms (Hodges and Lehmann 1963), which is
 * the median of all n_a · n_b ratios b/a, with its distribution-free 95 % interval (Lehmann 1975: the order statistics that invert the
 * Mann–Whitney test) and the two-sided p of that test, exact up to 50 values each without ties, else by the normal approximation with
 * ties and continuity corrected. Samples too small for a 95 % interval (4 against 3 and fewer) have the interval 0 … infinity.
 * Fails on an empty sample and on a value that is not a positive number. */
struct ratio {
    double value, low, high, p;
};
bool statistics_ratio(const double *a, size_t n_a, const double *b, size_t n_b, struct ratio *out, struct error *err) MUST_CHECK;

/* How evenly counts are spread: their sum; imbalance, the greatest ÷ the mean; Shannon's entropy in bits ÷ log2 n, 1 where all are alike
 * (and for n = 1). Both are NaN where there are no counts. */
struct evenness {
    double sum, imbalance, entropy;
};
struct evenness statistics_evenness(const double *counts, size_t n);

/* Jensen and Shannon's divergence (Lin 1991) between two distributions given as counts, in bits: 0 alike … 1 disjoint. NaN where one of
 * them has no counts. */
double statistics_jensen_shannon(const double *a, const double *b, size_t n);

/* What that divergence comes to by chance where both have one distribution, the pooled one: mean and 95th percentile of 1,000 seeded draws
 * of as many counts, each on its own. About (n − 1) ÷ (8 ln 2) · (1/Σa + 1/Σb) where counts are large (the χ² approximation). NaN where one
 * has no counts. */
struct chance {
    double expected, p95;
};
bool statistics_jensen_shannon_chance(const double *a, const double *b, size_t n, uint64_t seed, struct chance *out,
                                      struct error *err) MUST_CHECK;

/* Two systems on the same n items: the mean of b − a, with the 95 % percentile interval of a paired bootstrap (items drawn together,
 * seeded). NaN when n = 0; the value alone when n = 1. */
bool statistics_paired(const double *a, const double *b, size_t n, uint64_t seed, struct interval *out, struct error *err) MUST_CHECK;

/* The mean of values that come in blocks of unequal size and depend on each other within one (tokens of a text): Σ sums ÷ Σ sizes. Its
 * standard error is the one of a ratio of block totals, √(n ÷ (n − 1) · Σ (sumᵢ − mean · sizeᵢ)²) ÷ Σ sizes (Cochran 1977, chapter 6), its
 * 95 % interval the percentiles of a bootstrap that draws whole blocks (seeded). Sizes are positive; fewer than two blocks have neither
 * (NaN). */
struct block_mean {
    double value, stderr_, low, high;
};
bool statistics_blocks(const double *sums, const double *sizes, size_t n, uint64_t seed, struct block_mean *out,
                       struct error *err) MUST_CHECK;

/* McNemar's test, exact (McNemar 1947; binomial, two-sided): of n items that only one of two systems has right, `wins` are one's. 1 for n =
 * 0. */
double statistics_mcnemar(uint64_t wins, uint64_t n);

/* The difference of two shares of different items, k_b of n_b less k_a of n_a, with Newcombe's 95 % interval (1998, method 10: from
 * Wilson's). */
struct interval statistics_share_difference(uint64_t k_a, uint64_t n_a, uint64_t k_b, uint64_t n_b);

#endif
