/* jeoul tasks: what can be scored, and what would be asked. */
#include "harness/verbs.h"

#include "base/text.h"
#include "eval/eval.h"
#include "harness/places.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A group of more tasks than these is one line of the list of all. */
enum { MOST_SHOWN = 8, NAME_COLUMNS = 30 };

struct listing {
    const char *wanted; // a task or group; NULL: all
    cJSON *rows;        // every task that is wanted
};

static bool is_wanted(const struct eval_task_info *info, const char *wanted)
{
    bool found = !wanted || strcmp(info->name, wanted) == 0;
    for (int i = 0; i < info->n_groups; i++)
        found = found || strcmp(info->groups[i], wanted) == 0;
    return found;
}

static void add_task(void *context, const struct eval_task_info *info)
{
    struct listing *l = context;
    if (!is_wanted(info, l->wanted))
        return;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "task", info->name);
    cJSON_AddStringToObject(row, "group", info->group);
    cJSON_AddItemToObject(row, "groups", cJSON_CreateStringArray(info->groups, info->n_groups));
    cJSON_AddStringToObject(row, "language", info->language);
    cJSON_AddStringToObject(row, "kind", eval_kind_name(info->kind));
    cJSON_AddStringToObject(row, "metric", info->metric);
    if (info->n_items)
        cJSON_AddNumberToObject(row, "items", info->n_items);
    else {
        cJSON_AddNullToObject(row, "items");
        cJSON_AddStringToObject(row, "items_reason", "known when the data are read");
    }
    cJSON_AddNumberToObject(row, "shots", info->shots);
    cJSON_AddStringToObject(row, "licence", info->licence);
    cJSON_AddStringToObject(row, "source", info->source);
    if (info->set)
        cJSON_AddStringToObject(row, "set", info->set);
    else
        cJSON_AddNullToObject(row, "set"); // built in
    cJSON_AddStringToObject(row, "version", info->version);
    cJSON_AddStringToObject(row, "summary_ko", info->summary_ko);
    cJSON_AddStringToObject(row, "summary_en", info->summary_en);
    cJSON_AddItemToArray(l->rows, row);
}

/* --- the table --------------------------------------------------------------------------------------------------------------------------
 */

static const char *text_of(const cJSON *row, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));
    return text ? text : "";
}

/* A row's outermost group. */
static const char *group_of(const cJSON *row)
{
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(row, "groups");
    const char *last = cJSON_GetStringValue(cJSON_GetArrayItem(groups, cJSON_GetArraySize(groups) - 1));
    return last ? last : text_of(row, "task");
}

static void print_line(const char *name, const cJSON *row, double items)
{
    static const char *const kinds[][2] = {
        {"multiple_choice", "choice"}, {"loglikelihood", "cloze"}, {"loglikelihood_rolling", "text"}, {"generate_until", "written"}};
    const char *kind = "";
    char count[16] = "";
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        kind = strcmp(kinds[k][0], text_of(row, "kind")) == 0 ? kinds[k][1] : kind;
    if (items > 0)
        snprintf(count, sizeof count, "%.0f", items);
    if (strlen(name) > NAME_COLUMNS) // a line of its own
        printf("%s\n%*s", name, NAME_COLUMNS, "");
    else
        printf("%-*s", NAME_COLUMNS, name);
    printf(" %-2s %-7s %6s %-15s %s\n", text_of(row, "language"), kind, count, text_of(row, "metric"), text_of(row, "licence"));
}

/* Tasks of a group from `row` on, and their items (0 when one isn't known). */
static int count_group(const cJSON *rows, const char *group, double *items)
{
    const cJSON *row;
    bool known = true;
    int n = 0;
    *items = 0;
    cJSON_ArrayForEach(row, rows) {
        if (strcmp(group_of(row), group) != 0)
            continue;
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(row, "items");
        known = known && cJSON_IsNumber(count);
        *items += cJSON_IsNumber(count) ? count->valuedouble : 0;
        n++;
    }
    *items = known ? *items : 0;
    return n;
}

static void print_table(const struct listing *l)
{
    const cJSON *row, *earlier;
    printf("%-*s %-2s %-7s %6s %-15s %s\n", NAME_COLUMNS, "task", "", "kind", "items", "metric", "licence");
    cJSON_ArrayForEach(row, l->rows) {
        double items;
        char name[256];
        const char *group = group_of(row);
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(row, "items");
        int n = count_group(l->rows, group, &items);
        if (l->wanted || n <= MOST_SHOWN) {
            print_line(text_of(row, "task"), row, cJSON_IsNumber(own) ? own->valuedouble : 0);
            continue;
        }
        earlier = l->rows->child;
        while (earlier != row && strcmp(group_of(earlier), group) != 0)
            earlier = earlier->next;
        snprintf(name, sizeof name, "%.200s (%d tasks)", group, n);
        if (earlier == row) // the group's first
            print_line(name, row, items);
    }
    if (!l->wanted)
        printf("\n'jeoul tasks GROUP' shows the tasks of a group, 'jeoul fetch --list' the sets.\n");
}

