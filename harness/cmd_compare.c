/* jeoul compare: options side by side, from runs of one or several stores. */
#include "harness/verbs.h"

#include "base/json.h"
#include "harness/places.h"
#include "harness/store.h"
#include "reports/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_value(double value, double factor, int width)
{
    if (isnan(value))
        printf(" %*s", width + 2, "–"); // three bytes, one column
    else
        printf(" %*s", width, number_for_people(value * factor));
}

static void print_option(const cJSON *option, char letter, bool demand)
{
    const cJSON *ratio = cJSON_GetObjectItem(option, "decode_ratio");
    printf("%c %5.0f %7.0f", letter, json_real(option, "batch"), json_real(option, "threads"));
    print_value(json_real(cJSON_GetObjectItem(option, "prefill"), "value"), 1, 8);
    print_value(json_real(cJSON_GetObjectItem(option, "decode"), "value"), 1, 8);
    print_value(json_real(ratio, "value"), 1, 6);
    print_value(json_real(cJSON_GetObjectItem(option, "cost_output"), "value"), 1, 9);
    print_value(json_real(cJSON_GetObjectItem(option, "cost_ko_characters"), "value"), 1, 9);
    print_value(json_real(cJSON_GetObjectItem(option, "acc_ko"), "value"), 100, 5);
    print_value(json_real(cJSON_GetObjectItem(option, "acc_en"), "value"), 100, 5);
    if (demand && cJSON_IsObject(cJSON_GetObjectItem(option, "machines")))
        printf(" %8.0f", json_real(cJSON_GetObjectItem(option, "machines"), "value"));
    else if (demand)
        print_value(NAN, 1, 8);
    puts("");
}

static void print_range(const char *what, const cJSON *interval, const char *unit)
{
    if (!cJSON_IsObject(interval))
        return;
    printf("  %s %s", what, number_for_people(json_real(interval, "value")));
    if (isnan(json_real(interval, "high"))) // samples too small for an interval
        printf(" (no interval)%s", unit);
    else
        printf(" (%s … %s)%s", number_for_people(json_real(interval, "low")), number_for_people(json_real(interval, "high")), unit);
}

static void print_limit(const cJSON *option)
{
    double share = json_real(option, "of_limit"), memory = json_real(option, "peak_rss");
    const cJSON *price = cJSON_GetObjectItem(option, "price");
    puts("");
    if (!isnan(memory))
        printf("  memory %s;", bytes_for_people(memory));
    if (isnan(share))
        printf("  limit not measured");
    else
        printf("  decode at %.0f %% of the %s", 100 * share,
               strcmp(json_text(option, "limit"), "read_bandwidth") == 0 ? "read bandwidth" : "int8 peak");
    if (cJSON_IsTrue(cJSON_GetObjectItem(price, "stale")))
        printf(";  price stale, %.0f days old", json_real(price, "age_days"));
}

/* Models are never mixed in a table without saying so: each model, quantisation and version has its own heading. */
static void print_tables(const cJSON *figures)
{
    const cJSON *option, *before = NULL, *options = cJSON_GetObjectItem(figures, "options");
    bool demand = cJSON_IsObject(cJSON_GetObjectItem(figures, "demand"));
    char letter = 'A';
    cJSON_ArrayForEach(option, options) {
        if (!before || !comparison_same_model(option, before) || strcmp(json_text(option, "run_id"), json_text(before, "run_id")) != 0) {
            printf("%s%s, %s, jeoul %s, on %s (run %s)%s%s\n", before ? "\n" : "", json_text(option, "model"),
                   json_text(option, "quantisation"), json_text(option, "jeoul"), json_text(option, "cpu"), json_text(option, "run_id"),
                   cJSON_IsTrue(cJSON_GetObjectItem(option, "same_model")) ? "" : "; another model than A: ratios compare speed only",
                   cJSON_IsTrue(cJSON_GetObjectItem(option, "random_weights")) ? "; random weights: accuracy is chance" : "");
            printf("  batch threads  prefill   decode   ÷ A  won/M out won/M 한글   KO %%  EN %%%s\n", demand ? " machines" : "");
        }
        print_option(option, letter, demand);
        letter = letter < 'Z' ? (char)(letter + 1) : 'Z';
        before = option;
    }
    letter = 'A';
    puts("");
    cJSON_ArrayForEach(option, options) {
        printf("%c", letter);
        if (letter != 'A') {
            print_range("decode ÷ A", cJSON_GetObjectItem(option, "decode_ratio"), ";");
            print_range("as dear as A at", cJSON_GetObjectItem(option, "break_even_krw_per_hour"), " won/h;");
        }
        print_range("won/M output", cJSON_GetObjectItem(option, "cost_output"), "");
        print_limit(option);
        if (!cJSON_IsTrue(cJSON_GetObjectItem(option, "same_work")))
            printf("  (other lengths than A's)");
        if (!cJSON_IsNull(cJSON_GetObjectItem(option, "cost_reason")))
            printf("  no cost: %s", json_text(option, "cost_reason"));
        puts("");
        letter = letter < 'Z' ? (char)(letter + 1) : 'Z';
    }
}

static int run(struct cli *cli, struct error *err)
{
    char found[4096];
    const char *prices = cli_text(cli, "prices", NULL), *demand_path = cli_text(cli, "demand", NULL),
               *store = cli_text(cli, "store", "report/jeoul.db");
    struct demand demand;
    cJSON *runs = cJSON_CreateArray(), *figures = NULL;
    bool ok = (prices || places_find("reports/prices/default.json", found, sizeof found, err)) &&
              (!demand_path || demand_read(demand_path, &demand, err));
    for (int i = 0; ok && i < cli->n_arguments; i++) {
        cJSON *document = store_export_named(cli->arguments[i], store, err);
        ok = document && cJSON_AddItemToArray(runs, document);
    }
    ok = ok && (figures = comparison_figures(runs, prices ? prices : found, demand_path ? &demand : NULL, err));
    const char *directory = cli_text(cli, "out", NULL);
    ok = ok && (!directory || comparison_write(figures, directory, err));
    if (ok && cli_flag(cli, "json"))
        (void)(cli_print_json(figures, err) || error_prefix(err, "compare"));
    else if (ok) {
        print_tables(figures);
        if (directory)
            printf("\nPage: %s/compare.ko.html (한국어), %s/compare.en.html (English)\n", directory, directory);
    }
    cJSON_Delete(figures);
    cJSON_Delete(runs);
    return 0;
}

const struct cli_verb verb_compare = {
    .name = "compare",
    .arguments = "[STORE:]RUN…",
    .least = 1,
    .most = CLI_MAX_ARGUMENTS,
    .summary = "Set options of several runs side by side: speed, cost, accuracy",
    .text = "Every configuration in which decode was measured is an option; the first, A, is what ratios and\n"
            "break-even prices refer to. FILE of --demand: {\"schema\": \"jeoul/demand/1\",\n"
            "\"input_tokens_per_day\": …, \"output_tokens_per_day\": …, \"utilisation\": 0.5} asks how many machines.",
    .example = "jeoul compare here/jeoul.db:latest there/jeoul.db:20261124 --demand demand.json",
    .run = run,
    .options = {{"store", 0, "FILE", "the store of a RUN without one (report/jeoul.db)"},
                {"prices", 0, "FILE", "price book (the one that comes with jeoul)"},
                {"demand", 0, "FILE", "tokens a day that have to be served"},
                {"out", 'o', "DIR", "write the page with its charts there, in Korean and English"},
                {"json", 0, NULL, "the comparison as JSON"}},
};
