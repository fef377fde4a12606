/* Products of activation rows with matrices, the router, and the experts. */
#include "engine/gpu/gpu.h"

/* The ways of a product: rows of the matrix and columns that a group of threads makes, and how many threads it has. */
static const struct way {
    uint32_t rows, threads;
    int columns;
} ways[GPU_PRODUCTS] = {
    [GPU_DOT_1] = {4, 128, 1},       [GPU_DOT_8] = {4, 128, 8},    [GPU_ONE_DOT] = {4, 128, 1},  [GPU_MIDDLE_DOT] = {4, 128, 1},
    [GPU_DOWN_DOT] = {4, 128, 1},    [GPU_MMA_8] = {32, 256, 8},   [GPU_MMA_32] = {32, 256, 32}, [GPU_ONE_MMA] = {32, 256, 1},
    [GPU_MIDDLE_MMA] = {32, 256, 1}, [GPU_DOWN_MMA] = {32, 256, 1}};

/* Groups that go through a matrix's rows. */
static uint32_t row_blocks(const struct gpu_weight *w, enum gpu_product way)
{
    return w ? ((uint32_t)w->rows + ways[way].rows - 1) / ways[way].rows : 0;
}

/* What a product is of: see kernels/dot.cl. */
struct product {
    const struct gpu_weight *w;
    uint64_t y, x, bias, order, tiles; // bias, order, tiles: 0 where there are none
    int matrices, columns;             // heads; rows of x, or tiles
    int x_stride, y_stride, x_head, y_head, divide;
    enum gpu_product way;
    bool accumulate;
};

static void run_product(struct gpu *gpu, const struct product *p)
{
    const struct gpu_weight *w = p->w;
    const struct way *way = &ways[p->way];
    int columns = p->tiles ? p->columns : (p->columns + way->columns - 1) / way->columns;
    uint32_t groups[3] = {row_blocks(w, p->way), (uint32_t)columns, (uint32_t)p->matrices};
    gpu_run(gpu, gpu->formats[w->tensor->format->type].kernels[p->way], way->threads, groups,
            GPU_ARGS(gpu_memory(p->y), gpu_memory(w->memory), gpu_long((int64_t)w->high), gpu_long((int64_t)w->scales),
                     gpu_long((int64_t)w->steps), gpu_memory(p->x), gpu_memory(p->bias), gpu_memory(p->order), gpu_memory(p->tiles),
                     gpu_int(w->rows), gpu_int(w->cols), gpu_int(p->columns), gpu_int(p->x_stride), gpu_int(p->y_stride),
                     gpu_int(p->x_head), gpu_int(p->y_head), gpu_int(p->divide), gpu_int(p->accumulate)));
}

/* Matrix units take rows of whole groups and activations that lie on multiples of 16 bytes; floats (routers) stay floats. It depends on the
 * matrix only, so that a row's way is the same in every step. */
static bool for_mma(const struct gpu *gpu, const struct gpu_weight *w, int x_stride)
{
    return gpu->mma && w->tensor->format->type != TENSOR_F32 && w->cols % 32 == 0 && x_stride % 4 == 0;
}

static enum gpu_product way_for(bool mma, int n)
{
    return mma ? (n <= ways[GPU_MMA_8].columns ? GPU_MMA_8 : GPU_MMA_32) : n > 1 ? GPU_DOT_8 : GPU_DOT_1;
}

static void count_product(struct gpu *gpu, const struct gpu_weight *w, int n)
{
    gpu->counts.operations += 2 * (uint64_t)(w->rows * w->cols * w->experts) * (uint64_t)n;
    gpu->counts.weight_bytes += w->tensor->bytes;
}

