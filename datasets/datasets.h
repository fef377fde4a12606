/* Data sets: on what. Readers for the formats that evaluation sets come in. This header is the room's one door; `fetch.h` beside it is the
 * door of the downloader.
 *
 * Everything read here comes from outside and is hostile until parsed: what is broken is named by file and record, nothing is skipped. */
#ifndef JEOUL_DATASETS_H
#define JEOUL_DATASETS_H

#include "base/error.h"
#include "base/hash.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

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

/* --- sources: where sets come from and where they lie; datasets/sources/NAME.json, docs/data.md has the format
 * ---------------------------- */

struct source_file {
    const char *path;           // below --data DIR, and below data/ in the cache: "hellaswag/hellaswag_val.jsonl"
    const char *split, *subset; // "validation", "abstract_algebra"; "" for none
    const char *labels_of;      // this file's records are joined to those of that path; NULL: it stands alone
    const char *url;            // NULL: this form isn't published (url_reason tells)
    const char *url_reason;
    const char *member; // the URL is an archive and `path` holds this member of it; NULL: `path` holds what the URL gives
    const char *sha256; // of the file at `path`; NULL: not known (sha256_reason tells)
    const char *sha256_reason;
    int64_t bytes;              // of the file at `path`; −1: not known
    const char *archive_sha256; // of the archive; NULL: not known
    int64_t archive_bytes;
    const char *note; // what is unusual about it ("1,000 of 10,042 records"); NULL: nothing
    struct record_options options;
};

struct source {
    const char *name, *title;
    const char *licence, *licence_evidence; // who says so, and where
    const char *licence_url;                // its text; NULL: not published as one file
    bool redistributable;                   // false: everyone fetches their own copy
    struct source_file *files;              // where several have one split and subset, the first that is there is read
    int n_files;
};

/* Reads DIRECTORY/NAME.json. NULL on failure; an unknown name is answered with the nearest ones. Free with source_free. */
struct source *source_read(const char *directory, const char *name, struct error *err) MUST_CHECK;

/* From a document that is already parsed (taken over, also on failure); `file` names it in messages. */
struct source *source_parse(const char *file, cJSON *document, struct error *err) MUST_CHECK;
void source_free(struct source *source);

/* The names of all sources in a directory, sorted, as an array of strings. */
cJSON *source_names(const char *directory, struct error *err) MUST_CHECK;

/* Where files lie: in `data` (--data DIR) when it is given, and nowhere else; else in `cache`/data. */
struct data_places {
    const char *data, *cache;
};

/* What was read, for the record: results name it. */
struct source_used {
    char path[4096];
    char sha256[HASH_HEX];
    const char *note; // of the file; NULL: nothing
};

/* The records of a split (and subset, "" for none), labels joined. A file in the cache must have the sha256 that the source names. When
 * nothing is there, the message says where it was looked for and the way out. `used` may be NULL. */
cJSON *source_records(const struct source *source, const char *split, const char *subset, const struct data_places *places, size_t limit,
                      struct source_used *used, struct error *err) MUST_CHECK;

/* $XDG_CACHE_HOME/jeoul, else ~/.cache/jeoul; it need not exist. */
bool cache_directory(char *out, size_t n, struct error *err) MUST_CHECK;

#endif
