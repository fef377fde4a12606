/* Answers judged: see judge.h. What each score is, metrics.h tells. */
#include "eval/judge.h"

#include "base/memory.h"
#include "eval/math_answer.h"
#include "eval/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_METRICS = 32 };

struct judging {
    const struct prompt_rules *rules;
    const struct prompt *prompts;
    struct eval_result *result;
    int bootstrap;
    struct error *err;
};

/* A new score with room for each item's value; NULL when memory runs out. */
static struct eval_metric *add_metric(struct judging *j, const char *name, const char *filter)
{
    struct eval_result *r = j->result;
    if (!r->metrics && !(r->metrics = memory_array(MOST_METRICS, sizeof *r->metrics, "scores", j->err)))
        return NULL;
    if (r->n_metrics == MOST_METRICS) {
        error_set(j->err, ERROR_INPUT, "a task with more than %d scores", MOST_METRICS);
        return NULL;
    }
    struct eval_metric *m = &r->metrics[r->n_metrics];
    *m = (struct eval_metric){.name = name, .filter = filter, .stderr_ = NAN};
    if (!(m->values = memory_array((size_t)r->n, sizeof *m->values, "scores", j->err)))
        return NULL;
    r->n_metrics++;
    return m;
}

static void finish_mean(struct judging *j, struct eval_metric *m, bool is_share)
{
    m->value = metric_mean(m->values, (size_t)j->result->n);
    m->stderr_ = metric_mean_stderr(m->values, (size_t)j->result->n);
    m->is_share = is_share;
}

/* --- choices ---------------------------------------------------------------------------------------------------------------------------
 */

static void choose(struct judging *j)
{
    for (int i = 0; i < j->result->n; i++) {
        struct eval_item *item = &j->result->items[i];
        struct metric_choice won =
            metric_choose(item->log_likelihood, item->unconditional, (const char *const *)j->prompts[i].choices, item->n);
        item->choice = won.plain;
        item->choice_norm = won.norm;
        item->choice_bytes = won.bytes;
        item->choice_mutual_info = won.mutual_info;
    }
}

static int winner(const struct eval_item *item, int rule)
{
    const int winners[] = {item->choice, item->choice_norm, item->choice_bytes, item->choice_mutual_info};
    return winners[rule];
}

static bool judge_choices(struct judging *j)
{
    static const char *const names[] = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info"};
    int n = j->result->n;
    struct eval_metric *m;
    choose(j);
    if (j->rules->true_mass) {
        if (!(m = add_metric(j, "acc", "none")))
            return false;
        for (int i = 0; i < n; i++)
            m->values[i] = metric_true_mass(j->result->items[i].log_likelihood, j->prompts[i].labels, j->result->items[i].n);
        finish_mean(j, m, false);
        return true;
    }
    for (int rule = 0; rule < (n && j->prompts[0].unconditional ? 4 : 3); rule++) {
        if (!(m = add_metric(j, names[rule], "none")))
            return false;
        for (int i = 0; i < n; i++)
            m->values[i] = winner(&j->result->items[i], rule) == j->result->items[i].gold;
        finish_mean(j, m, true);
    }
    if (!j->rules->macro_f1)
        return true;
    int *gold = memory_array(2 * (size_t)n, sizeof *gold, "scores", j->err), *predicted = gold + n;
    for (int i = 0; gold && i < n; i++) {
        gold[i] = j->result->items[i].gold;
        predicted[i] = j->result->items[i].choice;
    }
    bool ok = gold && (m = add_metric(j, "f1", "none")) && metric_macro_f1(gold, predicted, (size_t)n, &m->value, j->err);
    if (ok) {
        free(m->values);
        m->values = NULL;
    }
    free(gold);
    return ok;
}

/* --- likelihoods
 * --------------------------------------------------------------------------------------------------------------------------
 */

