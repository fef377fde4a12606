/* Products of activation rows with packed matrices. */
#include "engine/cpu/cpu.h"

#include <string.h>

enum { MAX_MATRICES = 4, LEAST_PANELS = 4, COLUMNS_PER_CALL = 64 };

void cpu_quantise_share(const struct cpu *cpu, struct activations_q *room, enum activation kind, const float *x, int64_t width,
                        int64_t stride, int64_t n, int thread, int threads)
{
    const struct column_room *r = &room->rows;
    int64_t scales = kind == ACTIVATION_INT8_256 ? width / 256 : width / 32, sums = kind == ACTIVATION_INT8_256 ? width / 16 : width / 32;
    for (int64_t i = thread; i < n; i += threads) {
        struct column *column = &room->columns[i];
        if (kind == ACTIVATION_FLOAT) {
            *column = (struct column){.f = x + i * stride};
            continue;
        }
        struct column_room row = {0};
        if (kind == ACTIVATION_BF16)
            row.b = r->b + i * (width + width % 2);
        else
            row = (struct column_room){
                .q = r->q + i * width, .scale = r->scale + i * scales, .sum = r->sum + i * sums, .sum32 = r->sum32 + i * (width / 32)};
        cpu->kernels->quantise[kind](x + i * stride, width, &row);
        *column = (struct column){.b = row.b, .q = row.q, .scale = row.scale, .sum = row.sum, .sum32 = row.sum32};
    }
}

/* Exact mode: weights dequantised row by row, products summed in double. */
static void exact_panel(const struct panel_work *work, const struct column *columns, int n, int64_t stride, float *row)
{
    const struct packed *w = work->w;
    int64_t expert = work->expert, panel = work->panel;
    const struct tensor_format *format = w->tensor->format;
    size_t row_bytes = (size_t)(w->cols / format->block_values) * (size_t)format->block_bytes;
    for (int64_t r = 0; r < PANEL_ROWS; r++) {
        int64_t index = panel * PANEL_ROWS + r;
        if (index < w->rows)
            format->to_float((const uint8_t *)w->tensor->data + (size_t)(expert * w->rows + index) * row_bytes, row, w->cols);
        else
            memset(row, 0, (size_t)w->cols * sizeof *row);
        for (int c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t i = 0; i < w->cols; i++)
                sum += (double)row[i] * (double)columns[c].f[i];
            work->out[c * stride + r] = (float)sum;
        }
    }
}

void cpu_panels(const struct cpu *cpu, const struct panel_work *work, int count, const struct column *columns, int n, int64_t stride,
                float *scratch)
{
    bool both = count == 2;
    struct panels panels = {.count = 1 + both, .stride = stride};
    if (both && (work[0].w->format != work[1].w->format || cpu->exact)) {
        cpu_panels(cpu, work, 1, columns, n, stride, scratch);
        cpu_panels(cpu, work + 1, 1, columns, n, stride, scratch);
        return;
    }
    if (cpu->exact) {
        exact_panel(work, columns, n, stride, scratch);
        return;
    }
    panels.bytes = work->w->panel_bytes;
    panels.next = both && work[0].w == work[1].w ? 2 * panels.bytes : panels.bytes;
    for (int i = 0; i <= both; i++) {
        uint8_t *room = (uint8_t *)scratch + (size_t)i * work->w->panel_bytes; // panels of one format and width
        panels.at[i] = cpu_panel(cpu, work[i].w, work[i].expert, work[i].panel, room);
        panels.out[i] = work[i].out;
    }
    cpu->kernels->panels[work->w->format](&panels, work->w->cols, columns, n);
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

/* Up to two panels for all rows, to y[n][rows]: at once, or by way of `out` where there is something to add or rows beyond the last. */
static void project_panels(const struct projection *p, int matrix, int64_t panel, int count, float *scratch)
{
    const struct packed *w = p->ws[matrix];
    const struct column *columns = p->cpu->in[w->activation].columns;
    float out[2][COLUMNS_PER_CALL * PANEL_ROWS], *y = p->ys[matrix]->data + panel * PANEL_ROWS;
    struct panel_work work[2] = {{w, 0, panel, out[0]}, {w, 0, panel + 1, out[1]}};
    if (!p->accumulate && (panel + count) * PANEL_ROWS <= w->rows) {
        work[0].out = y;
        work[1].out = y + PANEL_ROWS;
        cpu_panels(p->cpu, work, count, columns, p->n, w->rows, scratch);
        return;
    }
    for (int at = 0; at < p->n; at += COLUMNS_PER_CALL) {
        int n = p->n - at < COLUMNS_PER_CALL ? p->n - at : COLUMNS_PER_CALL;
        cpu_panels(p->cpu, work, count, columns + at, n, PANEL_ROWS, scratch);
        for (int i = 0; i < count; i++) {
            int64_t first = (panel + i) * PANEL_ROWS, rows = w->rows - first < PANEL_ROWS ? w->rows - first : PANEL_ROWS;
            for (int c = 0; c < n; c++) {
                float *to = y + (int64_t)(at + c) * w->rows + i * PANEL_ROWS;
                for (int64_t r = 0; r < rows; r++)
                    to[r] = (p->accumulate ? to[r] : 0.0f) + out[i][c * PANEL_ROWS + r];
            }
        }
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
    while (pool_take(p->cpu->pool, p->panels[p->count], LEAST_PANELS, &items))
        for (int matrix = 0; matrix < p->count; matrix++) {
            int64_t before = p->panels[matrix], end = items.end < p->panels[matrix + 1] ? items.end : p->panels[matrix + 1];
            for (int64_t at = items.first > before ? items.first : before; at < end; at += 2)
                project_panels(p, matrix, at - before, end - at < 2 ? 1 : 2, scratch);
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
    for (int at = 0; at < h->n; at += COLUMNS_PER_CALL) {
        int n = h->n - at < COLUMNS_PER_CALL ? h->n - at : COLUMNS_PER_CALL;
        for (int c = 0; c < n; c++)
            columns[c] = all[(at + c) * h->heads + head];
        cpu_panels(h->cpu, &(struct panel_work){w, head, panel, out}, 1, columns, n, PANEL_ROWS, scratch);
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
