/* Energy by the package counters of the powercap interface. Absence is null with one of the reasons of docs/measurement.md. */
#ifndef JEOUL_ENERGY_H
#define JEOUL_ENERGY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum { ENERGY_MAX_ZONES = 16 };

struct energy {
    char zones[ENERGY_MAX_ZONES][320];
    double begin[ENERGY_MAX_ZONES], range[ENERGY_MAX_ZONES]; // microjoules; range: where the counter wraps
    int n;
    char reason[128]; // why there are none
};

/* `root` is /sys/class/powercap, or a tree of a test. */
struct energy energy_open(const char *root);
void energy_begin(struct energy *energy);

/* Joules since begin over all packages; false with energy->reason set. A counter that wrapped once is mended; the window must be shorter
 * than two. */
bool energy_end(struct energy *energy, double *joules);

cJSON *energy_available(void); // for the system object

#endif
