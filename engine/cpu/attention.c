/* Attention over the paged cache, and what fills it.
 *
 * K lies by dimension within a page, [layer][kv_head][page][k_dim][PAGE_TOKENS], so that the scores of a page's tokens are lanes of
 * vectors and a head's pages one stream; V by token, […][PAGE_TOKENS][v_dim]; in BF16 by pairs of dimensions and of tokens, as the kernels
 * want it. A thread takes one KV head of a block of rows of one sequence; for more than a few rows a page is converted to float once. One
 * row's arithmetic goes page by page from the first to its own: the same whatever shares the block. */
#include "engine/cpu/cpu.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADS_PER_ITEM = 16, QUERIES_PER_ITEM = 128, MOST_ROWS = 64, CONVERT_ABOVE = 12 };
enum { ROWS_ALONE = 2 }; // so few rows one thread turns sooner than others wake

bool cpu_kv_open(struct backend *backend, const struct kv_shape *shape, struct error *err)
{
    struct cpu *cpu = (struct cpu *)backend;
    cpu->kv = *shape;
    cpu->kv_element = shape->type == ENGINE_KV_F32 ? 4 : 2;
    cpu->kv_paired = shape->type == ENGINE_KV_BF16 && !shape->v_in_k && shape->k_dim % 2 == 0;
    cpu->k_page = (size_t)PAGE_TOKENS * (size_t)shape->k_dim;
    cpu->v_page = shape->v_in_k ? 0 : (size_t)PAGE_TOKENS * (size_t)shape->v_dim;
    size_t pages = (size_t)shape->n_layers * (size_t)shape->n_pages * (size_t)shape->n_kv_heads, k, v, total;
    if (__builtin_mul_overflow(pages * cpu->kv_element, cpu->k_page, &k) ||
        __builtin_mul_overflow(pages * cpu->kv_element, cpu->v_page, &v) || __builtin_add_overflow(k, v, &total))
        return error_set(err, ERROR_INPUT, "a cache of %d pages overflows the address space", shape->n_pages);
    void *memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return error_set_errno(err, "no memory for a cache of %zu bytes; ask for fewer tokens", total);
    enum { LONG_STREAM = 8 << 20 }; // of a head: less would waste most of its huge pages where contexts stay short
    if (total / ((size_t)shape->n_layers * (size_t)shape->n_kv_heads) >= LONG_STREAM)
        (void)madvise(memory, total, MADV_HUGEPAGE); // advice: without it, it is only slower
    cpu->k_cache = memory;
    cpu->v_cache = cpu->k_cache + k;
    cpu->kv_bytes = total;
    return true;
}

static size_t head_page(const struct cpu *cpu, int layer, int page, int head)
{
    return ((size_t)layer * (size_t)cpu->kv.n_kv_heads + (size_t)head) * (size_t)cpu->kv.n_pages + (size_t)page;
}

void cpu_kv_copy_page(struct backend *backend, int from, int to)
{
    struct cpu *cpu = (struct cpu *)backend;
    size_t k = cpu->k_page * cpu->kv_element, v = cpu->v_page * cpu->kv_element;
    for (int layer = 0; layer < cpu->kv.n_layers; layer++)
        for (int head = 0; head < cpu->kv.n_kv_heads; head++) {
            size_t old = head_page(cpu, layer, from, head), new = head_page(cpu, layer, to, head);
            memcpy(cpu->k_cache + new *k, cpu->k_cache + old * k, k);
            memcpy(cpu->v_cache + new *v, cpu->v_cache + old * v, v);
        }
}

/* Value `at` of a row of `stride` values: the rows of K are dimensions, those of V tokens. */
static void put(const struct cpu *cpu, uint8_t *page, size_t row, size_t at, size_t stride, float value)
{
    size_t index = cpu->kv_paired ? (row / 2 * stride + at) * 2 + row % 2 : row * stride + at;
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
        const float *from_k = w->k + (size_t)item * (size_t)k_dim;
        for (size_t i = 0; i < (size_t)k_dim; i++)
            put(cpu, k, i, token, PAGE_TOKENS, from_k[i]);
        if (!w->v)
            continue;
        const float *from_v = w->v + (size_t)item * (size_t)v_dim;
        for (size_t i = 0; i < (size_t)v_dim; i++)
            put(cpu, v, token, i, (size_t)v_dim, from_v[i]);
    }
}

