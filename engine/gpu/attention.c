/* The paged cache on the device, and what reads and fills it: see kernels/attention.cl. */
#include "base/memory.h"
#include "engine/gpu/gpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ATTENDERS = 128, TURNERS = 128, FLASH_THREADS = 128, GROUPS_PER_UNIT = 4, UNITS_OF_A_STRANGER = 64 };

bool gpu_kv_open(struct backend *backend, const struct kv_shape *shape, struct error *err)
{
    struct gpu *gpu = gpu_of(backend);
    size_t layers = (size_t)shape->n_layers, page = (size_t)shape->n_kv_heads * PAGE_TOKENS;
    gpu->kv = *shape;
    gpu->kv_element = shape->type == ENGINE_KV_F32 ? 4 : 2;
    gpu->k_cache = memory_array(layers, sizeof *gpu->k_cache, "cache", err);
    gpu->v_cache = memory_array(layers, sizeof *gpu->v_cache, "cache", err);
    if (!gpu->k_cache || !gpu->v_cache)
        return false;
    size_t k = page * (size_t)shape->k_dim * (size_t)gpu->kv_element,
           v = shape->v_in_k ? 0 : page * (size_t)shape->v_dim * (size_t)gpu->kv_element;
    for (size_t i = 0; i < layers; i++) {
        if (!(gpu->k_cache[i] = gpu_memory_new(gpu, (size_t)shape->n_pages, k, "the cache (ask for fewer tokens)", err)) ||
            (v && !(gpu->v_cache[i] = gpu_memory_new(gpu, (size_t)shape->n_pages, v, "the cache (ask for fewer tokens)", err))))
            return false;
        gpu->kv_bytes += (uint64_t)shape->n_pages * (k + v);
    }
    return gpu_open_attention(gpu, err);
}

void gpu_kv_copy_page(struct backend *backend, int from, int to)
{
    struct gpu *gpu = gpu_of(backend);
    int64_t page = (int64_t)gpu->kv.n_kv_heads * PAGE_TOKENS;
    for (int layer = 0; layer < gpu->kv.n_layers; layer++) {
        gpu_run_flat(gpu, GPU_KV_COPY, page * gpu->kv.k_dim,
                     GPU_ARGS(gpu_memory(gpu->k_cache[layer]), gpu_int(from), gpu_int(to), gpu_long(page * gpu->kv.k_dim)));
        if (!gpu->kv.v_in_k)
            gpu_run_flat(gpu, GPU_KV_COPY, page * gpu->kv.v_dim,
                         GPU_ARGS(gpu_memory(gpu->v_cache[layer]), gpu_int(from), gpu_int(to), gpu_long(page * gpu->kv.v_dim)));
    }
}

/* Where the step has room for `needed` numbers; they are twice as many each time, since a sequence grows. */
static bool grow_step(struct gpu *gpu, size_t needed)
{
    struct error err = {0};
    if (needed <= gpu->step_capacity)
        return true;
    size_t capacity = 2 * needed;
    int32_t *host = memory_array(capacity, sizeof *host, "a step's pages", &err);
    uint64_t step = host && gpu_flush(gpu) ? gpu_memory_new(gpu, capacity, sizeof *host, "a step's pages", &err) : 0;
    if (!step) {
        gpu_fail(gpu, &err);
        free(host);
        return false;
    }
    if (gpu->step_host)
        memcpy(host, gpu->step_host, gpu->step_capacity * sizeof *host);
    gpu_memory_free(gpu, gpu->step);
    free(gpu->step_host);
    gpu->step = step;
    gpu->step_host = host;
    gpu->step_capacity = capacity;
    return true;
}

/* The last row of the sequence that `row` is of: its rows stand together and in order, or have pages of their own. */
static int last_of_sequence(const struct batch *batch, int row)
{
    while (row + 1 < batch->n && batch->pages[row + 1] == batch->pages[row] && batch->positions[row + 1] > batch->positions[row])
        row++;
    return row;
}

