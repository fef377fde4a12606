/* Prompts: the items of a task as texts, whatever kind of task it is. Private to eval. */
#ifndef JEOUL_EVAL_PROMPT_H
#define JEOUL_EVAL_PROMPT_H

#include "eval/filter.h"
#include "eval/task.h"

struct prompt {
    enum eval_kind kind;
    int doc_index;
    int n;                // pairs; 1 but for EVAL_CHOICES
    char **contexts;      // [n], owned; equal strings where all continuations follow one context
    char **continuations; // [n], owned, with the delimiter; the whole text for EVAL_ROLLING; NULL for EVAL_GENERATE
    char **choices;       // [n], owned: the choices' own texts, which acc_norm counts; NULL but for EVAL_CHOICES
    int gold, n_true;     // n_true: the first n_true choices are right (TruthfulQA's MC2), 0: only gold is
    bool unconditional;   // the continuations are wanted after nothing too
    char *target;         // EVAL_GENERATE, owned
    char *question;       // for filters, owned; NULL: none
    double words, bytes;  // EVAL_ROLLING: of the original text
};

/* The prompt of record `index`. Free with prompt_free, on failure too. */
bool prompt_of_task(const struct eval_task *task, int index, struct prompt *out, struct error *err) MUST_CHECK;
void prompt_free(struct prompt *prompt);

/* What holds for all items of a task. Strings and JSON are the task's. */
struct prompt_rules {
    enum eval_kind kind;
    bool macro_f1, true_mass; // EVAL_CHOICES: scores beside acc, acc_norm and acc_bytes
    const char *stops[33];    // EVAL_GENERATE, NULL-terminated
    int max_tokens;           // EVAL_GENERATE
    const cJSON *filters;     // EVAL_GENERATE: [{"name", "filter": [steps]}]; NULL: one that takes the text as it is
    struct match_rules match; // EVAL_GENERATE
    bool math_answers;        // EVAL_GENERATE: compared as answers of mathematics
};
bool prompt_rules_of_task(const struct eval_task *task, struct prompt_rules *out, struct error *err) MUST_CHECK;

#endif
