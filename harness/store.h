/* The store: an SQLite file (WAL) that keeps runs, append-only. A cell and its measurements are committed together, when it is done. */
#ifndef JEOUL_STORE_H
#define JEOUL_STORE_H

#include "base/error.h"

#include <cjson/cJSON.h>

struct store;

/* Opens, makes or migrates. A foreign file, one of a newer schema and one that cannot be written are refused. */
struct store *store_open(const char *path, struct error *err) MUST_CHECK;
/* The same for reading what was stored: a store that isn't there is refused, not made. */
struct store *store_open_existing(const char *path, struct error *err) MUST_CHECK;
void store_close(struct store *store);

/* A run's header is the run document without cells and measurements. */
bool store_begin(struct store *store, const char *run, const char *plan_sha256, const char *system, const cJSON *header,
                 struct error *err) MUST_CHECK;
bool store_finish(struct store *store, const char *run, const char *state, const char *finished, struct error *err) MUST_CHECK;

/* The newest unfinished run of a plan on a system, to free(); *out is NULL when there is none. rerun_of: only reruns of that run; NULL:
 * only ordinary ones. */
bool store_unfinished(struct store *store, const char *plan_sha256, const char *system, const char *rerun_of, char **out,
                      struct error *err) MUST_CHECK;

/* Whether a cell of a run is done. */
bool store_has_cell(struct store *store, const char *run, const char *cell, bool *out, struct error *err) MUST_CHECK;

/* cell: {id, kind, state, …} of the run document, plus "measurements", "model" and "tasks" as its process gave them. */
bool store_add_cell(struct store *store, const char *run, const cJSON *cell, struct error *err) MUST_CHECK;

/* The run document (docs/run-document.md); "latest" or the beginning of a run's id will do. NULL on failure. */
cJSON *store_export(struct store *store, const char *run, struct error *err) MUST_CHECK;

/* The same by "[STORE:]RUN": a run of the store at that path, or of the one at `fallback`. */
cJSON *store_export_named(const char *name, const char *fallback, struct error *err) MUST_CHECK;

/* Adds a run document from another store, whole or not at all. What is malformed, unfinished or there already is refused; `file` names the
 * document in messages. */
bool store_import(struct store *store, const char *file, const cJSON *run, struct error *err) MUST_CHECK;

/* [{run_id, started, finished, state, plan, system, rerun_of}], oldest first. */
cJSON *store_list(struct store *store, struct error *err) MUST_CHECK;

#endif
