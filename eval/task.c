/* Tasks: descriptions, names and groups. docs/tasks.md has the format. */
#include "eval/task.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/prompt.h"
#include "eval/task_keys.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GROUPS = 8, MAX_TASKS = 2048, MAX_SHOTS = 1000 };

const char *const task_keys[] = {"include",
                                 "variants",
                                 "name",
                                 "group",
                                 "language",
                                 "version",
                                 "licence",
                                 "source",
                                 "summary_ko",
                                 "summary_en",
                                 "items",
                                 "builtin",
                                 "format",
                                 "data",
                                 "where",
                                 "pages",
                                 "fields",
                                 "define",
                                 "kind",
                                 "description",
                                 "context",
                                 "contexts",
                                 "choices",
                                 "gold",
                                 "labels",
                                 "continuation",
                                 "target",
                                 "original",
                                 "question",
                                 "fewshot",
                                 "target_delimiter",
                                 "until",
                                 "max_tokens",
                                 "filters",
                                 "metrics",
                                 NULL};

static const char *const kind_names[] = {[EVAL_CHOICES] = "multiple_choice",
                                         [EVAL_LIKELIHOOD] = "loglikelihood",
                                         [EVAL_ROLLING] = "loglikelihood_rolling",
                                         [EVAL_GENERATE] = "generate_until"};

const char *eval_kind_name(enum eval_kind kind)
{
    return kind_names[kind];
}

/* --- a description ---------------------------------------------------------------------------------------------------------------------
 */

static bool read_text(const struct json_at *root, const char *key, const char **out, struct error *err)
{
    struct json_at at = json_member(root, key);
    return json_string(&at, out, err);
}

/* One of several words. */
static bool read_word(const struct json_at *at, const char *const *words, int n, int fallback, int *out, struct error *err)
{
    const char *word;
    struct text list = {0};
    *out = fallback;
    if (!at->value)
        return true;
    if (!json_string(at, &word, err))
        return false;
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            text_free(&list);
            return true;
        }
        text_format(&list, "%s%s", i ? ", " : "", words[i]);
    }
    json_record(at, err, "\"%.40s\" is none of: %s", word, list.bytes ? list.bytes : "");
    text_free(&list);
    return false;
}

static bool read_groups(struct eval_task *task, const struct json_at *root, struct error *err)
{
    struct json_at at = json_member(root, "group");
    struct eval_task_info *info = &task->info;
    int n = 0;
    if (!(task->groups = memory_array(MAX_GROUPS, sizeof *task->groups, "task", err)))
        return false;
    info->groups = task->groups;
    if (cJSON_IsString(at.value))
        task->groups[info->n_groups++] = at.value->valuestring;
    else if (at.value && !json_array(&at, &n, err))
        return false;
    if (n > MAX_GROUPS)
        return json_error(&at, err, "%d groups, at most %d are allowed", n, MAX_GROUPS);
    for (int i = 0; i < n; i++) {
        struct json_at group = json_element(&at, i);
        if (!json_string(&group, &task->groups[info->n_groups++], err))
            return false;
    }
    info->group = info->n_groups ? task->groups[0] : info->name;
    return true;
}

static bool read_fewshot(struct eval_task *task, const struct json_at *root, struct error *err)
{
    static const char *const keys[] = {"shots",   "fixed",    "sampler", "split",     "examples",
                                       "context", "contexts", "target",  "delimiter", NULL};
    static const char *const samplers[] = {"random", "random_without_self", "first", "first_without_self"};
    struct json_at at = json_member(root, "fewshot"), shots = json_member(&at, "shots"), fixed = json_member(&at, "fixed"),
                   sampler = json_member(&at, "sampler"), split = json_member(&at, "split"), examples = json_member(&at, "examples"),
                   delimiter = json_member(&at, "delimiter");
    int64_t number;
    int which, n;
    if ((at.value && !json_only(&at, keys, err)) || !json_integer_or(&shots, 0, MAX_SHOTS, 0, &number, err) ||
        !json_bool_or(&fixed, false, &task->fewshot.fixed, err) || !read_word(&sampler, samplers, 4, TASK_RANDOM, &which, err) ||
        !json_string_or(&split, NULL, &task->fewshot.split, err) || (examples.value && !json_array(&examples, &n, err)) ||
        !json_string_or(&delimiter, "\n\n", &task->fewshot_delimiter, err))
        return false;
    task->fewshot.shots = task->info.shots = (int)number;
    task->fewshot.sampler = (enum task_sampler)which;
    task->fewshot.examples = examples.value;
    return true;
}

