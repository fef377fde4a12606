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

/* "한국어" of "ko", "prefill" of "prefill", and so on. */
const char *page_language(const struct page *page, const char *code);
const char *page_phase(const struct page *page, const char *phase);

/* Appends text with &, <, >, " and ' escaped. */
void page_escape(struct text *out, const char *text);

/* Appends why a figure is missing, in the page's language where it is one of reasons.h, escaped. */
void page_reason(struct page *page, const char *reason);

/* An interval's "low … high" in numbers of words.h. */
void page_range(struct text *out, const cJSON *interval, double factor);

/* Cells of a table: text (escaped, to the left), a number, a number without decimals. */
void page_cell_text(struct text *out, const char *value);
void page_cell_number(struct text *out, double value);
void page_cell_count(struct text *out, double value);

void page_heading(struct page *page, const char *ko, const char *en);
void page_paragraph(struct page *page, const char *ko, const char *en);

/* "2026년 11월 23일", or as it is. */
void page_date(struct page *page, const char *iso);

/* The beginning of a page, with title and heading (figures: plan, started, run_id), and its end; page_finish tells whether all went well.
 */
void page_open(struct page *page, const char *title_ko, const char *title_en, const char *heading_ko, const char *heading_en);
bool page_finish(struct page *page) MUST_CHECK;

/* A warning where a price (figures: price) is older than its book allows. */
void page_stale_price(struct page *page, const cJSON *price);

/* A chart as a figure with its caption. */
void page_figure(struct page *page, const struct text *script, const char *id, const char *caption);

/* Charts of a run's page, as figures with captions (page_charts.c). */
void page_throughput_chart(struct page *page);
void page_accuracy_chart(struct page *page);
void page_cost_chart(struct page *page);

/* Expert load: charts, table and what they mean (page_experts.c). */
void page_expert_load(struct page *page);

/* The section on servers under load (page_served.c); nothing where the run has none. */
void page_served(struct page *page);

/* The section on pairs of models (page_pairs.c); nothing where the run compares none. */
void page_pairs(struct page *page);

#endif
