/* See train.h: opening, the steps, and what is asked about a training. */
#include "engine/train/trainer.h"

#include "base/checksum.h"
#include "base/memory.h"
#include "base/processors.h"
#include "engine/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024 };

/* --- opening
 * ------------------------------------------------------------------------------------------------------------------------------- */

static bool check_data(const struct train_data *data, int n_vocab, struct error *err)
{
    if (!data->n_sequences)
        return error_set(err, ERROR_INPUT, "there is nothing to train on: no sequences");
    for (size_t i = 0; i < data->n_sequences; i++)
        if (data->starts[i] >= data->starts[i + 1])
            return error_set(err, ERROR_INPUT, "sequence %zu to train on is empty", i);
    for (size_t i = data->starts[0]; i < data->starts[data->n_sequences]; i++)
        if (data->tokens[i] < 0 || data->tokens[i] >= n_vocab)
            return error_set(err, ERROR_INPUT, "token %d to train on is out of the vocabulary's %d", data->tokens[i], n_vocab);
    return (data->end >= 0 && data->end < n_vocab) ||
           error_set(err, ERROR_INPUT, "the token %d that ends a text is out of the vocabulary", data->end);
}

/* Everything that the result depends on: not the name, the threads or the instruction set, which rounds otherwise. */
static uint64_t identify(const struct trainer *t)
{
    const struct train_settings *settings = &t->settings;
    const struct train_shape *shape = &t->shape;
    const struct train_data *data = &t->data;
    uint64_t parts[6];
    double numbers[] = {(double)shape->n_layers,
                        (double)shape->n_embd,
                        (double)shape->n_heads,
                        (double)shape->n_kv_heads,
                        (double)shape->head_dim,
                        (double)shape->n_vocab,
                        (double)shape->context_length,
                        (double)shape->n_experts,
                        (double)shape->top_k,
                        (double)shape->n_ff,
                        (double)shape->tied,
                        shape->rope_base,
                        shape->deviation,
                        (double)settings->steps,
                        (double)settings->warmup_steps,
                        (double)settings->tokens_per_step,
                        settings->rate,
                        settings->last_rate,
                        settings->weight_decay,
                        settings->clip,
                        settings->load_balance,
                        settings->router_z,
                        t->taught ? settings->temperature : 0,
                        t->taught ? settings->mix : 0,
                        (double)data->end};
    parts[0] = checksum(shape->arch, strlen(shape->arch), 1);
    parts[1] = checksum(numbers, sizeof numbers, 2);
    parts[2] = checksum(data->tokens, data->starts[data->n_sequences] * sizeof *data->tokens, 3);
    parts[3] = checksum(data->starts, (data->n_sequences + 1) * sizeof *data->starts, 4);
    parts[4] = t->taught ? checksum(t->teacher.values, t->teacher.n_values * sizeof(float), 5) : 0;
    parts[5] = settings->seed;
    return checksum(parts, sizeof parts, 6);
}

static bool copy_names(struct trainer *t, struct error *err)
{
    struct train_shape *s = &t->shape;
    s->name = arena_copy(&t->arena, s->name, strlen(s->name), err);
    s->arch = s->name ? arena_copy(&t->arena, s->arch, strlen(s->arch), err) : NULL;
    return s->arch != NULL;
}

static bool open_machine(struct trainer *t, struct error *err)
{
    int threads = t->settings.threads ? t->settings.threads : processors_available();
    threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    return (t->kernels = cpu_kernels_choose(t->settings.isa, err)) && (t->pool = pool_open(threads, err));
}

static bool open_passes(struct trainer *t, struct error *err)
{
    int rows = t->settings.tokens_per_step, sequence = rows < t->shape.context_length ? rows : t->shape.context_length;
    size_t together, alone, more_together = 0, more_alone = 0;
    pass_gemm_room(&t->net, t->kernels->training, rows, &together, &alone);
    if (t->taught)
        pass_gemm_room(&t->teacher, t->kernels->training, rows, &more_together, &more_alone);
    return gemm_open(&t->gemm, t->kernels->training, t->pool, together > more_together ? together : more_together,
                     alone > more_alone ? alone : more_alone, err) &&
           pass_open(&t->pass, &t->net, t->kernels, t->pool, &t->gemm, rows, sequence, err) &&
           (!t->taught || pass_open(&t->teacher_pass, &t->teacher, t->kernels, t->pool, &t->gemm, rows, sequence, err)) &&
           loss_open(&t->loss, &t->pass, t->taught, err);
}

