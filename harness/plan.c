/* Reading a plan, strictly, and expanding it into cells: see plan.h. */
#include "harness/plan.h"

#include "base/file.h"
#include "base/json.h"
#include "base/processors.h"
#include "base/text.h"
#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PLAN_BYTES = 4 << 20, MAX_MODELS = 64, MAX_LIST = 32, MAX_COMPARISONS = 64, MAX_CELLS = 100000 };

static const char *const plan_keys[] = {"schema", "name",    "models", "limits", "bench",   "load",
                                        "eval",   "compare", "price",  "cell",   "nightly", NULL};
static const char *const model_keys[] = {"id", "file", "builtin", "quant", "synth", "endpoint", NULL};
static const char *const endpoint_keys[] = {"url", "model", "tokenizer", "chat", "parallel", "timeout_s", "max_length", NULL};
static const char *const synth_keys[] = {"shape", "quant", "seed", NULL};
static const char *const bench_keys[] = {"models",  "prompt", "generate", "batch",  "threads",     "kv",
                                         "repeats", "warmup", "backend",  "device", "experts_cpu", NULL};
static const char *const load_keys[] = {"models", "prompt", "generate", "concurrency", "requests", "repeats", NULL};
static const char *const eval_keys[] = {"models", "tasks", "limit", "data", "threads", "backend", "device", "experts_cpu", NULL};
static const char *const compare_keys[] = {"what", "model", "against", NULL};
static const char *const price_keys[] = {"book", "system", NULL};
static const char *const nightly_keys[] = {"minimum_effect", "rerun_wait_s", NULL};
static const char *const cell_keys[] = {"seconds", "memory_bytes", NULL};

static char *format_id(struct plan *plan, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static char *format_id(struct plan *plan, struct error *err, const char *format, ...)
{
    char id[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(id, sizeof id, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof id) {
        error_record(err, ERROR_INPUT, "%s: a cell's name is longer than %zu bytes", plan->path, sizeof id);
        return NULL;
    }
    return arena_copy(&plan->arena, id, (size_t)n, err);
}

static bool text_of(const struct json_at *parent, const char *key, const char *fallback, const char **out, struct error *err)
{
    struct json_at at = json_member(parent, key);
    return json_string_or(&at, fallback, out, err);
}

static bool number_of(const struct json_at *parent, const char *key, int64_t low, int64_t high, int64_t fallback, int64_t *out,
                      struct error *err)
{
    struct json_at at = json_member(parent, key);
    return json_integer_or(&at, low, high, fallback, out, err);
}

/* A number or a list of numbers; "all" for threads. Returns how many, −1 on failure. */
static int list_of(const struct json_at *parent, const char *key, int64_t low, int64_t high, int64_t fallback, int64_t out[MAX_LIST],
                   struct error *err)
{
    struct json_at at = json_member(parent, key);
    if (cJSON_IsString(at.value) && strcmp(at.value->valuestring, "all") == 0 && strcmp(key, "threads") == 0) {
        out[0] = processors_available();
        return 1;
    }
    if (!cJSON_IsArray(at.value))
        return json_integer_or(&at, low, high, fallback, &out[0], err) ? 1 : -1;
    int count = 0;
    if (!json_array(&at, &count, err))
        return -1;
    if (count < 1 || count > MAX_LIST) {
        json_record(&at, err, "%d numbers, 1 … %d are allowed", count, MAX_LIST);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&at, i);
        if (!json_integer(&element, low, high, &out[i], err))
            return -1;
    }
    return count;
}

/* The plan is stored with the run, so that an address with a password in it is refused here. */
static bool read_endpoint(struct plan_model *m, const struct json_at *at, struct error *err)
{
    struct json_at url = json_member(at, "url"), chat = json_member(at, "chat");
    const char *text, *ignored;
    int64_t number;
    bool flag;
    if (!json_only(at, endpoint_keys, err) || !json_filled(at, "url", &text, err) || !text_of(at, "model", NULL, &ignored, err) ||
        !text_of(at, "tokenizer", NULL, &ignored, err) || !json_bool_or(&chat, false, &flag, err) ||
        !number_of(at, "parallel", 1, 256, 8, &number, err) || !number_of(at, "timeout_s", 1, 86400, 600, &number, err) ||
        !number_of(at, "max_length", 2, 1 << 24, 2, &number, err))
        return false;
    if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) || strpbrk(text, "@?#"))
        return json_error(&url, err,
                          "an address that begins with http:// or https://, without user, password, query and fragment, is wanted; a key "
                          "comes from the environment variable JEOUL_API_KEY");
    m->endpoint = at->value;
    return true;
}

