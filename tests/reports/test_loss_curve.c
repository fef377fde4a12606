/* The picture of a training's losses. */
#include "tests/support.h"

#include "base/text.h"
#include "reports/reports.h"

#include <string.h>

static const char header[] = "step,tokens,total,cross_entropy,divergence\n";

/* Each test is a process of its own, and several run at once. */
static char path[] = "/tmp/jeoul-test-loss-XXXXXX";

static void make_file(void)
{
    int file = mkstemp(path);
    cr_assert(file >= 0 && close(file) == 0);
}

static void remove_file(void)
{
    unlink(path);
}

TestSuite(loss_curve, .init = make_file, .fini = remove_file);

static struct text losses(int steps, double divergence)
{
    struct text csv = {0};
    text_add_string(&csv, header);
    for (int i = 1; i <= steps; i++)
        text_format(&csv, "%d,%d,%.4f,%.4f,%.4f\n", i, i * 1000, 5.0 / i, 5.0 / i, divergence / i);
    return csv;
}

static char *draw(const struct text *csv, size_t *n)
{
    struct error err = {0};
    cr_assert(report_loss_curve(csv->bytes, "it's a model", path, &err), "%s", err.message);
    return read_whole(path, n);
}

Test(loss_curve, a_curve_is_drawn_with_the_teachers_where_there_is_one)
{
    size_t n, m;
    struct text plain = losses(60, 0), taught = losses(60, 2);
    char *one = draw(&plain, &n), *two = draw(&taught, &m);
    cr_expect(strncmp(one, "<svg", 4) == 0 && strstr(one, "cross-entropy") && strstr(one, "million tokens"));
    cr_expect(!strstr(one, "divergence") && strstr(two, "divergence"));
    free(one);
    free(two);
    text_free(&plain);
    text_free(&taught);
}

Test(loss_curve, a_long_training_is_no_larger_a_picture)
{
    size_t n, m;
    struct text some = losses(390, 0), many = losses(20000, 0);
    free(draw(&some, &n));
    free(draw(&many, &m));
    cr_expect(m < 2 * n, "%zu and %zu bytes", n, m);
    text_free(&some);
    text_free(&many);
}

static void expect_refused(const char *csv, const char *message)
{
    struct error err = {0};
    cr_expect(!report_loss_curve(csv, "x", path, &err) && err.code == ERROR_INPUT && strstr(err.message, message), "%s", err.message);
}

Test(loss_curve, what_is_no_loss_curve_is_refused)
{
    expect_refused("", "needs the columns");
    expect_refused("step,tokens,cross_entropy\n1,2,3\n", "needs the columns");
    expect_refused(header, "without losses");
}
