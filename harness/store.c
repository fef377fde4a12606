/* The store: see store.h. */
#include "harness/store.h"

#include "base/json.h"
#include "base/memory.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 1, APPLICATION_ID = 0x4A454F55 }; // "JEOU"

static const char schema[] =
    "CREATE TABLE runs (id TEXT PRIMARY KEY, plan_sha256 TEXT NOT NULL, system TEXT NOT NULL, state TEXT NOT NULL,"
    " finished TEXT, header TEXT NOT NULL) STRICT;"
    "CREATE TABLE cells (run TEXT NOT NULL REFERENCES runs(id), id TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL,"
    " extra TEXT NOT NULL, PRIMARY KEY (run, id)) STRICT;"
    "CREATE TABLE measurements (run TEXT NOT NULL, cell TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL, value REAL,"
    " reason TEXT, labels TEXT NOT NULL, CHECK (value IS NOT NULL OR reason IS NOT NULL)) STRICT;"
    "CREATE INDEX measurements_by_cell ON measurements (run, cell);";

/* An id begins with its second, "20261126T015142Z", and ends at random: of two runs of one second the one that was stored later is newer.
 */
#define NEWEST_FIRST "substr(id, 1, 16) DESC, rowid DESC"
#define OLDEST_FIRST "substr(id, 1, 16), rowid"

struct store {
    sqlite3 *db;
    char *path;
};

static bool failed(struct store *s, struct error *err)
{
    int code = sqlite3_errcode(s->db) & 0xFF;
    bool input = code == SQLITE_NOTADB || code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_AUTH;
    return error_set(err, input ? ERROR_INPUT : ERROR_MACHINE, "%s: the store cannot be used: %s", s->path, sqlite3_errmsg(s->db));
}

static bool execute(struct store *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(s, err);
}

/* A statement with text parameters bound in order; NULL texts are NULL. */
static sqlite3_stmt *prepare(struct store *s, const char *sql, const char *const *texts, int n, struct error *err)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        (void)failed(s, err);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_TRANSIENT);
    return statement;
}

static bool run_once(struct store *s, sqlite3_stmt *statement, struct error *err)
{
    bool ok = statement && sqlite3_step(statement) == SQLITE_DONE;
    if (statement && !ok)
        (void)failed(s, err);
    sqlite3_finalize(statement);
    return ok;
}

static bool pragma_number(struct store *s, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *statement = prepare(s, sql, NULL, 0, err);
    bool ok = statement && sqlite3_step(statement) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_int64(statement, 0);
    else if (statement)
        (void)failed(s, err);
    sqlite3_finalize(statement);
    return ok;
}

static bool migrate(struct store *s, struct error *err)
{
    int64_t version, application, tables;
    char sql[128];
    if (!pragma_number(s, "PRAGMA user_version", &version, err) || !pragma_number(s, "PRAGMA application_id", &application, err) ||
        !pragma_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return false;
    if (version > SCHEMA_VERSION)
        return error_set(err, ERROR_INPUT, "%s: the store has schema %lld, this version of jeoul reads up to %d: use a newer jeoul",
                         s->path, (long long)version, SCHEMA_VERSION);
    if (tables && application != APPLICATION_ID)
        return error_set(err, ERROR_INPUT, "%s: is an SQLite file of something else, not a jeoul store", s->path);
    if (version == SCHEMA_VERSION)
        return true;
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID, SCHEMA_VERSION);
    return execute(s, "BEGIN IMMEDIATE", err) && execute(s, schema, err) && execute(s, sql, err);
}

struct store *store_open(const char *path, struct error *err)
{
    struct store *s = memory_array(1, sizeof *s, "store", err);
    if (!s)
        return NULL;
    s->path = strdup(path);
    if (!s->path || sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        error_record(err, ERROR_INPUT, "%s: the store cannot be opened: %s", path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
        store_close(s);
        return NULL;
    }
    sqlite3_busy_timeout(s->db, 10000);
    if (!migrate(s, err) || !execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err)) {
        store_close(s);
        return NULL;
    }
    return s;
}

