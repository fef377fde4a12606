/* How many processors this process may use. Machines have more of them than a container or taskset(1) lets a process have, and threads
 * beyond what it has only wait for each other: whoever needs a number of threads, or wants to know whether waiting threads may spin, asks
 * here. */
#ifndef JEOUL_BASE_PROCESSORS_H
#define JEOUL_BASE_PROCESSORS_H

/* The processors that the calling thread may run on (sched_getaffinity), and of these no more than the CPU quotas of its control group and
 * of the groups around it keep running all the time: a quota of 2.5 is 2. At least 1. Reads files: ask once, not for each piece of work. */
int processors_available(void);

/* The part of it that quotas are: `processors` or fewer, by the groups that the file `groups` names (/proc/self/cgroup) in the file systems
 * under `root` (/sys/fs/cgroup): cpu.max in version 2, cpu.cfs_quota_us and cpu.cfs_period_us under cpu/ in version 1. What cannot be read
 * limits nothing. */
int processors_within_quotas(int processors, const char *groups, const char *root);

#endif
