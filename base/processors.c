/* Processors of this process: see processors.h. */
#include "base/processors.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel refuses a set that is smaller than its own, so larger ones are tried. */
static int in_affinity(void)
{
    for (int most = 1024; most <= 1 << 20; most *= 2) {
        cpu_set_t *set = CPU_ALLOC(most);
        bool known = set && sched_getaffinity(0, CPU_ALLOC_SIZE(most), set) == 0;
        int n = known ? CPU_COUNT_S(CPU_ALLOC_SIZE(most), set) : 0;
        CPU_FREE(set);
        if (known)
            return n;
    }
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* The numbers in a file, as many as are wanted; fewer where it isn't there or has words ("max"). */
static int read_numbers(const char *directory, const char *name, long long numbers[2])
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *stream = fopen(path, "re");
    int n = stream ? fscanf(stream, "%lld %lld", &numbers[0], &numbers[1]) : 0;
    if (stream)
        fclose(stream);
    return n;
}

static int within_group(int processors, const char *directory)
{
    long long quota[2], period[2]; // µs of running in each period of so many µs
    bool limited = read_numbers(directory, "cpu.max", quota) == 2;
    if (limited)
        period[0] = quota[1];
    else
        limited = read_numbers(directory, "cpu.cfs_quota_us", quota) >= 1 && read_numbers(directory, "cpu.cfs_period_us", period) >= 1;
    if (!limited || quota[0] <= 0 || period[0] <= 0 || quota[0] / period[0] >= processors)
        return processors;
    return quota[0] < period[0] ? 1 : (int)(quota[0] / period[0]);
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strcspn(at, ",") == n && memcmp(at, word, n) == 0)
            return true;
    return false;
}

/* A line is "number:controllers:path"; version 2 names no controllers. In a container the path may be the host's, of which only the end of
 * the way up, the root, is there. */
int processors_within_quotas(int processors, const char *groups, const char *root)
{
    char line[4096], directory[6000];
    FILE *stream = fopen(groups, "re");
    while (stream && fgets(line, sizeof line, stream)) {
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        path[strcspn(path, "\n")] = '\0';
        if (*controllers && !has_word(controllers, "cpu"))
            continue;
        for (char *end = path + strlen(path); end; end = strrchr(path, '/')) {
            *end = '\0';
            snprintf(directory, sizeof directory, "%s%s%s", root, *controllers ? "/cpu" : "", path);
            processors = within_group(processors, directory);
        }
    }
    if (stream)
        fclose(stream);
    return processors;
}

int processors_available(void)
{
    int processors = processors_within_quotas(in_affinity(), "/proc/self/cgroup", "/sys/fs/cgroup");
    return processors < 1 ? 1 : processors;
}
