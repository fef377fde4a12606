/* Task files: what one file says becomes one document a task.
 *
 * "include" names a file of the same directory whose keys are taken where this file has none (null takes a key away). "variants" is a list
 * of objects, each of which makes a task: a key that tasks have replaces the file's, any other is a word, and <word> in any text becomes
 * its value. So one table of subjects serves 57 tasks, and another form of them is a file that includes the first. */
#include "eval/task.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/task_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TASK_BYTES = 1 << 20, MAX_INCLUDES = 4, MAX_VARIANTS = 512, MAX_WORD_BYTES = 256, MAX_SPREAD_BYTES = 1 << 24, MAX_NESTING = 32 };

static bool is_key(const char *name)
{
    for (const char *const *key = task_keys; *key; key++)
        if (strcmp(*key, name) == 0)
            return true;
    return false;
}

/* Puts a copy of a member into an object, in place of what has its name there; null only takes away. */
static bool put(cJSON *object, const cJSON *member, struct error *err)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, member->string);
    if (cJSON_IsNull(member))
        return true;
    cJSON *copy = cJSON_Duplicate(member, true);
    if (!copy || !cJSON_AddItemToObject(object, member->string, copy)) {
        cJSON_Delete(copy);
        return error_set(err, ERROR_MACHINE, "out of memory for a task");
    }
    return true;
}

static cJSON *read_with_includes(const char *directory, const char *name, int depth, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%.2000s/%.2000s", directory, name);
    cJSON *own = json_read(path, MAX_TASK_BYTES, err), *base = NULL;
    if (!own)
        return NULL;
    struct json_at root = json_root(path, own), include = json_member(&root, "include");
    const char *included;
    bool ok = json_only(&root, task_keys, err) && json_string_or(&include, NULL, &included, err);
    if (ok && !included)
        return own;
    if (ok && (strchr(included, '/') || depth == MAX_INCLUDES))
        ok = json_error(&include, err, "\"%.60s\" is no file beside this one, or is included %d files deep", included, MAX_INCLUDES);
    ok = ok && (base = read_with_includes(directory, included, depth + 1, err));
    const cJSON *member, *members = ok ? own : NULL;
    cJSON_ArrayForEach(member, members)
        ok = ok && put(base, member, err);
    cJSON_Delete(own);
    if (ok) {
        cJSON_DeleteItemFromObjectCaseSensitive(base, "include");
        return base;
    }
    cJSON_Delete(base);
    return NULL;
}

/* Spreading one variant. */
struct spreading {
    const cJSON *words;
    size_t *bytes; // of all texts that words were put into
    struct error *err;
};

/* <word> in a text becomes the word's value. */
static bool put_words(const struct spreading *s, const char *source, struct text *out)
{
    while (*source) {
        size_t plain = strcspn(source, "<"), n;
        text_add(out, source, plain);
        source += plain;
        if (!*source)
            break;
        char name[64] = "";
        n = strcspn(source + 1, "<>");
        if (source[1 + n] == '>' && n > 0 && n < sizeof name)
            memcpy(name, source + 1, n);
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s->words, name));
        if (value && !is_key(name)) {
            text_add_string(out, value);
            source += n + 2;
        } else
            text_add(out, source++, 1);
    }
    text_add(out, "", 0);
    *s->bytes += out->length;
    if (*s->bytes > MAX_SPREAD_BYTES)
        return error_set(s->err, ERROR_INPUT, "the variants make more than %d MiB of text", MAX_SPREAD_BYTES >> 20);
    return text_ok(out, s->err);
}

static bool spread(const struct spreading *s, cJSON *value, int depth)
{
    if (depth > MAX_NESTING)
        return error_set(s->err, ERROR_INPUT, "values are nested more than %d deep", MAX_NESTING);
    if (cJSON_IsString(value) && strchr(value->valuestring, '<')) {
        struct text text = {0};
        bool ok = put_words(s, value->valuestring, &text);
        if (ok && !cJSON_SetValuestring(value, text.bytes))
            ok = error_set(s->err, ERROR_MACHINE, "out of memory for a task");
        text_free(&text);
        return ok;
    }
    cJSON *member;
    cJSON_ArrayForEach(member, value) {
        if (!spread(s, member, depth + 1))
            return false;
    }
    return true;
}

static cJSON *make_variant(const cJSON *base, const struct json_at *at, size_t *bytes, struct error *err)
{
    cJSON *task = cJSON_Duplicate(base, true);
    const cJSON *member;
    bool ok = task || error_set(err, ERROR_MACHINE, "out of memory for a task");
    cJSON_ArrayForEach(member, at->value) {
        bool word = !is_key(member->string);
        if (ok && word && !(cJSON_IsString(member) && strlen(member->valuestring) <= MAX_WORD_BYTES))
            ok = json_error(at, err, "\"%.40s\" is neither a key of tasks nor a word: a text of at most %d bytes", member->string,
                            MAX_WORD_BYTES);
        ok = ok && (word || put(task, member, err));
    }
    struct spreading s = {at->value, bytes, err};
    if (ok && !spread(&s, task, 0))
        ok = error_prefix(err, "%s: %s", at->file, at->path);
    if (ok)
        return task;
    cJSON_Delete(task);
    return NULL;
}

cJSON *task_file_read(const char *directory, const char *name, struct error *err)
{
    size_t bytes = 0;
    int count = 0;
    cJSON *base = read_with_includes(directory, name, 0, err), *tasks = base ? cJSON_CreateArray() : NULL;
    cJSON *variants = cJSON_DetachItemFromObjectCaseSensitive(base, "variants");
    if (tasks && !variants) {
        cJSON_AddItemToArray(tasks, base);
        return tasks;
    }
    struct json_at root = json_root(name, base), at = root;
    at.value = variants;
    snprintf(at.path, sizeof at.path, "variants");
    bool ok = tasks && json_array(&at, &count, err);
    if (ok && (count < 1 || count > MAX_VARIANTS))
        ok = json_error(&at, err, "%d variants, 1 … %d are wanted", count, MAX_VARIANTS);
    for (int i = 0; ok && i < count; i++) {
        struct json_at variant = json_element(&at, i);
        cJSON *task = json_object(&variant, err) ? make_variant(base, &variant, &bytes, err) : NULL;
        ok = task && cJSON_AddItemToArray(tasks, task);
    }
    cJSON_Delete(base);
    cJSON_Delete(variants);
    if (ok)
        return tasks;
    cJSON_Delete(tasks);
    return NULL;
}
