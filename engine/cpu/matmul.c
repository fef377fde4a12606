/* Products of activation rows with packed matrices. */
#include "engine/cpu/cpu.h"

#include <string.h>

enum { MAX_MATRICES = 4 };

/* The place of a value in each array of a room. */
static struct column_room room_at(const struct column_room *r, enum activation kind, int64_t value)
{
    int64_t block = kind == ACTIVATION_INT8_256 ? 256 : 32, sum_of = kind == ACTIVATION_INT8_256 ? 16 : 32;
    if (kind == ACTIVATION_BF16)
        return (struct column_room){.b = r->b + value};
    return (struct column_room){
        .q = r->q + value, .scale = r->scale + value / block, .sum = r->sum + value / sum_of, .sum32 = r->sum32 + value / 32};
}

void cpu_quantise_part(const struct cpu *cpu, struct activations_q *room, enum activation kind, const float *x, int64_t width, int64_t i,
                       int64_t first, int64_t n)
{
    if (kind == ACTIVATION_FLOAT) {
        room->columns[i] = (struct column){.f = x};
        return;
    }
    struct column_room row = room_at(&room->rows, kind, i * (kind == ACTIVATION_BF16 ? width + width % 2 : width));
    struct column_room part = room_at(&row, kind, first);
    if (first == 0)
        room->columns[i] = (struct column){.b = row.b, .q = row.q, .scale = row.scale, .sum = row.sum, .sum32 = row.sum32};
    cpu->kernels->quantise[kind](x + first, n, &part);
}

void cpu_quantise_share(const struct cpu *cpu, struct activations_q *room, enum activation kind, const float *x, int64_t width,
                        int64_t stride, int64_t n, int thread, int threads)
{
    for (int64_t i = thread; i < n; i += threads)
        cpu_quantise_part(cpu, room, kind, x + i * stride, width, i, 0, width);
}

int cpu_columns_of_call(int64_t left)
{
    enum { TILE = 12 }; // two of the widest tiles
    int64_t calls = (left + COLUMNS_PER_CALL - 1) / COLUMNS_PER_CALL, n = (left + calls - 1) / calls;
    n = (n + TILE - 1) / TILE * TILE;
    return (int)(n < left ? n : left);
}

/* Exact mode: weights dequantised row by row, products summed in double. */
static void exact_panel(const struct panel_work *work, int64_t panel, float *out, const struct column *columns, int n, float *row)
{
    const struct packed *w = work->w;
    const struct tensor_format *format = w->tensor->format;
    size_t row_bytes = (size_t)(w->cols / format->block_values) * (size_t)format->block_bytes;
    for (int64_t r = 0; r < PANEL_ROWS; r++) {
        int64_t index = panel * PANEL_ROWS + r;
        if (index < w->rows)
            format->to_float((const uint8_t *)w->tensor->data + (size_t)(work->expert * w->rows + index) * row_bytes, row, w->cols);
        else
            memset(row, 0, (size_t)w->cols * sizeof *row);
        for (int c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t i = 0; i < w->cols; i++)
                sum += (double)row[i] * (double)columns[c].f[i];
            out[c * work->stride + r] = (float)sum;
        }
    }
}

void cpu_panels(const struct cpu *cpu, const struct panel_work *work, const struct column *columns, int n, float *scratch)
{
    const struct packed *w = work->w;
    int64_t first = work->panels.first, end = work->panels.end;
    for (int64_t panel = first; panel < end; panel += 2) {
        int64_t value = (panel - first) * PANEL_ROWS;
        struct panels panels = {.count = end - panel < 2 ? 1 : 2,
                                .stride = work->stride,
                                .add = work->add,
                                .factors = work->factors,
                                .add_at = work->add_at + value,
                                .next = panel + 2 < end ? cpu_panel_address(w, work->expert, panel + 2) : work->next,
                                .bytes = w->panel_bytes};
        for (int i = 0; i < panels.count; i++) {
            panels.out[i] = work->add ? NULL : work->out + value + i * PANEL_ROWS;
            if (cpu->exact)
                exact_panel(work, panel + i, panels.out[i], columns, n, scratch);
            else
                panels.at[i] = cpu_panel(cpu, w, work->expert, panel + i, (uint8_t *)scratch + (size_t)i * w->panel_bytes);
        }
        if (!cpu->exact)
            cpu->kernels->panels[w->format](&panels, w->cols, columns, n);
    }
}

struct projection {
    struct cpu *cpu;
    struct buffer *const *ys;
    const struct packed *ws[MAX_MATRICES];
    int count, n;
    const float *x;
    bool accumulate;
    int64_t panels[MAX_MATRICES + 1]; // before each matrix, and in all
    bool needs[ACTIVATION_COUNT];
};

/* Some panels for n rows from `at` on, to y[n][rows]; by way of `out` where there is something to add or rows beyond the last. */
static void project_rows(const struct projection *p, int matrix, struct pool_items panels, int at, int n, float *scratch)
{
    const struct packed *w = p->ws[matrix];
    const struct column *columns = p->cpu->in[w->activation].columns + at;
    int64_t first = panels.first * PANEL_ROWS, stride = (panels.end - panels.first) * PANEL_ROWS;
    int64_t rows = first + stride < w->rows ? stride : w->rows - first;
    float out[COLUMNS_PER_CALL * GROUP_PANELS * PANEL_ROWS], *y = p->ys[matrix]->data + at * w->rows + first;
    bool at_once = !p->accumulate && rows == stride;
    struct panel_work work = {.w = w, .panels = panels, .out = at_once ? y : out, .stride = at_once ? w->rows : stride};
    if (w->panels > panels.end)
        work.next = cpu_panel_address(w, 0, panels.end);
    cpu_panels(p->cpu, &work, columns, n, scratch);
    for (int c = 0; !at_once && c < n; c++, y += w->rows)
        for (int64_t r = 0; r < rows; r++)
            y[r] = (p->accumulate ? y[r] : 0.0f) + out[c * stride + r];
}

