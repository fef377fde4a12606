/* Statistics against values computed by hand. */
#include "tests/support.h"

#include "reports/statistics.h"

#include <string.h>

static void expect_near(double value, double wanted, double tolerance, const char *what)
{
    cr_expect(fabs(value - wanted) <= tolerance, "%s: %.17g, %.17g is right", what, value, wanted);
}

static struct summary summary_of(const double *values, size_t n, uint64_t seed)
{
    struct error err = {0};
    struct summary summary;
    cr_assert(statistics_summary(values, n, seed, &summary, &err), "%s", err.message);
    return summary;
}

Test(statistics, summary_by_hand)
{
    const double values[] = {9, 2, 5, 4, 4, 4, 7, 5}; // mean 5, squares 32
    struct summary s = summary_of(values, 8, 1);
    cr_expect_eq(s.n, 8);
    expect_near(s.mean, 5, 1e-15, "mean");
    expect_near(s.median, 4.5, 0, "median");
    expect_near(s.standard_deviation, sqrt(32.0 / 7), 1e-15, "standard deviation");
    expect_near(s.cv, sqrt(32.0 / 7) / 5, 1e-15, "CV");
    expect_near(s.minimum, 2, 0, "minimum");
    expect_near(s.maximum, 9, 0, "maximum");
    cr_expect_eq(values[0], 9, "the values are not sorted in place");
}

Test(statistics, variance_survives_a_large_mean)
{
    const double values[] = {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}; // variance 30
    expect_near(summary_of(values, 4, 1).standard_deviation, sqrt(30), 1e-9, "standard deviation");
}

Test(statistics, median_and_percentile)
{
    const double values[] = {15, 50, 35, 20, 40};
    expect_near(statistics_median(values, 5), 35, 0, "median of five");
    expect_near(statistics_median(values, 4), 27.5, 0, "median of four");
    expect_near(statistics_median(values, 1), 15, 0, "median of one");
    expect_near(statistics_percentile(values, 5, 0.05), 15, 0, "p5");
    expect_near(statistics_percentile(values, 5, 0.30), 20, 0, "p30");
    expect_near(statistics_percentile(values, 5, 0.40), 20, 0, "p40");
    expect_near(statistics_percentile(values, 5, 0.41), 35, 0, "p41");
    expect_near(statistics_percentile(values, 5, 0.50), 35, 0, "p50");
    expect_near(statistics_percentile(values, 5, 1), 50, 0, "p100");
    expect_near(statistics_percentile(values, 1, 0.99), 15, 0, "p99 of one");
    cr_expect(isnan(statistics_median(values, 0)));
    cr_expect(isnan(statistics_percentile(values, 0, 0.5)));
}

/* 0.07 · 100 and its like are not whole in binary: the rank is the one of the decimal fraction. */
Test(statistics, percentile_ranks_of_a_hundred)
{
    double values[100];
    for (int i = 0; i < 100; i++)
        values[i] = i + 1;
    for (int p = 1; p <= 100; p++)
        cr_expect_eq(statistics_percentile(values, 100, p / 100.0), p, "p%d of 1 … 100 is %g", p,
                     statistics_percentile(values, 100, p / 100.0));
}

Test(statistics, wilson)
{
    /* Wilson (1927) with z = 1.959964 */
    static const struct {
        uint64_t k, n;
        double low, high;
    } wanted[] = {
        {0, 10, 0, 0.27753}, {10, 10, 0.72247, 1}, {5, 10, 0.23659, 0.76341}, {1, 2, 0.09453, 0.90547}, {81, 263, 0.25528, 0.36621}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct interval w = statistics_wilson(wanted[i].k, wanted[i].n);
        expect_near(w.value, (double)wanted[i].k / (double)wanted[i].n, 1e-15, "proportion");
        expect_near(w.low, wanted[i].low, 1e-5, "low");
        expect_near(w.high, wanted[i].high, 1e-5, "high");
        cr_expect(w.low >= 0 && w.low <= w.value && w.value <= w.high && w.high <= 1, "%g %g %g", w.low, w.value, w.high);
    }
    struct interval none = statistics_wilson(0, 0);
    cr_expect(isnan(none.value) && none.low == 0 && none.high == 1);
}

Test(statistics, wilson_holds_its_proportion_at_the_ends)
{
    for (uint64_t n = 1; n <= 300; n++)
        for (uint64_t k = 0; k <= n; k += n) {
            struct interval w = statistics_wilson(k, n);
            cr_expect(w.low <= w.value && w.value <= w.high, "%d of %d: %.17g … %.17g", (int)k, (int)n, w.low, w.high);
        }
}

Test(statistics, bootstrap_is_seeded_and_holds_the_median)
{
    double values[25];
    for (int i = 0; i < 25; i++)
        values[i] = 100 + (i * 7 % 25) * 0.37;
    struct summary a = summary_of(values, 25, 42), b = summary_of(values, 25, 42), c = summary_of(values, 25, 43);
    cr_expect_eq(memcmp(&a.ci95_low, &b.ci95_low, sizeof a.ci95_low), 0, "the same seed gives another interval");
    cr_expect_eq(memcmp(&a.ci95_high, &b.ci95_high, sizeof a.ci95_high), 0, "the same seed gives another interval");
    const struct summary *all[] = {&a, &c};
    for (int i = 0; i < 2; i++) {
        cr_expect(all[i]->ci95_low <= all[i]->median && all[i]->median <= all[i]->ci95_high, "%g … %g", all[i]->ci95_low,
                  all[i]->ci95_high);
        cr_expect(all[i]->ci95_low >= all[i]->minimum && all[i]->ci95_high <= all[i]->maximum);
        cr_expect_lt(all[i]->ci95_low, all[i]->ci95_high);
    }
    const double same[] = {3, 3, 3, 3};
    struct summary s = summary_of(same, 4, 1);
    cr_expect(s.ci95_low == 3 && s.ci95_high == 3 && s.standard_deviation == 0 && s.cv == 0);
}

