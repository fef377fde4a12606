/* AdamW: see train.h for what is set. Norms' weights do not decay. */
#include "engine/train/trainer.h"

#include <math.h>
#include <string.h>

static const double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, pi = 3.14159265358979323846;

double trainer_rate(const struct train_settings *s, int64_t step)
{
    if (step <= s->warmup_steps)
        return s->rate * (double)step / s->warmup_steps;
    if (step >= s->steps)
        return s->last_rate;
    double part = (double)(step - s->warmup_steps) / (s->steps - s->warmup_steps);
    return s->last_rate + (s->rate - s->last_rate) * 0.5 * (1 + cos(pi * part));
}

static void squares_thread(void *context, int thread, int threads)
{
    struct trainer *t = context;
    size_t blocks = (t->net.n_values + NORM_BLOCK - 1) / NORM_BLOCK;
    for (size_t i = (size_t)thread; i < blocks; i += (size_t)threads) {
        size_t first = i * NORM_BLOCK, n = t->net.n_values - first < NORM_BLOCK ? t->net.n_values - first : NORM_BLOCK;
        t->block_squares[i] = t->kernels->training->sum_squares(t->net.gradients + first, (int64_t)n);
    }
}

struct update {
    struct trainer *t;
    struct adamw step;
    double decay;
};

static void update_thread(void *context, int thread, int threads)
{
    const struct update *u = context;
    struct trainer *t = u->t;
    for (size_t i = 0; i < t->net.n_parameters; i++) {
        const struct parameter *p = &t->net.parameters[i];
        struct adamw step = u->step;
        step.decay = p->use == WEIGHT_VECTOR ? 0 : (float)u->decay;
        size_t share = (p->count + (size_t)threads - 1) / (size_t)threads, first = share * (size_t)thread;
        size_t n = first >= p->count ? 0 : p->count - first < share ? p->count - first : share, at = p->first + first;
        if (n)
            t->kernels->training->adamw(t->net.values + at, t->first_moments + at, t->second_moments + at, t->net.gradients + at,
                                        (int64_t)n, &step);
    }
}

double trainer_update(struct trainer *t, double rate)
{
    double squares = 0;
    pool_run(t->pool, squares_thread, t);
    for (size_t i = 0; i < (t->net.n_values + NORM_BLOCK - 1) / NORM_BLOCK; i++)
        squares += t->block_squares[i];
    double norm = sqrt(squares), clip = t->settings.clip;
    struct update update = {.t = t,
                            .decay = t->settings.weight_decay,
                            .step = {.beta1 = (float)beta1,
                                     .beta2 = (float)beta2,
                                     .epsilon = (float)epsilon,
                                     .rate = (float)rate,
                                     .scale = (float)(clip > 0 && norm > clip ? clip / norm : 1),
                                     .m_factor = (float)(1 / (1 - pow(beta1, (double)(t->step + 1)))),
                                     .v_factor = (float)(1 / (1 - pow(beta2, (double)(t->step + 1))))}};
    pool_run(t->pool, update_thread, &update);
    return norm;
}
