/* Figures: everything that a report says, derived from a run document and a price book, as one JSON object. Failed cells are listed, and no
 * figure is made from them. */
#include "reports/reports.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "reports/cost.h"
#include "reports/expert_load.h"
#include "reports/interval_json.h"
#include "reports/model_pairs.h"
#include "reports/reasons.h"
#include "reports/served.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 4096 };

struct deriving {
    const cJSON *run;
    cJSON *figures;
    struct error *err;
};

/* The greatest measured limit of a metric. */
static double limit_of(const struct deriving *d, const char *metric)
{
    double best = NAN;
    const cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(d->run, "measurements"))
        if (strcmp(json_text(m, "metric"), metric) == 0 && !(json_real(m, "value") <= best))
            best = fmax(json_real(m, "value"), isnan(best) ? 0 : best);
    return best;
}

/* Where a cell ran: "cuda:0", "" on the CPU. It gets into pages and scripts of charts: what no plan would have written is "?". */
static const char *placement_of(const cJSON *config)
{
    const char *text = json_text(config, "placement");
    return strlen(text) < 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789:+") == strlen(text) ? text : "?";
}

/* The row of `throughput` with the cell's configuration, made when it isn't there. */
static cJSON *throughput_row(const struct deriving *d, const cJSON *cell, const char *phase)
{
    const cJSON *config = cJSON_GetObjectItem(cell, "config");
    cJSON *rows = cJSON_GetObjectItem(d->figures, "throughput"), *row;
    bool prefill = strcmp(phase, "prefill") == 0;
    double tokens = json_real(config, prefill ? "prompt" : "generate"), batch = json_real(config, "batch"),
           threads = json_real(config, "threads");
    cJSON_ArrayForEach(row, rows) {
        if (strcmp(json_text(row, "model"), json_text(cell, "model")) == 0 && strcmp(json_text(row, "phase"), phase) == 0 &&
            json_real(row, "tokens") == tokens && json_real(row, "batch") == batch && json_real(row, "threads") == threads &&
            strcmp(json_text(row, "kv"), json_text(config, "kv")) == 0 && strcmp(json_text(row, "placement"), placement_of(config)) == 0)
            return row;
    }
    row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "model", json_text(cell, "model"));
    cJSON_AddStringToObject(row, "phase", phase);
    cJSON_AddNumberToObject(row, "tokens", tokens);
    cJSON_AddNumberToObject(row, "batch", batch);
    cJSON_AddNumberToObject(row, "threads", threads);
    cJSON_AddStringToObject(row, "kv", json_text(config, "kv"));
    if (*placement_of(config))
        cJSON_AddStringToObject(row, "placement", placement_of(config));
    cJSON_AddArrayToObject(row, "samples");
    cJSON_AddArrayToObject(row, "rates"); // of the limit's unit
    cJSON_AddItemToArray(rows, row);
    return row;
}

static size_t samples_of(const cJSON *array, double *out)
{
    size_t n = 0;
    const cJSON *value;
    cJSON_ArrayForEach(value, array)
        if (n < MAX_SAMPLES)
            out[n++] = value->valuedouble;
    return n;
}