static bool read_model(struct plan *plan, const struct json_at *at, struct error *err)
{
    struct plan_model *m = &plan->models[plan->n_models++];
    struct json_at id = json_member(at, "id"), synth = json_member(at, "synth"), endpoint = json_member(at, "endpoint");
    if (!json_only(at, model_keys, err) || !json_string(&id, &m->id, err) || !text_of(at, "file", NULL, &m->file, err) ||
        !text_of(at, "builtin", NULL, &m->builtin, err) || !text_of(at, "quant", NULL, &m->quantisation, err))
        return false;
    if (!m->id[0] || strlen(m->id) > 100 || strpbrk(m->id, "/ \t\n"))
        return json_error(&id, err, "\"%.100s\" is not a name of 1 … 100 bytes without spaces and slashes", m->id);
    for (int i = 0; i + 1 < plan->n_models; i++)
        if (strcmp(plan->models[i].id, m->id) == 0)
            return json_error(&id, err, "the model \"%s\" stands twice", m->id);
    if ((m->file != NULL) + (m->builtin != NULL) + (synth.value != NULL) + (endpoint.value != NULL) != 1)
        return json_error(at, err, "a model is either a \"file\", a \"builtin\", a \"synth\" or an \"endpoint\"");
    if (m->quantisation && !m->builtin)
        return json_error(at, err, "\"quant\" beside \"id\" is for a \"builtin\" model; jeoul quantize writes other files anew");
    if (m->builtin && (!m->builtin[0] || strlen(m->builtin) > 100 || strpbrk(m->builtin, "/. \t\n")))
        return json_error(at, err, "\"%.100s\" is not the name of a model that comes with jeoul, such as \"jeoul-moe\"", m->builtin);
    if (endpoint.value)
        return read_endpoint(m, &endpoint, err);
    return m->file || m->builtin ||
           (json_only(&synth, synth_keys, err) && text_of(&synth, "shape", "tiny", &m->shape, err) &&
            text_of(&synth, "quant", "q8_0", &m->quantisation, err) && number_of(&synth, "seed", 0, INT64_MAX >> 11, 1, &m->seed, err));
}

/* The index of a model by its id, −1 on failure. */
static int model_named(const struct plan *plan, const struct json_at *at, struct error *err)
{
    const char *id;
    if (!json_string(at, &id, err))
        return -1;
    for (int m = 0; m < plan->n_models; m++)
        if (strcmp(plan->models[m].id, id) == 0)
            return m;
    json_record(at, err, "there is no model \"%.64s\" in \"models\"", id);
    return -1;
}

/* Which models a part is for: all, or those that are named. */
static bool chosen_models(struct plan *plan, const struct json_at *part, bool chosen[MAX_MODELS], struct error *err)
{
    struct json_at at = json_member(part, "models");
    int count = 0;
    for (int i = 0; i < plan->n_models; i++)
        chosen[i] = !at.value;
    if (!at.value)
        return true;
    if (!json_array(&at, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&at, i);
        int m = model_named(plan, &element, err);
        if (m < 0)
            return false;
        chosen[m] = true;
    }
    return true;
}

static bool add_cell(struct plan *plan, const char *id, const char *kind, int model, int repeat, cJSON *config, struct error *err)
{
    bool ok = id && config;
    for (int i = 0; ok && i < plan->n_cells; i++)
        if (strcmp(plan->cells[i].id, id) == 0)
            ok = error_set(err, ERROR_INPUT, "%s: the cell %s stands twice in the plan", plan->path, id);
    if (ok && plan->n_cells == MAX_CELLS)
        ok = error_set(err, ERROR_INPUT, "%s: more than %d cells", plan->path, MAX_CELLS);
    ok = ok && memory_grow((void **)&plan->cells, &plan->cell_capacity, (size_t)plan->n_cells + 1, sizeof *plan->cells, "cells", err);
    if (!ok) {
        cJSON_Delete(config);
        return false;
    }
    plan->cells[plan->n_cells++] = (struct plan_cell){.id = id, .kind = kind, .model = model, .repeat = repeat, .config = config};
    return true;
}

