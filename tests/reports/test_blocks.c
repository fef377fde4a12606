/* Means over blocks against values computed by hand. */
#include "tests/support.h"

#include "reports/statistics.h"

static struct block_mean mean_of(const double *sums, const double *sizes, size_t n)
{
    struct error err = {0};
    struct block_mean mean;
    cr_assert(statistics_blocks(sums, sizes, n, 1, &mean, &err), "%s", err.message);
    return mean;
}

Test(blocks, equal_sizes_give_the_standard_error_of_the_block_means)
{
    const double sums[] = {2, 6}, sizes[] = {2, 2}; // means 1 and 3: standard deviation √2, of the mean 1
    struct block_mean mean = mean_of(sums, sizes, 2);
    cr_expect_float_eq(mean.value, 2, 1e-15);
    cr_expect_float_eq(mean.stderr_, 1, 1e-15);
    cr_expect_eq(mean.low, 1); // of two blocks a resample is (1, 1) or (3, 3) a quarter of the time
    cr_expect_eq(mean.high, 3);
}

Test(blocks, larger_blocks_weigh_more)
{
    const double sums[] = {3, 1, 8}, sizes[] = {1, 1, 4}; // deviations 1, −1, 0
    struct block_mean mean = mean_of(sums, sizes, 3);
    cr_expect_float_eq(mean.value, 2, 1e-15);
    cr_expect_float_eq(mean.stderr_, sqrt(1.5 * 2) / 6, 1e-15);
    cr_expect(mean.low < 2 && mean.high > 2 && mean.low >= 1 && mean.high <= 3);
}

Test(blocks, values_that_agree_have_an_interval_of_no_width)
{
    const double sums[] = {2, 4, 6}, sizes[] = {1, 2, 3};
    struct block_mean mean = mean_of(sums, sizes, 3);
    cr_expect_float_eq(mean.stderr_, 0, 1e-15);
    cr_expect_float_eq(mean.low, 2, 1e-15);
    cr_expect_float_eq(mean.high, 2, 1e-15);
}

Test(blocks, one_block_has_a_mean_and_no_interval)
{
    const double sum = 3, size = 2;
    struct block_mean mean = mean_of(&sum, &size, 1);
    cr_expect_eq(mean.value, 1.5);
    cr_expect(isnan(mean.stderr_) && isnan(mean.low) && isnan(mean.high));
}
