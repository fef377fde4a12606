/* Launches are listed, and given to the driver when something is written or read.
 *
 * Where the driver has graphs, a list that comes a second time, byte for byte, becomes one, and is launched as a whole from then on: a step
 * of decoding is hundreds of small kernels. What changes from step to step (positions, pages, tokens) is in memory and in no argument. */
#include "base/checksum.h"
#include "base/memory.h"
#include "engine/gpu/gpu.h"

#include <stdlib.h>
#include <string.h>

void gpu_fail(struct gpu *gpu, const struct error *err)
{
    if (gpu->failure.code == ERROR_NONE)
        gpu->failure = *err;
}

void gpu_run(struct gpu *gpu, uint64_t kernel, uint32_t threads, const uint32_t groups[3], const struct gpu_arg *args, size_t n_args)
{
    struct error err = {0};
    gpu_settle(gpu);
    if (gpu->failure.code != ERROR_NONE || !groups[0] || !groups[1] || !groups[2])
        return;
    if (!memory_grow((void **)&gpu->list, &gpu->list_capacity, gpu->n_list + 1, sizeof *gpu->list, "launches", &err)) {
        gpu_fail(gpu, &err);
        return;
    }
    struct gpu_launch *launch = &gpu->list[gpu->n_list++];
    memset(launch, 0, sizeof *launch); // lists are compared byte by byte
    launch->kernel = kernel;
    launch->threads = threads;
    launch->n_args = (uint32_t)n_args;
    memcpy(launch->groups, groups, sizeof launch->groups);
    for (size_t i = 0; i < n_args; i++) {
        launch->args[i].bits = args[i].bits;
        launch->args[i].bytes = args[i].bytes;
        launch->args[i].is_memory = args[i].is_memory;
    }
}

void gpu_run_flat(struct gpu *gpu, enum gpu_kernel kernel, int64_t count, const struct gpu_arg *args, size_t n_args)
{
    enum { THREADS = 256 };
    const struct gpu_program *p = kernel < GPU_ROWS_END ? &gpu->rows : &gpu->attention;
    uint32_t groups[3] = {(uint32_t)((count + THREADS - 1) / THREADS), 1, 1};
    gpu_run(gpu, p->kernels[kernel], THREADS, groups, args, n_args);
}

enum { LEAST_LAUNCHES = 8 }; // of a graph: fewer are as well launched one by one

/* The place of the list at hand: where it was seen before, else the one that was not used for the longest time, with the list copied. */
static struct gpu_graph *graph_of_list(struct gpu *gpu)
{
    size_t bytes = gpu->n_list * sizeof *gpu->list;
    uint64_t sum = checksum(gpu->list, bytes, 0);
    struct gpu_graph *oldest = &gpu->graphs[0];
    gpu->graph_clock++;
    for (struct gpu_graph *g = gpu->graphs; g < gpu->graphs + GPU_GRAPHS; g++) {
        if (g->list && g->sum == sum && g->n == gpu->n_list && memcmp(g->list, gpu->list, bytes) == 0) {
            g->used = gpu->graph_clock;
            return g;
        }
        oldest = g->used < oldest->used ? g : oldest;
    }
    gpu_graph_close(gpu, oldest);
    if ((oldest->list = malloc(bytes)) != NULL)
        memcpy(oldest->list, gpu->list, bytes);
    oldest->n = gpu->n_list;
    oldest->sum = sum;
    oldest->used = gpu->graph_clock;
    return NULL; // seen for the first time
}

void gpu_graph_close(struct gpu *gpu, struct gpu_graph *g)
{
    if (g->graph)
        gpu->driver->graph_free(gpu->context, g->graph);
    free(g->list);
    *g = (struct gpu_graph){0};
}

/* False where the list is to be launched one by one. */
static bool run_graph(struct gpu *gpu, struct error *err)
{
    struct gpu_graph *g = gpu->driver->graph_new && gpu->n_list >= LEAST_LAUNCHES ? graph_of_list(gpu) : NULL;
    if (!g || (!g->graph && !(g->graph = gpu->driver->graph_new(gpu->context, gpu->list, gpu->n_list, err))))
        return false;
    return gpu->driver->graph_run(gpu->context, g->graph, err);
}

bool gpu_flush(struct gpu *gpu)
{
    struct error err = {0};
    gpu_settle(gpu);
    bool any = gpu->failure.code == ERROR_NONE && gpu->n_list;
    if (any)
        gpu_time_stamp(gpu);
    bool done = any && run_graph(gpu, &err);
    if (err.code != ERROR_NONE)
        gpu_fail(gpu, &err);
    for (size_t i = 0; !done && i < gpu->n_list && gpu->failure.code == ERROR_NONE; i++)
        if (!gpu->driver->launch(gpu->context, &gpu->list[i], &err))
            gpu_fail(gpu, &err);
    if (any)
        gpu_time_stamp(gpu);
    gpu->n_list = 0;
    return gpu->failure.code == ERROR_NONE;
}

bool gpu_write(struct gpu *gpu, uint64_t to, size_t at, const void *from, size_t bytes)
{
    struct error err = {0};
    if (gpu_flush(gpu) && bytes && !gpu->driver->write(gpu->context, to, at, from, bytes, &err))
        gpu_fail(gpu, &err);
    return gpu->failure.code == ERROR_NONE;
}

bool gpu_read(struct gpu *gpu, uint64_t from, size_t at, void *to, size_t bytes)
{
    struct error err = {0};
    if (gpu_flush(gpu) && !gpu->driver->read(gpu->context, from, at, to, bytes, &err))
        gpu_fail(gpu, &err);
    if (gpu->failure.code != ERROR_NONE)
        memset(to, 0, bytes);
    return gpu->failure.code == ERROR_NONE;
}

uint64_t gpu_memory_new(struct gpu *gpu, size_t count, size_t size, const char *what, struct error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        error_set(err, ERROR_INPUT, "%s of %zu × %zu bytes overflow the address space", what, count, size);
        return 0;
    }
    bytes = bytes ? (bytes + 3) / 4 * 4 : 4;
    uint64_t memory = gpu->driver->memory_new(gpu->context, bytes, err);
    if (memory && !gpu->driver->clear(gpu->context, memory, bytes, err)) {
        gpu->driver->memory_free(gpu->context, memory);
        memory = 0;
    }
    if (!memory)
        error_record_prefix(err, "%s", what);
    return memory;
}

void gpu_memory_free(struct gpu *gpu, uint64_t memory)
{
    if (memory)
        gpu->driver->memory_free(gpu->context, memory);
}
