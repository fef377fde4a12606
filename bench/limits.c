/* The machine's limits: the best of several short probes, as neighbours only ever take away. */
#include "bench/bench.h"

int bench_limits(int threads, double seconds, struct bench_limit out[BENCH_MAX_LIMITS], struct error *err)
{
    enum { ROUNDS = 4 };
    static const struct {
        enum engine_probe probe;
        const char *metric, *unit;
    } probes[] = {{ENGINE_PROBE_READ_BANDWIDTH, "read_bandwidth", "byte/s"},
                  {ENGINE_PROBE_INT8, "int8_peak", "operation/s"},
                  {ENGINE_PROBE_F32, "f32_peak", "operation/s"},
                  {ENGINE_PROBE_BF16, "bf16_peak", "operation/s"}};
    int n = 0;
    for (size_t p = 0; p < sizeof probes / sizeof *probes; p++)
        for (int t = 1; t <= threads; t = t == threads ? threads + 1 : threads) {
            struct bench_limit *limit = &out[n++];
            *limit = (struct bench_limit){.metric = probes[p].metric, .unit = probes[p].unit, .threads = t};
            for (int round = 0; round < ROUNDS && !limit->reason; round++) {
                double rate = 0;
                struct error probed = {0};
                if (engine_probe(probes[p].probe, t, seconds / ROUNDS, &rate, &probed))
                    limit->value = rate > limit->value ? rate : limit->value;
                else if (probed.code == ERROR_NONE)
                    limit->reason = "this instruction set has no such unit";
                else {
                    if (err)
                        *err = probed;
                    return -1;
                }
            }
        }
    return n;
}
