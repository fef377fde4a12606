/* Two evaluations of the same items: see eval_comparison.h. */
#include "reports/eval_comparison.h"

#include "base/json.h"
#include "base/memory.h"
#include "reports/interval_json.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1, MOST_SCORES = 32 };

struct sample {
    const char *task, *language;
    double doc_index;
    const cJSON *line;
};

struct samples {
    struct sample *list; // sorted by task and record
    size_t n;
};

static int by_record(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    int tasks = strcmp(a->task, b->task);
    return tasks ? tasks : (a->doc_index > b->doc_index) - (a->doc_index < b->doc_index);
}

static bool read_samples(const cJSON *lines, const char *side, struct samples *out, struct error *err)
{
    const cJSON *line;
    *out = (struct samples){0};
    if (!(out->list = memory_array((size_t)cJSON_GetArraySize(lines), sizeof *out->list, "samples", err)))
        return false;
    cJSON_ArrayForEach(line, lines) {
        struct sample *s = &out->list[out->n++];
        *s = (struct sample){json_text(line, "task"), json_text(line, "language"), json_real(line, "doc_index"), line};
        if (!*s->task || !(s->doc_index >= 0) || !cJSON_IsObject(cJSON_GetObjectItem(line, "scores")))
            return error_set(err, ERROR_INPUT,
                             "%s, line %zu is no sample: it has no task, doc_index or scores (jeoul eval --samples writes them)", side,
                             out->n);
    }
    qsort(out->list, out->n, sizeof *out->list, by_record);
    for (size_t i = 1; i < out->n; i++)
        if (by_record(&out->list[i - 1], &out->list[i]) == 0)
            return error_set(err, ERROR_INPUT, "%s has record %.0f of task %s twice", side, out->list[i].doc_index + 1, out->list[i].task);
    return true;
}

static bool has_score(const struct sample *s, const char *score, double *value)
{
    *value = json_real(cJSON_GetObjectItem(s->line, "scores"), score);
    return isfinite(*value);
}

/* --- pairs ------------------------------------------------------------------------------------------------------------------------------
 */

struct pair {
    const struct sample *a, *b;
};

struct comparing {
    struct samples a, b;
    struct pair *pairs;
    size_t n;
    const char *scores[MOST_SCORES];
    int n_scores;
    double *left, *right; // [n]
    cJSON *root;
    struct error *err;
};

static bool same_words(const struct pair *p)
{
    static const char *const keys[] = {"context", "contexts", "continuations", "target", "gold"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const cJSON *a = cJSON_GetObjectItem(p->a->line, keys[k]), *b = cJSON_GetObjectItem(p->b->line, keys[k]);
        if (!a != !b || (a && !cJSON_Compare(a, b, true)))
            return false;
    }
    return true;
}

static bool note_scores(struct comparing *c, const struct sample *s)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(s->line, "scores")) {
        int k = 0;
        while (k < c->n_scores && strcmp(c->scores[k], one->string) != 0)
            k++;
        if (k == MOST_SCORES)
            return error_set(c->err, ERROR_INPUT, "the samples have more than %d different scores; compare fewer tasks at once",
                             MOST_SCORES);
        if (k == c->n_scores)
            c->scores[c->n_scores++] = one->string;
    }
    return true;
}

static bool match(struct comparing *c)
{
    size_t i = 0, j = 0;
    if (!(c->pairs = memory_array(c->a.n, sizeof *c->pairs, "pairs", c->err)) ||
        !(c->left = memory_array(c->a.n, sizeof *c->left, "pairs", c->err)) ||
        !(c->right = memory_array(c->a.n, sizeof *c->right, "pairs", c->err)))
        return false;
    while (i < c->a.n && j < c->b.n) {
        int order = by_record(&c->a.list[i], &c->b.list[j]);
        if (order) {
            i += order < 0;
            j += order > 0;
            continue;
        }
        struct pair *p = &c->pairs[c->n++];
        *p = (struct pair){&c->a.list[i++], &c->b.list[j++]};
        if (!same_words(p))
            return error_set(c->err, ERROR_INPUT,
                             "record %.0f of task %s was asked in other words on the two sides: they can't be compared",
                             p->a->doc_index + 1, p->a->task);
        if (!note_scores(c, p->a))
            return false;
    }
    cJSON_AddNumberToObject(c->root, "items", (double)c->n);
    cJSON_AddNumberToObject(c->root, "only_a", (double)(c->a.n - c->n));
    cJSON_AddNumberToObject(c->root, "only_b", (double)(c->b.n - c->n));
    return c->n || error_set(c->err, ERROR_INPUT, "no item stands on both sides");
}

