/* Attention over the paged cache, and what fills it.
 *
 * K lies by dimension within a page, [page][layer][kv_head][k_dim][PAGE_TOKENS], so that the scores of a page's tokens are lanes of
 * vectors; V by token, […][PAGE_TOKENS][v_dim]. A thread takes one KV head of a block of rows of one sequence; for more than a few rows a
 * page is converted to float once. One row's arithmetic goes page by page from the first to its own: the same whatever shares the block. */
#include "engine/cpu/cpu.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK_ROWS = 16, CONVERT_ABOVE = 2, ROWS_ALONE = 2 }; // so few rows one thread turns sooner than others wake

bool cpu_kv_open(struct backend *backend, const struct kv_shape *shape, struct error *err)
{
    struct cpu *cpu = (struct cpu *)backend;
    cpu->kv = *shape;
    cpu->kv_element = shape->type == ENGINE_KV_F32 ? 4 : 2;
    cpu->k_page = (size_t)PAGE_TOKENS * (size_t)shape->k_dim;
    cpu->v_page = (size_t)PAGE_TOKENS * (size_t)shape->v_dim;
    size_t pages = (size_t)shape->n_layers * (size_t)shape->n_pages * (size_t)shape->n_kv_heads, k, v, total;
    if (__builtin_mul_overflow(pages * cpu->kv_element, cpu->k_page, &k) ||
        __builtin_mul_overflow(pages * cpu->kv_element, cpu->v_page, &v) || __builtin_add_overflow(k, v, &total))
        return error_set(err, ERROR_INPUT, "a cache of %d pages overflows the address space", shape->n_pages);
    void *memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return error_set_errno(err, "no memory for a cache of %zu bytes; ask for fewer tokens", total);
    cpu->k_cache = memory;
    cpu->v_cache = cpu->k_cache + k;
    cpu->kv_bytes = total;
    return true;
}

static size_t head_page(const struct cpu *cpu, int layer, int page, int head)
{
    return ((size_t)page * (size_t)cpu->kv.n_layers + (size_t)layer) * (size_t)cpu->kv.n_kv_heads + (size_t)head;
}

void cpu_kv_copy_page(struct backend *backend, int from, int to)
{
    struct cpu *cpu = (struct cpu *)backend;
    size_t heads = (size_t)cpu->kv.n_layers * (size_t)cpu->kv.n_kv_heads, k = heads * cpu->k_page * cpu->kv_element,
           v = heads * cpu->v_page * cpu->kv_element;
    memcpy(cpu->k_cache + (size_t)to * k, cpu->k_cache + (size_t)from * k, k);
    memcpy(cpu->v_cache + (size_t)to * v, cpu->v_cache + (size_t)from * v, v);
}

static void put(const struct cpu *cpu, uint8_t *page, size_t index, float value)
{
    if (cpu->kv.type == ENGINE_KV_F32)
        ((float *)(void *)page)[index] = value;
    else
        ((uint16_t *)(void *)page)[index] = cpu->kv.type == ENGINE_KV_F16 ? f32_to_f16(value) : f32_to_bf16(value);
}

struct store_work {
    struct cpu *cpu;
    int layer;
    const float *k, *v;
    const struct batch *batch;
};

static void store_thread(void *context, int thread, int threads)
{
    const struct store_work *w = context;
    const struct cpu *cpu = w->cpu;
    int heads = cpu->kv.n_kv_heads, k_dim = cpu->kv.k_dim, v_dim = cpu->kv.v_dim;
    for (int item = thread; item < w->batch->n * heads; item += threads) {
        int row = item / heads, head = item % heads, position = w->batch->positions[row];
        size_t at = head_page(cpu, w->layer, w->batch->pages[row][position / PAGE_TOKENS], head);
        uint8_t *k = cpu->k_cache + at * cpu->k_page * cpu->kv_element, *v = cpu->v_cache + at * cpu->v_page * cpu->kv_element;
        size_t token = (size_t)(position % PAGE_TOKENS);
        const float *from_k = w->k + (size_t)item * (size_t)k_dim, *from_v = w->v + (size_t)item * (size_t)v_dim;
        for (size_t i = 0; i < (size_t)k_dim; i++)
            put(cpu, k, i * PAGE_TOKENS + token, from_k[i]);
        for (size_t i = 0; i < (size_t)v_dim; i++)
            put(cpu, v, token * (size_t)v_dim + i, from_v[i]);
    }
}

