/* Prompts: the items of a task as texts, whatever kind of task it is, exactly as lm-evaluation-harness makes them. Private to eval. */
#ifndef JEOUL_EVAL_PROMPT_H
#define JEOUL_EVAL_PROMPT_H

#include "eval/filter.h"
#include "eval/task.h"

struct prompt {
    enum eval_kind kind;
    int doc_index;
    int n;                // pairs; 1 but for EVAL_CHOICES
    char **contexts;      // [n]; one string for all where all continuations follow one context, "" for EVAL_ROLLING
    char **continuations; // [n], with the delimiter; the whole text for EVAL_ROLLING; NULL for EVAL_GENERATE
    char **choices;       // [n]: the choices' own texts, which acc_norm counts; NULL but for EVAL_CHOICES
    int gold;             // EVAL_CHOICES; −1: the record's answer is none of the choices, which counts as wrong
    int *labels;          // [n], 1 where a choice is right, of tasks with several right ones; NULL: only gold is
    bool own_contexts;    // each continuation has a context of its own
    bool unconditional;   // the continuations are wanted after nothing too
    char *target;         // EVAL_GENERATE
    char *question;       // for filters; NULL: none
    double words, bytes;  // EVAL_ROLLING: of the original text
    int *shots;           // [n_shots]: which of the pool stand before the question
    int n_shots;
};

/* The first `limit` prompts (0: all) with `shots` examples each (−1: the task's own number), as one stream of draws. Free with
 * prompts_free. */
bool prompts_of_task(const struct eval_task *task, int shots, int limit, struct prompt **out, int *count, struct error *err) MUST_CHECK;
void prompts_free(struct prompt *prompts, int count);

/* The number of examples that a wish for `shots` comes to: −1 is the task's own, and some tasks take no other. */
int prompt_shots(const struct eval_task *task, int shots);

/* Mean of 1/choices over a task's records; NaN where there is nothing to choose. Every record is rendered, so that a broken one is found.
 */
bool prompt_chance(const struct eval_task *task, double *chance, struct error *err) MUST_CHECK;

/* What holds for all items of a task. Strings and JSON are the task's. */
struct prompt_rules {
    enum eval_kind kind;
    bool macro_f1, true_mass; // EVAL_CHOICES: scores beside acc, acc_norm and acc_bytes
    bool unconditional;       // EVAL_CHOICES: acc_mutual_info is wanted
    const char *stops[33];    // EVAL_GENERATE, NULL-terminated
    int max_tokens;           // EVAL_GENERATE
    const cJSON *filters;     // EVAL_GENERATE: [{"name", "filter": [steps]}]; NULL: one that takes the text as it is
    struct match_rules match; // EVAL_GENERATE
    bool math_answers;        // EVAL_GENERATE: compared as answers of mathematics
    const char *metric;       // the first that the task names
    bool has_acc_norm;        // it names acc_norm
};
bool prompt_rules_of_task(const struct eval_task *task, struct prompt_rules *out, struct error *err) MUST_CHECK;

#endif
