/* Products and norms over the rows of a pass: see pass.h. */
#include "engine/train/pass.h"

#include <string.h>

void project(struct pass *p, float *y, int64_t y_stride, const float *x, int64_t x_stride, const float *w, int64_t n, int64_t k, bool add)
{
    gemm_together(
        p->gemm, &(struct product){
                     .c = y, .stride = y_stride, .m = p->rows, .n = n, .k = k, .a = as_is(x, x_stride), .b = transposed(w, k), .add = add});
}

void project_back(struct pass *p, float *d_x, float *d_w, const float *d_y, int64_t y_stride, const float *x, int64_t x_stride,
                  const float *w, int64_t n, int64_t k, bool add)
{
    gemm_together(p->gemm,
                  &(struct product){
                      .c = d_x, .stride = x_stride, .m = p->rows, .n = k, .k = n, .a = as_is(d_y, y_stride), .b = as_is(w, k), .add = add});
    gemm_together(
        p->gemm,
        &(struct product){
            .c = d_w, .stride = k, .m = n, .n = k, .k = p->rows, .a = transposed(d_y, y_stride), .b = as_is(x, x_stride), .add = true});
}

struct norm_work {
    struct pass *p;
    const struct norm_rows *shape;
    const float *x, *d_y, *w;
    float *out; // y or d_x
    bool add;
};

static void norm_thread(void *context, int thread, int threads)
{
    const struct norm_work *work = context;
    const struct norm_rows *shape = work->shape;
    for (int64_t i = thread; i < work->p->rows; i += threads)
        for (int64_t g = 0; g < shape->groups; g++)
            work->p->kernels->norm(work->out + i * shape->y_stride + g * shape->width, work->x + i * shape->x_stride + g * shape->width,
                                   work->w, shape->width, work->p->net->model.config.norm_epsilon);
}

void norm_rows(struct pass *p, float *y, const float *x, const struct weight *w, const struct norm_rows *shape)
{
    struct norm_work work = {.p = p, .shape = shape, .x = x, .w = values_of(w), .out = y};
    pool_run(p->pool, norm_thread, &work);
}

static void norm_back_thread(void *context, int thread, int threads)
{
    (void)thread;
    (void)threads;
    const struct norm_work *work = context;
    const struct norm_rows *shape = work->shape;
    struct pass *p = work->p;
    int64_t blocks = (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS, block;
    while ((block = pool_next(p->pool, blocks)) >= 0) {
        float *d_w = p->partial + block * shape->width;
        int64_t end = (block + 1) * BLOCK_ROWS < p->rows ? (block + 1) * BLOCK_ROWS : p->rows;
        memset(d_w, 0, (size_t)shape->width * sizeof *d_w);
        for (int64_t i = block * BLOCK_ROWS; i < end; i++)
            for (int64_t g = 0; g < shape->groups; g++)
                p->kernels->training->norm_back(
                    work->out + i * shape->x_stride + g * shape->width, d_w, work->x + i * shape->x_stride + g * shape->width, work->w,
                    work->d_y + i * shape->y_stride + g * shape->width, shape->width, p->net->model.config.norm_epsilon, work->add);
    }
}

void norm_rows_back(struct pass *p, float *d_x, const float *x, const float *d_y, const struct weight *w, const struct norm_rows *shape,
                    bool add)
{
    struct norm_work work = {.p = p, .shape = shape, .x = x, .d_y = d_y, .w = values_of(w), .out = d_x, .add = add};
    float *d_w = gradients_of(p->net, w);
    pool_run(p->pool, norm_back_thread, &work);
    for (int64_t block = 0; block * BLOCK_ROWS < p->rows; block++)
        p->kernels->add_scaled(d_w, p->partial + block * shape->width, 1, shape->width);
}