static void project(struct gpu *gpu, uint64_t y, const struct gpu_weight *w, uint64_t x, int n, bool accumulate)
{
    count_product(gpu, w, n);
    run_product(gpu, &(struct product){.w = w,
                                       .y = y,
                                       .x = x,
                                       .matrices = 1,
                                       .columns = n,
                                       .x_stride = (int)w->cols,
                                       .y_stride = (int)w->rows,
                                       .divide = 1,
                                       .way = way_for(for_mma(gpu, w, (int)w->cols), n),
                                       .accumulate = accumulate});
}

/* Matrices of one format in one launch; the first normalises the row for those after it. */
void gpu_launch_one(struct gpu *gpu, const struct gpu_one *p, const struct gpu_norm_of *norm)
{
    for (int first = 0, end; first < p->n; first = end) {
        const struct gpu_weight *w[GPU_ONE_MATRICES] = {NULL};
        enum gpu_product way = for_mma(gpu, p->w[first], (int)p->w[first]->cols) ? GPU_ONE_MMA : GPU_ONE_DOT;
        uint32_t blocks = 0;
        struct gpu_arg args[7 * GPU_ONE_MATRICES + 7];
        size_t n = 0;
        for (end = first; end < p->n && p->w[end]->tensor->format == p->w[first]->tensor->format; end++)
            w[end - first] = p->w[end];
        for (int i = 0; i < GPU_ONE_MATRICES; i++) {
            bool there = w[i] != NULL;
            args[n++] = gpu_memory(there ? p->y[first + i] : 0);
            args[n++] = gpu_memory(there ? w[i]->memory : 0);
            args[n++] = gpu_long(there ? (int64_t)w[i]->high : 0);
            args[n++] = gpu_long(there ? (int64_t)w[i]->scales : 0);
            args[n++] = gpu_long(there ? (int64_t)w[i]->steps : 0);
            args[n++] = gpu_memory(there ? p->bias[first + i] : 0);
            args[n++] = gpu_int(there ? w[i]->rows : 0);
            blocks += row_blocks(w[i], way);
        }
        bool now = norm && first == 0;
        args[n++] = gpu_memory(now ? norm->x : p->x);
        args[n++] = gpu_memory(now ? norm->weight : 0);
        args[n++] = gpu_memory(now ? norm->y : 0);
        args[n++] = gpu_float(now ? norm->epsilon : 0);
        args[n++] = gpu_int(p->w[first]->cols);
        args[n++] = gpu_memory(p->sum);
        args[n++] = gpu_float(p->factor);
        gpu_run(gpu, gpu->formats[p->w[first]->tensor->format->type].kernels[way], ways[way].threads, (const uint32_t[]){blocks, 1, 1},
                args, n);
    }
}

void gpu_project(struct backend *backend, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x,
                 int n, bool accumulate)
{
    struct gpu *gpu = gpu_of(backend);
    struct gpu_one one = {.n = count, .x = x->memory, .sum = accumulate ? ys[0]->memory : 0, .factor = 1};
    if (n != 1) {
        for (int i = 0; i < count; i++)
            project(gpu, ys[i]->memory, ws[i]->packed, x->memory, n, accumulate);
        return;
    }
    for (int i = 0; i < count; i++) {
        one.w[i] = ws[i]->packed;
        one.y[i] = accumulate ? 0 : ys[i]->memory;
        count_product(gpu, one.w[i], n);
    }
    gpu_hold_product(gpu, &one);
}

void gpu_project_heads(struct backend *backend, struct buffer *y, int y_stride, const struct weight *weight, const struct buffer *x,
                       int x_stride, int n)
{
    struct gpu *gpu = gpu_of(backend);
    const struct gpu_weight *w = weight->packed;
    int heads = (int)w->experts;
    count_product(gpu, w, n);
    run_product(gpu, &(struct product){.w = w,
                                       .y = y->memory,
                                       .x = x->memory,
                                       .matrices = heads,
                                       .columns = n,
                                       .x_stride = heads * x_stride,
                                       .y_stride = heads * y_stride,
                                       .x_head = x_stride,
                                       .y_head = y_stride,
                                       .divide = 1,
                                       .way = way_for(for_mma(gpu, w, x_stride), n)});
}

