/* The steps of filters that search with patterns, one function each; filter.h tells what they do. Private to filter.c. */
#ifndef JEOUL_EVAL_FILTER_STEPS_H
#define JEOUL_EVAL_FILTER_STEPS_H

#include "eval/filter.h"

bool filter_regex(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;
bool filter_multi_choice(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;
bool filter_map_regex(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;
bool filter_number_words(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;
bool filter_regex_cascade(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;
bool filter_word_sort(const cJSON *step, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;

/* sub(pattern, "", text) for each of an array of patterns. */
bool filter_remove_all(const cJSON *patterns, struct text *text, struct error *err) MUST_CHECK;

#endif
