/* A policy report's page: what its sections share. Private to them. */
#ifndef JEOUL_POLICY_PAGE_H
#define JEOUL_POLICY_PAGE_H

#include "reports/page.h"
#include "reports/words.h"

/* Formulas of the method section; a derived figure's footnote names one. */
enum formula {
    F_MODEL_SPEED = 1,
    F_MIX,
    F_OWNER,
    F_ELECTRICITY,
    F_HOUR,
    F_TOKENS_COST,
    F_KOREAN,
    F_VOLUME,
    F_POWER,
    F_BREAK_EVEN,
    F_FLIP,
    F_RANGE,
    FORMULAS
};

/* A value in words, set as its basis wants it: "measured", "fact", "projected" or "assumed". */
void put_value(struct page *page, const char *basis, enum word word, double value);
/* The same with " (low … high)" in small type behind it where the interval has a range. */
void put_interval_value(struct page *page, const char *basis, enum word word, const cJSON *interval);

/* "low … high". */
void put_ends(struct page *page, const char *basis, enum word word, double low, double high);

/* Footnotes: to a formula; to a row of the table of inputs, by its id. */
void put_formula(struct page *page, enum formula formula);
void put_source(struct page *page, const char *input);

/* The value and basis of an input. */
const cJSON *page_input(const struct page *page, const char *id);
/* How an input is put into words, and its unit in the page's language with a space before it; "" for shares, ratios and won. */
enum word page_input_word(const cJSON *input);
const char *page_input_unit(const struct page *page, const cJSON *input);
/* An input with its range, set by its basis, with its footnote. */
void put_input(struct page *page, const char *id, enum word word);

/* A column's head, with the formula that its figures come from; {0} ends a row of them. */
struct head {
    const char *ko, *en;
    enum formula formula;
    bool text; // stands over text, to the left
};
#define HEAD(KO, EN)                                                                                                                       \
    {                                                                                                                                      \
        .ko = (KO), .en = (EN)                                                                                                             \
    }
#define HEAD_TEXT(KO, EN)                                                                                                                  \
    {                                                                                                                                      \
        .ko = (KO), .en = (EN), .text = true                                                                                               \
    }
#define HEAD_BY(KO, EN, FORMULA)                                                                                                           \
    {                                                                                                                                      \
        .ko = (KO), .en = (EN), .formula = (FORMULA)                                                                                       \
    }
void begin_table(struct page *page, const struct head *heads);
void end_table(struct page *page);
void put_note(struct page *page, const char *ko, const char *en);

/* Text of the page's language from KEY_ko and KEY_en, escaped. */
void put_named(struct page *page, const cJSON *object, const char *key);

/* "2026년 12월", or as it is. */
void put_month(struct page *page, const char *month);

const cJSON *page_fleet(const struct page *page, const char *id);

/* Sections, in their order. */
void section_summary(struct page *page);
void section_scenario(struct page *page);
void section_accuracy(struct page *page);
void section_performance(struct page *page);
void section_energy(struct page *page);
void section_cost(struct page *page);
void section_procurement(struct page *page);
void section_supply(struct page *page);
void section_checks(struct page *page);
void section_not_shown(struct page *page);
void section_method(struct page *page);
void section_inputs(struct page *page);

/* Charts. */
void chart_tornado(struct page *page);
void chart_hour(struct page *page);
void chart_models(struct page *page);
void chart_years(struct page *page);

#endif
