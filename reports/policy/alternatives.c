/* The scenario with something else in it: levers, credits, tariffs, models, and what would be bought instead. */
#include "reports/policy/figures.h"

#include "base/json.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lever: inputs that move together. LEVER_PRICE has none of its own. */
struct lever {
    const char *id, *ko, *en;
    enum input input, second; // second: INPUTS, none
    bool price, speed;
};
static const struct lever levers[] = {
    {"speed", "처리량 (MBU·MFU)", "throughput (MBU, MFU)", INPUT_BANDWIDTH_SHARE, INPUT_COMPUTE_SHARE, false, true},
    {"price", "장비 가격", "price of equipment", INPUTS, INPUTS, true, false},
    {"utilisation", "제공 부하", "offered load", INPUT_UTILISATION, INPUTS, false, false},
    {"requests", "동시 요청 수", "requests at once", INPUT_REQUESTS, INPUTS, false, false},
    {"life", "수명", "life", INPUT_LIFE, INPUTS, false, false},
    {"rate", "할인율", "discount rate", INPUT_DISCOUNT_RATE, INPUTS, false, false},
    {"facility_credit", "시설 세액공제", "facility credit", INPUT_FACILITY_CREDIT, INPUTS, false, false},
    {"rnd_credit", "연구개발 세액공제", "R&D credit", INPUT_RND_CREDIT, INPUTS, false, false},
    {"operation", "운영비", "operation", INPUT_OPERATION, INPUTS, false, false},
    {"building", "건설비", "building", INPUT_BUILDING, INPUTS, false, false},
    {"fx", "환율", "exchange rate", INPUT_FX, INPUTS, false, false},
    {"tariff", "전기요금", "electricity tariff", INPUT_TARIFF_FACTOR, INPUTS, false, false},
    {"pue", "PUE", "PUE", INPUT_PUE, INPUTS, false, false},
};

static struct stance pull(const struct lever *lever, int end)
{
    struct stance stance = {0};
    if (lever->price)
        stance.price = (signed char)end;
    if (lever->speed)
        stance.speed = (signed char)end;
    if (lever->input < INPUTS)
        stance.inputs[lever->input] = (signed char)end;
    if (lever->second < INPUTS)
        stance.inputs[lever->second] = (signed char)end;
    return stance;
}

enum { LEVERS = sizeof levers / sizeof *levers };

struct pulled {
    const struct lever *lever;
    struct result low, high;
};

static double swing(const struct pulled *p)
{
    return fabs(p->high.blended_krw - p->low.blended_krw);
}

static int longer_first(const void *a, const void *b)
{
    double x = swing(a), y = swing(b);
    return x < y ? 1 : x > y ? -1 : 0;
}

static bool add_levers(struct policy *p)
{
    struct pulled *pulled = memory_array(LEVERS, sizeof *pulled, "levers", p->err);
    bool ok = pulled != NULL;
    for (size_t i = 0; ok && i < LEVERS; i++) {
        struct stance below = pull(&levers[i], -1), above = pull(&levers[i], 1);
        pulled[i].lever = &levers[i];
        ok = evaluate(p->scenario, p->measured, &below, &pulled[i].low, p->err) &&
             evaluate(p->scenario, p->measured, &above, &pulled[i].high, p->err);
    }
    cJSON *list = cJSON_AddArrayToObject(p->root, "tornado");
    if (ok)
        qsort(pulled, LEVERS, sizeof *pulled, longer_first);
    for (size_t i = 0; ok && i < LEVERS; i++) {
        const struct lever *lever = pulled[i].lever;
        cJSON *row = cJSON_CreateObject();
        put_text(row, "id", lever->id);
        put_text(row, "name_ko", lever->ko);
        put_text(row, "name_en", lever->en);
        put_text(row, "input", lever->price ? NULL : input_names[lever->input].key);
        put_number(row, "at_low_krw", pulled[i].low.blended_krw);
        put_number(row, "at_high_krw", pulled[i].high.blended_krw);
        put_number(row, "at_low_year_krw", pulled[i].low.year_krw);
        put_number(row, "at_high_year_krw", pulled[i].high.year_krw);
        cJSON_AddItemToArray(list, row);
    }
    free(pulled);
    return ok;
}

