/* A scenario worked out, with every input at its value or at an end of its range. Private to reports. docs/policy.md, F1–F9. */
#ifndef JEOUL_POLICY_EVALUATION_H
#define JEOUL_POLICY_EVALUATION_H

#include "reports/policy/ownership.h"
#include "reports/policy/projection.h"
#include "reports/policy/scenario.h"
#include "reports/statistics.h"

/* Where each input stands: −1 at its low end, 0, +1 at its high end. */
struct stance {
    signed char inputs[INPUTS];
    signed char price, speed; // of all fleets; speed: of measured fleets, whose throughput has an interval
    int tariff;               // index in the scenario's tariffs
    int model;                // index in its models
    bool dense;               // the model with every parameter active
};

/* Throughputs that runs measured, by fleet; value NaN where a fleet names no run. */
struct measured {
    struct interval prefill, decode; // tok/s of one device
};

struct fleet_result {
    struct projection speed;
    struct outlay outlay;              // won a year for one device; of a rented one, all in `equipment`
    double hour_krw;                   // of one device; NaN: no price is known, and so with all won below
    double price_krw;                  // of one device, after the exchange rate; 0: rented
    double investment_krw, credit_krw; // of the fleet, once: devices and buildings; what the facility credit gives back
    double blended_krw, input_krw, output_krw,
        korean_krw;                         // per million tokens of the mix, of input, of output; per million Korean characters
    double tokens_per_day, output_per_day;  // of the fleet, at the offered load
    double mw, gwh_per_year, tco2_per_year; // of the fleet, with cooling; mw at full load
};

struct result {
    struct fleet_result fleets[SCENARIO_MOST];
    double devices, tokens_per_day, output_per_day, characters_per_day, mw, gwh_per_year, tco2_per_year; // of all fleets
    double priced_devices, priced_tokens_per_day;                                     // of those whose price is known, as is all below
    double investment_krw, credit_krw, year_krw, blended_krw, output_krw, korean_krw; // costs: sums ÷ sums, never means of ratios
};

/* measured: one for each fleet. Fails where a model does not fit a fleet's devices. */
bool evaluate(const struct scenario *scenario, const struct measured *measured, const struct stance *stance, struct result *out,
              struct error *err) MUST_CHECK;

/* A calendar year of the scenario. */
struct year_result {
    int year;
    double devices_at_end, device_years, investment_krw, year_krw, tokens, gwh, tco2, mw_at_end;
};
void evaluate_year(const struct scenario *scenario, const struct result *result, int year, struct year_result *out);

#endif
