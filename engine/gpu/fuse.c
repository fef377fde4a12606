/* Operations that are held back until it is known what comes next, so that several become one launch: a step of decoding is hundreds of
 * small kernels, and a GPU takes longer to start most of them than to run them.
 *
 *     norm of one row                  waits for products of it: they normalise on the way, and leave the normalised row for later readers
 *     products of one row              wait for their biases, or for an addition of the result to another row
 *     norms of heads, their rotation   wait for the cache's next keys and values: one launch does all three
 *
 * What is held is always the operation before; whatever else comes launches it first (gpu_run and gpu_flush see to that). Each launch
 * leaves in memory all that the operations apart would have left there, so that nobody has to know who reads it. */
#include "engine/gpu/gpu.h"

void gpu_settle(struct gpu *gpu)
{
    struct gpu_held held = gpu->held;
    gpu->held.kind = HELD_NOTHING;
    if (held.kind == HELD_NORM)
        gpu_launch_norm(gpu, &held.norm, held.n);
    else if (held.kind == HELD_PRODUCT)
        gpu_launch_one(gpu, &held.product, held.norm.weight ? &held.norm : NULL);
    else if (held.kind == HELD_HEADS)
        for (int i = 0; i < held.n_heads; i++)
            gpu_launch_heads(gpu, &held.heads[i], held.n);
}

void gpu_hold_norm(struct gpu *gpu, const struct gpu_norm_of *norm)
{
    gpu_settle(gpu);
    gpu->held = (struct gpu_held){.kind = HELD_NORM, .n = 1, .norm = *norm};
}

void gpu_hold_product(struct gpu *gpu, const struct gpu_one *product)
{
    struct gpu_norm_of norm = {.weight = 0};
    if (gpu->held.kind == HELD_NORM && gpu->held.norm.y == product->x)
        norm = gpu->held.norm;
    else
        gpu_settle(gpu);
    gpu->held = (struct gpu_held){.kind = HELD_PRODUCT, .n = 1, .norm = norm, .product = *product};
}

bool gpu_held_bias(struct gpu *gpu, uint64_t y, uint64_t bias)
{
    struct gpu_one *p = &gpu->held.product;
    for (int i = 0; gpu->held.kind == HELD_PRODUCT && i < p->n; i++)
        if (p->y[i] == y && !p->bias[i] && !p->sum) {
            p->bias[i] = bias;
            return true;
        }
    return false;
}

bool gpu_held_sum(struct gpu *gpu, uint64_t to, uint64_t y, int64_t width, float factor)
{
    struct gpu_one *p = &gpu->held.product;
    if (gpu->held.kind != HELD_PRODUCT || p->n != 1 || p->y[0] != y || p->w[0]->rows != width || p->sum)
        return false;
    p->sum = to;
    p->factor = factor;
    return true;
}

struct gpu_heads *gpu_hold_heads(struct gpu *gpu, uint64_t x, int heads, int n)
{
    struct gpu_held *held = &gpu->held;
    for (int i = 0; held->kind == HELD_HEADS && i < held->n_heads; i++)
        if (held->heads[i].x == x && held->heads[i].heads == heads && held->n == n)
            return &held->heads[i];
    if (held->kind != HELD_HEADS || held->n != n || held->n_heads == 2) {
        gpu_settle(gpu);
        *held = (struct gpu_held){.kind = HELD_HEADS, .n = n};
    }
    held->heads[held->n_heads] = (struct gpu_heads){.x = x, .heads = heads};
    return &held->heads[held->n_heads++];
}

void gpu_take_heads(struct gpu *gpu, uint64_t k, struct gpu_heads *of_q, struct gpu_heads *of_k)
{
    struct gpu_held *held = &gpu->held;
    *of_q = (struct gpu_heads){0};
    *of_k = (struct gpu_heads){.x = k, .heads = gpu->kv.n_kv_heads};
    bool fit = held->kind == HELD_HEADS;
    for (int i = 0; fit && i < held->n_heads; i++)
        fit = held->heads[i].heads == (held->heads[i].x == k ? gpu->kv.n_kv_heads : gpu->limits.n_heads);
    const struct gpu_heads *one = &held->heads[0], *other = &held->heads[1];
    if (fit && held->n_heads == 2) // one of each, and one epsilon for both
        fit = (one->x == k) != (other->x == k) && (!one->norm || !other->norm || one->epsilon == other->epsilon);
    if (!fit) {
        gpu_settle(gpu);
        return;
    }
    for (int i = 0; i < held->n_heads; i++)
        *(held->heads[i].x == k ? of_k : of_q) = held->heads[i];
    held->kind = HELD_NOTHING;
}
