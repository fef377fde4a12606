/* The router and the experts of a pass, and back.
 *
 * Choices are sorted by expert (and within one by row), so that an expert is three products over its own slots, all by one thread. The
 * router's losses (OLMoE, Muennighoff et al. 2024, section 2; Shazeer et al. 2017; Zoph et al. 2022), as means over layers, with f_e the
 * share of all choices that fell on e and p̄_e its mean probability:
 *     load balance = n_experts · Σ_e f_e · p̄_e        router z = mean over rows of (log Σ_e exp logit_e)² */
#include "engine/train/pass.h"

#include <math.h>
#include <string.h>

struct experts_work {
    struct pass *p;
    const struct layer *l;
    struct layer_pass *s;
    float *x;
};

/* The top_k of a row's probabilities, greatest first, ties to the lower id, as in inference (engine/cpu/router.c). */
static void choose(const struct routing *r, const float *probabilities, int32_t *ids, float *weights)
{
    float total = 0;
    for (int k = 0; k < r->top_k; k++) {
        int best = -1;
        for (int e = 0; e < r->n_experts; e++) {
            bool taken = false;
            for (int j = 0; j < k; j++)
                taken |= ids[j] == e;
            if (!taken && (best < 0 || probabilities[e] > probabilities[best]))
                best = e;
        }
        ids[k] = best;
        weights[k] = probabilities[best];
        total += weights[k];
    }
    for (int k = 0; r->normalise && k < r->top_k; k++)
        weights[k] /= fmaxf(total, 6.103515625e-5f);
}

static void route_thread(void *context, int thread, int threads)
{
    const struct experts_work *work = context;
    struct pass *p = work->p;
    struct layer_pass *s = work->s;
    const struct routing *r = &p->net->model.config.routing;
    for (int64_t i = thread; i < p->rows; i += threads) {
        s->router_log_sum[i] = (float)p->kernels->training->softmax(s->probabilities + i * r->n_experts, r->n_experts);
        choose(r, s->probabilities + i * r->n_experts, s->ids + i * r->top_k, s->weights + i * r->top_k);
    }
}

static void sort_choices(struct pass *p, struct layer_pass *s)
{
    const struct routing *r = &p->net->model.config.routing;
    int choices = p->rows * r->top_k;
    memset(s->first, 0, ((size_t)r->n_experts + 1) * sizeof *s->first);
    for (int i = 0; i < choices; i++)
        s->first[s->ids[i] + 1]++;
    for (int e = 0; e < r->n_experts; e++)
        s->first[e + 1] += s->first[e];
    for (int i = 0; i < choices; i++) {
        s->slot_of[i] = s->first[s->ids[i]]++; // moves up to where the next expert begins
        s->choice_of[s->slot_of[i]] = i;
    }
    for (int e = r->n_experts; e > 0; e--)
        s->first[e] = s->first[e - 1];
    s->first[0] = 0;
}

static void count_losses(struct pass *p, const struct layer_pass *s)
{
    const struct routing *r = &p->net->model.config.routing;
    double rows = p->rows, layers = p->net->model.config.n_layers, z = 0;
    for (int e = 0; e < r->n_experts; e++) {
        double sum = 0;
        for (int64_t i = 0; i < p->rows; i++)
            sum += (double)s->probabilities[i * r->n_experts + e];
        p->load_balance += r->n_experts * (s->first[e + 1] - s->first[e]) / (rows * r->top_k) * (sum / rows) / layers;
    }
    for (int64_t i = 0; i < p->rows; i++)
        z += (double)s->router_log_sum[i] * (double)s->router_log_sum[i];
    p->router_z += z / rows / layers;
}

/* out[slots][n] (+)= in[slots][k] · w[n][k]ᵀ of one expert. */
static void expert_project(struct pass *p, int thread, float *out, const float *in, const float *w, int64_t slots, int64_t n, int64_t k)
{
    gemm_alone(p->gemm, thread,
               &(struct product){.c = out, .stride = n, .m = slots, .n = n, .k = k, .a = as_is(in, k), .b = transposed(w, k)});
}

