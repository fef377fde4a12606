/* See loss.h. Logits are made LOSS_ROWS rows at a time and turned into their own gradients in place: all of them at once would take more
 * memory than the model.
 *
 * Distillation (Hinton, Vinyals and Dean 2015, section 2), with z the logits, t the teacher's, T the temperature, n the rows:
 *     loss = mix · T² · KL(softmax(t/T) ‖ softmax(z/T)) + (1 − mix) · cross-entropy
 *     d loss / d z = (mix · T · (softmax(z/T) − softmax(t/T)) + (1 − mix) · (softmax(z) − one-hot)) / n */
#include "engine/train/loss.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool loss_open(struct loss *loss, const struct pass *pass, bool teacher, struct error *err)
{
    size_t rows = (size_t)pass->max_rows, chunk = LOSS_ROWS * (size_t)pass->net->model.config.n_vocab;
    *loss = (struct loss){0};
    return (loss->logits = memory_array(chunk, sizeof(float), "logits", err)) &&
           (loss->cross_entropies = memory_array(rows, sizeof(double), "losses", err)) &&
           (loss->divergences = memory_array(rows, sizeof(double), "losses", err)) &&
           (!teacher || ((loss->teacher_logits = memory_array(chunk, sizeof(float), "logits", err)) &&
                         (loss->soft = memory_array(chunk, sizeof(float), "logits", err)) &&
                         (loss->teacher_soft = memory_array(chunk, sizeof(float), "logits", err))));
}

void loss_close(struct loss *loss)
{
    free(loss->logits);
    free(loss->teacher_logits);
    free(loss->soft);
    free(loss->teacher_soft);
    free(loss->cross_entropies);
    free(loss->divergences);
    *loss = (struct loss){0};
}

struct chunk {
    struct loss *loss;
    struct pass *pass;
    const struct loss_options *options;
    const int32_t *targets;
    bool teacher;
    int64_t first, rows;
};

static void scaled(float *out, const float *in, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = factor * in[i];
}

/* soft becomes softmax(z/T), teacher_soft softmax(t/T); returns KL(teacher ‖ model) = Σ p·(t/T − z/T) − log Σ exp t/T + log Σ exp z/T. */
static double soften(const struct cpu_training *k, const float *z, float *t, float *soft, float *teacher_soft, float temperature, int64_t n)
{
    float of_teacher, of_model;
    scaled(t, t, 1 / temperature, n);
    scaled(soft, z, 1 / temperature, n);
    memcpy(teacher_soft, t, (size_t)n * sizeof *t);
    double teacher_sum = k->softmax(teacher_soft, n);
    k->dots(&of_teacher, teacher_soft, t, 1, n, n, 1);
    k->dots(&of_model, teacher_soft, soft, 1, n, n, 1);
    double model_sum = k->softmax(soft, n);
    return (double)of_teacher - (double)of_model - teacher_sum + model_sum;
}

static void loss_row(const struct chunk *c, int64_t row)
{
    struct loss *loss = c->loss;
    const struct cpu_training *k = c->pass->kernels->training;
    int64_t n = c->pass->net->model.config.n_vocab, at = row * n, whole = c->first + row;
    float *z = loss->logits + at, of_target = z[c->targets[whole]], share = 1.0f / (float)c->pass->rows;
    float mix = c->teacher ? (float)c->options->mix : 0, temperature = (float)c->options->temperature;
    loss->divergences[whole] =
        c->teacher ? soften(k, z, loss->teacher_logits + at, loss->soft + at, loss->teacher_soft + at, temperature, n) : 0;
    loss->cross_entropies[whole] = k->softmax(z, n) - (double)of_target;
    z[c->targets[whole]] -= 1;
    scaled(z, z, (1 - mix) * share, n);
    if (c->teacher) {
        c->pass->kernels->add_scaled(z, loss->soft + at, mix * temperature * share, n);
        c->pass->kernels->add_scaled(z, loss->teacher_soft + at, -mix * temperature * share, n);
    }
}

static void loss_thread(void *context, int thread, int threads)
{
    const struct chunk *c = context;
    for (int64_t row = thread; row < c->rows; row += threads)
        loss_row(c, row);
}

static void make_logits(struct pass *p, float *logits, int64_t first, int64_t rows)
{
    int64_t d = p->net->model.config.n_embd, n = p->net->model.config.n_vocab;
    gemm_together(p->gemm, &(struct product){.c = logits,
                                             .stride = n,
                                             .m = rows,
                                             .n = n,
                                             .k = d,
                                             .a = as_is(p->hidden + first * d, d),
                                             .b = transposed(values_of(network_head(p->net)), d)});
}

static void head_back(struct pass *p, const float *d_logits, int64_t first, int64_t rows)
{
    const struct weight *head = network_head(p->net);
    int64_t d = p->net->model.config.n_embd, n = p->net->model.config.n_vocab;
    gemm_together(
        p->gemm,
        &(struct product){
            .c = p->d_hidden + first * d, .stride = d, .m = rows, .n = d, .k = n, .a = as_is(d_logits, n), .b = as_is(values_of(head), d)});
    gemm_together(p->gemm, &(struct product){.c = gradients_of(p->net, head),
                                             .stride = d,
                                             .m = n,
                                             .n = d,
                                             .k = rows,
                                             .a = transposed(d_logits, n),
                                             .b = as_is(p->hidden + first * d, d),
                                             .add = true});
}

void loss_compute(struct loss *loss, struct pass *p, struct pass *teacher, const int32_t *targets, const struct loss_options *options)
{
    for (int64_t first = 0; first < p->rows; first += LOSS_ROWS) {
        struct chunk chunk = {loss, p, options, targets, teacher != NULL, first, p->rows - first < LOSS_ROWS ? p->rows - first : LOSS_ROWS};
        make_logits(p, loss->logits, first, chunk.rows);
        if (teacher)
            make_logits(teacher, loss->teacher_logits, first, chunk.rows);
        pool_run(p->pool, loss_thread, &chunk);
        if (options->gradients)
            head_back(p, loss->logits, first, chunk.rows);
    }
    loss->cross_entropy = loss->divergence = 0;
    for (int64_t i = 0; i < p->rows; i++) {
        loss->cross_entropy += loss->cross_entropies[i] / p->rows;
        loss->divergence += loss->divergences[i] / p->rows;
    }
}