static bool derive_throughput(struct deriving *d)
{
    const cJSON *m;
    cJSON *row, *rows = cJSON_AddArrayToObject(d->figures, "throughput");
    double *samples = memory_array(MAX_SAMPLES, sizeof *samples, "samples", d->err);
    bool ok = samples != NULL;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(d->run, "measurements")) {
        const char *metric = json_text(m, "metric"), *phase = json_text(cJSON_GetObjectItem(m, "labels"), "phase");
        const cJSON *cell = json_find(cJSON_GetObjectItem(d->run, "cells"), "id", json_text(m, "cell"));
        bool speed = strstr(metric, "_throughput") && strcmp(metric, "eval_throughput") != 0;
        bool rate = strcmp(metric, strcmp(phase, "prefill") == 0 ? "operation_rate" : "model_bandwidth") == 0;
        if (cell && (speed || rate) && cJSON_IsNumber(cJSON_GetObjectItem(m, "value")))
            cJSON_AddItemToArray(cJSON_GetObjectItem(throughput_row(d, cell, phase), speed ? "samples" : "rates"),
                                 cJSON_CreateNumber(json_real(m, "value")));
    }
    cJSON_ArrayForEach(row, rows) {
        struct summary s;
        size_t n = ok ? samples_of(cJSON_GetObjectItem(row, "samples"), samples) : 0;
        ok = ok && n && statistics_summary(samples, n, 1, &s, d->err);
        if (!ok)
            break;
        cJSON *interval = interval_json((struct interval){s.median, s.ci95_low, s.ci95_high});
        cJSON_AddItemToObject(interval, "cv", n > 1 ? cJSON_CreateNumber(s.cv) : cJSON_CreateNull());
        cJSON_AddNumberToObject(interval, "n", (double)n);
        cJSON_AddItemToObject(row, "tok_per_s", interval);
        bool prefill = strcmp(json_text(row, "phase"), "prefill") == 0;
        double limit = *json_text(row, "placement") ? NAN : limit_of(d, prefill ? "int8_peak" : "read_bandwidth"); // they are the CPU's
        n = samples_of(cJSON_GetObjectItem(row, "rates"), samples);
        cJSON_AddStringToObject(row, "limit", prefill ? "int8_peak" : "read_bandwidth");
        cJSON_AddItemToObject(row, "of_limit",
                              n && limit > 0 ? cJSON_CreateNumber(statistics_median(samples, n) / limit) : cJSON_CreateNull());
        cJSON_DeleteItemFromObject(row, "rates");
    }
    free(samples);
    return ok;
}

static cJSON *accuracy_row(const struct deriving *d, const char *model, const char *language)
{
    cJSON *rows = cJSON_GetObjectItem(d->figures, "accuracy"), *row;
    cJSON_ArrayForEach(row, rows)
        if (strcmp(json_text(row, "model"), model) == 0 && strcmp(json_text(row, "language"), language) == 0)
            return row;
    row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "model", model);
    cJSON_AddStringToObject(row, "language", language);
    for (const char *const *key = (const char *const[]){"n", "correct", "chance_sum", "macro_sum", "tokens", "characters", "words", "bytes",
                                                        "asked_tokens", NULL};
         *key; key++)
        cJSON_AddNumberToObject(row, *key, 0);
    cJSON_AddArrayToObject(row, "tasks");
    cJSON_AddItemToArray(rows, row);
    return row;
}

/* Tokens of all requests of a cell's task, NaN where the document doesn't tell. */
static double asked_tokens(const struct deriving *d, const char *cell, const char *task)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(d->run, "measurements")) {
        const cJSON *labels = cJSON_GetObjectItem(m, "labels");
        if (strcmp(json_text(m, "metric"), "eval_throughput") == 0 && strcmp(json_text(m, "cell"), cell) == 0 &&
            strcmp(json_text(labels, "task"), task) == 0)
            return json_real(labels, "tokens");
    }
    return NAN;
}

static void increase(cJSON *row, const char *key, double by)
{
    cJSON *value = cJSON_GetObjectItem(row, key);
    if (value && isfinite(by)) // a document of an older version doesn't have them all
        cJSON_SetNumberValue(value, value->valuedouble + by);
}

/* The same of a sum that is unknown as soon as one part of it is. */
static void increase_or_lose(cJSON *row, const char *key, double by)
{
    if (isfinite(by))
        increase(row, key, by);
    else
        cJSON_ReplaceItemInObject(row, key, cJSON_CreateNull());
}

static void add_ratio(cJSON *row, const char *key, double of, double by)
{
    cJSON_AddItemToObject(row, key, by > 0 ? cJSON_CreateNumber(of / by) : cJSON_CreateNull());
}

/* What counts as accuracy: acc, and of what a model writes the exact match after the task's first filter. */
static bool is_accuracy(const cJSON *row, const cJSON *m, const char *task)
{
    const char *metric = json_text(m, "metric");
    return strcmp(metric, "acc") == 0 ||
           (strcmp(metric, "exact_match") == 0 && !json_find(cJSON_GetObjectItem(row, "tasks"), "task", task));
}

