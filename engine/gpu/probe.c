/* A device's limits by kernels/limits.cl, timed by its own clock: see engine.h.
 *
 * An amount of work is grown until it takes the time that is wanted, and kept for the next probe of its kind: passes over memory, each a
 * launch; rounds of products, all in one launch. Memory is two pieces that are far beyond caches, read by turns: of what a pass left in a
 * cache, little is there when its piece is next. */
#include "base/memory.h"
#include "engine/gpu/gpu.h"
#include "engine/prober.h"

#include <stdio.h>
#include <stdlib.h>

/* So many groups of a kernel are on a multiprocessor at once, whatever registers it takes: none waits for its turn at the end. Where the
 * driver does not tell how many of those there are, more groups, of which the last are a small part; of those over memory fewer, as it is
 * shared. */
enum { GROUPS_PER_UNIT = 4, MANY_GROUPS = 16384, MANY_GROUPS_OF_MEMORY = 2048 };
enum { THREADS = 256, WORD = 16, LOADS = 4, LEAST_STEPS = 4, MOST_AMOUNT = 1 << 22 };
static const uint64_t BYTES_PER_UNIT = 16 << 20, LEAST_BYTES = 256 << 20, MOST_BYTES = (uint64_t)4 << 30;
static const double MOST_SECONDS = 0.25;

struct gpu_prober {
    struct engine_prober base;
    struct gpu gpu; // no more than a device
    struct gpu_program program;
    uint32_t groups, memory_groups;
    int steps;                          // over a piece
    uint64_t pieces[2], out;            // each of steps · 4 words for every thread; a number of each thread
    int64_t amount[ENGINE_PROBE_COUNT]; // that was enough; 0: not probed yet
    char reason[512];                   // why nothing can be probed; "": it can
};

/* Work of a piece or a round, in bytes or operations. */
static double work_of(const struct gpu_prober *p, enum engine_probe probe)
{
    enum { MMA_OPERATIONS = 8 * 4096, FLOAT_OPERATIONS = 256, WARP = 32 };
    double threads = (double)p->groups * THREADS, piece = (double)p->memory_groups * THREADS * p->steps * LOADS * WORD;
    switch (probe) {
    case ENGINE_PROBE_BF16:
        return threads / WARP * MMA_OPERATIONS;
    case ENGINE_PROBE_F32:
        return threads * FLOAT_OPERATIONS;
    case ENGINE_PROBE_COPY:
        return 2 * piece;
    default:
        return piece;
    }
}

static const char *probe_missing(const struct engine_prober *base, const struct engine_probing *what)
{
    const struct gpu_prober *p = (const struct gpu_prober *)base;
    bool operations = what->probe >= ENGINE_PROBE_INT8;
    if (p->reason[0])
        return p->reason;
    if (what->probe == ENGINE_PROBE_INT8)
        return "products on a GPU are in BF16 or in float";
    if (what->probe == ENGINE_PROBE_BF16 && !p->gpu.mma)
        return "no matrix units that the kernels use";
    return what->place == (operations ? ENGINE_PROBE_REGISTERS : ENGINE_PROBE_MEMORY)
               ? NULL
               : "of a GPU its memory and products of registers are probed";
}

