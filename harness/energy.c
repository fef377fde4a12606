/* Energy: see energy.h. */
#include "harness/energy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const char *zone, const char *file, double *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", zone, file);
    FILE *stream = fopen(path, "re");
    bool ok = stream && fscanf(stream, "%lf", out) == 1;
    if (stream)
        fclose(stream);
    return ok;
}

struct energy energy_open(const char *root)
{
    struct energy e = {0};
    DIR *directory = opendir(root);
    struct dirent *entry;
    bool denied = false;
    while (directory && (entry = readdir(directory)) && e.n < ENERGY_MAX_ZONES) {
        const char *colon = strchr(entry->d_name, ':'); // "intel-rapl:0" is a package, "intel-rapl:0:1" a part of one
        double now;
        if (!colon || strchr(colon + 1, ':'))
            continue;
        snprintf(e.zones[e.n], sizeof e.zones[e.n], "%.60s/%.200s", root, entry->d_name);
        errno = 0;
        if (read_number(e.zones[e.n], "energy_uj", &now) && read_number(e.zones[e.n], "max_energy_range_uj", &e.range[e.n]))
            e.n++;
        else
            denied = denied || errno == EACCES || errno == EPERM;
    }
    if (directory)
        closedir(directory);
    if (!e.n)
        snprintf(e.reason, sizeof e.reason,
                 denied ? "permission: the counters below %.60s are not readable" : "no_sensor: no package counters below %.60s", root);
    return e;
}

void energy_begin(struct energy *e)
{
    for (int i = 0; i < e->n; i++)
        if (!read_number(e->zones[i], "energy_uj", &e->begin[i]))
            snprintf(e->reason, sizeof e->reason, "gap: a counter stopped answering");
}

bool energy_end(struct energy *e, double *joules)
{
    *joules = 0;
    for (int i = 0; i < e->n && !e->reason[0]; i++) {
        double now;
        if (!read_number(e->zones[i], "energy_uj", &now))
            snprintf(e->reason, sizeof e->reason, "gap: a counter stopped answering");
        else
            *joules += (now - e->begin[i] + (now < e->begin[i] ? e->range[i] : 0)) * 1e-6;
    }
    return !e->reason[0];
}

cJSON *energy_available(void)
{
    struct energy e = energy_open("/sys/class/powercap");
    cJSON *array = cJSON_CreateArray(), *source = cJSON_CreateObject();
    cJSON_AddStringToObject(source, "source", "powercap");
    cJSON_AddStringToObject(source, "scope", "package");
    cJSON_AddBoolToObject(source, "available", e.n > 0);
    cJSON_AddItemToObject(source, "reason", e.n ? cJSON_CreateNull() : cJSON_CreateString(e.reason));
    cJSON_AddItemToArray(array, source);
    return array;
}
