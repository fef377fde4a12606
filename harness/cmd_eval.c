/* jeoul eval: accuracy of a model on tasks. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/json.h"
#include "eval/eval.h"
#include "harness/expert_load.h"
#include "harness/places.h"
#include "harness/remote.h"
#include "harness/scores.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(void *context, double done, double total)
{
    progress_show(context, done, total);
}

struct evaluating {
    struct opened o;
    struct remote remote;
    bool is_remote; // the answers are a server's
    struct eval_task **tasks;
    int n_tasks;
    struct eval_options options;
    char system[512]; // what a journal's answers depend on
    struct expert_load load;
    cJSON *root;
    FILE *samples;
    bool json;
};

static bool write_samples(struct evaluating *e, const struct eval_task_info *info, const struct eval_result *result, struct error *err)
{
    for (int i = 0; i < result->n; i++) {
        cJSON *line = scores_of_item(info, result, i);
        char *text = cJSON_PrintUnformatted(line);
        cJSON_Delete(line);
        if (!text)
            return error_set(err, ERROR_MACHINE, "out of memory for samples");
        fprintf(e->samples, "%s\n", text);
        free(text);
    }
    return true;
}

/* The task's answers, and where they are the engine's, what its experts had to do for them. */
static bool answer(struct evaluating *e, const struct eval_task *task, const struct eval_options *options, struct eval_result *r,
                   struct error *err)
{
    if (e->is_remote)
        return eval_run_through(&e->remote.answerer, task, options, r, err);
    if (!expert_load_begin(&e->load, e->o.engine, err) || !eval_run(e->o.engine, e->o.tokenizer, task, options, r, err))
        return false;
    if (expert_load_end(&e->load, e->o.engine, eval_task_info(task).language, err))
        return true;
    eval_result_free(r);
    return false;
}

static bool evaluate(struct evaluating *e, int index, struct error *err)
{
    const struct eval_task *task = e->tasks[index];
    struct eval_task_info info = eval_task_info(task);
    char what[160];
    snprintf(what, sizeof what, "%.100s (%d of %d)", info.name, index + 1, e->n_tasks);
    struct progress progress = progress_begin(what);
    struct eval_options options = e->options;
    struct eval_result r;
    options.progress = show;
    options.context = &progress;
    bool ok = answer(e, task, &options, &r, err);
    progress_end(&progress);
    if (!ok)
        return false;
    cJSON *row = scores_of_task(&info, &r);
    cJSON_AddItemToArray(cJSON_GetObjectItem(e->root, "results"), row);
    ok = !e->samples || r.left_out[0] || write_samples(e, &info, &r, err);
    if (r.warning[0])
        fprintf(stderr, "jeoul: %s: %s\n", info.name, r.warning);
    if (r.inside_token)
        fprintf(stderr,
                "jeoul: %s: in %d requests a token lies over the place where the continuation begins; it is scored with it "
                "(--tokenizer makes requests exact)\n",
                info.name, r.inside_token);
    if (ok && !e->json) {
        scores_print(row, info.has_acc_norm);
        fflush(stdout);
    }
    eval_result_free(&r);
    return ok;
}

static double resumed_items(const cJSON *results)
{
    double n = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, results)
        n += json_real(row, "resumed_items");
    return n;
}

/* What is told of all tasks together. */
static bool conclude(struct evaluating *e, struct error *err)
{
    const cJSON *results = cJSON_GetObjectItem(e->root, "results");
    cJSON *load;
    cJSON_AddItemToObject(e->root, "groups", scores_of_groups(results));
    cJSON_AddItemToObject(e->root, "fertility", scores_of_fertility(results));
    if (!expert_load_json(&e->load, &load, err))
        return false;
    cJSON_AddItemToObject(e->root, "expert_load", load ? load : cJSON_CreateNull());
    if (load)
        cJSON_AddNumberToObject(load, "items_left_out", resumed_items(results));
    else
        cJSON_AddStringToObject(e->root, "expert_load_reason", e->is_remote ? "an endpoint doesn't tell" : "the model has no experts");
    return true;
}

