/* A scenario worked out: see evaluation.h. */
#include "reports/policy/evaluation.h"

#include <math.h>
#include <string.h>

static double input(const struct scenario *s, const struct stance *stance, enum input i)
{
    return quantity_at(&s->inputs[i], stance->inputs[i]);
}

static double end_of(struct interval i, int end)
{
    return end < 0 ? i.low : end > 0 ? i.high : i.value;
}

static struct serving serving_of(const struct scenario *s, const struct stance *stance)
{
    return (struct serving){
        .requests_per_device = input(s, stance, INPUT_REQUESTS),
        .input_tokens = input(s, stance, INPUT_INPUT_TOKENS),
        .output_tokens = input(s, stance, INPUT_OUTPUT_TOKENS),
        .bytes_per_parameter = input(s, stance, INPUT_BYTES_PER_PARAMETER),
        .kv_bytes_ratio = input(s, stance, INPUT_KV_BYTES_RATIO),
        .bandwidth_share = input(s, stance, INPUT_BANDWIDTH_SHARE),
        .compute_share = input(s, stance, INPUT_COMPUTE_SHARE),
        .dense = stance->dense,
    };
}

/* Won for one device: dollars at the rate; won with the share that follows the dollar moved by the rate against the scenario's own. */
static double price_of(const struct scenario *s, const struct stance *stance, const struct fleet *f)
{
    double price = quantity_at(&f->price, stance->price), fx = input(s, stance, INPUT_FX);
    if (f->in_dollars)
        return price * fx;
    return price * (1 + input(s, stance, INPUT_FOREIGN_SHARE) * (fx / s->inputs[INPUT_FX].value - 1));
}

static struct ownership ownership_of(const struct scenario *s, const struct stance *stance, const struct fleet *f)
{
    double usd_per_w_in_krw_per_kw = 1000 * input(s, stance, INPUT_FX);
    return (struct ownership){
        .price_krw = f->priced && !f->rented ? price_of(s, stance, f) : 0,
        .life_years = input(s, stance, INPUT_LIFE),
        .discount_rate = input(s, stance, INPUT_DISCOUNT_RATE),
        .salvage_share = input(s, stance, INPUT_SALVAGE),
        .vat_share = input(s, stance, INPUT_VAT),
        .facility_credit = input(s, stance, INPUT_FACILITY_CREDIT),
        .eligible = input(s, stance, INPUT_ELIGIBLE),
        .operation_share = f->with_operation ? 0 : input(s, stance, INPUT_OPERATION),
        .rnd_credit = input(s, stance, INPUT_RND_CREDIT),
        .rnd_share = input(s, stance, INPUT_RND_SHARE),
        .building_krw_per_kw = f->with_building ? 0 : input(s, stance, INPUT_BUILDING) * usd_per_w_in_krw_per_kw,
        .building_life_years = input(s, stance, INPUT_BUILDING_LIFE),
        .it_kw = f->device.tdp_w.value / 1000 * input(s, stance, INPUT_SERVER_POWER) * input(s, stance, INPUT_POWER_DRAWN),
        .idle_share = input(s, stance, INPUT_IDLE),
        .utilisation = input(s, stance, INPUT_UTILISATION),
        .pue = input(s, stance, INPUT_PUE),
        .tariff_factor = input(s, stance, INPUT_TARIFF_FACTOR),
        .tariff = s->tariffs[stance->tariff],
    };
}

static void add_costs(const struct scenario *s, const struct stance *stance, const struct fleet *f, struct fleet_result *r)
{
    double utilisation = input(s, stance, INPUT_UTILISATION), scale = 1e6 / 3600;
    double fertility = s->models[stance->model].fertility_ko.value;
    struct ownership owned = ownership_of(s, stance, f);
    r->outlay = ownership_year(&owned);
    if (f->rented)
        r->outlay = (struct outlay){.equipment = 8760 * price_of(s, stance, f), .kwh = r->outlay.kwh, .peak_kw = r->outlay.peak_kw};
    double count = f->count.value;
    r->mw = count * r->outlay.peak_kw / 1000;
    r->gwh_per_year = count * r->outlay.kwh / 1e6;
    r->tco2_per_year = count * r->outlay.kwh / 1000 * input(s, stance, INPUT_CARBON);
    r->tokens_per_day = count * utilisation * r->speed.tok_per_s * 86400;
    r->output_per_day = count * utilisation * r->speed.output_tok_per_s * 86400;
    r->price_krw = owned.price_krw;
    r->hour_krw = f->priced ? outlay_total(&r->outlay) / 8760 : (double)NAN;
    double building = owned.building_krw_per_kw * r->outlay.peak_kw;
    r->investment_krw = f->priced ? count * (f->rented ? 0 : owned.price_krw + building) : (double)NAN;
    r->credit_krw = f->priced ? count * owned.price_krw * owned.facility_credit * owned.eligible : (double)NAN;
    r->blended_krw = r->hour_krw / (r->speed.tok_per_s * utilisation) * scale;
    r->input_krw = r->hour_krw / (r->speed.prefill_tok_per_s * utilisation) * scale;
    r->output_krw = r->hour_krw / (r->speed.decode_tok_per_s * utilisation) * scale;
    r->korean_krw = r->output_krw * fertility / 1000;
}

