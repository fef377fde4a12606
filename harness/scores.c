/* Scores as JSON and lines: see scores.h. */
#include "harness/scores.h"

#include "base/json.h"
#include "base/text.h"
#include "harness/cli.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Wilson's interval for a share, else value ± 1.96 standard errors. */
static cJSON *score_json(double value, double stderr_, bool is_share, bool lower_is_better, int n)
{
    struct interval i = {value, value - 1.959963985 * stderr_, value + 1.959963985 * stderr_};
    cJSON *score = cJSON_CreateObject();
    if (is_share)
        i = statistics_wilson((uint64_t)llround(value * n), (uint64_t)n);
    json_add_real(score, "value", value, "no items");
    json_add_real(score, "stderr", stderr_, n < 2 ? "fewer than two items" : "none is defined for this score");
    json_add_real(score, "ci95_low", i.low, "no standard error");
    json_add_real(score, "ci95_high", i.high, "no standard error");
    cJSON_AddStringToObject(score, "interval", is_share ? "wilson" : "normal");
    if (lower_is_better)
        cJSON_AddTrueToObject(score, "lower_is_better");
    cJSON_AddNumberToObject(score, "n", n);
    return score;
}

const char scores_not_counted[] = "the requests were texts, and the server's tokenizer is its own";

/* "metric", or "metric,filter" where answers are filtered. */
static const char *metric_key(const struct eval_metric *m, char *out, size_t n)
{
    bool plain = strcmp(m->filter, "none") == 0;
    snprintf(out, n, "%s%s%s", m->name, plain ? "" : ",", plain ? "" : m->filter);
    return out;
}

static const char *const amounts[] = {"tokens", "characters", "words", "bytes"};
enum { AMOUNTS = 4 };

/* What a tokenizer makes of text, of a row that has the amounts. */
static void add_fertility(cJSON *row)
{
    double tokens = json_real(row, "tokens");
    const char *reason = isfinite(tokens) ? "no text was tokenized" : scores_not_counted;
    json_add_real(row, "tokens_per_1000_characters", 1000 * tokens / json_real(row, "characters"), reason);
    json_add_real(row, "tokens_per_word", tokens / json_real(row, "words"), reason);
    json_add_real(row, "tokens_per_byte", tokens / json_real(row, "bytes"), reason);
}

/* Of the texts whose tokens are known. */
static cJSON *fertility_of(const cJSON *results, const char *language)
{
    cJSON *row = cJSON_CreateObject();
    double sums[AMOUNTS] = {0};
    bool counted = false;
    const cJSON *one;
    cJSON_ArrayForEach(one, results) {
        if (strcmp(json_text(one, "language"), language) != 0 || !isfinite(json_real(one, "tokens")))
            continue;
        counted = true;
        for (int i = 0; i < AMOUNTS; i++)
            sums[i] += json_real(one, amounts[i]);
    }
    cJSON_AddStringToObject(row, "language", language);
    for (int i = 0; i < AMOUNTS; i++)
        json_add_real(row, amounts[i], counted ? sums[i] : NAN, scores_not_counted);
    add_fertility(row);
    return row;
}

cJSON *scores_of_fertility(const cJSON *results)
{
    cJSON *rows = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach(one, results)
        if (!cJSON_IsNull(cJSON_GetObjectItem(one, "scores")) && !json_find(rows, "language", json_text(one, "language")))
            cJSON_AddItemToArray(rows, fertility_of(results, json_text(one, "language")));
    return rows;
}

