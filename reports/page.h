/* A page of the report in one language. Private to reports. */
#ifndef JEOUL_PAGE_H
#define JEOUL_PAGE_H

#include "base/text.h"
#include "reports/reports.h"

struct page {
    enum report_language language;
    const cJSON *figures;
    struct text html;
    struct error *err;
    bool ok; // sticky
};

/* The text of the page's language. */
const char *page_say(const struct page *page, const char *ko, const char *en);

/* Appends text with &, <, >, " and ' escaped. */
void page_escape(struct text *out, const char *text);

/* The beginning of a page, with title and heading (figures: plan, started, run_id), and its end; page_finish tells whether all went well.
 */
void page_open(struct page *page, const char *title_ko, const char *title_en, const char *heading_ko, const char *heading_en);
bool page_finish(struct page *page) MUST_CHECK;

/* A chart as a figure with its caption. */
void page_figure(struct page *page, const struct text *script, const char *id, const char *caption);

/* Charts of the page, as figures with captions (page_charts.c). */
void page_throughput_chart(struct page *page);
void page_accuracy_chart(struct page *page);
void page_cost_chart(struct page *page);

/* Writes the whole page. */
bool page_write(struct page *page) MUST_CHECK;

#endif
