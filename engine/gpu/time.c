/* How long the device computes, by its own clock: a stamp before each list of launches and one behind it, read when the step has been
 * waited for. Where a driver cannot, the time is unknown from then on, with its reason; nothing else fails. */
#include "engine/gpu/gpu.h"

#include <stdio.h>

static void give_up(struct gpu *gpu, const char *why)
{
    snprintf(gpu->time.reason, sizeof gpu->time.reason, "%.250s", why);
    gpu->time.n = 0;
}

void gpu_time_stamp(struct gpu *gpu)
{
    struct error err = {0};
    if (!gpu->driver->stamp && !gpu->time.reason[0])
        give_up(gpu, "the driver has no clock of the device");
    if (gpu->time.n == GPU_STAMPS && gpu->driver->finish(gpu->context, &err)) // all of them have passed then
        gpu_time_collect(gpu);
    if (gpu->time.reason[0])
        return;
    if (gpu->time.n < GPU_STAMPS && gpu->driver->stamp(gpu->context, gpu->time.n, &err))
        gpu->time.n++;
    else
        give_up(gpu, err.message);
}

void gpu_time_collect(struct gpu *gpu)
{
    struct error err = {0};
    for (size_t i = 0; i + 1 < gpu->time.n; i += 2) {
        double ns;
        if (!gpu->driver->between(gpu->context, i, i + 1, &ns, &err)) {
            give_up(gpu, err.message);
            return;
        }
        gpu->time.ns += ns;
    }
    gpu->time.n = 0;
}
