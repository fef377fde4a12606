/* jeoul train, jeoul distill: trains a model from its file, or goes on with it. */
#include "harness/verbs.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/training.h"
#include "reports/reports.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CSV_BYTES = 1 << 28, FRESH_SEQUENCES = 2000, MAX_SECONDS = 1 << 30 };

static const uint64_t save_every_ns = 60000000000u;
static const char csv_header[] = "step,tokens,total,cross_entropy,divergence,load_balance,router_z,gradient_norm,rate\n";

struct training {
    struct training_config config;
    struct training_data data;
    struct trainer *trainer;
    struct text csv; // a line for each step made
    char directory[2048];
    double fresh_loss;
    /* this session's */
    int64_t first_step, tokens;
    uint64_t ns;
    struct train_losses last;
};

static const char *below(const struct training *t, const char *name, char out[4096])
{
    snprintf(out, 4096, "%s/%s", t->directory, name);
    return out;
}

/* --- before the first step
 * ---------------------------------------------------------------------------------------------------------------- */

static struct model_file *open_teacher(const struct training *t, const char *root, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%.2000s/%.2000s", root, t->config.teacher);
    struct model_file *file = model_file_open(path, err);
    if (file && training_same_tokens(&t->data, file, err))
        return file;
    model_file_close(file);
    (void)error_prefix(err, "%s: distill.teacher", t->config.path);
    return NULL;
}

/* The loss curve up to the checkpoint: what was written behind it is made again. */
static bool resume_csv(struct training *t, struct error *err)
{
    char path[4096];
    struct text old = {0};
    if (!file_read(below(t, "loss.csv", path), MAX_CSV_BYTES, &old, err))
        return false;
    const char *at = old.bytes;
    int64_t lines = -1; // the header's
    for (; *at && lines < trainer_steps_made(t->trainer); lines++) {
        const char *end = strchr(at, '\n');
        if (!end)
            break;
        at = end + 1;
    }
    bool ok = lines == trainer_steps_made(t->trainer) ||
              error_set(err, ERROR_INPUT, "%s ends before the checkpoint's step %" PRId64 ": remove both to begin anew", path,
                        trainer_steps_made(t->trainer));
    text_clear(&t->csv);
    text_add(&t->csv, old.bytes, ok ? (size_t)(at - old.bytes) : 0);
    text_free(&old);
    return ok && text_ok(&t->csv, err);
}

/* What the last step before this session came to. */
static void read_last_line(struct training *t)
{
    const char *end = t->csv.bytes + t->csv.length - 1, *line = memrchr(t->csv.bytes, '\n', (size_t)(end - t->csv.bytes));
    if (line) // else there is only the header
        (void)sscanf(line + 1, "%" SCNd64 ",%" SCNd64 ",%lf,%lf", &t->last.step, &t->last.tokens, &t->last.total, &t->last.cross_entropy);
}

static bool resume(struct training *t, struct error *err)
{
    char path[4096];
    if (access(below(t, "checkpoint", path), F_OK) != 0)
        return true;
    if (!trainer_load(t->trainer, path, err) || !resume_csv(t, err))
        return false;
    read_last_line(t);
    return true;
}

static bool open_training(struct cli *cli, struct training *t, bool distill, struct error *err)
{
    const char *root = cli_text(cli, "out", "models");
    int64_t threads;
    struct model_file *teacher = NULL;
    if (!cli_number(cli, "threads", 1, 1024, 0, &threads, err) || !training_config_read(cli->arguments[0], &t->config, err))
        return false;
    if (distill && !t->config.teacher)
        return error_set(err, ERROR_INPUT,
                         "%s: distill is missing: {\"teacher\": …, \"temperature\": …, \"mix\": …}; without a teacher it is jeoul train",
                         t->config.path);
    snprintf(t->directory, sizeof t->directory, "%.1900s/%s", root, t->config.name);
    t->config.settings.threads = (int)threads;
    t->config.settings.isa = cli_text(cli, "isa", NULL);
    text_add_string(&t->csv, csv_header);
    bool ok = file_make_directory(t->directory, err) && training_data_make(&t->config, t->directory, &t->data, err) &&
              (!t->config.teacher || (teacher = open_teacher(t, root, err))) &&
              (t->trainer = trainer_open(&t->config.shape, &t->config.settings, &t->data.train, teacher, err)) && resume(t, err);
    model_file_close(teacher);
    return ok;
}

