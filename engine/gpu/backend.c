/* The GPU backend: its life, its table of operations, and what it counts. */
#include "base/memory.h"
#include "base/processors.h"
#include "engine/gpu/gpu.h"

#include <stdlib.h>
#include <string.h>

static struct buffer *buffer_new(struct backend *backend, size_t count, struct error *err)
{
    struct buffer *buffer = memory_array(1, sizeof *buffer, "buffer", err);
    if (buffer && !(buffer->memory = gpu_memory_new(gpu_of(backend), count, sizeof(float), "activations", err))) {
        free(buffer);
        return NULL;
    }
    if (buffer)
        buffer->count = count;
    return buffer;
}

static void buffer_free(struct backend *backend, struct buffer *buffer)
{
    gpu_flush(gpu_of(backend)); // launches that use it
    gpu_memory_free(gpu_of(backend), buffer->memory);
    free(buffer);
}

static void buffer_read(struct backend *backend, const struct buffer *buffer, size_t first, size_t count, void *out)
{
    gpu_read(gpu_of(backend), buffer->memory, first * sizeof(float), out, count * sizeof(float));
}

static bool finish(struct backend *backend, struct error *err)
{
    struct gpu *gpu = gpu_of(backend);
    struct error own = {0};
    if (gpu_flush(gpu) && !gpu->driver->finish(gpu->context, &own))
        gpu_fail(gpu, &own);
    if (gpu->failure.code == ERROR_NONE)
        gpu_time_collect(gpu);
    else
        return error_set(err, gpu->failure.code, "device %d, %s: %.800s", gpu->device, gpu->facts.name, gpu->failure.message);
    return true;
}

/* --- counts ----------------------------------------------------------------------------------------------------------------------------
 */

static const uint64_t *expert_load(struct backend *backend)
{
    struct gpu *gpu = gpu_of(backend);
    size_t count = (size_t)gpu->limits.n_layers * (size_t)gpu->limits.n_experts;
    if (!count)
        return NULL;
    gpu_read(gpu, gpu->load, 0, gpu->load_host, count * sizeof *gpu->load_host);
    return gpu->load_host;
}

static void read_counts(struct backend *backend, struct engine_counts *out)
{
    struct gpu *gpu = gpu_of(backend);
    size_t layers = (size_t)gpu->limits.n_layers;
    out->operations = gpu->counts.operations;
    out->weight_bytes = gpu->counts.weight_bytes;
    out->kv_bytes = gpu->counts.kv_bytes;
    out->device_ns = (uint64_t)gpu->time.ns;
    out->device_reason = gpu->time.reason[0] ? gpu->time.reason : NULL;
    if (!gpu->limits.n_experts)
        return;
    gpu_read(gpu, gpu->active, 0, gpu->active_host, layers * sizeof *gpu->active_host);
    for (size_t i = 0; i < layers; i++)
        out->weight_bytes += gpu->active_host[i] * gpu->expert_bytes[i];
}

static void reset_counts(struct backend *backend)
{
    struct gpu *gpu = gpu_of(backend);
    size_t layers = (size_t)gpu->limits.n_layers, experts = (size_t)gpu->limits.n_experts;
    gpu->counts = (struct engine_counts){0};
    gpu->time.ns = 0;
    memset(gpu->load_host, 0, layers * experts * sizeof *gpu->load_host);
    memset(gpu->active_host, 0, layers * sizeof *gpu->active_host);
    gpu_write(gpu, gpu->load, 0, gpu->load_host, layers * experts * sizeof *gpu->load_host);
    gpu_write(gpu, gpu->active, 0, gpu->active_host, layers * sizeof *gpu->active_host);
}

static void use_threads(struct backend *backend, int threads)
{
    struct gpu *gpu = gpu_of(backend);
    if (gpu->cpu) // the rest of the host's part is one thread
        gpu->cpu->ops->use_threads(gpu->cpu, threads);
}

static void each_thread(struct backend *backend, void (*fn)(void *, int), void *context)
{
    (void)backend;
    fn(context, 0);
}

/* --- life ------------------------------------------------------------------------------------------------------------------------------
 */

