/* The journal of a run: see journal.h. */
#include "eval/journal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_NS = 1000000000 };

struct journal {
    char *path, *task, *key;
    int file;
    uint64_t synced_ns;
    cJSON *lines; // this task's
    cJSON **by_index;
    size_t n_by_index;
};

static bool number_list(const cJSON *list, int n)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
        if (!cJSON_IsNumber(one) && !cJSON_IsBool(one))
            return false;
    return cJSON_IsArray(list) && cJSON_GetArraySize(list) == n;
}

static bool keep_line(struct journal *j, cJSON *line, int number, struct error *err)
{
    const char *task = json_text(line, "task"), *key = json_text(line, "key");
    double index = json_real(line, "doc_index");
    if (!(index >= 0 && index < 1e8) || !*task || !*key) {
        cJSON_Delete(line);
        return error_set(err, ERROR_INPUT, "%s: line %d is no item of a journal; name another file", j->path, number);
    }
    if (strcmp(task, j->task) != 0) {
        cJSON_Delete(line);
        return true;
    }
    if (strcmp(key, j->key) != 0) {
        error_record(err, ERROR_INPUT,
                     "%s: line %d has task %s of another model, data or options; name another file or go on with the same ones", j->path,
                     number, task);
        cJSON_Delete(line);
        return false;
    }
    size_t at = (size_t)index;
    if (!memory_grow((void **)&j->by_index, &j->n_by_index, at + 1, sizeof *j->by_index, "journal", err)) {
        cJSON_Delete(line);
        return false;
    }
    j->by_index[at] = line;
    cJSON_AddItemToArray(j->lines, line);
    return true;
}

/* Reads the lines; *whole is where the last whole one ends. */
static bool read_lines(struct journal *j, size_t *whole, struct error *err)
{
    enum { MOST_BYTES = 1 << 30 };
    struct text text = {0};
    int number = 0;
    bool ok = file_read(j->path, MOST_BYTES, &text, err);
    *whole = 0;
    while (ok && *whole < text.length) {
        const char *begin = text.bytes + *whole, *end = memchr(begin, '\n', text.length - *whole);
        if (!end) // torn
            break;
        number++;
        cJSON *line = json_parse(j->path, begin, (size_t)(end - begin), err);
        ok = line ? keep_line(j, line, number, err) : error_prefix(err, "journal, line %d", number);
        *whole = (size_t)(end + 1 - text.bytes);
    }
    text_free(&text);
    return ok;
}

struct journal *journal_open(const char *path, const char *task, const char *key, struct error *err)
{
    size_t whole = 0;
    struct journal *j = memory_array(1, sizeof *j, "journal", err);
    if (!j)
        return NULL;
    j->file = -1;
    j->path = strdup(path);
    j->task = strdup(task);
    j->key = strdup(key);
    j->lines = cJSON_CreateArray();
    if (!j->path || !j->task || !j->key || !j->lines) {
        error_set(err, ERROR_MACHINE, "out of memory for a journal");
        goto fail;
    }
    if (access(path, F_OK) == 0 && !read_lines(j, &whole, err))
        goto fail;
    j->file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (j->file < 0 || ftruncate(j->file, (off_t)whole) != 0 || lseek(j->file, 0, SEEK_END) < 0) {
        error_set_errno(err, "%s: the journal cannot be written", path);
        goto fail;
    }
    return j;
fail:
    journal_close(j);
    return NULL;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->file >= 0)
        close(j->file);
    cJSON_Delete(j->lines);
    free(j->by_index);
    free(j->path);
    free(j->task);
    free(j->key);
    free(j);
}

static double number_at(const cJSON *list, int i)
{
    const cJSON *value = cJSON_GetArrayItem(list, i);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : value->valuedouble;
}

bool journal_take(const struct journal *j, struct eval_item *item, struct error *err)
{
    const cJSON *line = (size_t)item->doc_index < j->n_by_index ? j->by_index[item->doc_index] : NULL;
    if (!line)
        return true;
    const cJSON *ll = cJSON_GetObjectItem(line, "log_likelihoods"), *greedy = cJSON_GetObjectItem(line, "is_greedy"),
                *tokens = cJSON_GetObjectItem(line, "continuation_tokens"), *alone = cJSON_GetObjectItem(line, "unconditional"),
                *text = cJSON_GetObjectItem(line, "text");
    if (!number_list(ll, item->n) || !number_list(greedy, item->n) || !number_list(tokens, item->n) ||
        (item->unconditional && !number_list(alone, item->n)) || (item->kind == EVAL_GENERATE && !cJSON_IsString(text)))
        return error_set(err, ERROR_INPUT, "%s: what is noted for record %d is not what task %s asks", j->path, item->doc_index + 1,
                         j->task);
    const cJSON *context = cJSON_GetObjectItem(line, "context_tokens"); // a server's count, which can't be had again
    item->context_tokens = cJSON_IsNumber(context) ? context->valueint : 0;
    for (int i = 0; i < item->n; i++) {
        item->log_likelihood[i] = number_at(ll, i);
        item->is_greedy[i] = number_at(greedy, i) != 0;
        item->continuation_tokens[i] = (int)number_at(tokens, i);
        if (item->unconditional)
            item->unconditional[i] = number_at(alone, i);
    }
    if (item->kind == EVAL_GENERATE && !(item->text = strdup(text->valuestring)))
        return error_set(err, ERROR_MACHINE, "out of memory for an item's text");
    item->answered = true;
    return true;
}

static bool write_all(const struct journal *j, const char *bytes, size_t n, struct error *err)
{
    while (n) {
        ssize_t wrote = write(j->file, bytes, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_set_errno(err, "%s: the journal cannot be written", j->path);
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

bool journal_sync(struct journal *j, struct error *err)
{
    j->synced_ns = clock_ns();
    return fsync(j->file) == 0 || errno == EINVAL || error_set_errno(err, "%s: the journal cannot be synced", j->path);
}

bool journal_note(struct journal *j, const struct eval_item *item, struct error *err)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "task", j->task);
    cJSON_AddStringToObject(line, "key", j->key);
    cJSON_AddNumberToObject(line, "doc_index", item->doc_index);
    cJSON_AddNumberToObject(line, "context_tokens", item->context_tokens);
    cJSON_AddItemToObject(line, "log_likelihoods", cJSON_CreateDoubleArray(item->log_likelihood, item->n));
    cJSON_AddItemToObject(line, "continuation_tokens", cJSON_CreateIntArray(item->continuation_tokens, item->n));
    cJSON *greedy = cJSON_AddArrayToObject(line, "is_greedy");
    for (int i = 0; i < item->n; i++)
        cJSON_AddItemToArray(greedy, cJSON_CreateBool(item->is_greedy[i]));
    if (item->unconditional)
        cJSON_AddItemToObject(line, "unconditional", cJSON_CreateDoubleArray(item->unconditional, item->n));
    if (item->text)
        cJSON_AddStringToObject(line, "text", item->text);
    char *printed = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    struct text text = {0};
    text_add_string(&text, printed ? printed : "");
    text_add_string(&text, "\n");
    text.failed |= !printed;
    free(printed);
    bool ok = text_ok(&text, err) && write_all(j, text.bytes, text.length, err);
    text_free(&text);
    return ok && (clock_ns() - j->synced_ns < SYNC_NS || journal_sync(j, err));
}