static void expert_project_back(struct pass *p, int thread, float *d_in, float *d_w, const float *d_out, const float *in, const float *w,
                                int64_t slots, int64_t n, int64_t k, bool add)
{
    gemm_alone(
        p->gemm, thread,
        &(struct product){.c = d_w, .stride = k, .m = n, .n = k, .k = slots, .a = transposed(d_out, n), .b = as_is(in, k), .add = true});
    gemm_alone(p->gemm, thread,
               &(struct product){.c = d_in, .stride = k, .m = slots, .n = k, .k = n, .a = as_is(d_out, n), .b = as_is(w, k), .add = add});
}

static void expert(const struct experts_work *work, int64_t e, int thread)
{
    struct pass *p = work->p;
    const struct model_config *c = &p->net->model.config;
    struct layer_pass *s = work->s;
    int64_t d = c->n_embd, ff = c->n_ff, first = s->first[e], slots = s->first[e + 1] - first, matrix = e * ff * d;
    float *in = s->inputs + first * d, *gate = s->gate + first * ff, *up = s->up + first * ff, *inner = s->inner + first * ff;
    for (int64_t i = 0; i < slots; i++)
        memcpy(in + i * d, s->h2 + s->choice_of[first + i] / c->routing.top_k * d, (size_t)d * sizeof *in);
    expert_project(p, thread, gate, in, values_of(&work->l->gate) + matrix, slots, ff, d);
    expert_project(p, thread, up, in, values_of(&work->l->up) + matrix, slots, ff, d);
    p->kernels->swiglu(inner, gate, up, slots * ff);
    expert_project(p, thread, s->outputs + first * d, inner, values_of(&work->l->down) + matrix, slots, d, ff);
}

static void experts_thread(void *context, int thread, int threads)
{
    const struct experts_work *work = context;
    struct pass *p = work->p;
    const struct model_config *c = &p->net->model.config;
    int64_t e, d = c->n_embd, top_k = c->routing.top_k;
    while ((e = pool_next(p->pool, c->n_experts)) >= 0)
        expert(work, e, thread);
    pool_barrier(p->pool);
    for (int64_t i = thread; i < p->rows; i += threads)
        for (int64_t k = i * top_k; k < (i + 1) * top_k; k++)
            p->kernels->add_scaled(work->x + i * d, work->s->outputs + work->s->slot_of[k] * d, work->s->weights[k], d);
}

void experts_forward(struct pass *p, const struct layer *l, struct layer_pass *s, float *x)
{
    const struct model_config *c = &p->net->model.config;
    struct experts_work work = {p, l, s, x};
    project(p, s->probabilities, c->n_experts, s->h2, c->n_embd, values_of(&l->router), c->n_experts, c->n_embd, false);
    pool_run(p->pool, route_thread, &work);
    sort_choices(p, s);
    count_losses(p, s);
    pool_run(p->pool, experts_thread, &work);
}

/* --- and back
 * ------------------------------------------------------------------------------------------------------------------------------ */

