/* Money: price books and cost. Private to reports. Formulas: docs/cost.md. */
#ifndef JEOUL_COST_H
#define JEOUL_COST_H

#include "base/error.h"
#include "reports/statistics.h"

#include <cjson/cJSON.h>

/* A dated price of a system, in won an hour. */
struct price {
    struct interval krw_per_hour;                                           // the range of the sources
    const char *id, *name_ko, *name_en, *source, *date, *note_ko, *note_en; // owned by the book
    const char *fx_source;                                                  // NULL: the price is in won
    double fx;
    bool assumed;
    int64_t stale_after_days; // of the book
};

/* Reads a price book (jeoul/prices/1), strictly: unknown keys, a missing date or source, negative numbers and a currency without a rate are
 * refused. Free with cJSON_Delete. */
cJSON *price_book_read(const char *path, struct error *err) MUST_CHECK;

/* The price of a system of a book that was read. False when there is no such system, naming those that are. */
bool price_find(const cJSON *book, const char *path, const char *system, struct price *out, struct error *err) MUST_CHECK;

/* Won per million tokens = won an hour ÷ (tok/s × 3600 / 10⁶); the interval takes the dear end of the price with the slow end of the speed.
 */
struct interval cost_per_million_tokens(struct interval krw_per_hour, struct interval tok_per_s);

/* Won per 1,000 right answers to n items whose asking takes so many tokens (of all requests, each on its own), `correct` ≥ 1 of them right:
 * won per million tokens · tokens / 10⁶ ÷ correct · 1000. The interval takes the dear tokens with the low end of Wilson's interval. */
struct interval cost_per_1000_correct(struct interval per_million_tokens, double tokens, uint64_t correct, uint64_t n);

/* Capital recovery factor r / (1 − (1 + r)^−years); 1/years for r = 0. */
double cost_crf(double rate, double years);

#endif