/* Sums into shares. */
static void conclude_accuracy(cJSON *row)
{
    double n = json_real(row, "n");
    cJSON_AddItemToObject(row, "acc",
                          n > 0 ? interval_json(statistics_wilson((uint64_t)json_real(row, "correct"), (uint64_t)n)) : cJSON_CreateNull());
    if (!(n > 0))
        cJSON_AddStringToObject(row, "acc_reason", "no task with right and wrong answers");
    json_add_real(row, "acc_macro", json_real(row, "macro_sum") / cJSON_GetArraySize(cJSON_GetObjectItem(row, "tasks")),
                  "no task with right and wrong answers");
    json_add_real(row, "chance", json_real(row, "chance_sum") / n, "there is no guessing of what is written freely");
    add_ratio(row, "fertility", 1000 * json_real(row, "tokens"), json_real(row, "characters"));
    add_ratio(row, "fertility_words", json_real(row, "tokens"), json_real(row, "words"));
    add_ratio(row, "fertility_bytes", json_real(row, "tokens"), json_real(row, "bytes"));
    cJSON_DeleteItemFromObject(row, "chance_sum");
    cJSON_DeleteItemFromObject(row, "macro_sum");
}

static void derive_accuracy(struct deriving *d)
{
    const cJSON *m;
    cJSON *row, *rows = cJSON_AddArrayToObject(d->figures, "accuracy");
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(d->run, "measurements")) {
        const cJSON *labels = cJSON_GetObjectItem(m, "labels"),
                    *task = json_find(cJSON_GetObjectItem(d->run, "tasks"), "name", json_text(labels, "task")),
                    *cell = json_find(cJSON_GetObjectItem(d->run, "cells"), "id", json_text(m, "cell"));
        if (!task || !cell || cJSON_IsNull(cJSON_GetObjectItem(m, "value"))) // what was left out is in its own list
            continue;
        row = accuracy_row(d, json_text(cell, "model"), json_text(task, "language"));
        if (strcmp(json_text(m, "metric"), "fertility") == 0) {
            increase(row, "tokens", json_real(labels, "tokens"));
            increase(row, "characters", json_real(labels, "characters"));
            increase(row, "words", json_real(labels, "words"));
            increase(row, "bytes", json_real(labels, "bytes"));
        }
        if (!is_accuracy(row, m, json_text(task, "name")))
            continue;
        double n = json_real(labels, "n"), correct = json_real(labels, "correct");
        increase(row, "n", n);
        increase(row, "correct", correct);
        increase_or_lose(row, "chance_sum", n * json_real(task, "chance"));
        increase_or_lose(row, "asked_tokens", asked_tokens(d, json_text(m, "cell"), json_text(task, "name")));
        increase(row, "macro_sum", correct / n);
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "task", json_text(task, "name"));
        cJSON_AddStringToObject(one, "summary_ko", json_text(task, "summary_ko"));
        cJSON_AddStringToObject(one, "summary_en", json_text(task, "summary_en"));
        cJSON_AddNumberToObject(one, "n", n);
        cJSON_AddItemToObject(one, "acc", interval_json(statistics_wilson((uint64_t)correct, (uint64_t)n)));
        cJSON_AddNumberToObject(one, "chance", json_real(task, "chance"));
        cJSON_AddItemToArray(cJSON_GetObjectItem(row, "tasks"), one);
    }
    cJSON_ArrayForEach(row, rows)
        conclude_accuracy(row);
}

static struct interval read_interval(const cJSON *object)
{
    return (struct interval){json_real(object, "value"), json_real(object, "low"), json_real(object, "high")};
}

const cJSON *report_fastest(const cJSON *figures, const char *model, const char *phase)
{
    const cJSON *row, *best = NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "throughput")) {
        if ((!model || strcmp(json_text(row, "model"), model) == 0) && strcmp(json_text(row, "phase"), phase) == 0 &&
            (!best ||
             json_real(cJSON_GetObjectItem(row, "tok_per_s"), "value") > json_real(cJSON_GetObjectItem(best, "tok_per_s"), "value")))
            best = row;
    }
    return best;
}

