/* Any bytes as each of the JSON documents that people write: a plan, a price book, a task, the shape of a synthetic model, a policy
 * scenario, a file of the catalogue. */
#include "base/memory.h"
#include "engine/synth.h"
#include "eval/eval.h"
#include "harness/plan.h"
#include "reports/cost.h"
#include "reports/policy/policy.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char directory[64], path[96];

/* The catalogue's files, so that one of them can be replaced. */
static const char *const catalog_files[4] = {"facts.json", "devices.json", "models.json", "tariffs.json"};

static void remove_catalog(void)
{
    char name[128];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/%s", directory, catalog_files[i]);
        unlink(name);
    }
}

static void remove_all(void)
{
    remove_catalog();
    unlink(path);
    rmdir(directory);
}

/* Three files of the catalogue that comes with jeoul (from the repository's root) and the document in place of the fourth. */
static void link_catalog(int replaced)
{
    char name[128], target[4096], root[3072];
    remove_catalog();
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/%s", directory, catalog_files[i]);
        snprintf(target, sizeof target, "%s/reports/catalog/%s", getcwd(root, sizeof root) ? root : ".", catalog_files[i]);
        if (symlink(i == replaced ? path : target, name) != 0)
            abort();
    }
}

static bool put(const uint8_t *bytes, size_t n)
{
    if (!directory[0]) {
        snprintf(directory, sizeof directory, "/tmp/fuzz_documents.XXXXXX");
        if (!mkdtemp(directory))
            abort();
        snprintf(path, sizeof path, "%s/document.json", directory);
        atexit(remove_all);
    }
    FILE *file = fopen(path, "w");
    bool ok = file && fwrite(bytes, 1, n, file) == n;
    return file && fclose(file) == 0 && ok;
}

static void ignore_task(void *context, const struct eval_task_info *info)
{
    (void)context;
    if (!info->name || !info->group)
        abort();
}

/* A scenario that is taken has figures, or says why not. */
static void try_scenario(const char *scenario_path, const char *catalog)
{
    struct error err = {0};
    struct scenario *scenario = scenario_open(scenario_path, catalog, &err);
    if (!scenario && (err.code == ERROR_NONE || !err.message[0]))
        abort();
    cJSON *none = cJSON_CreateArray(),
          *figures = scenario ? policy_figures(scenario, none, none, "reports/prices/default.json", &err) : NULL;
    if (scenario && !figures && !err.message[0])
        abort();
    cJSON_Delete(figures);
    cJSON_Delete(none);
    scenario_close(scenario);
}

/* What a reader refuses it explains. */
static void must_explain(bool ok, const struct error *err)
{
    if (!ok && (err->code == ERROR_NONE || !err->message[0]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    if (!n || !put(bytes + 1, n - 1))
        return 0;
    switch (bytes[0] & 7) {
    case 0: {
        struct plan plan;
        bool ok = plan_read(path, &plan, &err);
        must_explain(ok, &err);
        if (ok)
            plan_free(&plan);
        break;
    }
    case 1: {
        struct price price;
        cJSON *book = price_book_read(path, &err);
        must_explain(book != NULL, &err);
        if (book)
            must_explain(price_find(book, path, "a", &price, &err), &err);
        cJSON_Delete(book);
        break;
    }
    case 2:
        must_explain(eval_tasks_list(&(struct eval_places){.tasks = directory}, ignore_task, NULL, &err), &err);
        break;
    case 4:
        try_scenario(path, "reports/catalog");
        break;
    case 5:
        link_catalog(bytes[0] >> 3 & 3);
        try_scenario("plans/policy-30k.json", directory);
        break;
    default: {
        struct arena arena = {0};
        struct synth_shape shape;
        must_explain(synth_shape_find(path, &arena, &shape, &err), &err);
        arena_free(&arena);
    }
    }
    return 0;
}
