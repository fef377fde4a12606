/* Filters: what is taken of a text that a model wrote, before it is compared. Private to eval.
 *
 * A filter is a JSON array of steps, each an object with "function" and the arguments that lm-evaluation-harness gives it:
 *
 *     regex               regex_pattern, group_select (0), fallback ("[invalid]"): findall()[group_select], stripped
 *     take_first          the first answer; there is one
 *     remove_whitespace   stripped
 *     lowercase, uppercase
 *     map                 mapping_dict, default_value: ERROR_INPUT where neither has the text
 *     multi_choice_regex  the pattern, else a choice's text, else ": A"; gives "(A)". The item's choices, or what stands behind (A), (B) …
 *                         in its question
 *     map_regex           regex_pattern_to_value: which of several patterns the first match is
 *     regex_cascade       regex_patterns: as regex, with the first pattern that matches at all
 *     number_words        the pattern, else a number in English words, as digits
 *     word_sort           the words of the item's "List:" in the order that the text has them
 *
 * ignore_case, ignore_punctuation and regexes_to_ignore where the reference has them. */
#ifndef JEOUL_EVAL_FILTER_H
#define JEOUL_EVAL_FILTER_H

#include "base/text.h"

#include <cjson/cJSON.h>

/* What the steps may need of the item. */
struct filter_item {
    const char *question;       // its text; NULL: none
    const char *const *choices; // [n_choices]
    int n_choices;
};

/* Applies the steps to `text`, in place. steps NULL: nothing. Errors name the step. */
bool filter_apply(const cJSON *steps, const struct filter_item *item, struct text *text, struct error *err) MUST_CHECK;

/* How texts are compared: what is taken out of both sides. */
struct match_rules {
    const cJSON *regexes_to_ignore; // array of patterns, in order; NULL: none
    bool ignore_case, ignore_punctuation, ignore_numbers;
};
bool filter_equal(const struct match_rules *rules, const char *prediction, const char *reference, bool *equal,
                  struct error *err) MUST_CHECK;

/* Python's str.strip (Unicode white space) and str.lower, upper, in place; str.split(term)[0] for each term in turn. */
void filter_strip(struct text *text);
void filter_lower(struct text *text);
void filter_upper(struct text *text);
void filter_cut(struct text *text, const char *const *stops); // NULL-terminated

/* Bytes that are no UTF-8 become U+FFFD, each; a text from tokens may end within a character. */
void filter_mend(struct text *text);

#endif