/* Where a part's cells run: on the CPU, or on a GPU, whose name in ids and reports is `placement`. */
struct place {
    const char *backend; // "cpu"
    int64_t device;
    int64_t experts_cpu; // layers; −1: auto
    char placement[64];  // "cuda:0", "cuda:0+cpu:auto"; "" on the CPU
};

static bool read_place(const struct json_at *at, struct place *p, struct error *err)
{
    struct json_at backend = json_member(at, "backend"), device = json_member(at, "device"), experts = json_member(at, "experts_cpu");
    *p = (struct place){.experts_cpu = -1};
    bool automatic = cJSON_IsString(experts.value) && strcmp(experts.value->valuestring, "auto") == 0;
    if (!text_of(at, "backend", "cpu", &p->backend, err) || !number_of(at, "device", 0, 1023, 0, &p->device, err) ||
        (!automatic && !number_of(at, "experts_cpu", 0, 1 << 20, 0, &p->experts_cpu, err)))
        return false;
    bool cpu = strcmp(p->backend, "cpu") == 0;
    if (!engine_backend_exists(p->backend))
        return json_error(&backend, err, "there is no backend \"%.32s\": cpu, cuda, hip and opencl are there", p->backend);
    if (cpu && (device.value || experts.value))
        return json_error(device.value ? &device : &experts, err, "it belongs to a GPU: name its \"backend\"");
    if (!cpu) {
        int n = snprintf(p->placement, sizeof p->placement, "%s:%d", p->backend, (int)p->device);
        if (p->experts_cpu < 0)
            snprintf(p->placement + n, sizeof p->placement - (size_t)n, "+cpu:auto");
        else if (p->experts_cpu)
            snprintf(p->placement + n, sizeof p->placement - (size_t)n, "+cpu:%d", (int)p->experts_cpu);
    }
    return true;
}

/* Into a cell's configuration; nothing for the CPU, whose cells have the names they always had. */
static void add_place(cJSON *config, const struct place *p)
{
    if (!p->placement[0])
        return;
    cJSON_AddStringToObject(config, "backend", p->backend);
    cJSON_AddNumberToObject(config, "device", (double)p->device);
    cJSON_AddNumberToObject(config, "experts_cpu", (double)p->experts_cpu);
    cJSON_AddStringToObject(config, "placement", p->placement);
}

struct bench_part {
    int64_t prompt[MAX_LIST], batch[MAX_LIST], threads[MAX_LIST], generate, repeats, warmup;
    int n_prompt, n_batch, n_threads;
    const char *kv;
    struct place place;
    bool models[MAX_MODELS];
};

/* The models of a part that only those that run here, or only servers, can have. */
static bool chosen_of_a_kind(struct plan *plan, const struct json_at *part, bool served, bool chosen[MAX_MODELS], struct error *err)
{
    struct json_at models = json_member(part, "models");
    if (!chosen_models(plan, part, chosen, err))
        return false;
    for (int m = 0; m < plan->n_models; m++)
        if (chosen[m] && (plan->models[m].endpoint != NULL) != served) {
            if (models.value)
                return json_error(&models, err, "\"%s\" is %s", plan->models[m].id,
                                  served ? "no endpoint: \"bench\" measures it" : "an endpoint: \"load\" measures it");
            chosen[m] = false;
        }
    return true;
}

static bool read_bench(struct plan *plan, const struct json_at *at, struct bench_part *p, struct error *err)
{
    return json_only(at, bench_keys, err) && chosen_of_a_kind(plan, at, false, p->models, err) &&
           (p->n_prompt = list_of(at, "prompt", 1, 1 << 20, 512, p->prompt, err)) > 0 &&
           (p->n_batch = list_of(at, "batch", 1, 4096, 1, p->batch, err)) > 0 &&
           (p->n_threads = list_of(at, "threads", 1, 1024, processors_available(), p->threads, err)) > 0 &&
           number_of(at, "generate", 1, 1 << 20, 64, &p->generate, err) && number_of(at, "repeats", 5, 1000, 5, &p->repeats, err) &&
           number_of(at, "warmup", 0, 100, 1, &p->warmup, err) && text_of(at, "kv", "bf16", &p->kv, err) && read_place(at, &p->place, err);
}

