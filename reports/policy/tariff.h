/* Electricity by a two-part tariff with seasons and bands of the day, as KEPCO bills it. Private to reports.
 *
 * Demand and energy are kept apart: what a fleet is loaded with changes the second only. */
#ifndef JEOUL_POLICY_TARIFF_H
#define JEOUL_POLICY_TARIFF_H

#include "base/json.h"

struct tariff {
    double energy_krw_per_kwh;   // of a load that is the same at every hour of the year
    double base_krw_per_kw_year; // by the peak demand, or 30 % of the contract where that is more
    double adders_krw_per_kwh;   // climate and environment, fuel adjustment
    double fund_rate;            // electric power industry fund, on the whole bill; VAT is left out: it is recovered
    const char *name_ko, *name_en, *class_ko, *class_en, *source, *date; // owned by the document
    char label[64], terms_ko[64], terms_en[64]; // "general_b, high_b, II", "고압 B (154 kV), 선택 II", "154 kV, option II"
};

/* `at`: a tariff of the catalogue. The mean is taken over the hours of the year 2027, on Saturdays with the peak band at the price of the
 * middle one, on Sundays all in the light one; other holidays are left out. Bands that leave an hour out or give it twice are refused. */
bool tariff_read(const struct json_at *at, const char *class, const char *voltage, const char *option, struct tariff *out,
                 struct error *err) MUST_CHECK;

/* Won a year, without VAT: [base · peak kW + kWh · (energy + adders)] · (1 + fund). */
double tariff_year(const struct tariff *tariff, double peak_kw, double kwh);

/* Won per kWh of a load that never changes. */
double tariff_flat(const struct tariff *tariff);

#endif
