/* The machine's limits in interleaved rounds, and beside samples: see bench.h. */
#include "bench/bench.h"

#include "base/memory.h"

#include <stdlib.h>

const char *const bench_limit_places[ENGINE_PROBE_PLACE_COUNT] = {"registers", "l2", "l3", "memory"};

const char *bench_limit_metric(enum engine_probe probe)
{
    static const char *const names[ENGINE_PROBE_COUNT] = {"read_bandwidth", "copy_bandwidth", "write_bandwidth",
                                                          "int8_peak",      "bf16_peak",      "f32_peak"};
    return names[probe];
}

const char *bench_limit_unit(enum engine_probe probe)
{
    return probe < ENGINE_PROBE_INT8 ? "byte/s" : "operation/s";
}

static const struct {
    enum engine_probe probe;
    enum engine_probe_place place;
} bandwidths[] = {{ENGINE_PROBE_READ, ENGINE_PROBE_MEMORY},
                  {ENGINE_PROBE_COPY, ENGINE_PROBE_MEMORY},
                  {ENGINE_PROBE_WRITE, ENGINE_PROBE_MEMORY},
                  {ENGINE_PROBE_READ, ENGINE_PROBE_L3},
                  {ENGINE_PROBE_READ, ENGINE_PROBE_L2}};
static const enum engine_probe units[] = {ENGINE_PROBE_INT8, ENGINE_PROBE_BF16, ENGINE_PROBE_F32};
static const enum engine_probe_place operand_places[] = {ENGINE_PROBE_REGISTERS, ENGINE_PROBE_L2, ENGINE_PROBE_MEMORY};
enum {
    BANDWIDTHS = sizeof bandwidths / sizeof *bandwidths,
    UNITS = sizeof units / sizeof *units,
    OPERAND_PLACES = sizeof operand_places / sizeof *operand_places
};

int bench_limits_list(const int64_t *threads, int n_threads, struct bench_limit **out, struct error *err)
{
    const char *const *isas = engine_isas();
    int n_isas = 0, n = 0;
    while (isas[n_isas])
        n_isas++;
    struct bench_limit *list =
        memory_array((size_t)n_threads * (size_t)(BANDWIDTHS + n_isas * UNITS * OPERAND_PLACES), sizeof *list, "limits", err);
    if (!list)
        return -1;
    for (int b = 0; b < BANDWIDTHS; b++)
        for (int t = 0; t < n_threads; t++)
            list[n++].what = (struct engine_probing){bandwidths[b].probe, bandwidths[b].place, isas[0], (int)threads[t]};
    for (int isa = 0; isa < n_isas; isa++)
        for (int u = 0; u < UNITS; u++)
            for (int place = 0; place < OPERAND_PLACES; place++)
                for (int t = 0; t < n_threads; t++)
                    list[n++].what = (struct engine_probing){units[u], operand_places[place], isas[isa], (int)threads[t]};
    *out = list;
    return n;
}

int bench_limits_short_list(int threads, struct bench_limit **out, struct error *err)
{
    static const enum engine_probe probes[] = {ENGINE_PROBE_READ, ENGINE_PROBE_INT8, ENGINE_PROBE_F32, ENGINE_PROBE_BF16};
    enum { PROBES = sizeof probes / sizeof *probes };
    struct bench_limit *list = memory_array((size_t)2 * PROBES, sizeof *list, "limits", err);
    int n = 0;
    if (!list)
        return -1;
    for (int p = 0; p < PROBES; p++)
        for (int t = 1; t <= threads; t = t == threads ? threads + 1 : threads)
            list[n++].what = (struct engine_probing){
                probes[p], probes[p] == ENGINE_PROBE_READ ? ENGINE_PROBE_MEMORY : ENGINE_PROBE_REGISTERS, engine_isas()[0], t};
    *out = list;
    return n;
}

int bench_limits_gpu_list(struct bench_limit **out, struct error *err)
{
    static const struct engine_probing probings[] = {{ENGINE_PROBE_READ, ENGINE_PROBE_MEMORY, NULL, 0},
                                                     {ENGINE_PROBE_COPY, ENGINE_PROBE_MEMORY, NULL, 0},
                                                     {ENGINE_PROBE_WRITE, ENGINE_PROBE_MEMORY, NULL, 0},
                                                     {ENGINE_PROBE_BF16, ENGINE_PROBE_REGISTERS, NULL, 0},
                                                     {ENGINE_PROBE_F32, ENGINE_PROBE_REGISTERS, NULL, 0}};
    enum { N = sizeof probings / sizeof *probings };
    struct bench_limit *list = memory_array(N, sizeof *list, "limits", err);
    if (!list)
        return -1;
    for (int i = 0; i < N; i++)
        list[i].what = probings[i];
    *out = list;
    return N;
}

bool bench_limits_measure(struct engine_prober *prober, struct bench_limit *limits, int n, int rounds, double seconds,
                          void (*progress)(void *context, int done, int total), void *context, struct error *err)
{
    for (int i = 0; i < n; i++) {
        limits[i].reason = engine_probe_missing(prober, &limits[i].what);
        if (!limits[i].reason && !(limits[i].samples = memory_array((size_t)rounds, sizeof(double), "samples of limits", err)))
            return false;
    }
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < n; i++)
            if (!limits[i].reason && !engine_probe(prober, &limits[i].what, seconds, &limits[i].samples[round], err))
                return false;
        if (progress)
            progress(context, round + 1, rounds);
    }
    return true;
}

void bench_limits_free(struct bench_limit *limits, int n)
{
    for (int i = 0; i < n; i++)
        free(limits[i].samples);
    free(limits);
}

/* Raises the phase's limits to what is measured now. */
static void probe_beside(struct bench_beside *b, enum bench_phase_kind phase)
{
    struct engine_probing reading = {ENGINE_PROBE_READ, ENGINE_PROBE_MEMORY, b->isa, b->threads};
    struct engine_probing computing = {b->unit, ENGINE_PROBE_REGISTERS, b->isa, b->threads};
    double read, operations;
    if (b->failed || !engine_probe(b->prober, &reading, b->seconds, &read, &b->err) ||
        !engine_probe(b->prober, &computing, b->seconds, &operations, &b->err)) {
        b->failed = true;
        return;
    }
    if (read > b->read_bytes_per_s[phase])
        b->read_bytes_per_s[phase] = read;
    if (operations > b->operations_per_s[phase])
        b->operations_per_s[phase] = operations;
}

static void begin(void *context, enum bench_phase_kind phase)
{
    struct bench_beside *b = context;
    b->read_bytes_per_s[phase] = b->operations_per_s[phase] = 0;
    probe_beside(b, phase);
}

static void end(void *context, enum bench_phase_kind phase)
{
    probe_beside(context, phase);
}

struct bench_hooks bench_beside_hooks(struct bench_beside *beside)
{
    return (struct bench_hooks){.begin = begin, .end = end, .context = beside};
}
