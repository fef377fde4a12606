/* The CPU backend: its life, and the operations that are too small for a file. */
#include "engine/cpu/cpu.h"

#include "base/memory.h"
#include "base/processors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- buffers and small operations
 * ------------------------------------------------------------------------------------------------------------ */

static struct buffer *buffer_new(struct backend *backend, size_t count, struct error *err)
{
    (void)backend;
    struct buffer *buffer = memory_array(1, sizeof *buffer, "buffer", err);
    if (buffer && !(buffer->data = memory_array(count, sizeof *buffer->data, "activations", err))) {
        free(buffer);
        return NULL;
    }
    return buffer;
}

static void buffer_free(struct backend *backend, struct buffer *buffer)
{
    (void)backend;
    free(buffer->data);
    free(buffer);
}

static void buffer_read(struct backend *backend, const struct buffer *buffer, size_t first, size_t count, void *out)
{
    (void)backend;
    memcpy(out, buffer->data + first, count * sizeof *buffer->data);
}

static void embed(struct backend *backend, struct buffer *x, const struct weight *weight, const struct batch *batch)
{
    struct cpu *cpu = (struct cpu *)backend;
    const struct tensor_format *format = weight->tensor->format;
    size_t row_bytes = (size_t)(weight->cols / format->block_values) * (size_t)format->block_bytes;
    for (int i = 0; i < batch->n; i++)
        format->to_float((const uint8_t *)weight->tensor->data + (size_t)batch->tokens[i] * row_bytes,
                         x->data + (size_t)i * (size_t)weight->cols, weight->cols);
    cpu->counts.weight_bytes += row_bytes * (size_t)batch->n;
    cpu->step++;
}

static void gather(struct backend *backend, struct buffer *y, const struct buffer *x, const int32_t *rows, int m, int width)
{
    (void)backend;
    for (int i = 0; i < m; i++)
        memcpy(y->data + (size_t)i * (size_t)width, x->data + (size_t)rows[i] * (size_t)width, (size_t)width * sizeof *y->data);
}

struct score_work {
    const struct cpu *cpu;
    const float *logits;
    int m, width;
    const int32_t *targets;
    int32_t *argmax;
    float *greatest, *target_logit;
    double *log_sum;
};

static void score_thread(void *context, int thread, int threads)
{
    const struct score_work *w = context;
    for (int i = thread; i < w->m; i += threads) {
        const float *x = w->logits + (size_t)i * (size_t)w->width;
        int best = 0;
        for (int j = 1; j < w->width; j++)
            if (x[j] > x[best])
                best = j;
        w->argmax[i] = best;
        w->greatest[i] = x[best];
        if (w->targets[i] < 0)
            continue;
        w->target_logit[i] = x[w->targets[i]];
        w->log_sum[i] = log(w->cpu->kernels->sum_exp(x, w->width, x[best]));
    }
}

static void score(struct backend *backend, const struct buffer *logits, int m, int width, const int32_t *targets, int32_t *argmax,
                  float *greatest, float *target_logit, double *log_sum)
{
    struct score_work work = {.cpu = (const struct cpu *)backend,
                              .logits = logits->data,
                              .m = m,
                              .width = width,
                              .targets = targets,
                              .argmax = argmax,
                              .greatest = greatest,
                              .target_logit = target_logit,
                              .log_sum = log_sum};
    pool_run(work.cpu->pool, score_thread, &work);
}

/* --- counts, threads
 * ------------------------------------------------------------------------------------------------------------------------- */

static const uint64_t *expert_load(struct backend *backend)
{
    const struct cpu *cpu = (struct cpu *)backend;
    return cpu->limits.n_experts ? cpu->load : NULL;
}

static void read_counts(struct backend *backend, struct engine_counts *out)
{
    const struct cpu *cpu = (const struct cpu *)backend;
    out->operations = cpu->counts.operations;
    out->weight_bytes = cpu->counts.weight_bytes;
    out->kv_bytes = cpu->counts.kv_bytes;
}

