/* Training: gradients against finite differences for every kind of weight, inference that agrees with what was trained, results that depend
 * on no thread and on no interruption, and losses that fall. */
#include "tests/support.h"

#include "base/checksum.h"
#include "base/random.h"
#include "engine/train/trainer.h"

#include <assert.h>
#include <string.h>

enum { VOCABULARY = 320, SEQUENCES = 24 };

/* Each test is a process of its own, and several run at once: a directory for each. */
static char directory[] = "/tmp/jeoul-test-train-XXXXXX";

static void make_directory(void)
{
    make_test_directory(directory);
}

static void remove_directory(void)
{
    remove_test_directory(directory);
}

TestSuite(train, .init = make_directory, .fini = remove_directory);

static const char *in_directory(const char *name)
{
    static char paths[4][sizeof directory + 64];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%.60s", directory, name);
    return path;
}

/* --- small trainings
 * ------------------------------------------------------------------------------------------------------------------------ */

static struct train_shape shape_of(const char *arch, bool tied)
{
    bool moe = strstr(arch, "moe") != NULL;
    return (struct train_shape){.name = "small",
                                .arch = arch,
                                .n_layers = 2,
                                .n_embd = 32,
                                .n_heads = 4,
                                .n_kv_heads = 2,
                                .head_dim = 8,
                                .n_vocab = VOCABULARY,
                                .context_length = 64,
                                .n_experts = moe ? 4 : 0,
                                .top_k = moe ? 2 : 0,
                                .n_ff = 32,
                                .tied = tied,
                                .rope_base = 10000,
                                .deviation = 0.15};
}

static const struct train_settings usual = {.seed = 3,
                                            .steps = 12,
                                            .warmup_steps = 3,
                                            .tokens_per_step = 90,
                                            .rate = 3e-3,
                                            .last_rate = 3e-4,
                                            .weight_decay = 0.1,
                                            .clip = 1,
                                            .load_balance = 0.01,
                                            .router_z = 0.001,
                                            .temperature = 2,
                                            .mix = 0.5,
                                            .threads = 2};

/* Sequences that can be learnt: each counts on from its first token. */
static struct train_data data_of(void)
{
    static int32_t tokens[SEQUENCES * 20];
    static size_t starts[SEQUENCES + 1];
    size_t n = 0;
    for (int i = 0; i < SEQUENCES; i++) {
        starts[i] = n;
        tokens[n++] = VOCABULARY - 2;
        for (int j = 0; j < 3 + i % 15; j++)
            tokens[n++] = (i * 7 + j) % 40;
    }
    starts[SEQUENCES] = n;
    return (struct train_data){.tokens = tokens, .starts = starts, .n_sequences = SEQUENCES, .end = VOCABULARY - 2};
}

static struct trainer *open_small(const struct train_shape *shape, const struct train_settings *settings, struct model_file *teacher)
{
    struct error err = {0};
    struct train_data data = data_of();
    struct trainer *t = trainer_open(shape, settings, &data, teacher, &err);
    cr_assert_not_null(t, "%s", err.message);
    return t;
}

static struct train_losses steps(struct trainer *t, int n)
{
    struct error err = {0};
    struct train_losses losses = {0};
    for (int i = 0; i < n; i++)
        cr_assert(trainer_step(t, &losses, &err), "%s", err.message);
    return losses;
}

static struct model_file *vocabulary(void)
{
    struct error err = {0};
    struct vocabulary_options options = {.pre = "gpt-2", .tokens = VOCABULARY};
    static const char text[] =
        "the cat and the dog and a bird sat on that mat there with them then ate a lot of the other food in their house; one "
        "more time they ran and sat and ate and slept there; one more time they ran and sat and ate and slept there";
    const char *path = in_directory("vocabulary.gguf");
    cr_assert(vocabulary_train(text, strlen(text), &options, path, &err), "%s", err.message);
    struct model_file *file = model_file_open(path, &err);
    cr_assert_not_null(file, "%s", err.message);
    return file;
}

static struct model_file *export(const struct trainer *t)
{
    struct error err = {0};
    struct model_file *words = vocabulary();
    const char *path = in_directory("model.gguf");
    cr_assert(trainer_export(t, words, path, &err), "%s", err.message);
    model_file_close(words);
    struct model_file *file = model_file_open(path, &err);
    cr_assert_not_null(file, "%s", err.message);
    return file;
}

