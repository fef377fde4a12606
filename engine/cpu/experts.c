/* The experts of a layer: tokens sorted by expert, each expert's weights read once for all its tokens.
 *
 * A pair is (row, choice): row × top_k + choice. Pairs are sorted by expert (counting sort). Then, with barriers between: inputs quantised
 * once a row · gate and up, SwiGLU on their output · the product quantised once a pair · down, weighted and added to the stream, a row's
 * experts in the order of their numbers, so that the result depends neither on threads nor on who else is in the batch.
 *
 * Few pairs wait for memory, and what memory gives depends on the length of the runs that are read: single panels here and there come at
 * half its speed, four at a time at seven eighths (docs/performance.md). So threads take long runs, of one expert after the other; down's
 * products then have a place of their own and are added up at the end. */
#include "engine/cpu/cpu.h"

#include <string.h>

enum { COLUMNS_PER_CALL = 64, LEAST_PANELS = 4, GROUP_PANELS = 4, OUT_FLOATS = COLUMNS_PER_CALL * GROUP_PANELS * PANEL_ROWS };

struct expert_work {
    struct cpu *cpu;
    const struct packed *gate, *up, *down;
    const float *gate_bias, *up_bias, *down_bias; // [experts][rows]; NULL: none
    enum activation_function function;
    float *x;
    const float *h, *weights;
    const int32_t *ids;
    int top_k, n;
    int64_t pairs;
    int32_t *active; // experts with tokens, most tokens first
    int n_active;
};

/* Counting sort of the pairs by expert, and the active experts in the order of their work. */
static void sort_pairs(struct expert_work *w, int n_experts)
{
    int32_t *begin = w->cpu->expert_begin, *order = w->cpu->pair_order;
    memset(begin, 0, ((size_t)n_experts + 1) * sizeof *begin);
    for (int64_t p = 0; p < w->pairs; p++)
        begin[w->ids[p] + 1]++;
    w->n_active = 0;
    for (int e = 0; e < n_experts; e++) {
        int32_t tokens = begin[e + 1];
        begin[e + 1] += begin[e];
        if (!tokens)
            continue;
        int at = w->n_active++;
        for (; at > 0 && begin[w->active[at - 1] + 1] - begin[w->active[at - 1]] < tokens; at--)
            w->active[at] = w->active[at - 1];
        w->active[at] = e;
    }
    /* begin[e] walks to begin[e + 1] while its pairs are placed, and is put back afterwards */
    for (int64_t p = 0; p < w->pairs; p++)
        order[begin[w->ids[p]]++] = (int32_t)p;
    memmove(begin + 1, begin, (size_t)n_experts * sizeof *begin);
    begin[0] = 0;
}

static void add_bias(float *out, const float *bias, int64_t at, int64_t rows)
{
    for (int64_t i = 0; bias && i < rows; i++)
        out[i] += bias[at + i];
}

/* Columns of a kind for tokens at … at + n − 1 of the sorted pairs; each_pair: one for every pair, else one for every row. */
static void gather(const struct expert_work *w, const struct column *from, bool each_pair, int32_t at, int n, struct column *columns)
{
    for (int c = 0; c < n; c++) {
        int32_t pair = w->cpu->pair_order[at + c];
        columns[c] = from[each_pair ? pair : pair / w->top_k];
    }
}

/* gate and up of some panels for n tokens of an expert, `stride` floats from token to token, become their product. */
static void gate_up_product(const struct expert_work *w, int expert, struct pool_items panels, int32_t at, int n, float *gate, float *up,
                            int64_t stride)
{
    const struct cpu *cpu = w->cpu;
    int64_t first = panels.first * PANEL_ROWS, width = w->gate->rows, rows = panels.end * PANEL_ROWS;
    rows = (rows < width ? rows : width) - first;
    for (int c = 0; c < n; c++, gate += stride, up += stride) {
        add_bias(gate, w->gate_bias, expert * width + first, rows);
        add_bias(up, w->up_bias, expert * width + first, rows);
        cpu_activation(cpu, w->function, cpu->mid_values + cpu->pair_order[at + c] * width + first, gate, up, rows);
    }
}

/* Panels of a matrix for n tokens, to out[n][stride]: two at once, or, up to ONE_STREAM tokens, one after the other. */
static void panels_of(const struct expert_work *w, const struct packed *matrix, int expert, struct pool_items panels,
                      const struct column *columns, int n, float *out, int64_t stride, float *scratch)
{
    for (int64_t panel = panels.first; panel < panels.end; panel += 2, out += 2 * PANEL_ROWS) {
        struct panel_work work[2] = {{matrix, expert, panel, out}, {matrix, expert, panel + 1, out + PANEL_ROWS}};
        cpu_panels(w->cpu, work, panels.end - panel < 2 ? 1 : 2, columns, n, stride, scratch);
    }
}

