/* Products of activation rows with packed matrices, and the router, which is one followed by a choice. */
#include "engine/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { MAX_MATRICES = 4, PANELS_PER_ITEM = 4, COLUMNS_PER_CALL = 64 };

void cpu_quantise_share(const struct cpu *cpu, struct activations_q *room, enum activation kind, const float *x, int64_t width, int64_t n,
                        int thread, int threads)
{
    int64_t scales = kind == ACTIVATION_INT8_256 ? width / 256 : width / 32, sums = kind == ACTIVATION_INT8_256 ? width / 16 : width / 32;
    for (int64_t i = thread; i < n; i += threads) {
        struct column *column = &room->columns[i];
        if (kind == ACTIVATION_FLOAT) {
            *column = (struct column){.f = x + i * width};
            continue;
        }
        int8_t *q = room->q + i * width;
        float *scale = room->scale + i * scales;
        int32_t *sum = room->sum + i * sums;
        cpu->kernels->quantise[kind](x + i * width, width, q, scale, sum);
        *column = (struct column){.q = q, .scale = scale, .sum = sum};
    }
}

/* Exact mode: weights dequantised row by row, products summed in double. */
static void exact_panel(const struct packed *w, int64_t expert, int64_t panel, const struct column *columns, int n, float *out, float *row)
{
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
            out[c * PANEL_ROWS + r] = (float)sum;
        }
    }
}

void cpu_panel(const struct cpu *cpu, const struct packed *w, int64_t expert, int64_t panel, const struct column *columns, int n,
               float *out, float *scratch)
{
    if (w->in_file)
        exact_panel(w, expert, panel, columns, n, out, scratch);
    else
        cpu->kernels->panel[w->format](w->bytes + (size_t)expert * w->expert_bytes + (size_t)panel * w->panel_bytes, w->cols, columns, n,
                                       out);
}

struct projection {
    struct cpu *cpu;
    struct buffer *const *ys;
    const struct packed *ws[MAX_MATRICES];
    int count, n;
    const float *x;
    bool accumulate;
    int64_t items[MAX_MATRICES + 1]; // first item of each matrix; an item is PANELS_PER_ITEM panels
    bool needs[ACTIVATION_COUNT];
};

/* One panel for all rows: kernels' output [n][16] goes to y[n][rows]. */
static void project_panel(const struct projection *p, int matrix, int64_t panel, int thread)
{
    const struct packed *w = p->ws[matrix];
    const struct column *columns = p->cpu->in[w->activation].columns;
    float out[COLUMNS_PER_CALL * PANEL_ROWS], *y = p->ys[matrix]->data;
    int64_t first = panel * PANEL_ROWS, rows = w->rows - first < PANEL_ROWS ? w->rows - first : PANEL_ROWS;
    for (int at = 0; at < p->n; at += COLUMNS_PER_CALL) {
        int n = p->n - at < COLUMNS_PER_CALL ? p->n - at : COLUMNS_PER_CALL;
        cpu_panel(p->cpu, w, 0, panel, columns + at, n, out, p->cpu->scratch + (size_t)thread * p->cpu->scratch_width);
        for (int c = 0; c < n; c++) {
            float *to = y + (int64_t)(at + c) * w->rows + first;
            for (int64_t r = 0; r < rows; r++)
                to[r] = (p->accumulate ? to[r] : 0.0f) + out[c * PANEL_ROWS + r];
        }
    }
}

static void project_thread(void *context, int thread, int threads)
{
    struct projection *p = context;
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        if (p->needs[kind])
            cpu_quantise_share(p->cpu, &p->cpu->in[kind], (enum activation)kind, p->x, p->ws[0]->cols, p->n, thread, threads);
    pool_barrier(p->cpu->pool);
    for (int64_t item; (item = pool_next(p->cpu->pool, p->items[p->count])) >= 0;) {
        int matrix = 0;
        while (item >= p->items[matrix + 1])
            matrix++;
        int64_t first = (item - p->items[matrix]) * PANELS_PER_ITEM;
        for (int64_t panel = first; panel < first + PANELS_PER_ITEM && panel < p->ws[matrix]->panels; panel++)
            project_panel(p, matrix, panel, thread);
    }
}

void cpu_project(struct backend *backend, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x,
                 int n, bool accumulate)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct projection p = {.cpu = cpu, .ys = ys, .count = count, .n = n, .x = x->data, .accumulate = accumulate};
    for (int i = 0; i < count; i++) {
        const struct packed *w = p.ws[i] = ws[i]->packed;
        p.items[i + 1] = p.items[i] + (w->panels + PANELS_PER_ITEM - 1) / PANELS_PER_ITEM;
        p.needs[w->activation] = true;
        cpu->counts.operations += 2 * (uint64_t)(w->rows * w->cols) * (uint64_t)n;
        cpu->counts.weight_bytes += w->tensor->bytes;
    }
    pool_run(cpu->pool, project_thread, &p);
}

/* --- routing
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* The top_k of a row's scores, greatest first; ties go to the lower id. */
static void choose(const struct routing *r, float *scores, int32_t *ids, float *weights)
{
    if (r->gate == GATE_SOFTMAX) {
        float greatest = scores[0], sum = 0;
        for (int e = 1; e < r->n_experts; e++)
            greatest = fmaxf(greatest, scores[e]);
        for (int e = 0; e < r->n_experts; e++)
            sum += scores[e] = expf(scores[e] - greatest);
        for (int e = 0; e < r->n_experts; e++)
            scores[e] /= sum;
    } else
        for (int e = 0; e < r->n_experts; e++)
            scores[e] = 1.0f / (1.0f + expf(-scores[e]));
    float total = 0;
    for (int k = 0; k < r->top_k; k++) {
        int best = -1;
        for (int e = 0; e < r->n_experts; e++)
            if (scores[e] >= 0 && (best < 0 || scores[e] > scores[best]))
                best = e;
        if (best < 0) { // scores that are not numbers (a broken model): any experts, with their NaN
            for (best = 0; best < k; best++)
                if (ids[best] != best)
                    break;
            weights[k] = NAN;
        } else
            weights[k] = scores[best];
        ids[k] = best;
        scores[best] = -1.0f; // taken: chosen scores are never below 0
        total += weights[k];
    }
    if (r->normalise)
        for (int k = 0; k < r->top_k; k++)
            weights[k] /= fmaxf(total, 6.103515625e-5f);
    for (int k = 0; k < r->top_k; k++)
        weights[k] *= r->scale;
}

void cpu_route(struct backend *backend, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct weight *router,
               const struct routing *routing, int layer, int n)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct buffer logits = {.data = cpu->router_logits};
    cpu_project(backend, (struct buffer *const[]){&logits}, (const struct weight *const[]){router}, 1, h, n, false);
    int32_t *chosen = (int32_t *)(void *)ids->data;
    uint64_t *load = cpu->load + (size_t)layer * (size_t)routing->n_experts;
    for (int i = 0; i < n; i++) {
        choose(routing, cpu->router_logits + (size_t)i * (size_t)routing->n_experts, chosen + i * routing->top_k,
               weights->data + i * routing->top_k);
        for (int k = 0; k < routing->top_k; k++)
            load[chosen[i * routing->top_k + k]]++;
    }
}
