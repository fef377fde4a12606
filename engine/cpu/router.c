/* The router: a product, followed by a choice.
 *
 * Logits become scores; a bias may be added to them for the choice only; the best groups may be chosen first; the weights are the chosen
 * experts' scores without that bias. */
#include "engine/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void softmax(float *x, int n)
{
    float greatest = x[0], sum = 0;
    for (int i = 1; i < n; i++)
        greatest = fmaxf(greatest, x[i]);
    for (int i = 0; i < n; i++)
        sum += x[i] = expf(x[i] - greatest);
    for (int i = 0; i < n; i++)
        x[i] /= sum;
}

/* Takes out of the choice the experts of all groups but the best; a group counts by its two best experts (DeepSeek-V3, 2024). */
static void keep_best_groups(const struct routing *r, float *choice)
{
    int size = r->n_experts / r->n_groups;
    for (int drop = r->n_groups - r->groups_used; drop > 0; drop--) {
        int worst = -1;
        float least = INFINITY;
        for (int g = 0; g < r->n_groups; g++) {
            float first = -INFINITY, second = -INFINITY;
            const float *group = choice + g * size;
            for (int e = 0; e < size; e++)
                if (group[e] > first) {
                    second = first;
                    first = group[e];
                } else if (group[e] > second)
                    second = group[e];
            if (first > -INFINITY && first + second <= least) { // of equal ones the later goes first
                worst = g;
                least = first + second;
            }
        }
        for (int e = 0; worst >= 0 && e < size; e++)
            choice[worst * size + e] = -INFINITY;
    }
}

/* The top_k of a row, greatest first; ties go to the lower id. choice is changed: who is taken is −infinity. */
static void choose(const struct routing *r, const float *scores, float *choice, int32_t *ids, float *weights)
{
    for (int k = 0; k < r->top_k; k++) {
        int best = -1;
        for (int e = 0; e < r->n_experts; e++)
            if (choice[e] > -INFINITY && (best < 0 || choice[e] > choice[best]))
                best = e;
        if (best < 0) { // scores that are not numbers (a broken model): any experts, with their NaN
            for (best = 0; best < k; best++)
                if (ids[best] != best)
                    break;
            weights[k] = NAN;
        } else
            weights[k] = scores[best];
        ids[k] = best;
        choice[best] = -INFINITY;
    }
}

static void route_row(const struct routing *r, float *scores, float *choice, const float *selection, int32_t *ids, float *weights)
{
    if (r->gate == GATE_SOFTMAX)
        softmax(scores, r->n_experts);
    else if (r->gate == GATE_SIGMOID)
        for (int e = 0; e < r->n_experts; e++)
            scores[e] = 1.0f / (1.0f + expf(-scores[e]));
    for (int e = 0; e < r->n_experts; e++)
        choice[e] = scores[e] + (selection ? selection[e] : 0.0f);
    if (r->n_groups > 1)
        keep_best_groups(r, choice);
    choose(r, scores, choice, ids, weights);
    if (r->gate == GATE_SOFTMAX_CHOSEN)
        softmax(weights, r->top_k);
    float total = 0;
    for (int k = 0; k < r->top_k; k++)
        total += weights[k];
    if (r->normalise)
        for (int k = 0; k < r->top_k; k++)
            weights[k] /= fmaxf(total, 6.103515625e-5f);
    for (int k = 0; k < r->top_k; k++)
        weights[k] *= r->scale;
}

void cpu_route(struct backend *backend, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct router *router,
               const struct routing *routing, int layer, int n)
{
    struct cpu *cpu = (struct cpu *)backend;
    size_t experts = (size_t)routing->n_experts, top_k = (size_t)routing->top_k;
    struct buffer logits = {.data = cpu->router_logits};
    float *choice = cpu->router_logits + (size_t)cpu->limits.max_rows * experts; // a row behind the logits
    cpu_project(backend, (struct buffer *const[]){&logits}, (const struct weight *const[]){router->matrix}, 1, h, n, false);
    if (router->bias)
        cpu_add_bias(backend, &logits, router->bias, n);
    int32_t *chosen = (int32_t *)(void *)ids->data;
    uint64_t *load = cpu->load + (size_t)layer * experts;
    for (size_t i = 0; i < (size_t)n; i++) {
        route_row(routing, cpu->router_logits + i * experts, choice, router->selection ? router->selection->tensor->data : NULL,
                  chosen + i * top_k, weights->data + i * top_k);
        for (size_t k = 0; k < top_k; k++)
            load[chosen[i * top_k + k]]++;
    }
}
