/* The experts of a layer: tokens sorted by expert, each expert's weights read once for all its tokens.
 *
 * A pair is (row, choice): row × top_k + choice. Pairs are sorted by expert (counting sort), and what is made of them lies in that order.
 * Then, with barriers between: inputs quantised once a row · gate and up, SwiGLU on their output · the product quantised once a pair, of
 * many pairs while it is near and without a barrier · down, weighted and added to the stream, a row's experts in the order of their
 * numbers, so that the result depends neither on threads nor on who else is in the batch.
 *
 * Few pairs wait for memory, and what memory gives depends on the length of the runs that are read: single panels here and there come at
 * half its speed, four at a time at seven eighths (docs/performance.md). So threads take long runs, of one expert after the other; down's
 * products then have a place of their own and are added up at the end. */
#include "engine/cpu/cpu.h"

#include <string.h>

enum { MOST_UNIT = 256 / PANEL_ROWS, OUT_FLOATS = COLUMNS_PER_CALL * GROUP_PANELS * PANEL_ROWS };

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
    int unit;       // panels of gate and up that are shared out together
    bool quantises; // with them their product
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

/* Columns of the rows of sorted pairs at … at + n − 1, of which there is one. */
static void gather_rows(const struct expert_work *w, enum activation kind, int32_t at, int n, struct column *columns)
{
    int c = 0;
    do
        columns[c] = w->cpu->in[kind].columns[w->cpu->pair_order[at + c] / w->top_k];
    while (++c < n);
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
        cpu_activation(cpu, w->function, cpu->mid_values + (at + c) * width + first, gate, up, rows);
    }
}

/* Some panels of gate and up for n tokens of an expert: gate's, then up's, and their product while both are near. `next`: gate's panel that
 * is wanted after them. */
static void gate_up_panels(const struct expert_work *w, int expert, struct pool_items panels, int32_t at, int n, const uint8_t *next,
                           float *scratch)
{
    const struct cpu *cpu = w->cpu;
    struct column columns[COLUMNS_PER_CALL];
    float gate[OUT_FLOATS], up[OUT_FLOATS];
    int64_t stride = (panels.end - panels.first) * PANEL_ROWS;
    gather_rows(w, w->gate->activation, at, n, columns);
    struct panel_work work = {.w = w->gate,
                              .expert = expert,
                              .panels = panels,
                              .out = gate,
                              .stride = stride,
                              .next = cpu_panel_address(w->up, expert, panels.first)};
    cpu_panels(cpu, &work, columns, n, scratch);
    if (w->up->activation != w->gate->activation)
        gather_rows(w, w->up->activation, at, n, columns);
    work.w = w->up;
    work.out = up;
    work.next = next;
    cpu_panels(cpu, &work, columns, n, scratch);
    gate_up_product(w, expert, panels, at, n, gate, up, stride);
}

/* Some panels of gate and up for all of an expert's tokens, and, where it isn't left for later, their product quantised while near. */
static void gate_up_of_expert(const struct expert_work *w, int expert, struct pool_items panels, float *scratch)
{
    struct cpu *cpu = w->cpu;
    enum activation kind = w->down->activation;
    int32_t begin = cpu->expert_begin[expert], end = cpu->expert_begin[expert + 1];
    int64_t most = end - begin <= ONE_STREAM ? OUT_FLOATS / ((end - begin) * PANEL_ROWS) : GROUP_PANELS;
    int64_t width = w->down->cols, first = panels.first * PANEL_ROWS, last = panels.end * PANEL_ROWS;
    struct pool_items part = panels;
    for (; part.first < panels.end; part.first = part.end) {
        part.end = part.first + most < panels.end ? part.first + most : panels.end;
        const uint8_t *next = part.end < panels.end ? cpu_panel_address(w->gate, expert, part.end) : NULL;
        for (int32_t at = begin, n; at < end; at += n) {
            n = cpu_columns_of_call(end - at);
            gate_up_panels(w, expert, part, at, n, next, scratch);
        }
    }
    last = last < width ? last : width;
    for (int32_t i = begin; w->quantises && i < end; i++)
        cpu_quantise_part(cpu, &cpu->mid[kind], kind, cpu->mid_values + i * width, width, i, first, last - first);
}

/* The next panels of one active expert, of `each` panels, in whole units; *left is what is left of what was taken, in units. */
static bool take_panels(const struct expert_work *w, int64_t each, int unit, struct pool_items *left, int *expert,
                        struct pool_items *panels)
{
    int64_t units = (each + unit - 1) / unit;
    if (left->first == left->end && !pool_take(w->cpu->pool, units * w->n_active, (GROUP_PANELS + unit - 1) / unit, left))
        return false;
    int64_t before = left->first / units * units, end = left->end < before + units ? left->end : before + units;
    *expert = w->active[left->first / units];
    *panels = (struct pool_items){(left->first - before) * unit, (end - before) * unit};
    panels->end = panels->end < each ? panels->end : each;
    left->first = end;
    return true;
}