/* Puts so much of the work into the queue. */
static bool launch(struct gpu_prober *p, enum engine_probe probe, int64_t amount, struct error *err)
{
    static const int kernels[ENGINE_PROBE_COUNT] = {[ENGINE_PROBE_READ] = GPU_LIMIT_READ,
                                                    [ENGINE_PROBE_COPY] = GPU_LIMIT_COPY,
                                                    [ENGINE_PROBE_WRITE] = GPU_LIMIT_WRITE,
                                                    [ENGINE_PROBE_BF16] = GPU_LIMIT_MMA,
                                                    [ENGINE_PROBE_F32] = GPU_LIMIT_FLOAT};
    bool operations = probe >= ENGINE_PROBE_INT8;
    const struct gpu_arg steps = gpu_int(p->steps), threads = gpu_int((int64_t)p->memory_groups * THREADS), rounds = gpu_int(amount);
    struct gpu_launch l = {
        .kernel = p->program.kernels[kernels[probe]], .groups = {operations ? p->groups : p->memory_groups, 1, 1}, .threads = THREADS};
    for (int64_t i = 0; i < (operations ? 1 : amount); i++) {
        const struct gpu_arg piece = gpu_memory(p->pieces[i % 2]), other = gpu_memory(p->pieces[(i + 1) % 2]), out = gpu_memory(p->out);
        const struct gpu_arg lists[ENGINE_PROBE_COUNT][4] = {[ENGINE_PROBE_READ] = {out, piece, steps, threads},
                                                             [ENGINE_PROBE_COPY] = {other, piece, steps, threads},
                                                             [ENGINE_PROBE_WRITE] = {piece, steps, threads},
                                                             [ENGINE_PROBE_BF16] = {out, piece, rounds},
                                                             [ENGINE_PROBE_F32] = {out, rounds, gpu_float(0.75f)}};
        static const uint32_t counts[ENGINE_PROBE_COUNT] = {
            [ENGINE_PROBE_READ] = 4, [ENGINE_PROBE_COPY] = 4, [ENGINE_PROBE_WRITE] = 3, [ENGINE_PROBE_BF16] = 3, [ENGINE_PROBE_F32] = 3};
        l.n_args = counts[probe];
        for (uint32_t a = 0; a < l.n_args; a++)
            l.args[a] = lists[probe][a];
        if (!p->gpu.driver->launch(p->gpu.context, &l, err))
            return false;
    }
    return true;
}

static bool timed(struct gpu_prober *p, enum engine_probe probe, int64_t amount, double *ns, struct error *err)
{
    const struct gpu_driver *driver = p->gpu.driver;
    struct gpu_context *c = p->gpu.context;
    return driver->stamp(c, 0, err) && launch(p, probe, amount, err) && driver->stamp(c, 1, err) && driver->finish(c, err) &&
           driver->between(c, 0, 1, ns, err);
}

static bool sample(struct engine_prober *base, const struct engine_probing *what, double seconds, double *rate_per_s, struct error *err)
{
    struct gpu_prober *p = (struct gpu_prober *)base;
    const char *missing = probe_missing(base, what);
    if (missing)
        return error_set(err, ERROR_INPUT, "this cannot be probed: %s", missing);
    double wanted = (seconds < MOST_SECONDS ? seconds : MOST_SECONDS) * 1e9, ns;
    int64_t *amount = &p->amount[what->probe];
    *amount = *amount ? *amount : 1;
    for (;;) {
        if (!timed(p, what->probe, *amount, &ns, err))
            return false;
        if (ns >= wanted / 2 || *amount >= MOST_AMOUNT)
            break;
        double factor = ns > 0 ? wanted / ns : 16; // small amounts are mostly the launch: they tell little
        *amount = (int64_t)((double)*amount * (factor > 16 ? 16 : factor < 2 ? 2 : factor));
        *amount = *amount < MOST_AMOUNT ? *amount : MOST_AMOUNT;
    }
    if (!(ns > 0))
        return error_set(err, ERROR_MACHINE, "%s: the device's clock stands still", p->gpu.driver->name);
    *rate_per_s = work_of(p, what->probe) * (double)*amount * 1e9 / ns;
    int64_t enough = (int64_t)((double)*amount * wanted / ns);
    *amount = enough < 1 ? 1 : enough < *amount ? enough : *amount; // after a change of clocks, or for less time than before
    return true;
}