/* --- gradients
 * ---------------------------------------------------------------------------------------------------------------------------- */

/* Which experts were chosen: where a small change chooses others, the loss jumps and has no derivative to compare. */
static uint64_t choices_of(const struct trainer *t)
{
    const struct model_config *c = &t->net.model.config;
    uint64_t sum = 0;
    for (int layer = 0; layer < c->n_layers && c->n_experts; layer++)
        sum = checksum(t->pass.layers[layer].ids, (size_t)t->pass.rows * (size_t)c->routing.top_k * sizeof(int32_t), sum);
    return sum;
}

/* The derivative of the loss along a random direction of one parameter, by central differences and by the gradient, which is there with
 * the choices of experts that it is for. False where experts change on the way. */
static bool check_direction(struct trainer *t, const struct parameter *p, uint64_t choices, uint64_t seed)
{
    float *w = t->net.values + p->first, *before = calloc(p->count, sizeof *before);
    double *u = calloc(p->count, sizeof *u), by_gradient = 0, magnitude = 0;
    struct random random = random_seed(seed, p->first);
    memcpy(before, w, p->count * sizeof *w);
    for (size_t i = 0; i < p->count; i++) {
        u[i] = random_normal(&random);
        by_gradient += u[i] * (double)t->net.gradients[p->first + i];
        magnitude += (double)t->net.gradients[p->first + i] * (double)t->net.gradients[p->first + i];
    }
    const double h = 2e-4;
    double sides[2];
    bool same = true;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < p->count; i++)
            w[i] = before[i] + (float)((side ? -h : h) * u[i]);
        sides[side] = trainer_compute(t, false, t->taught);
        same &= choices_of(t) == choices;
    }
    memcpy(w, before, p->count * sizeof *w);
    double by_differences = (sides[0] - sides[1]) / (2 * h);
    cr_expect(magnitude > 0, "%s has no gradient", p->name);
    cr_expect(!same || fabs(by_differences - by_gradient) <= 0.02 * sqrt(magnitude) + 1e-4,
              "%s: %.6g by differences, %.6g by the gradient (norm %.3g)", p->name, by_differences, by_gradient, sqrt(magnitude));
    free(before);
    free(u);
    return same;
}

static void check_gradients(const char *arch, bool tied, const char *isa, struct model_file *teacher, int rows)
{
    enum { DIRECTIONS = 6 };
    struct train_shape shape = shape_of(arch, tied);
    struct train_settings settings = usual;
    settings.isa = isa;
    settings.threads = 1;
    settings.tokens_per_step = rows;
    settings.load_balance = 0.3; // large, so that their gradients would be missed
    settings.router_z = 0.2;
    struct trainer *t = open_small(&shape, &settings, teacher);
    size_t cursor = 0;
    trainer_fill(t, &t->data, &cursor);
    for (size_t i = 0; i < t->net.n_parameters; i++)
        if (t->net.parameters[i].use == WEIGHT_VECTOR)
            for (size_t j = 0; j < t->net.parameters[i].count; j++)
                t->net.values[t->net.parameters[i].first + j] = 1 + 0.1f * (float)(j % 5); // norms that are not all 1
    trainer_compute(t, true, t->taught);
    uint64_t choices = choices_of(t);
    for (size_t i = 0; i < t->net.n_parameters; i++) {
        bool checked = false;
        for (uint64_t seed = 1; seed <= DIRECTIONS && !checked; seed++)
            checked = check_direction(t, &t->net.parameters[i], choices, seed);
        cr_expect(checked, "%s: every direction changes the experts", t->net.parameters[i].name);
    }
    trainer_close(t);
}

static const char *const archs[] = {"olmoe", "qwen3moe", "qwen3", "llama"};

Test(train, gradients_are_those_of_finite_differences)
{
    for (size_t a = 0; a < sizeof archs / sizeof *archs; a++)
        for (const char *const *isa = engine_isas(); *isa; isa++)
            check_gradients(archs[a], a % 2, *isa, NULL, 40);
}

