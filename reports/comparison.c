/* Comparing options: see comparison.h. */
#include "reports/comparison.h"

#include "base/json.h"
#include "base/memory.h"
#include "reports/reasons.h"
#include "reports/reports.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 1000, MAX_DEMAND_BYTES = 1 << 20 };

bool demand_read(const char *path, struct demand *out, struct error *err)
{
    static const char *const keys[] = {"schema", "input_tokens_per_day", "output_tokens_per_day", "utilisation", NULL};
    cJSON *document = json_read(path, MAX_DEMAND_BYTES, err);
    if (!document)
        return false;
    struct json_at root = json_root(path, document), schema = json_member(&root, "schema"), at;
    const char *version;
    bool ok = json_only(&root, keys, err) && json_string(&schema, &version, err) &&
              (strcmp(version, "jeoul/demand/1") == 0 ||
               json_error(&schema, err, "\"%.32s\" is not a demand that this version reads; it is \"jeoul/demand/1\"", version));
    at = json_member(&root, "input_tokens_per_day");
    ok = ok && json_number(&at, 0, 1e18, &out->input_tokens_per_day, err);
    at = json_member(&root, "output_tokens_per_day");
    ok = ok && json_number(&at, 0, 1e18, &out->output_tokens_per_day, err);
    at = json_member(&root, "utilisation");
    ok = ok && json_number(&at, 0.001, 1, &out->utilisation, err);
    if (ok && out->input_tokens_per_day + out->output_tokens_per_day <= 0)
        ok = json_error(&root, err, "no tokens are wanted");
    cJSON_Delete(document);
    return ok;
}

static cJSON *interval_json(double value, double low, double high)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "value", value);
    cJSON_AddNumberToObject(object, "low", low);
    cJSON_AddItemToObject(object, "high", isfinite(high) ? cJSON_CreateNumber(high) : cJSON_CreateNull());
    return object;
}

/* The prefill row of a decode row's configuration. */
static const cJSON *prefill_of(const cJSON *figures, const cJSON *decode)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "throughput")) {
        if (strcmp(json_text(row, "phase"), "prefill") == 0 && strcmp(json_text(row, "model"), json_text(decode, "model")) == 0 &&
            strcmp(json_text(row, "kv"), json_text(decode, "kv")) == 0 && json_real(row, "batch") == json_real(decode, "batch") &&
            json_real(row, "threads") == json_real(decode, "threads") &&
            strcmp(json_text(row, "placement"), json_text(decode, "placement")) == 0)
            return row;
    }
    return NULL;
}

static const cJSON *accuracy_of(const cJSON *figures, const char *model, const char *language)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "accuracy"))
        if (strcmp(json_text(row, "model"), model) == 0 && strcmp(json_text(row, "language"), language) == 0)
            return row;
    return NULL;
}

/* The greatest resident memory of the model's bench cells of that configuration. */
static double peak_memory(const cJSON *run, const cJSON *decode)
{
    double most = NAN;
    const cJSON *cell, *m;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells")) {
        const cJSON *config = cJSON_GetObjectItem(cell, "config");
        if (strcmp(json_text(cell, "state"), "ok") != 0 || strcmp(json_text(cell, "kind"), "bench") != 0 ||
            strcmp(json_text(cell, "model"), json_text(decode, "model")) != 0 || json_real(config, "batch") != json_real(decode, "batch") ||
            json_real(config, "threads") != json_real(decode, "threads") || strcmp(json_text(config, "kv"), json_text(decode, "kv")) != 0 ||
            strcmp(json_text(config, "placement"), json_text(decode, "placement")) != 0)
            continue;
        cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "measurements"))
            if (strcmp(json_text(m, "cell"), json_text(cell, "id")) == 0 && strcmp(json_text(m, "metric"), "peak_rss") == 0)
                most = fmax(isnan(most) ? 0 : most, json_real(m, "value"));
    }
    return most;
}