/* Places in step[] for tiles: as many as there can be of so many rows, so that what follows has its place whatever the sequences are. */
static size_t tile_places(const struct gpu *gpu, int n)
{
    int group = gpu->limits.n_heads / gpu->kv.n_kv_heads;
    return gpu->flash ? 2 * (size_t)n * (size_t)((group + GPU_FEW_ITEMS - 1) / GPU_FEW_ITEMS) : 0;
}

/* The tiles of a step, which are all of one kind: large ones as soon as a sequence fills more than a small one. The last rows' come first,
 * since they see most. */
static void cut_tiles(struct gpu *gpu, const struct batch *batch)
{
    int group = gpu->limits.n_heads / gpu->kv.n_kv_heads, most = 0;
    int32_t *to = gpu->step_host + 2 * (size_t)batch->n;
    for (int row = 0, last; row < batch->n; row = last + 1) {
        last = last_of_sequence(batch, row);
        most = last - row + 1 > most ? last - row + 1 : most;
    }
    gpu->n_tiles = 0;
    gpu->many = most * group > GPU_FEW_ITEMS;
    int size = gpu->many ? gpu->many_items : GPU_FEW_ITEMS;
    for (int row = 0, last; row < batch->n; row = last + 1) {
        last = last_of_sequence(batch, row);
        int items = (last - row + 1) * group;
        for (int first = (items - 1) / size * size; first >= 0; first -= size, gpu->n_tiles++) {
            to[2 * gpu->n_tiles] = row * group + first;
            to[2 * gpu->n_tiles + 1] = items - first < size ? items - first : size;
        }
    }
}

void gpu_use_batch(struct gpu *gpu, const struct batch *batch, bool again)
{
    if (!again && gpu->batch_positions == batch->positions && gpu->batch_n == batch->n)
        return;
    size_t end = 2 * (size_t)batch->n + tile_places(gpu, batch->n);
    int greatest = 0;
    gpu->batch_positions = batch->positions;
    gpu->batch_n = batch->n;
    for (int row = 0; row < batch->n; row++) {
        int last = last_of_sequence(batch, row);
        size_t pages = (size_t)batch->positions[last] / PAGE_TOKENS + 1;
        if (!grow_step(gpu, end + pages))
            return;
        memcpy(gpu->step_host + end, batch->pages[row], pages * sizeof *gpu->step_host);
        for (; row <= last; row++) {
            gpu->step_host[2 * row] = batch->positions[row];
            gpu->step_host[2 * row + 1] = (int32_t)end;
        }
        row = last;
        end += pages;
        greatest = batch->positions[last] > greatest ? batch->positions[last] : greatest;
    }
    if (gpu->flash)
        cut_tiles(gpu, batch);
    gpu->chunks = 1; // a power of two: the same launches for many steps
    while (gpu->chunks < greatest / gpu->chunk_tokens + 1)
        gpu->chunks *= 2;
    gpu->greatest_position = greatest;
    gpu_write(gpu, gpu->step, 0, gpu->step_host, end * sizeof *gpu->step_host);
}

/* Cosines and sines of every position up to the greatest, by the host in double; twice as many each time, up to all that there can be. */
static bool fill_rope(struct gpu *gpu, const struct rope *rope)
{
    struct error err = {0};
    if (gpu->rope_of == rope && gpu->greatest_position < gpu->rope_positions)
        return true;
    enum { LEAST = 256 };
    int needed = gpu->greatest_position + 1, most = gpu->limits.positions > needed ? gpu->limits.positions : needed;
    int positions = needed > most / 2 ? most : needed < LEAST / 2 ? LEAST : 2 * needed, pairs = rope->n_dims / 2;
    size_t count = (size_t)positions * (size_t)rope->n_dims;
    float *host = memory_array(count, sizeof *host, "rope", &err);
    if (!host || !gpu_flush(gpu)) {
        gpu_fail(gpu, &err);
        free(host);
        return false;
    }
    gpu_memory_free(gpu, gpu->rope_table); // before there is another: the plan has room for one
    gpu->rope_of = NULL;
    uint64_t table = gpu->rope_table = gpu_memory_new(gpu, count, sizeof *host, "rope", &err);
    for (int p = 0; table && p < positions; p++)
        for (int i = 0; i < pairs; i++) {
            double angle = (double)p * (double)rope->inverse_frequency[i];
            float *turn = host + (size_t)p * (size_t)rope->n_dims + 2 * (size_t)i;
            turn[0] = (float)cos(angle) * rope->magnitude;
            turn[1] = (float)sin(angle) * rope->magnitude;
        }
    if (table) {
        gpu->rope_of = rope;
        gpu->rope_positions = positions;
        gpu_write(gpu, table, 0, host, count * sizeof *host);
    } else
        gpu_fail(gpu, &err);
    free(host);
    return table != 0;
}

