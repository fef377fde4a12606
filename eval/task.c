/* Tasks: files, names and groups, and rendering an item. docs/tasks.md describes the format. */
#include "eval/task.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/datasets.h"
#include "eval/template.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 64, MAX_TASKS = 1024, MAX_TASK_BYTES = 1 << 20 };

static const char *const keys[] = {"name",    "group",    "language", "version", "licence", "source", "summary_ko",  "summary_en",
                                   "builtin", "data",     "format",   "context", "choices", "gold",   "gold_offset", "target_delimiter",
                                   "filter",  "acc_norm", NULL};

static bool read_text(const struct json_at *root, const char *key, const char **out, struct error *err)
{
    struct json_at at = json_member(root, key);
    return json_string(&at, out, err);
}

/* The description, without data. */
static bool read_description(struct eval_task *task, struct error *err)
{
    struct json_at root = json_root(task->path, task->document), at;
    struct eval_task_info *i = &task->info;
    if (!json_only(&root, keys, err) || !read_text(&root, "name", &i->name, err) || !read_text(&root, "language", &i->language, err) ||
        !read_text(&root, "version", &i->version, err) || !read_text(&root, "licence", &i->licence, err) ||
        !read_text(&root, "source", &i->source, err) || !read_text(&root, "summary_ko", &i->summary_ko, err) ||
        !read_text(&root, "summary_en", &i->summary_en, err))
        return false;
    at = json_member(&root, "group");
    if (!json_string_or(&at, i->name, &i->group, err))
        return false;
    at = json_member(&root, "target_delimiter");
    if (!json_string_or(&at, " ", &task->target_delimiter, err))
        return false;
    at = json_member(&root, "acc_norm");
    return json_bool_or(&at, false, &i->has_acc_norm, err);
}

static struct eval_task *read_task(const char *directory, const char *file, struct error *err)
{
    struct eval_task *task = memory_array(1, sizeof *task, "task", err);
    size_t n = strlen(directory) + strlen(file) + 2;
    if (!task || !(task->path = memory_array(n, 1, "task", err))) {
        free(task);
        return NULL;
    }
    snprintf(task->path, n, "%s/%s", directory, file);
    task->document = json_read(task->path, MAX_TASK_BYTES, err);
    if (!task->document || !read_description(task, err)) {
        eval_task_close(task);
        return NULL;
    }
    return task;
}

void eval_task_close(struct eval_task *task)
{
    if (!task)
        return;
    cJSON_Delete(task->document);
    cJSON_Delete(task->records);
    free(task->path);
    free(task);
}

struct eval_task_info eval_task_info(const struct eval_task *task)
{
    return task->info;
}

static int is_task(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* Every task of the directory, sorted by file name. */
static bool read_all(const char *directory, struct eval_task ***out, int *count, struct error *err)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_task, alphasort);
    if (n < 0)
        return error_set_errno(err, "%s: the directory of tasks cannot be read", directory);
    *out = memory_array((size_t)n + 1, sizeof **out, "tasks", err);
    *count = 0;
    bool ok = *out != NULL;
    for (int i = 0; i < n; i++) {
        if (ok && ((*out)[*count] = read_task(directory, entries[i]->d_name, err)))
            ++*count;
        else
            ok = false;
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static void close_all(struct eval_task **tasks, int count)
{
    for (int i = 0; tasks && i < count; i++)
        eval_task_close(tasks[i]);
    free(tasks);
}

bool eval_tasks_list(const struct eval_places *places, void (*fn)(void *context, const struct eval_task_info *), void *context,
                     struct error *err)
{
    struct eval_task **tasks = NULL;
    int count = 0;
    bool ok = read_all(places->tasks, &tasks, &count, err);
    for (int i = 0; ok && i < count; i++)
        fn(context, &tasks[i]->info);
    close_all(tasks, count);
    return ok;
}

static bool read_data(const struct eval_places *places, struct eval_task *task, struct error *err)
{
    struct json_at root = json_root(task->path, task->document), at;
    const char *file, *format, *directory = places->builtin;
    struct record_options options = {0};
    char path[4096];
    at = json_member(&root, "format");
    if (!json_string(&at, &format, err))
        return false;
    if (!record_format_named(format, &options.format))
        return json_error(&at, err, "\"%.16s\" is not a format: jsonl, json, tsv, csv", format);
    at = json_member(&root, "builtin");
    if (!at.value) {
        at = json_member(&root, "data");
        directory = places->data;
        if (!directory)
            return error_set(err, ERROR_INPUT, "task %s: its data are not built in; name their directory with --data DIR", task->info.name);
    }
    if (!json_string(&at, &file, err))
        return false;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!(task->records = records_read(path, &options, 0, err)) || !hash_file(path, task->data_sha256, err))
        return error_prefix(err, "task %s", task->info.name);
    task->info.data_sha256 = task->data_sha256;
    task->info.n_items = cJSON_GetArraySize(task->records);
    if (!task->info.n_items)
        return error_set(err, ERROR_INPUT, "task %s: %s has no records", task->info.name, path);
    double chance = 0;
    for (int i = 0; i < task->info.n_items; i++) {
        struct task_item item;
        if (!task_render(task, i, &item, err))
            return false;
        chance += 1.0 / item.n_choices / task->info.n_items;
        task_item_free(&item);
    }
    task->info.chance = chance;
    return true;
}