static void share_gate_up(const struct expert_work *w, float *scratch)
{
    struct pool_items left = {0, 0}, panels;
    for (int expert; take_panels(w, w->gate->panels, w->unit, &left, &expert, &panels);)
        for (struct pool_items part = panels; part.first < panels.end; part.first = part.end) {
            part.end = w->quantises && part.first + MOST_UNIT < panels.end ? part.first + MOST_UNIT : panels.end;
            gate_up_of_expert(w, expert, part, scratch);
        }
}

/* Some panels of an expert's down for n of its tokens, weighted and added to x. */
static void down_panels(const struct expert_work *w, int expert, struct pool_items panels, int32_t at, int n, const uint8_t *next,
                        float *scratch)
{
    const struct cpu *cpu = w->cpu;
    const struct column *columns = cpu->mid[w->down->activation].columns + at;
    float out[OUT_FLOATS], *product = out, *rows[COLUMNS_PER_CALL], factors[COLUMNS_PER_CALL];
    int64_t width = w->down->rows, first = panels.first * PANEL_ROWS, stride = (panels.end - panels.first) * PANEL_ROWS;
    int64_t values = first + stride < width ? stride : width - first;
    struct panel_work work = {
        .w = w->down, .expert = expert, .panels = panels, .out = out, .stride = stride, .add_at = first, .next = next};
    for (int c = 0; c < n; c++) {
        int32_t pair = cpu->pair_order[at + c];
        rows[c] = w->x + pair / w->top_k * width;
        factors[c] = w->weights[pair];
    }
    if (!w->down_bias && values == stride && !cpu->exact) {
        work.add = rows;
        work.factors = factors;
    }
    cpu_panels(cpu, &work, columns, n, scratch);
    for (int c = 0; !work.add && c < n; c++, product += stride) {
        add_bias(product, w->down_bias, expert * width + first, values);
        cpu->kernels->add_scaled(rows[c] + first, product, factors[c], values);
    }
}

static int next_active(const struct expert_work *w, int expert)
{
    const int32_t *begin = w->cpu->expert_begin;
    while (expert < w->cpu->limits.n_experts && begin[expert] == begin[expert + 1])
        expert++;
    return expert;
}

/* An item is a run of panels of down, of all active experts one after the other: its columns of x belong to whoever has the item. Runs are
 * long, as each reads all of the products. */
static void share_down(const struct expert_work *w, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    int experts = cpu->limits.n_experts;
    for (struct pool_items run; pool_take(cpu->pool, w->down->panels, GROUP_PANELS, &run);)
        for (int expert = next_active(w, 0), after; expert < experts; expert = after) {
            after = next_active(w, expert + 1);
            const uint8_t *next = after < experts ? cpu_panel_address(w->down, after, run.first) : NULL;
            for (struct pool_items part = run; part.first < run.end; part.first = part.end) {
                part.end = part.first + GROUP_PANELS < run.end ? part.first + GROUP_PANELS : run.end;
                for (int32_t at = cpu->expert_begin[expert], last = cpu->expert_begin[expert + 1], n; at < last; at += n) {
                    n = cpu_columns_of_call(last - at);
                    down_panels(w, expert, part, at, n, part.end < run.end ? cpu_panel_address(w->down, expert, part.end) : next, scratch);
                }
            }
        }
}

/* Down of few pairs, by long runs, to the pairs' own places. */
static void share_few_downs(const struct expert_work *w, float *scratch)
{
    const struct cpu *cpu = w->cpu;
    const struct packed *down = w->down;
    struct pool_items left = {0, 0}, panels;
    int64_t stride = down->panels * PANEL_ROWS;
    for (int expert; take_panels(w, down->panels, 1, &left, &expert, &panels);)
        for (int32_t at = cpu->expert_begin[expert], last = cpu->expert_begin[expert + 1], n; at < last; at += n) {
            n = cpu_columns_of_call(last - at);
            float *out = cpu->down_values + at * stride;
            struct panel_work work = {
                .w = down, .expert = expert, .panels = panels, .out = out + panels.first * PANEL_ROWS, .stride = stride};
            cpu_panels(cpu, &work, cpu->mid[down->activation].columns + at, n, scratch);
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
    if (!w->quantises) {
        cpu_quantise_share(cpu, &cpu->mid[w->down->activation], w->down->activation, cpu->mid_values, w->down->cols, w->down->cols,
                           w->pairs, thread, threads);
        pool_barrier(cpu->pool);
    }
    if (w->pairs > FEW_PAIRS) {
        share_down(w, scratch);
        return;
    }
    share_few_downs(w, scratch);
    pool_barrier(cpu->pool);
    add_few_downs(w, thread, threads);
}

/* Whether products are quantised as soon as a unit of them is there, whole blocks and cache lines, or all of them later: few pairs and many
 * threads need smaller shares. */
static void share_units(struct expert_work *w)
{
    enum activation kind = w->down->activation;
    int unit = kind == ACTIVATION_INT8_256 ? MOST_UNIT : GROUP_PANELS;
    int64_t units = (w->gate->panels + unit - 1) / unit * w->n_active;
    w->quantises = w->pairs > FEW_PAIRS && kind != ACTIVATION_FLOAT && units >= 16 * pool_threads(w->cpu->pool);
    w->unit = w->quantises ? unit : 1;
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
    share_units(&work);
    pool_run(cpu->pool, experts_thread, &work);
}