/* The cells of one repeat of a bench part. */
static bool add_bench_cells(struct plan *plan, const struct bench_part *p, int repeat, struct error *err)
{
    for (int m = 0; m < plan->n_models; m++)
        for (int i = 0; p->models[m] && i < p->n_prompt; i++)
            for (int b = 0; b < p->n_batch; b++)
                for (int t = 0; t < p->n_threads; t++) {
                    cJSON *config = cJSON_CreateObject();
                    cJSON_AddNumberToObject(config, "prompt", (double)p->prompt[i]);
                    cJSON_AddNumberToObject(config, "generate", (double)p->generate);
                    cJSON_AddNumberToObject(config, "batch", (double)p->batch[b]);
                    cJSON_AddNumberToObject(config, "threads", (double)p->threads[t]);
                    cJSON_AddStringToObject(config, "kv", p->kv);
                    cJSON_AddNumberToObject(config, "warmup", (double)p->warmup);
                    add_place(config, &p->place);
                    const char *id =
                        format_id(plan, err, "bench/%s/p%lld-n%lld-b%lld-t%lld-kv_%s%s%s/r%d", plan->models[m].id, (long long)p->prompt[i],
                                  (long long)p->generate, (long long)p->batch[b], (long long)p->threads[t], p->kv,
                                  p->place.placement[0] ? "-" : "", p->place.placement, repeat);
                    if (!add_cell(plan, id, "bench", m, repeat, config, err))
                        return false;
                }
    return true;
}

static bool read_benches(struct plan *plan, const struct json_at *root, struct error *err)
{
    struct json_at at = json_member(root, "bench");
    int count = 0, most = 0;
    if (at.value && !json_array(&at, &count, err))
        return false;
    struct bench_part *parts = memory_array((size_t)count, sizeof *parts, "plan", err);
    bool ok = parts != NULL;
    for (int i = 0; ok && i < count; i++) {
        struct json_at element = json_element(&at, i);
        ok = read_bench(plan, &element, &parts[i], err);
        most = ok && parts[i].repeats > most ? (int)parts[i].repeats : most;
    }
    for (int repeat = 1; ok && repeat <= most; repeat++)
        for (int i = 0; ok && i < count; i++)
            if (repeat <= parts[i].repeats)
                ok = add_bench_cells(plan, &parts[i], repeat, err);
    free(parts);
    return ok;
}

struct load_part {
    int64_t prompt, generate, concurrency[MAX_LIST], requests, repeats;
    int n_concurrency;
    bool models[MAX_MODELS];
};

static bool read_load(struct plan *plan, const struct json_at *at, struct load_part *p, struct error *err)
{
    return json_only(at, load_keys, err) && chosen_of_a_kind(plan, at, true, p->models, err) &&
           (p->n_concurrency = list_of(at, "concurrency", 1, 256, 1, p->concurrency, err)) > 0 &&
           number_of(at, "prompt", 1, 1 << 16, 128, &p->prompt, err) && number_of(at, "generate", 1, 1 << 16, 64, &p->generate, err) &&
           number_of(at, "requests", 1, 100000, 64, &p->requests, err) && number_of(at, "repeats", 5, 1000, 5, &p->repeats, err);
}

static bool add_load_cells(struct plan *plan, const struct load_part *p, int repeat, struct error *err)
{
    for (int m = 0; m < plan->n_models; m++)
        for (int c = 0; p->models[m] && c < p->n_concurrency; c++) {
            cJSON *config = cJSON_CreateObject();
            cJSON_AddNumberToObject(config, "prompt", (double)p->prompt);
            cJSON_AddNumberToObject(config, "generate", (double)p->generate);
            cJSON_AddNumberToObject(config, "concurrency", (double)p->concurrency[c]);
            cJSON_AddNumberToObject(config, "requests", (double)p->requests);
            const char *id = format_id(plan, err, "load/%s/w%lld-n%lld-c%lld-q%lld/r%d", plan->models[m].id, (long long)p->prompt,
                                       (long long)p->generate, (long long)p->concurrency[c], (long long)p->requests, repeat);
            if (!add_cell(plan, id, "load", m, repeat, config, err))
                return false;
        }
    return true;
}

