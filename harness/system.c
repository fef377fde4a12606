/* What this machine is: see system.h. hwloc for the topology, /proc and /sys for the rest. */
#include "harness/system.h"

#include "base/file.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "harness/counters.h"
#include "harness/drivers.h"
#include "harness/energy.h"

#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The first line of a small file, or null with a reason. */
static cJSON *line_of_file(const char *path, const char *reason)
{
    struct text text = {0};
    struct error err = {0};
    cJSON *object = cJSON_CreateObject();
    if (file_read(path, 1 << 16, &text, &err) && text.length) {
        text.bytes[strcspn(text.bytes, "\n")] = '\0';
        cJSON_AddStringToObject(object, "value", text.bytes);
        cJSON_AddNullToObject(object, "reason");
    } else {
        cJSON_AddNullToObject(object, "value");
        cJSON_AddStringToObject(object, "reason", reason);
    }
    text_free(&text);
    return object;
}

/* "key : value" or KEY="value" in a file of lines; empty when absent. */
static void field_of_file(const char *path, const char *key, char separator, char *out, size_t n)
{
    char line[8192];
    FILE *stream = fopen(path, "re");
    out[0] = '\0';
    while (stream && fgets(line, sizeof line, stream)) {
        char *at = strchr(line, separator);
        if (strncmp(line, key, strlen(key)) != 0 || !at)
            continue;
        at += 1 + strspn(at + 1, " \t\"");
        at[strcspn(at, "\"\n")] = '\0';
        snprintf(out, n, "%s", at);
        break;
    }
    if (stream)
        fclose(stream);
}

static void add_cache(cJSON *cpu, hwloc_topology_t topology, const char *name, hwloc_obj_type_t type)
{
    hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
    if (cache)
        cJSON_AddNumberToObject(cpu, name, (double)cache->attr->cache.size);
    else
        cJSON_AddNullToObject(cpu, name);
}

static bool add_topology(cJSON *root, cJSON *cpu, struct error *err)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return error_set(err, ERROR_MACHINE, "hwloc cannot read the topology");
    bool ok = hwloc_topology_load(topology) == 0 || error_set(err, ERROR_MACHINE, "hwloc cannot read the topology");
    if (ok) {
        cJSON_AddNumberToObject(cpu, "sockets", hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE));
        cJSON_AddNumberToObject(cpu, "cores", hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE));
        cJSON_AddNumberToObject(cpu, "threads", hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU));
        add_cache(cpu, topology, "l1d_bytes", HWLOC_OBJ_L1CACHE);
        add_cache(cpu, topology, "l2_bytes", HWLOC_OBJ_L2CACHE);
        add_cache(cpu, topology, "l3_bytes", HWLOC_OBJ_L3CACHE);
        cJSON_AddNumberToObject(root, "memory_bytes", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));
        cJSON_AddNumberToObject(root, "numa_nodes", hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE));
    }
    hwloc_topology_destroy(topology);
    return ok;
}

static bool add_id(cJSON *root, const cJSON *cpu, struct error *err)
{
    struct text facts = {0};
    char hex[HASH_HEX];
    const cJSON *governor = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "governor"), "value");
    text_format(&facts, "%s|%d|%s|%.0f|%s|%s|%s", cJSON_GetStringValue(cJSON_GetObjectItem(cpu, "model")),
                cJSON_GetObjectItem(cpu, "cores")->valueint, cJSON_GetStringValue(cJSON_GetObjectItem(cpu, "isa")),
                cJSON_GetObjectItem(root, "memory_bytes")->valuedouble / (1 << 30),
                cJSON_GetStringValue(cJSON_GetObjectItem(root, "kernel")), cJSON_IsString(governor) ? governor->valuestring : "",
                __VERSION__);
    bool ok = text_ok(&facts, err) && hash_bytes(facts.bytes, facts.length, hex, err);
    text_free(&facts);
    hex[16] = '\0';
    if (ok)
        cJSON_AddStringToObject(root, "id", hex);
    return ok;
}

cJSON *system_describe(struct error *err)
{
    char text[256];
    struct utsname uts;
    cJSON *root = cJSON_CreateObject(), *cpu = cJSON_AddObjectToObject(root, "cpu");
    field_of_file("/proc/cpuinfo", "model name", ':', text, sizeof text);
    cJSON_AddStringToObject(cpu, "model", text[0] ? text : "unknown");
    field_of_file("/proc/cpuinfo", "vendor_id", ':', text, sizeof text);
    cJSON_AddStringToObject(cpu, "vendor", text[0] ? text : "unknown");
    cJSON_AddStringToObject(cpu, "isa", engine_isas()[0]);
    bool ok = add_topology(root, cpu, err);
    char flags[4096];
    field_of_file("/proc/cpuinfo", "flags", ':', flags, sizeof flags);
    cJSON_AddBoolToObject(root, "virtual_machine", strstr(flags, " hypervisor") != NULL);
    field_of_file("/etc/os-release", "PRETTY_NAME", '=', text, sizeof text);
    cJSON_AddStringToObject(root, "os", text[0] ? text : "unknown");
    cJSON_AddStringToObject(root, "kernel", uname(&uts) == 0 ? uts.release : "unknown");
    cJSON_AddItemToObject(root, "governor",
                          line_of_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "no cpufreq on this machine"));
    cJSON_AddItemToObject(root, "transparent_hugepages", line_of_file("/sys/kernel/mm/transparent_hugepage/enabled", "not in this kernel"));
    cJSON_AddStringToObject(root, "compiler", "gcc " __VERSION__);
    cJSON_AddItemToObject(root, "counters", counters_available());
    cJSON_AddItemToObject(root, "energy", energy_available());
    cJSON_AddItemToObject(root, "drivers", drivers_describe());
    if (ok && add_id(root, cpu, err))
        return root;
    cJSON_Delete(root);
    return NULL;
}
