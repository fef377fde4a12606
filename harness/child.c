/* Reading from a child process: see child.h. */
#include "harness/child.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { MAX_RESULT_BYTES = 64 << 20 };

bool child_read(int fd, uint64_t deadline_ns, struct text *out)
{
    char chunk[65536];
    for (;;) {
        uint64_t now = clock_ns();
        if (now >= deadline_ns || out->length > MAX_RESULT_BYTES)
            return false;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, (int)((deadline_ns - now) / 1000000 > 1000 ? 1000 : (deadline_ns - now) / 1000000 + 1));
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return true;
        if (n > 0)
            text_add(out, chunk, (size_t)n);
        else if (errno != EINTR)
            return false;
    }
}