static bool read_loads(struct plan *plan, const struct json_at *root, struct error *err)
{
    struct json_at at = json_member(root, "load");
    int count = 0, most = 0;
    if (at.value && !json_array(&at, &count, err))
        return false;
    struct load_part *parts = memory_array((size_t)count, sizeof *parts, "plan", err);
    bool ok = parts != NULL;
    for (int i = 0; ok && i < count; i++) {
        struct json_at element = json_element(&at, i);
        ok = read_load(plan, &element, &parts[i], err);
        most = ok && parts[i].repeats > most ? (int)parts[i].repeats : most;
    }
    for (int repeat = 1; ok && repeat <= most; repeat++)
        for (int i = 0; ok && i < count; i++)
            if (repeat <= parts[i].repeats)
                ok = add_load_cells(plan, &parts[i], repeat, err);
    free(parts);
    return ok;
}

struct eval_part {
    int64_t limit, threads; // 0: all items; the engine's own number
    const char *data;
    struct place place;
    bool models[MAX_MODELS];
};

/* A model is evaluated in one place: reports would count its items twice else. */
static bool evaluated_once(struct plan *plan, const struct json_at *at, int model, const struct eval_part *p, struct error *err)
{
    struct plan_model *m = &plan->models[model];
    if (m->endpoint && (p->threads || p->place.placement[0]))
        return json_error(at, err, "\"%s\" is an endpoint: threads and backend are its server's", m->id);
    if (m->evaluated_on && strcmp(m->evaluated_on, p->place.placement) != 0)
        return json_error(at, err,
                          "\"%s\" is evaluated elsewhere too: reports would count its items twice; give the model another id there", m->id);
    return m->evaluated_on || (m->evaluated_on = format_id(plan, err, "%s", p->place.placement));
}

static bool add_eval_cell(struct plan *plan, const struct eval_part *p, int model, const char *task, struct error *err)
{
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "tasks", task);
    if (p->limit)
        cJSON_AddNumberToObject(config, "limit", (double)p->limit);
    if (p->data)
        cJSON_AddStringToObject(config, "data", p->data);
    if (p->threads)
        cJSON_AddNumberToObject(config, "threads", (double)p->threads);
    add_place(config, &p->place);
    const char *placement = p->place.placement,
               *id = format_id(plan, err, "eval/%s/%s%s%s", plan->models[model].id, task, placement[0] ? "/" : "", placement);
    return add_cell(plan, id, "eval", model, 0, config, err);
}

static bool read_eval(struct plan *plan, const struct json_at *at, struct error *err)
{
    struct json_at tasks = json_member(at, "tasks");
    struct eval_part part;
    int n_tasks = 0;
    if (!json_only(at, eval_keys, err) || !chosen_models(plan, at, part.models, err) ||
        !number_of(at, "limit", 1, 1 << 30, 0, &part.limit, err) || !number_of(at, "threads", 1, 1024, 0, &part.threads, err) ||
        !text_of(at, "data", NULL, &part.data, err) || !read_place(at, &part.place, err) || !json_array(&tasks, &n_tasks, err))
        return false;
    for (int m = 0; m < plan->n_models; m++)
        for (int t = 0; part.models[m] && t < n_tasks; t++) {
            struct json_at task = json_element(&tasks, t);
            const char *name;
            if (!json_string(&task, &name, err) || !evaluated_once(plan, at, m, &part, err) || !add_eval_cell(plan, &part, m, name, err))
                return false;
        }
    return true;
}

static bool read_evals(struct plan *plan, const struct json_at *root, struct error *err)
{
    struct json_at at = json_member(root, "eval");
    int count = 0;
    if (at.value && !json_array(&at, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&at, i);
        if (!read_eval(plan, &element, err))
            return false;
    }
    return true;
}

