/* Answers judged: an item's winners, and a task's scores with their standard errors. Private to eval. */
#ifndef JEOUL_EVAL_JUDGE_H
#define JEOUL_EVAL_JUDGE_H

#include "eval/prompt.h"

/* Sets the winners of every answered item and result->metrics, from what was answered alone. `prompts` are those of the items. */
bool judge(const struct prompt_rules *rules, const struct prompt *prompts, int bootstrap, struct eval_result *result,
           struct error *err) MUST_CHECK;

#endif
