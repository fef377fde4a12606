/* jeoul results, jeoul report: what the store keeps, and reports made again from it. */
#include "harness/verbs.h"

#include "base/json.h"
#include "harness/places.h"
#include "harness/store.h"
#include "reports/reports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_runs(const cJSON *runs)
{
    const cJSON *run;
    printf("%-26s %-12s %-22s %s\n", "run", "state", "started", "plan");
    cJSON_ArrayForEach(run, runs) {
        const char *values[4];
        static const char *const keys[4] = {"run_id", "state", "started", "plan"};
        for (int i = 0; i < 4; i++)
            values[i] =
                cJSON_GetStringValue(cJSON_GetObjectItem(run, keys[i])) ? cJSON_GetStringValue(cJSON_GetObjectItem(run, keys[i])) : "–";
        printf("%-26s %-12s %-22s %s\n", values[0], values[1], values[2], values[3]);
    }
}

static int run_results(struct cli *cli, struct error *err)
{
    bool import = strcmp(cli->arguments[0], "import") == 0; // the only one that makes a store
    const char *path = cli_text(cli, "store", "report/jeoul.db");
    struct store *store = import ? store_open(path, err) : store_open_existing(path, err);
    cJSON *value = NULL;
    if (store && strcmp(cli->arguments[0], "list") == 0) {
        if ((value = store_list(store, err)) && cli_flag(cli, "json"))
            (void)(cli_print_json(value, err) || error_prefix(err, "results"));
        else if (value)
            print_runs(value);
    } else if (store && strcmp(cli->arguments[0], "export") == 0) {
        if ((value = store_export(store, cli->n_arguments > 1 ? cli->arguments[1] : "latest", err)))
            (void)(cli_print_json(value, err) || error_prefix(err, "results"));
    } else if (store && import && cli->n_arguments > 1) {
        enum { LARGEST = 1 << 30 };
        if ((value = json_read(cli->arguments[1], LARGEST, err)) && store_import(store, cli->arguments[1], value, err))
            printf("run %s imported\n", cJSON_GetStringValue(cJSON_GetObjectItem(value, "run_id")));
    } else if (store)
        error_record(err, ERROR_INPUT, "results %.32s: list, export [RUN] or import FILE is wanted", cli->arguments[0]);
    cJSON_Delete(value);
    store_close(store);
    return 0;
}

const struct cli_verb verb_results = {
    .name = "results",
    .arguments = "list | export [RUN] | import FILE",
    .least = 1,
    .most = 2,
    .summary = "List the runs of a store; export one as JSON, or import one",
    .text = "RUN is a run's id, its beginning, or latest. FILE is what export printed, here or on another machine.",
    .example = "jeoul results export latest --store report/jeoul.db",
    .run = run_results,
    .options = {{"store", 0, "FILE", "the store (report/jeoul.db)"}, {"json", 0, NULL, "the list as JSON"}},
};

static int run_report(struct cli *cli, struct error *err)
{
    char found[4096];
    const char *prices = cli_text(cli, "prices", NULL);
    struct store *store = store_open_existing(cli_text(cli, "store", "report/jeoul.db"), err);
    cJSON *run = store ? store_export(store, cli->n_arguments ? cli->arguments[0] : "latest", err) : NULL;
    if (run && (prices || places_find("reports/prices/default.json", found, sizeof found, err))) {
        struct report_options options = {.directory = cli_text(cli, "out", "report"), .prices = prices ? prices : found};
        if (report_write(run, &options, err))
            printf("%s/report.ko.html\n%s/report.en.html\n", options.directory, options.directory);
    }
    cJSON_Delete(run);
    store_close(store);
    return 0;
}

const struct cli_verb verb_report = {
    .name = "report",
    .arguments = "[RUN]",
    .most = 1,
    .summary = "Make the report of a stored run again, in Korean and English",
    .text = "RUN is a run's id, its beginning, or latest. Nothing is measured; the same run and price book\ngive the same bytes.",
    .example = "jeoul report latest --store report/jeoul.db --out again",
    .run = run_report,
    .options = {{"store", 0, "FILE", "the store (report/jeoul.db)"},
                {"out", 'o', "DIR", "where the report goes (report)"},
                {"prices", 0, "FILE", "price book (the one that comes with jeoul)"}},
};