static void add_totals(const struct scenario *s, const struct stance *stance, struct result *out)
{
    double output_year = 0, output_tokens = 0, share = input(s, stance, INPUT_KOREAN_SHARE);
    const struct model_shape *model = &s->models[stance->model];
    for (int i = 0; i < s->n_fleets; i++) {
        const struct fleet *f = &s->fleets[i];
        const struct fleet_result *r = &out->fleets[i];
        out->devices += f->count.value;
        out->tokens_per_day += r->tokens_per_day;
        out->output_per_day += r->output_per_day;
        out->mw += r->mw;
        out->gwh_per_year += r->gwh_per_year;
        out->tco2_per_year += r->tco2_per_year;
        if (!f->priced)
            continue;
        double year = f->count.value * outlay_total(&r->outlay);
        out->priced_devices += f->count.value;
        out->priced_tokens_per_day += r->tokens_per_day;
        out->investment_krw += r->investment_krw;
        out->credit_krw += r->credit_krw;
        out->year_krw += year;
        output_year += year * r->speed.output_tok_per_s / r->speed.decode_tok_per_s; // the share of the time that decode takes
        output_tokens += 365 * r->output_per_day;
    }
    out->characters_per_day = out->output_per_day * 1000 / (share * model->fertility_ko.value + (1 - share) * model->fertility_en.value);
    if (!(out->priced_devices > 0))
        out->investment_krw = out->credit_krw = out->year_krw = NAN;
    out->blended_krw = out->year_krw / (365 * out->priced_tokens_per_day) * 1e6;
    out->output_krw = output_year / output_tokens * 1e6;
    out->korean_krw = out->output_krw * model->fertility_ko.value / 1000;
}

bool evaluate(const struct scenario *s, const struct measured *measured, const struct stance *stance, struct result *out, struct error *err)
{
    struct serving serving = serving_of(s, stance);
    memset(out, 0, sizeof *out);
    for (int i = 0; i < s->n_fleets; i++) {
        struct fleet_result *r = &out->fleets[i];
        bool has_run = !isnan(measured[i].decode.value) && stance->model == 0 && !stance->dense;
        if (has_run)
            projection_mix(end_of(measured[i].prefill, stance->speed), end_of(measured[i].decode, stance->speed), &serving, &r->speed);
        else if (!projection_make(&s->fleets[i].device, &s->models[stance->model], &serving, &r->speed, err))
            return error_prefix(err, "%s: fleets: %s", s->path, s->fleets[i].id);
        add_costs(s, stance, &s->fleets[i], r);
    }
    add_totals(s, stance, out);
    return true;
}

void evaluate_year(const struct scenario *s, const struct result *result, int year, struct year_result *out)
{
    int life_months = (int)lround(12 * s->inputs[INPUT_LIFE].value), begin = 12 * year, end = begin + 12; // months since the year 0
    memset(out, 0, sizeof *out);
    out->year = year;
    for (int i = 0; i < s->n_fleets; i++) {
        const struct fleet *f = &s->fleets[i];
        const struct fleet_result *r = &result->fleets[i];
        int first = 12 * f->year + f->month, last = first + life_months; // serves in [first, last)
        int months = (last < end ? last : end) - (first > begin ? first : begin);
        double years = months > 0 ? months / 12.0 : 0;
        out->device_years += years * f->count.value;
        out->tokens += years * 365 * r->tokens_per_day;
        out->gwh += years * r->gwh_per_year;
        out->tco2 += years * r->tco2_per_year;
        if (first <= end && last > end) {
            out->devices_at_end += f->count.value;
            out->mw_at_end += r->mw;
        }
        if (!f->priced)
            continue;
        out->year_krw += years * f->count.value * outlay_total(&r->outlay);
        if (f->year == year)
            out->investment_krw += r->investment_krw;
    }
}