static bool read_comparisons(struct plan *plan, const struct json_at *root, struct error *err)
{
    struct json_at at = json_member(root, "compare");
    int count = 0;
    if (at.value && !json_array(&at, &count, err))
        return false;
    if (count > MAX_COMPARISONS)
        return json_error(&at, err, "%d comparisons, at most %d are allowed", count, MAX_COMPARISONS);
    if (!(plan->comparisons = memory_array((size_t)count, sizeof *plan->comparisons, "comparisons", err)))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&at, i), what = json_member(&element, "what"), model = json_member(&element, "model"),
                       against = json_member(&element, "against");
        struct plan_comparison *c = &plan->comparisons[plan->n_comparisons++];
        if (!json_only(&element, compare_keys, err) || !json_string(&what, &c->what, err) ||
            (c->model = model_named(plan, &model, err)) < 0 || (c->against = model_named(plan, &against, err)) < 0)
            return false;
        if (strcmp(c->what, "experts") != 0 && strcmp(c->what, "distillation") != 0)
            return json_error(&what, err, "\"%.32s\" is neither \"experts\" nor \"distillation\"", c->what);
        if (c->model == c->against)
            return json_error(&against, err, "a model cannot be compared with itself");
    }
    return true;
}

static bool read_document(struct plan *plan, struct error *err)
{
    struct json_at root = json_root(plan->path, plan->document), models = json_member(&root, "models"), price = json_member(&root, "price"),
                   cell = json_member(&root, "cell"), nightly = json_member(&root, "nightly"),
                   effect = json_member(&nightly, "minimum_effect"), wait = json_member(&nightly, "rerun_wait_s"),
                   limits = json_member(&root, "limits"), schema = json_member(&root, "schema");
    const char *version;
    int count;
    bool probe;
    if (!json_only(&root, plan_keys, err) || !json_string(&schema, &version, err))
        return false;
    if (strcmp(version, "jeoul/plan/1") != 0)
        return json_error(&schema, err, "\"%.32s\" is not a schema that this version reads; it is \"jeoul/plan/1\"", version);
    if (!text_of(&root, "name", "run", &plan->name, err) || !json_array(&models, &count, err) || !json_bool_or(&limits, true, &probe, err))
        return false;
    if (count < 1 || count > MAX_MODELS)
        return json_error(&models, err, "%d models, 1 … %d are allowed", count, MAX_MODELS);
    plan->models = memory_array((size_t)count, sizeof *plan->models, "models", err);
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&models, i);
        if (!plan->models || !read_model(plan, &element, err))
            return false;
    }
    if (price.value && !(json_only(&price, price_keys, err) && text_of(&price, "book", NULL, &plan->price_book, err) &&
                         text_of(&price, "system", NULL, &plan->price_system, err)))
        return false;
    plan->cell_seconds = 600;
    if (cell.value && !(json_only(&cell, cell_keys, err) && number_of(&cell, "seconds", 1, 86400, 600, &plan->cell_seconds, err) &&
                        number_of(&cell, "memory_bytes", 1 << 20, INT64_MAX >> 11, 0, &plan->cell_memory_bytes, err)))
        return false;
    if ((nightly.value && !json_only(&nightly, nightly_keys, err)) ||
        !json_number_or(&effect, 0.001, 1, 0.05, &plan->minimum_effect, err) ||
        !json_integer_or(&wait, 0, 86400, 60, &plan->rerun_wait_s, err))
        return false;
    if (probe && !add_cell(plan, format_id(plan, err, "limits"), "limits", -1, 0, cJSON_CreateObject(), err))
        return false;
    if (!read_benches(plan, &root, err) || !read_loads(plan, &root, err) || !read_evals(plan, &root, err) ||
        !read_comparisons(plan, &root, err))
        return false;
    return plan->n_cells > 0 || json_error(&root, err, "nothing to do: neither limits nor bench nor load nor eval");
}

bool plan_read(const char *path, struct plan *out, struct error *err)
{
    struct text text = {0};
    *out = (struct plan){.path = path};
    bool ok = file_read(path, MAX_PLAN_BYTES, &text, err) && hash_bytes(text.bytes, text.length, out->sha256, err) &&
              (out->document = json_parse(path, text.bytes, text.length, err)) && read_document(out, err);
    text_free(&text);
    if (!ok)
        plan_free(out);
    return ok;
}

void plan_free(struct plan *plan)
{
    for (int i = 0; i < plan->n_cells; i++)
        cJSON_Delete(plan->cells[i].config);
    free(plan->cells);
    free(plan->models);
    free(plan->comparisons);
    cJSON_Delete(plan->document);
    arena_free(&plan->arena);
    *plan = (struct plan){0};
}
