/* A task's records: read from its set, split into pages, selected. */
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "datasets/datasets.h"
#include "eval/pattern.h"
#include "eval/task.h"
#include "eval/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct task_places {
    char *sources, *data, *cache, *builtin;
};

static bool copy_path(char **out, const char *path, struct error *err)
{
    return !path || (*out = strdup(path)) || error_set(err, ERROR_MACHINE, "out of memory for a path");
}

static struct task_places *copy_places(const struct eval_places *places, struct error *err)
{
    char sources[4096], cache[4096];
    struct task_places *copy = memory_array(1, sizeof *copy, "places", err);
    if (!copy)
        return NULL;
    snprintf(sources, sizeof sources, "%.4000s/../sources", places->tasks);
    bool ok = copy_path(&copy->sources, places->sources ? places->sources : sources, err) && copy_path(&copy->data, places->data, err) &&
              copy_path(&copy->builtin, places->builtin, err) &&
              (places->data || places->cache || cache_directory(cache, sizeof cache, err)) &&
              copy_path(&copy->cache, places->cache || places->data ? places->cache : cache, err);
    if (ok)
        return copy;
    free(copy->sources);
    free(copy->data);
    free(copy->builtin);
    free(copy);
    return NULL;
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------
 */

static cJSON *read_builtin(const struct eval_task *task, struct source_used *used, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), file = json_member(&root, "builtin"),
                   format = json_member(&root, "format");
    const char *name, *format_name;
    struct record_options options = {0};
    if (!json_string(&file, &name, err) || !json_string(&format, &format_name, err))
        return NULL;
    if (!record_format_named(format_name, &options.format)) {
        json_record(&format, err, "\"%.16s\" is no format of records", format_name);
        return NULL;
    }
    snprintf(used->path, sizeof used->path, "%.2000s/%.2000s", task->places->builtin ? task->places->builtin : ".", name);
    return hash_file(used->path, used->sha256, err) ? records_read(used->path, &options, 0, err) : NULL;
}

static cJSON *read_split(const struct eval_task *task, const char *split, struct source_used *used, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), data = json_member(&root, "data"), subset = json_member(&data, "subset");
    struct data_places places = {.data = task->places->data, .cache = task->places->cache};
    const char *subset_name;
    if (!task->info.set) // built in: one file, which is its own pool
        return read_builtin(task, used, err);
    if (!json_string_or(&subset, "", &subset_name, err))
        return NULL;
    struct source *source = source_read(task->places->sources, task->info.set, err);
    cJSON *records = source ? source_records(source, split, subset_name, &places, 0, used, err) : NULL;
    source_free(source);
    return records;
}

/* --- pages: a text that is one record becomes a record for each part of it --------------------------------------------------------------
 */

/* "pages": {"of": field, "as": field, "begins": pattern}: a part begins at every line that matches. Lines before the first belong to none,
 * the line end before a beginning neither. */
struct paging {
    const char *of, *as;
    struct pattern *begins;
    cJSON *out;
    struct error *err;
};

static bool add_page(struct paging *p, const char *begin, const char *end)
{
    struct text page = {0};
    cJSON *record = cJSON_CreateObject();
    text_add(&page, begin, (size_t)(end - begin));
    bool ok = text_ok(&page, p->err) && cJSON_AddStringToObject(record, p->as, page.bytes) && cJSON_AddItemToArray(p->out, record);
    text_free(&page);
    return ok || error_set(p->err, ERROR_MACHINE, "out of memory for pages");
}

static bool add_pages(struct paging *p, const char *text)
{
    const char *begin = NULL;
    struct text match = {0};
    bool ok = true;
    for (const char *line = text; ok; line++) {
        size_t n = strcspn(line, "\n");
        int found = 0;
        text_clear(&match);
        ok = pattern_find(p->begins, line, n, 0, &match, &found, p->err);
        if (ok && found) {
            ok = !begin || add_page(p, begin, line - 1);
            begin = line;
        }
        line += n;
        if (!*line) {
            ok = ok && (!begin || add_page(p, begin, line));
            break;
        }
    }
    text_free(&match);
    return ok;
}

static cJSON *split_pages(const struct eval_task *task, cJSON *records, const char *path, struct error *err)
{
    static const char *const keys[] = {"of", "as", "begins", NULL};
    struct json_at root = json_root(task->file, task->document), at = json_member(&root, "pages"), of = json_member(&at, "of"),
                   as = json_member(&at, "as"), begins = json_member(&at, "begins");
    struct paging p = {.err = err};
    const char *pattern;
    if (!at.value || !records)
        return records;
    bool ok = json_only(&at, keys, err) && json_string(&of, &p.of, err) && json_string(&as, &p.as, err) &&
              json_string(&begins, &pattern, err) && (p.begins = pattern_compile(pattern, err)) && (p.out = cJSON_CreateArray());
    const cJSON *record, *all = ok ? records : NULL;
    cJSON_ArrayForEach(record, all) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, p.of));
        ok = ok && (text || error_set(err, ERROR_INPUT, "%s: a record has no text \"%s\" to be split into pages", path, p.of)) &&
             add_pages(&p, text);
    }
    pattern_free(p.begins);
    cJSON_Delete(records);
    if (ok)
        return p.out;
    cJSON_Delete(p.out);
    return NULL;
}