struct store *store_open_existing(const char *path, struct error *err)
{
    if (access(path, F_OK) != 0) {
        error_record(err, ERROR_INPUT, "%s: there is no store of that name; 'jeoul run' makes one", path);
        return NULL;
    }
    return store_open(path, err);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

bool store_begin(struct store *s, const char *run, const char *plan_sha256, const char *system, const cJSON *header, struct error *err)
{
    char *text = cJSON_PrintUnformatted(header);
    if (!text)
        return error_set(err, ERROR_MACHINE, "out of memory");
    bool ok = run_once(s,
                       prepare(s, "INSERT INTO runs VALUES (?, ?, ?, 'interrupted', NULL, ?)",
                               (const char *const[]){run, plan_sha256, system, text}, 4, err),
                       err);
    free(text);
    return ok;
}

bool store_finish(struct store *s, const char *run, const char *state, const char *finished, struct error *err)
{
    return run_once(
        s, prepare(s, "UPDATE runs SET state = ?, finished = ? WHERE id = ?", (const char *const[]){state, finished, run}, 3, err), err);
}

static bool one_text(struct store *s, sqlite3_stmt *statement, char **out, struct error *err)
{
    *out = NULL;
    if (!statement)
        return false;
    int code = sqlite3_step(statement);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || failed(s, err);
    if (code == SQLITE_ROW && !(*out = strdup((const char *)sqlite3_column_text(statement, 0))))
        ok = error_set(err, ERROR_MACHINE, "out of memory");
    sqlite3_finalize(statement);
    return ok;
}

bool store_unfinished(struct store *s, const char *plan_sha256, const char *system, const char *rerun_of, char **out, struct error *err)
{
    return one_text(s,
                    prepare(s,
                            "SELECT id FROM runs WHERE plan_sha256 = ? AND system = ? AND finished IS NULL"
                            " AND json_extract(header, '$.rerun_of') IS ? ORDER BY " NEWEST_FIRST " LIMIT 1",
                            (const char *const[]){plan_sha256, system, rerun_of}, 3, err),
                    out, err);
}

bool store_has_cell(struct store *s, const char *run, const char *cell, bool *out, struct error *err)
{
    char *found;
    bool ok =
        one_text(s, prepare(s, "SELECT id FROM cells WHERE run = ? AND id = ?", (const char *const[]){run, cell}, 2, err), &found, err);
    *out = ok && found;
    free(found);
    return ok;
}

static bool add_measurements(struct store *s, const char *run, const char *cell, const cJSON *measurements, struct error *err)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, measurements) {
        const cJSON *value = cJSON_GetObjectItem(m, "value"), *reason = cJSON_GetObjectItem(m, "reason"),
                    *labels = cJSON_GetObjectItem(m, "labels");
        char *text = labels ? cJSON_PrintUnformatted(labels) : strdup("{}");
        const char *texts[] = {run, cell, cJSON_GetStringValue(cJSON_GetObjectItem(m, "metric")),
                               cJSON_GetStringValue(cJSON_GetObjectItem(m, "unit"))};
        sqlite3_stmt *statement = prepare(s, "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?)", texts, 4, err);
        if (statement && cJSON_IsNumber(value))
            sqlite3_bind_double(statement, 5, value->valuedouble);
        if (statement) {
            sqlite3_bind_text(statement, 6, cJSON_GetStringValue(reason), -1, SQLITE_TRANSIENT);
            sqlite3_bind_text(statement, 7, text, -1, SQLITE_TRANSIENT);
        }
        free(text);
        if (!run_once(s, statement, err))
            return false;
    }
    return true;
}

