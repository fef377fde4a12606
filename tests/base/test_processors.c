/* base/processors: what a process may use, by affinity and by made-up control groups. */
#include "tests/support.h"

#include "base/file.h"
#include "base/processors.h"

#include <sched.h>
#include <string.h>

static char directory[32];

static void set_up(void)
{
    strcpy(directory, "/tmp/jeoul-groups-XXXXXX");
    make_test_directory(directory);
}

static void tear_down(void)
{
    remove_test_directory(directory);
}

TestSuite(processors, .init = set_up, .fini = tear_down);

/* A file of the made-up system, with the directories on its way. */
static void make_file(const char *path, const char *content)
{
    char whole[512];
    struct error err = {0};
    snprintf(whole, sizeof whole, "%s/%s", directory, path);
    char *name = strrchr(whole, '/');
    *name = '\0';
    cr_assert(file_make_directory(whole, &err), "%s", err.message);
    *name = '/';
    cr_assert(file_write(whole, content, strlen(content), &err), "%s", err.message);
}

static int within(int processors)
{
    char groups[64];
    snprintf(groups, sizeof groups, "%s/groups", directory);
    return processors_within_quotas(processors, groups, directory);
}

Test(processors, a_thread_that_is_kept_on_one_has_one)
{
    cpu_set_t all, one;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    int n = processors_available();
    cr_expect(n >= 1 && n <= CPU_COUNT(&all));
    int first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    cr_expect_eq(processors_available(), 1);
}

Test(processors, without_groups_there_is_no_limit)
{
    cr_expect_eq(within(7), 7);
    make_file("groups", "0::/gone");
    cr_expect_eq(within(7), 7);
    make_file("groups", "no group\n\n:");
    cr_expect_eq(within(7), 7);
}

Test(processors, a_quota_gives_whole_processors)
{
    static const struct {
        const char *max;
        int processors;
    } cases[] = {{"max 100000", 8},
                 {"800000 100000", 8},
                 {"900000 100000", 8},
                 {"799999 100000", 7},
                 {"250000 100000", 2},
                 {"100000 50000", 2},
                 {"1000 100000", 1},
                 {"-1 100000", 8},
                 {"200000 0", 8},
                 {"200000", 8},
                 {"", 8}};
    make_file("groups", "0::/");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_file("cpu.max", cases[i].max);
        cr_expect_eq(within(8), cases[i].processors, "%s", cases[i].max);
    }
}

Test(processors, the_narrowest_group_on_the_way_up_counts)
{
    make_file("groups", "0::/slice/a b/task");
    make_file("slice/cpu.max", "600000 100000");
    cr_expect_eq(within(8), 6);
    cr_expect_eq(within(4), 4);
    make_file("slice/other/cpu.max", "100000 100000");
    cr_expect_eq(within(8), 6);
    make_file("cpu.max", "500000 100000");
    cr_expect_eq(within(8), 5);
    make_file("slice/a b/task/cpu.max", "300000 100000");
    cr_expect_eq(within(8), 3);
}

Test(processors, version_1_counts_where_its_controller_is_the_cpu)
{
    make_file("groups", "3:cpuset,cpuacct:/elsewhere\n2:cpuacct,cpu:/docker/1\n1:name=systemd:/elsewhere\n0::/");
    make_file("cpu/elsewhere/cpu.cfs_quota_us", "100000");
    make_file("cpu/elsewhere/cpu.cfs_period_us", "100000");
    cr_expect_eq(within(8), 8);
    make_file("cpu/cpu.cfs_quota_us", "-1");
    make_file("cpu/cpu.cfs_period_us", "100000");
    cr_expect_eq(within(8), 8);
    make_file("cpu/cpu.cfs_quota_us", "400000");
    cr_expect_eq(within(8), 4, "the path of the host is not there, its root is");
    make_file("cpu/docker/1/cpu.cfs_quota_us", "150000");
    make_file("cpu/docker/1/cpu.cfs_period_us", "50000");
    cr_expect_eq(within(8), 3);
}
