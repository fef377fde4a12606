/* Weights: matrices in planes, vectors as floats, both on the device; rows that are looked up stay in the file. */
#include "base/clock.h"
#include "base/memory.h"
#include "engine/gpu/gpu.h"

#include <stdlib.h>

void gpu_weights_begin(struct backend *backend, const struct weights_source *source)
{
    struct gpu *gpu = gpu_of(backend);
    gpu->pack_ns = gpu->packed_from_bytes = 0;
    gpu->experts_loaded = 0;
    if (gpu->cpu)
        gpu->cpu->ops->weights_begin(gpu->cpu, source);
}

bool gpu_weights_end(struct backend *backend)
{
    struct gpu *gpu = gpu_of(backend);
    return !gpu->cpu || gpu->cpu->ops->weights_end(gpu->cpu);
}

static bool load(struct gpu *gpu, struct gpu_weight *w, struct error *err)
{
    uint64_t began = clock_ns();
    if (w->use == WEIGHT_VECTOR)
        w->bytes = (uint64_t)(w->cols * w->rows * w->experts) * sizeof(float);
    else {
        gpu_planes(w);
        if (!gpu_open_format(gpu, w->tensor->format, err))
            return false;
    }
    w->memory = gpu_memory_new(gpu, w->bytes, 1, "weights", err);
    if (!w->memory)
        return false;
    bool ok =
        w->use == WEIGHT_VECTOR ? gpu->driver->write(gpu->context, w->memory, 0, w->tensor->data, w->bytes, err) : gpu_upload(gpu, w, err);
    gpu->weight_bytes += w->bytes;
    gpu->packed_from_bytes += w->tensor->bytes;
    gpu->pack_ns += clock_ns() - began;
    return ok;
}

bool gpu_weight_load(struct backend *backend, struct weight *weight, enum weight_use use, bool *file_bytes_unused, struct error *err)
{
    struct gpu *gpu = gpu_of(backend);
    struct gpu_weight *w = memory_array(1, sizeof *w, "weight", err);
    if (!w)
        return false;
    *w = (struct gpu_weight){.tensor = weight->tensor, .rows = weight->rows, .cols = weight->cols, .experts = weight->experts, .use = use};
    weight->packed = w;
    *file_bytes_unused = use == WEIGHT_MATRIX || use == WEIGHT_EXPERTS;
    if (use == WEIGHT_EXPERTS && gpu->experts_loaded++ < gpu->experts_cpu) {
        w->on_cpu = *weight;
        if (gpu->cpu->ops->weight_load(gpu->cpu, &w->on_cpu, use, file_bytes_unused, err))
            return true;
        free(w);
        weight->packed = NULL;
        return false;
    }
    if (use == WEIGHT_LOOKUP || load(gpu, w, err))
        return true;
    gpu_weight_unload(backend, weight);
    return false;
}

void gpu_weight_unload(struct backend *backend, struct weight *weight)
{
    struct gpu *gpu = gpu_of(backend);
    struct gpu_weight *w = weight->packed;
    if (w->on_cpu.tensor)
        gpu->cpu->ops->weight_unload(gpu->cpu, &w->on_cpu);
    if (w->memory)
        gpu->weight_bytes -= w->bytes;
    gpu_memory_free(gpu, w->memory);
    free(w);
    weight->packed = NULL;
}

uint64_t gpu_vector(const struct weight *weight)
{
    return weight ? ((const struct gpu_weight *)weight->packed)->memory : 0;
}
