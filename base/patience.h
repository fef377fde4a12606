/* How patient to be with servers, and how long to wait between attempts. Zero means the default. */
#ifndef JEOUL_BASE_PATIENCE_H
#define JEOUL_BASE_PATIENCE_H

#include "base/error.h"

#include <stdint.h>

struct patience {
    int attempts;                             // 6
    long stall_s;                             // 30: a transfer in which no byte comes for so long is given up
    uint64_t first_wait_ms;                   // 500, doubled each time
    int64_t longest_wait_s;                   // 120: a server that asks for longer is an error that says so
    void (*wait)(void *context, uint64_t ms); // NULL: sleeps
    void *wait_context;
};

long patience_stall_s(const struct patience *patience);

/* The wait before the next attempt when `failed` attempts (1 …) have failed, the last one with the message in err and with Retry-After
 * (≤ 0: none). False when no more are made: the message says why. */
bool patience_next(const struct patience *patience, int failed, int64_t retry_after_s, uint64_t *ms, struct error *err) MUST_CHECK;

void patience_pause(const struct patience *patience, uint64_t ms);

#endif