Test(train, gradients_of_distillation_are_those_of_finite_differences)
{
    struct train_shape shape = shape_of("qwen3moe", true);
    struct train_settings settings = usual;
    settings.seed = 9;
    struct trainer *t = open_small(&shape, &settings, NULL);
    struct model_file *teacher = export(t);
    trainer_close(t);
    check_gradients("qwen3", true, NULL, teacher, 40);
    model_file_close(teacher);
}

/* Logits are made a few rows at a time, and sums over rows go by blocks. */
Test(train, gradients_of_many_rows_are_those_of_finite_differences)
{
    static_assert(2 * BLOCK_ROWS <= LOSS_ROWS && LOSS_ROWS < 150, "more than one of each are wanted");
    check_gradients("qwen3moe", false, NULL, NULL, 150);
    check_gradients("qwen3", true, NULL, NULL, 150);
}

/* --- inference agrees
 * ----------------------------------------------------------------------------------------------------------------------- */

static void engine_logits(struct model_file *file, const int32_t *tokens, int n, float *logits)
{
    struct error err = {0};
    struct engine *engine = engine_open(file, &(struct engine_options){.threads = 1, .kv = ENGINE_KV_F32, .exact = true}, &err);
    cr_assert_not_null(engine, "%s", err.message);
    struct engine_row rows[64];
    int seq = engine_seq_new(engine, &err);
    for (int i = 0; i < n; i++)
        rows[i] =
            (struct engine_row){.seq = seq, .token = tokens[i], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)i * VOCABULARY};
    cr_assert(engine_step(engine, rows, n, &err), "%s", err.message);
    engine_close(engine);
}

static void trainer_logits(const struct trainer *t, int first, int n, float *logits)
{
    int d = t->net.model.config.n_embd;
    const float *head = values_of(network_head(&t->net));
    for (int i = 0; i < n; i++)
        for (int v = 0; v < VOCABULARY; v++) {
            double sum = 0;
            for (int j = 0; j < d; j++)
                sum += (double)t->pass.hidden[(first + i) * d + j] * (double)head[v * d + j];
            logits[i * VOCABULARY + v] = (float)sum;
        }
}

Test(train, what_is_exported_gives_the_same_logits_in_inference)
{
    for (size_t a = 0; a < sizeof archs / sizeof *archs; a++) {
        bool tied = strcmp(archs[a], "olmoe") != 0;
        struct train_shape shape = shape_of(archs[a], tied);
        struct trainer *t = open_small(&shape, &usual, NULL);
        steps(t, 4);
        struct model_file *file = export(t);
        size_t cursor = 0;
        trainer_fill(t, &t->data, &cursor);
        trainer_compute(t, false, false);
        for (int sequence = 0; sequence < 4; sequence++) {
            float own[20 * VOCABULARY], engines[20 * VOCABULARY];
            int first = t->row_starts[sequence], n = t->row_starts[sequence + 1] - first;
            trainer_logits(t, first, n, own);
            engine_logits(file, t->row_tokens + first, n, engines);
            double error = nmse(own, engines, (size_t)n * VOCABULARY);
            cr_expect(error <= 1e-9, "%s, sequence %d: NMSE %.3g", archs[a], sequence, error);
        }
        struct model_info info;
        struct error err = {0};
        cr_assert(model_file_info(file, &info, &err), "%s", err.message);
        struct trainer_facts facts = trainer_facts(t);
        cr_expect_eq(info.parameters, facts.size.parameters, "%s", archs[a]);
        cr_expect_eq(info.active_parameters, facts.size.active_parameters, "%s", archs[a]);
        cr_expect(!info.random_weights);
        model_file_close(file);
        trainer_close(t);
    }
}

Test(train, a_file_is_read_as_it_was_written)
{
    struct train_shape shape = shape_of("qwen3moe", true);
    struct trainer *t = open_small(&shape, &usual, NULL);
    struct model_file *file = export(t);
    struct network net;
    struct error err = {0};
    cr_assert(network_read(&net, file, &err), "%s", err.message);
    cr_assert_eq(net.n_values, t->net.n_values);
    cr_assert_arr_eq(net.values, t->net.values, net.n_values * sizeof(float));
    network_free(&net);
    model_file_close(file);
    trainer_close(t);
}

