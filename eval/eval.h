/* Evaluation: how right. Tasks, prompt rendering, scoring, metrics. This header is the room's one door.
 *
 * A task is a JSON file (datasets/tasks/NAME.json): name, languages, licence, source, prompt template, choices, few-shot rule, metrics,
 * group. Adding a task is adding a file. Requests are those of lm-evaluation-harness, token for token. */
#ifndef JEOUL_EVAL_H
#define JEOUL_EVAL_H

#include "engine/engine.h"

#include <stddef.h>
#include <stdint.h>

struct eval_task;

/* Where tasks and data are. */
struct eval_places {
    const char *tasks;   // directory of task files
    const char *builtin; // directory of the sets that come with jeoul
    const char *data;    // --data DIR; NULL: only built-in sets can be read
};

/* Expands names and group names ("kobest_copa,builtin_ko"; a group gives its tasks) into opened tasks, in order, each once. Fails naming
 * the unknown name with the nearest known one, or the missing data file. Free each with eval_task_close, then the array with free(). */
bool eval_tasks_open(const struct eval_places *places, const char *names, struct eval_task ***tasks, int *count,
                     struct error *err) MUST_CHECK;
void eval_task_close(struct eval_task *task);

struct eval_task_info {
    const char *name, *group, *language, *licence, *source, *version; // language: "ko", "en"
    const char *summary_ko, *summary_en;                              // what it asks, in a line each
    const char *data_sha256;                                          // of the data file read
    int n_items;                                                      // in the file
    double chance;                                                    // accuracy of guessing: mean of 1/choices
    bool has_acc_norm; // lm-evaluation-harness reports acc_norm for it (we compute it anyway)
};
struct eval_task_info eval_task_info(const struct eval_task *task);

/* All tasks there are, without reading data: calls fn for each, sorted by name. */
bool eval_tasks_list(const struct eval_places *places, void (*fn)(void *context, const struct eval_task_info *), void *context,
                     struct error *err) MUST_CHECK;

struct eval_options {
    int limit;                                            // the first N items; 0: all
    int shots;                                            // few-shot examples; −1: the task's own number
    int max_batch_rows;                                   // 0: as the engine was opened
    void (*progress)(void *context, int done, int total); // may be NULL
    void *context;
};

/* One scored item. */
struct eval_item {
    int doc_index, gold, n_choices;
    int choice, choice_norm, choice_bytes; // argmax by the three rules; the first maximum wins
    double *log_likelihood;                // [n_choices], natural logarithm, summed over the continuation's tokens
    int *continuation_tokens;              // [n_choices]
    bool *is_greedy;                       // [n_choices]
    int context_tokens;
    char *context, **continuations; // as sent to the model
};

struct eval_result {
    struct eval_item *items;
    int n;
    int correct, correct_norm, correct_bytes;
    /* for fertility: tokens (without BOS) and Unicode characters of the items' contexts and continuations, each text once */
    int64_t text_tokens, text_characters;
    int64_t prompt_tokens;   // tokens of all requests, as if each were scored on its own
    int64_t computed_tokens; // rows that the engine really computed
    uint64_t ns;
};
void eval_result_free(struct eval_result *result);

/* Runs a task. The result does not depend on batch size, thread count or prefix reuse. */
bool eval_run(struct engine *engine, const struct tokenizer *tokenizer, const struct eval_task *task, const struct eval_options *options,
              struct eval_result *result, struct error *err) MUST_CHECK;

/* Two models' logits on the same tokens. Zero-initialise, add each position's rows of n logits, read the figures: NMSE = Σ(a − b)² ÷ Σb²
 * over all of them, mean Kullback–Leibler divergence of the reference from the logits in nats, share of positions with the same best token.
 * All NaN where nothing was added. */
struct eval_agreement {
    size_t positions, same_best;
    double squared_error, squared_reference, kl;
};
struct eval_agreement_figures {
    double nmse, mean_kl, top1;
};
void eval_agreement_add(struct eval_agreement *agreement, const float *logits, const float *reference, size_t n);
struct eval_agreement_figures eval_agreement_figures(const struct eval_agreement *agreement);

#endif
