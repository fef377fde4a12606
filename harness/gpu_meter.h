/* What an NVIDIA GPU's own sensors tell, by NVML, opened with dlopen: the board's energy between two moments, and the clock of its
 * multiprocessors. Absence is null with one of the reasons of docs/measurement.md. */
#ifndef JEOUL_GPU_METER_H
#define JEOUL_GPU_METER_H

struct gpu_meter {
    void *device;             // NVML's; NULL: there is none
    unsigned long long begin; // millijoules
    char reason[256];         // why there is no device, or no energy
    char clock_reason[256];   // why there is no clock
    unsigned clock_mhz;       // at the end
};

/* Of the device that the engine runs on; the card is found by its place on the bus, since drivers number cards in orders of their own. */
struct gpu_meter gpu_meter_open(const char *backend, int device);
void gpu_meter_begin(struct gpu_meter *meter);

/* Joules since begin, and the clock at the end; NULL where they are there, else why not. The counter moves some ten times a second: one
 * that did not move is a gap, not 0. */
const char *gpu_meter_end(struct gpu_meter *meter, double *joules);

#endif