static void reset_counts(struct backend *backend)
{
    struct cpu *cpu = (struct cpu *)backend;
    cpu->counts = (struct engine_counts){0};
    memset(cpu->load, 0, (size_t)cpu->limits.n_layers * (size_t)cpu->limits.n_experts * sizeof *cpu->load);
}

static void use_threads(struct backend *backend, int threads)
{
    pool_use(((struct cpu *)backend)->pool, threads);
}

struct each_work {
    void (*fn)(void *, int);
    void *context;
};

static void each_work_thread(void *context, int thread, int threads)
{
    (void)threads;
    const struct each_work *work = context;
    work->fn(work->context, thread);
}

static void each_thread(struct backend *backend, void (*fn)(void *, int), void *context)
{
    struct each_work work = {.fn = fn, .context = context};
    pool_run(((struct cpu *)backend)->pool, each_work_thread, &work);
}

/* --- life
 * -------------------------------------------------------------------------------------------------------------------------------------- */

static void free_room(struct activations_q *room)
{
    free(room->rows.b);
    free(room->rows.q);
    free(room->rows.scale);
    free(room->rows.sum);
    free(room->rows.sum32);
    free(room->columns);
}

static void cpu_close(struct backend *backend)
{
    struct cpu *cpu = (struct cpu *)backend;
    pool_close(cpu->pool);
    cpu_weights_close(cpu);
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++) {
        free_room(&cpu->in[kind]);
        free_room(&cpu->mid[kind]);
    }
    void *arrays[] = {cpu->mid_values,    cpu->down_values, cpu->pair_order, cpu->expert_begin,
                      cpu->router_logits, cpu->scratch,     cpu->rope_table, cpu->load};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    if (cpu->k_cache)
        munmap(cpu->k_cache, cpu->kv_bytes);
    free(cpu);
}

static const struct backend_ops cpu_ops = {
    .name = "cpu",
    .close = cpu_close,
    .weights_begin = cpu_weights_begin,
    .weight_load = cpu_weight_load,
    .weights_end = cpu_weights_end,
    .weight_unload = cpu_weight_unload,
    .buffer_new = buffer_new,
    .buffer_free = buffer_free,
    .buffer_read = buffer_read,
    .kv_open = cpu_kv_open,
    .kv_copy_page = cpu_kv_copy_page,
    .embed = embed,
    .norm = cpu_norm,
    .project = cpu_project,
    .project_heads = cpu_project_heads,
    .add_bias = cpu_add_bias,
    .add = cpu_add,
    .scale = cpu_scale,
    .clear = cpu_clear,
    .activate = cpu_activate,
    .gate_rows = cpu_gate_rows,
    .copy_columns = cpu_copy_columns,
    .rope = cpu_rope,
    .kv_store = cpu_kv_store,
    .attend = cpu_attend,
    .route = cpu_route,
    .experts = cpu_experts,
    .gather = gather,
    .score = score,
    .expert_load = expert_load,
    .read_counts = read_counts,
    .reset_counts = reset_counts,
    .use_threads = use_threads,
    .each_thread = each_thread,
};

static bool room_for(struct activations_q *room, enum activation kind, size_t rows, size_t columns, size_t width, struct error *err)
{
    room->width = (int64_t)width;
    room->columns = memory_array(rows * columns, sizeof *room->columns, "activations", err);
    if (!room->columns)
        return false;
    if (kind == ACTIVATION_FLOAT)
        return true;
    size_t padded = (width + 255) / 256 * 256;
    struct column_room *r = &room->rows;
    if (kind == ACTIVATION_BF16)
        return (r->b = memory_array(rows, padded * sizeof *r->b, "activations", err)) != NULL;
    r->q = memory_array(rows, padded, "activations", err);
    r->scale = memory_array(rows, padded / 32 * sizeof *r->scale, "activations", err);
    r->sum = memory_array(rows, padded / 16 * sizeof *r->sum, "activations", err);
    r->sum32 = memory_array(rows, padded / 32 * sizeof *r->sum32, "activations", err);
    return r->q && r->scale && r->sum && r->sum32;
}

