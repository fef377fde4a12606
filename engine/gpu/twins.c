/* The driver table over CUDA's or HIP's functions: see twins.h. */
#include "engine/gpu/twins.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gpu_context {
    struct twin *twin;
    int device;
    twin_handle context, stream;
    twin_handle stamps[GPU_STAMPS]; // NULL until they are needed
};

static bool failed(const struct twin *t, const char *what, int code, struct error *err)
{
    const char *name = t->error_name(code);
    return error_set(err, ERROR_MACHINE, "%s: %s failed with %d%s%s", t->name, what, code, name ? ", " : "", name ? name : "");
}

static bool check(const struct twin *t, const char *what, int code, struct error *err)
{
    return code == 0 || failed(t, what, code, err);
}

static bool open_library(struct twin_library *l, struct error *err)
{
    if (!l->handle)
        l->handle = gpu_library_open(l->names, l->symbols, l->n_symbols, err);
    return l->handle != NULL;
}

bool twin_load(const struct gpu_driver *driver, struct error *err)
{
    struct twin *t = driver->twin;
    if (!open_library(&t->driver, err))
        return false;
    int code = t->f.init(0);
    if (code == 0 || code == t->no_device)
        return true;
    const char *reason = t->init_reason ? t->init_reason(code) : NULL, *name = t->error_name(code);
    return error_set(err, ERROR_INPUT, "%s: the driver does not start (%d%s%s)%s%s", t->name, code, name ? ", " : "", name ? name : "",
                     reason ? ": " : "", reason ? reason : "");
}

bool twin_load_compiler(const struct gpu_driver *driver, struct error *err)
{
    return open_library(&driver->twin->compiler, err);
}

bool twin_compiler_version(const struct gpu_driver *driver, char out[32], struct error *err)
{
    struct twin *t = driver->twin;
    int major = 0, minor = 0;
    if (!open_library(&t->compiler, err) || !check(t, "the compiler's version", t->f.compiler_version(&major, &minor), err))
        return false;
    snprintf(out, 32, "%d.%d", major, minor);
    return true;
}

int twin_count(const struct gpu_driver *driver, struct error *err)
{
    struct twin *t = driver->twin;
    int n = 0;
    if (!twin_load(driver, err))
        return -1;
    int code = t->f.device_count(&n);
    if (code == t->no_device)
        return 0;
    return check(t, "counting devices", code, err) ? n : -1;
}

static bool in_range(const struct gpu_driver *driver, int device, struct error *err)
{
    int n = twin_count(driver, err);
    if (n < 0)
        return false;
    if (device < 0 || device >= n)
        return error_set(err, ERROR_INPUT, "%s has no device %d: there are %d, counted from 0", driver->twin->name, device, n);
    return true;
}

bool twin_describe(const struct gpu_driver *driver, int device, struct gpu_facts *facts, struct error *err)
{
    struct twin *t = driver->twin;
    int id;
    size_t bytes = 0;
    *facts = (struct gpu_facts){.units = 0};
    if (!in_range(driver, device, err) || !check(t, "finding the device", t->f.device_get(&id, device), err) ||
        !check(t, "the device's name", t->f.device_name(facts->name, sizeof facts->name, id), err) ||
        !check(t, "the device's memory", t->f.device_memory(&bytes, id), err))
        return false;
    facts->memory_bytes = facts->largest_bytes = bytes;
    if (t->f.device_bus(facts->bus, sizeof facts->bus, id) != 0)
        facts->bus[0] = '\0';
    return t->details(id, facts, err);
}

struct gpu_context *twin_open(const struct gpu_driver *driver, int device, struct error *err)
{
    struct twin *t = driver->twin;
    struct gpu_context *c = in_range(driver, device, err) ? memory_array(1, sizeof *c, t->name, err) : NULL;
    enum { NON_BLOCKING = 1 };
    if (!c)
        return NULL;
    c->twin = t;
    if (check(t, "finding the device", t->f.device_get(&c->device, device), err) &&
        check(t, "opening the device", t->enter(c->device, &c->context), err) &&
        check(t, "a stream", t->f.stream_new(&c->stream, NON_BLOCKING), err))
        return c;
    twin_close(c);
    return NULL;
}