/* A row of "cost": `krw`, of the configuration of a throughput's row, or why there is none. */
static void add_cost(struct deriving *d, const char *model, const char *kind, const char *ko, const char *en, const cJSON *row,
                     struct interval krw, const char *reason)
{
    cJSON *cost = cJSON_CreateObject();
    cJSON_AddStringToObject(cost, "model", model);
    cJSON_AddStringToObject(cost, "kind", kind);
    cJSON_AddStringToObject(cost, "label_ko", ko);
    cJSON_AddStringToObject(cost, "label_en", en);
    if (!row)
        reason = reason_words(REASON_NO_SPEED);
    if (!reason) {
        cJSON_AddItemToObject(cost, "krw", interval_json(krw));
        cJSON_AddNullToObject(cost, "reason");
        cJSON_AddNumberToObject(cost, "batch", json_real(row, "batch"));
        cJSON_AddNumberToObject(cost, "threads", json_real(row, "threads"));
    } else {
        cJSON_AddNullToObject(cost, "krw");
        cJSON_AddStringToObject(cost, "reason", reason);
    }
    cJSON_AddItemToArray(cJSON_GetObjectItem(d->figures, "cost"), cost);
}

static struct interval per_million(const struct price *price, const cJSON *row)
{
    return row ? cost_per_million_tokens(price->krw_per_hour, read_interval(cJSON_GetObjectItem(row, "tok_per_s"))) : (struct interval){0};
}

/* A model's costs; `reason`: why there are none, NULL where the price is known. */
static void add_costs(struct deriving *d, const char *id, const struct price *price, const char *reason)
{
    const cJSON *input = report_fastest(d->figures, id, "prefill"), *output = report_fastest(d->figures, id, "decode"), *row;
    struct interval in = per_million(price, input), out = per_million(price, output), right = {0};
    double fertility = NAN, asked = 0, correct = 0, n = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(d->figures, "accuracy")) {
        if (strcmp(json_text(row, "model"), id) != 0)
            continue;
        if (strcmp(json_text(row, "language"), "ko") == 0)
            fertility = json_real(row, "fertility");
        asked += json_real(row, "asked_tokens");
        correct += json_real(row, "correct");
        n += json_real(row, "n");
    }
    add_cost(d, id, "input", "입력 100만 토큰", "million input tokens", input, in, reason);
    add_cost(d, id, "output", "출력 100만 토큰", "million output tokens", output, out, reason);
    double f = fertility / 1000;
    add_cost(d, id, "ko_characters", "출력 한국어 100만 글자", "million Korean characters of output", output,
             (struct interval){out.value * f, out.low * f, out.high * f},
             reason             ? reason
             : isnan(fertility) ? reason_words(REASON_NO_KOREAN)
                                : NULL);
    if (correct > 0 && asked > 0)
        right = cost_per_1000_correct(in, asked, (uint64_t)correct, (uint64_t)n);
    add_cost(d, id, "correct_answers", "정답 1,000개", "thousand correct answers", input, right,
             reason           ? reason
             : !(n > 0)       ? reason_words(REASON_NO_ACCURACY)
             : !(correct > 0) ? reason_words(REASON_NONE_RIGHT)
             : !(asked > 0)   ? reason_words(REASON_TOKENS_UNTOLD)
                              : NULL);
}

static bool derive_cost(struct deriving *d, const char *prices)
{
    const cJSON *model, *named = cJSON_GetObjectItem(d->run, "price");
    const char *system = json_text(named, "system"), *reason = system[0] ? NULL : reason_words(REASON_NO_PRICE);
    struct price price = {0};
    cJSON *book = price_book_read(prices, d->err);
    cJSON_AddArrayToObject(d->figures, "cost");
    if (!book || (!reason && !price_find(book, prices, system, &price, d->err))) {
        cJSON_Delete(book);
        return false;
    }
    if (!reason) {
        cJSON *entry = cJSON_AddObjectToObject(d->figures, "price");
        const char *const texts[][2] = {{"id", price.id},          {"name_ko", price.name_ko}, {"name_en", price.name_en},
                                        {"source", price.source},  {"date", price.date},       {"note_ko", price.note_ko},
                                        {"note_en", price.note_en}};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            cJSON_AddStringToObject(entry, texts[i][0], texts[i][1]);
        cJSON_AddBoolToObject(entry, "assumed", price.assumed);
        int age = clock_days_between(price.date, json_text(d->run, "started"));
        cJSON_AddNumberToObject(entry, "age_days", age);
        cJSON_AddBoolToObject(entry, "stale", age > price.stale_after_days);
        cJSON_AddItemToObject(entry, "krw_per_hour", interval_json(price.krw_per_hour));
        cJSON_AddItemToObject(entry, "fx_source", price.fx_source ? cJSON_CreateString(price.fx_source) : cJSON_CreateNull());
        cJSON_AddNumberToObject(entry, "fx", price.fx);
    } else
        cJSON_AddNullToObject(d->figures, "price");
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(d->run, "models"))
        add_costs(d, json_text(model, "id"), &price, reason);
    cJSON_Delete(book);
    return true;
}

