/* Evaluation: how right. Tasks, prompt rendering, scoring, metrics. This header is the room's one door.
 *
 * A task is a JSON file (datasets/tasks/NAME.json): name, languages, licence, source, prompt template, choices, few-shot rule, metrics,
 * group. Adding a task is adding a file. Requests are those of lm-evaluation-harness, token for token. */
#ifndef JEOUL_EVAL_H
#define JEOUL_EVAL_H

#include "base/text.h"
#include "engine/engine.h"

#include <stddef.h>
#include <stdint.h>

struct eval_task;

/* Where tasks and data are. */
struct eval_places {
    const char *tasks;   // directory of task files
    const char *builtin; // directory of the sets that come with jeoul
    const char *data;    // --data DIR; NULL: what was fetched is read
    const char *sources; // directory of source files; NULL: `sources` beside `tasks`
    const char *cache;   // where fetched sets are; NULL: the user's
};

enum eval_kind {
    EVAL_CHOICES,    // the likeliest of several continuations
    EVAL_LIKELIHOOD, // one continuation
    EVAL_ROLLING,    // a whole text
    EVAL_GENERATE,   // what the model writes
};

/* As lm-evaluation-harness calls it: "multiple_choice", "loglikelihood", "loglikelihood_rolling", "generate_until". */
const char *eval_kind_name(enum eval_kind kind);

/* Expands names and group names ("kobest_copa,builtin_ko"; a group gives its tasks) into opened tasks, in order, each once. Fails naming
 * the unknown name with the nearest known ones, the missing data file, or the record that isn't what the task wants. Free each with
 * eval_task_close, then the array with free(). */
bool eval_tasks_open(const struct eval_places *places, const char *names, struct eval_task ***tasks, int *count,
                     struct error *err) MUST_CHECK;
void eval_task_close(struct eval_task *task);

struct eval_task_info {
    const char *name, *language, *licence, *source, *version; // language: "ko", "en"
    const char *group;                                        // the innermost group, or the name
    const char *const *groups;                                // [n_groups] that it belongs to, innermost first
    int n_groups;
    const char *summary_ko, *summary_en; // what it asks, in a line each
    enum eval_kind kind;
    const char *metric;      // the first that lm-evaluation-harness reports for it
    int shots;               // its own number of few-shot examples
    const char *set;         // what `jeoul fetch` calls its data; NULL: built in
    const char *data_sha256; // of the data file read
    int n_items;             // opened: of the file; listed: as the task file says, 0 where it doesn't
    double chance;           // accuracy of guessing: mean of 1/choices
    bool has_acc_norm;       // lm-evaluation-harness reports acc_norm for it (we compute it anyway)
};
struct eval_task_info eval_task_info(const struct eval_task *task);

/* All tasks there are, without reading data: calls fn for each, sorted by name. */
bool eval_tasks_list(const struct eval_places *places, void (*fn)(void *context, const struct eval_task_info *), void *context,
                     struct error *err) MUST_CHECK;

/* The first `limit` items (0: all) as they would be asked, with `shots` examples each (−1: the task's own number): calls line for each with
 * an object of lm-evaluation-harness's words ("doc_index", "context" …) that it doesn't keep; false stops. */
struct cJSON;
bool eval_task_render(const struct eval_task *task, int shots, int limit,
                      bool (*line)(void *context, const struct cJSON *item, struct error *err), void *context,
                      struct error *err) MUST_CHECK;

struct eval_options {
    int limit;           // the first N items; 0: all
    int shots;           // few-shot examples; −1: the task's own number
    int max_batch_rows;  // rows of a step; 0: as the engine was opened
    int max_length;      // tokens of a request; 0: the model's context
    int bootstrap;       // iterations for the standard error of a perplexity; 0: 100,000
    bool alone;          // one request after the other, sharing nothing: slow, the same scores
    const char *journal; // a file that items are noted in as they are answered, and taken from: an interrupted run goes on; NULL: none
    const char *system;  // whose answers they are: a journal of another system is refused
    void (*progress)(void *context, double done, double total); // may be NULL
    void *context;
};

/* One answered item. */
struct eval_item {
    enum eval_kind kind;
    int doc_index;
    int n;                    // continuations; 1 but for EVAL_CHOICES
    int gold;                 // the right choice; −1: none of them
    char **contexts;          // [n], as sent to the model
    char **continuations;     // [n], as sent, with the delimiter; NULL for EVAL_GENERATE
    double *log_likelihood;   // [n], natural logarithm, summed over the continuation's tokens; the text's for EVAL_ROLLING
    double *unconditional;    // [n], of the continuations after nothing; NULL unless a metric wants it
    int *continuation_tokens; // [n]
    bool *is_greedy;          // [n]
    int context_tokens;       // of the first context
    int choice, choice_norm, choice_bytes, choice_mutual_info; // EVAL_CHOICES: who wins by which rule; the last −1 without `unconditional`
    char *text, *target; // EVAL_GENERATE: what was written, up to the first stop; what was to be written
    bool answered;
};

/* One score of a task. */
struct eval_metric {
    const char *name, *filter; // "acc"; "none", or the name of what was extracted: "strict-match"
    double value;
    double stderr_; // as lm-evaluation-harness defines it; NaN: it gives none
    bool is_share;  // a mean of zeros and ones
    bool lower_is_better;
    double *values; // [n], of each item; NULL where the score is no mean over items
};

