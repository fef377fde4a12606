/* jeoul eval: accuracy of a model on tasks. */
#include "harness/verbs.h"

#include "base/file.h"
#include "eval/eval.h"
#include "harness/places.h"
#include "reports/statistics.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(void *context, int done, int total)
{
    progress_show(context, done, total);
}

static void add_interval(cJSON *object, const char *name, int k, int n)
{
    struct interval i = statistics_wilson((uint64_t)k, (uint64_t)n);
    cJSON *interval = cJSON_AddObjectToObject(object, name);
    cJSON_AddNumberToObject(interval, "value", i.value);
    cJSON_AddNumberToObject(interval, "ci95_low", i.low);
    cJSON_AddNumberToObject(interval, "ci95_high", i.high);
}

static void write_samples(FILE *out, const struct eval_task_info *info, const struct eval_result *result)
{
    for (int i = 0; i < result->n; i++) {
        const struct eval_item *item = &result->items[i];
        cJSON *line = cJSON_CreateObject(), *choices, *tokens, *likelihoods, *greedy;
        cJSON_AddStringToObject(line, "task", info->name);
        cJSON_AddNumberToObject(line, "doc_index", item->doc_index);
        cJSON_AddStringToObject(line, "context", item->context);
        cJSON_AddNumberToObject(line, "context_tokens", item->context_tokens);
        choices = cJSON_AddArrayToObject(line, "continuations");
        tokens = cJSON_AddArrayToObject(line, "continuation_tokens");
        likelihoods = cJSON_AddArrayToObject(line, "log_likelihoods");
        greedy = cJSON_AddArrayToObject(line, "is_greedy");
        for (int c = 0; c < item->n_choices; c++) {
            cJSON_AddItemToArray(choices, cJSON_CreateString(item->continuations[c]));
            cJSON_AddItemToArray(tokens, cJSON_CreateNumber(item->continuation_tokens[c]));
            cJSON_AddItemToArray(likelihoods, cJSON_CreateNumber(item->log_likelihood[c]));
            cJSON_AddItemToArray(greedy, cJSON_CreateBool(item->is_greedy[c]));
        }
        cJSON_AddNumberToObject(line, "choice", item->choice);
        cJSON_AddNumberToObject(line, "choice_norm", item->choice_norm);
        cJSON_AddNumberToObject(line, "choice_bytes", item->choice_bytes);
        cJSON_AddNumberToObject(line, "gold", item->gold);
        char *text = cJSON_PrintUnformatted(line);
        fprintf(out, "%s\n", text ? text : "{}");
        free(text);
        cJSON_Delete(line);
    }
}

/* Sums over the tasks of a group, or of everything named the same. */
struct total {
    const char *name;
    int tasks, n, correct, correct_norm, correct_bytes;
    double macro; // mean of the tasks' acc
};

struct evaluating {
    struct opened o;
    struct eval_task **tasks;
    int n_tasks;
    struct total *groups;
    int n_groups;
    cJSON *root;
    FILE *samples;
    int limit;
    bool json;
};

static void add_to_group(struct evaluating *e, const struct eval_task_info *info, const struct eval_result *r)
{
    int g = 0;
    while (g < e->n_groups && strcmp(e->groups[g].name, info->group) != 0)
        g++;
    if (g == e->n_groups)
        e->groups[e->n_groups++].name = info->group;
    struct total *t = &e->groups[g];
    t->tasks++;
    t->n += r->n;
    t->correct += r->correct;
    t->correct_norm += r->correct_norm;
    t->correct_bytes += r->correct_bytes;
    t->macro += (double)r->correct / r->n;
}

static void print_row(const char *name, const struct total *t, double chance)
{
    struct interval i = statistics_wilson((uint64_t)t->correct, (uint64_t)t->n);
    printf("%-26s %6d %7.1f %6.1f … %5.1f %9.1f %9.1f", name, t->n, 100 * i.value, 100 * i.low, 100 * i.high,
           100.0 * t->correct_norm / t->n, 100.0 * t->correct_bytes / t->n);
    if (chance > 0)
        printf(" %8.1f", 100 * chance);
    puts("");
}

static bool evaluate(struct evaluating *e, const struct eval_task *task, struct error *err)
{
    struct eval_task_info info = eval_task_info(task);
    struct progress progress = progress_begin(info.name);
    struct eval_options options = {.limit = e->limit, .progress = show, .context = &progress};
    struct eval_result r;
    bool ok = eval_run(e->o.engine, e->o.tokenizer, task, &options, &r, err);
    progress_end(&progress);
    if (!ok)
        return false;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "task", info.name);
    cJSON_AddStringToObject(row, "group", info.group);
    cJSON_AddStringToObject(row, "language", info.language);
    cJSON_AddNumberToObject(row, "n", r.n);
    add_interval(row, "acc", r.correct, r.n);
    add_interval(row, "acc_norm", r.correct_norm, r.n);
    add_interval(row, "acc_bytes", r.correct_bytes, r.n);
    cJSON_AddNumberToObject(row, "chance", info.chance);
    cJSON_AddNumberToObject(row, "tokens_per_1000_characters", 1000.0 * (double)r.text_tokens / (double)r.text_characters);
    cJSON_AddNumberToObject(row, "prompt_tokens", (double)r.prompt_tokens);
    cJSON_AddNumberToObject(row, "computed_tokens", (double)r.computed_tokens);
    cJSON_AddNumberToObject(row, "seconds", (double)r.ns * 1e-9);
    cJSON_AddStringToObject(row, "data_sha256", info.data_sha256);
    cJSON_AddItemToArray(cJSON_GetObjectItem(e->root, "results"), row);
    if (e->samples)
        write_samples(e->samples, &info, &r);
    struct total one = {info.name, 1, r.n, r.correct, r.correct_norm, r.correct_bytes, 0};
    if (!e->json)
        print_row(info.name, &one, info.chance);
    add_to_group(e, &info, &r);
    eval_result_free(&r);
    return true;
}