/* --- the same bits
 * -------------------------------------------------------------------------------------------------------------------------- */

Test(train, results_do_not_depend_on_threads)
{
    for (size_t a = 0; a < sizeof archs / sizeof *archs; a++) {
        struct train_shape shape = shape_of(archs[a], true);
        struct train_settings settings = usual;
        settings.threads = 1;
        struct trainer *one = open_small(&shape, &settings, NULL);
        settings.threads = 3;
        struct trainer *three = open_small(&shape, &settings, NULL);
        steps(one, 5);
        steps(three, 5);
        cr_expect_arr_eq(one->net.values, three->net.values, one->net.n_values * sizeof(float), "%s", archs[a]);
        trainer_close(one);
        trainer_close(three);
    }
}

Test(train, a_training_that_was_cut_goes_on_bit_for_bit)
{
    const char *path = in_directory("checkpoint");
    struct train_shape shape = shape_of("qwen3moe", true);
    struct error err = {0};
    struct trainer *whole = open_small(&shape, &usual, NULL), *first = open_small(&shape, &usual, NULL),
                   *second = open_small(&shape, &usual, NULL);
    struct train_losses at_once = steps(whole, 9);
    steps(first, 4);
    cr_assert(trainer_save(first, path, &err), "%s", err.message);
    trainer_close(first);
    cr_assert(trainer_load(second, path, &err), "%s", err.message);
    cr_assert_eq(trainer_steps_made(second), 4);
    struct train_losses in_parts = steps(second, 5);
    cr_assert(memcmp(&at_once, &in_parts, sizeof at_once) == 0);
    cr_assert_arr_eq(whole->net.values, second->net.values, whole->net.n_values * sizeof(float));
    cr_assert_arr_eq(whole->second_moments, second->second_moments, whole->net.n_values * sizeof(float));
    trainer_close(whole);
    trainer_close(second);
}

/* --- bad checkpoints, data and shapes
 * ------------------------------------------------------------------------------------------------------- */

static void expect_refused(struct trainer *t, const char *path, const char *message)
{
    struct error err = {0};
    cr_expect(!trainer_load(t, path, &err), "accepted although: %s", message);
    cr_expect(err.code == ERROR_INPUT && strstr(err.message, message), "\"%s\" is wanted in: %s", message, err.message);
}

/* The random weights of a seed as a file. */
static struct model_file *small_model(uint64_t seed)
{
    struct train_shape shape = shape_of("qwen3", true);
    struct train_settings settings = usual;
    settings.seed = seed;
    struct trainer *t = open_small(&shape, &settings, NULL);
    struct model_file *file = export(t);
    trainer_close(t);
    return file;
}

/* One thing after the other is changed: no checkpoint is taken that would go on otherwise than it began. */
Test(train, checkpoints_of_another_training_are_refused)
{
    enum { RATE, SEED, TOKENS, STARTS, END, MIX, NO_TEACHER, TEACHER, NOTHING, CHANGES };
    const char *path = in_directory("checkpoint");
    struct train_shape shape = shape_of("qwen3", true);
    struct error err = {0};
    struct model_file *teacher = small_model(1), *another = small_model(2);
    struct trainer *t = open_small(&shape, &usual, teacher);
    steps(t, 1);
    cr_assert(trainer_save(t, path, &err), "%s", err.message);
    trainer_close(t);
    for (int change = 0; change < CHANGES; change++) {
        struct train_settings settings = usual;
        struct train_data data = data_of();
        int32_t tokens[SEQUENCES * 20];
        size_t starts[SEQUENCES + 1];
        memcpy(tokens, data.tokens, sizeof tokens);
        memcpy(starts, data.starts, sizeof starts);
        data.tokens = tokens;
        data.starts = starts;
        settings.rate = change == RATE ? 1e-3 : settings.rate;
        settings.mix = change == MIX ? 0.25 : settings.mix;
        settings.seed += change == SEED;
        tokens[1] += change == TOKENS;
        starts[1] += change == STARTS;
        data.end -= change == END;
        settings.threads = change == NOTHING ? 1 : settings.threads; // the result does not depend on it
        struct trainer *other = trainer_open(&shape, &settings, &data,
                                             change == NO_TEACHER ? NULL
                                             : change == TEACHER  ? another
                                                                  : teacher,
                                             &err);
        cr_assert_not_null(other, "%s", err.message);
        err = (struct error){0};
        bool taken = trainer_load(other, path, &err);
        cr_expect(taken == (change == NOTHING), "change %d", change);
        cr_expect(taken || (err.code == ERROR_INPUT && strstr(err.message, "another training")), "change %d: %s", change, err.message);
        trainer_close(other);
    }
    model_file_close(teacher);
    model_file_close(another);
}

