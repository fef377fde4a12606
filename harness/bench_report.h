/* What `jeoul bench` measured, and its table and JSON. */
#ifndef JEOUL_BENCH_REPORT_H
#define JEOUL_BENCH_REPORT_H

#include "bench/bench.h"
#include "harness/open.h"
#include "reports/statistics.h"

#include <cjson/cJSON.h>

/* One phase of one repeat, with the limits taken beside it; those are 0 where they were not probed. */
struct bench_sample {
    double tok_per_s, read_bytes_per_s, operations_per_s;
    double bytes_per_token, operations_per_token;
    double utilisation; // MFU of a prefill, MBU of a decode
    double reached;     // tok/s over what the limits allow, decode
    bool bound_by_read; // by that prediction
};

struct bench_configuration {
    struct bench_workload workload;
    struct bench_sample *samples[2];  // [repeats], by phase; all zero where there is no such phase
    double op_ns[2][ENGINE_OP_COUNT]; // over all repeats
    double device_ns[2], wall_ns[2];  // the same: that a GPU computed, and of the phase
    const char *device_reason;        // why a GPU's time is not known; NULL: it is
};

struct benching {
    struct opened o;
    struct bench_configuration *configurations;
    int n, repeats, warmups;
    struct bench_workload deepest; // most sequences, most depth
    struct bench_depths *depths;   // NULL: none is deep
    struct engine_prober *prober;  // NULL: none is open
    struct bench_beside beside;    // without a prober: limits are not probed
    const char *not_probed;        // why not; NULL: they are
    double copy_bytes_per_s;       // 0: not probed
};

/* "median", "ci95_low", "ci95_high", "cv" (null of one sample), "n", "min" and "max". */
cJSON *bench_summary_json(const struct summary *summary);

extern const char bench_no_limits[]; // why limits are null with --no-limits

bool bench_report(const struct benching *b, bool json, struct error *err) MUST_CHECK;

#endif
