/* jeoul tasks: what can be scored. */
#include "harness/verbs.h"

#include "eval/eval.h"
#include "harness/places.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static void add_task(void *context, const struct eval_task_info *info)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "task", info->name);
    cJSON_AddStringToObject(row, "group", info->group);
    cJSON_AddStringToObject(row, "language", info->language);
    cJSON_AddStringToObject(row, "licence", info->licence);
    cJSON_AddStringToObject(row, "source", info->source);
    cJSON_AddStringToObject(row, "summary_ko", info->summary_ko);
    cJSON_AddStringToObject(row, "summary_en", info->summary_en);
    cJSON_AddItemToArray(context, row);
}

static void print_task(void *context, const struct eval_task_info *info)
{
    (void)context;
    printf("%-26s %-12s %-4s %s\n", info->name, info->group, info->language, info->summary_en);
}

static int run(struct cli *cli, struct error *err)
{
    char directory[4096];
    struct eval_places places = {.tasks = directory};
    if (!places_find("datasets/tasks", directory, sizeof directory, err))
        return 0;
    if (!cli_flag(cli, "json")) {
        printf("%-26s %-12s %-4s %s\n", "task", "group", "", "what it asks");
        (void)(eval_tasks_list(&places, print_task, NULL, err) || error_prefix(err, "tasks"));
        return 0;
    }
    cJSON *root = cJSON_CreateObject(), *tasks = cJSON_AddArrayToObject(root, "tasks");
    char *text = eval_tasks_list(&places, add_task, tasks, err) ? cJSON_Print(root) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
    return 0;
}

const struct cli_verb verb_tasks = {
    .name = "tasks",
    .arguments = "",
    .summary = "List the evaluation tasks and their groups",
    .text = "A task is a file in datasets/tasks; eval takes names of tasks and of groups. Those that are not\n"
            "built in need their data: see eval --data.",
    .example = "jeoul tasks --json",
    .run = run,
    .options = {{"json", 0, NULL, "the list as JSON, with licences and sources"}},
};
