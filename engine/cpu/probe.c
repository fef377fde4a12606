/* The machine's limits by the kernels of any instruction set that it has: see engine.h.
 *
 * Threads start together at a barrier and each divides what it did by its own time, so that neither waking nor the last piece of another
 * thread counts. They go over their part in pieces that are long for a hardware prefetcher and short beside the time of a probe. */
#include "engine/cpu/cpu.h"

#include "base/clock.h"
#include "base/memory.h"
#include "engine/prober.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE = 1 << 20, LEAST_MEMORY = 256 << 20, GRAIN = 8192, ROUNDS = 20000 };

struct cpu_prober {
    struct engine_prober base;
    struct pool *pool;
    uint8_t *bytes; // [n_bytes], a part for each thread
    size_t n_bytes;
    size_t l2_bytes, l3_bytes; // of the first CPU; 0: not known
    double *rates;             // [threads]
};

/* The unified or data cache of a level, as the kernel describes the first CPU's; 0 where it doesn't. (The C library's own answer counts all
 * of a package's slices as one.) */
static size_t cache_bytes(int level)
{
    for (int index = 0; index < 8; index++) {
        char path[96], type[16] = "", unit = 0;
        int of_level = 0;
        size_t size = 0;
        static const char *const names[] = {"level", "type", "size"};
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, names[i]);
            FILE *file = fopen(path, "r");
            if (!file)
                return 0;
            int got = i == 0 ? fscanf(file, "%d", &of_level) : i == 1 ? fscanf(file, "%15s", type) : fscanf(file, "%zu%c", &size, &unit);
            fclose(file);
            if (got < 1)
                return 0;
        }
        if (of_level == level && strcmp(type, "Instruction") != 0)
            return size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
    }
    return 0;
}

/* Bytes of each thread's part, in whole grains; 0: there is no such place for so many threads. Half of a cache leaves room for what else is
 * in it; a share of L3 that L2 could hold would tell of L2. */
static size_t part_bytes(const struct cpu_prober *prober, enum engine_probe_place place, int threads)
{
    size_t part = place == ENGINE_PROBE_L2 ? prober->l2_bytes / 2 : prober->l3_bytes / 2 / (size_t)threads;
    if (place == ENGINE_PROBE_MEMORY)
        return prober->n_bytes / (size_t)threads / PIECE * PIECE;
    if (place == ENGINE_PROBE_REGISTERS || (place == ENGINE_PROBE_L3 && part < 2 * prober->l2_bytes))
        return 0;
    size_t most = prober->n_bytes / (size_t)threads;
    return (part < most ? part : most) / GRAIN * GRAIN;
}

static const struct cpu_kernels *kernels_of(const struct engine_probing *what)
{
    return cpu_kernels_choose(what->isa, NULL);
}

static bool counts_operations(const struct engine_probing *what)
{
    return what->probe >= ENGINE_PROBE_INT8;
}

const char *cpu_probe_missing(const struct engine_prober *base, const struct engine_probing *what)
{
    const struct cpu_prober *prober = (const struct cpu_prober *)base;
    const struct cpu_kernels *kernels = kernels_of(what);
    if (counts_operations(what) && kernels && !kernels->probes->from_registers[what->probe - ENGINE_PROBE_INT8])
        return "this instruction set has no such unit";
    if (what->place == ENGINE_PROBE_REGISTERS)
        return counts_operations(what) ? NULL : "registers have no bandwidth that could be measured";
    if (!part_bytes(prober, what->place, what->threads))
        return what->place == ENGINE_PROBE_L3 && prober->l3_bytes ? "a thread's share of L3 is not larger than its L2"
                                                                  : "the system does not tell this cache's size";
    return NULL;
}

struct probing {
    struct cpu_prober *prober;
    const struct cpu_probes *probes;
    const struct engine_probing *what;
    uint64_t ns;
};

/* One piece; returns the bytes or operations of it. A copy goes from the first half of the piece to the second. */
static double do_piece(const struct probing *p, uint8_t *bytes, size_t n)
{
    int unit = (int)p->what->probe - ENGINE_PROBE_INT8;
    switch (p->what->probe) {
    case ENGINE_PROBE_READ:
        p->probes->read(bytes, n);
        return (double)n;
    case ENGINE_PROBE_WRITE:
        p->probes->write(bytes, n);
        return (double)n;
    case ENGINE_PROBE_COPY:
        p->probes->copy(bytes + n / 2, bytes, n / 2);
        return (double)n;
    default:
        return n ? p->probes->from_bytes[unit](bytes, n) : p->probes->from_registers[unit](ROUNDS);
    }
}

