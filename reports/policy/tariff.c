/* Electricity by a two-part tariff: see tariff.h. */
#include "reports/policy/tariff.h"

#include <stdio.h>
#include <string.h>

enum { SEASONS = 3, BANDS = 3, LIGHT = 0, MIDDLE = 1, PEAK = 2, HOURS_OF_YEAR = 8760 };

static const char *const season_names[SEASONS] = {"summer", "spring_fall", "winter"};
static const char *const band_names[BANDS] = {"light", "mid", "peak"};
static const char *const tariff_keys[] = {"id", "name_ko", "name_en", "date", "source", "seasons", "bands", "adders", "classes", NULL};
static const char *const class_keys[] = {"id", "name_ko", "name_en", "voltages", "weekend_discount", NULL};
static const char *const discount_keys[] = {"share", "season", "from", "to", "until", "source", NULL};
static const char *const option_keys[] = {"krw_per_kw_month", "krw_per_kwh", NULL};
static const char *const adder_keys[] = {"krw_per_kwh", "rate", "date", "source", NULL};

struct calendar {
    int season_of_month[12]; // −1: none yet
    int band_of_hour[SEASONS][24];
};

static bool read_seasons(const struct json_at *tariff, struct calendar *c, struct error *err)
{
    struct json_at seasons = json_member(tariff, "seasons");
    memset(c->season_of_month, -1, sizeof c->season_of_month);
    for (int s = 0; s < SEASONS; s++) {
        struct json_at months = json_member(&seasons, season_names[s]);
        int count;
        if (!json_array(&months, &count, err))
            return false;
        for (int i = 0; i < count; i++) {
            struct json_at month = json_element(&months, i);
            int64_t m;
            if (!json_integer(&month, 1, 12, &m, err))
                return false;
            if (c->season_of_month[m - 1] >= 0)
                return json_error(&month, err, "month %d is in two seasons", (int)m);
            c->season_of_month[m - 1] = s;
        }
    }
    for (int m = 0; m < 12; m++)
        if (c->season_of_month[m] < 0)
            return json_error(&seasons, err, "month %d is in no season", m + 1);
    return true;
}

/* Spans [from, to) of hours; from > to goes over midnight. */
static bool read_bands(const struct json_at *tariff, struct calendar *c, struct error *err)
{
    struct json_at all = json_member(tariff, "bands");
    memset(c->band_of_hour, -1, sizeof c->band_of_hour);
    for (int s = 0; s < SEASONS; s++) {
        struct json_at season = json_member(&all, season_names[s]);
        for (int b = 0; b < BANDS; b++) {
            struct json_at spans = json_member(&season, band_names[b]);
            int count;
            if (!json_array(&spans, &count, err))
                return false;
            for (int i = 0; i < count; i++) {
                struct json_at span = json_element(&spans, i), first = json_element(&span, 0), last = json_element(&span, 1);
                int64_t from, to;
                if (!json_integer(&first, 0, 23, &from, err) || !json_integer(&last, 1, 24, &to, err))
                    return false;
                int hours = ((int)(to - from) + 23) % 24 + 1;
                for (int n = 0; n < hours; n++) {
                    int h = (int)(from + n) % 24;
                    if (c->band_of_hour[s][h] >= 0)
                        return json_error(&span, err, "hour %d is in two bands of %s", h, season_names[s]);
                    c->band_of_hour[s][h] = b;
                }
            }
        }
        for (int h = 0; h < 24; h++)
            if (c->band_of_hour[s][h] < 0)
                return json_error(&season, err, "hour %d is in no band", h);
    }
    return true;
}

static bool read_prices(const struct json_at *option, double price[SEASONS][BANDS], struct error *err)
{
    struct json_at all = json_member(option, "krw_per_kwh");
    for (int s = 0; s < SEASONS; s++) {
        struct json_at season = json_member(&all, season_names[s]);
        for (int b = 0; b < BANDS; b++)
            if (!json_value(&season, band_names[b], 0, 1e6, &price[s][b], err))
                return false;
    }
    return true;
}

/* Off the price on Saturdays and Sundays of a season, from one hour to another. */
struct discount {
    double share;
    int64_t from, to;
    int season;
};

static bool read_discount(const struct json_at *class, struct discount *out, struct error *err)
{
    struct json_at at = json_member(class, "weekend_discount"), from = json_member(&at, "from"), to = json_member(&at, "to"),
                   season = json_member(&at, "season");
    const char *name, *text;
    *out = (struct discount){0};
    if (!at.value)
        return true;
    if (!json_only(&at, discount_keys, err) || !json_value(&at, "share", 0, 1, &out->share, err) ||
        !json_integer(&from, 0, 23, &out->from, err) || !json_integer(&to, out->from + 1, 24, &out->to, err) ||
        !json_string(&season, &name, err) || !json_date(&at, "until", &text, err) || !json_filled(&at, "source", &text, err))
        return false;
    for (out->season = 0; out->season < SEASONS; out->season++)
        if (strcmp(season_names[out->season], name) == 0)
            return true;
    return json_error(&season, err, "\"%.20s\" is none of summer, spring_fall, winter", name);
}