static void gpu_close(struct backend *backend)
{
    struct gpu *gpu = gpu_of(backend);
    uint64_t memories[] = {gpu->step,     gpu->rope_table, gpu->small, gpu->scores, gpu->router_logits, gpu->pair_gate, gpu->pair_up,
                           gpu->pair_out, gpu->order,      gpu->tiles, gpu->load,   gpu->active,        gpu->partial};
    void *arrays[] = {gpu->list,         gpu->k_cache,   gpu->v_cache,     gpu->step_host,   gpu->staging,
                      gpu->plan.experts, gpu->load_host, gpu->active_host, gpu->expert_bytes};
    if (gpu->context) {
        for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
            gpu_memory_free(gpu, memories[i]);
        for (int i = 0; gpu->k_cache && gpu->v_cache && i < gpu->kv.n_layers; i++) {
            gpu_memory_free(gpu, gpu->k_cache[i]);
            gpu_memory_free(gpu, gpu->v_cache[i]);
        }
        for (int i = 0; i < GPU_GRAPHS; i++)
            gpu_graph_close(gpu, &gpu->graphs[i]);
        gpu_close_programs(gpu);
        gpu->driver->close(gpu->context);
    }
    gpu_cpu_close(gpu);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(gpu);
}

static const struct backend_ops gpu_ops = {
    .name = "gpu",
    .close = gpu_close,
    .plan_weight = gpu_plan_weight,
    .plan_end = gpu_plan_end,
    .weights_begin = gpu_weights_begin,
    .weights_end = gpu_weights_end,
    .weight_load = gpu_weight_load,
    .weight_unload = gpu_weight_unload,
    .buffer_new = buffer_new,
    .buffer_free = buffer_free,
    .buffer_read = buffer_read,
    .kv_open = gpu_kv_open,
    .kv_copy_page = gpu_kv_copy_page,
    .embed = gpu_embed,
    .norm = gpu_norm,
    .project = gpu_project,
    .project_heads = gpu_project_heads,
    .add_bias = gpu_add_bias,
    .add = gpu_add,
    .scale = gpu_scale,
    .clear = gpu_clear,
    .activate = gpu_activate,
    .gate_rows = gpu_gate_rows,
    .copy_columns = gpu_copy_columns,
    .rope = gpu_rope,
    .kv_store = gpu_kv_store,
    .attend = gpu_attend,
    .route = gpu_route,
    .experts = gpu_experts,
    .gather = gpu_gather,
    .score = gpu_score,
    .finish = finish,
    .expert_load = expert_load,
    .read_counts = read_counts,
    .reset_counts = reset_counts,
    .use_threads = use_threads,
    .each_thread = each_thread,
};

enum { MEMORIES = 11 };

struct own_memory {
    uint64_t *memory;
    size_t count, size;
};

/* The backend's own room on the device. */
static void list_memories(struct gpu *gpu, const struct backend_limits *l, struct own_memory out[MEMORIES])
{
    size_t rows = (size_t)l->max_rows, experts = (size_t)l->n_experts, pairs = experts ? rows * (size_t)l->top_k : 0,
           layers = (size_t)l->n_layers;
    const struct own_memory list[MEMORIES] = {{&gpu->small, GPU_SMALL_ROWS, 4},
                                              {&gpu->scores, GPU_SMALL_ROWS, 16},
                                              {&gpu->router_logits, rows * experts, 4},
                                              {&gpu->pair_gate, pairs * (size_t)l->n_ff, 4},
                                              {&gpu->pair_up, pairs * (size_t)l->n_ff, 4},
                                              {&gpu->pair_out, pairs * (size_t)l->n_embd, 4},
                                              {&gpu->order, pairs, 4},
                                              {&gpu->tiles, pairs + experts, 12},
                                              {&gpu->load, layers * experts, 8},
                                              {&gpu->active, layers, 8},
                                              {&gpu->partial, GPU_PARTIAL_BYTES, 1}};
    memcpy(out, list, sizeof list);
}

uint64_t gpu_own_bytes(const struct backend_limits *limits)
{
    struct gpu none;
    struct own_memory memories[MEMORIES];
    uint64_t sum = 0;
    list_memories(&none, limits, memories);
    for (int i = 0; i < MEMORIES; i++)
        sum += (uint64_t)memories[i].count * memories[i].size;
    return sum;
}