/* A cell's rows, within the caller's transaction. */
static bool add_cell(struct store *s, const char *run, const cJSON *cell, struct error *err)
{
    cJSON *document = cJSON_Duplicate(cell, true), *extra = cJSON_CreateObject();
    cJSON *measurements = cJSON_DetachItemFromObject(document, "measurements");
    cJSON_AddItemToObject(extra, "model", cJSON_DetachItemFromObject(document, "model_info"));
    cJSON_AddItemToObject(extra, "tasks", cJSON_DetachItemFromObject(document, "tasks"));
    char *text = cJSON_PrintUnformatted(document), *extra_text = cJSON_PrintUnformatted(extra);
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(cell, "id")),
               *state = cJSON_GetStringValue(cJSON_GetObjectItem(cell, "state"));
    bool ok = (text && extra_text) || error_set(err, ERROR_MACHINE, "out of memory");
    ok =
        ok &&
        run_once(s, prepare(s, "INSERT INTO cells VALUES (?, ?, ?, ?, ?)", (const char *const[]){run, id, state, text, extra_text}, 5, err),
                 err) &&
        add_measurements(s, run, id, measurements, err);
    free(text);
    free(extra_text);
    cJSON_Delete(measurements);
    cJSON_Delete(document);
    cJSON_Delete(extra);
    return ok;
}

/* Ends a transaction: what was done counts as a whole or not at all. */
static bool commit(struct store *s, bool ok, struct error *err)
{
    ok = ok && execute(s, "COMMIT", err);
    if (!ok)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

bool store_add_cell(struct store *s, const char *run, const cJSON *cell, struct error *err)
{
    return execute(s, "BEGIN IMMEDIATE", err) && commit(s, add_cell(s, run, cell, err), err);
}

/* The cell of a run document as store_add_cell takes it: with its measurements, model and tasks. */
static cJSON *whole_cell(const cJSON *run, const cJSON *cell)
{
    cJSON *whole = cJSON_Duplicate(cell, true), *measurements = cJSON_AddArrayToObject(whole, "measurements");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(cell, "id")),
               *model = cJSON_GetStringValue(cJSON_GetObjectItem(cell, "model"));
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(run, "measurements")) {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(item, "cell")), id) == 0)
            cJSON_AddItemToArray(measurements, cJSON_Duplicate(item, true));
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(run, "models")) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "id"));
        if (model && name && strcmp(model, name) == 0)
            cJSON_AddItemToObject(whole, "model_info", cJSON_Duplicate(item, true));
    }
    if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(cell, "kind")), "eval") == 0)
        cJSON_AddItemToObject(whole, "tasks", cJSON_Duplicate(cJSON_GetObjectItem(run, "tasks"), true));
    return whole;
}

/* What the store relies on, of a document from outside. */
static bool check_run(const struct json_at *root, struct error *err)
{
    static const char *const texts[] = {"run_id", "state", "started", "finished"};
    static const char *const cell_texts[] = {"id", "kind", "state"}, *const measurement_texts[] = {"cell", "metric", "unit"};
    struct json_at at = json_member(root, "schema"), item;
    const char *text;
    int count;
    if (!json_string(&at, &text, err))
        return false;
    if (strcmp(text, "jeoul/run/1") != 0)
        return json_error(&at, err, "\"%.32s\": this version of jeoul reads jeoul/run/1", text);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        at = json_member(root, texts[i]);
        if (!json_string(&at, &text, err))
            return false;
        if (strcmp(texts[i], "state") == 0 && strcmp(text, "complete") != 0 && strcmp(text, "partial") != 0)
            return json_error(&at, err, "\"%.32s\": only finished runs can be imported (complete, partial)", text);
    }
    at = json_member(root, "cells");
    if (!json_array(&at, &count, err))
        return false;
    for (int i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof cell_texts / sizeof *cell_texts; j++) {
            item = json_element(&at, i);
            item = json_member(&item, cell_texts[j]);
            if (!json_string(&item, &text, err))
                return false;
        }
    at = json_member(root, "measurements");
    if (!json_array(&at, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at measurement = json_element(&at, i);
        for (size_t j = 0; j < sizeof measurement_texts / sizeof *measurement_texts; j++) {
            item = json_member(&measurement, measurement_texts[j]);
            if (!json_string(&item, &text, err))
                return false;
        }
        item = json_member(&measurement, "value");
        if (cJSON_IsNull(item.value)) { // nothing without a reason
            item = json_member(&measurement, "reason");
            if (!json_string(&item, &text, err))
                return false;
        } else {
            double number;
            if (!json_number(&item, -1e300, 1e300, &number, err))
                return false;
        }
    }
    return true;
}