/* Some panels for all rows, while they are near. */
static void project_panels(const struct projection *p, int matrix, struct pool_items panels, float *scratch)
{
    for (int at = 0, n; at < p->n; at += n) {
        n = cpu_columns_of_call(p->n - at);
        project_rows(p, matrix, panels, at, n, scratch);
    }
}

static void project_thread(void *context, int thread, int threads)
{
    struct projection *p = context;
    float *scratch = p->cpu->scratch + (size_t)thread * p->cpu->scratch_width;
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        if (p->needs[kind])
            cpu_quantise_share(p->cpu, &p->cpu->in[kind], (enum activation)kind, p->x, p->ws[0]->cols, p->ws[0]->cols, p->n, thread,
                               threads);
    pool_barrier(p->cpu->pool);
    struct pool_items items;
    while (pool_take(p->cpu->pool, p->panels[p->count], GROUP_PANELS, &items))
        for (int matrix = 0; matrix < p->count; matrix++) {
            int64_t before = p->panels[matrix], end = items.end < p->panels[matrix + 1] ? items.end : p->panels[matrix + 1];
            for (int64_t at = items.first > before ? items.first : before; at < end; at += GROUP_PANELS) {
                int64_t last = at + GROUP_PANELS < end ? at + GROUP_PANELS : end;
                project_panels(p, matrix, (struct pool_items){at - before, last - before}, scratch);
            }
        }
}

void cpu_project(struct backend *backend, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x,
                 int n, bool accumulate)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct projection p = {.cpu = cpu, .ys = ys, .count = count, .n = n, .x = x->data, .accumulate = accumulate};
    for (int i = 0; i < count; i++) {
        const struct packed *w = p.ws[i] = ws[i]->packed;
        p.panels[i + 1] = p.panels[i] + w->panels;
        p.needs[w->activation] = true;
        cpu->counts.operations += 2 * (uint64_t)(w->rows * w->cols) * (uint64_t)n;
        cpu->counts.weight_bytes += w->tensor->bytes;
    }
    pool_run(cpu->pool, project_thread, &p);
}

/* A matrix of its own for each head: an item is a panel of a head, for all rows. */
struct heads {
    struct cpu *cpu;
    const struct packed *w;
    const float *x;
    float *y;
    int64_t heads, x_stride, y_stride;
    int n;
};

static void heads_item(const struct heads *h, int64_t head, int64_t panel, float *scratch)
{
    const struct packed *w = h->w;
    const struct column *all = h->cpu->in[w->activation].columns;
    struct column columns[COLUMNS_PER_CALL];
    float out[COLUMNS_PER_CALL * PANEL_ROWS];
    int64_t first = panel * PANEL_ROWS, rows = w->rows - first < PANEL_ROWS ? w->rows - first : PANEL_ROWS;
    for (int at = 0, n; at < h->n; at += n) {
        n = cpu_columns_of_call(h->n - at);
        for (int c = 0; c < n; c++)
            columns[c] = all[(at + c) * h->heads + head];
        struct panel_work work = {.w = w, .expert = head, .panels = {panel, panel + 1}, .out = out, .stride = PANEL_ROWS};
        cpu_panels(h->cpu, &work, columns, n, scratch);
        for (int c = 0; c < n; c++)
            memcpy(h->y + ((int64_t)(at + c) * h->heads + head) * h->y_stride + first, out + c * PANEL_ROWS, (size_t)rows * sizeof *out);
    }
}

static void heads_thread(void *context, int thread, int threads)
{
    const struct heads *h = context;
    const struct packed *w = h->w;
    cpu_quantise_share(h->cpu, &h->cpu->in[w->activation], w->activation, h->x, w->cols, h->x_stride, h->n * h->heads, thread, threads);
    pool_barrier(h->cpu->pool);
    float *scratch = h->cpu->scratch + (size_t)thread * h->cpu->scratch_width;
    for (int64_t item; (item = pool_next(h->cpu->pool, h->heads * w->panels)) >= 0;)
        heads_item(h, item / w->panels, item % w->panels, scratch);
}

void cpu_project_heads(struct backend *backend, struct buffer *y, int y_stride, const struct weight *weight, const struct buffer *x,
                       int x_stride, int n)
{
    struct cpu *cpu = (struct cpu *)backend;
    const struct packed *w = weight->packed;
    struct heads work = {
        .cpu = cpu, .w = w, .x = x->data, .y = y->data, .heads = weight->experts, .x_stride = x_stride, .y_stride = y_stride, .n = n};
    cpu->counts.operations += 2 * (uint64_t)(w->rows * w->cols * weight->experts) * (uint64_t)n;
    cpu->counts.weight_bytes += w->tensor->bytes;
    pool_run(cpu->pool, heads_thread, &work);
}
