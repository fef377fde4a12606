/* Scores as JSON and as lines for people: of tasks, of groups, of single items. */
#ifndef JEOUL_SCORES_H
#define JEOUL_SCORES_H

#include "eval/eval.h"

#include <cjson/cJSON.h>

/* A task's result: what it is, its scores by name ("acc", "exact_match,strict-match") with standard error and 95 % interval, tokens. */
cJSON *scores_of_task(const struct eval_task_info *info, const struct eval_result *result);

/* Why the tokens of texts are not known. */
extern const char scores_not_counted[];

/* Groups of such results: each score micro (over all items) and macro (the mean of its tasks), over the tasks that have it. */
cJSON *scores_of_groups(const cJSON *results);

/* Tokenizer fertility by language over the evaluated texts of such results: [{"language", "tokens", "characters", "words", "bytes",
 * "tokens_per_1000_characters", "tokens_per_word", "tokens_per_byte"}]. */
cJSON *scores_of_fertility(const cJSON *results);

/* One item, as a line of --samples. */
cJSON *scores_of_item(const struct eval_task_info *info, const struct eval_result *result, int index);

/* The rows of scores_of_fertility as a table. */
void scores_print_fertility(const cJSON *fertility);

void scores_print_heading(void);
/* A line for each score of a task or group that people look at; all of them are in the JSON. */
void scores_print(const cJSON *row, bool with_norm);

#endif