static void expert_back(const struct experts_work *work, int64_t e, int thread)
{
    struct pass *p = work->p;
    const struct network *net = p->net;
    const struct model_config *c = &net->model.config;
    struct layer_pass *s = work->s;
    int64_t d = c->n_embd, ff = c->n_ff, first = s->first[e], slots = s->first[e + 1] - first, matrix = e * ff * d,
            top_k = c->routing.top_k;
    float *d_out = p->d_slots + first * d, *d_inner = p->d_inner + first * ff, *d_gate = p->d_gate + first * ff,
          *d_up = p->d_up + first * ff;
    for (int64_t i = 0; i < slots; i++) {
        int64_t choice = s->choice_of[first + i];
        const float *d_x = p->d_x + choice / top_k * d;
        p->kernels->training->dots(&p->d_weights[choice], d_x, s->outputs + (first + i) * d, 1, d, d, 1);
        for (int64_t j = 0; j < d; j++)
            d_out[i * d + j] = s->weights[choice] * d_x[j];
    }
    expert_project_back(p, thread, d_inner, gradients_of(net, &work->l->down) + matrix, d_out, s->inner + first * ff,
                        values_of(&work->l->down) + matrix, slots, d, ff, false);
    p->kernels->training->swiglu_back(d_gate, d_up, s->gate + first * ff, s->up + first * ff, d_inner, slots * ff);
    const float *in = s->inputs + first * d;
    expert_project_back(p, thread, d_out, gradients_of(net, &work->l->gate) + matrix, d_gate, in, values_of(&work->l->gate) + matrix, slots,
                        ff, d, false);
    expert_project_back(p, thread, d_out, gradients_of(net, &work->l->up) + matrix, d_up, in, values_of(&work->l->up) + matrix, slots, ff,
                        d, true);
}

/* From the gradients of a row's weights and the router's losses to those of its logits: d_logit = p ∘ (d_p − Σ p ∘ d_p). */
static void route_back(const struct experts_work *work, int64_t i)
{
    struct pass *p = work->p;
    const struct layer_pass *s = work->s;
    const struct model_config *c = &p->net->model.config;
    const struct routing *r = &c->routing;
    const float *probabilities = s->probabilities + i * r->n_experts, *d_weights = p->d_weights + i * r->top_k,
                *weights = s->weights + i * r->top_k;
    const int32_t *ids = s->ids + i * r->top_k;
    float *d = p->d_logits + i * r->n_experts;
    double share = 1.0 / ((double)p->rows * c->n_layers), balance = p->coefficients.load_balance * r->n_experts * share,
           z = p->coefficients.router_z * 2 * (double)s->router_log_sum[i] * share;
    double total = 0, mean = 0, sum = 0;
    for (int e = 0; e < r->n_experts; e++)
        d[e] = (float)(balance * (s->first[e + 1] - s->first[e]) / ((double)p->rows * r->top_k));
    for (int k = 0; k < r->top_k; k++) {
        total += (double)probabilities[ids[k]];
        mean += (double)(d_weights[k] * weights[k]);
    }
    for (int k = 0; k < r->top_k; k++)
        d[ids[k]] += (float)(r->normalise ? ((double)d_weights[k] - mean) / fmax(total, 6.103515625e-5) : (double)d_weights[k]);
    for (int e = 0; e < r->n_experts; e++)
        sum += (double)(probabilities[e] * d[e]);
    for (int e = 0; e < r->n_experts; e++)
        d[e] = (float)((double)probabilities[e] * ((double)d[e] - sum + z));
}

static void experts_back_thread(void *context, int thread, int threads)
{
    const struct experts_work *work = context;
    struct pass *p = work->p;
    const struct model_config *c = &p->net->model.config;
    int64_t e, d = c->n_embd, top_k = c->routing.top_k;
    while ((e = pool_next(p->pool, c->n_experts)) >= 0)
        expert_back(work, e, thread);
    pool_barrier(p->pool);
    for (int64_t i = thread; i < p->rows; i += threads) {
        memset(p->d_h + i * d, 0, (size_t)d * sizeof *p->d_h);
        for (int64_t k = i * top_k; k < (i + 1) * top_k; k++)
            p->kernels->add_scaled(p->d_h + i * d, p->d_slots + work->s->slot_of[k] * d, 1, d);
        route_back(work, i);
    }
}

void experts_backward(struct pass *p, const struct layer *l, struct layer_pass *s)
{
    const struct model_config *c = &p->net->model.config;
    struct experts_work work = {p, l, s, NULL};
    pool_run(p->pool, experts_back_thread, &work);
    project_back(p, p->d_h, gradients_of(p->net, &l->router), p->d_logits, c->n_experts, s->h2, c->n_embd, values_of(&l->router),
                 c->n_experts, c->n_embd, true);
}
