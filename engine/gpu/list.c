/* Drivers and devices for people and programs: engine.h's list of them. */
#include "engine/engine.h"
#include "engine/gpu/driver.h"

#include <stdio.h>

const char *engine_gpu_driver_name(size_t index)
{
    const struct gpu_driver *driver = gpu_driver_at(index);
    return driver ? driver->name : NULL;
}

size_t engine_gpu_driver_built_in(size_t index)
{
    const struct gpu_driver *driver = gpu_driver_at(index);
    size_t n = 0;
    while (driver && driver->images && driver->images[n].program)
        n++;
    return n;
}

/* OpenCL's compiler is the driver; without that of others, models can be run whose kernels are built in. */
static void describe_compiler(const struct gpu_driver *driver, bool built_in, struct engine_gpu_driver *out)
{
    struct error why = {0};
    if (!driver->load_compiler)
        snprintf(out->compiler_reason, sizeof out->compiler_reason, "the driver's own");
    else if (!driver->load_compiler(driver, &why) || !driver->compiler_version(driver, out->compiler, &why))
        snprintf(out->compiler_reason, sizeof out->compiler_reason, "%.500s", why.message);
    if (driver->load_compiler && !*out->compiler && !built_in && !*out->reason)
        snprintf(out->reason, sizeof out->reason, "no compiler for kernels, and none are built in: %.400s", out->compiler_reason);
}

bool engine_gpu_driver(size_t index, struct engine_gpu_driver *out)
{
    const struct gpu_driver *driver = gpu_driver_at(index);
    struct error why = {0};
    if (!driver)
        return false;
    *out = (struct engine_gpu_driver){.name = driver->name};
    int devices = driver->load(driver, &why) ? driver->count(driver, &why) : -1;
    out->devices = devices > 0 ? devices : 0;
    if (devices < 0)
        snprintf(out->reason, sizeof out->reason, "%.500s", why.message);
    else if (devices == 0)
        snprintf(out->reason, sizeof out->reason, "the driver is there, and has no devices");
    describe_compiler(driver, engine_gpu_driver_built_in(index) > 0, out);
    return true;
}

bool engine_gpu_device(size_t index, int device, struct engine_gpu_device *out, struct error *err)
{
    const struct gpu_driver *driver = gpu_driver_at(index);
    struct gpu_facts facts;
    if (!driver)
        return error_set(err, ERROR_INPUT, "there is no GPU driver number %zu", index);
    if (!driver->load(driver, err) || !driver->describe(driver, device, &facts, err))
        return false;
    *out = (struct engine_gpu_device){.memory_bytes = facts.memory_bytes, .units = facts.units, .tensor_cores = facts.tensor_cores};
    snprintf(out->name, sizeof out->name, "%s", facts.name);
    snprintf(out->version, sizeof out->version, "%s", facts.version);
    snprintf(out->bus, sizeof out->bus, "%s", facts.bus);
    return true;
}
