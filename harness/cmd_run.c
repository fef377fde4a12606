/* jeoul run: carries out a plan, cell by cell, and reports. What was done is kept: a run that was interrupted, by SIGKILL too, goes on
 * where it stopped. */
#include "harness/verbs.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/cell.h"
#include "harness/help.h"
#include "harness/places.h"
#include "harness/store.h"
#include "harness/summary.h"
#include "harness/system.h"
#include "reports/reports.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted; // set by SIGINT and SIGTERM, read between cells

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

struct running {
    struct plan plan;
    struct store *store;
    cJSON *system;
    const char *directory;
    char run_id[40];
    char **model_paths; // [n_models]
    int failed;
};

/* Where synthetic models are kept: $XDG_CACHE_HOME/jeoul/models, else ~/.cache/jeoul/models. */
static bool cache_directory(char *out, size_t n, struct error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        snprintf(out, n, "%s/jeoul/models", cache);
    else if (home && home[0] == '/')
        snprintf(out, n, "%s/.cache/jeoul/models", home);
    else
        return error_set(err, ERROR_INPUT, "neither XDG_CACHE_HOME nor HOME names a directory for synthetic models");
    return file_make_directory(out, err);
}

static bool prepare_model(struct running *r, int index, struct error *err)
{
    const struct plan_model *m = &r->plan.models[index];
    char directory[3000], path[4096], shape[128];
    if (m->file)
        return (r->model_paths[index] = strdup(m->file)) || error_set(err, ERROR_MACHINE, "out of memory");
    if (!cache_directory(directory, sizeof directory, err))
        return false;
    snprintf(shape, sizeof shape, "%.100s", m->shape);
    for (char *c = shape; *c; c++) // a shape file's path makes a name too
        *c = *c == '/' ? '_' : *c;
    snprintf(path, sizeof path, "%s/%s-%.20s-seed%lld-%s.gguf", directory, shape, m->quantisation, (long long)m->seed, JEOUL_VERSION);
    if (!(r->model_paths[index] = strdup(path)))
        return error_set(err, ERROR_MACHINE, "out of memory");
    if (access(path, R_OK) == 0)
        return true;
    struct synth_options options = {.shape = m->shape, .quantisation = m->quantisation, .seed = (uint64_t)m->seed};
    return synth_write(path, &options, err);
}

static cJSON *make_header(const struct running *r)
{
    char started[21];
    clock_iso8601(started);
    cJSON *header = cJSON_CreateObject();
    cJSON_AddStringToObject(header, "schema", "jeoul/run/1");
    cJSON_AddStringToObject(header, "run_id", r->run_id);
    cJSON *plan = cJSON_AddObjectToObject(header, "plan");
    cJSON_AddStringToObject(plan, "name", r->plan.name);
    cJSON_AddStringToObject(plan, "file", r->plan.path);
    cJSON_AddStringToObject(plan, "sha256", r->plan.sha256);
    cJSON_AddItemToObject(plan, "document", cJSON_Duplicate(r->plan.document, true));
    cJSON *jeoul = cJSON_AddObjectToObject(header, "jeoul");
    cJSON_AddStringToObject(jeoul, "version", JEOUL_VERSION);
    cJSON_AddStringToObject(jeoul, "compiler", "gcc " __VERSION__);
    cJSON_AddStringToObject(header, "started", started);
    cJSON_AddItemToObject(header, "system", cJSON_Duplicate(r->system, true));
    if (r->plan.price_system)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(header, "price"), "system", r->plan.price_system);
    else
        cJSON_AddNullToObject(header, "price");
    return header;
}

/* Continues the unfinished run of this plan on this machine, or begins one. */
static bool begin_run(struct running *r, struct error *err)
{
    const char *system = cJSON_GetStringValue(cJSON_GetObjectItem(r->system, "id"));
    char *unfinished;
    if (!store_unfinished(r->store, r->plan.sha256, system, &unfinished, err))
        return false;
    if (unfinished) {
        snprintf(r->run_id, sizeof r->run_id, "%s", unfinished);
        free(unfinished);
        fprintf(stderr, "continuing run %s\n", r->run_id);
        return true;
    }
    char now[21], compact[21];
    size_t n = 0;
    clock_iso8601(now);
    for (const char *c = now; *c; c++)
        if (*c != '-' && *c != ':')
            compact[n++] = *c;
    compact[n] = '\0';
    snprintf(r->run_id, sizeof r->run_id, "%s-%06llx", compact, (unsigned long long)((clock_ns() ^ (uint64_t)getpid() << 16) & 0xFFFFFF));
    cJSON *header = make_header(r);
    bool ok = store_begin(r->store, r->run_id, r->plan.sha256, system, header, err);
    cJSON_Delete(header);
    return ok;
}