Test(statistics, one_value_has_no_deviation)
{
    const double value = 7;
    struct summary s = summary_of(&value, 1, 1);
    cr_expect(s.median == 7 && s.mean == 7 && s.ci95_low == 7 && s.ci95_high == 7);
    cr_expect(isnan(s.standard_deviation) && isnan(s.cv));
}

Test(statistics, nothing_and_what_is_no_number_are_refused)
{
    struct error err = {0};
    struct summary summary;
    const double values[] = {1, NAN}, infinite[] = {1, 2, -INFINITY};
    cr_expect_not(statistics_summary(values, 0, 1, &summary, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_not(statistics_summary(values, 2, 1, &summary, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "value 2 of 2") != NULL, "%s", err.message);
    cr_expect_not(statistics_summary(infinite, 3, 1, &summary, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
}

/* By hand: of the 20 ways to choose 3 of 6 ranks one is this far apart, on either side. Nine ratios, the fifth is 5/2. */
Test(statistics, a_ratio_of_three_to_three)
{
    struct ratio r;
    cr_assert(statistics_ratio((double[]){3, 1, 2}, 3, (double[]){5, 6, 4}, 3, &r, NULL));
    cr_expect_float_eq(r.p, 0.1, 1e-12);
    cr_expect_float_eq(r.value, 2.5, 1e-12);
    cr_expect(r.low == 0 && isinf(r.high), "three to three give no 95 %% interval");
}

/* By hand: 252 ways; U = 0, 1, 2 come 1 + 1 + 2 times (4/252 < 0.025), U = 3 thrice more (7/252 > 0.025): three pairs are outside on each
 * side. The 25 ratios b/a of 1 … 5 and 10, 20 … 50, sorted: 2 2.5 3.33 4 5 5 6 6.67 7.5 8 10 10 10 10 … ; from above: 50 40 30 25 … */
Test(statistics, a_ratio_of_five_to_five_with_its_interval)
{
    struct ratio r;
    cr_assert(statistics_ratio((double[]){1, 2, 3, 4, 5}, 5, (double[]){10, 20, 30, 40, 50}, 5, &r, NULL));
    cr_expect_float_eq(r.p, 2.0 / 252, 1e-12);
    cr_expect_float_eq(r.value, 10, 1e-12);
    cr_expect_float_eq(r.low, 10.0 / 3, 1e-12);
    cr_expect_float_eq(r.high, 30, 1e-12);
}

Test(statistics, a_ratio_the_other_way_round_is_its_inverse)
{
    const double a[] = {1.1, 2.3, 0.7, 5.0, 3.2, 4.4}, b[] = {1.9, 2.8, 6.1, 0.9, 3.3};
    struct ratio r, s;
    cr_assert(statistics_ratio(a, 6, b, 5, &r, NULL) && statistics_ratio(b, 5, a, 6, &s, NULL));
    cr_expect_float_eq(r.value * s.value, 1, 1e-12);
    cr_expect_float_eq(r.low * s.high, 1, 1e-12);
    cr_expect_float_eq(r.p, s.p, 1e-12);
}

/* Equal samples: no difference, whatever the ties. Shifted by 20 %, a large sample shows just that. */
Test(statistics, ratios_of_ties_and_of_large_samples)
{
    static double a[120], b[120];
    struct ratio r;
    cr_assert(statistics_ratio((double[]){2, 2, 2, 2, 2}, 5, (double[]){2, 2, 2, 2, 2}, 5, &r, NULL));
    cr_expect_float_eq(r.value, 1, 1e-12);
    cr_expect_float_eq(r.p, 1, 1e-12);
    for (int i = 0; i < 120; i++) {
        a[i] = 100 + (i * 37 % 120) * 0.05;
        b[i] = a[i] * 0.8;
    }
    cr_assert(statistics_ratio(a, 120, b, 120, &r, NULL));
    cr_expect_float_eq(r.value, 0.8, 1e-3);
    cr_expect(r.low < 0.8 && r.high > 0.8 && r.low > 0.79 && r.high < 0.81 && r.p < 1e-6);
}

Test(statistics, a_ratio_of_what_has_none_is_refused)
{
    struct error err = {0};
    struct ratio r;
    cr_expect_not(statistics_ratio((double[]){1}, 0, (double[]){1}, 1, &r, &err));
    cr_expect_not(statistics_ratio((double[]){1, 0}, 2, (double[]){1}, 1, &r, &err));
    cr_expect_not(statistics_ratio((double[]){1}, 1, (double[]){NAN}, 1, &r, &err));
    cr_expect_not(statistics_ratio((double[]){1}, 1, (double[]){INFINITY}, 1, &r, &err));
    cr_expect_not(statistics_ratio((double[]){1}, 1, (double[]){-1}, 1, &r, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
}