/* --- selecting --------------------------------------------------------------------------------------------------------------------------
 */

/* "where": a template that holds when it gives a text, {"all": […]}, {"any": […]} or {"not": …}; later conditions are looked at only while
 * the earlier ones leave it open. */
static bool holds(const struct template_scope *scope, const struct json_at *at, int depth, bool *out, struct error *err)
{
    static const char *const keys[] = {"all", "any", "not", NULL};
    if (cJSON_IsString(at->value))
        return template_holds(scope, at->value->valuestring, out, err);
    if (!json_only(at, keys, err))
        return false;
    const cJSON *only = at->value->child;
    if (depth > 8 || !only || only->next)
        return json_error(at, err, "a condition is a template or one of \"all\", \"any\", \"not\", nested at most 8 deep");
    struct json_at inner = json_member(at, only->string);
    if (strcmp(only->string, "not") == 0) {
        bool ok = holds(scope, &inner, depth + 1, out, err);
        *out = !*out;
        return ok;
    }
    bool all = strcmp(only->string, "all") == 0;
    int count;
    *out = all;
    if (!json_array(&inner, &count, err))
        return false;
    for (int i = 0; i < count && *out == all; i++) {
        struct json_at one = json_element(&inner, i);
        if (!holds(scope, &one, depth + 1, out, err))
            return false;
    }
    return true;
}

/* Those records that the task wants; their numbers in the file. */
static cJSON *select_records(const struct eval_task *task, cJSON *records, const char *path, int **numbers, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), where = json_member(&root, "where");
    int n = cJSON_GetArraySize(records), kept = 0, number = 0;
    cJSON *selected = cJSON_CreateArray();
    struct template_patterns patterns = {0};
    if (!selected || !records || !(*numbers = memory_array((size_t)n + 1, sizeof **numbers, "records", err))) {
        cJSON_Delete(selected);
        cJSON_Delete(records);
        return NULL;
    }
    bool ok = true;
    while (ok && records->child) {
        char place[512];
        bool wanted = true;
        snprintf(place, sizeof place, "task %.100s, %.300s, record %d", task->info.name, path, ++number);
        struct template_scope scope = {.record = records->child, .patterns = &patterns, .where = place};
        ok = !where.value || holds(&scope, &where, 0, &wanted, err);
        cJSON *record = cJSON_DetachItemViaPointer(records, records->child);
        if (ok && wanted) {
            (*numbers)[kept++] = number;
            cJSON_AddItemToArray(selected, record);
        } else
            cJSON_Delete(record);
    }
    template_patterns_free(&patterns);
    cJSON_Delete(records);
    if (ok && kept > 0)
        return selected;
    if (ok)
        error_record(err, ERROR_INPUT, "task %s: %s has no records%s", task->info.name, path, n ? " that it is about" : "");
    cJSON_Delete(selected);
    free(*numbers);
    *numbers = NULL;
    return NULL;
}

bool task_data_open(struct eval_task *task, const struct eval_places *places, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), data = json_member(&root, "data"), split = json_member(&data, "split");
    struct source_used used = {0};
    const char *name;
    if (!json_string_or(&split, "", &name, err) || !(task->places = copy_places(places, err)))
        return false;
    cJSON *records = split_pages(task, read_split(task, name, &used, err), used.path, err);
    if (!records)
        return error_prefix(err, "task %s", task->info.name);
    if (!(task->records = select_records(task, records, used.path, &task->record_numbers, err)) ||
        !copy_path(&task->data_path, used.path, err))
        return false;
    memcpy(task->data_sha256, used.sha256, sizeof task->data_sha256);
    task->info.data_sha256 = task->data_sha256;
    task->info.n_items = cJSON_GetArraySize(task->records);
    return true;
}

void task_data_close(struct eval_task *task)
{
    cJSON_Delete(task->records);
    free(task->record_numbers);
    free(task->data_path);
    if (!task->places)
        return;
    free(task->places->sources);
    free(task->places->data);
    free(task->places->cache);
    free(task->places->builtin);
    free(task->places);
}

cJSON *task_data_pool(const struct eval_task *task, char *name, size_t n, struct error *err)
{
    struct source_used used = {0};
    int *numbers = NULL;
    if (!task->fewshot.split) {
        cJSON *pool = task->fewshot.examples ? cJSON_Duplicate(task->fewshot.examples, true) : NULL;
        snprintf(name, n, "%s", task->file);
        if (!task->fewshot.examples)
            error_record(err, ERROR_INPUT, "task %s: has no few-shot examples: --shots 0", task->info.name);
        else if (!pool)
            error_record(err, ERROR_MACHINE, "out of memory for examples");
        return pool;
    }
    cJSON *pool = read_split(task, task->fewshot.split, &used, err);
    snprintf(name, n, "%s", used.path);
    if (!pool) {
        error_record_prefix(err, "task %s, few-shot examples", task->info.name);
        return NULL;
    }
    pool = select_records(task, pool, used.path, &numbers, err);
    free(numbers);
    return pool;
}