static void derive_lists(struct deriving *d)
{
    const cJSON *item;
    cJSON *failed = cJSON_AddArrayToObject(d->figures, "failed"), *random = cJSON_AddArrayToObject(d->figures, "random_weights"),
          *limits = cJSON_AddArrayToObject(d->figures, "limits"), *counters = cJSON_AddArrayToObject(d->figures, "counters"),
          *left_out = cJSON_AddArrayToObject(d->figures, "left_out");
    const char *first_bench = NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(d->run, "cells")) {
        if (strcmp(json_text(item, "state"), "ok") != 0)
            cJSON_AddItemToArray(failed, cJSON_Duplicate(item, true));
        else if (strcmp(json_text(item, "kind"), "bench") == 0)
            first_bench = json_text(item, "id"); // the last one: warmed up
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(d->run, "models"))
        if (cJSON_IsTrue(cJSON_GetObjectItem(item, "random_weights")))
            cJSON_AddItemToArray(random, cJSON_CreateString(json_text(item, "id")));
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(d->run, "measurements")) {
        const char *metric = json_text(item, "metric");
        bool score = cJSON_HasObjectItem(cJSON_GetObjectItem(item, "labels"), "task") && strcmp(metric, "fertility") != 0;
        bool counted = strncmp(metric, "counter:", 8) == 0 || strcmp(metric, "energy") == 0;
        if (strcmp(json_text(item, "cell"), "limits") == 0)
            cJSON_AddItemToArray(limits, cJSON_Duplicate(item, true));
        else if (first_bench && counted && strcmp(json_text(item, "cell"), first_bench) == 0)
            cJSON_AddItemToArray(counters, cJSON_Duplicate(item, true));
        else if (score && strcmp(metric, "eval_throughput") != 0 && cJSON_IsNull(cJSON_GetObjectItem(item, "value")))
            cJSON_AddItemToArray(left_out, cJSON_Duplicate(item, true));
    }
}

cJSON *report_figures(const cJSON *run, const char *prices, struct error *err)
{
    struct deriving d = {.run = run, .figures = cJSON_CreateObject(), .err = err};
    if (strcmp(json_text(run, "schema"), "jeoul/run/1") != 0) {
        error_record(err, ERROR_INPUT, "not a run document of schema jeoul/run/1");
        cJSON_Delete(d.figures);
        return NULL;
    }
    for (const char *const *key = (const char *const[]){"run_id", "started", "finished", "state", NULL}; *key; key++)
        cJSON_AddStringToObject(d.figures, *key, json_text(run, *key));
    cJSON_AddStringToObject(d.figures, "system_id", json_text(cJSON_GetObjectItem(run, "system"), "id"));
    for (const char *const *key = (const char *const[]){"system", "jeoul", "models", NULL}; *key; key++)
        cJSON_AddItemToObject(d.figures, *key, cJSON_Duplicate(cJSON_GetObjectItem(run, *key), true));
    cJSON_AddStringToObject(d.figures, "plan", json_text(cJSON_GetObjectItem(run, "plan"), "name"));
    cJSON_AddStringToObject(d.figures, "plan_sha256", json_text(cJSON_GetObjectItem(run, "plan"), "sha256"));
    derive_lists(&d);
    bool ok = derive_throughput(&d);
    derive_accuracy(&d);
    ok = ok && derive_cost(&d, prices) && served_derive(run, d.figures, err) && expert_load_derive(run, d.figures, err) &&
         model_pairs_derive(run, d.figures, err);
    if (ok)
        return d.figures;
    cJSON_Delete(d.figures);
    return NULL;
}