Test(train, checkpoints_that_are_damaged_are_refused)
{
    const char *path = in_directory("checkpoint");
    struct train_shape shape = shape_of("qwen3", true);
    struct error err = {0};
    struct trainer *t = open_small(&shape, &usual, NULL);
    steps(t, 1);
    cr_assert(trainer_save(t, path, &err), "%s", err.message);
    size_t n;
    char *bytes = read_whole(path, &n);
    static const struct {
        size_t keep, flip; // flip: a byte counted from the end, 0: none
        const char *message;
    } damages[] = {{3, 0, "not a checkpoint"}, {100, 0, "damaged"}, {0, 100, "damaged"}, {0, 3, "damaged"}};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        FILE *stream = fopen(path, "wb");
        if (damages[i].flip)
            bytes[n - damages[i].flip] ^= 1;
        fwrite(bytes, 1, damages[i].keep ? damages[i].keep : n, stream);
        if (damages[i].flip)
            bytes[n - damages[i].flip] ^= 1;
        fclose(stream);
        expect_refused(t, path, damages[i].message);
    }
    cr_assert(!trainer_load(t, in_directory("nothing"), &err) && err.code == ERROR_INPUT);
    free(bytes);
    trainer_close(t);
}

static void expect_shape_refused(struct train_shape shape, const char *message)
{
    struct error err = {0};
    struct train_data data = data_of();
    struct trainer *t = trainer_open(&shape, &usual, &data, NULL, &err);
    cr_expect(!t && err.code == ERROR_INPUT && strstr(err.message, message), "\"%s\" is wanted in: %s", message, err.message);
    trainer_close(t);
}

Test(train, shapes_and_data_that_cannot_be_are_refused)
{
    struct train_shape shape = shape_of("qwen3", true);
    struct train_shape wrong = shape;
    wrong.arch = "gpt-oss";
    expect_shape_refused(wrong, "olmoe, qwen3moe, qwen3 and llama");
    wrong = shape;
    wrong.n_kv_heads = 3;
    expect_shape_refused(wrong, "share evenly");
    wrong = shape;
    wrong.n_experts = 4;
    expect_shape_refused(wrong, "without experts");
    wrong = shape_of("olmoe", false);
    wrong.head_dim = 16;
    expect_shape_refused(wrong, "heads · head_dim");
    wrong = shape_of("qwen3moe", true);
    wrong.top_k = 5;
    expect_shape_refused(wrong, "top_k 5");
    wrong = shape;
    wrong.n_vocab = 30;
    expect_shape_refused(wrong, "out of the vocabulary");
}

Test(train, a_teacher_of_another_vocabulary_is_refused)
{
    struct train_shape shape = shape_of("qwen3", true);
    struct trainer *t = open_small(&shape, &usual, NULL);
    struct model_file *teacher = export(t);
    struct train_data data = data_of();
    struct error err = {0};
    shape.n_vocab = VOCABULARY + 8;
    cr_assert_null(trainer_open(&shape, &usual, &data, teacher, &err));
    cr_assert(err.code == ERROR_INPUT && strstr(err.message, "have to be the same"), "%s", err.message);
    model_file_close(teacher);
    trainer_close(t);
}

/* --- learning
 * ------------------------------------------------------------------------------------------------------------------------------- */