static void print_conclusion(const struct evaluating *e)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(e->root, "groups"))
        if (json_real(row, "tasks") > 1)
            scores_print(row, true);
    scores_print_fertility(cJSON_GetObjectItem(e->root, "fertility"));
    expert_load_print(cJSON_GetObjectItem(e->root, "expert_load"));
}

static bool finish(struct evaluating *e, struct error *err)
{
    if (!conclude(e, err))
        return false;
    if (!e->json) {
        print_conclusion(e);
        return true;
    }
    return cli_print_json(e->root, err);
}

static bool evaluate_all(const struct cli *cli, struct evaluating *e, struct error *err)
{
    cJSON_AddArrayToObject(e->root, "results");
    const char *path = cli_text(cli, "samples", NULL);
    struct file_writer writer;
    if (path && !file_create(&writer, path, err))
        return false;
    e->samples = path ? writer.stream : NULL;
    if (!e->json) {
        printf("%s%s\n\n", json_text(e->root, "model"),
               e->o.info.random_weights ? " (random weights: accuracy is chance by construction)" : "");
        scores_print_heading();
    }
    bool ok = true;
    for (int i = 0; ok && i < e->n_tasks; i++)
        ok = evaluate(e, i, err);
    if (path && ok)
        ok = file_commit(&writer, err);
    else if (path)
        file_abandon(&writer);
    return ok && finish(e, err);
}

/* Names the weights and all that a bit of an answer depends on. */
static bool describe_system(const struct cli *cli, struct evaluating *e, const struct engine_options *options, struct error *err)
{
    char fingerprint[65];
    const char *path;
    if (!cli_need(cli, "model", &path, err) || !open_fingerprint(path, fingerprint, err))
        return false;
    struct engine_facts facts = engine_facts(e->o.engine);
    const char *isa = facts.isa, *kv = open_kv_name(options->kv);
    bool on_gpu = strcmp(facts.backend, "cpu") != 0;
    char placement[64] = ""; // which driver, and how many layers' experts are the CPU's
    if (on_gpu)
        snprintf(placement, sizeof placement, " %s %d", facts.backend, options->experts_cpu);
    cJSON *system = cJSON_AddObjectToObject(e->root, "system");
    cJSON_AddStringToObject(system, "fingerprint", fingerprint);
    cJSON_AddStringToObject(system, "quantisation", e->o.info.quantisation);
    cJSON_AddStringToObject(system, "backend", facts.backend);
    cJSON_AddStringToObject(system, "isa", isa);
    if (on_gpu)
        cJSON_AddNumberToObject(system, "experts_cpu", options->experts_cpu);
    cJSON_AddStringToObject(system, "kv", kv);
    cJSON_AddBoolToObject(system, "exact", options->exact);
    snprintf(e->system, sizeof e->system, "%s %s %s %s%s", fingerprint, isa, kv,
             options->exact     ? "exact"
             : options->no_pack ? "no-pack"
                                : "",
             placement);
    e->options.system = e->system;
    return true;
}

static bool run_model(struct evaluating *e, const struct cli *cli, struct error *err)
{
    enum { DEFAULT_LENGTH = 8192, BESIDE = 16384 };
    int64_t threads, rows, cache;
    int longest = e->options.max_length ? e->options.max_length : DEFAULT_LENGTH;
    if (!cli_number(cli, "threads", 1, 1024, 0, &threads, err) || !cli_number(cli, "rows", 1, 4096, 512, &rows, err) ||
        !cli_number(cli, "cache", 64, 1 << 28, 0, &cache, err) || !open_file(cli, &e->o, err) || !open_tokenizer(&e->o, err))
        return false;
    cJSON_AddStringToObject(e->root, "model", e->o.info.name);
    cJSON_AddBoolToObject(e->root, "random_weights", e->o.info.random_weights);
    e->load = (struct expert_load){.n_layers = e->o.info.n_layers, .n_experts = e->o.info.n_experts};
    longest = longest < e->o.info.context_length ? longest : e->o.info.context_length;
    struct engine_options options = {.threads = (int)threads,
                                     .kv = ENGINE_KV_BF16,
                                     .kv_tokens = cache ? (size_t)cache : (size_t)longest + BESIDE,
                                     .max_rows = (int)rows};
    return open_engine(cli, &e->o, &options, err) &&
           ((describe_system(cli, e, &options, err) && evaluate_all(cli, e, err)) || error_prefix(err, "eval"));
}