static bool add_credits(struct policy *p)
{
    static const double facility[] = {0, 0.15, 0.25}, rnd[] = {0, 0.3, 0.4, 0.5};
    cJSON *list = cJSON_AddArrayToObject(p->root, "credits");
    for (size_t f = 0; f < sizeof facility / sizeof *facility; f++)
        for (size_t r = 0; r < sizeof rnd / sizeof *rnd; r++) {
            struct scenario altered = *p->scenario; // a shallow copy: what it points to stays the scenario's
            struct stance stance = {0};
            struct result result;
            altered.inputs[INPUT_FACILITY_CREDIT].value = facility[f];
            altered.inputs[INPUT_RND_CREDIT].value = rnd[r];
            if (!evaluate(&altered, p->measured, &stance, &result, p->err))
                return false;
            cJSON *row = cJSON_CreateObject();
            put_number(row, "facility", facility[f]);
            put_number(row, "rnd", rnd[r]);
            put_number(row, "blended_krw", result.blended_krw);
            put_number(row, "year_krw", result.year_krw);
            put_number(row, "credit_krw", result.credit_krw);
            cJSON_AddItemToArray(list, row);
        }
    return true;
}

static bool add_tariffs(struct policy *p)
{
    const struct scenario *s = p->scenario;
    cJSON *list = cJSON_AddArrayToObject(p->root, "tariffs");
    for (int i = 0; i < s->n_tariffs; i++) {
        const struct tariff *t = &s->tariffs[i];
        struct stance stance = {.tariff = i};
        struct result result;
        if (!evaluate(s, p->measured, &stance, &result, p->err))
            return false;
        cJSON *row = cJSON_CreateObject();
        put_text(row, "label", t->label);
        put_text(row, "class_ko", t->class_ko);
        put_text(row, "class_en", t->class_en);
        put_text(row, "terms_ko", t->terms_ko);
        put_text(row, "terms_en", t->terms_en);
        put_number(row, "energy_krw_per_kwh", t->energy_krw_per_kwh);
        put_number(row, "base_krw_per_kw_year", t->base_krw_per_kw_year);
        put_number(row, "flat_krw_per_kwh", tariff_flat(t));
        put_number(row, "blended_krw", result.blended_krw);
        put_number(row, "year_krw", result.year_krw);
        cJSON_AddItemToArray(list, row);
    }
    return true;
}

/* Every model of the scenario on the same fleets, and the served one as if it were dense. What does not fit says why. */
static void add_models(struct policy *p)
{
    const struct scenario *s = p->scenario;
    cJSON *list = cJSON_AddArrayToObject(p->root, "models");
    for (int i = -1; i < s->n_models; i++) {
        const struct model_shape *m = &s->models[i < 0 ? 0 : i];
        struct stance stance = {.model = i < 0 ? 0 : i, .dense = i < 0};
        struct result r;
        struct error why = {0};
        bool fits = evaluate(s, p->measured, &stance, &r, &why);
        cJSON *row = cJSON_CreateObject();
        put_text(row, "id", m->id);
        cJSON_AddBoolToObject(row, "dense", i < 0);
        put_number(row, "total_parameters_b", m->total_parameters_b);
        put_number(row, "active_parameters_b", i < 0 ? m->total_parameters_b : m->active_parameters_b);
        put_text(row, "reason", fits ? NULL : why.message);
        const struct projection *speed = &r.fleets[s->n_fleets - 1].speed; // of the latest devices
        put_number(row, "devices_per_copy", fits ? speed->devices : (double)NAN);
        put_number(row, "decode_tok_per_s", fits ? speed->decode_tok_per_s : (double)NAN);
        put_number(row, "tok_per_s", fits ? speed->tok_per_s : (double)NAN);
        put_number(row, "interactivity_tok_per_s", fits ? speed->interactivity_tok_per_s : (double)NAN);
        put_number(row, "tokens_per_day", fits ? r.tokens_per_day : (double)NAN);
        put_number(row, "blended_krw", fits ? r.blended_krw : (double)NAN);
        put_number(row, "korean_krw", fits ? r.korean_krw : (double)NAN);
        cJSON_AddItemToArray(list, row);
    }
    put_text(p->root, "models_device", s->fleets[s->n_fleets - 1].device.name);
}

/* The fleet that is bought and serves the cheapest: what making is compared with; −1 where there is none. */
static int cheapest_owned(const struct policy *p)
{
    int best = -1;
    for (int i = 0; i < p->scenario->n_fleets; i++)
        if (p->scenario->fleets[i].priced && !p->scenario->fleets[i].rented &&
            (best < 0 || p->base.fleets[i].blended_krw < p->base.fleets[best].blended_krw))
            best = i;
    return best;
}