Test(train, the_loss_falls_and_a_student_nears_its_teacher)
{
    enum { STEPS = 100 };
    struct train_shape shape = shape_of("qwen3moe", true);
    struct train_settings settings = usual;
    shape.n_layers = 1;
    settings.steps = STEPS;
    settings.rate = 2e-2;
    settings.threads = 1;
    struct trainer *t = open_small(&shape, &settings, NULL);
    double first = steps(t, 1).cross_entropy, last = steps(t, STEPS - 1).cross_entropy, held;
    cr_expect(first > 5 && last < 1, "%.3f at first, %.3f at last", first, last);
    struct error err = {0};
    struct train_data data = data_of();
    cr_assert(trainer_evaluate(t, &data, 8, &held, &err), "%s", err.message);
    cr_expect(held < 1.2, "%.3f over what was learnt", held);
    cr_expect(!trainer_step(t, &(struct train_losses){0}, &err) && strstr(err.message, "all 100 steps"), "%s", err.message);
    struct model_file *teacher = export(t);
    struct train_shape small = shape_of("qwen3", true);
    small.n_layers = 1;
    settings.mix = 1;
    struct trainer *student = open_small(&small, &settings, teacher);
    double far = steps(student, 1).divergence, near = steps(student, STEPS - 1).divergence;
    cr_expect(near < far / 10, "divergence %.4f at first, %.4f at last", far, near);
    trainer_close(student);
    model_file_close(teacher);
    trainer_close(t);
}

/* Two steps by the formulas (train.h, engine/cpu/training.h), the second with gradients three times as large, of which half is cut off. */
Test(train, an_update_is_adamw_with_clipped_gradients_and_norms_that_do_not_decay)
{
    const double rate = 0.1, decay = 0.1, beta1 = 0.9, beta2 = 0.95;
    struct train_shape shape = shape_of("qwen3", true);
    struct train_settings settings = usual;
    settings.weight_decay = decay;
    struct trainer *t = open_small(&shape, &settings, NULL);
    struct network *net = &t->net;
    size_t cursor = 0, bytes = net->n_values * sizeof(float);
    double norm = 0;
    trainer_fill(t, &t->data, &cursor);
    trainer_compute(t, true, false);
    float *before = malloc(bytes), *gradients = malloc(bytes);
    memcpy(before, net->values, bytes);
    memcpy(gradients, net->gradients, bytes);
    for (size_t i = 0; i < net->n_values; i++)
        norm += (double)gradients[i] * (double)gradients[i];
    norm = sqrt(norm);
    t->settings.clip = 1.5 * norm;
    double first = trainer_update(t, rate);
    t->step++;
    for (size_t i = 0; i < net->n_values; i++)
        net->gradients[i] = 3 * gradients[i];
    double second = trainer_update(t, rate);
    cr_expect(fabs(first / norm - 1) < 1e-5 && fabs(second / norm - 3) < 1e-5, "%g and %g are norms of %g", first, second, norm);
    for (size_t p = 0; p < net->n_parameters; p++)
        for (size_t i = net->parameters[p].first; i < net->parameters[p].first + net->parameters[p].count; i++) {
            double w = (double)before[i], m = 0, v = 0, d = net->parameters[p].use == WEIGHT_VECTOR ? 0 : decay;
            for (int step = 1; step <= 2; step++) {
                double g = (double)gradients[i] * (step == 1 ? 1 : 3 * 0.5);
                m = beta1 * m + (1 - beta1) * g;
                v = beta2 * v + (1 - beta2) * g * g;
                w -= rate * (m / (1 - pow(beta1, step)) / (sqrt(v / (1 - pow(beta2, step))) + 1e-8) + d * w);
            }
            cr_assert_float_eq((double)net->values[i], w, 1e-5, "%s: %g, %g by the formulas", net->parameters[p].name,
                               (double)net->values[i], w);
        }
    free(before);
    free(gradients);
    trainer_close(t);
}

Test(train, the_rate_rises_linearly_and_falls_along_a_cosine)
{
    struct train_settings s = {.steps = 110, .warmup_steps = 10, .rate = 1, .last_rate = 0.1};
    cr_expect_float_eq(trainer_rate(&s, 1), 0.1, 1e-12);
    cr_expect_float_eq(trainer_rate(&s, 10), 1, 1e-12);
    cr_expect_float_eq(trainer_rate(&s, 35), 0.1 + 0.45 * (1 + sqrt(0.5)), 1e-12); // a quarter of the way: cos 45°
    cr_expect_float_eq(trainer_rate(&s, 60), 0.55, 1e-12);
    cr_expect_float_eq(trainer_rate(&s, 110), 0.1, 1e-12);
}