/* --- steps
 * --------------------------------------------------------------------------------------------------------------------------------- */

static bool save(const struct training *t, struct error *err)
{
    char path[4096];
    return file_write(below(t, "loss.csv", path), t->csv.bytes, t->csv.length, err) &&
           trainer_save(t->trainer, below(t, "checkpoint", path), err);
}

static void note(struct training *t, const struct train_losses *l)
{
    text_format(&t->csv, "%" PRId64 ",%" PRId64 ",%.6f,%.6f,%.6f,%.6f,%.6f,%.6f,%.6g\n", l->step, l->tokens, l->total, l->cross_entropy,
                l->divergence, l->load_balance, l->router_z, l->gradient_norm, l->rate);
    t->last = *l;
    t->tokens += l->step_tokens;
}

static bool make_steps(struct training *t, int64_t to, int64_t seconds, struct error *err)
{
    char line[160] = "";
    struct progress progress = progress_begin(line);
    uint64_t began = clock_ns(), saved = began;
    bool ok = true;
    t->first_step = trainer_steps_made(t->trainer);
    while (ok && trainer_steps_made(t->trainer) < to && clock_ns() - began < (uint64_t)seconds * 1000000000u) {
        struct train_losses losses;
        ok = trainer_step(t->trainer, &losses, err);
        if (!ok)
            break;
        note(t, &losses);
        t->ns = clock_ns() - began;
        snprintf(line, sizeof line, "%s: step %" PRId64 ", loss %.3f, %s tokens/s", t->config.name, losses.step, losses.cross_entropy,
                 number_for_people((double)t->tokens * 1e9 / (double)t->ns));
        progress_show(&progress, (double)(losses.step - t->first_step), (double)(to - t->first_step));
        if (clock_ns() - saved > save_every_ns) {
            ok = save(t, err);
            saved = clock_ns();
        }
    }
    progress_end(&progress);
    return ok && text_ok(&t->csv, err) && save(t, err);
}

/* --- what comes of it
 * ------------------------------------------------------------------------------------------------------------------------- */

static bool write_results(struct training *t, struct error *err)
{
    char path[4096];
    return trainer_evaluate(t->trainer, &t->data.fresh, FRESH_SEQUENCES, &t->fresh_loss, err) &&
           trainer_export(t->trainer, t->data.vocabulary, below(t, "model.gguf", path), err) &&
           report_loss_curve(t->csv.bytes, t->config.name, below(t, "loss.svg", path), err);
}

static void print_json(const struct training *t)
{
    struct trainer_facts facts = trainer_facts(t->trainer);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "schema", "jeoul/training/1");
    cJSON_AddStringToObject(root, "name", t->config.name);
    cJSON_AddNumberToObject(root, "seed", (double)t->config.settings.seed);
    cJSON_AddStringToObject(root, "corpus_sha256", t->data.corpus_sha256);
    cJSON_AddNumberToObject(root, "corpus_bytes", (double)t->data.corpus_bytes);
    cJSON_AddNumberToObject(root, "corpus_tokens", (double)t->data.tokens.count);
    cJSON_AddNumberToObject(root, "vocabulary", t->config.shape.n_vocab);
    cJSON_AddNumberToObject(root, "parameters", (double)facts.size.parameters);
    cJSON_AddNumberToObject(root, "active_parameters", (double)facts.size.active_parameters);
    cJSON_AddNumberToObject(root, "step", (double)trainer_steps_made(t->trainer));
    cJSON_AddNumberToObject(root, "steps", t->config.settings.steps);
    cJSON_AddNumberToObject(root, "fresh_cross_entropy", t->fresh_loss);
    cJSON_AddNumberToObject(root, "cross_entropy", t->last.cross_entropy);
    cJSON_AddNumberToObject(root, "tokens", (double)t->last.tokens);
    cJSON_AddItemToObject(root, "tok_per_s", t->tokens ? cJSON_CreateNumber((double)t->tokens * 1e9 / (double)t->ns) : cJSON_CreateNull());
    cJSON_AddItemToObject(root, "tok_per_s_reason", t->tokens ? cJSON_CreateNull() : cJSON_CreateString("every step was made before"));
    cJSON_AddStringToObject(root, "isa", facts.isa);
    cJSON_AddNumberToObject(root, "threads", facts.threads);
    char *text = cJSON_Print(root);
    puts(text ? text : "");
    free(text);
    cJSON_Delete(root);
}