void twin_close(struct gpu_context *c)
{
    if (c->stream && c->twin->use(c->context, c->device) == 0) {
        for (size_t i = 0; i < GPU_STAMPS; i++)
            if (c->stamps[i])
                c->twin->f.event_free(c->stamps[i]);
        c->twin->f.stream_free(c->stream);
    }
    if (c->context)
        c->twin->leave(c->context, c->device);
    free(c);
}

static bool use(struct gpu_context *c, struct error *err)
{
    return check(c->twin, "using the device", c->twin->use(c->context, c->device), err);
}

/* --- programs --------------------------------------------------------------------------------------------------------------------------
 */

static bool compile_failed(const struct twin *t, twin_handle program, int code, struct error *err)
{
    char log[800] = "";
    size_t n = 0;
    char *whole = t->f.program_log_bytes(program, &n) == 0 && n ? calloc(n + 1, 1) : NULL;
    if (whole && t->f.program_log(program, whole) == 0)
        snprintf(log, sizeof log, "%s", whole);
    free(whole);
    return error_set(err, ERROR_MACHINE, "%s: a kernel does not compile (%d): %s", t->name, code, log);
}

bool twin_compile(struct gpu_context *c, const char *source, const char *const *options, size_t n_options, struct text *binary,
                  struct error *err)
{
    enum { MOST = 32, OWN = 4 };
    struct twin *t = c->twin;
    char own[OWN][32];
    const char *all[MOST];
    size_t n = 0, bytes = 0;
    twin_handle program = NULL;
    if (!open_library(&t->compiler, err) || !use(c, err))
        return false;
    for (size_t n_own = t->options(c->device, own); n < n_own; n++)
        all[n] = own[n];
    for (size_t i = 0; i < n_options && n < MOST; i++)
        all[n++] = options[i];
    if (!check(t, "a program", t->f.program_new(&program, source, "jeoul", 0, NULL, NULL), err))
        return false;
    int code = t->f.program_compile(program, (int)n, all);
    bool ok = code == 0 || compile_failed(t, program, code, err);
    ok = ok && check(t, "a program's size", t->f.program_binary_bytes(program, &bytes), err);
    char *room = ok ? memory_array(bytes, 1, "a compiled program", err) : NULL;
    ok = room && check(t, "a program's code", t->f.program_binary(program, room), err);
    if (ok)
        text_add(binary, room, bytes);
    free(room);
    t->f.program_free(&program);
    return ok && text_ok(binary, err);
}

static uint64_t number(twin_handle handle)
{
    return (uint64_t)(uintptr_t)handle;
}

static twin_handle handle(uint64_t number_of)
{
    return (twin_handle)(uintptr_t)number_of;
}

uint64_t twin_program_load(struct gpu_context *c, const void *binary, size_t bytes, struct error *err)
{
    twin_handle module = NULL;
    (void)bytes; // the image tells
    return use(c, err) && check(c->twin, "loading a program", c->twin->f.module_load(&module, binary), err) ? number(module) : 0;
}

void twin_program_free(struct gpu_context *c, uint64_t program)
{
    if (use(c, NULL)) // a module belongs to the context that is current
        c->twin->f.module_unload(handle(program));
}

uint64_t twin_kernel(struct gpu_context *c, uint64_t program, const char *name, struct error *err)
{
    twin_handle function = NULL;
    return use(c, err) && check(c->twin, name, c->twin->f.function_get(&function, handle(program), name), err) ? number(function) : 0;
}

void twin_kernel_free(struct gpu_context *c, uint64_t kernel)
{
    (void)c, (void)kernel; // the program has it
}

/* --- memory and launches ---------------------------------------------------------------------------------------------------------------
 */

uint64_t twin_free_bytes(struct gpu_context *c)
{
    size_t available = 0, total = 0;
    return use(c, NULL) && c->twin->f.memory_info(&available, &total) == 0 ? available : 0;
}

uint64_t twin_memory_new(struct gpu_context *c, size_t bytes, struct error *err)
{
    uint64_t memory = 0;
    int code = use(c, err) ? c->twin->f.memory_new(&memory, bytes) : 0;
    if (code != 0)
        error_set(err, ERROR_MACHINE, "%s: no memory for %zu bytes on the device (%d)", c->twin->name, bytes, code);
    return memory;
}