cJSON *scores_of_task(const struct eval_task_info *info, const struct eval_result *r)
{
    cJSON *row = cJSON_CreateObject(), *scores = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "task", info->name);
    cJSON_AddItemToObject(row, "groups", cJSON_CreateStringArray(info->groups, info->n_groups));
    cJSON_AddStringToObject(row, "language", info->language);
    cJSON_AddNumberToObject(row, "n", r->n);
    if (r->warning[0])
        cJSON_AddStringToObject(row, "warning", r->warning);
    if (r->left_out[0]) {
        cJSON_Delete(scores);
        cJSON_AddNullToObject(row, "scores");
        cJSON_AddStringToObject(row, "scores_reason", r->left_out);
        return row;
    }
    for (int i = 0; i < r->n_metrics; i++) {
        const struct eval_metric *m = &r->metrics[i];
        char key[128];
        cJSON_AddItemToObject(scores, metric_key(m, key, sizeof key),
                              score_json(m->value, m->stderr_, m->is_share, m->lower_is_better, r->n));
    }
    cJSON_AddItemToObject(row, "scores", scores);
    if (r->kind == EVAL_CHOICES)
        cJSON_AddNumberToObject(row, "chance", info->chance);
    const int64_t counted[AMOUNTS] = {r->text_tokens, r->text_characters, r->text_words, r->text_bytes};
    for (int i = 0; i < AMOUNTS; i++)
        json_add_real(row, amounts[i], counted[i] >= 0 ? (double)counted[i] : NAN, scores_not_counted);
    add_fertility(row);
    cJSON_AddNumberToObject(row, "prompt_tokens", (double)r->prompt_tokens);
    json_add_real(row, "distinct_tokens", r->distinct_tokens >= 0 ? (double)r->distinct_tokens : NAN,
                  r->computed_tokens >= 0 ? "not counted: --alone" : "an endpoint doesn't tell");
    json_add_real(row, "computed_tokens", r->computed_tokens >= 0 ? (double)r->computed_tokens : NAN, "an endpoint doesn't tell");
    cJSON_AddNumberToObject(row, "resumed_items", r->resumed);
    cJSON_AddNumberToObject(row, "seconds", (double)r->ns * 1e-9);
    cJSON_AddStringToObject(row, "data_sha256", info->data_sha256);
    return row;
}

/* --- groups ----------------------------------------------------------------------------------------------------------------------------
 */

static bool belongs(const cJSON *row, const char *group)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(row, "groups"))
        if (strcmp(one->valuestring, group) == 0)
            return true;
    return false;
}

static cJSON *group_score(const cJSON *results, const char *group, const char *key)
{
    int most = cJSON_GetArraySize(results), n = 0, items = 0;
    double *columns = calloc(3 * (size_t)most + 1, sizeof *columns), *values = columns, *errors = columns + most, *sizes = errors + most;
    bool is_share = true, lower = false;
    const cJSON *row;
    if (!columns)
        return NULL;
    cJSON_ArrayForEach(row, results) {
        const cJSON *score = cJSON_GetObjectItem(cJSON_GetObjectItem(row, "scores"), key);
        if (!score || !belongs(row, group))
            continue;
        values[n] = json_real(score, "value");
        errors[n] = json_real(score, "stderr");
        sizes[n] = json_real(row, "n");
        items += (int)sizes[n++];
        is_share = is_share && strcmp(json_text(score, "interval"), "wilson") == 0;
        lower = lower || cJSON_IsTrue(cJSON_GetObjectItem(score, "lower_is_better"));
    }
    double micro = eval_group(values, sizes, (size_t)n, true), macro = eval_group(values, sizes, (size_t)n, false);
    cJSON *score = score_json(micro, eval_group_stderr(errors, sizes, (size_t)n), is_share, lower, items);
    cJSON_AddNumberToObject(score, "macro", macro);
    cJSON_AddNumberToObject(score, "tasks", n);
    free(columns);
    return score;
}

/* The group of a name, made when it isn't there. */
static cJSON *group_named(cJSON *groups, const char *name)
{
    cJSON *group = json_find(groups, "group", name);
    if (group)
        return group;
    group = cJSON_CreateObject();
    cJSON_AddStringToObject(group, "group", name);
    cJSON_AddNumberToObject(group, "tasks", 0);
    cJSON_AddNumberToObject(group, "n", 0);
    cJSON_AddObjectToObject(group, "scores");
    cJSON_AddItemToArray(groups, group);
    return group;
}