/* Some panels of gate and up for n tokens of an expert: gate's, then up's, and their product while both are near. */
static void gate_up_panels(const struct expert_work *w, int expert, struct pool_items panels, int32_t at, int n,
                           const struct column *gate_columns, const struct column *up_columns, float *scratch)
{
    float gate[OUT_FLOATS], up[OUT_FLOATS];
    int64_t most = n <= ONE_STREAM ? OUT_FLOATS / (n * PANEL_ROWS) : GROUP_PANELS;
    struct pool_items part = panels;
    for (; part.first < panels.end; part.first = part.end) {
        part.end = part.first + most < panels.end ? part.first + most : panels.end;
        int64_t stride = (part.end - part.first) * PANEL_ROWS;
        panels_of(w, w->gate, expert, part, gate_columns, n, gate, stride, scratch);
        panels_of(w, w->up, expert, part, up_columns, n, up, stride, scratch);
        gate_up_product(w, expert, part, at, n, gate, up, stride);
    }
}

static void gate_up_of_expert(const struct expert_work *w, int expert, struct pool_items panels, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    struct column gate[COLUMNS_PER_CALL], up[COLUMNS_PER_CALL];
    bool alike = w->gate->activation == w->up->activation;
    for (int32_t at = cpu->expert_begin[expert], end = cpu->expert_begin[expert + 1]; at < end; at += COLUMNS_PER_CALL) {
        int n = end - at < COLUMNS_PER_CALL ? end - at : COLUMNS_PER_CALL;
        gather(w, cpu->in[w->gate->activation].columns, false, at, n, gate);
        if (!alike)
            gather(w, cpu->in[w->up->activation].columns, false, at, n, up);
        gate_up_panels(w, expert, panels, at, n, gate, alike ? gate : up, scratch);
    }
}

/* The next panels of one active expert, of `each` panels; *left is what is left of what was taken. */
static bool take_panels(const struct expert_work *w, int64_t each, struct pool_items *left, int *expert, struct pool_items *panels)
{
    if (left->first == left->end && !pool_take(w->cpu->pool, each * w->n_active, LEAST_PANELS, left))
        return false;
    int64_t before = left->first / each * each, end = left->end < before + each ? left->end : before + each;
    *expert = w->active[left->first / each];
    *panels = (struct pool_items){left->first - before, end - before};
    left->first = end;
    return true;
}

static void share_gate_up(const struct expert_work *w, float *scratch)
{
    struct pool_items left = {0, 0}, panels;
    for (int expert; take_panels(w, w->gate->panels, &left, &expert, &panels);)
        gate_up_of_expert(w, expert, panels, scratch);
}

/* Some panels of an expert's down for n of its tokens, weighted and added to x. */
static void down_panels(const struct expert_work *w, int expert, struct pool_items panels, int32_t at, int n, const struct column *columns,
                        float *scratch)
{
    const struct cpu *cpu = w->cpu;
    float out[OUT_FLOATS], *product = out;
    int64_t width = w->down->rows, first = panels.first * PANEL_ROWS, stride = (panels.end - panels.first) * PANEL_ROWS;
    int64_t rows = first + stride < width ? stride : width - first;
    panels_of(w, w->down, expert, panels, columns, n, out, stride, scratch);
    for (int c = 0; c < n; c++, product += stride) {
        int32_t pair = cpu->pair_order[at + c];
        add_bias(product, w->down_bias, expert * width + first, rows);
        cpu->kernels->add_scaled(w->x + pair / w->top_k * width + first, product, w->weights[pair], rows);
    }
}

/* An item is some panels of down, of all active experts one after the other: its columns of x belong to whoever has the item. Enough items
 * for an even share, as few as that allows: each reads all of the products. */
static void share_down(const struct expert_work *w, int threads, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    struct column columns[COLUMNS_PER_CALL];
    int64_t panels = w->down->panels, each = panels / (8 * threads) / GROUP_PANELS * GROUP_PANELS;
    each = each < GROUP_PANELS ? GROUP_PANELS : each;
    for (int64_t next; (next = pool_next(cpu->pool, (panels + each - 1) / each)) >= 0;) {
        int64_t first = next * each, end = first + each < panels ? first + each : panels;
        for (int expert = 0; expert < cpu->limits.n_experts; expert++)
            for (int32_t at = cpu->expert_begin[expert], last = cpu->expert_begin[expert + 1]; at < last; at += COLUMNS_PER_CALL) {
                int n = last - at < COLUMNS_PER_CALL ? last - at : COLUMNS_PER_CALL;
                gather(w, cpu->mid[w->down->activation].columns, true, at, n, columns);
                for (struct pool_items part = {first, first}; part.first < end; part.first = part.end) {
                    part.end = part.first + GROUP_PANELS < end ? part.first + GROUP_PANELS : end;
                    down_panels(w, expert, part, at, n, columns, scratch);
                }
            }
    }
}

