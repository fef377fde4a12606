/* Load cells: see cell_load.h. A closed loop: a request is sent when the one before it in its place is done, so that it is never late and
 * its scheduled arrival is its sending. */
#include "harness/cell_load.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "harness/measurement.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdlib.h>

enum { FLOOR_P90 = 64 }; // samples below which a 90th percentile is no number (docs/measurement.md)

static const char silence[] = "no request wrote anything";
static const char untold[] = "the server doesn't tell how many tokens that were";

/* Median and 90th percentile of n sorted values. */
static void add_percentiles(cJSON *measurements, const char *metric, double *values, size_t n, const char *reason)
{
    statistics_sort(values, n);
    bool enough = n >= FLOOR_P90;
    if (!reason && !n)
        reason = "no request wrote several tokens one after the other";
    measurement_add(measurements, metric, "ns", n ? statistics_median(values, n) : NAN, reason, measurement_labels("statistic", "median"));
    measurement_add(measurements, metric, "ns", enough ? statistics_percentile(values, n, 0.9) : NAN,
                    reason   ? reason
                    : enough ? NULL
                             : "n too small: 64 requests are the floor",
                    measurement_labels("statistic", "p90"));
}

/* Sums of tokens, −1 where one of them is unknown; when the first request was sent and the last text came. */
struct totals {
    double prompt, written;
    uint64_t began_ns, ended_ns;
    size_t silent; // requests that wrote nothing
};

static struct totals totals_of(const struct endpoint_timing *t, size_t n)
{
    struct totals sums = {.began_ns = t[0].sent_ns};
    for (size_t i = 0; i < n; i++) {
        sums.prompt = sums.prompt < 0 || t[i].prompt_tokens < 0 ? -1 : sums.prompt + t[i].prompt_tokens;
        sums.written = sums.written < 0 || t[i].written_tokens < 0 ? -1 : sums.written + t[i].written_tokens;
        sums.silent += !t[i].first_ns;
        sums.began_ns = t[i].sent_ns < sums.began_ns ? t[i].sent_ns : sums.began_ns;
        sums.ended_ns = t[i].last_ns > sums.ended_ns ? t[i].last_ns : sums.ended_ns;
    }
    return sums;
}

static void add_rates(cJSON *measurements, const struct totals *sums, size_t n)
{
    double seconds = (double)(sums->ended_ns - sums->began_ns) * 1e-9;
    const struct {
        const char *metric;
        double tokens;
    } sides[] = {{"served_input", sums->prompt}, {"served_output", sums->written}};
    const char *nothing = sums->silent == n ? silence : NULL;
    cJSON *labels = measurement_labels(NULL, NULL);
    cJSON_AddNumberToObject(labels, "without_text", (double)sums->silent);
    measurement_add(measurements, "served_requests", "request/s", (double)n / seconds, nothing, labels);
    for (int i = 0; i < 2; i++) {
        const char *reason = nothing ? nothing : sides[i].tokens < 0 ? untold : NULL;
        labels = measurement_labels(NULL, NULL);
        json_add_real(labels, "tokens", reason ? NAN : sides[i].tokens, reason);
        measurement_add(measurements, sides[i].metric, "tok/s", sides[i].tokens / seconds, reason, labels);
    }
}

/* TTFT, E2EL and TPOT of docs/endpoints.md, of the requests that wrote something. */
static void add_times(cJSON *measurements, const struct endpoint_timing *t, size_t n, bool told, double *values)
{
    size_t wrote = 0, several = 0;
    for (size_t i = 0; i < n; i++)
        if (t[i].first_ns)
            values[wrote++] = (double)(t[i].first_ns - t[i].sent_ns);
    add_percentiles(measurements, "served_ttft", values, wrote, wrote ? NULL : silence);
    wrote = 0;
    for (size_t i = 0; i < n; i++)
        if (t[i].first_ns)
            values[wrote++] = (double)(t[i].last_ns - t[i].sent_ns);
    add_percentiles(measurements, "served_e2el", values, wrote, wrote ? NULL : silence);
    for (size_t i = 0; i < n; i++)
        if (t[i].last_ns > t[i].first_ns && t[i].written_tokens >= 2) // what came all at once tells nothing of the time between
            values[several++] = (double)(t[i].last_ns - t[i].first_ns) / (t[i].written_tokens - 1);
    add_percentiles(measurements, "served_tpot", values, several, told ? NULL : untold);
}

bool cell_load(const struct remote *remote, const cJSON *config, cJSON *measurements, struct error *err)
{
    struct endpoint_load load = {.words = (int)json_real(config, "prompt"),
                                 .max_tokens = (int)json_real(config, "generate"),
                                 .requests = (int)json_real(config, "requests"),
                                 .parallel = (int)json_real(config, "concurrency"),
                                 .seed = clock_ns()}; // other prompts in every repeat: no cache may know them
    size_t n = (size_t)load.requests;
    struct endpoint_timing *timings = memory_array(n, sizeof *timings, "requests", err);
    double *values = memory_array(n, sizeof *values, "requests", err);
    bool ok = timings && values && endpoint_load(remote->endpoint, &load, timings, err);
    if (ok) {
        struct totals sums = totals_of(timings, n);
        add_rates(measurements, &sums, n);
        add_times(measurements, timings, n, sums.written >= 0, values);
    }
    free(timings);
    free(values);
    return ok;
}
