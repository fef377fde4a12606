/* jeoul policy: what a scenario of accelerators would serve, draw and cost. */
#include "harness/verbs.h"

#include "base/json.h"
#include "harness/places.h"
#include "harness/store.h"
#include "reports/policy/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The runs that the fleets name, null where a fleet names none. */
static bool read_fleet_runs(const struct scenario *scenario, const char *store, cJSON *out, struct error *err)
{
    for (int i = 0; i < scenario->n_fleets; i++) {
        const char *name = scenario->fleets[i].run;
        cJSON *run = name ? store_export_named(name, store, err) : cJSON_CreateNull();
        if (!run)
            return error_prefix(err, "%s: fleets[%d].run", scenario->path, i);
        cJSON_AddItemToArray(out, run);
    }
    return true;
}

static void print_figure(const char *what, const cJSON *interval, double factor, const char *unit)
{
    printf("  %-34s", what);
    if (cJSON_IsObject(interval))
        printf("%10s %-18s %s … %s\n", number_for_people(factor * json_real(interval, "value")), unit,
               number_for_people(factor * json_real(interval, "low")), number_for_people(factor * json_real(interval, "high")));
    else
        puts("         –");
}

static void print_summary(const cJSON *figures)
{
    const cJSON *totals = cJSON_GetObjectItem(figures, "totals"), *lever;
    printf("%s\n%.0f accelerators serving %s\nprojected; ranges: throughput × price × tariff\n\n", json_text(figures, "title_en"),
           json_real(totals, "devices"), json_text(figures, "model"));
    print_figure("tokens a day", cJSON_GetObjectItem(totals, "tokens_per_day"), 1e-9, "10⁹");
    print_figure("won per million tokens", cJSON_GetObjectItem(totals, "blended_krw"), 1, "won");
    print_figure("won per million Korean characters", cJSON_GetObjectItem(totals, "korean_krw"), 1, "won");
    print_figure("investment", cJSON_GetObjectItem(totals, "investment_krw"), 1e-9, "10⁹ won");
    print_figure("cost of a year", cJSON_GetObjectItem(totals, "year_krw"), 1e-9, "10⁹ won");
    printf("  %-34s%10s MW, %s GWh, %s tCO2 a year\n\n", "power", number_for_people(json_real(totals, "mw")),
           number_for_people(json_real(totals, "gwh_per_year")), number_for_people(json_real(totals, "tco2_per_year")));
    printf("  %-44s %15s %16s\n", "won per million tokens, one lever at a time", "at its low end", "at its high end");
    cJSON_ArrayForEach(lever, cJSON_GetObjectItem(figures, "tornado"))
        printf("  %-44s %15s %16s\n", json_text(lever, "name_en"), number_for_people(json_real(lever, "at_low_krw")),
               number_for_people(json_real(lever, "at_high_krw")));
}

static int run(struct cli *cli, struct error *err)
{
    char prices[4096], catalog[4096];
    const char *given_prices = cli_text(cli, "prices", NULL), *given_catalog = cli_text(cli, "catalog", NULL),
               *store = cli_text(cli, "store", "report/jeoul.db"), *directory = cli_text(cli, "out", "report"),
               *language = cli_text(cli, "lang", "both");
    bool korean = strcmp(language, "en") != 0, english = strcmp(language, "ko") != 0;
    if (strcmp(language, "ko") != 0 && strcmp(language, "en") != 0 && strcmp(language, "both") != 0)
        return error_set(err, ERROR_INPUT, "--lang %s: allowed are ko, en and both", language);
    cJSON *fleet_runs = cJSON_CreateArray(), *runs = cJSON_CreateArray(), *figures = NULL;
    struct scenario *scenario = NULL;
    bool ok = (given_prices || places_find("reports/prices/default.json", prices, sizeof prices, err)) &&
              (given_catalog || places_find("reports/catalog", catalog, sizeof catalog, err)) &&
              (scenario = scenario_open(cli->arguments[0], given_catalog ? given_catalog : catalog, err)) != NULL &&
              read_fleet_runs(scenario, store, fleet_runs, err);
    for (int i = 1; ok && i < cli->n_arguments; i++) {
        cJSON *document = store_export_named(cli->arguments[i], store, err);
        ok = document && cJSON_AddItemToArray(runs, document);
    }
    ok = ok && (figures = policy_figures(scenario, fleet_runs, runs, given_prices ? given_prices : prices, err)) != NULL;
    if (ok && cli_flag(cli, "json"))
        (void)(cli_print_json(figures, err) || error_prefix(err, "policy"));
    else if (ok && policy_write(figures, directory, korean, english, err)) {
        print_summary(figures);
        if (korean)
            printf("\nReport: %s/policy.ko.html (한국어)", directory);
        if (english)
            printf("\nReport: %s/policy.en.html (English)", directory);
        puts("");
    }
    cJSON_Delete(figures);
    cJSON_Delete(fleet_runs);
    cJSON_Delete(runs);
    scenario_close(scenario);
    return 0;
}

const struct cli_verb verb_policy = {
    .name = "policy",
    .arguments = "SCENARIO [[STORE:]RUN…]",
    .least = 1,
    .most = CLI_MAX_ARGUMENTS,
    .summary = "Write a policy report: what accelerators serve, draw and cost",
    .text = "Figures are measured (runs), facts (the dated catalogue), projected (formulas) or\n"
            "assumed (the scenario), and can be told apart. RUNs are shown beside projections.\n"
            "plans/policy-30k.json and policy-national.json come with jeoul; docs/policy.md\n"
            "has the format.",
    .example = "jeoul policy plans/policy-30k.json --lang ko --out report",
    .run = run,
    .options = {{"lang", 0, "LANG", "ko, en or both (both)"},
                {"out", 'o', "DIR", "where the report is written (report)"},
                {"store", 0, "FILE", "the store of a RUN without one (report/jeoul.db)"},
                {"catalog", 0, "DIR", "facts, devices, models, tariffs (jeoul's own)"},
                {"prices", 0, "FILE", "price book for the runs (jeoul's own)"},
                {"json", 0, NULL, "the figures as JSON; no report is written"}},
};