static void turn(struct gpu *gpu, uint64_t x, int n, int n_heads, int head_dim, int first, const struct rope *rope)
{
    gpu_run_flat(gpu, GPU_ROPE, (int64_t)n * n_heads * (rope->n_dims / 2),
                 GPU_ARGS(gpu_memory(x), gpu_memory(gpu->rope_table), gpu_memory(gpu->step), gpu_int(n_heads), gpu_int(head_dim),
                          gpu_int(first), gpu_int(rope->n_dims), gpu_int(rope->neox), gpu_int(n)));
}

void gpu_launch_heads(struct gpu *gpu, const struct gpu_heads *h, int n)
{
    if (h->norm)
        gpu_launch_norm(gpu, &(struct gpu_norm_of){h->x, h->x, h->norm, gpu->kv.k_dim, h->epsilon}, n * h->heads);
    if (h->rope)
        turn(gpu, h->x, n, h->heads, gpu->kv.k_dim, 0, h->rope);
}

void gpu_rope(struct backend *backend, struct buffer *x, int n_heads, int head_dim, int first, const struct rope *rope,
              const struct batch *batch)
{
    struct gpu *gpu = gpu_of(backend);
    gpu_use_batch(gpu, batch, false);
    if (!fill_rope(gpu, rope))
        return;
    if (first == 0 && head_dim == gpu->kv.k_dim) {
        struct gpu_heads *heads = gpu_hold_heads(gpu, x->memory, n_heads, batch->n);
        if (heads->rope) { // has had its turn
            gpu_settle(gpu);
            heads = gpu_hold_heads(gpu, x->memory, n_heads, batch->n);
        }
        heads->rope = rope;
    } else
        turn(gpu, x->memory, batch->n, n_heads, head_dim, first, rope);
}

void gpu_kv_store(struct backend *backend, int layer, const struct buffer *k, const struct buffer *v, const struct batch *batch)
{
    struct gpu *gpu = gpu_of(backend);
    struct gpu_heads q_heads, k_heads;
    gpu_use_batch(gpu, batch, false);
    if (!v) {
        gpu_run_flat(gpu, GPU_KV_STORE, (int64_t)batch->n * gpu->kv.n_kv_heads * gpu->kv.k_dim,
                     GPU_ARGS(gpu_memory(gpu->k_cache[layer]), gpu_memory(k->memory), gpu_memory(gpu->step), gpu_int(batch->n)));
        return;
    }
    gpu_take_heads(gpu, k->memory, &q_heads, &k_heads);
    const struct rope *rope = k_heads.rope ? k_heads.rope : q_heads.rope;
    uint32_t heads = (uint32_t)(q_heads.heads + 2 * gpu->kv.n_kv_heads);
    gpu_run(gpu, gpu->attention.kernels[GPU_TURN_HEADS], TURNERS, (const uint32_t[]){(uint32_t)batch->n * heads, 1, 1},
            GPU_ARGS(gpu_memory(q_heads.x), gpu_memory(k->memory), gpu_memory(v->memory), gpu_memory(gpu->k_cache[layer]),
                     gpu_memory(gpu->v_cache[layer]), gpu_memory(gpu->step), gpu_memory(q_heads.norm), gpu_memory(k_heads.norm),
                     gpu_float(q_heads.norm ? q_heads.epsilon : k_heads.epsilon), gpu_memory(q_heads.rope ? gpu->rope_table : 0),
                     gpu_memory(k_heads.rope ? gpu->rope_table : 0), gpu_int(rope ? rope->n_dims : 0), gpu_int(rope && rope->neox),
                     gpu_int(q_heads.heads)));
}

