/* Divergence of counts: by hand, and what chance alone gives. */
#include "tests/support.h"

#include "reports/statistics.h"

Test(divergence, by_hand)
{
    const double a[] = {10, 0}, b[] = {0, 3}, c[] = {20, 0}, none[] = {0, 0};
    cr_expect_float_eq(statistics_jensen_shannon(a, b, 2), 1, 1e-12);
    cr_expect_float_eq(statistics_jensen_shannon(a, c, 2), 0, 1e-12);
    cr_expect(isnan(statistics_jensen_shannon(a, none, 2)));
    const double p[] = {1, 1}, q[] = {3, 1};
    double m0 = 0.625, m1 = 0.375,
           wanted = 0.25 * log2(0.5 / m0) + 0.25 * log2(0.5 / m1) + 0.375 * log2(0.75 / m0) + 0.125 * log2(0.25 / m1);
    cr_expect_float_eq(statistics_jensen_shannon(p, q, 2), wanted, 1e-12);
}

Test(divergence, evenness_by_hand)
{
    const double alike[] = {5, 5, 5, 5}, two[] = {6, 0, 2, 0}, none[] = {0, 0}, single[] = {7};
    struct evenness even = statistics_evenness(alike, 4);
    cr_expect(even.sum == 20 && even.imbalance == 1 && even.entropy == 1);
    even = statistics_evenness(two, 4);
    cr_expect(even.sum == 8 && even.imbalance == 3);
    cr_expect_float_eq(even.entropy, (2 - 0.75 * log2(3)) / 2, 1e-12); // 3/4 log2 (4/3) + 1/4 log2 4, of 2 bits
    cr_expect_eq(statistics_evenness(single, 1).entropy, 1);
    even = statistics_evenness(none, 2);
    cr_expect(even.sum == 0 && isnan(even.imbalance) && isnan(even.entropy));
}

static struct chance chance_of(const double *a, const double *b, size_t n)
{
    struct error err = {0};
    struct chance chance;
    cr_assert(statistics_jensen_shannon_chance(a, b, n, 1, &chance, &err), "%s", err.message);
    return chance;
}

/* Where counts are large, 8 ln 2 · bits ÷ (1/Σa + 1/Σb) has the χ² distribution of n − 1 degrees of freedom. */
Test(divergence, chance_is_the_chi_square_approximation_where_counts_are_large)
{
    enum { N = 11 };
    static const double a[N] = {9000, 11000, 40000, 2000, 5000, 7000, 8000, 30000, 50000, 1000, 6000},
                        b[N] = {1000, 1200, 6000, 100, 100, 800, 600, 2000, 5000, 100, 100};
    double sum_a = 0, sum_b = 0;
    for (int i = 0; i < N; i++) {
        sum_a += a[i];
        sum_b += b[i];
    }
    struct chance chance = chance_of(a, b, N);
    double unit = (1 / sum_a + 1 / sum_b) / (8 * log(2));
    cr_expect(fabs(chance.expected / (unit * 10) - 1) < 0.06, "%g, %g is expected", chance.expected, unit * 10);
    cr_expect(fabs(chance.p95 / (unit * 18.307) - 1) < 0.1, "%g, %g is expected", chance.p95, unit * 18.307); // χ²(10) at 95 %
}

/* One count each, of two equally likely: alike half of the time, else 1 bit apart. */
Test(divergence, chance_of_single_counts)
{
    const double a[] = {1, 0}, b[] = {0, 1};
    struct chance chance = chance_of(a, b, 2);
    cr_expect(fabs(chance.expected - 0.5) < 0.06, "%g", chance.expected); // 4 standard deviations of 1,000 draws
    cr_expect_float_eq(chance.p95, 1, 1e-12);
}

Test(divergence, chance_is_the_same_every_time_and_none_without_counts)
{
    const double a[] = {30, 70}, b[] = {50, 50}, none[] = {0, 0}, one[] = {0, 9};
    cr_expect_eq(chance_of(a, b, 2).expected, chance_of(a, b, 2).expected);
    cr_expect(isnan(chance_of(a, none, 2).expected));
    cr_expect_eq(chance_of(one, one, 2).p95, 0); // only one place to go
}
