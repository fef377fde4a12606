/* Libraries of drivers: what is missing is named, whatever this machine has. What drivers answer is in tests/e2e/test_gpu.sh, on mocks. */
#include "tests/support.h"

#include "engine/gpu/driver.h"

#include <string.h>

static void *function, *other;

Test(gpu_driver, a_library_that_is_not_there_is_named)
{
    static const char *const names[] = {"libnot-there.so.9", "libnor-this.so", NULL};
    static const struct gpu_symbol symbols[] = {{"cuInit", &function}};
    struct error err = {0};
    cr_expect_null(gpu_library_open(names, symbols, 1, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_not_null(strstr(err.message, "libnot-there.so.9: "), "%s", err.message);
    cr_expect_null(strstr(err.message, "libnor-this.so"), "the first name is the one to install: %s", err.message);
}

Test(gpu_driver, a_library_that_is_no_driver_is_told_by_what_it_lacks)
{
    static const char *const names[] = {"libnot-there.so.9", "libm.so.6", NULL};
    static const struct gpu_symbol symbols[] = {{"cosf", &function}, {"cuInit", &other}};
    struct error err = {0};
    cr_expect_null(gpu_library_open(names, symbols, 2, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_str_eq(err.message, "libm.so.6 has no cuInit: it is too old, or no driver");
}

Test(gpu_driver, what_a_library_may_lack_is_null)
{
    static const char *const names[] = {"libm.so.6", NULL};
    static const struct gpu_symbol symbols[] = {{"?cosf", &function}, {"?cuGraphLaunch", &other}};
    struct error err = {0};
    other = &err;
    cr_assert_not_null(gpu_library_open(names, symbols, 2, &err), "%s", err.message);
    cr_expect_not_null(function);
    cr_expect_null(other);
}
