/* What a model takes on the device, added up before anything is uploaded. */
#include "engine/gpu/gpu.h"

#include "base/memory.h"

#include <stdlib.h>

void gpu_plan_weight(struct backend *backend, const struct weight *weight, enum weight_use use)
{
    struct gpu *gpu = gpu_of(backend);
    struct gpu_weight w = {.tensor = weight->tensor, .rows = weight->rows, .cols = weight->cols, .experts = weight->experts};
    struct error err = {0};
    if (use == WEIGHT_LOOKUP)
        return;
    if (use == WEIGHT_VECTOR)
        w.bytes = weight->tensor->bytes;
    else
        gpu_planes(&w);
    if (use != WEIGHT_EXPERTS) {
        gpu->plan.weights += w.bytes;
        gpu->plan.largest = w.bytes > gpu->plan.largest ? w.bytes : gpu->plan.largest;
    } else if (memory_grow((void **)&gpu->plan.experts, &gpu->plan.experts_capacity, gpu->plan.n_experts + 1, sizeof w.bytes, "a plan",
                           &err))
        gpu->plan.experts[gpu->plan.n_experts++] = w.bytes;
    else
        gpu_fail(gpu, &err);
}

static double gb(uint64_t bytes)
{
    return (double)bytes * 1e-9;
}

bool gpu_plan_end(struct backend *backend, const struct kv_shape *kv, size_t buffer_elements, struct error *err)
{
    enum { MATRICES = 3 }; // of a layer's experts
    struct gpu *gpu = gpu_of(backend);
    uint64_t element = kv->type == ENGINE_KV_F32 ? 4 : 2, experts = 0, largest = 0;
    uint64_t page = (uint64_t)kv->n_kv_heads * PAGE_TOKENS * (uint64_t)(kv->k_dim + (kv->v_in_k ? 0 : kv->v_dim)) * element;
    uint64_t cache = page * (uint64_t)kv->n_pages * (uint64_t)kv->n_layers;
    uint64_t rope = (uint64_t)gpu->limits.positions * (uint64_t)kv->k_dim * sizeof(float); // grows up to this, see fill_rope
    uint64_t buffers = (uint64_t)buffer_elements * sizeof(float) + rope;
    uint64_t room = gpu->driver->free_bytes ? gpu->driver->free_bytes(gpu->context) : 0;
    uint64_t rest = gpu->plan.weights + cache + buffers;
    if (gpu->failure.code != ERROR_NONE)
        return error_set(err, gpu->failure.code, "%s", gpu->failure.message);
    if (!room) // a driver that doesn't tell: what the device has, less what was made at open
        room = gpu->facts.memory_bytes > gpu_own_bytes(&gpu->limits) ? gpu->facts.memory_bytes - gpu_own_bytes(&gpu->limits) : 0;
    int layers = (int)(gpu->plan.n_experts / MATRICES), on_cpu = gpu->experts_cpu < layers ? gpu->experts_cpu : layers;
    for (size_t i = on_cpu > 0 ? (size_t)on_cpu * MATRICES : 0; i < gpu->plan.n_experts; i++)
        experts += gpu->plan.experts[i];
    if (on_cpu < 0) // auto
        for (on_cpu = 0; on_cpu < layers && rest + experts > room; on_cpu++)
            for (size_t i = 0; i < MATRICES; i++)
                experts -= gpu->plan.experts[(size_t)on_cpu * MATRICES + i];
    for (size_t i = (size_t)on_cpu * MATRICES; i < gpu->plan.n_experts; i++)
        largest = gpu->plan.experts[i] > largest ? gpu->plan.experts[i] : largest;
    if (rest + experts > room)
        return error_set(err, ERROR_INPUT,
                         "device %d, %s: %.3g GB are needed (weights %.3g, experts %.3g, cache %.3g, activations %.3g), %.3g GB are free: "
                         "leave the experts of some layers to the CPU (--experts-cpu), ask for a smaller cache, or take another device",
                         gpu->device, gpu->facts.name, gb(rest + experts), gb(gpu->plan.weights), gb(experts), gb(cache), gb(buffers),
                         gb(room));
    if (largest > gpu->facts.largest_bytes)
        return error_set(err, ERROR_INPUT, "device %d, %s: a layer's experts take %.3g GB, one allocation may have %.3g: --experts-cpu %d",
                         gpu->device, gpu->facts.name, gb(largest), gb(gpu->facts.largest_bytes), layers);
    uint64_t plane = page / (uint64_t)(kv->k_dim + (kv->v_in_k ? 0 : kv->v_dim)) *
                     (uint64_t)(kv->k_dim > kv->v_dim ? kv->k_dim : kv->v_dim) * (uint64_t)kv->n_pages; // a layer's K or V
    if (gpu->plan.largest > gpu->facts.largest_bytes || plane > gpu->facts.largest_bytes)
        return error_set(err, ERROR_INPUT,
                         "device %d, %s: a matrix takes %.3g GB and a layer's cache %.3g, one allocation may have %.3g: ask for a smaller "
                         "cache, or take another device",
                         gpu->device, gpu->facts.name, gb(gpu->plan.largest), gb(plane), gb(gpu->facts.largest_bytes));
    gpu->experts_cpu = on_cpu * MATRICES; // from here on matrices
    return true;
}