/* Every kind has keys that it can't do without. */
static bool has_what_its_kind_needs(const struct eval_task *task, const struct json_at *root, struct error *err)
{
    static const char *const needed[][3] = {[EVAL_CHOICES] = {NULL},
                                            [EVAL_LIKELIHOOD] = {"context", "continuation", NULL},
                                            [EVAL_ROLLING] = {"target", NULL},
                                            [EVAL_GENERATE] = {"context", "target", NULL}};
    const cJSON *document = task->document;
    for (const char *const *key = needed[task->info.kind]; *key; key++)
        if (!cJSON_HasObjectItem(document, *key))
            return json_error(root, err, "has no \"%s\", which a task of kind %s needs", *key, kind_names[task->info.kind]);
    if (task->info.kind != EVAL_CHOICES)
        return true;
    bool one = cJSON_HasObjectItem(document, "context") && cJSON_HasObjectItem(document, "choices");
    bool several = cJSON_HasObjectItem(document, "contexts") && cJSON_HasObjectItem(document, "continuation");
    if (one == several)
        return json_error(root, err,
                          "a task of kind multiple_choice has either \"context\" and \"choices\" or \"contexts\" and \"continuation\"");
    if (!cJSON_HasObjectItem(document, "gold") && !cJSON_HasObjectItem(document, "labels"))
        return json_error(root, err, "has no \"gold\" (or \"labels\"): which choice is right");
    return true;
}

static bool read_data_names(struct eval_task *task, const struct json_at *root, struct error *err)
{
    static const char *const keys[] = {"source", "subset", "split", NULL};
    struct json_at at = json_member(root, "data");
    const char *split;
    if (cJSON_HasObjectItem(task->document, "builtin"))
        return !at.value || json_error(&at, err, "stands beside \"builtin\": a task has one of them");
    return json_only(&at, keys, err) && read_text(&at, "source", &task->info.set, err) && read_text(&at, "split", &split, err);
}

/* The description, without data. */
static bool read_description(struct eval_task *task, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), items = json_member(&root, "items"), kind = json_member(&root, "kind"),
                   delimiter = json_member(&root, "target_delimiter");
    struct eval_task_info *i = &task->info;
    int64_t n_items;
    int which;
    if (!json_only(&root, task_keys + 2, err) || !read_text(&root, "name", &i->name, err)) // no include, no variants any more
        return false;
    snprintf(root.path, sizeof root.path, "%.100s", i->name);
    if (!read_text(&root, "language", &i->language, err) || !read_text(&root, "version", &i->version, err) ||
        !read_text(&root, "licence", &i->licence, err) || !read_text(&root, "source", &i->source, err) ||
        !read_text(&root, "summary_ko", &i->summary_ko, err) || !read_text(&root, "summary_en", &i->summary_en, err) ||
        !json_integer_or(&items, 0, INT32_MAX, 0, &n_items, err) || !read_word(&kind, kind_names, 4, EVAL_CHOICES, &which, err) ||
        !json_string_or(&delimiter, " ", &task->target_delimiter, err) || !read_groups(task, &root, err) ||
        !read_fewshot(task, &root, err) || !read_data_names(task, &root, err))
        return false;
    i->n_items = (int)n_items;
    i->kind = (enum eval_kind)which;
    struct prompt_rules rules;
    if (!has_what_its_kind_needs(task, &root, err) || !prompt_rules_of_task(task, &rules, err))
        return false;
    i->metric = rules.metric;
    i->has_acc_norm = rules.has_acc_norm;
    return true;
}

void eval_task_close(struct eval_task *task)
{
    if (!task)
        return;
    task_data_close(task);
    cJSON_Delete(task->document);
    free(task->groups);
    free(task->file);
    free(task);
}

struct eval_task_info eval_task_info(const struct eval_task *task)
{
    return task->info;
}

/* --- all of a directory ----------------------------------------------------------------------------------------------------------------
 */

static int is_task(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

static bool add_task(struct task_list *list, const char *directory, const char *file, cJSON *document, struct error *err)
{
    struct eval_task *task = memory_array(1, sizeof *task, "task", err);
    size_t n = strlen(directory) + strlen(file) + 2;
    if (!task) {
        cJSON_Delete(document);
        return false;
    }
    list->tasks[list->count++] = task;
    task->document = document;
    if (!(task->file = memory_array(n, 1, "task", err)))
        return false;
    snprintf(task->file, n, "%s/%s", directory, file);
    if (!read_description(task, err))
        return false;
    for (int i = 0; i < list->count - 1; i++)
        if (strcmp(list->tasks[i]->info.name, task->info.name) == 0)
            return error_set(err, ERROR_INPUT, "%s: the task \"%.60s\" is in %s already", task->file, task->info.name,
                             list->tasks[i]->file);
    return true;
}

static bool read_file(struct task_list *list, const char *directory, const char *file, struct error *err)
{
    cJSON *documents = task_file_read(directory, file, err);
    bool ok = documents != NULL;
    while (ok && cJSON_GetArraySize(documents) > 0) {
        if (list->count == MAX_TASKS)
            ok = error_set(err, ERROR_INPUT, "%s: more than %d tasks", directory, MAX_TASKS);
        else
            ok = add_task(list, directory, file, cJSON_DetachItemFromArray(documents, 0), err);
    }
    cJSON_Delete(documents);
    return ok;
}

bool task_list_read(const char *directory, struct task_list *out, struct error *err)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_task, alphasort);
    *out = (struct task_list){0};
    if (n < 0)
        return error_set_errno(err, "%s: the directory of tasks cannot be read", directory);
    bool ok = (out->tasks = memory_array(MAX_TASKS, sizeof *out->tasks, "tasks", err)) != NULL;
    for (int i = 0; i < n; i++) {
        ok = ok && read_file(out, directory, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

void task_list_free(struct task_list *list)
{
    for (int i = 0; list->tasks && i < list->count; i++)
        eval_task_close(list->tasks[i]);
    free(list->tasks);
    *list = (struct task_list){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct eval_task *const *)a)->info.name, (*(struct eval_task *const *)b)->info.name);
}

