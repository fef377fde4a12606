/* Prompts: contexts, continuations and gold answers are those of lm-evaluation-harness, byte for byte. */
#include "tests/support.h"

#include "datasets/datasets.h"
#include "eval/task.h"

#include <string.h>

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    cr_assert(cJSON_IsString(value), "no text %s", key);
    return value->valuestring;
}

static int number_of(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    cr_assert(cJSON_IsNumber(value), "no number %s", key);
    return value->valueint;
}

static void expect_item(const struct eval_task *task, const cJSON *wanted)
{
    struct error err = {0};
    struct task_item item;
    int index = number_of(wanted, "doc_index");
    cr_assert(task_render(task, index, &item, &err), "%s", err.message);
    const cJSON *continuations = cJSON_GetObjectItemCaseSensitive(wanted, "continuations");
    cr_expect_str_eq(item.context, text_of(wanted, "context"), "%s, record %d: \"%s\"", task->info.name, index, item.context);
    cr_expect_eq(item.gold, number_of(wanted, "gold"), "%s, record %d", task->info.name, index);
    cr_assert_eq(item.n_choices, cJSON_GetArraySize(continuations), "%s, record %d", task->info.name, index);
    for (int i = 0; i < item.n_choices; i++) {
        const char *continuation = cJSON_GetArrayItem(continuations, i)->valuestring;
        size_t n = strlen(task->target_delimiter);
        cr_expect(strncmp(continuation, task->target_delimiter, n) == 0 && strcmp(continuation + n, item.choices[i]) == 0,
                  "%s, record %d: choice %d is \"%s\", \"%s\" is wanted", task->info.name, index, i, item.choices[i], continuation);
    }
    task_item_free(&item);
}

static void expect_rendered(const char *name)
{
    struct error err = {0};
    char path[256], data[4096];
    snprintf(path, sizeof path, "evalsets/rendered/%s.0shot.jsonl", name);
    NEEDS_SHARED(path);
    cJSON *lines = records_read(shared_path(path), &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
    cr_assert_not_null(lines, "%s", err.message);
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = data};
    struct eval_task **tasks;
    int count;
    cr_assert(eval_tasks_open(&places, name, &tasks, &count, &err), "%s", err.message);
    cr_assert_eq(count, 1);
    cr_expect_geq(cJSON_GetArraySize(lines), 20);
    const cJSON *line;
    cJSON_ArrayForEach(line, lines)
        expect_item(tasks[0], line);
    eval_task_close(tasks[0]);
    free(tasks);
    cJSON_Delete(lines);
}

Test(render, kobest_copa)
{
    expect_rendered("kobest_copa");
}

Test(render, kobest_hellaswag)
{
    expect_rendered("kobest_hellaswag");
}

Test(render, hellaswag)
{
    expect_rendered("hellaswag");
}

Test(render, unknown_tasks_and_missing_data_are_named)
{
    struct error err = {0};
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin"};
    struct eval_task **tasks;
    int count;
    cr_expect_not(eval_tasks_open(&places, "builtin_ko,no_such_task", &tasks, &count, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "no_such_task") != NULL, "%s", err.message);
    cr_expect_not(eval_tasks_open(&places, "kobest_copa", &tasks, &count, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "--data") != NULL, "%s", err.message);
    places.data = "/nonexistent";
    cr_expect_not(eval_tasks_open(&places, "kobest_copa", &tasks, &count, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "/nonexistent") != NULL, "%s", err.message);
}
