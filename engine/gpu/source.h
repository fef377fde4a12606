/* The programs of kernels, as text in the program: parts of engine/gpu/kernels/, put together. */
#ifndef JEOUL_GPU_SOURCE_H
#define JEOUL_GPU_SOURCE_H

/* rows: operations on rows, and the router. attention, flash: the cache and what reads it, in float and on matrix units. dot, product:
 * products with a format of weights, in float alone and on matrix units too. limits: probes of the device. What they are specialised by is
 * given as definitions. */
struct gpu_source {
    const char *name, *text;
};
extern const struct gpu_source gpu_source_rows, gpu_source_attention, gpu_source_flash, gpu_source_dot, gpu_source_product,
    gpu_source_limits;

const struct gpu_source *gpu_source_named(const char *name); // NULL: no such program

#endif
