/* Record readers: see datasets.h. Lines and records are counted as they are read, so that every error names its own. */
#include "datasets/datasets.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "datasets/unpack.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 256 };

bool record_format_named(const char *name, enum record_format *out)
{
    static const char *const names[] = {"jsonl", "json", "tsv", "csv", "tsv_raw", "lines", "text", "rows"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
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
    int line;      // of the byte at `at`
    size_t record; // the number of the one being read, from 1; 0 in a header
    char separator;
    bool quotes;
    struct error *err;
};

static bool refuse(const struct reader *r, int line, const char *what)
{
    if (r->record == 0)
        return error_set(r->err, ERROR_INPUT, "%s: line %d: %s", r->name, line, what);
    return error_set(r->err, ERROR_INPUT, "%s: record %zu: line %d: %s", r->name, r->record, line, what);
}

/* Tables and plain text; JSON's parser looks for itself. */
static bool check_text(const struct reader *r, int line, const char *bytes, size_t n)
{
    const char *nul = memchr(bytes, '\0', n);
    size_t bad = utf8_invalid_at(bytes, n);
    if (!nul && bad == n)
        return true;
    bool nul_first = nul && (size_t)(nul - bytes) < bad;
    size_t at = nul_first ? (size_t)(nul - bytes) : bad;
    for (size_t i = 0; i < at; i++)
        line += bytes[i] == '\n';
    return refuse(r, line, nul_first ? "a NUL byte in the text" : "not valid UTF-8");
}

/* The next line without its end; false when there is none. */
static bool next_line(struct reader *r, const char **begin, size_t *length)
{
    if (r->at >= r->n)
        return false;
    *begin = r->bytes + r->at;
    const char *end = memchr(*begin, '\n', r->n - r->at);
    *length = end ? (size_t)(end - *begin) : r->n - r->at;
    r->at += *length + (end ? 1 : 0);
    r->line++;
    if (*length && (*begin)[*length - 1] == '\r')
        --*length;
    return true;
}

/* The next line that isn't blank, as a JSON object. NULL and *ok: there is none. */
static cJSON *next_json_line(struct reader *r, bool *ok)
{
    const char *begin;
    size_t length;
    while ((*ok = true) && next_line(r, &begin, &length)) {
        size_t blank = 0;
        while (blank < length && strchr(" \t\r", begin[blank]) && begin[blank])
            blank++;
        if (blank == length)
            continue;
        r->record++;
        struct error inner = {0};
        cJSON *value = json_parse("", begin, length, &inner);
        if (cJSON_IsObject(value))
            return value;
        *ok = refuse(r, r->line - 1, value ? "an object is wanted" : inner.message + strlen(": line 1: "));
        cJSON_Delete(value);
        return NULL;
    }
    return NULL;
}

static bool parse_json_lines(struct reader *r, size_t limit, cJSON *records)
{
    bool ok = true;
    cJSON *record;
    while (!(limit && r->record == limit) && (record = next_json_line(r, &ok)))
        cJSON_AddItemToArray(records, record);
    return ok;
}

static bool parse_json(struct reader *r, const char *key, size_t limit, cJSON *records)
{
    cJSON *document = json_parse(r->name, r->bytes + r->at, r->n - r->at, r->err);
    struct json_at array = json_root(r->name, document);
    if (key)
        array = json_member(&array, key);
    int count = 0;
    bool ok = document && json_array(&array, &count, r->err);
    while (ok && array.value->child && !(limit && r->record == limit)) {
        cJSON *record = cJSON_DetachItemViaPointer((cJSON *)array.value, array.value->child);
        r->record++;
        if (!cJSON_IsObject(record))
            ok = error_set(r->err, ERROR_INPUT, "%s: record %zu: %s[%zu] is no object, one is wanted", r->name, r->record, key ? key : "",
                           r->record - 1);
        if (ok)
            cJSON_AddItemToArray(records, record);
        else
            cJSON_Delete(record);
    }
    cJSON_Delete(document);
    return ok;
}

/* The rows of one page. What the hub cut out of a row to keep its answer short makes the row useless. */
static bool add_page(struct reader *r, struct json_at *page, size_t limit, cJSON *records, struct error *err)
{
    struct json_at rows = json_member(page, "rows");
    int count = 0;
    if (!json_array(&rows, &count, err))
        return false;
    const cJSON *element;
    int index = 0;
    cJSON_ArrayForEach(element, rows.value) {
        if (limit && r->record == limit)
            return true;
        struct json_at at = rows, wrapped;
        r->record++;
        at.value = element;
        snprintf(at.path, sizeof at.path, "record %zu: rows[%d]", r->record, index++);
        wrapped = json_member(&at, "row");
        struct json_at number = json_member(&at, "row_idx"), cut = json_member(&at, "truncated_cells");
        int64_t place = 0;
        if (!json_object(&wrapped, err) || !json_integer_or(&number, 0, INT64_MAX / 2048, (int64_t)r->record - 1, &place, err))
            return false;
        if (place != (int64_t)r->record - 1)
            return json_error(&number, err, "is %lld, %zu is wanted: pages are missing or out of order; fetch the set again",
                              (long long)place, r->record - 1);
        if (cJSON_GetArraySize(cut.value) > 0)
            return json_error(&cut, err, "the server cut the cell \"%.60s\"; this set cannot be read through the rows API",
                              cJSON_GetStringValue(cut.value->child) ? cJSON_GetStringValue(cut.value->child) : "?");
        cJSON_AddItemToArray(records, cJSON_DetachItemViaPointer((cJSON *)element, (cJSON *)wrapped.value));
    }
    return true;
}

static bool parse_rows(struct reader *r, size_t limit, cJSON *records)
{
    struct reader pages = *r; // counts pages where *r counts rows
    int64_t total = -1;
    bool ok = true;
    cJSON *value;
    while (!(limit && r->record == limit) && (value = next_json_line(&pages, &ok))) {
        char name[640];
        snprintf(name, sizeof name, "%.500s: line %d", r->name, pages.line - 1);
        struct json_at page = json_root(name, value), stated = json_member(&page, "num_rows_total");
        ok = json_integer(&stated, 0, 1 << 30, &total, r->err) && add_page(r, &page, limit, records, r->err);
        cJSON_Delete(value);
        if (!ok)
            return false;
    }
    if (ok && !(limit && r->record == limit) && (int64_t)r->record != total) {
        if (total < 0)
            return error_set(r->err, ERROR_INPUT, "%s: has no page of the rows API", r->name);
        return error_set(r->err, ERROR_INPUT, "%s: ends behind record %zu of %lld; fetch the set again", r->name, r->record,
                         (long long)total);
    }
    return ok;
}

static bool parse_lines(struct reader *r, size_t limit, cJSON *records)
{
    const char *begin;
    size_t length;
    struct text copy = {0};
    bool ok = true;
    while (ok && !(limit && r->record == limit) && next_line(r, &begin, &length)) {
        r->record++;
        text_clear(&copy);
        text_add(&copy, begin, length);
        ok = check_text(r, r->line - 1, begin, length) && text_ok(&copy, r->err);
        cJSON *record = cJSON_CreateObject();
        cJSON_AddStringToObject(record, "line", ok ? copy.bytes : "");
        cJSON_AddItemToArray(records, record);
    }
    text_free(&copy);
    return ok;
}

static bool parse_text(struct reader *r, cJSON *records)
{
    struct text copy = {0};
    text_add(&copy, r->bytes + r->at, r->n - r->at);
    r->record = 1;
    bool ok = check_text(r, 1, r->bytes + r->at, r->n - r->at) && text_ok(&copy, r->err);
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "text", ok ? copy.bytes : "");
    cJSON_AddItemToArray(records, record);
    text_free(&copy);
    return ok;
}