/* The mean over the hours of 2027, which begins on a Friday. */
static double mean_price(const struct calendar *c, double price[SEASONS][BANDS], const struct discount *discount)
{
    static const int days_of_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    enum { SUNDAY = 0, FRIDAY = 5, SATURDAY = 6 };
    double sum = 0;
    int weekday = FRIDAY;
    for (int month = 0; month < 12; month++)
        for (int day = 0; day < days_of_month[month]; day++, weekday = (weekday + 1) % 7)
            for (int hour = 0; hour < 24; hour++) {
                int season = c->season_of_month[month], band = c->band_of_hour[season][hour];
                if (weekday == SUNDAY)
                    band = LIGHT;
                else if (weekday == SATURDAY && band == PEAK)
                    band = MIDDLE;
                bool cheaper = (weekday == SATURDAY || weekday == SUNDAY) && season == discount->season && hour >= discount->from &&
                               hour < discount->to;
                sum += price[season][band] * (cheaper ? 1 - discount->share : 1);
            }
    return sum / HOURS_OF_YEAR;
}

static bool read_adders(const struct json_at *tariff, struct tariff *out, struct error *err)
{
    struct json_at adders = json_member(tariff, "adders"), climate = json_member(&adders, "climate"), fuel = json_member(&adders, "fuel"),
                   fund = json_member(&adders, "fund");
    const char *text;
    double a, b;
    if (!json_only(&climate, adder_keys, err) || !json_only(&fuel, adder_keys, err) || !json_only(&fund, adder_keys, err) ||
        !json_value(&climate, "krw_per_kwh", 0, 1e4, &a, err) || !json_value(&fuel, "krw_per_kwh", -1e4, 1e4, &b, err) ||
        !json_value(&fund, "rate", 0, 1, &out->fund_rate, err))
        return false;
    out->adders_krw_per_kwh = a + b;
    for (const struct json_at *const *adder = (const struct json_at *const[]){&climate, &fuel, &fund, NULL}; *adder; adder++)
        if (!json_filled(*adder, "source", &text, err) || !json_date(*adder, "date", &text, err))
            return false;
    return true;
}

static bool find_class(const struct json_at *tariff, const char *class, struct json_at *out, struct error *err)
{
    struct json_at classes = json_member(tariff, "classes");
    int count;
    if (!json_array(&classes, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        *out = json_element(&classes, i);
        if (strcmp(json_text(out->value, "id"), class) == 0)
            return json_only(out, class_keys, err);
    }
    return json_error(&classes, err, "there is no class \"%.32s\"", class);
}

/* Voltages by KEPCO's names. */
static const struct {
    const char *id, *ko, *en;
} voltages[] = {
    {"high_a", "고압 A (22.9 kV)", "22.9 kV"}, {"high_b", "고압 B (154 kV)", "154 kV"}, {"high_c", "고압 C (345 kV)", "345 kV"}};

static void name_terms(const char *class, const char *voltage, const char *option, struct tariff *out)
{
    const char *ko = voltage, *en = voltage;
    for (size_t i = 0; i < sizeof voltages / sizeof *voltages; i++)
        if (strcmp(voltages[i].id, voltage) == 0) {
            ko = voltages[i].ko;
            en = voltages[i].en;
        }
    snprintf(out->label, sizeof out->label, "%.20s, %.20s, %.8s", class, voltage, option);
    snprintf(out->terms_ko, sizeof out->terms_ko, "%.30s, 선택 %.8s", ko, option);
    snprintf(out->terms_en, sizeof out->terms_en, "%.30s, option %.8s", en, option);
}

bool tariff_read(const struct json_at *at, const char *class, const char *voltage, const char *option, struct tariff *out,
                 struct error *err)
{
    struct calendar calendar;
    struct discount discount;
    struct json_at kind;
    double price[SEASONS][BANDS], base;
    *out = (struct tariff){0};
    if (!json_only(at, tariff_keys, err) || !json_filled(at, "name_ko", &out->name_ko, err) ||
        !json_filled(at, "name_en", &out->name_en, err) || !json_day(at, "date", &out->date, err) ||
        !json_filled(at, "source", &out->source, err) || !read_seasons(at, &calendar, err) || !read_bands(at, &calendar, err) ||
        !read_adders(at, out, err) || !find_class(at, class, &kind, err) || !json_filled(&kind, "name_ko", &out->class_ko, err) ||
        !json_filled(&kind, "name_en", &out->class_en, err) || !read_discount(&kind, &discount, err))
        return false;
    struct json_at lines = json_member(&kind, "voltages"), line = json_member(&lines, voltage), terms = json_member(&line, option);
    if (!json_only(&terms, option_keys, err) || !json_value(&terms, "krw_per_kw_month", 0, 1e6, &base, err) ||
        !read_prices(&terms, price, err))
        return false;
    out->base_krw_per_kw_year = 12 * base;
    out->energy_krw_per_kwh = mean_price(&calendar, price, &discount);
    name_terms(class, voltage, option, out);
    return true;
}

double tariff_year(const struct tariff *t, double peak_kw, double kwh)
{
    return (t->base_krw_per_kw_year * peak_kw + kwh * (t->energy_krw_per_kwh + t->adders_krw_per_kwh)) * (1 + t->fund_rate);
}

double tariff_flat(const struct tariff *t)
{
    return tariff_year(t, 1, HOURS_OF_YEAR) / HOURS_OF_YEAR;
}
