/* Record readers: see datasets.h. Lines are counted as they are read, so that every error names its own. */
#include "datasets/datasets.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 256, MAX_FILE_BYTES = 1 << 30 };

bool record_format_named(const char *name, enum record_format *out)
{
    static const char *const names[] = {"jsonl", "json", "tsv", "csv"};
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum record_format)i;
            return true;
        }
    return false;
}

struct reader {
    const char *name;
    const char *bytes;
    size_t n, at;
    int line; // of the byte at `at`
    char separator;
    struct error *err;
};

static cJSON *parse_json_lines(struct reader *r, size_t limit)
{
    cJSON *records = cJSON_CreateArray();
    char where[512];
    for (; r->at < r->n; r->line++) {
        const char *begin = r->bytes + r->at, *end = memchr(begin, '\n', r->n - r->at);
        size_t length = end ? (size_t)(end - begin) : r->n - r->at;
        r->at += length + (end ? 1 : 0);
        size_t blank = 0;
        while (blank < length && strchr(" \t\r", begin[blank]))
            blank++;
        if (blank == length)
            continue;
        snprintf(where, sizeof where, "%.400s: line %d", r->name, r->line);
        cJSON *record = json_parse(where, begin, length, r->err);
        if (record && !cJSON_IsObject(record)) {
            error_record(r->err, ERROR_INPUT, "%s: an object is wanted", where);
            cJSON_Delete(record);
            record = NULL;
        }
        if (!record) {
            cJSON_Delete(records);
            return NULL;
        }
        cJSON_AddItemToArray(records, record);
        if (limit && (size_t)cJSON_GetArraySize(records) == limit)
            break;
    }
    return records;
}

static cJSON *parse_json(struct reader *r, size_t limit)
{
    cJSON *records = json_parse(r->name, r->bytes, r->n, r->err);
    struct json_at root = json_root(r->name, records);
    int count = 0;
    bool ok = records && json_array(&root, &count, r->err);
    int index = 0;
    const cJSON *record, *all = ok ? records : NULL;
    cJSON_ArrayForEach(record, all) {
        struct json_at at = root;
        at.value = record;
        snprintf(at.path, sizeof at.path, "[%d]", index++);
        ok = ok && json_object(&at, r->err);
    }
    if (!ok) {
        cJSON_Delete(records);
        return NULL;
    }
    while (limit && (size_t)cJSON_GetArraySize(records) > limit)
        cJSON_DeleteItemFromArray(records, cJSON_GetArraySize(records) - 1);
    return records;
}

/* One cell into `out`. A cell that begins with a quote ends with one; two stand for one; separators and lines inside are text. *last: the
 * record ends behind it. */
static bool read_cell(struct reader *r, struct text *out, bool *last)
{
    int began = r->line;
    text_clear(out);
    text_add(out, "", 0);
    if (r->at < r->n && r->bytes[r->at] == '"') {
        for (r->at++;; r->at++) {
            if (r->at >= r->n)
                return error_set(r->err, ERROR_INPUT, "%s: line %d: a quote is opened and never closed", r->name, began);
            char c = r->bytes[r->at];
            if (c == '"' && !(r->at + 1 < r->n && r->bytes[r->at + 1] == '"'))
                break;
            r->at += c == '"';
            r->line += c == '\n';
            text_add(out, &c, 1);
        }
        r->at++;
        if (r->at < r->n && !strchr("\r\n", r->bytes[r->at]) && r->bytes[r->at] != r->separator)
            return error_set(r->err, ERROR_INPUT, "%s: line %d: text behind a closing quote", r->name, r->line);
    } else {
        size_t begin = r->at;
        while (r->at < r->n && r->bytes[r->at] != r->separator && r->bytes[r->at] != '\n' && r->bytes[r->at] != '\r')
            r->at++;
        text_add(out, r->bytes + begin, r->at - begin);
    }
    *last = r->at >= r->n || r->bytes[r->at] != r->separator;
    if (!*last) {
        r->at++;
        return text_ok(out, r->err);
    }
    if (r->at < r->n && r->bytes[r->at] == '\r')
        r->at++;
    if (r->at < r->n && r->bytes[r->at] == '\n')
        r->at++;
    r->line++;
    return text_ok(out, r->err);
}