static bool add_row(struct comparing *c, const char *score, const char *task, const char *language)
{
    size_t n = 0;
    uint64_t only_a = 0, only_b = 0;
    double sum_a = 0, sum_b = 0;
    bool right_or_wrong = true;
    struct interval difference;
    for (size_t i = 0; i < c->n; i++) {
        const struct pair *p = &c->pairs[i];
        if ((task && strcmp(p->a->task, task) != 0) || (language && strcmp(p->a->language, language) != 0) ||
            !has_score(p->a, score, &c->left[n]) || !has_score(p->b, score, &c->right[n]))
            continue;
        double a = c->left[n], b = c->right[n++];
        sum_a += a;
        sum_b += b;
        right_or_wrong = right_or_wrong && (a == 0 || a == 1) && (b == 0 || b == 1);
        only_a += a > b;
        only_b += b > a;
    }
    if (!n)
        return true;
    if (!statistics_paired(c->left, c->right, n, SEED, &difference, c->err))
        return false;
    cJSON *row = cJSON_CreateObject();
    if (task)
        cJSON_AddStringToObject(row, "task", task);
    if (language)
        cJSON_AddStringToObject(row, "language", language);
    cJSON_AddStringToObject(row, "score", score);
    cJSON_AddNumberToObject(row, "n", (double)n);
    cJSON_AddNumberToObject(row, "a", sum_a / (double)n);
    cJSON_AddNumberToObject(row, "b", sum_b / (double)n);
    cJSON_AddItemToObject(row, "difference", interval_json(difference));
    cJSON_AddNumberToObject(row, "only_a_right", (double)only_a);
    cJSON_AddNumberToObject(row, "only_b_right", (double)only_b);
    cJSON_AddItemToObject(row, "mcnemar_p",
                          right_or_wrong ? cJSON_CreateNumber(statistics_mcnemar(only_b, only_a + only_b)) : cJSON_CreateNull());
    if (!right_or_wrong)
        cJSON_AddStringToObject(row, "mcnemar_reason", "the score is no right or wrong");
    cJSON_AddItemToArray(cJSON_GetObjectItem(c->root, "rows"), row);
    return true;
}

static bool seen_before(const struct comparing *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(c->pairs[k].a->language, c->pairs[i].a->language) == 0)
            return true;
    return false;
}

static bool add_rows(struct comparing *c)
{
    cJSON_AddArrayToObject(c->root, "rows");
    for (int s = 0; s < c->n_scores; s++) {
        for (size_t i = 0; i < c->n; i++)
            if ((i == 0 || strcmp(c->pairs[i].a->task, c->pairs[i - 1].a->task) != 0) &&
                !add_row(c, c->scores[s], c->pairs[i].a->task, NULL))
                return false;
        for (size_t i = 0; i < c->n; i++)
            if ((i == 0 || strcmp(c->pairs[i].a->task, c->pairs[i - 1].a->task) != 0) && !seen_before(c, i) &&
                !add_row(c, c->scores[s], NULL, c->pairs[i].a->language))
                return false;
        if (!add_row(c, c->scores[s], NULL, NULL))
            return false;
    }
    return true;
}

static void add_flips(struct comparing *c)
{
    cJSON *flipped = cJSON_AddArrayToObject(c->root, "flipped");
    for (size_t i = 0; i < c->n; i++)
        for (int s = 0; s < c->n_scores; s++) {
            const struct pair *p = &c->pairs[i];
            double a, b;
            if (!has_score(p->a, c->scores[s], &a) || !has_score(p->b, c->scores[s], &b) || a == b || a * b != 0 || a + b != 1)
                continue;
            cJSON *one = cJSON_CreateObject();
            cJSON_AddStringToObject(one, "task", p->a->task);
            cJSON_AddStringToObject(one, "language", p->a->language);
            cJSON_AddNumberToObject(one, "doc_index", p->a->doc_index);
            cJSON_AddStringToObject(one, "score", c->scores[s]);
            cJSON_AddNumberToObject(one, "a", a);
            cJSON_AddNumberToObject(one, "b", b);
            cJSON_AddItemToArray(flipped, one);
        }
}

cJSON *eval_comparison(const cJSON *a, const cJSON *b, struct error *err)
{
    struct comparing c = {.root = cJSON_CreateObject(), .err = err};
    cJSON *gaps_a = NULL, *gaps_b = NULL;
    bool ok = read_samples(a, "the first file", &c.a, err) && read_samples(b, "the second file", &c.b, err) && match(&c) && add_rows(&c) &&
              (gaps_a = eval_gaps(a, err)) && (gaps_b = eval_gaps(b, err));
    if (ok) {
        add_flips(&c);
        cJSON_AddItemToObject(c.root, "gaps_a", gaps_a);
        cJSON_AddItemToObject(c.root, "gaps_b", gaps_b);
    } else {
        cJSON_Delete(gaps_a);
        cJSON_Delete(c.root);
    }
    free(c.pairs);
    free(c.left);
    free(c.right);
    free(c.a.list);
    free(c.b.list);
    return ok ? c.root : NULL;
}