static bool make_room(struct gpu *gpu, struct error *err)
{
    const struct backend_limits *l = &gpu->limits;
    size_t rows = (size_t)l->max_rows, experts = (size_t)l->n_experts, layers = (size_t)l->n_layers;
    struct own_memory memories[MEMORIES];
    struct {
        void **array;
        size_t count, size;
    } arrays[] = {{(void **)&gpu->staging, rows * (size_t)l->n_embd, sizeof(float)},
                  {(void **)&gpu->load_host, layers * experts, 8},
                  {(void **)&gpu->active_host, layers, 8},
                  {(void **)&gpu->expert_bytes, layers, 8}};
    list_memories(gpu, l, memories);
    for (int i = 0; i < MEMORIES; i++)
        if (!(*memories[i].memory = gpu_memory_new(gpu, memories[i].count, memories[i].size, "activations", err)))
            return false;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!(*arrays[i].array = memory_array(arrays[i].count, arrays[i].size, "activations", err)))
            return false;
    return true;
}

/* Matrix units where the device has them and floats are not asked for. $JEOUL_GPU=mma has them used anyway, emulated
 * where there are none: for tests, and for AMD's, which nobody has measured. */
bool gpu_choose_products(struct gpu *gpu, bool exact, struct error *err)
{
    const char *forced = getenv("JEOUL_GPU");
    bool mma = forced && strcmp(forced, "mma") == 0;
    if (forced && *forced && !mma && strcmp(forced, "float") != 0)
        return error_set(err, ERROR_INPUT, "JEOUL_GPU=%.32s: float and mma are there", forced);
    gpu->mma = !exact && (forced && *forced ? mma : gpu->facts.tensor_cores);
    return true;
}

/* A launch may have 65535 groups along its second dimension on CUDA, which are the tiles of pairs there. */
static bool check_rows(const struct backend_limits *l, struct error *err)
{
    enum { MOST_GROUPS = 65535, TILE_PAIRS = 8 };
    int64_t most = l->top_k ? ((int64_t)MOST_GROUPS - l->n_experts) * TILE_PAIRS / l->top_k : MOST_GROUPS * TILE_PAIRS;
    return l->max_rows <= most ||
           error_set(err, ERROR_INPUT, "a step of %d rows: on a GPU this model's may have %lld at most", l->max_rows, (long long)most);
}

bool gpu_open_device(struct gpu *gpu, const char *driver, int device, struct error *err)
{
    gpu->driver = gpu_driver_named(driver);
    gpu->device = device;
    int devices = gpu->driver->load(gpu->driver, err) ? gpu->driver->count(gpu->driver, err) : -1;
    if (devices == 0)
        return error_set(err, ERROR_INPUT, "%s has no devices; needed: %s", gpu->driver->name, gpu->driver->libraries);
    return devices > 0 && gpu->driver->describe(gpu->driver, device, &gpu->facts, err) &&
           (gpu->context = gpu->driver->open(gpu->driver, device, err)) != NULL;
}

struct backend *gpu_backend_open(const struct engine_options *options, const struct backend_limits *limits, struct error *err)
{
    struct gpu *gpu = memory_array(1, sizeof *gpu, "backend", err);
    if (!gpu)
        return NULL;
    gpu->base.ops = &gpu_ops;
    gpu->limits = *limits;
    gpu->experts_cpu = options->experts_cpu;
    gpu->upload_threads = processors_available();
    if (check_rows(limits, err) && gpu_open_device(gpu, options->backend, options->device, err) &&
        gpu_choose_products(gpu, options->exact, err) && gpu_open_rows(gpu, err) && make_room(gpu, err) && gpu_cpu_open(gpu, options, err))
        return &gpu->base;
    gpu_close(&gpu->base);
    return NULL;
}

struct engine_facts gpu_backend_facts(const struct backend *backend)
{
    enum { MATRICES = 3 }; // of a layer's experts
    const struct gpu *gpu = (const struct gpu *)backend;
    return (struct engine_facts){.backend = gpu->driver->name,
                                 .isa = gpu->facts.name,
                                 .matrix_units = gpu->mma,
                                 .experts_cpu = gpu->experts_cpu / MATRICES,
                                 .threads = 1,
                                 .packed_bytes = gpu->weight_bytes,
                                 .packed_from_bytes = gpu->packed_from_bytes,
                                 .pack_ns = gpu->pack_ns,
                                 .pack_note = "",
                                 .kernels_note = gpu->kernels_note,
                                 .kv_bytes = gpu->kv_bytes};
}
