/* Experts that run on the CPU: their matrices are held by a CPU backend, and only rows go to and fro: the normalised input, the chosen
 * experts and their weights one way, the experts' sum the other. Models larger than the device run so. */
#include "engine/gpu/gpu.h"

#include "base/memory.h"

#include <stdlib.h>

bool gpu_cpu_open(struct gpu *gpu, const struct engine_options *options, struct error *err)
{
    const struct backend_limits *l = &gpu->limits;
    size_t rows = (size_t)l->max_rows, width = (size_t)l->n_embd, top_k = (size_t)l->top_k;
    struct engine_options own = *options;
    if (!options->experts_cpu || !l->n_experts)
        return true;
    own.pack_cache = ""; // it holds whole models, and these are some of one's matrices
    if (!(gpu->cpu = cpu_backend_open(&own, l, err)) ||
        !(gpu->cpu_rows = memory_array(rows * (width > top_k ? width : top_k), sizeof *gpu->cpu_rows, "rows", err)))
        return false;
    struct {
        struct buffer **buffer;
        size_t count;
    } buffers[] = {
        {&gpu->cpu_x, rows * width}, {&gpu->cpu_h, rows * width}, {&gpu->cpu_ids, rows * top_k}, {&gpu->cpu_weights, rows * top_k}};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (!(*buffers[i].buffer = gpu->cpu->ops->buffer_new(gpu->cpu, buffers[i].count, err)))
            return false;
    return true;
}

void gpu_cpu_close(struct gpu *gpu)
{
    struct buffer *buffers[] = {gpu->cpu_x, gpu->cpu_h, gpu->cpu_ids, gpu->cpu_weights};
    for (size_t i = 0; gpu->cpu && i < sizeof buffers / sizeof *buffers; i++)
        if (buffers[i])
            gpu->cpu->ops->buffer_free(gpu->cpu, buffers[i]);
    if (gpu->cpu)
        gpu->cpu->ops->close(gpu->cpu);
    free(gpu->cpu_rows);
}

/* n values of the device in a buffer of the CPU: looked up as the one row of a matrix of floats, which copies their bits. */
static void carry(struct gpu *gpu, struct buffer *to, const struct buffer *from, size_t n)
{
    gpu_read(gpu, from->memory, 0, gpu->cpu_rows, n * sizeof(float));
    struct tensor tensor = {.format = tensor_format(TENSOR_F32), .data = gpu->cpu_rows};
    struct weight row = {.tensor = &tensor, .cols = (int64_t)n, .rows = 1, .experts = 1};
    gpu->cpu->ops->embed(gpu->cpu, to, &row, &(struct batch){.n = 1, .tokens = (const int32_t[]){0}});
}

void gpu_cpu_experts(struct gpu *gpu, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                     const struct experts *e, int n)
{
    size_t values = (size_t)n * (size_t)gpu->limits.n_embd, pairs = (size_t)n * (size_t)e->top_k;
    struct experts experts = *e;
    experts.gate = &((const struct gpu_weight *)e->gate->packed)->on_cpu;
    experts.up = &((const struct gpu_weight *)e->up->packed)->on_cpu;
    experts.down = &((const struct gpu_weight *)e->down->packed)->on_cpu;
    carry(gpu, gpu->cpu_h, h, values);
    carry(gpu, gpu->cpu_ids, ids, pairs);
    carry(gpu, gpu->cpu_weights, weights, pairs);
    if (gpu->failure.code != ERROR_NONE)
        return; // ids are no experts then
    gpu->cpu->ops->clear(gpu->cpu, gpu->cpu_x, n, gpu->limits.n_embd);
    gpu->cpu->ops->experts(gpu->cpu, gpu->cpu_x, gpu->cpu_h, gpu->cpu_ids, gpu->cpu_weights, &experts, n);
    gpu->cpu->ops->buffer_read(gpu->cpu, gpu->cpu_x, 0, values, gpu->cpu_rows);
    gpu_write(gpu, gpu->pair_out, 0, gpu->cpu_rows, values * sizeof(float));
    gpu_run_flat(gpu, GPU_ADD, (int64_t)values,
                 GPU_ARGS(gpu_memory(x->memory), gpu_memory(gpu->pair_out), gpu_float(1), gpu_long((int64_t)values)));
}
