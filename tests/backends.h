/* What the tests of the backends share: random values, and attention by its definition. */
#ifndef JEOUL_TESTS_BACKENDS_H
#define JEOUL_TESTS_BACKENDS_H

#include "tests/support.h"

#include "base/random.h"
#include "engine/backend.h"

/* n normal ones; free with free(). */
static inline float *random_values(struct random *random, size_t n)
{
    float *values = malloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)random_normal(random);
    return values;
}

struct attention_setting {
    int n_heads, n_kv_heads, k_dim, v_dim, window;
    bool v_in_k, sinks;
    enum engine_kv type;
};

/* A sequence's rows: q[position][n_heads][k_dim], k[position][n_kv_heads][k_dim], v[position][n_kv_heads][v_dim], sinks[n_heads]. */
struct attention_data {
    float *q, *k, *v, *sinks;
};

/* Value i of what a head attends to from a position, with sums in double. */
static inline double attended(const struct attention_setting *s, const struct attention_data *d, int position, int head, int i)
{
    const float *q = d->q + ((size_t)position * (size_t)s->n_heads + (size_t)head) * (size_t)s->k_dim;
    int kv_head = head / (s->n_heads / s->n_kv_heads), first = s->window && position >= s->window ? position - s->window + 1 : 0;
    double sum = s->sinks ? exp((double)d->sinks[head]) : 0, value = 0;
    for (int p = first; p <= position; p++) {
        size_t row = (size_t)p * (size_t)s->n_kv_heads + (size_t)kv_head;
        const float *k = d->k + row * (size_t)s->k_dim, *v = s->v_in_k ? k : d->v + row * (size_t)s->v_dim;
        double score = 0;
        for (int j = 0; j < s->k_dim; j++)
            score += (double)q[j] * (double)k[j];
        double weight = exp(score / sqrt(s->k_dim));
        sum += weight;
        value += weight * (double)v[i];
    }
    return value / sum;
}

#endif
