/* The bandwidth of copying: what packing is held against. */
#include "engine/cpu/cpu.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { COPY_BYTES = 256 << 20, COPY_PIECE = 2 << 20 };

struct copy_work {
    struct pool *pool;
    uint8_t *bytes; // [2][COPY_BYTES]: from, to
    uint64_t until_ns;
    double *done; // [threads]
};

static void copy_thread(void *context, int thread, int threads)
{
    const struct copy_work *w = context;
    size_t share = COPY_BYTES / (size_t)threads, begin = share * (size_t)thread, at = 0;
    double done = 0;
    do {
        size_t n = share - at < COPY_PIECE ? share - at : COPY_PIECE;
        memcpy(w->bytes + COPY_BYTES + begin + at, w->bytes + begin + at, n);
        done += (double)n;
        at = at + n < share ? at + n : 0;
    } while (clock_ns() < w->until_ns);
    w->done[thread] = done;
}

bool engine_probe_copy(int threads, double seconds, double *bytes_per_s, struct error *err)
{
    struct copy_work work = {.pool = pool_open(threads, err)};
    bool ok = work.pool && (work.done = memory_array((size_t)threads, sizeof *work.done, "probe", err));
    if (ok) {
        void *bytes = mmap(NULL, 2 * (size_t)COPY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ok = bytes != MAP_FAILED || error_set_errno(err, "no memory for a probe of copying, %zu bytes", 2 * (size_t)COPY_BYTES);
        work.bytes = ok ? bytes : NULL;
    }
    if (ok) {
        (void)madvise(work.bytes, 2 * (size_t)COPY_BYTES, MADV_HUGEPAGE);
        memset(work.bytes, 1, 2 * (size_t)COPY_BYTES); // pages of its own, used before the clock starts
        uint64_t began = clock_ns();
        work.until_ns = began + (uint64_t)(seconds * 1e9);
        pool_run(work.pool, copy_thread, &work);
        double total = 0, elapsed = (double)(clock_ns() - began) * 1e-9;
        for (int i = 0; i < threads; i++)
            total += work.done[i];
        *bytes_per_s = total / elapsed;
        munmap(work.bytes, 2 * (size_t)COPY_BYTES);
    }
    pool_close(work.pool);
    free(work.done);
    return ok;
}