bool store_import(struct store *s, const char *file, const cJSON *run, struct error *err)
{
    static const char *const parts[] = {"cells", "measurements", "models", "tasks", "state", "finished"};
    struct json_at root = json_root(file, run), plan = json_member(&root, "plan"), system = json_member(&root, "system");
    const char *plan_sha256, *system_id, *id = cJSON_GetStringValue(cJSON_GetObjectItem(run, "run_id"));
    char *there;
    plan = json_member(&plan, "sha256");
    system = json_member(&system, "id");
    if (!check_run(&root, err) || !json_string(&plan, &plan_sha256, err) || !json_string(&system, &system_id, err) ||
        !one_text(s, prepare(s, "SELECT id FROM runs WHERE id = ?", (const char *const[]){id}, 1, err), &there, err))
        return false;
    free(there);
    if (there)
        return error_set(err, ERROR_INPUT, "%s: run %.64s is in the store %s already", file, id, s->path);
    cJSON *header = cJSON_Duplicate(run, true);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cJSON_DeleteItemFromObject(header, parts[i]);
    bool ok = execute(s, "BEGIN IMMEDIATE", err);
    if (ok) {
        const cJSON *cell;
        ok = store_begin(s, id, plan_sha256, system_id, header, err);
        cJSON_ArrayForEach(cell, cJSON_GetObjectItem(run, "cells")) {
            cJSON *whole = ok ? whole_cell(run, cell) : NULL;
            ok = ok && add_cell(s, id, whole, err);
            cJSON_Delete(whole);
        }
        ok = ok && store_finish(s, id, cJSON_GetStringValue(cJSON_GetObjectItem(run, "state")),
                                cJSON_GetStringValue(cJSON_GetObjectItem(run, "finished")), err);
        ok = commit(s, ok, err);
    }
    cJSON_Delete(header);
    return ok;
}

/* Adds `item` to an array unless one with the same `key` is there. */
static void add_once(cJSON *array, const cJSON *item, const char *key)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(item, key));
    const cJSON *other;
    if (!id)
        return;
    cJSON_ArrayForEach(other, array) {
        const char *same = cJSON_GetStringValue(cJSON_GetObjectItem(other, key));
        if (same && strcmp(same, id) == 0)
            return;
    }
    cJSON_AddItemToArray(array, cJSON_Duplicate(item, true));
}

static bool export_cells(struct store *s, const char *run, cJSON *document, struct error *err)
{
    cJSON *cells = cJSON_AddArrayToObject(document, "cells"), *models = cJSON_AddArrayToObject(document, "models"),
          *tasks = cJSON_AddArrayToObject(document, "tasks");
    sqlite3_stmt *statement =
        prepare(s, "SELECT document, extra FROM cells WHERE run = ? ORDER BY rowid", (const char *const[]){run}, 1, err);
    if (!statement)
        return false;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        cJSON *extra = cJSON_Parse((const char *)sqlite3_column_text(statement, 1));
        const cJSON *task;
        cJSON_AddItemToArray(cells, cJSON_Parse((const char *)sqlite3_column_text(statement, 0)));
        add_once(models, cJSON_GetObjectItem(extra, "model"), "id");
        cJSON_ArrayForEach(task, cJSON_GetObjectItem(extra, "tasks"))
            add_once(tasks, task, "name");
        cJSON_Delete(extra);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || failed(s, err);
}