void gpu_route(struct backend *backend, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct router *router,
               const struct routing *r, int layer, int n)
{
    enum { CHOOSERS = 64 };
    struct gpu *gpu = gpu_of(backend);
    uint32_t groups[3] = {(uint32_t)n, 1, 1};
    gpu_project(backend, (struct buffer *const[]){&(struct buffer){.memory = gpu->router_logits}},
                (const struct weight *const[]){router->matrix}, 1, h, n, false);
    gpu_run(gpu, gpu->rows.kernels[GPU_CHOOSE], CHOOSERS, groups,
            GPU_ARGS(gpu_memory(ids->memory), gpu_memory(weights->memory), gpu_memory(gpu->router_logits),
                     gpu_memory(gpu_vector(router->bias)), gpu_memory(gpu_vector(router->selection)), gpu_int(r->n_experts),
                     gpu_int(r->top_k), gpu_int(r->gate), gpu_int(r->n_groups), gpu_int(r->groups_used), gpu_int(r->normalise),
                     gpu_float(r->scale)));
    gpu->routed_layer = layer;
}

/* One of the experts' matrices for all pairs: y[pair][rows]; divide: x has a row for so many pairs. */
static void project_pairs(struct gpu *gpu, uint64_t y, const struct weight *weight, const struct weight *bias, uint64_t x, int tiles,
                          enum gpu_product way, int divide)
{
    const struct gpu_weight *w = weight->packed;
    run_product(gpu, &(struct product){.w = w,
                                       .y = y,
                                       .x = x,
                                       .bias = gpu_vector(bias),
                                       .order = gpu->order,
                                       .tiles = gpu->tiles,
                                       .matrices = 1,
                                       .columns = tiles,
                                       .x_stride = (int)w->cols,
                                       .y_stride = (int)w->rows,
                                       .divide = divide,
                                       .way = way});
}

/* One way for all three matrices, since they share the tiles. */
static enum gpu_product way_for_experts(const struct gpu *gpu, const struct experts *e, int n)
{
    const struct weight *matrices[] = {e->gate, e->up, e->down};
    bool mma = true;
    for (int i = 0; i < 3; i++)
        mma = mma && for_mma(gpu, matrices[i]->packed, (int)matrices[i]->cols);
    if (mma)
        return n * e->top_k <= 8 * gpu->limits.n_experts ? GPU_MMA_8 : GPU_MMA_32; // an expert has so many rows on average
    return n > 2 ? GPU_DOT_8 : GPU_DOT_1;                                          // fewer rows seldom share an expert
}

/* The experts of one row in two launches. False where they can't be: gate and up are of two formats. */
static bool one_row(struct gpu *gpu, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                    const struct experts *e, bool mma)
{
    const struct gpu_weight *gate = e->gate->packed, *up = e->up->packed, *down = e->down->packed;
    enum gpu_product middle = mma ? GPU_MIDDLE_MMA : GPU_MIDDLE_DOT, end = mma ? GPU_DOWN_MMA : GPU_DOWN_DOT;
    if (gate->tensor->format != up->tensor->format)
        return false;
    gpu_run(gpu, gpu->formats[gate->tensor->format->type].kernels[middle], ways[middle].threads,
            (const uint32_t[]){row_blocks(gate, middle), (uint32_t)e->top_k, 1},
            GPU_ARGS(gpu_memory(gpu->pair_gate), gpu_memory(h->memory), gpu_memory(ids->memory), gpu_memory(gate->memory),
                     gpu_long((int64_t)gate->high), gpu_long((int64_t)gate->scales), gpu_long((int64_t)gate->steps),
                     gpu_memory(gpu_vector(e->gate_bias)), gpu_memory(up->memory), gpu_long((int64_t)up->high),
                     gpu_long((int64_t)up->scales), gpu_long((int64_t)up->steps), gpu_memory(gpu_vector(e->up_bias)), gpu_int(gate->rows),
                     gpu_int(gate->cols), gpu_int(e->function), gpu_memory(gpu->load), gpu_memory(gpu->active), gpu_int(gpu->routed_layer),
                     gpu_int(gpu->limits.n_experts), gpu_int(e->top_k)));
    gpu_run(gpu, gpu->formats[down->tensor->format->type].kernels[end], ways[end].threads, (const uint32_t[]){row_blocks(down, end), 1, 1},
            GPU_ARGS(gpu_memory(x->memory), gpu_memory(gpu->pair_gate), gpu_memory(ids->memory), gpu_memory(weights->memory),
                     gpu_memory(down->memory), gpu_long((int64_t)down->high), gpu_long((int64_t)down->scales),
                     gpu_long((int64_t)down->steps), gpu_memory(gpu_vector(e->down_bias)), gpu_int(down->rows), gpu_int(down->cols),
                     gpu_int(e->top_k)));
    return true;
}

