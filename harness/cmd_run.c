/* jeoul run: carries out a plan and reports. */
#include "harness/verbs.h"

#include "base/file.h"
#include "harness/runner.h"
#include "harness/store.h"
#include "harness/summary.h"
#include "reports/reports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* run.json, the pages, and the table on the terminal. */
static bool report(const struct runner *r, struct error *err)
{
    char path[4096], prices[4096];
    cJSON *run = store_export(r->store, r->run_id, err), *figures = NULL;
    char *text = run ? cJSON_Print(run) : NULL;
    snprintf(path, sizeof path, "%.4000s/run.json", r->directory);
    bool ok = text && file_write(path, text, strlen(text), err) && runner_prices(r, prices, sizeof prices, err);
    struct report_options options = {.directory = r->directory, .prices = prices};
    ok = ok && (figures = report_figures(run, prices, err)) && report_write(run, &options, err);
    if (ok) {
        summary_print(figures);
        printf("\nReport: %s/report.ko.html (한국어), %s/report.en.html (English)\n", r->directory, r->directory);
    }
    free(text);
    cJSON_Delete(figures);
    cJSON_Delete(run);
    return ok;
}

static int run(struct cli *cli, struct error *err)
{
    struct runner r;
    bool ok = runner_open(&r, cli->arguments[0], cli_text(cli, "out", "report"), cli_text(cli, "store", NULL), err) &&
              runner_run(&r, err) && report(&r, err);
    int code = ok && r.failed ? ERROR_MACHINE : 0;
    runner_close(&r);
    return code;
}

const struct cli_verb verb_run = {
    .name = "run",
    .arguments = "PLAN",
    .least = 1,
    .most = 1,
    .summary = "Carry out a plan: speed, accuracy, counters and cost in one report",
    .text = "Every cell runs in a process of its own and is stored when it is done; started again after an\n"
            "interruption, a run goes on where it stopped. DIR gets jeoul.db, run.json and the report in\n"
            "Korean and English.",
    .example = "jeoul run plans/demo.json --out report",
    .run = run,
    .options = {{"out", 'o', "DIR", "where the store and the report go (report)"}, {"store", 0, "FILE", "the store (DIR/jeoul.db)"}},
};