bool eval_tasks_open(const struct eval_places *places, const char *names, struct eval_task ***tasks, int *count, struct error *err)
{
    struct eval_task **all = NULL;
    int n_all = 0;
    *tasks = NULL;
    *count = 0;
    bool ok = read_all(places->tasks, &all, &n_all, err) && (*tasks = memory_array((size_t)n_all + 1, sizeof **tasks, "tasks", err));
    for (const char *at = names; ok;) {
        size_t n = strcspn(at, ",");
        bool found = false;
        for (int i = 0; ok && i < n_all; i++) {
            struct eval_task *task = all[i];
            if (!task)
                continue;
            bool named = (strlen(task->info.name) == n && memcmp(task->info.name, at, n) == 0) ||
                         (strlen(task->info.group) == n && memcmp(task->info.group, at, n) == 0);
            if (!named)
                continue;
            found = true;
            (*tasks)[(*count)++] = task;
            all[i] = NULL;
            ok = read_data(places, task, err);
        }
        for (int i = 0; !found && i < *count; i++) // named before
            found = (strlen((*tasks)[i]->info.name) == n && memcmp((*tasks)[i]->info.name, at, n) == 0) ||
                    (strlen((*tasks)[i]->info.group) == n && memcmp((*tasks)[i]->info.group, at, n) == 0);
        if (ok && !found) {
            struct text list = {0};
            for (int i = 0; i < n_all; i++)
                if (all[i])
                    text_format(&list, "%s%s", list.length ? ", " : "", all[i]->info.name);
            ok = error_set(err, ERROR_INPUT, "no task or group \"%.*s\"; there are: %s", (int)(n > 64 ? 64 : n), at,
                           list.bytes ? list.bytes : "none");
            text_free(&list);
        }
        if (at[n] == '\0')
            break;
        at += n + 1;
    }
    close_all(all, n_all);
    if (!ok) {
        close_all(*tasks, *count);
        *tasks = NULL;
        *count = 0;
    }
    return ok;
}

/* --- rendering
 * ----------------------------------------------------------------------------------------------------------------------------- */

void task_item_free(struct task_item *item)
{
    for (int i = 0; i < item->n_choices; i++)
        free(item->choices[i]);
    free(item->choices);
    free(item->context);
    *item = (struct task_item){0};
}

struct rendering {
    const struct eval_task *task;
    const cJSON *record;
    char where[256];
    const char *filter; // for the whole text; NULL: none
    struct error *err;
};

/* A template filled and filtered, as a string to free; NULL on failure. `plain`: the text as it is, not a template. */
static char *render(const struct rendering *r, const char *source, bool plain)
{
    struct text out = {0};
    bool ok = true;
    if (plain)
        text_add_string(&out, source);
    else
        ok = template_fill(source, r->record, r->where, &out, r->err);
    if (ok && r->filter)
        ok = template_filter(r->filter, strlen(r->filter), r->where, &out, r->err);
    if (ok && text_ok(&out, r->err))
        return out.bytes;
    text_free(&out);
    return NULL;
}

/* "{name}" alone names a field that holds a list. */
static const cJSON *list_field(const struct rendering *r, const char *source)
{
    char name[128];
    size_t n = strlen(source);
    if (n < 3 || n >= sizeof name || source[0] != '{' || source[n - 1] != '}')
        return NULL;
    memcpy(name, source + 1, n - 2);
    name[n - 2] = '\0';
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->record, name);
    return cJSON_IsArray(list) ? list : NULL;
}

static bool render_choices(const struct rendering *r, struct task_item *item)
{
    const cJSON *source = cJSON_GetObjectItemCaseSensitive(r->task->document, "choices"), *list = source;
    bool from_record = cJSON_IsString(source);
    if (from_record)
        list = list_field(r, source->valuestring);
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count < 2 || count > MAX_CHOICES)
        return error_set(r->err, ERROR_INPUT, "%s: %d choices, 2 … %d are wanted", r->where, count, MAX_CHOICES);
    if (!(item->choices = memory_array((size_t)count, sizeof *item->choices, "choices", r->err)))
        return false;
    const cJSON *choice;
    cJSON_ArrayForEach(choice, list) {
        if (!cJSON_IsString(choice))
            return error_set(r->err, ERROR_INPUT, "%s: choice %d is not a text", r->where, item->n_choices + 1);
        if (!(item->choices[item->n_choices] = render(r, choice->valuestring, from_record)))
            return false;
        item->n_choices++;
    }
    return true;
}

static bool render_gold(const struct rendering *r, struct task_item *item)
{
    struct json_at root = json_root(r->task->path, r->task->document), at = json_member(&root, "gold");
    struct rendering unfiltered = *r;
    const char *source;
    int64_t offset;
    unfiltered.filter = NULL;
    if (!json_string(&at, &source, r->err))
        return false;
    at = json_member(&root, "gold_offset");
    if (!json_integer_or(&at, -100, 100, 0, &offset, r->err))
        return false;
    char *text = render(&unfiltered, source, false), *end;
    if (!text)
        return false;
    long gold = strtol(text, &end, 10);
    bool ok = end != text && *end == '\0' && gold >= -offset && gold < item->n_choices - offset;
    if (ok)
        item->gold = (int)(gold + offset);
    else
        error_record(r->err, ERROR_INPUT, "%s: the gold answer \"%.40s\" names none of the %d choices", r->where, text, item->n_choices);
    free(text);
    return ok;
}

bool task_render(const struct eval_task *task, int index, struct task_item *out, struct error *err)
{
    struct rendering r = {.task = task, .record = cJSON_GetArrayItem(task->records, index), .err = err};
    struct json_at root = json_root(task->path, task->document), at = json_member(&root, "filter");
    const char *context;
    snprintf(r.where, sizeof r.where, "task %s, record %d", task->info.name, index + 1);
    *out = (struct task_item){0};
    if (!json_string_or(&at, NULL, &r.filter, err))
        return false;
    at = json_member(&root, "context");
    bool ok =
        json_string(&at, &context, err) && (out->context = render(&r, context, false)) && render_choices(&r, out) && render_gold(&r, out);
    if (!ok)
        task_item_free(out);
    return ok;
}
