/* What a machine's limits allow, and how near a phase came to them: arithmetic alone; see bench.h. */
#include "bench/bench.h"

static double bytes_of(const struct bench_phase *phase)
{
    return (double)(phase->counts.weight_bytes + phase->counts.kv_bytes);
}

double bench_mfu(const struct bench_phase *phase, double peak_operations_per_s)
{
    return (double)phase->counts.operations / ((double)phase->ns * 1e-9) / peak_operations_per_s;
}

double bench_mbu(const struct bench_phase *phase, double read_bytes_per_s)
{
    return bytes_of(phase) / ((double)phase->ns * 1e-9) / read_bytes_per_s;
}

struct bench_prediction bench_predict(const struct bench_phase *phase, double read_bytes_per_s, double peak_operations_per_s)
{
    struct bench_prediction p = {.read_seconds = bytes_of(phase) / read_bytes_per_s,
                                 .operation_seconds = (double)phase->counts.operations / peak_operations_per_s};
    p.bound_by_read = p.read_seconds >= p.operation_seconds;
    p.tok_per_s = (double)phase->tokens / (p.bound_by_read ? p.read_seconds : p.operation_seconds);
    return p;
}