static bool make_room(struct cpu *cpu, struct error *err)
{
    const struct backend_limits *l = &cpu->limits;
    size_t rows = (size_t)l->max_rows, pairs = rows * (size_t)l->top_k, experts = (size_t)l->n_experts, width = (size_t)l->max_width;
    enum { LOGITS_ROWS = 64 };
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        if (!room_for(&cpu->in[kind], (enum activation)kind, rows > LOGITS_ROWS ? rows : LOGITS_ROWS, (size_t)l->max_columns, width, err) ||
            !room_for(&cpu->mid[kind], (enum activation)kind, pairs, 1, (size_t)l->n_ff, err))
            return false;
    cpu->scratch_width = width > 2 * PAGE_TOKENS * MAX_HEAD_DIM ? width : 2 * PAGE_TOKENS * MAX_HEAD_DIM;
    struct {
        void **array;
        size_t count, size;
    } arrays[] = {
        {(void **)&cpu->mid_values, pairs * (size_t)l->n_ff, 4},
        {(void **)&cpu->down_values, (pairs < FEW_PAIRS ? pairs : FEW_PAIRS) * ((width + PANEL_ROWS - 1) / PANEL_ROWS * PANEL_ROWS), 4},
        {(void **)&cpu->pair_order, pairs, 4},
        {(void **)&cpu->expert_begin, 2 * experts + 2, 4}, // behind it the active experts
        {(void **)&cpu->router_logits, (rows + 1) * experts, 4},
        {(void **)&cpu->rope_table, rows * MAX_HEAD_DIM, 4},
        {(void **)&cpu->scratch, (size_t)pool_threads(cpu->pool) * cpu->scratch_width, 4},
        {(void **)&cpu->load, (size_t)l->n_layers * experts, 8}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!(*arrays[i].array = memory_array(arrays[i].count, arrays[i].size, "activations", err)))
            return false;
    return true;
}

struct backend *cpu_backend_open(const struct engine_options *options, const struct backend_limits *limits, struct error *err)
{
    enum { MAX_THREADS = 1024 };
    int threads = options->threads ? options->threads : processors_available();
    if (threads < 1 || threads > MAX_THREADS) {
        error_set(err, ERROR_INPUT, "%d threads: 1 … %d are allowed", threads, MAX_THREADS);
        return NULL;
    }
    struct cpu *cpu = memory_array(1, sizeof *cpu, "backend", err);
    if (!cpu)
        return NULL;
    cpu->base.ops = &cpu_ops;
    cpu->limits = *limits;
    cpu->exact = options->exact;
    cpu->no_pack = options->no_pack;
    cpu->pack_directory = options->pack_cache ? options->pack_cache : getenv("JEOUL_PACK_CACHE");
    if (!(cpu->kernels = cpu_kernels_choose(options->isa, err)) || !(cpu->pool = pool_open(threads, err)) || !make_room(cpu, err)) {
        cpu_close(&cpu->base);
        return NULL;
    }
    return &cpu->base;
}

struct engine_facts cpu_backend_facts(const struct backend *backend)
{
    const struct cpu *cpu = (const struct cpu *)backend;
    return (struct engine_facts){.backend = "cpu",
                                 .isa = cpu->kernels->name,
                                 .threads = pool_threads_open(cpu->pool),
                                 .packed_bytes = cpu->packed_bytes,
                                 .packed_from_bytes = cpu->packed_from_bytes,
                                 .pack_ns = cpu->pack_ns,
                                 .memory_ns = cpu->memory_ns,
                                 .pack_cache = cpu->cache_state,
                                 .pack_note = cpu->cache_note,
                                 .kernels_note = "",
                                 .kv_bytes = cpu->kv_bytes};
}
