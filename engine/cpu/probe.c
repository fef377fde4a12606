/* The machine's limits, by the widest kernels that it has. */
#include "engine/cpu/cpu.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { READ_BYTES = 512 << 20, READ_PIECE = 1 << 20, ROUNDS = 20000 };

struct probe_work {
    struct pool *pool;
    double (*run)(int64_t iterations); // NULL: read
    uint64_t (*read)(const uint8_t *, size_t);
    const uint8_t *bytes;
    uint64_t until_ns;
    double *done; // [threads]: operations or bytes
    uint64_t *sink;
};

static void probe_thread(void *context, int thread, int threads)
{
    const struct probe_work *w = context;
    double done = 0;
    uint64_t sum = 0;
    size_t share = READ_BYTES / (size_t)threads / READ_PIECE * READ_PIECE, at = 0;
    pool_barrier(w->pool);
    do {
        if (w->run)
            done += w->run(ROUNDS);
        else {
            sum += w->read(w->bytes + (size_t)thread * share + at, READ_PIECE);
            done += READ_PIECE;
            at = at + READ_PIECE < share ? at + READ_PIECE : 0;
        }
    } while (clock_ns() < w->until_ns);
    w->done[thread] = done;
    w->sink[thread] = sum;
}

bool engine_probe(enum engine_probe probe, int threads, double seconds, double *rate_per_s, struct error *err)
{
    const struct cpu_kernels *kernels = cpu_kernels_choose(NULL, err);
    if (!kernels)
        return false;
    struct probe_work work = {.read = kernels->probe_read};
    work.run = probe == ENGINE_PROBE_INT8 ? kernels->probe_int8 : probe == ENGINE_PROBE_F32 ? kernels->probe_f32 : NULL;
    if (probe == ENGINE_PROBE_BF16 && !(work.run = kernels->probe_bf16)) {
        if (err)
            *err = (struct error){.code = ERROR_NONE};
        return false;
    }
    void *bytes = NULL;
    bool ok = false;
    if (!(work.pool = pool_open(threads, err)) || !(work.done = memory_array((size_t)threads, sizeof *work.done, "probe", err)) ||
        !(work.sink = memory_array((size_t)threads, sizeof *work.sink, "probe", err)))
        goto out;
    if (probe == ENGINE_PROBE_READ_BANDWIDTH) {
        bytes = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (bytes == MAP_FAILED) {
            bytes = NULL;
            error_set_errno(err, "no memory for a bandwidth probe of %d bytes", READ_BYTES);
            goto out;
        }
        (void)madvise(bytes, READ_BYTES, MADV_HUGEPAGE);
        memset(bytes, 1, READ_BYTES); // pages of its own, not the zero page
        work.bytes = bytes;
    }
    uint64_t began = clock_ns();
    work.until_ns = began + (uint64_t)(seconds * 1e9);
    pool_run(work.pool, probe_thread, &work);
    double total = 0, elapsed = (double)(clock_ns() - began) * 1e-9;
    for (int i = 0; i < threads; i++)
        total += work.done[i];
    *rate_per_s = total / elapsed;
    ok = true;
out:
    if (bytes)
        munmap(bytes, READ_BYTES);
    pool_close(work.pool);
    free(work.done);
    free(work.sink);
    return ok;
}