void gpu_experts(struct backend *backend, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                 const struct experts *e, int n)
{
    struct gpu *gpu = gpu_of(backend);
    const struct weight *matrices[] = {e->gate, e->up, e->down};
    int pairs = n * e->top_k, n_experts = gpu->limits.n_experts, n_ff = (int)e->gate->rows, width = (int)e->down->rows;
    enum gpu_product way = way_for_experts(gpu, e, n);
    int columns = ways[way].columns, active = n_experts < pairs ? n_experts : pairs; // each of them has one tile that isn't full
    int tiles = columns == 1 ? pairs : pairs / columns + active;
    gpu->expert_bytes[gpu->routed_layer] = 0;
    for (int i = 0; i < 3; i++) {
        gpu->counts.operations += 2 * (uint64_t)(matrices[i]->rows * matrices[i]->cols) * (uint64_t)pairs;
        gpu->expert_bytes[gpu->routed_layer] += matrices[i]->tensor->bytes / (uint64_t)matrices[i]->experts;
    }
    bool on_cpu = ((const struct gpu_weight *)e->gate->packed)->on_cpu.tensor != NULL;
    if (n == 1 && !on_cpu && one_row(gpu, x, h, ids, weights, e, way == GPU_MMA_8))
        return;
    gpu_run(gpu, gpu->rows.kernels[GPU_SORT], 256, (const uint32_t[]){1, 1, 1},
            GPU_ARGS(gpu_memory(gpu->order), gpu_memory(gpu->tiles), gpu_memory(gpu->load), gpu_memory(gpu->active),
                     gpu_memory(ids->memory), gpu_int(gpu->routed_layer), gpu_int(n_experts), gpu_int(pairs), gpu_int(columns),
                     gpu_int(tiles)));
    if (on_cpu) {
        gpu_cpu_experts(gpu, x, h, ids, weights, e, n);
        return;
    }
    project_pairs(gpu, gpu->pair_gate, e->gate, e->gate_bias, h->memory, tiles, way, e->top_k);
    project_pairs(gpu, gpu->pair_up, e->up, e->up_bias, h->memory, tiles, way, e->top_k);
    int64_t count = (int64_t)pairs * n_ff;
    gpu_run_flat(gpu, GPU_ACTIVATE, count,
                 GPU_ARGS(gpu_memory(gpu->pair_gate), gpu_memory(gpu->pair_up), gpu_int(e->function), gpu_long(count)));
    project_pairs(gpu, gpu->pair_out, e->down, e->down_bias, gpu->pair_gate, tiles, way, 1);
    gpu_run_flat(gpu, GPU_SUM_CHOICES, (int64_t)n * width,
                 GPU_ARGS(gpu_memory(x->memory), gpu_memory(gpu->pair_out), gpu_memory(weights->memory), gpu_int(e->top_k), gpu_int(width),
                          gpu_int(n)));
}
