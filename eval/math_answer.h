/* Answers of mathematics, as the HRM8K task of lm-evaluation-harness reads and compares them: the last \boxed{}, else the last $…$, else
 * what is behind the last "=", else the last number; both sides in the spelling of the MATH set's normaliser (Hendrycks et al. 2021).
 * Its quirks are kept, because scores are to be equal: the gold answer is read as if a model had written it. Private to eval. */
#ifndef JEOUL_EVAL_MATH_ANSWER_H
#define JEOUL_EVAL_MATH_ANSWER_H

#include "base/text.h"

/* The answer in a text, appended to `out`; *found false where there is none. */
bool math_answer_parse(const char *text, struct text *out, bool *found, struct error *err) MUST_CHECK;

/* "7.0" is "7", " x " is "x": how answers of the set are spelled. Appends. */
bool math_answer_spell(const char *answer, struct text *out, struct error *err) MUST_CHECK;

bool math_answer_equal(const char *response, const char *gold, bool *equal, struct error *err) MUST_CHECK;

#endif
