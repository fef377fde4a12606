/* What a device costs its owner in a year, and what comes back as a tax credit. Private to reports. docs/policy.md, F4–F6.
 *
 * Before tax, in constant money: a credit is worth its face only where tax is due. */
#ifndef JEOUL_POLICY_OWNERSHIP_H
#define JEOUL_POLICY_OWNERSHIP_H

#include "reports/policy/tariff.h"

struct ownership {
    double price_krw;                                // of a device with its share of server and network
    double life_years, discount_rate;                // real, a year
    double salvage_share;                            // of the price, at the end of the life
    double vat_share;                                // of the VAT that isn't recovered
    double facility_credit, eligible;                // rate, share of the price that it is given on
    double operation_share;                          // staff, maintenance, software: of the price, a year
    double rnd_credit, rnd_share;                    // rate, share of the operation that is research
    double building_krw_per_kw, building_life_years; // 0: none counted
    double it_kw, idle_share, utilisation, pue;      // power at full load without cooling; share drawn when idle; share of the time
    double tariff_factor;                            // 1: as the tariff stands
    struct tariff tariff;
};

/* Won a year for one device. */
struct outlay {
    double equipment, building, operation, rnd_credit, demand, energy; // demand and energy: the two parts of the electricity bill
    double kwh, peak_kw;                                               // with cooling
};

/* equipment = CRF(r, L) · [P·(1 + 0.1·v)·(1 − c·ε) − s·P·(1 + r)^−L]; building = CRF(r, L_b) · K · peak kW; operation = o·P; rnd_credit =
 * c_R · ρ · o·P, to be taken off; peak kW = kW · PUE; kWh = kW · [i + (1 − i)·u] · PUE · 8760. */
struct outlay ownership_year(const struct ownership *ownership);

/* All of it. */
double outlay_total(const struct outlay *outlay);

#endif