static void print_summary(const struct training *t)
{
    struct trainer_facts facts = trainer_facts(t->trainer);
    printf("%s: %s M parameters, %s M active, %d tokens in the vocabulary\n", t->config.name,
           number_for_people((double)facts.size.parameters * 1e-6), number_for_people((double)facts.size.active_parameters * 1e-6),
           t->config.shape.n_vocab);
    printf("corpus: %s, %s M tokens, SHA-256 %s\n", bytes_for_people((double)t->data.corpus_bytes),
           number_for_people((double)t->data.tokens.count * 1e-6), t->data.corpus_sha256);
    printf("step %" PRId64 " of %d", trainer_steps_made(t->trainer), t->config.settings.steps);
    if (t->tokens)
        printf(", %s M tokens, cross-entropy %.4f, %s tokens/s on %d threads (%s)", number_for_people((double)t->last.tokens * 1e-6),
               t->last.cross_entropy, number_for_people((double)t->tokens * 1e9 / (double)t->ns), facts.threads, facts.isa);
    printf("\ncross-entropy of fresh text: %.4f\n%s: model.gguf, loss.csv, loss.svg, checkpoint\n", t->fresh_loss, t->directory);
}

static int run_either(struct cli *cli, bool distill, struct error *err)
{
    struct training t = {0};
    int64_t steps, seconds;
    if (cli_number(cli, "steps", 1, INT64_MAX >> 11, INT64_MAX >> 11, &steps, err) &&
        cli_number(cli, "seconds", 1, MAX_SECONDS, MAX_SECONDS, &seconds, err) && open_training(cli, &t, distill, err)) {
        int64_t left = t.config.settings.steps - trainer_steps_made(t.trainer), made = trainer_steps_made(t.trainer);
        if (make_steps(&t, made + (steps < left ? steps : left), seconds, err) && write_results(&t, err)) {
            if (cli_flag(cli, "json"))
                print_json(&t);
            else
                print_summary(&t);
        }
    }
    trainer_close(t.trainer);
    training_data_free(&t.data);
    training_config_free(&t.config);
    text_free(&t.csv);
    return 0;
}

static int run_train(struct cli *cli, struct error *err)
{
    return run_either(cli, false, err);
}

static int run_distill(struct cli *cli, struct error *err)
{
    return run_either(cli, true, err);
}

#define OPTIONS                                                                                                                            \
    {                                                                                                                                      \
        {"out", 'o', "DIR", "where models are written: DIR/NAME/ (models)"}, {"steps", 0, "N", "steps at most in this session (all)"},     \
            {"seconds", 0, "N", "or so many seconds, to the end of a step"}, OPEN_OPTION_THREADS, OPEN_OPTION_ISA,                         \
            {"json", 0, NULL, "what came of it as JSON"},                                                                                  \
    }

const struct cli_verb verb_train = {
    .name = "train",
    .arguments = "CONFIG",
    .least = 1,
    .most = 1,
    .summary = "Train a small model from its file: corpus, vocabulary, weights",
    .text = "Writes DIR/NAME/model.gguf (F32), vocabulary.gguf, loss.csv, loss.svg and checkpoint, from\n"
            "which a training that was cut goes on bit for bit. A file with a \"distill\" part is taught\n"
            "by its teacher. docs/training.md has the format and the formulas.",
    .example = "jeoul train bench/models/jeoul-moe.json --out models",
    .run = run_train,
    .options = OPTIONS,
};

const struct cli_verb verb_distill = {
    .name = "distill",
    .arguments = "CONFIG",
    .least = 1,
    .most = 1,
    .summary = "Train a small model by a teacher's logits",
    .text = "As jeoul train, of a file with a \"distill\" part: its teacher is a model below DIR, such as\n"
            "jeoul-moe/model.gguf, of the same corpus and vocabulary. The loss mixes the divergence from\n"
            "the teacher at a temperature with cross-entropy (Hinton et al. 2015).",
    .example = "jeoul distill bench/models/jeoul-student.json --out models",
    .run = run_distill,
    .options = OPTIONS,
};