/* The price of a device of fleet i at which its tokens cost `target` won a million: cost is linear in the price. */
static bool flip_price(struct policy *p, int i, double target, double *price)
{
    struct scenario half = *p->scenario;
    struct stance stance = {0};
    struct result result;
    half.fleets[i].price.value *= 0.5;
    if (!evaluate(&half, p->measured, &stance, &result, p->err))
        return false;
    double whole = p->base.fleets[i].blended_krw, slope = (whole - result.fleets[i].blended_krw) / (0.5 * p->base.fleets[i].price_krw);
    *price = p->base.fleets[i].price_krw + (target - whole) / slope;
    return true;
}

/* Make or buy: V* = fixed cost of a month ÷ (API's price − variable cost), for one copy of the model on the cheapest fleet. */
static bool add_apis(struct policy *p)
{
    const struct scenario *s = p->scenario;
    int made = cheapest_owned(p);
    cJSON *list = cJSON_AddArrayToObject(p->root, "apis");
    for (int i = 0; made >= 0 && i < s->n_apis; i++) {
        const struct api *api = &s->apis[i];
        double in = s->inputs[INPUT_INPUT_TOKENS].value, out = s->inputs[INPUT_OUTPUT_TOKENS].value, flip;
        double usd = (in * api->input.value + out * api->output.value) / (in + out), krw = usd * s->inputs[INPUT_FX].value;
        struct scenario idle = *s, busy = *s;
        struct stance stance = {0};
        struct result empty, full;
        idle.inputs[INPUT_UTILISATION].value = 1e-9;
        busy.inputs[INPUT_UTILISATION].value = 1;
        if (!evaluate(&idle, p->measured, &stance, &empty, p->err) || !evaluate(&busy, p->measured, &stance, &full, p->err) ||
            !flip_price(p, made, krw, &flip))
            return false;
        const struct fleet_result *f = &full.fleets[made];
        double fixed_year = outlay_total(&empty.fleets[made].outlay), tokens_year = f->speed.tok_per_s * 8760 * 3600;
        double variable = (outlay_total(&f->outlay) - fixed_year) / tokens_year * 1e6; // won per million tokens
        double copy = f->speed.devices > 0 ? f->speed.devices : 1, capacity = copy * tokens_year / 12;
        double volume = krw > variable ? copy * fixed_year / 12 / (krw - variable) * 1e6 : (double)INFINITY;
        cJSON *row = cJSON_CreateObject();
        put_text(row, "model", api->model);
        put_text(row, "name_ko", api->name_ko);
        put_text(row, "name_en", api->name_en);
        cJSON_AddBoolToObject(row, "same_model", strcmp(api->model, s->models[0].id) == 0);
        put_number(row, "api_krw", krw);
        put_number(row, "own_krw", p->base.fleets[made].blended_krw);
        put_number(row, "variable_krw", variable);
        put_text(row, "fleet", s->fleets[made].id);
        put_number(row, "devices_per_copy", copy);
        put_number(row, "capacity_tokens_per_month", capacity);
        put_number(row, "break_even_tokens_per_month", volume <= capacity ? volume : (double)NAN);
        put_number(row, "break_even_utilisation", volume / capacity);
        put_number(row, "flip_price_krw", flip);
        cJSON_AddItemToArray(list, row);
    }
    return true;
}

static bool add_flips(struct policy *p)
{
    cJSON *list = cJSON_AddArrayToObject(p->root, "flips");
    int reference = cheapest_owned(p);
    for (int i = 0; reference >= 0 && i < p->scenario->n_fleets; i++) {
        double price;
        const struct fleet *f = &p->scenario->fleets[i];
        if (i == reference || !f->priced || f->rented || strcmp(f->device.id, p->scenario->fleets[reference].device.id) == 0)
            continue; // of the same device the prices themselves say which is dearer
        if (!flip_price(p, i, p->base.fleets[reference].blended_krw, &price))
            return false;
        cJSON *row = cJSON_CreateObject();
        put_text(row, "fleet", f->id);
        put_text(row, "reference", p->scenario->fleets[reference].id);
        put_number(row, "price_krw", p->base.fleets[i].price_krw);
        put_number(row, "flip_price_krw", price);
        cJSON_AddItemToArray(list, row);
    }
    return true;
}

bool policy_add_alternatives(struct policy *p)
{
    add_models(p);
    return add_levers(p) && add_credits(p) && add_tariffs(p) && add_apis(p) && add_flips(p);
}