/* --- Korean and English ------------------------------------------------------------------------------------------------------------------
 */

/* Sets that are there in both languages, by task or group; parallel: record by record the same. */
static const struct {
    const char *ko, *en;
    bool parallel;
} twins[] = {{"sib200_ko", "sib200_en", true}, {"kmmlu", "mmlu", false},         {"kobest_hellaswag", "hellaswag", false},
             {"kobest_copa", "copa", false},   {"kobest_boolq", "boolq", false}, {"builtin_ko", "builtin_en", false}};

struct half {
    const struct sample **list;
    size_t n;
};

static bool belongs(const struct sample *s, const char *name)
{
    const cJSON *group;
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(s->line, "groups"))
        if (cJSON_IsString(group) && strcmp(group->valuestring, name) == 0)
            return true;
    return strcmp(s->task, name) == 0;
}

static bool take(const struct samples *all, const char *name, struct half *out, struct error *err)
{
    *out = (struct half){memory_array(all->n, sizeof *out->list, "samples", err), 0};
    for (size_t i = 0; out->list && i < all->n; i++)
        if (belongs(&all->list[i], name))
            out->list[out->n++] = &all->list[i];
    return out->list != NULL;
}

/* Whether both halves are the same records with the same right answers. */
static bool are_parallel(const struct half *ko, const struct half *en)
{
    bool same = ko->n == en->n;
    for (size_t i = 0; same && i < ko->n; i++)
        same = ko->list[i]->doc_index == en->list[i]->doc_index &&
               json_real(ko->list[i]->line, "gold") == json_real(en->list[i]->line, "gold");
    return same;
}

static bool add_gap(cJSON *gaps, size_t twin, const char *score, const struct half *ko, const struct half *en, struct error *err)
{
    struct interval difference;
    bool parallel = twins[twin].parallel && are_parallel(ko, en), ok = true;
    double *values = memory_array(ko->n + en->n, sizeof *values, "samples", err), sums[2] = {0};
    if (!values)
        return false;
    for (size_t i = 0; ok && i < ko->n + en->n; i++) {
        ok = has_score(i < ko->n ? ko->list[i] : en->list[i - ko->n], score, &values[i]) && (values[i] == 0 || values[i] == 1);
        sums[i >= ko->n] += values[i];
    }
    if (!ok) { // not a score of all of them
        free(values);
        return true;
    }
    if (parallel)
        ok = statistics_paired(values + ko->n, values, ko->n, SEED, &difference, err);
    else
        difference = statistics_share_difference((uint64_t)sums[1], en->n, (uint64_t)sums[0], ko->n);
    free(values);
    if (!ok)
        return false;
    cJSON *gap = cJSON_CreateObject();
    cJSON_AddStringToObject(gap, "ko", twins[twin].ko);
    cJSON_AddStringToObject(gap, "en", twins[twin].en);
    cJSON_AddStringToObject(gap, "score", score);
    cJSON_AddNumberToObject(gap, "n_ko", (double)ko->n);
    cJSON_AddNumberToObject(gap, "n_en", (double)en->n);
    cJSON_AddBoolToObject(gap, "paired", parallel);
    cJSON_AddItemToObject(gap, "difference", interval_json(difference));
    cJSON_AddItemToArray(gaps, gap);
    return true;
}

cJSON *eval_gaps(const cJSON *lines, struct error *err)
{
    struct samples all = {0};
    cJSON *gaps = cJSON_CreateArray();
    bool ok = read_samples(lines, "the file", &all, err);
    for (size_t t = 0; ok && t < sizeof twins / sizeof *twins; t++) {
        struct half ko = {0}, en = {0};
        const cJSON *score;
        ok = take(&all, twins[t].ko, &ko, err) && take(&all, twins[t].en, &en, err);
        if (ok && ko.n && en.n)
            cJSON_ArrayForEach(score, cJSON_GetObjectItem(ko.list[0]->line, "scores"))
                ok = ok && add_gap(gaps, t, score->string, &ko, &en, err);
        free(ko.list);
        free(en.list);
    }
    free(all.list);
    if (ok)
        return gaps;
    cJSON_Delete(gaps);
    return NULL;
}
