/* jeoul nightly: runs a plan and compares it with the nights before. */
#include "harness/verbs.h"

#include "base/json.h"

#include "harness/runner.h"
#include "harness/store.h"
#include "reports/nightly.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_CONFIRMED = 3 };

/* Two nights must not share a machine: they would measure each other. The lock goes with the process. */
static bool take_lock(const char *directory, int *lock, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/nightly.lock", directory);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*lock < 0)
        return error_set_errno(err, "%s cannot be opened", path);
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0)
        return error_set(err, ERROR_MACHINE, "%s: another night is still running there", path);
    return true;
}

/* The finished runs of the plan's name and their reruns, oldest first, without tonight's. */
static cJSON *read_earlier(struct runner *r, const char *tonight, struct error *err)
{
    cJSON *runs = store_list(r->store, err), *earlier = cJSON_CreateArray();
    const cJSON *run;
    bool ok = runs != NULL;
    cJSON_ArrayForEach(run, runs) {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(run, "run_id")),
                   *plan = cJSON_GetStringValue(cJSON_GetObjectItem(run, "plan"));
        if (!ok || !plan || strcmp(plan, r->plan.name) != 0 || strcmp(id, tonight) == 0 ||
            !cJSON_IsString(cJSON_GetObjectItem(run, "finished")) || strcmp(json_text(run, "rerun_of"), tonight) == 0)
            continue;
        cJSON *document = store_export(r->store, id, err);
        ok = document != NULL;
        if (ok)
            cJSON_AddItemToArray(earlier, document);
    }
    cJSON_Delete(runs);
    if (ok)
        return earlier;
    cJSON_Delete(earlier);
    return NULL;
}

static bool is_suspect(const void *figures, const char *cell)
{
    return nightly_has_cell(figures, NIGHTLY_SUSPECT, cell);
}

/* Runs what is wanted and appends its document. */
static bool run_once(struct runner *r, cJSON *tonight, struct error *err)
{
    cJSON *document = runner_run(r, err) ? store_export(r->store, r->run_id, err) : NULL;
    if (document)
        cJSON_AddItemToArray(tonight, document);
    return document != NULL;
}

static void wait_for(int64_t seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* Tonight's figures: after one run, and once more after the reruns of what is suspect. */
static cJSON *spend_night(struct runner *r, int *failed, struct error *err)
{
    char first[sizeof r->run_id];
    cJSON *tonight = cJSON_CreateArray(), *earlier = NULL, *figures = NULL;
    bool ok = run_once(r, tonight, err);
    *failed = r->failed;
    snprintf(first, sizeof first, "%s", r->run_id);
    ok = ok && (earlier = read_earlier(r, first, err)) && (figures = nightly_figures(earlier, tonight, r->plan.minimum_effect, err));
    if (ok && nightly_count(figures, NIGHTLY_SUSPECT)) {
        r->rerun_of = first;
        r->wanted = is_suspect;
        r->context = figures;
        for (int i = 0; ok && i < NIGHTLY_RERUNS; i++) {
            fprintf(stderr, "%d series suspect: measured again in %d s, %d of %d\n", nightly_count(figures, NIGHTLY_SUSPECT),
                    (int)r->plan.rerun_wait_s, i + 1, NIGHTLY_RERUNS);
            wait_for(r->plan.rerun_wait_s); // what disturbed the first run, a neighbour or a backup, may be over by then
            ok = run_once(r, tonight, err);
        }
        cJSON *again = ok ? nightly_figures(earlier, tonight, r->plan.minimum_effect, err) : NULL;
        cJSON_Delete(figures);
        figures = again;
    }
    cJSON_Delete(earlier);
    cJSON_Delete(tonight);
    if (ok)
        return figures;
    cJSON_Delete(figures);
    return NULL;
}

static void print_table(const cJSON *figures)
{
    const cJSON *row;
    printf("Run %s, system %s\n\n%-10s %-42s %-18s %8s %8s\n", cJSON_GetStringValue(cJSON_GetObjectItem(figures, "run_id")),
           cJSON_GetStringValue(cJSON_GetObjectItem(figures, "system_id")), "state", "series", "metric", "ratio", "least");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "series")) {
        const cJSON *ratio = cJSON_GetObjectItem(cJSON_GetObjectItem(row, "ratio"), "value");
        printf("%-10s %-42s %-18s ", cJSON_GetStringValue(cJSON_GetObjectItem(row, "state")),
               cJSON_GetStringValue(cJSON_GetObjectItem(row, "cell")), cJSON_GetStringValue(cJSON_GetObjectItem(row, "metric")));
        if (cJSON_IsNumber(ratio))
            printf("%8.3f ", ratio->valuedouble);
        else
            printf("%8s ", "–");
        printf("%6.1f %%\n", 100 * cJSON_GetObjectItem(row, "effect")->valuedouble);
    }
}

static int run(struct cli *cli, struct error *err)
{
    struct runner r;
    const char *directory = cli_text(cli, "out", "nightly");
    int lock = -1, failed = 0, code = 0;
    cJSON *figures = NULL;
    bool ok = runner_open(&r, cli->arguments[0], directory, cli_text(cli, "store", NULL), err) && take_lock(directory, &lock, err) &&
              (figures = spend_night(&r, &failed, err)) && nightly_write(figures, directory, err);
    if (ok && cli_flag(cli, "json"))
        ok = cli_print_json(figures, err);
    else if (ok) {
        print_table(figures);
        printf("\nPage: %s/nightly.ko.html (한국어), %s/nightly.en.html (English)\n", directory, directory);
    }
    if (ok)
        code = nightly_count(figures, NIGHTLY_CONFIRMED) ? EXIT_CONFIRMED : failed ? ERROR_MACHINE : 0;
    cJSON_Delete(figures);
    if (lock >= 0)
        close(lock);
    runner_close(&r);
    return code;
}

const struct cli_verb verb_nightly = {
    .name = "nightly",
    .arguments = "PLAN",
    .least = 1,
    .most = 1,
    .summary = "Run a plan and compare every series with the nights before",
    .text = "Needs five earlier runs on the same machine and compiler for a verdict. A change beyond the plan's\n"
            "least (5 %) and the series' own noise is measured three times more before it is confirmed. Exit\n"
            "code 3: a regression is confirmed. An interrupted night goes on when started again.",
    .example = "jeoul nightly plans/demo.json --out nightly",
    .run = run,
    .options = {{"out", 'o', "DIR", "where the store, the lock and the page go (nightly)"},
                {"store", 0, "FILE", "the store (DIR/jeoul.db)"},
                {"json", 0, NULL, "the verdicts as JSON"}},
};
