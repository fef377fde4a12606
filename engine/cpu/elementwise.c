/* Operations on rows that are no products: norms, biases, scales, activations. A row's values depend on that row alone. */
#include "engine/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { ALONE = 16384 }; // values that one thread is done with sooner than others wake

/* One of the operations over the rows of a step; what a field means is said where the operation is. */
struct rows_work {
    const struct cpu *cpu;
    float *y;
    const float *x, *w;
    int64_t rows, width, y_stride, x_stride;
    float factor;
    enum activation_function function;
};

static void run_rows(const struct rows_work *work, pool_fn *fn)
{
    pool_run_if(work->cpu->pool, work->rows * work->width > ALONE, fn, (void *)(uintptr_t)work);
}

static void norm_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads)
        work->cpu->kernels->norm(work->y + i * work->y_stride, work->x + i * work->x_stride, work->w, work->width, work->factor);
}

void cpu_norm(struct backend *backend, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width,
              int stride, float epsilon)
{
    struct rows_work work = {.cpu = (const struct cpu *)backend,
                             .y = y->data,
                             .x = x->data,
                             .w = w->tensor->data,
                             .rows = (int64_t)n * groups,
                             .width = width,
                             .y_stride = stride,
                             .x_stride = stride,
                             .factor = epsilon};
    run_rows(&work, norm_thread);
}

static void bias_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads)
        for (int64_t j = 0; j < work->width; j++)
            work->y[i * work->width + j] += work->w[j];
}

void cpu_add_bias(struct backend *backend, struct buffer *y, const struct weight *w, int n)
{
    struct rows_work work = {.cpu = (const struct cpu *)backend, .y = y->data, .w = w->tensor->data, .rows = n, .width = w->cols};
    run_rows(&work, bias_thread);
}

static void add_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads)
        for (int64_t j = i * work->width; j < (i + 1) * work->width; j++)
            work->y[j] += work->factor * work->x[j];
}

void cpu_add(struct backend *backend, struct buffer *y, const struct buffer *x, int n, int width, float factor)
{
    struct rows_work work = {.cpu = (const struct cpu *)backend, .y = y->data, .x = x->data, .rows = n, .width = width, .factor = factor};
    run_rows(&work, add_thread);
}

static void scale_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads)
        for (int64_t j = i * work->width; j < (i + 1) * work->width; j++)
            work->y[j] *= work->factor;
}

void cpu_scale(struct backend *backend, struct buffer *x, int n, int width, float factor)
{
    struct rows_work work = {.cpu = (const struct cpu *)backend, .y = x->data, .rows = n, .width = width, .factor = factor};
    run_rows(&work, scale_thread);
}

void cpu_clear(struct backend *backend, struct buffer *x, int n, int width)
{
    (void)backend;
    memset(x->data, 0, (size_t)n * (size_t)width * sizeof *x->data);
}

void cpu_activation(const struct cpu *cpu, enum activation_function function, float *out, const float *gate, const float *up, int64_t n)
{
    if (function == ACT_SWIGLU) {
        cpu->kernels->swiglu(out, gate, up, n);
        return;
    }
    const float limit = 7.0f, alpha = 1.702f;
    for (int64_t i = 0; i < n; i++) {
        float g = gate[i] > limit ? limit : gate[i], u = up[i] > limit ? limit : up[i] < -limit ? -limit : up[i];
        out[i] = g / (1.0f + expf(-alpha * g)) * (u + 1.0f);
    }
}

static void activate_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads) {
        float *row = work->y + i * work->width;
        cpu_activation(work->cpu, work->function, row, row, work->x + i * work->width, work->width);
    }
}

void cpu_activate(struct backend *backend, struct buffer *gate, const struct buffer *up, int n, int width,
                  enum activation_function function)
{
    struct rows_work work = {
        .cpu = (const struct cpu *)backend, .y = gate->data, .x = up->data, .rows = n, .width = width, .function = function};
    run_rows(&work, activate_thread);
}

static void gate_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads) {
        const float *h = work->x + i * work->width;
        double dot = 0;
        for (int64_t j = 0; j < work->width; j++)
            dot += (double)h[j] * (double)work->w[j];
        float gate = (float)(1.0 / (1.0 + exp(-dot)));
        for (int64_t j = i * work->width; j < (i + 1) * work->width; j++)
            work->y[j] *= gate;
    }
}

void cpu_gate_rows(struct backend *backend, struct buffer *y, const struct buffer *h, const struct weight *w, int n, int width)
{
    struct rows_work work = {
        .cpu = (const struct cpu *)backend, .y = y->data, .x = h->data, .w = w->tensor->data, .rows = n, .width = width};
    run_rows(&work, gate_thread);
}

static void copy_thread(void *context, int thread, int threads)
{
    const struct rows_work *work = context;
    for (int64_t i = thread; i < work->rows; i += threads)
        memcpy(work->y + i * work->y_stride, work->x + i * work->x_stride, (size_t)work->width * sizeof *work->y);
}

void cpu_copy_columns(struct backend *backend, struct buffer *y, int y_stride, int y_first, const struct buffer *x, int x_stride,
                      int x_first, int width, int n)
{
    struct rows_work work = {.cpu = (const struct cpu *)backend,
                             .y = y->data + y_first,
                             .x = x->data + x_first,
                             .rows = n,
                             .width = width,
                             .y_stride = y_stride,
                             .x_stride = x_stride};
    run_rows(&work, copy_thread);
}
