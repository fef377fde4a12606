/* The owner's cost of a year: see ownership.h. */
#include "reports/policy/ownership.h"

#include "reports/cost.h"

#include <math.h>

static const double vat = 0.1;

struct outlay ownership_year(const struct ownership *o)
{
    struct outlay out = {0};
    double salvage = o->salvage_share * o->price_krw * pow(1 + o->discount_rate, -o->life_years);
    double paid = o->price_krw * (1 + vat * o->vat_share) * (1 - o->facility_credit * o->eligible);
    out.equipment = cost_crf(o->discount_rate, o->life_years) * (paid - salvage);
    out.operation = o->operation_share * o->price_krw;
    out.rnd_credit = o->rnd_credit * o->rnd_share * out.operation;
    out.peak_kw = o->it_kw * o->pue;
    out.kwh = out.peak_kw * (o->idle_share + (1 - o->idle_share) * o->utilisation) * 8760;
    if (o->building_krw_per_kw > 0)
        out.building = cost_crf(o->discount_rate, o->building_life_years) * o->building_krw_per_kw * out.peak_kw;
    out.demand = o->tariff_factor * tariff_year(&o->tariff, out.peak_kw, 0);
    out.energy = o->tariff_factor * tariff_year(&o->tariff, 0, out.kwh);
    return out;
}

double outlay_total(const struct outlay *o)
{
    return o->equipment + o->building + o->operation - o->rnd_credit + o->demand + o->energy;
}