static void probe_thread(void *context, int thread, int threads)
{
    const struct probing *p = context;
    size_t part = part_bytes(p->prober, p->what->place, threads), piece = part < PIECE ? part : PIECE, at = 0;
    uint8_t *bytes = p->prober->bytes + p->prober->n_bytes / (size_t)threads / GRAIN * GRAIN * (size_t)thread;
    if (p->what->place != ENGINE_PROBE_MEMORY)
        for (at = 0; at < part; at += piece) // into the cache
            do_piece(p, bytes + at, part - at < piece ? part - at : piece);
    at = 0;
    double done = 0;
    pool_barrier(p->prober->pool);
    uint64_t began = clock_ns(), now;
    do {
        done += do_piece(p, bytes + at, piece);
        at = at + 2 * piece <= part ? at + piece : 0;
        now = clock_ns();
    } while (now - began < p->ns);
    p->prober->rates[thread] = done * 1e9 / (double)(now - began);
}

static bool cpu_probe(struct engine_prober *base, const struct engine_probing *what, double seconds, double *rate_per_s, struct error *err)
{
    struct cpu_prober *prober = (struct cpu_prober *)base;
    const struct cpu_kernels *kernels = cpu_kernels_choose(what->isa, err);
    if (!kernels)
        return false;
    if (what->threads < 1 || what->threads > pool_threads_open(prober->pool))
        return error_set(err, ERROR_INPUT, "a probe with %d threads: 1 … %d are there", what->threads, pool_threads_open(prober->pool));
    const char *missing = cpu_probe_missing(base, what);
    if (missing)
        return error_set(err, ERROR_INPUT, "this cannot be probed: %s", missing);
    struct probing probing = {.prober = prober, .probes = kernels->probes, .what = what, .ns = (uint64_t)(seconds * 1e9)};
    pool_use(prober->pool, what->threads);
    pool_run(prober->pool, probe_thread, &probing);
    *rate_per_s = 0;
    for (int i = 0; i < what->threads; i++)
        *rate_per_s += prober->rates[i];
    return true;
}

/* Pages of its own, not the zero page, each first touched by the thread that will read it when all are used. Ones are small and finite
 * numbers in every format. */
static void fill(void *context, int thread, int threads)
{
    struct cpu_prober *prober = context;
    size_t part = prober->n_bytes / (size_t)threads;
    memset(prober->bytes + part * (size_t)thread, 1, part);
}

static void cpu_prober_close(struct engine_prober *base)
{
    struct cpu_prober *prober = (struct cpu_prober *)base;
    if (prober->bytes)
        munmap(prober->bytes, prober->n_bytes);
    pool_close(prober->pool);
    free(prober->rates);
    free(prober);
}

static const struct prober_ops ops = {.close = cpu_prober_close, .missing = cpu_probe_missing, .probe = cpu_probe};

struct engine_prober *engine_prober_open(int threads, struct error *err)
{
    struct cpu_prober *prober = memory_array(1, sizeof *prober, "a prober", err);
    if (!prober)
        return NULL;
    *prober = (struct cpu_prober){.base.ops = &ops, .l2_bytes = cache_bytes(2), .l3_bytes = cache_bytes(3)};
    size_t beyond = 8 * prober->l3_bytes, least = (size_t)threads * 2 * PIECE > LEAST_MEMORY ? (size_t)threads * 2 * PIECE : LEAST_MEMORY;
    prober->n_bytes = (beyond > least ? beyond : least) / PIECE * PIECE;
    void *bytes = mmap(NULL, prober->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        error_set_errno(err, "no memory for probes, %zu bytes", prober->n_bytes);
        cpu_prober_close(&prober->base);
        return NULL;
    }
    prober->bytes = bytes;
    (void)madvise(bytes, prober->n_bytes, MADV_HUGEPAGE);
    prober->rates = memory_array((size_t)threads, sizeof *prober->rates, "a prober", err);
    if (!prober->rates || !(prober->pool = pool_open(threads, err))) {
        cpu_prober_close(&prober->base);
        return NULL;
    }
    pool_run(prober->pool, fill, prober);
    return &prober->base;
}
