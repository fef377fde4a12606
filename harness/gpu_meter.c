/* The board's sensors: see gpu_meter.h. Numbers and names are those of NVIDIA's documented interface (nvml.h). */
#include "harness/gpu_meter.h"

#include "engine/engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { NVML_ERROR_NOT_SUPPORTED = 3, NVML_ERROR_NO_PERMISSION = 4, NVML_CLOCK_SM = 1 };

static struct {
    int (*init)(void);
    int (*by_bus)(const char *, void **);
    int (*energy)(void *, unsigned long long *);
    int (*clock)(void *, int type, unsigned *);
    const char *(*text)(int);
} nvml;

static bool failed(char reason[256], const char *what, int code)
{
    const char *kind = code == NVML_ERROR_NO_PERMISSION ? "permission" : "no_sensor", *text = nvml.text(code);
    snprintf(reason, 256, "%s: NVML, %s: %.100s (%d)", kind, what, text ? text : "", code);
    return false;
}

static bool load(char reason[256])
{
    static const struct {
        const char *name;
        void **function;
    } symbols[] = {{"nvmlInit_v2", (void **)&nvml.init},
                   {"nvmlDeviceGetHandleByPciBusId_v2", (void **)&nvml.by_bus},
                   {"nvmlDeviceGetTotalEnergyConsumption", (void **)&nvml.energy},
                   {"nvmlDeviceGetClockInfo", (void **)&nvml.clock},
                   {"nvmlErrorString", (void **)&nvml.text}};
    static void *library; // stays open: there is one for a process
    if (!library && !(library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL))) {
        snprintf(reason, 256, "no_sensor: libnvidia-ml.so.1 is not there");
        return false;
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (!(*symbols[i].function = dlsym(library, symbols[i].name))) {
            snprintf(reason, 256, "no_sensor: libnvidia-ml.so.1 has no %s", symbols[i].name);
            return false;
        }
    int code = nvml.init();
    return code == 0 || failed(reason, "start", code);
}

static bool find(struct gpu_meter *m, const char *backend, int device)
{
    struct engine_gpu_device facts = {.bus = ""};
    size_t index = 0;
    for (const char *name; (name = engine_gpu_driver_name(index)) != NULL && strcmp(name, backend) != 0;)
        index++;
    if (strcmp(backend, "cuda") != 0) {
        snprintf(m->reason, sizeof m->reason, "no_sensor: sensors are read of CUDA's devices only");
        return false;
    }
    if (!engine_gpu_device(index, device, &facts, NULL) || !*facts.bus) {
        snprintf(m->reason, sizeof m->reason, "no_sensor: the driver does not tell where the card is on the bus");
        return false;
    }
    int code = load(m->reason) ? nvml.by_bus(facts.bus, &m->device) : 0;
    return code ? failed(m->reason, "the card", code) : m->device != NULL;
}

struct gpu_meter gpu_meter_open(const char *backend, int device)
{
    struct gpu_meter m = {.device = NULL};
    if (!find(&m, backend, device)) {
        m.device = NULL;
        snprintf(m.clock_reason, sizeof m.clock_reason, "%s", m.reason);
    }
    return m;
}

void gpu_meter_begin(struct gpu_meter *m)
{
    int code = m->device ? nvml.energy(m->device, &m->begin) : 0;
    if (code)
        failed(m->reason, "energy", code);
}

const char *gpu_meter_end(struct gpu_meter *m, double *joules)
{
    unsigned long long now = m->begin;
    if (!m->device)
        return m->reason;
    int code = nvml.clock(m->device, NVML_CLOCK_SM, &m->clock_mhz);
    if (code)
        failed(m->clock_reason, "clock", code);
    code = m->reason[0] ? 0 : nvml.energy(m->device, &now);
    if (code)
        failed(m->reason, "energy", code);
    if (m->reason[0])
        return m->reason;
    *joules = (double)(now - m->begin) * 1e-3;
    return now > m->begin ? NULL : "gap: the counter did not move in a window this short";
}