static bool run_cells(struct running *r, struct error *err)
{
    struct progress progress = progress_begin("cells");
    bool ok = true;
    for (int i = 0; ok && i < r->plan.n_cells && !interrupted; i++) {
        const struct plan_cell *cell = &r->plan.cells[i];
        bool done;
        if (!(ok = store_has_cell(r->store, r->run_id, cell->id, &done, err)) || done)
            continue;
        progress_show(&progress, i, r->plan.n_cells);
        cJSON *row = cell_run(&r->plan, cell, cell->model >= 0 ? r->model_paths[cell->model] : NULL, err);
        ok = row != NULL;
        if (ok && interrupted && strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "state")), "ok") != 0) {
            cJSON_Delete(row); // the child got the signal as well; the cell is still to be done
            break;
        }
        if (ok && strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(row, "state")), "ok") != 0)
            fprintf(stderr, "%s: %s: %s\n", cell->id, cJSON_GetStringValue(cJSON_GetObjectItem(row, "state")),
                    cJSON_GetStringValue(cJSON_GetObjectItem(row, "reason")));
        ok = ok && store_add_cell(r->store, r->run_id, row, err);
        cJSON_Delete(row);
    }
    progress_end(&progress);
    if (ok && interrupted)
        return error_set(err, ERROR_MACHINE, "interrupted; start the same command again and the run goes on where it stopped");
    return ok;
}

/* run.json, the pages, and the table on the terminal. */
static bool finish_run(struct running *r, struct error *err)
{
    char path[4096], prices[4096], finished[21];
    cJSON *run = store_export(r->store, r->run_id, err);
    if (!run)
        return false;
    const cJSON *cell;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells"))
        r->failed += strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(cell, "state")), "ok") != 0;
    clock_iso8601(finished);
    bool ok = store_finish(r->store, r->run_id, r->failed ? "partial" : "complete", finished, err);
    cJSON_Delete(run);
    run = ok ? store_export(r->store, r->run_id, err) : NULL;
    char *text = run ? cJSON_Print(run) : NULL;
    snprintf(path, sizeof path, "%.4000s/run.json", r->directory);
    ok = text && file_write(path, text, strlen(text), err);
    free(text);
    if (ok && r->plan.price_book && strcmp(r->plan.price_book, "default") != 0)
        snprintf(prices, sizeof prices, "%s", r->plan.price_book);
    else
        ok = ok && places_find("reports/prices/default.json", prices, sizeof prices, err);
    struct report_options options = {.directory = r->directory, .prices = prices};
    cJSON *figures = ok ? report_figures(run, prices, err) : NULL;
    ok = figures && report_write(run, &options, err);
    if (ok)
        summary_print(figures);
    if (ok)
        printf("\nReport: %s/report.ko.html (한국어), %s/report.en.html (English)\n", r->directory, r->directory);
    cJSON_Delete(figures);
    cJSON_Delete(run);
    return ok;
}

static bool carry_out(struct cli *cli, struct running *r, struct error *err)
{
    char path[4096];
    if (!plan_read(cli->arguments[0], &r->plan, err) || !file_make_directory(r->directory, err))
        return false;
    snprintf(path, sizeof path, "%.4000s/jeoul.db", r->directory);
    r->model_paths = memory_array((size_t)r->plan.n_models, sizeof *r->model_paths, "models", err);
    if (!r->model_paths || !(r->system = system_describe(err)) || !(r->store = store_open(cli_text(cli, "store", path), err)))
        return false;
    for (int i = 0; i < r->plan.n_models; i++)
        if (!prepare_model(r, i, err))
            return error_prefix(err, "model %s", r->plan.models[i].id);
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return begin_run(r, err) && run_cells(r, err) && finish_run(r, err);
}

static int run(struct cli *cli, struct error *err)
{
    struct running r = {.directory = cli_text(cli, "out", "report")};
    bool ok = carry_out(cli, &r, err);
    for (int i = 0; r.model_paths && i < r.plan.n_models; i++)
        free(r.model_paths[i]);
    free(r.model_paths);
    plan_free(&r.plan);
    store_close(r.store);
    cJSON_Delete(r.system);
    return ok && r.failed ? ERROR_MACHINE : 0;
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