static bool list_tasks(const struct eval_places *places, const char *wanted, bool json, struct error *err)
{
    cJSON *root = cJSON_CreateObject();
    struct listing l = {.wanted = wanted, .rows = cJSON_AddArrayToObject(root, "tasks")};
    struct eval_task **none;
    int count;
    bool ok = eval_tasks_list(places, add_task, &l, err);
    if (ok && cJSON_GetArraySize(l.rows) == 0) { // opening it tells which names are near
        ok = eval_tasks_open(places, wanted ? wanted : "", &none, &count, err);
    } else if (ok && json)
        ok = cli_print_json(root, err);
    else if (ok)
        print_table(&l);
    cJSON_Delete(root);
    return ok;
}

/* --- items ------------------------------------------------------------------------------------------------------------------------------
 */

static bool print_json(void *context, const cJSON *item, struct error *err)
{
    char *text = cJSON_PrintUnformatted(item);
    (void)context;
    if (!text)
        return error_set(err, ERROR_MACHINE, "out of memory for an item");
    puts(text);
    free(text);
    return true;
}

/* What a text ends with is seen: it stands between bars. */
static void print_texts(const char *title, const cJSON *value)
{
    const cJSON *one;
    int i = 0;
    if (cJSON_IsString(value))
        printf("%s |%s|\n", title, value->valuestring);
    if (!cJSON_IsArray(value))
        return;
    cJSON_ArrayForEach(one, value)
        printf("%s %d |%s|\n", title, i++, cJSON_IsString(one) ? one->valuestring : "");
}

static bool print_item(void *context, const cJSON *item, struct error *err)
{
    static const char *const texts[] = {"context", "contexts", "continuation", "continuations", "target"};
    const cJSON *gold = cJSON_GetObjectItemCaseSensitive(item, "gold");
    (void)context;
    (void)err;
    printf("--- %s, item %d\n", text_of(item, "task"), cJSON_GetObjectItemCaseSensitive(item, "doc_index")->valueint);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        print_texts(texts[i], cJSON_GetObjectItemCaseSensitive(item, texts[i]));
    if (cJSON_IsNumber(gold))
        printf("gold %d\n", gold->valueint);
    return true;
}

static bool render(const struct cli *cli, const struct eval_places *places, struct error *err)
{
    struct eval_task **tasks = NULL;
    int64_t shots, limit;
    int count = 0;
    if (cli->n_arguments != 2)
        return error_set(err, ERROR_INPUT, "tasks render: name one task or group; try 'jeoul tasks'");
    bool ok = cli_number(cli, "shots", 0, 1000, -1, &shots, err) && cli_number(cli, "limit", 0, 1 << 30, 0, &limit, err) &&
              eval_tasks_open(places, cli->arguments[1], &tasks, &count, err);
    for (int i = 0; i < count; i++) {
        ok = ok && eval_task_render(tasks[i], (int)shots, (int)limit, cli_flag(cli, "json") ? print_json : print_item, NULL, err);
        eval_task_close(tasks[i]);
    }
    free(tasks);
    return ok;
}

static int run(struct cli *cli, struct error *err)
{
    char tasks[4096], builtin[4096], sources[4096];
    struct eval_places places = {.tasks = tasks, .builtin = builtin, .sources = sources, .data = cli_text(cli, "data", NULL)};
    if (!places_find("datasets/tasks", tasks, sizeof tasks, err) || !places_find("datasets/builtin", builtin, sizeof builtin, err) ||
        !places_find("datasets/sources", sources, sizeof sources, err))
        return 0;
    bool rendering = cli->n_arguments && strcmp(cli->arguments[0], "render") == 0;
    if (!rendering && cli->n_arguments > 1)
        error_record(err, ERROR_INPUT, "tasks: \"%.40s\": name one task or group, or 'render' and one", cli->arguments[1]);
    else if (rendering)
        (void)render(cli, &places, err);
    else
        (void)list_tasks(&places, cli->n_arguments ? cli->arguments[0] : NULL, cli_flag(cli, "json"), err);
    return 0;
}

const struct cli_verb verb_tasks = {
    .name = "tasks",
    .arguments = "[NAME | render NAME]",
    .least = 0,
    .most = 2,
    .summary = "List the evaluation tasks, or show what one asks",
    .text = "A task is described by a file in datasets/tasks (docs/tasks.md); eval takes names of tasks and\n"
            "of groups. 'render' prints its items as a model would be asked: context, continuations, gold.",
    .example = "jeoul tasks render kobest_copa --data evalsets --shots 5 --limit 1",
    .run = run,
    .options = {{"data", 0, "DIR", "where the sets lie (what 'jeoul fetch' fetched)"},
                {"shots", 0, "K", "few-shot examples (the task's own number)"},
                {"limit", 0, "N", "the first N items (all)"},
                {"json", 0, NULL, "JSON: the list, or one object a line with everything"}},
};
