/* Waiting between attempts: see patience.h. */
#include "base/patience.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

long patience_stall_s(const struct patience *patience)
{
    return patience->stall_s ? patience->stall_s : 30;
}

bool patience_next(const struct patience *patience, int failed, int64_t retry_after_s, uint64_t *ms, struct error *err)
{
    int most = patience->attempts ? patience->attempts : 6;
    int64_t longest = patience->longest_wait_s ? patience->longest_wait_s : 120;
    if (failed >= most)
        return error_prefix(err, "given up after %d attempts", most);
    if (retry_after_s > longest)
        return error_prefix(err,
                            "the server asks to wait %" PRId64 " s, longer than the %" PRId64 " s that are waited here; call again then",
                            retry_after_s, longest);
    int doublings = failed - 1 < 20 ? failed - 1 : 20;
    *ms = (patience->first_wait_ms ? patience->first_wait_ms : 500) << doublings;
    if (*ms > (uint64_t)longest * 1000)
        *ms = (uint64_t)longest * 1000;
    if (retry_after_s > 0)
        *ms = (uint64_t)retry_after_s * 1000;
    return true;
}

void patience_pause(const struct patience *patience, uint64_t ms)
{
    if (patience->wait) {
        patience->wait(patience->wait_context, ms);
        return;
    }
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}