static bool export_measurements(struct store *s, const char *run, cJSON *document, struct error *err)
{
    cJSON *array = cJSON_AddArrayToObject(document, "measurements");
    sqlite3_stmt *statement = prepare(s, "SELECT cell, metric, unit, value, reason, labels FROM measurements WHERE run = ? ORDER BY rowid",
                                      (const char *const[]){run}, 1, err);
    if (!statement)
        return false;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        static const char *const names[] = {"cell", "metric", "unit"};
        cJSON *m = cJSON_CreateObject();
        for (int i = 0; i < 3; i++)
            cJSON_AddStringToObject(m, names[i], (const char *)sqlite3_column_text(statement, i));
        bool null = sqlite3_column_type(statement, 3) == SQLITE_NULL;
        cJSON_AddItemToObject(m, "value", null ? cJSON_CreateNull() : cJSON_CreateNumber(sqlite3_column_double(statement, 3)));
        const char *reason = (const char *)sqlite3_column_text(statement, 4);
        cJSON_AddItemToObject(m, "reason", reason ? cJSON_CreateString(reason) : cJSON_CreateNull());
        cJSON_AddItemToObject(m, "labels", cJSON_Parse((const char *)sqlite3_column_text(statement, 5)));
        cJSON_AddItemToArray(array, m);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || failed(s, err);
}

cJSON *store_export(struct store *s, const char *wanted, struct error *err)
{
    static const char by_id[] =
        "SELECT header, state, finished, id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY " NEWEST_FIRST " LIMIT 1";
    static const char newest[] = "SELECT header, state, finished, id FROM runs ORDER BY " NEWEST_FIRST " LIMIT 1";
    bool latest = strcmp(wanted, "latest") == 0;
    sqlite3_stmt *statement = prepare(s, latest ? newest : by_id, (const char *const[]){wanted}, latest ? 0 : 1, err);
    if (!statement)
        return NULL;
    if (sqlite3_step(statement) != SQLITE_ROW) {
        error_record(err, ERROR_INPUT, "%s: there is no run \"%.64s\"; 'jeoul results list' shows those that are there", s->path, wanted);
        sqlite3_finalize(statement);
        return NULL;
    }
    cJSON *document = cJSON_Parse((const char *)sqlite3_column_text(statement, 0));
    char *run = strdup((const char *)sqlite3_column_text(statement, 3));
    const char *finished = (const char *)sqlite3_column_text(statement, 2);
    cJSON_AddItemToObject(document, "finished", finished ? cJSON_CreateString(finished) : cJSON_CreateNull());
    cJSON_AddStringToObject(document, "state", (const char *)sqlite3_column_text(statement, 1));
    sqlite3_finalize(statement);
    bool ok = document && run && export_cells(s, run, document, err) && export_measurements(s, run, document, err);
    free(run);
    if (ok)
        return document;
    cJSON_Delete(document);
    return NULL;
}

cJSON *store_export_named(const char *name, const char *fallback, struct error *err)
{
    const char *colon = strrchr(name, ':');
    char *path = colon ? strndup(name, (size_t)(colon - name)) : strdup(fallback);
    struct store *store = path ? store_open_existing(path, err) : NULL;
    cJSON *run = store ? store_export(store, colon ? colon + 1 : name, err) : NULL;
    store_close(store);
    free(path);
    return run;
}

cJSON *store_list(struct store *s, struct error *err)
{
    cJSON *array = cJSON_CreateArray();
    sqlite3_stmt *statement = prepare(s,
                                      "SELECT id, state, finished, json_extract(header, '$.started'), json_extract(header, '$.plan.name'),"
                                      " system, json_extract(header, '$.rerun_of') FROM runs ORDER BY " OLDEST_FIRST,
                                      NULL, 0, err);
    static const char *const names[] = {"run_id", "state", "finished", "started", "plan", "system", "rerun_of"};
    while (statement && sqlite3_step(statement) == SQLITE_ROW) {
        cJSON *run = cJSON_CreateObject();
        for (int i = 0; i < 7; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            cJSON_AddItemToObject(run, names[i], text ? cJSON_CreateString(text) : cJSON_CreateNull());
        }
        cJSON_AddItemToArray(array, run);
    }
    bool ok = statement != NULL;
    sqlite3_finalize(statement);
    if (ok)
        return array;
    cJSON_Delete(array);
    return NULL;
}
