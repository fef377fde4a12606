/* A policy report's figures: every number that the pages show, from one scenario, as one JSON object. See policy.h. */
#include "reports/policy/policy.h"

#include "base/memory.h"
#include "reports/policy/figures.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the headline ranges span: throughput, price and tariff at their ends together (definitions: uncertainty goes through). */
static struct stance corner(signed char favourable)
{
    struct stance stance = {.price = (signed char)-favourable, .speed = favourable};
    stance.inputs[INPUT_BANDWIDTH_SHARE] = stance.inputs[INPUT_COMPUTE_SHARE] = favourable;
    stance.inputs[INPUT_TARIFF_FACTOR] = (signed char)-favourable;
    return stance;
}

void put_number(cJSON *object, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

void put_text(cJSON *object, const char *key, const char *value)
{
    if (value)
        cJSON_AddStringToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

void put_interval(cJSON *object, const char *key, double value, double one_end, double other_end)
{
    if (!isfinite(value)) {
        cJSON_AddNullToObject(object, key);
        return;
    }
    cJSON *interval = cJSON_AddObjectToObject(object, key);
    put_number(interval, "value", value);
    put_number(interval, "low", fmin(value, fmin(one_end, other_end)));
    put_number(interval, "high", fmax(value, fmax(one_end, other_end)));
}

/* A figure of a result: its key, and where it lies. */
struct field {
    const char *key;
    size_t offset;
};

#define FLEET_FIELD(key, member)                                                                                                           \
    {                                                                                                                                      \
        key, offsetof(struct fleet_result, member)                                                                                         \
    }
#define TOTAL_FIELD(member)                                                                                                                \
    {                                                                                                                                      \
#member, offsetof(struct result, member)                                                                                           \
    }

static double field_of(const void *result, size_t offset)
{
    return *(const double *)((const char *)result + offset);
}

/* Each with the ends that it has in the favourable and the other result. */
static void put_fields(cJSON *object, const struct field *fields, size_t n, const void *base, const void *good, const void *bad)
{
    for (size_t i = 0; i < n; i++)
        put_interval(object, fields[i].key, field_of(base, fields[i].offset), field_of(good, fields[i].offset),
                     field_of(bad, fields[i].offset));
}

static void add_parts(cJSON *object, const struct outlay *o)
{
    cJSON *parts = cJSON_AddObjectToObject(object, "hour_parts_krw");
    put_number(parts, "equipment", o->equipment / 8760);
    put_number(parts, "building", o->building / 8760);
    put_number(parts, "operation", (o->operation - o->rnd_credit) / 8760);
    put_number(parts, "electricity", (o->demand + o->energy) / 8760);
}

static void add_fleets(struct policy *p)
{
    static const struct field fields[] = {FLEET_FIELD("prefill_tok_per_s", speed.prefill_tok_per_s),
                                          FLEET_FIELD("decode_tok_per_s", speed.decode_tok_per_s),
                                          FLEET_FIELD("tok_per_s", speed.tok_per_s),
                                          FLEET_FIELD("hour_krw", hour_krw),
                                          FLEET_FIELD("blended_krw", blended_krw),
                                          FLEET_FIELD("input_krw", input_krw),
                                          FLEET_FIELD("output_krw", output_krw),
                                          FLEET_FIELD("korean_krw", korean_krw),
                                          FLEET_FIELD("tokens_per_day", tokens_per_day),
                                          FLEET_FIELD("investment_krw", investment_krw)};
    const struct scenario *s = p->scenario;
    cJSON *fleets = cJSON_AddArrayToObject(p->root, "fleets");
    for (int i = 0; i < s->n_fleets; i++) {
        const struct fleet *f = &s->fleets[i];
        const struct fleet_result *r = &p->base.fleets[i], *good = &p->good.fleets[i], *bad = &p->bad.fleets[i];
        char arrives[32];
        cJSON *fleet = cJSON_CreateObject();
        snprintf(arrives, sizeof arrives, "%04d-%02d", f->year, f->month);
        put_text(fleet, "id", f->id);
        put_text(fleet, "name_ko", f->name_ko);
        put_text(fleet, "name_en", f->name_en);
        put_text(fleet, "note_ko", f->note_ko);
        put_text(fleet, "note_en", f->note_en);
        put_text(fleet, "device", f->device.id);
        put_text(fleet, "device_name", f->device.name);
        put_text(fleet, "vendor", f->device.vendor);
        put_text(fleet, "arrives", arrives);
        put_text(fleet, "basis", basis_names[isnan(p->measured[i].decode.value) ? BASIS_PROJECTED : BASIS_MEASURED]);
        put_text(fleet, "run", f->run);
        put_text(fleet, "price_reason_ko", f->reason_ko);
        put_text(fleet, "price_reason_en", f->reason_en);
        cJSON_AddBoolToObject(fleet, "rented", f->rented);
        put_number(fleet, "count", f->count.value);
        put_number(fleet, "devices_per_copy", r->speed.devices);
        put_fields(fleet, fields, sizeof fields / sizeof *fields, r, good, bad);
        put_number(fleet, "interactivity_tok_per_s", r->speed.interactivity_tok_per_s > 0 ? r->speed.interactivity_tok_per_s : (double)NAN);
        cJSON_AddBoolToObject(fleet, "decode_by_bandwidth", r->speed.decode_by_bandwidth);
        put_interval(fleet, "price_krw", f->priced ? r->price_krw : (double)NAN, good->price_krw, bad->price_krw);
        add_parts(fleet, &r->outlay);
        put_number(fleet, "mw", r->mw);
        put_number(fleet, "kw_each", r->outlay.peak_kw);
        put_number(fleet, "gwh_per_year", r->gwh_per_year);
        put_number(fleet, "tco2_per_year", r->tco2_per_year);
        cJSON_AddItemToArray(fleets, fleet);
    }
}

static void add_totals(struct policy *p)
{
    cJSON *totals = cJSON_AddObjectToObject(p->root, "totals");
    const struct result *r = &p->base;
    static const struct field fields[] = {TOTAL_FIELD(tokens_per_day), TOTAL_FIELD(output_per_day), TOTAL_FIELD(characters_per_day),
                                          TOTAL_FIELD(investment_krw), TOTAL_FIELD(year_krw),       TOTAL_FIELD(blended_krw),
                                          TOTAL_FIELD(output_krw),     TOTAL_FIELD(korean_krw)};
    put_number(totals, "devices", r->devices);
    put_number(totals, "priced_devices", r->priced_devices);
    put_number(totals, "mw", r->mw);
    put_number(totals, "gwh_per_year", r->gwh_per_year);
    put_number(totals, "tco2_per_year", r->tco2_per_year);
    put_number(totals, "credit_krw", r->credit_krw);
    put_fields(totals, fields, sizeof fields / sizeof *fields, r, &p->good, &p->bad);
}

static void add_years(struct policy *p)
{
    cJSON *years = cJSON_AddArrayToObject(p->root, "years");
    for (int y = p->scenario->from_year; y <= p->scenario->to_year; y++) {
        struct year_result r;
        cJSON *year = cJSON_CreateObject();
        evaluate_year(p->scenario, &p->base, y, &r);
        put_number(year, "year", y);
        put_number(year, "devices_at_end", r.devices_at_end);
        put_number(year, "device_years", r.device_years);
        put_number(year, "investment_krw", r.investment_krw);
        put_number(year, "year_krw", r.year_krw);
        put_number(year, "tokens", r.tokens);
        put_number(year, "gwh", r.gwh);
        put_number(year, "tco2", r.tco2);
        put_number(year, "mw_at_end", r.mw_at_end);
        cJSON_AddItemToArray(years, year);
    }
}

static void add_indicators(struct policy *p)
{
    const struct scenario *s = p->scenario;
    cJSON *list = cJSON_AddArrayToObject(p->root, "indicators");
    double flops = 0, npus = 0, vendors[SCENARIO_MOST] = {0}, most = 0;
    for (int i = 0; i < s->n_fleets; i++) {
        const struct fleet *f = &s->fleets[i];
        int first = 0;
        while (strcmp(s->fleets[first].device.vendor, f->device.vendor) != 0)
            first++;
        vendors[first] += f->count.value;
        most = fmax(most, vendors[first]);
        flops += f->count.value * f->device.fp8_tflops.value * 1e12;
        npus += strcmp(f->device.kind, "npu") == 0 ? f->count.value : 0;
    }
    put_number(p->root, "fp8_eflops", flops / 1e18);
    put_number(p->root, "npu_share", npus / p->base.devices);
    put_number(p->root, "largest_vendor_share", most / p->base.devices);
    for (int i = 0; i < s->n_indicators; i++) {
        const struct indicator *indicator = &s->indicators[i];
        cJSON *row = cJSON_CreateObject();
        put_text(row, "name_ko", indicator->name_ko);
        put_text(row, "name_en", indicator->name_en);
        put_text(row, "fact", indicator->fact.fact);
        put_text(row, "divisor", indicator->ratio ? indicator->divisor.fact : NULL);
        put_text(row, "unit", indicator->ratio ? "ratio" : indicator->fact.unit);
        put_number(row, "value", indicator->ratio ? indicator->fact.value / indicator->divisor.value : indicator->fact.value);
        cJSON_AddItemToArray(list, row);
    }
}

static void add_checks(struct policy *p)
{
    const struct scenario *s = p->scenario;
    cJSON *list = cJSON_AddArrayToObject(p->root, "checks");
    for (int i = 0; i < s->n_checks; i++) {
        const struct check *c = &s->checks[i];
        int f = 0;
        while (strcmp(s->fleets[f].id, c->fleet) != 0)
            f++;
        bool hour = strcmp(c->what, "hour") == 0;
        double ours = hour ? p->base.fleets[f].hour_krw / s->inputs[INPUT_FX].value : p->base.fleets[f].outlay.peak_kw;
        cJSON *row = cJSON_CreateObject();
        put_text(row, "fact", c->fact.fact);
        put_text(row, "fleet", c->fleet);
        put_text(row, "what", c->what);
        put_text(row, "unit", c->fact.unit);
        put_number(row, "ours", ours);
        put_interval(row, "theirs", c->fact.value, c->fact.low, c->fact.high);
        cJSON_AddItemToArray(list, row);
    }
}

static struct interval interval_of(const cJSON *row)
{
    const cJSON *speed = cJSON_GetObjectItem(row, "tok_per_s");
    return (struct interval){json_real(speed, "value"), json_real(speed, "low"), json_real(speed, "high")};
}

static bool read_measured(struct policy *p, const cJSON *fleet_runs, const char *prices)
{
    for (int i = 0; i < p->scenario->n_fleets; i++) {
        const cJSON *run = cJSON_GetArrayItem(fleet_runs, i);
        struct measured *m = &p->measured[i];
        *m = (struct measured){{NAN, NAN, NAN}, {NAN, NAN, NAN}};
        if (!cJSON_IsObject(run))
            continue;
        cJSON *figures = report_figures(run, prices, p->err);
        if (!figures)
            return false;
        const cJSON *decode = report_fastest(figures, NULL, "decode");
        m->decode = interval_of(decode);
        m->prefill = interval_of(report_fastest(figures, json_text(decode, "model"), "prefill")); // of the same model
        cJSON_Delete(figures);
        if (!(m->prefill.value > 0 && m->decode.value > 0))
            return error_set(p->err, ERROR_INPUT, "%s: fleets[%d].run: the run %s measured no prefill or no decode", p->scenario->path, i,
                             p->scenario->fleets[i].run);
    }
    return true;
}

static bool add_runs(struct policy *p, const cJSON *runs, const char *prices)
{
    static const char *const kept[] = {"run_id",         "started", "system", "throughput", "accuracy",
                                       "random_weights", "cost",    "price",  "counters",   NULL};
    cJSON *list = cJSON_AddArrayToObject(p->root, "runs");
    const cJSON *run;
    cJSON_ArrayForEach(run, runs) {
        cJSON *figures = report_figures(run, prices, p->err);
        if (!figures)
            return false;
        cJSON *row = cJSON_CreateObject();
        for (const char *const *key = kept; *key; key++)
            cJSON_AddItemToObject(row, *key, cJSON_DetachItemFromObject(figures, *key));
        cJSON_Delete(figures);
        cJSON_AddItemToArray(list, row);
    }
    return true;
}

static void add_scenario(struct policy *p)
{
    const struct scenario *s = p->scenario;
    put_text(p->root, "schema", "jeoul/policy-figures/1");
    put_text(p->root, "plan", s->name); // what the page is headed with
    put_text(p->root, "started", s->as_of);
    put_text(p->root, "title_ko", s->title_ko);
    put_text(p->root, "title_en", s->title_en);
    put_text(p->root, "question_ko", s->question_ko);
    put_text(p->root, "question_en", s->question_en);
    put_text(p->root, "sha256", s->sha256);
    put_text(p->root, "model", s->models[0].id);
    put_number(p->root, "from_year", s->from_year);
    put_number(p->root, "to_year", s->to_year);
}

cJSON *policy_figures(const struct scenario *scenario, const cJSON *fleet_runs, const cJSON *runs, const char *prices, struct error *err)
{
    struct policy *p = memory_array(1, sizeof *p, "policy figures", err);
    if (!p)
        return NULL;
    *p = (struct policy){.scenario = scenario, .root = cJSON_CreateObject(), .err = err};
    struct stance base = {0}, good = corner(1), bad = corner(-1);
    bool ok = read_measured(p, fleet_runs, prices) && evaluate(scenario, p->measured, &base, &p->base, err) &&
              evaluate(scenario, p->measured, &good, &p->good, err) && evaluate(scenario, p->measured, &bad, &p->bad, err);
    if (ok) {
        add_scenario(p);
        policy_add_inputs(p);
        add_fleets(p);
        add_totals(p);
        add_years(p);
        add_indicators(p);
        add_checks(p);
        ok = policy_add_alternatives(p) && add_runs(p, runs, prices);
    }
    cJSON *root = p->root;
    free(p);
    if (ok)
        return root;
    cJSON_Delete(root);
    return NULL;
}
