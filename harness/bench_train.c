/* See bench_train.h. The numbers of threads are configurations; their repeats are interleaved, and the peak of F32 products is probed right
 * before and right after each. */
#include "harness/bench_train.h"

#include "base/memory.h"
#include "base/processors.h"
#include "harness/bench_report.h"
#include "harness/spread.h"
#include "harness/training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS_LIST = 16, STEPS = 2 };

static const double probe_seconds = 0.015;

struct configuration {
    int threads;
    struct bench_training *training;
    double *tok_per_s, *operations_per_s, *peak, *mfu; // [repeats] each, of one allocation; the latter two 0 without a prober
};

struct benching_training {
    struct training_config config;
    struct configuration list[MAX_THREADS_LIST];
    int n, repeats, warmups;
    struct engine_prober *prober; // NULL: the limit is not probed, for there is no other reason than --no-limits
    struct train_size size;
};

static bool open_configurations(const struct cli *cli, struct benching_training *b, struct error *err)
{
    char all[16];
    int64_t threads[MAX_THREADS_LIST], repeats, warmups, most = 1;
    snprintf(all, sizeof all, "%d", processors_available());
    if (!training_config_read(cli_text(cli, "train", ""), &b->config, err) || !cli_number(cli, "repeats", 1, 1000, 5, &repeats, err) ||
        !cli_number(cli, "warmup", 0, 100, 1, &warmups, err) || !train_shape_check(&b->config.shape, &b->size, err))
        return false;
    b->repeats = (int)repeats;
    b->warmups = (int)warmups;
    int n = cli_numbers(cli, "threads", 1, 1024, all, threads, MAX_THREADS_LIST, err);
    for (int i = 0; i < n; i++) {
        struct configuration *c = &b->list[b->n++];
        struct train_settings settings = b->config.settings;
        settings.threads = c->threads = (int)threads[i];
        settings.isa = cli_text(cli, "isa", NULL);
        most = threads[i] > most ? threads[i] : most;
        if (!(c->training = bench_training_open(&b->config.shape, &settings, err)) ||
            !(c->tok_per_s = memory_array(4 * (size_t)repeats, sizeof(double), "samples", err)))
            return false;
        c->operations_per_s = c->tok_per_s + repeats;
        c->peak = c->tok_per_s + 2 * repeats;
        c->mfu = c->tok_per_s + 3 * repeats;
    }
    return n > 0 && (cli_flag(cli, "no-limits") || (b->prober = engine_prober_open((int)most, err)));
}

static bool probe(struct benching_training *b, const struct configuration *c, double *peak, struct error *err)
{
    struct engine_probing what = {ENGINE_PROBE_F32, ENGINE_PROBE_REGISTERS, bench_training_facts(c->training).isa, c->threads};
    double rate = 0;
    if (b->prober && !engine_probe(b->prober, &what, probe_seconds, &rate, err))
        return false;
    *peak = rate > *peak ? rate : *peak;
    return true;
}

static bool measure(struct benching_training *b, struct configuration *c, int repeat, struct error *err)
{
    struct bench_training_result result;
    double peak = 0;
    if (!probe(b, c, &peak, err) || !bench_training_run(c->training, STEPS, &result, err) || !probe(b, c, &peak, err))
        return false;
    if (repeat < 0)
        return true;
    double seconds = (double)result.ns * 1e-9;
    c->tok_per_s[repeat] = (double)result.tokens / seconds;
    c->operations_per_s[repeat] = result.operations / seconds;
    c->peak[repeat] = peak;
    c->mfu[repeat] = b->prober ? result.operations / seconds / peak : 0;
    return true;
}

static bool measure_all(struct benching_training *b, struct error *err)
{
    struct progress progress = progress_begin("measuring");
    int total = (b->repeats + b->warmups) * b->n, done = 0;
    bool ok = true;
    for (int repeat = -b->warmups; ok && repeat < b->repeats; repeat++)
        for (int i = 0; ok && i < b->n; i++) {
            ok = measure(b, &b->list[i], repeat, err);
            progress_show(&progress, ++done, total);
        }
    progress_end(&progress);
    return ok;
}