cJSON *scores_of_groups(const cJSON *results)
{
    cJSON *groups = cJSON_CreateArray();
    const cJSON *row, *name, *score;
    cJSON_ArrayForEach(row, results)
        cJSON_ArrayForEach(name, cJSON_GetObjectItem(row, "groups")) {
            if (cJSON_IsNull(cJSON_GetObjectItem(row, "scores"))) // left out: said in its own row
                continue;
            cJSON *group = group_named(groups, name->valuestring), *scores = cJSON_GetObjectItem(group, "scores");
            cJSON_SetNumberValue(cJSON_GetObjectItem(group, "tasks"), json_real(group, "tasks") + 1);
            cJSON_SetNumberValue(cJSON_GetObjectItem(group, "n"), json_real(group, "n") + json_real(row, "n"));
            cJSON_ArrayForEach(score, cJSON_GetObjectItem(row, "scores"))
                if (!cJSON_GetObjectItem(scores, score->string))
                    cJSON_AddItemToObject(scores, score->string, group_score(results, name->valuestring, score->string));
        }
    return groups;
}

/* --- items -----------------------------------------------------------------------------------------------------------------------------
 */

static void add_choices(cJSON *line, const struct eval_item *item)
{
    cJSON_AddItemToObject(line, "log_likelihoods", cJSON_CreateDoubleArray(item->log_likelihood, item->n));
    cJSON_AddItemToObject(line, "continuation_tokens", cJSON_CreateIntArray(item->continuation_tokens, item->n));
    if (item->unconditional)
        cJSON_AddItemToObject(line, "unconditional", cJSON_CreateDoubleArray(item->unconditional, item->n));
    cJSON *greedy = cJSON_AddArrayToObject(line, "is_greedy");
    for (int c = 0; c < item->n; c++)
        cJSON_AddItemToArray(greedy, cJSON_CreateBool(item->is_greedy[c]));
    if (item->kind != EVAL_CHOICES)
        return;
    cJSON_AddNumberToObject(line, "choice", item->choice);
    cJSON_AddNumberToObject(line, "choice_norm", item->choice_norm);
    cJSON_AddNumberToObject(line, "choice_bytes", item->choice_bytes);
    if (item->unconditional)
        cJSON_AddNumberToObject(line, "choice_mutual_info", item->choice_mutual_info);
    cJSON_AddNumberToObject(line, "gold", item->gold);
}

cJSON *scores_of_item(const struct eval_task_info *info, const struct eval_result *r, int index)
{
    const struct eval_item *item = &r->items[index];
    bool one_context = true;
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "task", info->name);
    cJSON_AddItemToObject(line, "groups", cJSON_CreateStringArray(info->groups, info->n_groups));
    cJSON_AddStringToObject(line, "language", info->language);
    cJSON_AddNumberToObject(line, "doc_index", item->doc_index);
    for (int c = 1; c < item->n; c++)
        one_context = one_context && strcmp(item->contexts[c], item->contexts[0]) == 0;
    if (one_context)
        cJSON_AddStringToObject(line, "context", item->contexts[0]);
    else
        cJSON_AddItemToObject(line, "contexts", cJSON_CreateStringArray((const char *const *)item->contexts, item->n));
    cJSON_AddNumberToObject(line, "context_tokens", item->context_tokens);
    if (item->continuations)
        cJSON_AddItemToObject(line, "continuations", cJSON_CreateStringArray((const char *const *)item->continuations, item->n));
    if (item->kind == EVAL_GENERATE) {
        cJSON_AddStringToObject(line, "text", item->text);
        cJSON_AddStringToObject(line, "target", item->target);
        json_add_real(line, "tokens", item->continuation_tokens[0] >= 0 ? (double)item->continuation_tokens[0] : NAN,
                      "the server doesn't tell");
    } else
        add_choices(line, item);
    cJSON *scores = cJSON_AddObjectToObject(line, "scores");
    for (int i = 0; i < r->n_metrics; i++) {
        const struct eval_metric *m = &r->metrics[i];
        char key[128];
        if (m->values)
            cJSON_AddNumberToObject(scores, metric_key(m, key, sizeof key), m->values[index]);
    }
    return line;
}

