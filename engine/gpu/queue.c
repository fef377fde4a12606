/* Launches are listed, and given to the driver when something is written or read. */
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

bool gpu_flush(struct gpu *gpu)
{
    struct error err = {0};
    for (size_t i = 0; i < gpu->n_list && gpu->failure.code == ERROR_NONE; i++)
        if (!gpu->driver->launch(gpu->context, &gpu->list[i], &err))
            gpu_fail(gpu, &err);
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