static bool run_remote(struct evaluating *e, const struct cli *cli, struct error *err)
{
    if (cli_text(cli, "model", NULL))
        return error_set(err, ERROR_INPUT, "--model and --endpoint: one of them is wanted; the server's tokenizer is --tokenizer");
    struct remote_options options;
    if (!remote_options_read(cli, &options, err) || !remote_open(&options, &e->remote, err) ||
        !remote_describe(&e->remote, e->system, sizeof e->system, err))
        return false;
    e->options.system = e->system;
    cJSON *endpoint = remote_json(&e->remote);
    cJSON_AddStringToObject(e->root, "model", json_text(endpoint, "model"));
    cJSON_AddItemToObject(e->root, "endpoint", endpoint);
    return evaluate_all(cli, e, err);
}

static int run(struct cli *cli, struct error *err)
{
    char tasks[4096], builtin[4096];
    struct evaluating e = {.json = cli_flag(cli, "json"), .is_remote = cli_text(cli, "endpoint", NULL)};
    struct eval_places places = {.tasks = tasks, .builtin = builtin, .data = cli_text(cli, "data", NULL)};
    int64_t limit, length, shots;
    if (!cli_number(cli, "limit", 0, 1 << 30, 0, &limit, err) || !cli_number(cli, "shots", 0, 1000, -1, &shots, err) ||
        !cli_number(cli, "max-length", 2, 1 << 24, 0, &length, err) || !places_find("datasets/tasks", tasks, sizeof tasks, err) ||
        !places_find("datasets/builtin", builtin, sizeof builtin, err) ||
        !eval_tasks_open(&places, cli_text(cli, "tasks", "builtin_ko,builtin_en"), &e.tasks, &e.n_tasks, err))
        return 0;
    e.options = (struct eval_options){.limit = (int)limit,
                                      .shots = (int)shots,
                                      .max_length = (int)length,
                                      .alone = cli_flag(cli, "alone"),
                                      .journal = cli_text(cli, "resume", NULL)};
    e.root = cJSON_CreateObject();
    if (e.is_remote)
        (void)(run_remote(&e, cli, err) || error_prefix(err, "eval"));
    else
        (void)run_model(&e, cli, err);
    for (int i = 0; i < e.n_tasks; i++)
        eval_task_close(e.tasks[i]);
    free(e.tasks);
    expert_load_free(&e.load);
    cJSON_Delete(e.root);
    remote_close(&e.remote);
    open_close(&e.o);
    return 0;
}

const struct cli_verb verb_eval = {
    .name = "eval",
    .arguments = "",
    .summary = "Score a model on Korean and English tasks",
    .text = "Scores and standard errors of lm-evaluation-harness, with 95 % intervals; fertility and\n"
            "expert load by language. No score depends on --rows, --cache, --threads or --resume.\n"
            "A server's key is read from JEOUL_API_KEY, or the file JEOUL_API_KEY_FILE names.",
    .example = "jeoul eval -m model.gguf --tasks builtin_ko,kobest_copa --data evalsets --limit 50",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"tasks", 0, "NAMES", "tasks and groups, by comma (builtin_ko,builtin_en)"},
                {"data", 0, "DIR", "directory of sets (what `jeoul fetch` got)"},
                {"limit", 0, "N", "the first N items of each task"},
                {"shots", 0, "K", "few-shot examples (each task's own number)"},
                {"samples", 0, "FILE", "write one JSON line for each item"},
                {"resume", 0, "FILE", "note items there as they are answered; go on with what it has"},
                {"max-length", 0, "N", "tokens of a request, cut on the left (the model's context)"},
                REMOTE_OPTIONS,
                {"rows", 0, "N", "rows in a step (512)"},
                {"cache", 0, "N", "tokens in the cache (24576 or less)"},
                {"alone", 0, NULL, "one request after the other: slow, for comparison"},
                {"json", 0, NULL, "the result as JSON"},
                OPEN_OPTION_THREADS,
                OPEN_OPTION_KV,
                OPEN_OPTIONS_ENGINE},
    .brief = " threads kv isa exact no-pack pack-cache ",
};