static bool judge_likelihood(struct judging *j)
{
    enum { BOOTSTRAP = 100000 };
    size_t n = (size_t)j->result->n;
    struct eval_metric *perplexity = add_metric(j, "perplexity", "none"), *acc = perplexity ? add_metric(j, "acc", "none") : NULL;
    if (!acc)
        return false;
    for (size_t i = 0; i < n; i++) {
        perplexity->values[i] = j->result->items[i].log_likelihood[0];
        acc->values[i] = j->result->items[i].is_greedy[0];
    }
    finish_mean(j, acc, true);
    perplexity->value = metric_perplexity(perplexity->values, n);
    perplexity->lower_is_better = true;
    return metric_perplexity_stderr(perplexity->values, n, j->bootstrap ? j->bootstrap : BOOTSTRAP, &perplexity->stderr_, j->err);
}

static bool judge_rolling(struct judging *j)
{
    size_t n = (size_t)j->result->n;
    double *ll = memory_array(3 * n, sizeof *ll, "scores", j->err);
    if (!ll)
        return false;
    for (size_t i = 0; i < n; i++) {
        ll[i] = j->result->items[i].log_likelihood[0];
        ll[n + i] = j->prompts[i].words;
        ll[2 * n + i] = j->prompts[i].bytes;
    }
    double by_word = metric_per_unit(ll, ll + n, n), by_byte = metric_per_unit(ll, ll + 2 * n, n);
    const struct {
        const char *name;
        double value;
    } scores[] = {{"word_perplexity", exp(-by_word)}, {"byte_perplexity", exp(-by_byte)}, {"bits_per_byte", -by_byte / log(2)}};
    for (int k = 0; k < 3; k++) {
        struct eval_metric *m = add_metric(j, scores[k].name, "none");
        if (!m) {
            free(ll);
            return false;
        }
        m->value = scores[k].value;
        m->lower_is_better = true;
        memcpy(m->values, ll, n * sizeof *ll);
    }
    free(ll);
    return true;
}

/* --- texts -----------------------------------------------------------------------------------------------------------------------------
 */

static bool judge_text(struct judging *j, int i, const cJSON *steps, double *value)
{
    const struct eval_item *item = &j->result->items[i];
    const struct prompt *p = &j->prompts[i];
    struct filter_item of = {.question = p->question, .choices = (const char *const *)p->choices, .n_choices = p->choices ? p->n : 0};
    struct text text = {0};
    bool equal = false;
    text_add_string(&text, item->text);
    bool ok = filter_apply(steps, &of, &text, j->err) &&
              (j->rules->math_answers ? math_answer_equal(text.bytes, item->target, &equal, j->err)
                                      : filter_equal(&j->rules->match, text.bytes, item->target, &equal, j->err));
    text_free(&text);
    *value = equal;
    return ok || error_prefix(j->err, "record %d", item->doc_index + 1);
}

static bool judge_filter(struct judging *j, const char *name, const cJSON *steps)
{
    struct eval_metric *m = add_metric(j, "exact_match", name);
    if (!m)
        return false;
    for (int i = 0; i < j->result->n; i++)
        if (!judge_text(j, i, steps, &m->values[i]))
            return false;
    finish_mean(j, m, true);
    return true;
}

static bool judge_generate(struct judging *j)
{
    const cJSON *filter;
    if (!j->rules->filters)
        return judge_filter(j, "none", NULL);
    cJSON_ArrayForEach(filter, j->rules->filters) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(filter, "name"));
        if (!name)
            return error_set(j->err, ERROR_INPUT, "a filter has no name");
        if (!judge_filter(j, name, cJSON_GetObjectItemCaseSensitive(filter, "filter")))
            return false;
    }
    return true;
}

bool judge(const struct prompt_rules *rules, const struct prompt *prompts, int bootstrap, struct eval_result *result, struct error *err)
{
    static bool (*const by_kind[])(struct judging *) = {[EVAL_CHOICES] = judge_choices,
                                                        [EVAL_LIKELIHOOD] = judge_likelihood,
                                                        [EVAL_ROLLING] = judge_rolling,
                                                        [EVAL_GENERATE] = judge_generate};
    struct judging j = {rules, prompts, result, bootstrap, err};
    return by_kind[rules->kind](&j);
}