void cpu_kv_store(struct backend *backend, int layer, const struct buffer *k, const struct buffer *v, const struct batch *batch)
{
    struct store_work work = {.cpu = (struct cpu *)backend, .layer = layer, .k = k->data, .v = v->data, .batch = batch};
    pool_run(work.cpu->pool, store_thread, &work); // each value of K is a cache line of its own: slow even for one row
}

static enum page_format page_format(const struct cpu *cpu)
{
    return cpu->kv.type == ENGINE_KV_F32 ? PAGE_F32 : cpu->kv.type == ENGINE_KV_F16 ? PAGE_F16 : PAGE_BF16;
}

/* A page of n values as floats in scratch. */
static const float *page_as_float(const struct cpu *cpu, const uint8_t *page, size_t n, float *scratch)
{
    if (cpu->kv.type == ENGINE_KV_F16)
        cpu->kernels->from_f16(scratch, (const uint16_t *)(const void *)page, (int64_t)n);
    else
        cpu->kernels->from_bf16(scratch, (const uint16_t *)(const void *)page, (int64_t)n);
    return scratch;
}

struct attend_work {
    struct cpu *cpu;
    int layer;
    float *out;
    const float *q;
    const struct attention *attention;
    const struct batch *batch;
};

static int first_position(const struct attention *a, int position)
{
    return a->window > 0 && position >= a->window ? position - a->window + 1 : 0;
}

/* Rows first … last − 1 belong to one sequence, in order of position. */
static void attend_block(const struct attend_work *w, int first, int last, int kv_head, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    const struct attention *a = w->attention;
    const struct batch *batch = w->batch;
    int group = a->n_heads / a->n_kv_heads;
    struct attention_state states[BLOCK_ROWS][MAX_HEAD_GROUP];
    for (int row = first; row < last; row++)
        for (int g = 0; g < group; g++) {
            float *out = w->out + ((size_t)row * (size_t)a->n_heads + (size_t)(kv_head * group + g)) * (size_t)a->v_dim;
            memset(out, 0, (size_t)a->v_dim * sizeof *out);
            states[row - first][g] = (struct attention_state){.maximum = -INFINITY, .out = out};
        }
    /* a page that is read more than a few times is sooner converted once */
    enum page_format kept = page_format(cpu), format = (last - first) * group > CONVERT_ABOVE ? PAGE_F32 : kept;
    int begin = first_position(a, batch->positions[first]) / PAGE_TOKENS, end = batch->positions[last - 1] / PAGE_TOKENS;
    for (int page = begin; page <= end; page++) {
        size_t at = head_page(cpu, w->layer, batch->pages[first][page], kv_head);
        const void *k = cpu->k_cache + at * cpu->k_page * cpu->kv_element, *v = cpu->v_cache + at * cpu->v_page * cpu->kv_element;
        if (format != kept) {
            k = page_as_float(cpu, k, cpu->k_page, scratch);
            v = page_as_float(cpu, v, cpu->v_page, scratch + cpu->k_page);
        }
        for (int row = first; row < last; row++) {
            int position = batch->positions[row];
            int from = first_position(a, position) - page * PAGE_TOKENS, count = position - page * PAGE_TOKENS + 1;
            from = from < 0 ? 0 : from;
            count = count > PAGE_TOKENS ? PAGE_TOKENS : count;
            for (int g = 0; g < group && from < count; g++) {
                const float *q = w->q + ((size_t)row * (size_t)a->n_heads + (size_t)(kv_head * group + g)) * (size_t)a->k_dim;
                cpu->kernels->attend_page[format](q, k, v, from, count, a->k_dim, a->v_dim, a->scale, &states[row - first][g]);
            }
        }
    }
    for (int row = first; row < last; row++)
        for (int g = 0; g < group; g++) {
            struct attention_state *state = &states[row - first][g];
            float inverse = 1.0f / state->sum;
            for (int i = 0; i < a->v_dim; i++)
                state->out[i] *= inverse;
        }
}