static cJSON *row_json(const struct benching_training *b, const struct configuration *c, const struct summary *s)
{
    size_t n = (size_t)b->repeats;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddNumberToObject(row, "threads", c->threads);
    cJSON_AddItemToObject(row, "tok_per_s", bench_summary_json(s));
    cJSON_AddNumberToObject(row, "operations_per_s", statistics_median(c->operations_per_s, n));
    cJSON_AddItemToObject(row, "mfu", b->prober ? cJSON_CreateNumber(statistics_median(c->mfu, n)) : cJSON_CreateNull());
    spread_add(cJSON_AddObjectToObject(row, "limit_f32_gop_per_s"), b->prober ? c->peak : NULL, n, 1e-9);
    cJSON_AddItemToObject(row, "limit_reason", b->prober ? cJSON_CreateNull() : cJSON_CreateString(bench_no_limits));
    return row;
}

static void print_row(const struct benching_training *b, const struct configuration *c, const struct summary *s)
{
    size_t n = (size_t)b->repeats;
    char interval[48], mfu[16] = "–";
    snprintf(interval, sizeof interval, "%s … %s", number_for_people(s->ci95_low), number_for_people(s->ci95_high));
    if (b->prober)
        snprintf(mfu, sizeof mfu, "%.0f %%", 100 * statistics_median(c->mfu, n));
    printf("%7d %9s  %-17s %9s %7s\n", c->threads, number_for_people(s->median), interval,
           number_for_people(1e-9 * statistics_median(c->operations_per_s, n)), mfu);
}

static bool report(const struct benching_training *b, bool json, struct error *err)
{
    cJSON *root = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(root, "results");
    const char *isa = bench_training_facts(b->list[0].training).isa;
    bool ok = true;
    cJSON_AddStringToObject(root, "schema", "jeoul/bench-train/1");
    cJSON_AddStringToObject(root, "model", b->config.name);
    cJSON_AddStringToObject(root, "isa", isa);
    cJSON_AddNumberToObject(root, "parameters", (double)b->size.parameters);
    cJSON_AddNumberToObject(root, "active_parameters", (double)b->size.active_parameters);
    cJSON_AddNumberToObject(root, "tokens_per_step", b->config.settings.tokens_per_step);
    cJSON_AddNumberToObject(root, "sequence_tokens", BENCH_TRAINING_SEQUENCE);
    cJSON_AddNumberToObject(root, "operations_per_token", bench_training_facts(b->list[0].training).operations_per_token);
    if (!json)
        printf("training %s, F32, %s: %s M parameters, %s M active\n\n%7s %9s  %-17s %9s %7s\n", b->config.name, isa,
               number_for_people((double)b->size.parameters * 1e-6), number_for_people((double)b->size.active_parameters * 1e-6), "threads",
               "tok/s", "95 % interval", "Gop/s", "of peak");
    for (int i = 0; ok && i < b->n; i++) {
        struct summary summary;
        ok = statistics_summary(b->list[i].tok_per_s, (size_t)b->repeats, 1, &summary, err);
        if (ok && json)
            cJSON_AddItemToArray(results, row_json(b, &b->list[i], &summary));
        else if (ok)
            print_row(b, &b->list[i], &summary);
    }
    char *text = json && ok ? cJSON_Print(root) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
    return ok;
}

/* An option that speaks of a model's inference would be passed over in silence, and --backend would name what isn't measured. */
static bool check_options(const struct cli *cli, struct error *err)
{
    static const char *const taken[] = {"train", "threads", "repeats", "warmup", "no-limits", "isa", "json"};
    for (int i = 0; cli->verb->options[i].name; i++) {
        bool known = !cli->values[i];
        for (size_t k = 0; !known && k < sizeof taken / sizeof *taken; k++)
            known = strcmp(cli->verb->options[i].name, taken[k]) == 0;
        if (!known)
            return error_set(
                err, ERROR_INPUT,
                "--%s does not go with --train, which trains on the CPU and takes --threads, --repeats, --warmup, --no-limits, "
                "--isa and --json",
                cli->verb->options[i].name);
    }
    return true;
}

bool bench_train(const struct cli *cli, struct error *err)
{
    struct benching_training b = {0};
    bool ok =
        check_options(cli, err) && open_configurations(cli, &b, err) && measure_all(&b, err) && report(&b, cli_flag(cli, "json"), err);
    for (int i = 0; i < b.n; i++) {
        bench_training_close(b.list[i].training);
        free(b.list[i].tok_per_s);
    }
    engine_prober_close(b.prober);
    training_config_free(&b.config);
    return ok;
}
