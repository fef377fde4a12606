/* Operations on rows that are no products. */
#include "engine/gpu/gpu.h"

#include <math.h>
#include <string.h>

void gpu_embed(struct backend *backend, struct buffer *x, const struct weight *weight, const struct batch *batch)
{
    struct gpu *gpu = gpu_of(backend);
    const struct tensor_format *format = weight->tensor->format;
    size_t width = (size_t)weight->cols, row_bytes = width / (size_t)format->block_values * (size_t)format->block_bytes;
    for (int i = 0; i < batch->n; i++)
        format->to_float((const uint8_t *)weight->tensor->data + (size_t)batch->tokens[i] * row_bytes, gpu->staging + (size_t)i * width,
                         weight->cols);
    gpu_write(gpu, x->memory, 0, gpu->staging, (size_t)batch->n * width * sizeof(float));
    gpu->counts.weight_bytes += row_bytes * (size_t)batch->n;
    gpu_use_batch(gpu, batch, true);
}

static void launch_norm(struct gpu *gpu, uint64_t y, uint64_t x, uint64_t weight, int rows, int width, int stride, float epsilon)
{
    gpu_run(gpu, gpu->rows.kernels[GPU_NORM], 256, (const uint32_t[]){(uint32_t)rows, 1, 1},
            GPU_ARGS(gpu_memory(y), gpu_memory(x), gpu_memory(weight), gpu_int(width), gpu_int(stride), gpu_float(epsilon)));
}

void gpu_launch_norm(struct gpu *gpu, const struct gpu_norm_of *norm, int rows)
{
    launch_norm(gpu, norm->y, norm->x, norm->weight, rows, norm->width, norm->width, norm->epsilon);
}

void gpu_norm(struct backend *backend, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width,
              int stride, float epsilon)
{
    struct gpu *gpu = gpu_of(backend);
    bool in_place = y->memory == x->memory;
    if (width == stride && n == 1 && groups == 1 && !in_place)
        gpu_hold_norm(gpu, &(struct gpu_norm_of){y->memory, x->memory, gpu_vector(w), width, epsilon});
    else if (width == stride && width == gpu->kv.k_dim && in_place) {
        struct gpu_heads *heads = gpu_hold_heads(gpu, x->memory, groups, n);
        if (heads->norm || heads->rope) { // has had its turn
            gpu_settle(gpu);
            heads = gpu_hold_heads(gpu, x->memory, groups, n);
        }
        heads->norm = gpu_vector(w);
        heads->epsilon = epsilon;
    } else
        launch_norm(gpu, y->memory, x->memory, gpu_vector(w), n * groups, width, stride, epsilon);
}

void gpu_add_bias(struct backend *backend, struct buffer *y, const struct weight *w, int n)
{
    int64_t count = n * w->cols;
    if (n == 1 && gpu_held_bias(gpu_of(backend), y->memory, gpu_vector(w)))
        return;
    gpu_run_flat(gpu_of(backend), GPU_BIAS, count,
                 GPU_ARGS(gpu_memory(y->memory), gpu_memory(gpu_vector(w)), gpu_int(w->cols), gpu_long(count)));
}

void gpu_add(struct backend *backend, struct buffer *y, const struct buffer *x, int n, int width, float factor)
{
    int64_t count = (int64_t)n * width;
    if (n == 1 && gpu_held_sum(gpu_of(backend), y->memory, x->memory, width, factor))
        return;
    gpu_run_flat(gpu_of(backend), GPU_ADD, count,
                 GPU_ARGS(gpu_memory(y->memory), gpu_memory(x->memory), gpu_float(factor), gpu_long(count)));
}

void gpu_scale(struct backend *backend, struct buffer *x, int n, int width, float factor)
{
    int64_t count = (int64_t)n * width;
    gpu_run_flat(gpu_of(backend), GPU_SCALE, count, GPU_ARGS(gpu_memory(x->memory), gpu_float(factor), gpu_long(count)));
}

void gpu_clear(struct backend *backend, struct buffer *x, int n, int width)
{
    int64_t count = (int64_t)n * width;
    gpu_run_flat(gpu_of(backend), GPU_CLEAR, count, GPU_ARGS(gpu_memory(x->memory), gpu_long(count)));
}

void gpu_activate(struct backend *backend, struct buffer *gate, const struct buffer *up, int n, int width,
                  enum activation_function function)
{
    int64_t count = (int64_t)n * width;
    gpu_run_flat(gpu_of(backend), GPU_ACTIVATE, count,
                 GPU_ARGS(gpu_memory(gate->memory), gpu_memory(up->memory), gpu_int(function), gpu_long(count)));
}

void gpu_gate_rows(struct backend *backend, struct buffer *y, const struct buffer *h, const struct weight *w, int n, int width)
{
    struct gpu *gpu = gpu_of(backend);
    uint32_t groups[3] = {(uint32_t)n, 1, 1};
    gpu_run(gpu, gpu->rows.kernels[GPU_GATE], 256, groups,
            GPU_ARGS(gpu_memory(y->memory), gpu_memory(h->memory), gpu_memory(gpu_vector(w)), gpu_int(width)));
}

void gpu_copy_columns(struct backend *backend, struct buffer *y, int y_stride, int y_first, const struct buffer *x, int x_stride,
                      int x_first, int width, int n)
{
    gpu_run_flat(gpu_of(backend), GPU_COPY_COLUMNS, (int64_t)n * width,
                 GPU_ARGS(gpu_memory(y->memory), gpu_int(y_stride), gpu_int(y_first), gpu_memory(x->memory), gpu_int(x_stride),
                          gpu_int(x_first), gpu_int(width), gpu_int(n)));
}

void gpu_gather(struct backend *backend, struct buffer *y, const struct buffer *x, const int32_t *rows, int m, int width)
{
    struct gpu *gpu = gpu_of(backend);
    gpu_write(gpu, gpu->small, 0, rows, (size_t)m * sizeof *rows);
    gpu_run_flat(gpu, GPU_GATHER, (int64_t)m * width,
                 GPU_ARGS(gpu_memory(y->memory), gpu_memory(x->memory), gpu_memory(gpu->small), gpu_int(width), gpu_int(m)));
}

void gpu_score(struct backend *backend, const struct buffer *logits, int m, int width, const int32_t *targets, int32_t *argmax,
               float *greatest, float *target_logit, double *log_sum)
{
    struct gpu *gpu = gpu_of(backend);
    uint32_t groups[3] = {(uint32_t)m, 1, 1};
    float out[GPU_SMALL_ROWS][4];
    gpu_write(gpu, gpu->small, 0, targets, (size_t)m * sizeof *targets);
    gpu_run(gpu, gpu->rows.kernels[GPU_SCORE], 256, groups,
            GPU_ARGS(gpu_memory(gpu->scores), gpu_memory(logits->memory), gpu_memory(gpu->small), gpu_int(width)));
    gpu_read(gpu, gpu->scores, 0, out, (size_t)m * sizeof *out);
    for (int i = 0; i < m; i++) {
        memcpy(&argmax[i], &out[i][0], sizeof *argmax);
        greatest[i] = out[i][1];
        if (targets[i] < 0)
            continue;
        target_logit[i] = out[i][3];
        log_sum[i] = log((double)out[i][2]);
    }
}