static void finish_groups(struct evaluating *e)
{
    cJSON *groups = cJSON_AddArrayToObject(e->root, "groups");
    for (int g = 0; g < e->n_groups; g++) {
        struct total *t = &e->groups[g];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "group", t->name);
        cJSON_AddNumberToObject(row, "tasks", t->tasks);
        cJSON_AddNumberToObject(row, "n", t->n);
        add_interval(row, "acc", t->correct, t->n);
        add_interval(row, "acc_norm", t->correct_norm, t->n);
        add_interval(row, "acc_bytes", t->correct_bytes, t->n);
        cJSON_AddNumberToObject(row, "acc_macro", t->macro / t->tasks);
        cJSON_AddItemToArray(groups, row);
        if (!e->json && t->tasks > 1)
            print_row(t->name, t, 0);
    }
}

static bool evaluate_all(struct cli *cli, struct evaluating *e, struct error *err)
{
    const char *path = cli_text(cli, "samples", NULL);
    struct file_writer writer;
    if (path && !file_create(&writer, path, err))
        return false;
    e->samples = path ? writer.stream : NULL;
    if (!e->json)
        printf("%s%s\n\n%-26s %6s %7s %14s %9s %9s %8s\n", e->o.info.name,
               e->o.info.random_weights ? " (random weights: accuracy is chance by construction)" : "", "task", "n", "acc %", "95 %",
               "acc_norm", "acc_bytes", "chance");
    bool ok = true;
    for (int i = 0; ok && i < e->n_tasks; i++)
        ok = evaluate(e, e->tasks[i], err);
    if (path && ok)
        ok = file_commit(&writer, err);
    else if (path)
        file_abandon(&writer);
    if (!ok)
        return false;
    finish_groups(e);
    char *text = e->json ? cJSON_Print(e->root) : NULL;
    if (text)
        puts(text);
    free(text);
    return true;
}

static int run(struct cli *cli, struct error *err)
{
    char tasks[4096], builtin[4096];
    struct evaluating e = {.json = cli_flag(cli, "json")};
    struct eval_places places = {.tasks = tasks, .builtin = builtin, .data = cli_text(cli, "data", NULL)};
    int64_t threads, limit, rows;
    if (!cli_number(cli, "threads", 1, 1024, 0, &threads, err) || !cli_number(cli, "limit", 0, 1 << 30, 0, &limit, err) ||
        !cli_number(cli, "rows", 1, 4096, 512, &rows, err) || !places_find("datasets/tasks", tasks, sizeof tasks, err) ||
        !places_find("datasets/builtin", builtin, sizeof builtin, err) || !open_file(cli, &e.o, err) || !open_tokenizer(&e.o, err) ||
        !eval_tasks_open(&places, cli_text(cli, "tasks", "builtin_ko,builtin_en"), &e.tasks, &e.n_tasks, err))
        goto out;
    e.limit = (int)limit;
    e.root = cJSON_CreateObject();
    cJSON_AddStringToObject(e.root, "model", e.o.info.name);
    cJSON_AddBoolToObject(e.root, "random_weights", e.o.info.random_weights);
    cJSON_AddArrayToObject(e.root, "results");
    e.groups = calloc((size_t)e.n_tasks + 1, sizeof *e.groups);
    size_t kv_tokens = 2 * (size_t)e.o.info.context_length + 8192;
    if (e.groups && e.root && open_engine(cli, &e.o, (int)threads, kv_tokens, (int)rows, err))
        (void)(evaluate_all(cli, &e, err) || error_prefix(err, "eval"));
out:
    for (int i = 0; i < e.n_tasks; i++)
        eval_task_close(e.tasks[i]);
    free(e.tasks);
    free(e.groups);
    cJSON_Delete(e.root);
    open_close(&e.o);
    return 0;
}

const struct cli_verb verb_eval = {
    .name = "eval",
    .arguments = "",
    .summary = "Score a model on Korean and English tasks",
    .text = "Multiple choice by log-likelihood, the requests of lm-evaluation-harness: acc, acc_norm (by\n"
            "characters) and acc_bytes with Wilson's 95 % interval, groups over all their items.",
    .example = "jeoul eval -m model.gguf --tasks builtin_ko,kobest_copa --data evalsets --limit 50",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"tasks", 0, "NAMES", "tasks and groups, by comma (builtin_ko,builtin_en)"},
                {"data", 0, "DIR", "where sets that are not built in lie"},
                {"limit", 0, "N", "the first N items of each task"},
                {"samples", 0, "FILE", "write one JSON line for each item"},
                {"rows", 0, "N", "rows in a step: no score depends on it (512)"},
                {"json", 0, NULL, "the result as JSON"},
                OPEN_OPTION_THREADS,
                OPEN_OPTION_KV,
                OPEN_OPTION_ISA,
                OPEN_OPTION_EXACT,
                OPEN_OPTION_NO_PACK,
                OPEN_OPTION_PACK_CACHE},
};