void twin_memory_free(struct gpu_context *c, uint64_t memory)
{
    if (use(c, NULL))
        c->twin->f.memory_free(memory);
}

/* Waits: where a device reads the host's pageable memory itself (HMM, Grace Hopper), nothing is staged and the copy may read it later. */
bool twin_write(struct gpu_context *c, uint64_t to, size_t at, const void *from, size_t bytes, struct error *err)
{
    return use(c, err) && check(c->twin, "writing to the device", c->twin->f.write(to + at, from, bytes, c->stream), err) &&
           twin_finish(c, err);
}

bool twin_read(struct gpu_context *c, uint64_t from, size_t at, void *to, size_t bytes, struct error *err)
{
    return use(c, err) && check(c->twin, "reading from the device", c->twin->f.read(to, from + at, bytes, c->stream), err) &&
           twin_finish(c, err);
}

bool twin_clear(struct gpu_context *c, uint64_t memory, size_t bytes, struct error *err)
{
    return use(c, err) && check(c->twin, "clearing memory", c->twin->f.set_words(memory, 0, bytes / 4, c->stream), err);
}

static bool submit(struct gpu_context *c, const struct gpu_launch *l, struct error *err)
{
    uint64_t values[GPU_MAX_ARGS];
    void *arguments[GPU_MAX_ARGS];
    for (uint32_t i = 0; i < l->n_args; i++) {
        values[i] = l->args[i].bits;
        arguments[i] = &values[i];
    }
    int code =
        c->twin->f.launch(handle(l->kernel), l->groups[0], l->groups[1], l->groups[2], l->threads, 1, 1, 0, c->stream, arguments, NULL);
    return check(c->twin, "a launch", code, err);
}

bool twin_launch(struct gpu_context *c, const struct gpu_launch *l, struct error *err)
{
    return use(c, err) && submit(c, l, err);
}

bool twin_finish(struct gpu_context *c, struct error *err)
{
    return use(c, err) && check(c->twin, "waiting for the device", c->twin->f.stream_wait(c->stream), err);
}

bool twin_stamp(struct gpu_context *c, size_t number_of, struct error *err)
{
    return use(c, err) && (c->stamps[number_of] || check(c->twin, "an event", c->twin->f.event_new(&c->stamps[number_of], 0), err)) &&
           check(c->twin, "recording an event", c->twin->f.event_record(c->stamps[number_of], c->stream), err);
}

bool twin_between(struct gpu_context *c, size_t from, size_t to, double *ns, struct error *err)
{
    float ms = 0;
    bool ok = use(c, err) && check(c->twin, "the time between events", c->twin->f.event_between(&ms, c->stamps[from], c->stamps[to]), err);
    *ns = (double)ms * 1e6;
    return ok;
}

static bool has_graphs(const struct twin_functions *f)
{
    return f->capture_begin && f->capture_end && f->graph_instantiate && f->graph_launch && f->graph_executable_free && f->graph_free;
}

uint64_t twin_graph_new(struct gpu_context *c, const struct gpu_launch *launches, size_t n, struct error *err)
{
    enum { RELAXED = 2 };
    struct twin *t = c->twin;
    twin_handle graph = NULL, executable = NULL;
    if (!has_graphs(&t->f) || !use(c, err) || !check(t, "beginning a graph", t->f.capture_begin(c->stream, RELAXED), err))
        return 0;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = submit(c, &launches[i], err);
    int code = t->f.capture_end(c->stream, &graph); // a stream that captures is of no other use
    ok = ok && check(t, "ending a graph", code, err) && check(t, "a graph", t->f.graph_instantiate(&executable, graph, 0), err);
    if (graph)
        t->f.graph_free(graph);
    return ok ? number(executable) : 0;
}

bool twin_graph_run(struct gpu_context *c, uint64_t graph, struct error *err)
{
    return use(c, err) && check(c->twin, "a graph's launch", c->twin->f.graph_launch(handle(graph), c->stream), err);
}

void twin_graph_free(struct gpu_context *c, uint64_t graph)
{
    if (use(c, NULL))
        c->twin->f.graph_executable_free(handle(graph));
}