void cpu_kv_store(struct backend *backend, int layer, const struct buffer *k, const struct buffer *v, const struct batch *batch)
{
    struct store_work work = {.cpu = (struct cpu *)backend, .layer = layer, .k = k->data, .v = v ? v->data : NULL, .batch = batch};
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

/* V of a page out of K, whose first v_dim values it is: […][v_dim] from [k_dim][…]. */
static const float *value_of_key(const float *k, int v_dim, float *scratch)
{
    for (int i = 0; i < v_dim; i++)
        for (int token = 0; token < PAGE_TOKENS; token++)
            scratch[token * v_dim + i] = k[i * PAGE_TOKENS + token];
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

/* What one item computes: rows first … last − 1, which belong to one sequence in order of position, for heads head … head + heads − 1,
 * which share a KV head. */
struct block {
    int first, last, kv_head, head, heads;
};

static float *out_of(const struct attend_work *w, int row, int head)
{
    return w->out + ((size_t)row * (size_t)w->attention->n_heads + (size_t)head) * (size_t)w->attention->v_dim;
}

/* The weights' sum with the head's sink in it, and the values divided by it. */
static void finish(const struct attention *a, struct query *q, int head)
{
    float rescale = 1.0f, sum = q->sum;
    if (a->sinks) {
        float sink = ((const float *)a->sinks->tensor->data)[head], greatest = fmaxf(q->maximum, sink);
        rescale = expf(q->maximum - greatest);
        sum = sum * rescale + expf(sink - greatest);
    }
    float inverse = rescale / sum;
    for (int i = 0; i < a->v_dim; i++)
        q->out[i] *= inverse;
}

/* What the block's rows see of a page. Their queries stand in the order of positions: those that see any of it are neighbours. Returns how
 * many there are, *begin is the first one. */
static int look_at_page(const struct attend_work *w, const struct block *b, int page, struct query *queries, int *begin)
{
    int n = 0;
    *begin = 0;
    for (int row = b->first; row < b->last; row++) {
        int position = w->batch->positions[row];
        int from = first_position(w->attention, position) - page * PAGE_TOKENS, count = position - page * PAGE_TOKENS + 1;
        from = from < 0 ? 0 : from;
        count = count > PAGE_TOKENS ? PAGE_TOKENS : count;
        if (from >= count)
            continue;
        if (n == 0)
            *begin = (row - b->first) * b->heads;
        for (int g = 0; g < b->heads; g++) {
            struct query *q = &queries[(row - b->first) * b->heads + g];
            q->first = from;
            q->count = count;
        }
        n += b->heads;
    }
    return n;
}

static void attend_block(const struct attend_work *w, const struct block *b, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    const struct attention *a = w->attention;
    const struct batch *batch = w->batch;
    const struct attention_shape shape = {a->k_dim, a->v_dim, a->scale};
    struct query queries[QUERIES_PER_ITEM];
    int n = (b->last - b->first) * b->heads, begin;
    for (int i = 0; i < n; i++) {
        int row = b->first + i / b->heads, head = b->head + i % b->heads;
        float *out = out_of(w, row, head);
        memset(out, 0, (size_t)a->v_dim * sizeof *out);
        queries[i] = (struct query){
            .q = w->q + ((size_t)row * (size_t)a->n_heads + (size_t)head) * (size_t)a->k_dim, .maximum = -INFINITY, .out = out};
    }
    /* a page that is read more than a few times is sooner converted once; pairs are multiplied as they are */
    bool convert = !cpu->kv_paired && (n > CONVERT_ABOVE || cpu->kv.type == ENGINE_KV_BF16 || cpu->kv.v_in_k);
    enum page_format kept = page_format(cpu), format = convert ? PAGE_F32 : kept;
    for (int i = 0; cpu->kv_paired && i < n; i++) {
        uint16_t *rounded = (uint16_t *)scratch + (size_t)i * (size_t)a->k_dim;
        cpu->kernels->quantise[ACTIVATION_BF16](queries[i].q, a->k_dim, &(struct column_room){.b = rounded});
        queries[i].b = rounded;
    }
    int page = first_position(a, batch->positions[b->first]) / PAGE_TOKENS, last = batch->positions[b->last - 1] / PAGE_TOKENS;
    for (; page <= last; page++) {
        size_t at = head_page(cpu, w->layer, batch->pages[b->first][page], b->kv_head);
        const void *k = cpu->k_cache + at * cpu->k_page * cpu->kv_element, *v = cpu->v_cache + at * cpu->v_page * cpu->kv_element;
        if (format != kept) {
            k = page_as_float(cpu, k, cpu->k_page, scratch);
            v = cpu->kv.v_in_k ? NULL : page_as_float(cpu, v, cpu->v_page, scratch + cpu->k_page);
        }
        if (cpu->kv.v_in_k)
            v = value_of_key(k, a->v_dim, scratch + cpu->k_page);
        int seeing = look_at_page(w, b, page, queries, &begin);
        cpu->kernels->attend_page[format](queries + begin, seeing, k, v, &shape);
    }
    for (int i = 0; i < n; i++)
        finish(a, &queries[i], b->head + i % b->heads);
}

/* The end of the block of rows that begins at `first`: one sequence, consecutive positions. */
static int block_end(const struct batch *batch, int first, int most)
{
    int end = first + 1;
    while (end < batch->n && end - first < most && batch->pages[end] == batch->pages[first] &&
           batch->positions[end] == batch->positions[end - 1] + 1)
        end++;
    return end;
}

static void attend_thread(void *context, int thread, int threads)
{
    (void)threads;
    const struct attend_work *w = context;
    float *scratch = w->cpu->scratch + (size_t)thread * w->cpu->scratch_width;
    int group = w->attention->n_heads / w->attention->n_kv_heads, parts = (group + HEADS_PER_ITEM - 1) / HEADS_PER_ITEM;
    int most = QUERIES_PER_ITEM / (group < HEADS_PER_ITEM ? group : HEADS_PER_ITEM);
    most = most > MOST_ROWS ? MOST_ROWS : most;
    int items = w->attention->n_kv_heads * parts, first = 0, end = block_end(w->batch, 0, most);
    int64_t block = 0;
    for (int64_t item; (item = pool_next(w->cpu->pool, (int64_t)w->batch->n * items)) >= 0;) { // at most so many; the last ones are empty
        for (; block < item / items && first < w->batch->n; block++) {
            first = end;
            end = first < w->batch->n ? block_end(w->batch, first, most) : first;
        }
        if (first >= w->batch->n)
            return;
        int part = (int)(item % items), kv_head = part / parts, skip = part % parts * HEADS_PER_ITEM;
        struct block b = {first, end, kv_head, kv_head * group + skip, group - skip < HEADS_PER_ITEM ? group - skip : HEADS_PER_ITEM};
        attend_block(w, &b, scratch);
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
            (uint64_t)seen * (uint64_t)attention->n_kv_heads * (work.cpu->k_page + work.cpu->v_page) / PAGE_TOKENS * work.cpu->kv_element;
    }
}

/* --- rope
 * ---------------------------------------------------------------------------------------------------------------------------------- */

struct rope_work {
    const struct cpu *cpu;
    float *x;
    int n_heads, head_dim, first;
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
            float *x = w->x + ((size_t)row * (size_t)w->n_heads + (size_t)head) * (size_t)w->head_dim + w->first;
            for (int i = 0; i < pairs; i++) {
                int a = w->rope->neox ? i : 2 * i, b = w->rope->neox ? i + pairs : 2 * i + 1;
                float x0 = x[a], x1 = x[b], c = table[2 * i], s = table[2 * i + 1];
                x[a] = x0 * c - x1 * s;
                x[b] = x0 * s + x1 * c;
            }
        }
    }
}

void cpu_rope(struct backend *backend, struct buffer *x, int n_heads, int head_dim, int first, const struct rope *rope,
              const struct batch *batch)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct rope_work work = {.cpu = cpu,
                             .x = x->data,
                             .n_heads = n_heads,
                             .head_dim = head_dim,
                             .first = first,
                             .rope = rope,
                             .batch = batch,
                             .fill = cpu->rope_step != cpu->step || cpu->rope_of != rope};
    cpu->rope_step = cpu->step;
    cpu->rope_of = rope;
    pool_run_if(cpu->pool, batch->n > ROWS_ALONE, rope_thread, &work);
}
