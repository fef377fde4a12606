/* Reports: what it means. Figures, cost, charts, pages. This header and statistics.h are the room's doors.
 *
 * Reads only a run document (docs/run-document.md), the price book and the catalogue; it never measures anything, so any report can be
 * made again, byte for byte, from what is stored. */
#ifndef JEOUL_REPORTS_H
#define JEOUL_REPORTS_H

#include "base/error.h"

#include <cjson/cJSON.h>

enum report_language { REPORT_KO, REPORT_EN };

struct report_options {
    const char *directory; // where the report is written; made when missing
    const char *prices;    // price book file
};

/* Everything that is derived from a run, as one JSON object: what the pages, the terminal's table and programs read.
 * Schema: docs/run-document.md, "figures". NULL on failure; free with cJSON_Delete. */
cJSON *report_figures(const cJSON *run, const char *prices, struct error *err) MUST_CHECK;

/* The row of a run's figures (throughput) that is the fastest of a phase, "prefill" or "decode", of a model or, with NULL, of all; the
 * first of equals, NULL when there is none. */
const cJSON *report_fastest(const cJSON *figures, const char *model, const char *phase);

/* Writes report.ko.html, report.en.html (each self-contained: inline SVG, no script, no network), figures.json and measurements.csv. */
bool report_write(const cJSON *run, const struct report_options *options, struct error *err) MUST_CHECK;

/* A training's losses over its tokens as a picture: from the CSV text that `jeoul train` writes, to an SVG file. */
bool report_loss_curve(const char *csv, const char *title, const char *path, struct error *err) MUST_CHECK;

#endif
