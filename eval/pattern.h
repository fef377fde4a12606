/* Regular expressions with the meaning that Python's `re` gives them, on PCRE2. Private to eval.
 *
 * Texts are UTF-8; \d, \w, \s and \b are Unicode's; "\Z" is the very end. Matches are found as findall and sub find them: from left to
 * right, an empty match may stand behind a match, and the text of a match is its whole where the pattern has no group. A text on which the
 * matcher gives up is ERROR_INPUT. */
#ifndef JEOUL_EVAL_PATTERN_H
#define JEOUL_EVAL_PATTERN_H

#include "base/text.h"

struct pattern;

struct pattern *pattern_compile(const char *source, struct error *err) MUST_CHECK;
void pattern_free(struct pattern *pattern); // NULL is allowed

/* findall(text)[select], −1 the last, appended to `out`: of several groups the first that isn't empty. *found is 1 for a match, 0 where
 * there is none, −1 where all its groups are empty. An index that the matches don't have counts as none. */
bool pattern_find(const struct pattern *pattern, const char *text, size_t n, int select, struct text *out, int *found,
                  struct error *err) MUST_CHECK;

/* Calls fn for each match's text (as in findall). */
bool pattern_each(const struct pattern *pattern, const char *text, size_t n, void (*fn)(void *context, const char *match, size_t n),
                  void *context, struct error *err) MUST_CHECK;

/* sub(pattern, replacement, text), in place; in the replacement "$1" … "$9" are groups and "$$" is a dollar. */
bool pattern_replace(const struct pattern *pattern, const char *replacement, struct text *text, struct error *err) MUST_CHECK;

/* sub(pattern, "", text), in place. */
bool pattern_remove(const struct pattern *pattern, struct text *text, struct error *err) MUST_CHECK;

/* re.escape: appends the text as a pattern that matches just it. */
void pattern_escape(struct text *out, const char *text, size_t n);

#endif
