/* Hardware and software event counters around the phases of a benchmark, by PAPI's low-level interface: one event set for each thread of
 * the engine. Listing is not availability: an event counts as there once it was started. What isn't there is null with PAPI's own reason.
 */
#ifndef JEOUL_COUNTERS_H
#define JEOUL_COUNTERS_H

#include "bench/bench.h"

#include <cjson/cJSON.h>

struct counters;

/* Never fails for want of counters: then each of them has its reason. NULL only when memory runs out. */
struct counters *counters_open(struct engine *engine);
void counters_close(struct counters *counters);
struct bench_hooks counters_hooks(struct counters *counters);

/* [{metric: "counter:NAME", unit, value|null, reason|null, labels: {phase}}] of the phases since open. */
cJSON *counters_measurements(const struct counters *counters);

cJSON *counters_available(void); // for the system object: [{name, available, reason}]

#endif