/* Down of few pairs, by long runs, to the pairs' own places. */
static void share_few_downs(const struct expert_work *w, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    const struct packed *down = w->down;
    struct column columns[COLUMNS_PER_CALL];
    struct pool_items left = {0, 0}, panels;
    int64_t stride = down->panels * PANEL_ROWS;
    for (int expert; take_panels(w, down->panels, &left, &expert, &panels);)
        for (int32_t at = cpu->expert_begin[expert], last = cpu->expert_begin[expert + 1]; at < last; at += COLUMNS_PER_CALL) {
            int n = last - at < COLUMNS_PER_CALL ? last - at : COLUMNS_PER_CALL;
            float *out = cpu->down_values + at * stride;
            gather(w, cpu->mid[down->activation].columns, true, at, n, columns);
            panels_of(w, down, expert, panels, columns, n, out + panels.first * PANEL_ROWS, stride, scratch);
        }
}

/* A share of the columns of what share_few_downs left, weighted and added to x. */
static void add_few_downs(const struct expert_work *w, int thread, int threads)
{
    const struct cpu *cpu = w->cpu;
    int64_t width = w->down->rows, panels = w->down->panels, stride = panels * PANEL_ROWS;
    int64_t first = panels * thread / threads * PANEL_ROWS, end = panels * (thread + 1) / threads * PANEL_ROWS;
    end = end < width ? end : width;
    for (int expert = 0; expert < cpu->limits.n_experts; expert++)
        for (int32_t at = cpu->expert_begin[expert]; at < cpu->expert_begin[expert + 1]; at++) {
            int32_t pair = cpu->pair_order[at];
            float *product = cpu->down_values + at * stride + first;
            add_bias(product, w->down_bias, expert * width + first, end - first);
            cpu->kernels->add_scaled(w->x + pair / w->top_k * width + first, product, w->weights[pair], end - first);
        }
}

static void experts_thread(void *context, int thread, int threads)
{
    struct expert_work *w = context;
    struct cpu *cpu = w->cpu;
    float *scratch = cpu->scratch + (size_t)thread * cpu->scratch_width;
    int64_t d = w->gate->cols;
    cpu_quantise_share(cpu, &cpu->in[w->gate->activation], w->gate->activation, w->h, d, d, w->n, thread, threads);
    if (w->up->activation != w->gate->activation)
        cpu_quantise_share(cpu, &cpu->in[w->up->activation], w->up->activation, w->h, d, d, w->n, thread, threads);
    pool_barrier(cpu->pool);
    share_gate_up(w, scratch);
    pool_barrier(cpu->pool);
    cpu_quantise_share(cpu, &cpu->mid[w->down->activation], w->down->activation, cpu->mid_values, w->down->cols, w->down->cols, w->pairs,
                       thread, threads);
    pool_barrier(cpu->pool);
    if (w->pairs > FEW_PAIRS) {
        share_down(w, threads, scratch);
        return;
    }
    share_few_downs(w, scratch);
    pool_barrier(cpu->pool);
    add_few_downs(w, thread, threads);
}

static const float *bias_of(const struct weight *weight)
{
    return weight ? weight->tensor->data : NULL;
}

void cpu_experts(struct backend *backend, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                 const struct experts *e, int n)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct expert_work work = {.cpu = cpu,
                               .gate = e->gate->packed,
                               .up = e->up->packed,
                               .down = e->down->packed,
                               .gate_bias = bias_of(e->gate_bias),
                               .up_bias = bias_of(e->up_bias),
                               .down_bias = bias_of(e->down_bias),
                               .function = e->function,
                               .x = x->data,
                               .h = h->data,
                               .weights = weights->data,
                               .ids = (const int32_t *)(const void *)ids->data,
                               .top_k = e->top_k,
                               .n = n,
                               .pairs = (int64_t)n * e->top_k,
                               .active = cpu->expert_begin + cpu->limits.n_experts + 1};
    sort_pairs(&work, cpu->limits.n_experts);
    const struct packed *matrices[] = {work.gate, work.up, work.down};
    for (int i = 0; i < 3; i++) {
        cpu->counts.operations += 2 * (uint64_t)(matrices[i]->rows * matrices[i]->cols) * (uint64_t)work.pairs;
        cpu->counts.weight_bytes += matrices[i]->tensor->bytes / (uint64_t)matrices[i]->tensor->shape[2] * (uint64_t)work.n_active;
    }
    pool_run(cpu->pool, experts_thread, &work);
}