/* Two pieces, and halves of them while they don't fit. */
static bool make_memory(struct gpu_prober *p, struct error *err)
{
    const struct gpu_facts *facts = &p->gpu.facts;
    const struct gpu_driver *driver = p->gpu.driver;
    uint64_t step = (uint64_t)p->memory_groups * THREADS * LOADS * WORD,
             bytes = facts->units ? (uint64_t)facts->units * BYTES_PER_UNIT : 1 << 30;
    bytes = bytes < LEAST_BYTES ? LEAST_BYTES : bytes > MOST_BYTES ? MOST_BYTES : bytes;
    bytes = facts->memory_bytes && bytes > facts->memory_bytes / 4 ? facts->memory_bytes / 4 : bytes;
    for (bytes /= 2; bytes >= LEAST_STEPS * step; bytes /= 2) {
        p->steps = (int)(bytes / step);
        for (int i = 0; i < 2; i++)
            p->pieces[i] = driver->memory_new(p->gpu.context, (size_t)p->steps * step, err);
        if (p->pieces[0] && p->pieces[1])
            return (p->out = driver->memory_new(p->gpu.context, (size_t)p->groups * THREADS * 4, err)) != 0;
        for (int i = 0; i < 2; i++) {
            gpu_memory_free(&p->gpu, p->pieces[i]);
            p->pieces[i] = 0;
        }
    }
    return error_set(err, ERROR_MACHINE, "too little memory is free on the device for probes");
}

static bool has_clock(struct gpu_prober *p, struct error *err)
{
    return p->gpu.driver->stamp ? p->gpu.driver->stamp(p->gpu.context, 0, err)
                                : error_set(err, ERROR_MACHINE, "the driver has no clock of the device");
}

/* Each kernel once, so that none is compiled or loaded while it is timed; writing first, since it fills what the others read. */
static bool warm_up(struct gpu_prober *p, struct error *err)
{
    static const enum engine_probe probes[] = {ENGINE_PROBE_WRITE, ENGINE_PROBE_READ, ENGINE_PROBE_COPY, ENGINE_PROBE_F32,
                                               ENGINE_PROBE_BF16};
    double ns;
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        if ((probes[i] != ENGINE_PROBE_BF16 || p->gpu.mma) && !timed(p, probes[i], probes[i] == ENGINE_PROBE_WRITE ? 2 : 1, &ns, err))
            return false;
    return true;
}

static void prober_close(struct engine_prober *base)
{
    struct gpu_prober *p = (struct gpu_prober *)base;
    if (p->gpu.context) {
        gpu_close_program(&p->gpu, &p->program);
        for (int i = 0; i < 2; i++)
            gpu_memory_free(&p->gpu, p->pieces[i]);
        gpu_memory_free(&p->gpu, p->out);
        p->gpu.driver->close(p->gpu.context);
    }
    free(p);
}

static const struct prober_ops ops = {.close = prober_close, .missing = probe_missing, .probe = sample};

struct engine_prober *engine_prober_open_gpu(const char *backend, int device, struct error *err)
{
    struct error why = {0};
    struct gpu_prober *p = gpu_driver_named(backend) ? memory_array(1, sizeof *p, "a prober", err) : NULL;
    if (!gpu_driver_named(backend))
        error_set(err, ERROR_INPUT, "no GPU driver \"%.32s\": cuda, hip and opencl are there", backend);
    if (!p)
        return NULL;
    p->base.ops = &ops;
    bool ok = gpu_open_device(&p->gpu, backend, device, err) && gpu_choose_products(&p->gpu, false, err);
    uint32_t fit = (uint32_t)p->gpu.facts.units * GROUPS_PER_UNIT;
    p->groups = fit ? fit : MANY_GROUPS;
    p->memory_groups = fit ? fit : MANY_GROUPS_OF_MEMORY;
    if (ok && (!gpu_open_limits(&p->gpu, &p->program, &why) || !make_memory(p, &why) || !has_clock(p, &why)))
        snprintf(p->reason, sizeof p->reason, "%.500s", why.message);
    else if (ok)
        ok = warm_up(p, err);
    if (ok)
        return &p->base;
    prober_close(&p->base);
    return NULL;
}
