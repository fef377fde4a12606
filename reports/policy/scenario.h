/* A policy scenario as its author wrote it (schema jeoul/policy/1, docs/policy.md). Private to reports, but for scenario_open and
 * scenario_runs, which the harness needs to find the runs that a scenario names. */
#ifndef JEOUL_POLICY_SCENARIO_H
#define JEOUL_POLICY_SCENARIO_H

#include "base/hash.h"
#include "reports/policy/catalog.h"
#include "reports/policy/tariff.h"

enum { SCENARIO_MOST = 16 }; // fleets, models, tariffs, APIs, indicators, checks: of each

/* Every number that the whole scenario shares; the order is that of the table of assumptions. */
enum input {
    INPUT_REQUESTS,
    INPUT_INPUT_TOKENS,
    INPUT_OUTPUT_TOKENS,
    INPUT_KOREAN_SHARE,
    INPUT_BYTES_PER_PARAMETER,
    INPUT_KV_BYTES_RATIO,
    INPUT_BANDWIDTH_SHARE,
    INPUT_COMPUTE_SHARE,
    INPUT_UTILISATION,
    INPUT_LIFE,
    INPUT_DISCOUNT_RATE,
    INPUT_SALVAGE,
    INPUT_VAT,
    INPUT_FACILITY_CREDIT,
    INPUT_ELIGIBLE,
    INPUT_RND_CREDIT,
    INPUT_RND_SHARE,
    INPUT_OPERATION,
    INPUT_FX,
    INPUT_FOREIGN_SHARE,
    INPUT_SERVER_POWER,
    INPUT_POWER_DRAWN,
    INPUT_IDLE,
    INPUT_PUE,
    INPUT_TARIFF_FACTOR,
    INPUT_CARBON,
    INPUT_BUILDING,
    INPUT_BUILDING_LIFE,
    INPUTS
};

struct input_name {
    const char *key, *name_ko, *name_en, *unit;
    double low, high; // what is allowed
};
extern const struct input_name input_names[INPUTS];

struct fleet {
    const char *id, *name_ko, *name_en, *note_ko, *note_en;
    struct device device;
    struct quantity count;
    int year, month;                                // of arrival; it serves from the next month on
    bool priced, rented;                            // not priced: why is in reason_ko and reason_en
    struct quantity price;                          // of one device, or of an hour of it where it is rented
    bool in_dollars, with_operation, with_building; // what the price holds
    const char *reason_ko, *reason_en;
    const char *run; // "[STORE:]RUN" that measured this device with the scenario's model; NULL: projected
};

struct api {
    const char *model, *name_ko, *name_en;
    struct quantity input, output; // USD per million tokens
};

/* A fact that is shown, or the ratio of two. */
struct indicator {
    struct quantity fact, divisor;
    bool ratio;
    const char *name_ko, *name_en;
};

struct check {
    struct quantity fact;
    const char *fleet, *what; // "hour" (USD), "kw"
};

struct scenario {
    char *path;
    cJSON *document; // owns the strings
    struct catalog *catalog;
    char sha256[HASH_HEX];
    const char *name, *as_of, *title_ko, *title_en, *question_ko, *question_en;
    int from_year, to_year;
    struct quantity inputs[INPUTS];
    struct fleet fleets[SCENARIO_MOST];
    struct model_shape models[SCENARIO_MOST + 1]; // the first is what the scenario serves
    struct tariff tariffs[SCENARIO_MOST];         // the first is what is paid
    struct api apis[SCENARIO_MOST];
    struct indicator indicators[SCENARIO_MOST];
    struct check checks[SCENARIO_MOST];
    int n_fleets, n_models, n_tariffs, n_apis, n_indicators, n_checks;
};

/* Reads and checks a scenario and the catalogue beside it. Free with scenario_close. */
struct scenario *scenario_open(const char *path, const char *catalog_directory, struct error *err) MUST_CHECK;
void scenario_close(struct scenario *scenario);

#endif
