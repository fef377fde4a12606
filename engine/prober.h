/* What can be probed: the CPU's prober (engine/cpu/probe.c) and a GPU's (engine/gpu/probe.c) behind engine.h's functions. */
#ifndef JEOUL_PROBER_H
#define JEOUL_PROBER_H

#include "engine/engine.h"

struct prober_ops {
    void (*close)(struct engine_prober *);
    const char *(*missing)(const struct engine_prober *, const struct engine_probing *);
    bool (*probe)(struct engine_prober *, const struct engine_probing *, double seconds, double *rate_per_s, struct error *);
};

/* Each begins with this. */
struct engine_prober {
    const struct prober_ops *ops;
};

const char *cpu_probe_missing(const struct engine_prober *, const struct engine_probing *); // prober: may be NULL, as engine.h says

#endif