/* The end of the block of rows that begins at `first`: one sequence, consecutive positions. */
static int block_end(const struct batch *batch, int first)
{
    int end = first + 1;
    while (end < batch->n && end - first < BLOCK_ROWS && batch->pages[end] == batch->pages[first] &&
           batch->positions[end] == batch->positions[end - 1] + 1)
        end++;
    return end;
}

static void attend_thread(void *context, int thread, int threads)
{
    (void)threads;
    const struct attend_work *w = context;
    float *scratch = w->cpu->scratch + (size_t)thread * w->cpu->scratch_width;
    int heads = w->attention->n_kv_heads, first = 0, end = block_end(w->batch, 0);
    int64_t block = 0;
    for (int64_t item; (item = pool_next(w->cpu->pool, (int64_t)w->batch->n * heads)) >= 0;) { // at most so many; the last ones are empty
        for (; block < item / heads && first < w->batch->n; block++) {
            first = end;
            end = first < w->batch->n ? block_end(w->batch, first) : first;
        }
        if (first >= w->batch->n)
            return;
        attend_block(w, first, end, (int)(item % heads), scratch);
    }
}

void cpu_attend(struct backend *backend, struct buffer *out, const struct buffer *q, int layer, const struct attention *attention,
                const struct batch *batch)
{
    struct attend_work work = {
        .cpu = (struct cpu *)backend, .layer = layer, .out = out->data, .q = q->data, .attention = attention, .batch = batch};
    pool_run(work.cpu->pool, attend_thread, &work);
    for (int row = 0; row < batch->n; row++) {
        int seen = batch->positions[row] + 1 - first_position(attention, batch->positions[row]);
        work.cpu->counts.kv_bytes +=
            (uint64_t)seen * (uint64_t)attention->n_kv_heads * (uint64_t)(attention->k_dim + attention->v_dim) * work.cpu->kv_element;
    }
}

/* --- rope
 * ---------------------------------------------------------------------------------------------------------------------------------- */

struct rope_work {
    const struct cpu *cpu;
    float *x;
    int n_heads, head_dim;
    const struct rope *rope;
    const struct batch *batch;
    bool fill; // the table first
};

static void rope_thread(void *context, int thread, int threads)
{
    const struct rope_work *w = context;
    int n_dims = w->rope->n_dims, pairs = n_dims / 2;
    for (int row = thread; row < w->batch->n; row += threads) {
        float *table = w->cpu->rope_table + (size_t)row * (size_t)n_dims;
        for (int i = 0; w->fill && i < pairs; i++) {
            double angle = (double)w->batch->positions[row] * (double)w->rope->inverse_frequency[i];
            table[2 * i] = (float)cos(angle) * w->rope->magnitude;
            table[2 * i + 1] = (float)sin(angle) * w->rope->magnitude;
        }
        for (int head = 0; head < w->n_heads; head++) {
            float *x = w->x + ((size_t)row * (size_t)w->n_heads + (size_t)head) * (size_t)w->head_dim;
            for (int i = 0; i < pairs; i++) {
                int a = w->rope->neox ? i : 2 * i, b = w->rope->neox ? i + pairs : 2 * i + 1;
                float x0 = x[a], x1 = x[b], c = table[2 * i], s = table[2 * i + 1];
                x[a] = x0 * c - x1 * s;
                x[b] = x0 * s + x1 * c;
            }
        }
    }
}

void cpu_rope(struct backend *backend, struct buffer *x, int n_heads, int head_dim, const struct rope *rope, const struct batch *batch)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct rope_work work = {.cpu = cpu,
                             .x = x->data,
                             .n_heads = n_heads,
                             .head_dim = head_dim,
                             .rope = rope,
                             .batch = batch,
                             .fill = cpu->rope_step != cpu->step || cpu->rope_of != rope};
    cpu->rope_step = cpu->step;
    cpu->rope_of = rope;
    pool_run_if(cpu->pool, batch->n > ROWS_ALONE, rope_thread, &work);
}