static bool read_quoted(struct reader *r, struct text *out)
{
    int began = r->line;
    for (r->at++;; r->at++) {
        if (r->at >= r->n)
            return refuse(r, began, "a quote is opened and never closed");
        char c = r->bytes[r->at];
        if (c == '"' && !(r->at + 1 < r->n && r->bytes[r->at + 1] == '"'))
            break;
        r->at += c == '"';
        r->line += c == '\n';
        text_add(out, &c, 1);
    }
    r->at++;
    bool ends = r->at >= r->n || r->bytes[r->at] == '\r' || r->bytes[r->at] == '\n' || r->bytes[r->at] == r->separator;
    return (ends || refuse(r, r->line, "text behind a closing quote")) && check_text(r, began, out->bytes, out->length);
}

/* One cell into `out`. A cell that begins with a quote ends with one; two stand for one; separators and lines inside are text. *last: the
 * record ends behind it. */
static bool read_cell(struct reader *r, struct text *out, bool *last)
{
    text_clear(out);
    text_add(out, "", 0);
    if (!text_ok(out, r->err))
        return false;
    if (r->quotes && r->at < r->n && r->bytes[r->at] == '"') {
        if (!read_quoted(r, out))
            return false;
    } else {
        size_t begin = r->at;
        while (r->at < r->n && r->bytes[r->at] != r->separator && r->bytes[r->at] != '\n' && r->bytes[r->at] != '\r')
            r->at++;
        text_add(out, r->bytes + begin, r->at - begin);
        if (!check_text(r, r->line, r->bytes + begin, r->at - begin))
            return false;
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

static bool read_record(struct reader *r, char *const *columns, int count, bool header, cJSON *record)
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
        ok = error_set(r->err, ERROR_INPUT, "%s: record %zu: line %d: %d cells, %s %d", r->name, r->record, line, n,
                       header ? "the header has" : "there are names for", count);
    return ok;
}

static bool parse_table(struct reader *r, const char *const *names, size_t limit, cJSON *records)
{
    char *columns[MAX_COLUMNS] = {NULL};
    int count = 0;
    bool ok = true;
    for (; names && names[count] && count < MAX_COLUMNS && ok; count++)
        if (!(columns[count] = strdup(names[count])))
            ok = error_set(r->err, ERROR_MACHINE, "out of memory");
    if (!names)
        ok = read_header(r, columns, &count);
    while (ok && r->at < r->n && !(limit && r->record == limit)) {
        if (r->bytes[r->at] == '\r' || r->bytes[r->at] == '\n') { // an empty line
            r->line += r->bytes[r->at++] == '\n';
            continue;
        }
        cJSON *record = cJSON_CreateObject();
        r->record++;
        ok = read_record(r, columns, count, !names, record);
        cJSON_AddItemToArray(records, record);
    }
    for (int i = 0; i < count; i++)
        free(columns[i]);
    return ok;
}

static bool parse_plain(struct reader *r, const struct record_options *options, size_t limit, cJSON *records)
{
    switch (options->format) {
    case RECORD_JSON_LINES:
        return parse_json_lines(r, limit, records);
    case RECORD_JSON:
        return parse_json(r, options->array, limit, records);
    case RECORD_LINES:
        return parse_lines(r, limit, records);
    case RECORD_TEXT:
        return parse_text(r, records);
    case RECORD_ROWS:
        return parse_rows(r, limit, records);
    default:
        return parse_table(r, options->columns, limit, records);
    }
}

static cJSON *parse(const char *name, const char *bytes, size_t n, const struct record_options *options, size_t limit, struct error *err)
{
    struct reader r = {.name = name, .bytes = bytes, .n = n, .line = 1, .err = err};
    r.separator = options->format == RECORD_CSV ? ',' : '\t';
    r.quotes = options->format != RECORD_TSV_RAW;
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        r.at = 3;
    cJSON *records = cJSON_CreateArray();
    if (records && parse_plain(&r, options, limit, records))
        return records;
    if (!records)
        error_set(err, ERROR_MACHINE, "%s: out of memory", name);
    cJSON_Delete(records);
    return NULL;
}

/* The text of a member is parsed under "archive: member". */
static cJSON *parse_unpacked(const char *name, struct text *text, const struct record_options *options, size_t limit, struct error *err)
{
    char full[768];
    snprintf(full, sizeof full, "%.500s%s%.200s", name, options->member ? ": " : "", options->member ? options->member : "");
    cJSON *records = parse(full, text->bytes, text->length, options, limit, err);
    text_free(text);
    return records;
}

cJSON *records_parse(const char *name, const char *bytes, size_t n, const struct record_options *options, size_t limit, struct error *err)
{
    struct text text = {0};
    if (!options->member && !unpack_is_gzip(bytes, n))
        return parse(name, bytes, n, options, limit, err);
    if (!unpack_bytes(name, bytes, n, options->member, RECORD_MAX_BYTES, &text, err))
        return NULL;
    return parse_unpacked(name, &text, options, limit, err);
}

cJSON *records_read(const char *path, const struct record_options *options, size_t limit, struct error *err)
{
    struct text text = {0};
    if (options->member) // an archive may be larger than its members: it is streamed
        return unpack_file(path, options->member, RECORD_MAX_BYTES, &text, err) ? parse_unpacked(path, &text, options, limit, err) : NULL;
    if (!file_read(path, RECORD_MAX_BYTES, &text, err))
        return NULL;
    cJSON *records = records_parse(path, text.bytes, text.length, options, limit, err);
    text_free(&text);
    return records;
}

bool records_join(cJSON *records, cJSON *more, const char *name, struct error *err)
{
    int n = cJSON_GetArraySize(records), m = cJSON_GetArraySize(more);
    bool ok = n == m || error_set(err, ERROR_INPUT, "%s: has %d records, those that it belongs to are %d", name, m, n);
    cJSON *record = ok ? records->child : NULL, *source = ok ? more->child : NULL;
    for (int number = 1; ok && record; record = record->next, source = source->next, number++)
        while (ok && source->child) {
            cJSON *member = cJSON_DetachItemViaPointer(source, source->child);
            ok = !cJSON_GetObjectItemCaseSensitive(record, member->string);
            if (ok)
                cJSON_AddItemToObject(record, member->string, member);
            else {
                error_set(err, ERROR_INPUT, "%s: record %d: \"%.60s\" is in both files", name, number, member->string);
                cJSON_Delete(member);
            }
        }
    cJSON_Delete(more);
    return ok;
}