static bool open_arrays(struct trainer *t, struct error *err)
{
    size_t n = t->net.n_values, rows = (size_t)t->settings.tokens_per_step;
    return (t->first_moments = memory_array(n, sizeof(float), "moments", err)) &&
           (t->second_moments = memory_array(n, sizeof(float), "moments", err)) &&
           (t->row_tokens = memory_array(rows, sizeof(int32_t), "rows", err)) &&
           (t->row_targets = memory_array(rows, sizeof(int32_t), "rows", err)) &&
           (t->row_starts = memory_array(rows + 1, sizeof(int32_t), "rows", err)) &&
           (t->block_squares = memory_array(n / NORM_BLOCK + 1, sizeof(double), "gradients", err));
}

static bool open_teacher(struct trainer *t, struct model_file *file, struct error *err)
{
    if (!file)
        return true;
    t->taught = true;
    if (!network_read(&t->teacher, file, err))
        return error_prefix(err, "the teacher");
    return t->teacher.model.config.n_vocab == t->shape.n_vocab ||
           error_set(err, ERROR_INPUT, "the teacher %s has a vocabulary of %d tokens, the model one of %d: they have to be the same",
                     gguf_path(file), t->teacher.model.config.n_vocab, t->shape.n_vocab);
}

struct trainer *trainer_open(const struct train_shape *shape, const struct train_settings *settings, const struct train_data *data,
                             struct model_file *teacher, struct error *err)
{
    struct trainer *t = memory_array(1, sizeof *t, "training", err);
    if (!t)
        return NULL;
    t->shape = *shape;
    t->settings = *settings;
    t->data = *data;
    if (copy_names(t, err) && check_data(data, shape->n_vocab, err) && open_machine(t, err) &&
        network_new(&t->net, shape, settings->seed, err) && open_teacher(t, teacher, err) && open_passes(t, err) && open_arrays(t, err)) {
        t->pass.coefficients = (struct router_losses){settings->load_balance, settings->router_z};
        t->identity = identify(t);
        return t;
    }
    trainer_close(t);
    return NULL;
}

void trainer_close(struct trainer *t)
{
    if (!t)
        return;
    loss_close(&t->loss);
    pass_close(&t->pass);
    pass_close(&t->teacher_pass);
    gemm_close(&t->gemm);
    network_free(&t->net);
    network_free(&t->teacher);
    pool_close(t->pool);
    free(t->first_moments);
    free(t->second_moments);
    free(t->row_tokens);
    free(t->row_targets);
    free(t->row_starts);
    free(t->block_squares);
    arena_free(&t->arena);
    free(t);
}

/* --- steps
 * --------------------------------------------------------------------------------------------------------------------------------- */

void trainer_fill(struct trainer *t, const struct train_data *data, size_t *cursor)
{
    size_t rows = 0, longest = (size_t)t->pass.max_sequence;
    int n = 0;
    while (true) {
        const int32_t *tokens = data->tokens + data->starts[*cursor];
        size_t whole = data->starts[*cursor + 1] - data->starts[*cursor], length = whole < longest ? whole : longest;
        if (rows + length > (size_t)t->settings.tokens_per_step)
            break;
        t->row_starts[n++] = (int32_t)rows;
        for (size_t i = 0; i < length; i++) {
            t->row_tokens[rows + i] = tokens[i];
            t->row_targets[rows + i] = i + 1 < whole ? tokens[i + 1] : data->end;
        }
        rows += length;
        *cursor = *cursor + 1 < data->n_sequences ? *cursor + 1 : 0;
        if (*cursor == 0)
            break; // a step does not go over the end of the data
    }
    t->row_starts[n] = (int32_t)rows;
    struct pass *passes[] = {&t->pass, &t->teacher_pass};
    for (int i = 0; i < 2; i++) {
        passes[i]->tokens = t->row_tokens;
        passes[i]->starts = t->row_starts;
        passes[i]->rows = (int)rows;
        passes[i]->n_sequences = n;
    }
}

