/* What a load cell does: requests on a server, some at once, as measurements. */
#ifndef JEOUL_CELL_LOAD_H
#define JEOUL_CELL_LOAD_H

#include "harness/remote.h"

/* One repeat of a cell's configuration ("prompt", "generate", "concurrency", "requests"). docs/run-document.md lists the metrics. */
bool cell_load(const struct remote *remote, const cJSON *config, cJSON *measurements, struct error *err) MUST_CHECK;

#endif
