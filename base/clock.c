/* Clocks: see clock.h. */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void clock_iso8601(char out[21])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; false when the text is no date. */
static bool day_number(const char *text, int64_t *out)
{
    int year, month, day;
    if (sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *out = timegm(&date) / 86400;
    return true;
}

int clock_days_between(const char *from, const char *to)
{
    int64_t a, b;
    return day_number(from, &a) && day_number(to, &b) ? (int)(b - a) : 0;
}