static bool read_header(struct reader *r, char *columns[MAX_COLUMNS], int *count)
{
    struct text cell = {0};
    bool last = false, ok = true;
    while (ok && !last) {
        ok = read_cell(r, &cell, &last);
        if (ok && *count == MAX_COLUMNS)
            ok = error_set(r->err, ERROR_INPUT, "%s: line 1: more than %d columns", r->name, MAX_COLUMNS);
        for (int i = 0; ok && i < *count; i++)
            if (strcmp(columns[i], cell.bytes) == 0)
                ok = error_set(r->err, ERROR_INPUT, "%s: line 1: the column \"%.40s\" stands twice", r->name, cell.bytes);
        if (ok && !(columns[(*count)++] = strdup(cell.bytes)))
            ok = error_set(r->err, ERROR_MACHINE, "out of memory");
    }
    text_free(&cell);
    return ok;
}

static bool read_record(struct reader *r, char *const *columns, int count, cJSON *record)
{
    struct text cell = {0};
    bool last = false, ok = true;
    int n = 0, line = r->line;
    for (; ok && !last; n++) {
        ok = read_cell(r, &cell, &last);
        if (ok && n < count)
            cJSON_AddStringToObject(record, columns[n], cell.bytes);
    }
    text_free(&cell);
    if (ok && n != count)
        ok = error_set(r->err, ERROR_INPUT, "%s: line %d: %d cells, the header has %d", r->name, line, n, count);
    return ok;
}

static cJSON *parse_table(struct reader *r, const char *const *names, size_t limit)
{
    char *columns[MAX_COLUMNS] = {NULL};
    int count = 0;
    bool ok = true;
    for (; names && names[count] && count < MAX_COLUMNS && ok; count++)
        ok = (columns[count] = strdup(names[count])) != NULL;
    if (!names)
        ok = read_header(r, columns, &count);
    cJSON *records = cJSON_CreateArray();
    while (ok && r->at < r->n && !(limit && (size_t)cJSON_GetArraySize(records) == limit)) {
        if (strchr("\r\n", r->bytes[r->at])) { // an empty line
            r->line += r->bytes[r->at++] == '\n';
            continue;
        }
        cJSON *record = cJSON_CreateObject();
        ok = read_record(r, columns, count, record);
        cJSON_AddItemToArray(records, record);
    }
    for (int i = 0; i < count; i++)
        free(columns[i]);
    if (!ok) {
        cJSON_Delete(records);
        return NULL;
    }
    return records;
}

cJSON *records_parse(const char *name, const char *bytes, size_t n, const struct record_options *options, size_t limit, struct error *err)
{
    struct reader r = {
        .name = name, .bytes = bytes, .n = n, .line = 1, .separator = options->format == RECORD_TSV ? '\t' : ',', .err = err};
    size_t bad = utf8_invalid_at(bytes, n);
    const char *nul = memchr(bytes, '\0', n);
    if (nul && (size_t)(nul - bytes) < bad)
        bad = (size_t)(nul - bytes);
    if (bad < n) {
        int line = 1;
        for (size_t i = 0; i < bad; i++)
            line += bytes[i] == '\n';
        error_record(err, ERROR_INPUT, "%s: line %d: %s", name, line, bytes[bad] ? "not valid UTF-8" : "a NUL byte in the text");
        return NULL;
    }
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        r.at = 3;
    if (options->format == RECORD_JSON_LINES)
        return parse_json_lines(&r, limit);
    return options->format == RECORD_JSON ? parse_json(&r, limit) : parse_table(&r, options->columns, limit);
}

cJSON *records_read(const char *path, const struct record_options *options, size_t limit, struct error *err)
{
    struct text text = {0};
    if (!file_read(path, MAX_FILE_BYTES, &text, err))
        return NULL;
    cJSON *records = records_parse(path, text.bytes, text.length, options, limit, err);
    text_free(&text);
    return records;
}
