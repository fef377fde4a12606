/* The monotonic clock, in nanoseconds, and wall-clock time as ISO 8601 in UTC. */
#ifndef JEOUL_BASE_CLOCK_H
#define JEOUL_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ns(void);

/* "2026-11-23T21:17:05Z" into out[21]. */
void clock_iso8601(char out[21]);

/* Days from one date to another ("2026-11-24", what stands behind it is not read); 0 where one of them is no such date. */
int clock_days_between(const char *from, const char *to);

#endif
