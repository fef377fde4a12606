/* Carrying out a plan: see runner.h. */
#include "harness/runner.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "harness/cell.h"
#include "harness/cli.h"
#include "harness/help.h"
#include "harness/places.h"
#include "harness/store.h"
#include "harness/system.h"

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

/* Where models that are made for a run are kept: $XDG_CACHE_HOME/jeoul/models, else ~/.cache/jeoul/models. */
static bool cache_directory(char *out, size_t n, struct error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        snprintf(out, n, "%s/jeoul/models", cache);
    else if (home && home[0] == '/')
        snprintf(out, n, "%s/.cache/jeoul/models", home);
    else
        return error_set(err, ERROR_INPUT, "neither XDG_CACHE_HOME nor HOME names a directory for the models that this run makes");
    return file_make_directory(out, err);
}

static bool prepare_synthetic(const struct plan_model *m, char *path, size_t n, struct error *err)
{
    char directory[3000], shape[128];
    if (!cache_directory(directory, sizeof directory, err))
        return false;
    snprintf(shape, sizeof shape, "%.100s", m->shape);
    for (char *c = shape; *c; c++) // a shape file's path makes a name too
        *c = *c == '/' ? '_' : *c;
    snprintf(path, n, "%s/%s-%.20s-seed%lld-%s.gguf", directory, shape, m->quantisation, (long long)m->seed, JEOUL_VERSION);
    if (access(path, R_OK) == 0)
        return true;
    struct synth_options options = {.shape = m->shape, .quantisation = m->quantisation, .seed = (uint64_t)m->seed};
    return synth_write(path, &options, err);
}

/* A model that comes with jeoul, as it lies or in another type. What is made is named after the bytes that it was made of: a model that
 * was trained anew is not mistaken for the old one. */
static bool prepare_builtin(const struct plan_model *m, char *path, size_t n, struct error *err)
{
    char piece[160], source[4096], directory[3000], hash[HASH_HEX];
    snprintf(piece, sizeof piece, "bench/models/%.100s.gguf", m->builtin);
    if (!places_find(piece, source, sizeof source, err))
        return false;
    if (!m->quantisation) {
        snprintf(path, n, "%s", source);
        return true;
    }
    if (!cache_directory(directory, sizeof directory, err) || !hash_file(source, hash, err))
        return false;
    snprintf(path, n, "%s/%.100s-%.20s-%.16s-%s.gguf", directory, m->builtin, m->quantisation, hash, JEOUL_VERSION);
    if (access(path, R_OK) == 0)
        return true;
    struct model_file *file = model_file_open(source, err);
    struct quantize_options options = {.quantisation = m->quantisation};
    struct quantize_report report;
    bool ok = file && quantize_write(file, path, &options, &report, err);
    model_file_close(file);
    return ok;
}

static bool prepare_model(struct runner *r, int index, struct error *err)
{
    const struct plan_model *m = &r->plan.models[index];
    char path[4096];
    if (m->endpoint)
        return true;
    if (m->file)
        snprintf(path, sizeof path, "%s", m->file);
    else if (!(m->builtin ? prepare_builtin : prepare_synthetic)(m, path, sizeof path, err))
        return false;
    return (r->model_paths[index] = strdup(path)) || error_set(err, ERROR_MACHINE, "out of memory");
}

static cJSON *make_header(const struct runner *r)
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
    cJSON *compare = cJSON_AddArrayToObject(header, "compare");
    for (int i = 0; i < r->plan.n_comparisons; i++) {
        const struct plan_comparison *c = &r->plan.comparisons[i];
        cJSON *pair = cJSON_CreateObject();
        cJSON_AddStringToObject(pair, "what", c->what);
        cJSON_AddStringToObject(pair, "model", r->plan.models[c->model].id);
        cJSON_AddStringToObject(pair, "against", r->plan.models[c->against].id);
        cJSON_AddItemToArray(compare, pair);
    }
    if (r->rerun_of)
        cJSON_AddStringToObject(header, "rerun_of", r->rerun_of);
    return header;
}

/* Continues the unfinished run of this plan on this machine, or begins one. */
static bool begin_run(struct runner *r, struct error *err)
{
    const char *system = cJSON_GetStringValue(cJSON_GetObjectItem(r->system, "id"));
    char *unfinished;
    if (!store_unfinished(r->store, r->plan.sha256, system, r->rerun_of, &unfinished, err))
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

static bool run_cells(struct runner *r, struct error *err)
{
    struct progress progress = progress_begin("cells");
    bool ok = true;
    for (int i = 0; ok && i < r->plan.n_cells && !interrupted; i++) {
        const struct plan_cell *cell = &r->plan.cells[i];
        bool done;
        if (r->wanted && !r->wanted(r->context, cell->id))
            continue;
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

/* What failed is counted, and the run is closed. */
static bool finish_run(struct runner *r, struct error *err)
{
    char finished[21];
    cJSON *run = store_export(r->store, r->run_id, err);
    const cJSON *cell;
    if (!run)
        return false;
    r->failed = 0;
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells"))
        r->failed += strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(cell, "state")), "ok") != 0;
    cJSON_Delete(run);
    clock_iso8601(finished);
    return store_finish(r->store, r->run_id, r->failed ? "partial" : "complete", finished, err);
}

bool runner_open(struct runner *r, const char *plan, const char *directory, const char *store, struct error *err)
{
    char path[4096];
    *r = (struct runner){.directory = directory};
    if (!plan_read(plan, &r->plan, err) || !file_make_directory(directory, err))
        return false;
    snprintf(path, sizeof path, "%.4000s/jeoul.db", directory);
    r->model_paths = memory_array((size_t)r->plan.n_models, sizeof *r->model_paths, "models", err);
    if (!r->model_paths || !(r->system = system_describe(err)) || !(r->store = store_open(store ? store : path, err)))
        return false;
    for (int i = 0; i < r->plan.n_models; i++)
        if (!prepare_model(r, i, err))
            return error_prefix(err, "model %s", r->plan.models[i].id);
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return true;
}

bool runner_run(struct runner *r, struct error *err)
{
    return begin_run(r, err) && run_cells(r, err) && finish_run(r, err);
}

bool runner_prices(const struct runner *r, char *out, size_t n, struct error *err)
{
    if (!r->plan.price_book || strcmp(r->plan.price_book, "default") == 0)
        return places_find("reports/prices/default.json", out, n, err);
    snprintf(out, n, "%s", r->plan.price_book);
    return true;
}

void runner_close(struct runner *r)
{
    for (int i = 0; r->model_paths && i < r->plan.n_models; i++)
        free(r->model_paths[i]);
    free(r->model_paths);
    plan_free(&r->plan);
    store_close(r->store);
    cJSON_Delete(r->system);
}