static void count_attention(struct gpu *gpu, const struct attention *a, const struct batch *batch)
{
    uint64_t token = (uint64_t)(gpu->kv.k_dim + (gpu->kv.v_in_k ? 0 : gpu->kv.v_dim)) * (uint64_t)gpu->kv_element;
    for (int row = 0; row < batch->n; row++) {
        int seen = batch->positions[row] + 1;
        seen = a->window && seen > a->window ? a->window : seen;
        gpu->counts.kv_bytes += (uint64_t)seen * (uint64_t)a->n_kv_heads * token;
    }
}

/* Whether a step of so many groups shares its chunks out among more, to which attend_merge belongs. The bits are the same. */
static bool shared_out(const struct gpu *gpu, const struct attention *a, int n, uint32_t groups, int groups_per_unit)
{
    int units = gpu->facts.units ? gpu->facts.units : UNITS_OF_A_STRANGER;
    size_t partial = (size_t)n * (size_t)gpu->chunks * (size_t)a->n_heads * (size_t)(a->v_dim + 2) * sizeof(float);
    return gpu->chunks > 1 && groups < (uint32_t)(units * groups_per_unit) && partial <= GPU_PARTIAL_BYTES;
}

void gpu_attend(struct backend *backend, struct buffer *out, const struct buffer *q, int layer, const struct attention *a,
                const struct batch *batch)
{
    struct gpu *gpu = gpu_of(backend);
    gpu_use_batch(gpu, batch, false);
    count_attention(gpu, a, batch);
    const uint64_t *kernels = gpu->attention.kernels;
    uint64_t k_cache = gpu->k_cache[layer], v_cache = gpu->kv.v_in_k ? k_cache : gpu->v_cache[layer];
    uint32_t n = (uint32_t)batch->n, heads = (uint32_t)(a->n_kv_heads * gpu->attention_parts);
    struct gpu_arg sinks = gpu_memory(gpu_vector(a->sinks));
    uint32_t groups[3] = {n, heads, 1};
    if (gpu->flash) {
        groups[0] = (uint32_t)gpu->n_tiles;
        groups[1] = (uint32_t)a->n_kv_heads;
    }
    bool share = shared_out(gpu, a, batch->n, groups[0] * groups[1], gpu->flash && gpu->many ? 1 : GROUPS_PER_UNIT);
    struct gpu_arg to = gpu_memory(share ? gpu->partial : out->memory), chunks = gpu_int(share ? gpu->chunks : 0);
    groups[2] = share ? (uint32_t)gpu->chunks : 1;
    if (gpu->flash)
        gpu_run(gpu, kernels[gpu->many ? GPU_FLASH_MANY : GPU_FLASH_FEW], FLASH_THREADS, groups,
                GPU_ARGS(to, gpu_memory(q->memory), gpu_memory(k_cache), gpu_memory(v_cache), gpu_memory(gpu->step), sinks,
                         gpu_float(a->scale), gpu_int(a->window), gpu_int(2 * batch->n), chunks));
    else if (share)
        gpu_run(gpu, kernels[GPU_ATTEND_SPLIT], ATTENDERS, groups,
                GPU_ARGS(to, gpu_memory(q->memory), gpu_memory(k_cache), gpu_memory(v_cache), gpu_memory(gpu->step), gpu_float(a->scale),
                         gpu_int(a->window), chunks));
    else
        gpu_run(gpu, kernels[GPU_ATTEND], ATTENDERS, groups,
                GPU_ARGS(to, gpu_memory(q->memory), gpu_memory(k_cache), gpu_memory(v_cache), gpu_memory(gpu->step), sinks,
                         gpu_float(a->scale), gpu_int(a->window)));
    if (share)
        gpu_run(gpu, kernels[GPU_ATTEND_MERGE], ATTENDERS, (const uint32_t[]){n, (uint32_t)a->n_heads, 1},
                GPU_ARGS(gpu_memory(out->memory), gpu_memory(gpu->partial), gpu_memory(gpu->step), sinks, gpu_int(a->window), chunks));
}
