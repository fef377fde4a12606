/* Data sets: on what. Readers for the formats that evaluation sets come in. This header is the room's one door; `fetch.h` beside it is the
 * door of the downloader.
 *
 * Everything read here comes from outside and is hostile until parsed: what is broken is named by file and record, nothing is skipped. */
#ifndef JEOUL_DATASETS_H
#define JEOUL_DATASETS_H

#include "base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>

enum record_format {
    RECORD_JSON_LINES, // "jsonl": one object a line
    RECORD_JSON,       // "json": one array of objects
    RECORD_TSV,        // "tsv": header line; no quoting, or CSV quoting where a cell begins with a quote; CRLF or LF
    RECORD_CSV,        // "csv": RFC 4180, header line, cells over several lines, byte order mark allowed
    RECORD_TSV_RAW,    // "tsv_raw": header line; a quote is a character like any other
    RECORD_LINES,      // "lines": every line is a record {"line": …}; no line is skipped
    RECORD_TEXT,       // "text": the whole file is one record {"text": …}
    RECORD_ROWS,       // "rows": pages of the hub's rows API, one a line, in order and complete; a record is a page's rows[i].row
};

struct record_options {
    enum record_format format;
    const char *const *columns; // tables: names for a file without a header line, NULL-terminated; NULL: the first line names them
    const char *array;          // JSON: the array is this member of an object at the root; NULL: the root is the array
    const char *member;         // the file is an archive (zip, tar, tar.gz …) and the records are in this member; NULL: it is none
};

/* A file that is read, or a member of an archive when it is unpacked, has at most this many bytes. */
#define RECORD_MAX_BYTES ((size_t)1 << 28)

/* Reads every record of a file as a JSON array of objects; cells of tables are strings. A gzipped file is unpacked on the way. NULL on
 * failure; free with cJSON_Delete. At most `limit` records are read when limit > 0, and what stands behind them is not looked at. Messages
 * count records from 1. */
cJSON *records_read(const char *path, const struct record_options *options, size_t limit, struct error *err) MUST_CHECK;

/* The same from memory; `name` names it in messages. */
cJSON *records_parse(const char *name, const char *bytes, size_t n, const struct record_options *options, size_t limit,
                     struct error *err) MUST_CHECK;

/* Two files that belong together line by line (records and their labels): adds the members of each of `more` to the record of the same
 * number, and frees `more`. Fails when their numbers differ or a record has such a member already. `name` names the second file. */
bool records_join(cJSON *records, cJSON *more, const char *name, struct error *err) MUST_CHECK;

/* By name: "jsonl", "json", "tsv" … False when unknown. */
bool record_format_named(const char *name, enum record_format *out);

#endif
