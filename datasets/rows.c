/* The hub's rows API: a hundred rows a page, page after page into PATH.part, renamed when the last one is there. An interrupted fetch goes
 * on behind the last whole page. */
#include "datasets/fetching.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 100, MOST_ROWS = 1000000, PAGE_BYTES = 1 << 26 };

struct pages {
    struct text text; // one page a line
    int64_t rows, total;
};

/* A page as it came, on one line: line ends in JSON are white space, never inside strings. */
static bool add_page(struct pages *pages, const char *where, const struct text *page, struct error *err)
{
    cJSON *value = json_parse(where, page->bytes, page->length, err);
    struct json_at at = json_root(where, value), rows = json_member(&at, "rows"), stated = json_member(&at, "num_rows_total");
    int count = 0;
    int64_t total = 0;
    bool ok = value && json_integer(&stated, 0, MOST_ROWS, &total, err) && json_array(&rows, &count, err);
    if (ok && pages->total >= 0 && total != pages->total)
        ok = error_set(err, ERROR_INPUT, "%s: has %lld rows, an earlier page said %lld: the set changes; nothing was kept, try again later",
                       where, (long long)total, (long long)pages->total);
    if (ok && count == 0 && pages->rows < total)
        ok =
            error_set(err, ERROR_INPUT, "%s: a page without rows, %lld of %lld are there", where, (long long)pages->rows, (long long)total);
    cJSON_Delete(value);
    if (!ok)
        return false;
    size_t begin = pages->text.length;
    text_add(&pages->text, page->bytes, page->length);
    text_add(&pages->text, "\n", 1);
    if (!text_ok(&pages->text, err))
        return false;
    for (char *c = pages->text.bytes + begin; c < pages->text.bytes + pages->text.length - 1; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    pages->total = total;
    pages->rows += count;
    return true;
}

/* The pages of an interrupted fetch; none when they make no sense. */
static void recall(struct pages *pages, const char *part)
{
    struct text old = {0};
    bool ok = file_read(part, RECORD_MAX_BYTES, &old, NULL);
    for (char *line = old.bytes; ok && line && *line;) {
        char *end = strchr(line, '\n');
        struct text page = {.bytes = line, .length = end ? (size_t)(end - line) : 0};
        ok = end && add_page(pages, part, &page, NULL);
        line = end ? end + 1 : NULL;
    }
    text_free(&old);
    if (!ok) {
        text_free(&pages->text);
        *pages = (struct pages){.total = -1};
    }
}

static bool fetch_page(const struct fetch_options *options, const char *what, const char *url, struct pages *pages, struct error *err)
{
    char paged[4200], where[300];
    struct fetch_task task;
    struct text page = {0};
    snprintf(paged, sizeof paged, "%.4000s%soffset=%lld&length=%d", url, strchr(url, '?') ? "&" : "?", (long long)pages->rows, PAGE);
    snprintf(where, sizeof where, "%.200s: rows from %lld", what, (long long)pages->rows);
    fetch_prepare(&task, options, what, paged, NULL);
    task.request.limit_bytes = PAGE_BYTES;
    task.request.progress = NULL; // rows are counted, not bytes
    bool ok = download_text(&task.request, &page, err) && add_page(pages, where, &page, err);
    text_free(&page);
    return ok;
}

bool fetch_rows(const struct fetch_options *options, const char *what, const char *url, const char *path, int64_t *bytes, struct error *err)
{
    char part[4096];
    struct pages pages = {.total = -1};
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return error_set(err, ERROR_INPUT, "%.200s…: the path is too long", path);
    recall(&pages, part);
    bool ok = true, more = pages.total < 0 || pages.rows < pages.total;
    while (ok && more) {
        ok = fetch_page(options, what, url, &pages, err) && file_write(part, pages.text.bytes, pages.text.length, err);
        more = pages.rows < pages.total;
        if (ok && options->progress)
            options->progress(options->context, what, pages.rows, pages.total);
    }
    if (ok) { // read once as it will be read: order, completeness, cells that were cut
        cJSON *records = records_parse(what, pages.text.bytes, pages.text.length, &(struct record_options){.format = RECORD_ROWS}, 0, err);
        ok = records && (rename(part, path) == 0 || error_set_errno(err, "%s: cannot be renamed to %s", part, path));
        if (!records)
            unlink(part);
        cJSON_Delete(records);
    } else if (err && err->code == ERROR_INPUT)
        unlink(part);
    *bytes = (int64_t)pages.text.length;
    text_free(&pages.text);
    return ok;
}
