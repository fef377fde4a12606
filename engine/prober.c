/* Probing by whichever prober it is: see prober.h. */
#include "engine/prober.h"

void engine_prober_close(struct engine_prober *prober)
{
    if (prober)
        prober->ops->close(prober);
}

const char *engine_probe_missing(const struct engine_prober *prober, const struct engine_probing *what)
{
    return prober ? prober->ops->missing(prober, what) : cpu_probe_missing(NULL, what);
}

bool engine_probe(struct engine_prober *prober, const struct engine_probing *what, double seconds, double *rate_per_s, struct error *err)
{
    return prober->ops->probe(prober, what, seconds, rate_per_s, err);
}