double trainer_compute(struct trainer *t, bool gradients, bool taught)
{
    const struct train_settings *s = &t->settings;
    struct loss_options options = {.temperature = s->temperature, .mix = s->mix, .gradients = gradients};
    double mix = taught ? s->mix : 0;
    pass_forward(&t->pass);
    if (taught)
        pass_forward(&t->teacher_pass);
    if (gradients)
        memset(t->net.gradients, 0, t->net.n_values * sizeof *t->net.gradients);
    loss_compute(&t->loss, &t->pass, taught ? &t->teacher_pass : NULL, t->row_targets, &options);
    if (gradients)
        pass_backward(&t->pass);
    return mix * s->temperature * s->temperature * t->loss.divergence + (1 - mix) * t->loss.cross_entropy +
           s->load_balance * t->pass.load_balance + s->router_z * t->pass.router_z;
}

bool trainer_step(struct trainer *t, struct train_losses *losses, struct error *err)
{
    if (t->step >= t->settings.steps)
        return error_set(err, ERROR_INPUT, "all %d steps of the training are made", t->settings.steps);
    trainer_fill(t, &t->data, &t->cursor);
    double total = trainer_compute(t, true, t->taught);
    if (!isfinite(total))
        return error_set(err, ERROR_MACHINE, "the loss of step %lld is no number any more: a lower rate is needed", (long long)t->step + 1);
    double rate = trainer_rate(&t->settings, t->step + 1), norm = trainer_update(t, rate);
    t->step++;
    t->tokens += t->pass.rows;
    *losses = (struct train_losses){.step = t->step,
                                    .tokens = t->tokens,
                                    .step_tokens = t->pass.rows,
                                    .cross_entropy = t->loss.cross_entropy,
                                    .load_balance = t->pass.load_balance,
                                    .router_z = t->pass.router_z,
                                    .divergence = t->loss.divergence,
                                    .total = total,
                                    .gradient_norm = norm,
                                    .rate = rate};
    return true;
}

bool trainer_evaluate(struct trainer *t, const struct train_data *data, size_t n, double *cross_entropy, struct error *err)
{
    if (!check_data(data, t->shape.n_vocab, err))
        return false;
    struct train_data part = *data;
    part.n_sequences = n < data->n_sequences ? n : data->n_sequences;
    size_t cursor = 0;
    double sum = 0, rows = 0;
    do {
        trainer_fill(t, &part, &cursor);
        (void)trainer_compute(t, false, false);
        sum += t->loss.cross_entropy * t->pass.rows;
        rows += t->pass.rows;
    } while (cursor != 0);
    *cross_entropy = sum / rows;
    return true;
}

/* --- what is asked
 * ------------------------------------------------------------------------------------------------------------------------- */

int64_t trainer_steps_made(const struct trainer *t)
{
    return t->step;
}

bool trainer_export(const struct trainer *t, struct model_file *vocabulary, const char *path, struct error *err)
{
    return network_write(&t->net, &t->shape, vocabulary, path, err);
}

static double matrix_values(const struct network *net)
{
    double sum = 0;
    for (size_t i = 0; i < net->n_parameters; i++) {
        const struct parameter *p = &net->parameters[i];
        if (p->use == WEIGHT_EXPERTS)
            sum += (double)p->count / (double)p->experts * net->model.config.routing.top_k;
        else if (p->use == WEIGHT_MATRIX || (p->use == WEIGHT_LOOKUP && net->tied))
            sum += (double)p->count;
    }
    return sum;
}

struct trainer_facts trainer_facts(const struct trainer *t)
{
    return (struct trainer_facts){.isa = t->kernels->name,
                                  .threads = pool_threads(t->pool),
                                  .size = network_size(&t->net),
                                  .operations_per_token = 6 * matrix_values(&t->net) + (t->taught ? 2 * matrix_values(&t->teacher) : 0)};
}