static void add_copy(cJSON *option, const char *key, const cJSON *value)
{
    cJSON_AddItemToObject(option, key, value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
}

/* Won for a million: price ÷ speed, the dear end of one with the slow end of the other. */
static void add_cost(cJSON *option, const char *key, const cJSON *price, const cJSON *speed, double factor)
{
    const double scale = 1e6 / 3600 * factor;
    if (!cJSON_IsObject(price) || !speed || isnan(factor)) {
        cJSON_AddNullToObject(option, key);
        return;
    }
    cJSON_AddItemToObject(option, key,
                          interval_json(json_real(price, "value") / json_real(speed, "value") * scale,
                                        json_real(price, "low") / json_real(speed, "high") * scale,
                                        json_real(price, "high") / json_real(speed, "low") * scale));
}

static cJSON *make_option(const cJSON *run, const cJSON *figures, const cJSON *decode)
{
    const char *model = json_text(decode, "model");
    const cJSON *prefill = prefill_of(figures, decode), *about = json_find(cJSON_GetObjectItem(figures, "models"), "id", model),
                *price = cJSON_GetObjectItem(cJSON_GetObjectItem(figures, "price"), "krw_per_hour"),
                *speed = cJSON_GetObjectItem(decode, "tok_per_s"), *ko = accuracy_of(figures, model, "ko"),
                *en = accuracy_of(figures, model, "en");
    cJSON *option = cJSON_CreateObject();
    cJSON_AddStringToObject(option, "run_id", json_text(figures, "run_id"));
    cJSON_AddStringToObject(option, "system_id", json_text(figures, "system_id"));
    cJSON_AddStringToObject(option, "cpu", json_text(cJSON_GetObjectItem(cJSON_GetObjectItem(figures, "system"), "cpu"), "model"));
    cJSON_AddStringToObject(option, "jeoul", json_text(cJSON_GetObjectItem(figures, "jeoul"), "version"));
    cJSON_AddStringToObject(option, "model", json_text(about, "name"));
    add_copy(option, "file_bytes", cJSON_GetObjectItem(about, "file_bytes"));
    cJSON_AddStringToObject(option, "quantisation", json_text(about, "quantisation"));
    cJSON_AddBoolToObject(option, "random_weights", cJSON_IsTrue(cJSON_GetObjectItem(about, "random_weights")));
    for (const char *const *key = (const char *const[]){"batch", "threads", "kv", NULL}; *key; key++)
        add_copy(option, *key, cJSON_GetObjectItem(decode, *key));
    if (*json_text(decode, "placement"))
        add_copy(option, "placement", cJSON_GetObjectItem(decode, "placement"));
    add_copy(option, "prompt_tokens", cJSON_GetObjectItem(prefill, "tokens"));
    add_copy(option, "generated_tokens", cJSON_GetObjectItem(decode, "tokens"));
    add_copy(option, "prefill", cJSON_GetObjectItem(prefill, "tok_per_s"));
    add_copy(option, "decode", speed);
    add_copy(option, "limit", cJSON_GetObjectItem(decode, "limit"));
    add_copy(option, "of_limit", cJSON_GetObjectItem(decode, "of_limit"));
    add_copy(option, "acc_ko", cJSON_GetObjectItem(ko, "acc"));
    add_copy(option, "acc_en", cJSON_GetObjectItem(en, "acc"));
    double memory = peak_memory(run, decode);
    cJSON_AddItemToObject(option, "peak_rss", isnan(memory) ? cJSON_CreateNull() : cJSON_CreateNumber(memory));
    add_copy(option, "krw_per_hour", price);
    add_copy(option, "price", cJSON_GetObjectItem(figures, "price"));
    add_cost(option, "cost_input", price, cJSON_GetObjectItem(prefill, "tok_per_s"), 1);
    add_cost(option, "cost_output", price, speed, 1);
    add_cost(option, "cost_ko_characters", price, speed, json_real(ko, "fertility") / 1000);
    cJSON_AddItemToObject(option, "cost_reason",
                          cJSON_IsObject(price) ? cJSON_CreateNull() : cJSON_CreateString(reason_words(REASON_NO_PRICE)));
    add_copy(option, "prefill_samples", cJSON_GetObjectItem(prefill, "samples"));
    add_copy(option, "decode_samples", cJSON_GetObjectItem(decode, "samples"));
    return option;
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

/* option ÷ reference of a phase; null where one of them has no samples. */
static bool add_ratio(cJSON *option, const cJSON *reference, const char *name, const char *samples, struct ratio *r, struct error *err)
{
    double *a = memory_array(MAX_SAMPLES, 2 * sizeof *a, "samples", err), *b = a + MAX_SAMPLES;
    if (!a)
        return false;
    size_t n_a = samples_of(cJSON_GetObjectItem(reference, samples), a), n_b = samples_of(cJSON_GetObjectItem(option, samples), b);
    bool ok = true;
    *r = (struct ratio){.value = NAN, .low = NAN, .high = NAN, .p = NAN};
    if (!n_a || !n_b)
        cJSON_AddNullToObject(option, name);
    else if ((ok = statistics_ratio(a, n_a, b, n_b, r, err))) {
        cJSON *ratio = interval_json(r->value, r->low, r->high);
        cJSON_AddNumberToObject(ratio, "p", r->p);
        cJSON_AddItemToObject(option, name, ratio);
    }
    free(a);
    return ok;
}

/* How many such machines serve a demand: seconds of work in a day ÷ seconds that a machine may work. */
static void add_machines(cJSON *option, const struct demand *demand)
{
    const cJSON *prefill = cJSON_GetObjectItem(option, "prefill"), *decode = cJSON_GetObjectItem(option, "decode");
    static const char *const ends[3] = {"value", "high", "low"}; // fast machines are few
    double machines[3];
    for (int i = 0; i < 3; i++) {
        double input = demand->input_tokens_per_day > 0 ? demand->input_tokens_per_day / json_real(prefill, ends[i]) : 0;
        double output = demand->output_tokens_per_day > 0 ? demand->output_tokens_per_day / json_real(decode, ends[i]) : 0;
        machines[i] = ceil((input + output) / (86400 * demand->utilisation));
    }
    cJSON_AddItemToObject(option, "machines",
                          isnan(machines[0]) ? cJSON_CreateNull() : interval_json(machines[0], machines[1], machines[2]));
}

static bool same(const cJSON *a, const cJSON *b, const char *key)
{
    return strcmp(json_text(a, key), json_text(b, key)) == 0;
}

bool comparison_same_model(const cJSON *a, const cJSON *b)
{
    return same(a, b, "model") && same(a, b, "quantisation") && json_real(a, "file_bytes") == json_real(b, "file_bytes");
}

static bool relate(cJSON *option, const cJSON *reference, const struct demand *demand, struct error *err)
{
    struct ratio prefill, decode;
    cJSON_AddBoolToObject(option, "same_model", comparison_same_model(option, reference));
    cJSON_AddBoolToObject(option, "same_version", same(option, reference, "jeoul"));
    cJSON_AddBoolToObject(option, "same_work",
                          json_real(option, "prompt_tokens") == json_real(reference, "prompt_tokens") &&
                              json_real(option, "generated_tokens") == json_real(reference, "generated_tokens"));
    if (!add_ratio(option, reference, "prefill_ratio", "prefill_samples", &prefill, err) ||
        !add_ratio(option, reference, "decode_ratio", "decode_samples", &decode, err))
        return false;
    /* the price of this option at which its output tokens cost what the reference's do: linear in the price */
    double price = json_real(cJSON_GetObjectItem(reference, "krw_per_hour"), "value");
    cJSON_AddItemToObject(option, "break_even_krw_per_hour",
                          isnan(price) || isnan(decode.value)
                              ? cJSON_CreateNull()
                              : interval_json(price * decode.value, price * decode.low, price * decode.high));
    if (demand)
        add_machines(option, demand);
    return true;
}

cJSON *comparison_figures(const cJSON *runs, const char *prices, const struct demand *demand, struct error *err)
{
    const cJSON *run, *row;
    cJSON *root = cJSON_CreateObject(), *options, *option;
    cJSON_AddStringToObject(root, "schema", "jeoul/comparison/1");
    if (demand) {
        cJSON *wanted = cJSON_AddObjectToObject(root, "demand");
        cJSON_AddNumberToObject(wanted, "input_tokens_per_day", demand->input_tokens_per_day);
        cJSON_AddNumberToObject(wanted, "output_tokens_per_day", demand->output_tokens_per_day);
        cJSON_AddNumberToObject(wanted, "utilisation", demand->utilisation);
    } else
        cJSON_AddNullToObject(root, "demand");
    const cJSON *first = cJSON_GetArrayItem(runs, 0); // what the page is headed with
    cJSON_AddStringToObject(root, "plan", json_text(cJSON_GetObjectItem(first, "plan"), "name"));
    cJSON_AddStringToObject(root, "started", json_text(first, "started"));
    cJSON_AddStringToObject(root, "run_id", json_text(first, "run_id"));
    options = cJSON_AddArrayToObject(root, "options");
    bool ok = true;
    cJSON_ArrayForEach(run, runs) {
        cJSON *figures = ok ? report_figures(run, prices, err) : NULL;
        ok = figures != NULL;
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "throughput"))
            if (strcmp(json_text(row, "phase"), "decode") == 0)
                cJSON_AddItemToArray(options, make_option(run, figures, row));
        cJSON_Delete(figures);
    }
    if (ok && !cJSON_GetArraySize(options))
        ok = error_set(err, ERROR_INPUT, "nothing to compare: no decode was measured in these runs");
    cJSON_ArrayForEach(option, options)
        ok = ok && relate(option, cJSON_GetArrayItem(options, 0), demand, err);
    cJSON_ArrayForEach(option, options) {
        cJSON_DeleteItemFromObject(option, "prefill_samples");
        cJSON_DeleteItemFromObject(option, "decode_samples");
    }
    if (ok)
        return root;
    cJSON_Delete(root);
    return NULL;
}
