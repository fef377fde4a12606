/* Data sets: on what. Readers for the formats that evaluation sets come in. This header is the room's one door.
 *
 * Everything read here comes from outside and is hostile until parsed: a broken line is named by file and number, nothing is skipped. */
#ifndef JEOUL_DATASETS_H
#define JEOUL_DATASETS_H

#include "base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>

enum record_format {
    RECORD_JSON_LINES, // one object a line
    RECORD_JSON,       // one array of objects
    RECORD_TSV,        // header line; no quoting, or CSV quoting where a cell begins with a quote; CRLF or LF
    RECORD_CSV,        // RFC 4180, header line, cells over several lines, byte order mark allowed
};

struct record_options {
    enum record_format format;
    const char *const *columns; // names for a file without a header line, NULL-terminated; NULL: the first line names them
};

/* Reads every record of a file as a JSON array of objects; cells of TSV and CSV are strings. NULL on failure; free with cJSON_Delete. At
 * most `limit` records are read when limit > 0. */
cJSON *records_read(const char *path, const struct record_options *options, size_t limit, struct error *err) MUST_CHECK;

/* The same from memory; `name` names it in messages. */
cJSON *records_parse(const char *name, const char *bytes, size_t n, const struct record_options *options, size_t limit,
                     struct error *err) MUST_CHECK;

/* By name: "jsonl", "json", "tsv", "csv". False when unknown. */
bool record_format_named(const char *name, enum record_format *out);

#endif