struct eval_result {
    enum eval_kind kind;
    struct eval_item *items;
    int n;
    struct eval_metric *metrics;
    int n_metrics;
    /* for fertility: tokens (without BOS), Unicode characters, words (parted by white space: eojeol) and UTF-8 bytes of the items' contexts
     * and continuations, each text once; text_tokens −1: nobody knows them */
    int64_t text_tokens, text_characters, text_words, text_bytes;
    int64_t prompt_tokens;   // tokens of all requests, as if each were scored on its own
    int64_t distinct_tokens; // of those, as many as have different beginnings: sharing can't leave fewer; −1: alone, or as below
    int64_t computed_tokens; // rows that the engine really computed; −1: the answerer doesn't tell
    int resumed;             // items that were taken from the journal
    int inside_token;        // requests by text where a token lies over the place at which the continuation begins
    char warning[700];       // what is odd about the data and counts as lm-evaluation-harness counts it; "": nothing
    char left_out[512];      // why the answerer can't do this task; "": it has scores
    uint64_t ns;
};
void eval_result_free(struct eval_result *result);

/* A metric by its name, of the first filter that has it; NULL when the task hasn't got it. */
const struct eval_metric *eval_metric(const struct eval_result *result, const char *name);

/* Runs a task. The result does not depend on batch size, thread count, prefix reuse or whether a journal was gone on with. */
bool eval_run(struct engine *engine, const struct tokenizer *tokenizer, const struct eval_task *task, const struct eval_options *options,
              struct eval_result *result, struct error *err) MUST_CHECK;

/* --- Answers of somebody else ----------------------------------------------------------------------------------------------------------
 */

enum request_kind {
    REQUEST_SCORE,    // how likely the continuation is after the context
    REQUEST_GENERATE, // what the model writes after the context
};

/* One thing asked of a model. Context and continuation lie apart, so that the choices of an item share one context. */
struct request {
    enum request_kind kind;
    int item;                              // whose it is
    const int32_t *context, *continuation; // [n_context ≥ 1], [n_continuation ≥ 1 for SCORE, 0 for GENERATE]; NULL: asked by text
    int n_context, n_continuation;         // by text, out: as the answerer counts them; −1: it doesn't tell
    const char *whole;                     // both as one text, of a request without tokens; else NULL
    size_t whole_context;                  // bytes of it that are the context
    double log_likelihood;                 // SCORE, out: Σ ln p over the continuation, in its order
    bool greedy;                           // SCORE, out: each of its tokens is the most likely one
    bool inside_token;                     // SCORE by text, out: a token lies over the place where the continuation begins; it is scored
    const char *missing;                   // SCORE, out: why it can't be answered; NULL: it is
    int max_tokens;                        // GENERATE: at most so many
    const char *const *stops;              // GENERATE: NULL-terminated; the caller's
    struct text text;                      // GENERATE, out: up to the first stop; text_free
    int generated;                         // GENERATE, out: tokens computed; −1: the answerer doesn't tell
};

/* Who answers instead of an engine: a server, through whoever speaks to it. */
struct eval_answerer {
    const struct tokenizer *tokenizer; // its own: it is asked by tokens; NULL: by texts
    int max_length;                    // tokens that it takes at once; with a tokenizer, at least 2
    int score_length;                  // and of what is scored but for its last token, which an engine isn't fed and a server is sent
    bool writes_by_text;               // what is to be written is asked by text in any case
    const char *no_scores;             // why it can't tell how likely a text is; NULL: it can
    const char *no_windows;            // why rolling windows can't be asked, by texts; NULL: they can
    /* Answers n requests in any order, and calls done for each; false stops. *failed: the request that went wrong. */
    bool (*answer)(void *self, struct request *requests, size_t n, bool (*done)(void *context, struct request *request, struct error *err),
                   void *context, size_t *failed, struct error *err);
    void *self;
};

/* Runs a task as eval_run does. What the answerer can't do leaves the task out: result->left_out says why, and there are no scores. */
bool eval_run_through(const struct eval_answerer *answerer, const struct eval_task *task, const struct eval_options *options,
                      struct eval_result *result, struct error *err) MUST_CHECK;

/* A group's score: the mean of its tasks', by their sizes (micro) or not (macro), and the pooled standard error of lm-evaluation-harness,
 * √(Σ (nᵢ − 1) nᵢ seᵢ² ÷ (N − K) ÷ N). */
double eval_group(const double *scores, const double *sizes, size_t n, bool by_size);
double eval_group_stderr(const double *stderrs, const double *sizes, size_t n);

/* Two models' logits [n] at one position of a text in which `token` follows. */
struct eval_divergence {
    double kl;                     // of the reference p from the model q, in nats: Σ p ln(p ÷ q) (Kullback and Leibler 1951)
    bool same_best;                // the most likely token is the same, the lowest id on a tie
    double log_p, log_p_reference; // natural logarithms of the token's probability, by the model and by the reference
};
struct eval_divergence eval_divergence_of(const float *logits, const float *reference, size_t n, size_t token);

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