bool eval_tasks_list(const struct eval_places *places, void (*fn)(void *context, const struct eval_task_info *), void *context,
                     struct error *err)
{
    struct task_list list;
    bool ok = task_list_read(places->tasks, &list, err);
    if (ok)
        qsort(list.tasks, (size_t)list.count, sizeof *list.tasks, by_name);
    for (int i = 0; ok && i < list.count; i++)
        fn(context, &list.tasks[i]->info);
    task_list_free(&list);
    return ok;
}

/* --- names -----------------------------------------------------------------------------------------------------------------------------
 */

static bool is_named(const struct eval_task_info *info, const char *name, size_t n)
{
    if (strlen(info->name) == n && memcmp(info->name, name, n) == 0)
        return true;
    for (int i = 0; i < info->n_groups; i++)
        if (strlen(info->groups[i]) == n && memcmp(info->groups[i], name, n) == 0)
            return true;
    return false;
}

/* The names of tasks and groups nearest to a name that is none. */
static bool unknown(const struct task_list *list, const char *name, struct error *err)
{
    enum { MOST_KNOWN = 3 };
    const char *nearest[MOST_KNOWN] = {NULL};
    size_t distances[MOST_KNOWN];
    struct text text = {0};
    for (int t = 0; t < list->count; t++)
        for (int g = -1; g < list->tasks[t]->info.n_groups; g++) {
            const char *known = g < 0 ? list->tasks[t]->info.name : list->tasks[t]->groups[g];
            size_t distance = text_distance(name, known);
            int at = MOST_KNOWN;
            bool again = false;
            for (int k = MOST_KNOWN - 1; k >= 0; k--) {
                again = again || (nearest[k] && strcmp(nearest[k], known) == 0);
                if (!nearest[k] || distance < distances[k])
                    at = k;
            }
            if (again || at == MOST_KNOWN)
                continue;
            memmove(nearest + at + 1, nearest + at, (size_t)(MOST_KNOWN - 1 - at) * sizeof *nearest);
            memmove(distances + at + 1, distances + at, (size_t)(MOST_KNOWN - 1 - at) * sizeof *distances);
            nearest[at] = known;
            distances[at] = distance;
        }
    for (int k = 0; k < MOST_KNOWN && nearest[k]; k++)
        text_format(&text, "%s%s", k ? ", " : "", nearest[k]);
    error_record(err, ERROR_INPUT, "no task or group \"%.64s\"; nearest are %s ('jeoul tasks' lists all)", name,
                 text.bytes ? text.bytes : "none");
    text_free(&text);
    return false;
}

static bool open_named(const struct eval_places *places, struct task_list *list, const char *name, struct eval_task **tasks, int *count,
                       struct error *err)
{
    size_t n = strlen(name);
    bool found = false;
    for (int i = 0; i < list->count; i++) {
        struct eval_task *task = list->tasks[i];
        if (!is_named(&task->info, name, n))
            continue;
        found = true;
        if (task->places) // opened already
            continue;
        if (!task_data_open(task, places, err) || !prompt_chance(task, &task->info.chance, err))
            return false;
        tasks[(*count)++] = task;
    }
    return found || unknown(list, name, err);
}

bool eval_tasks_open(const struct eval_places *places, const char *names, struct eval_task ***tasks, int *count, struct error *err)
{
    struct task_list list;
    char *copy = strdup(names), *rest = copy, *name;
    *tasks = NULL;
    *count = 0;
    bool ok = (copy || error_set(err, ERROR_MACHINE, "out of memory for tasks"));
    ok = task_list_read(places->tasks, &list, err) && ok;
    ok = ok && (*tasks = memory_array((size_t)list.count + 1, sizeof **tasks, "tasks", err));
    while (ok && (name = strsep(&rest, ",")))
        ok = open_named(places, &list, name, *tasks, count, err);
    int kept = 0;
    for (int i = 0; ok && i < list.count; i++)
        if (!list.tasks[i]->places)
            list.tasks[kept++] = list.tasks[i];
    if (ok)
        list.count = kept;
    task_list_free(&list);
    free(copy);
    if (!ok) {
        free(*tasks);
        *tasks = NULL;
        *count = 0;
    }
    return ok;
}