/* --- lines for people --------------------------------------------------------------------------------------------------------------------
 */

/* Eighty columns: name, items, score, value, standard error, interval, chance. */
enum { NAME = 21, LABEL = 13 };

void scores_print_heading(void)
{
    printf("%-*s %6s %-*s %7s %6s %15s %6s\n", NAME, "task or group", "n", LABEL, "score", "value", "stderr", "95 %", "chance");
}

/* Two decimals of a percentage, five digits of anything else. */
static const char *digits(double value, bool percent, char out[32])
{
    if (isfinite(value))
        snprintf(out, 32, percent ? "%.2f" : "%.5g", percent ? 100 * value : value);
    else
        snprintf(out, 32, "–");
    return out;
}

static void right(const char *text, int width)
{
    int pad = width - utf8_columns(text);
    printf("%*s%s", 1 + (pad > 0 ? pad : 0), "", text);
}

/* What doesn't fit its column stands on a line of its own. */
static void print_score(const char *name, const cJSON *score, double chance)
{
    bool percent = strcmp(json_text(score, "interval"), "wilson") == 0;
    char label[64], value[32], low[32], high[32], interval[80];
    snprintf(label, sizeof label, "%.40s%s", score->string, percent ? " %" : "");
    bool fits = strlen(name) <= NAME && strlen(label) <= LABEL;
    if (!fits)
        printf("%s: %s\n", name, label);
    printf("%-*s %6.0f %-*s", NAME, fits ? name : "", json_real(score, "n"), LABEL, fits ? label : "");
    right(digits(json_real(score, "value"), percent, value), 7);
    right(digits(json_real(score, "stderr"), percent, value), 6);
    snprintf(interval, sizeof interval, "%s … %s", digits(json_real(score, "ci95_low"), percent, low),
             digits(json_real(score, "ci95_high"), percent, high));
    right(isfinite(json_real(score, "ci95_low")) ? interval : "–", 15);
    if (isfinite(chance) && strncmp(score->string, "acc", 3) == 0)
        right(digits(chance, true, value), 6);
    puts("");
}

void scores_print(const cJSON *row, bool with_norm)
{
    const char *name = cJSON_GetObjectItem(row, "task") ? json_text(row, "task") : json_text(row, "group");
    const cJSON *score;
    if (cJSON_IsNull(cJSON_GetObjectItem(row, "scores")))
        printf("%-*s %6.0f left out: %s\n", NAME, name, json_real(row, "n"), json_text(row, "scores_reason"));
    cJSON_ArrayForEach(score, cJSON_GetObjectItem(row, "scores"))
        if (strcmp(score->string, "acc_bytes") != 0 && (strcmp(score->string, "acc_norm") != 0 || with_norm))
            print_score(name, score, json_real(row, "chance"));
}

void scores_print_fertility(const cJSON *fertility)
{
    const cJSON *row;
    printf("\n%-*s %10s %12s %10s %10s\n", NAME, "tokens", "of all", "1,000 char.", "a word", "a byte");
    cJSON_ArrayForEach(row, fertility) {
        const char *language = json_text(row, "language");
        if (cJSON_IsNull(cJSON_GetObjectItem(row, "tokens"))) {
            printf("%-*s %10s  %s\n", NAME, language, "unknown:", json_text(row, "tokens_reason"));
            continue;
        }
        printf("%-*s %10.0f", NAME, language, json_real(row, "tokens"));
        right(number_for_people(json_real(row, "tokens_per_1000_characters")), 12);
        right(number_for_people(json_real(row, "tokens_per_word")), 10);
        right(number_for_people(json_real(row, "tokens_per_byte")), 10);
        puts("");
    }
}
