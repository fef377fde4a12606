/* Counters: see counters.h.
 *
 * PAPI's default domain is user space only, where context switches read 0; setting the domain fails on machines without a PMU, as PAPI's
 * check opens a hardware event. The event's own suffix ":u=1:k=1" does it. */
#include "harness/counters.h"

#include "base/memory.h"

#include <papi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
    const char *name; // as PAPI takes it
    const char *shown, *unit;
};

static const struct event events[] = {
    {"PAPI_TOT_CYC", "PAPI_TOT_CYC", "cycle"},
    {"PAPI_TOT_INS", "PAPI_TOT_INS", "instruction"},
    {"PAPI_L3_TCM", "PAPI_L3_TCM", "miss"},
    {"PAPI_BR_MSP", "PAPI_BR_MSP", "branch"},
    {"perf::TASK-CLOCK", "perf::TASK-CLOCK", "ns"},
    {"perf::PAGE-FAULTS", "perf::PAGE-FAULTS", "fault"},
    {"perf::MAJOR-FAULTS", "perf::MAJOR-FAULTS", "fault"},
    {"perf::CONTEXT-SWITCHES:u=1:k=1", "perf::CONTEXT-SWITCHES", "switch"},
    {"perf::CPU-MIGRATIONS:u=1:k=1", "perf::CPU-MIGRATIONS", "migration"},
};

enum { EVENTS = sizeof events / sizeof *events, MAX_THREADS = 256, PHASES = 2 };

/* A thread's event sets: one for each event, so that one that fails takes no other with it. */
struct thread_set {
    int sets[EVENTS];
    bool started[EVENTS];
};

struct counters {
    struct engine *engine;
    struct thread_set threads[MAX_THREADS];
    bool there[EVENTS];
    char reasons[EVENTS][128];
    _Atomic int64_t totals[PHASES][EVENTS]; // summed by the threads, each its own share
    bool seen[PHASES];
    int phase;
};

/* NULL when PAPI is ready; else why it isn't. */
static const char *initialise(void)
{
    static const char *failure; // the library is one for the process
    static bool done;
    if (!done) {
        int code = PAPI_is_initialized() ? (int)PAPI_VER_CURRENT : PAPI_library_init(PAPI_VER_CURRENT);
        if (code != PAPI_VER_CURRENT)
            failure = "PAPI cannot be initialised";
        else if (PAPI_thread_init(pthread_self) != PAPI_OK)
            failure = "PAPI knows no threads here";
        done = true;
    }
    return failure;
}

/* Starts one event on this thread; PAPI's code. *set is PAPI_NULL afterwards where it failed. */
static int start(const char *name, int *set)
{
    *set = PAPI_NULL;
    int code = PAPI_create_eventset(set);
    if (code == PAPI_OK)
        code = PAPI_add_named_event(*set, name);
    if (code == PAPI_OK)
        code = PAPI_start(*set);
    if (code != PAPI_OK && *set != PAPI_NULL) {
        PAPI_cleanup_eventset(*set);
        PAPI_destroy_eventset(set);
    }
    return code;
}

static int stop(int *set, long long *value)
{
    int code = PAPI_stop(*set, value);
    PAPI_cleanup_eventset(*set);
    PAPI_destroy_eventset(set);
    return code;
}

static void explain(int event, int code, char out[128])
{
    const char *text = PAPI_strerror(code);
    snprintf(out, 128, "%s: starting %.40s failed: %.40s (%d)", event < 4 ? "no PMU" : "not counted here", events[event].shown,
             text ? text : "unknown", code);
}

struct counters *counters_open(struct engine *engine)
{
    struct counters *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->engine = engine;
    const char *failure = initialise();
    for (int e = 0; e < EVENTS; e++) {
        int set;
        long long value;
        int code = failure ? PAPI_ECMP : start(events[e].name, &set);
        if (code == PAPI_OK)
            code = stop(&set, &value);
        c->there[e] = code == PAPI_OK;
        if (failure)
            snprintf(c->reasons[e], sizeof c->reasons[e], "%s", failure);
        else if (code != PAPI_OK)
            explain(e, code, c->reasons[e]);
    }
    return c;
}

void counters_close(struct counters *counters)
{
    free(counters);
}

static void begin_thread(void *context, int thread)
{
    struct counters *c = context;
    if (thread >= MAX_THREADS)
        return;
    PAPI_register_thread();
    for (int e = 0; e < EVENTS; e++)
        c->threads[thread].started[e] = c->there[e] && start(events[e].name, &c->threads[thread].sets[e]) == PAPI_OK;
}

static void end_thread(void *context, int thread)
{
    struct counters *c = context;
    if (thread >= MAX_THREADS)
        return;
    for (int e = 0; e < EVENTS; e++) {
        long long value = 0;
        if (c->threads[thread].started[e] && stop(&c->threads[thread].sets[e], &value) == PAPI_OK)
            atomic_fetch_add_explicit(&c->totals[c->phase][e], value, memory_order_relaxed); // only summed; the pool's barrier orders it
    }
    PAPI_unregister_thread();
}

static void begin(void *context, enum bench_phase_kind phase)
{
    struct counters *c = context;
    c->phase = phase;
    c->seen[phase] = true;
    engine_each_thread(c->engine, begin_thread, c);
}

static void end(void *context, enum bench_phase_kind phase)
{
    struct counters *c = context;
    (void)phase;
    engine_each_thread(c->engine, end_thread, c);
}

struct bench_hooks counters_hooks(struct counters *c)
{
    return (struct bench_hooks){.begin = begin, .end = end, .context = c};
}

cJSON *counters_measurements(const struct counters *c)
{
    static const char *const phases[PHASES] = {"prefill", "decode"};
    cJSON *array = cJSON_CreateArray();
    for (int p = 0; p < PHASES; p++)
        for (int e = 0; c->seen[p] && e < EVENTS; e++) {
            char metric[64];
            cJSON *m = cJSON_CreateObject();
            snprintf(metric, sizeof metric, "counter:%s", events[e].shown);
            cJSON_AddStringToObject(m, "metric", metric);
            cJSON_AddStringToObject(m, "unit", events[e].unit);
            cJSON_AddItemToObject(m, "value", c->there[e] ? cJSON_CreateNumber((double)c->totals[p][e]) : cJSON_CreateNull());
            cJSON_AddItemToObject(m, "reason", c->there[e] ? cJSON_CreateNull() : cJSON_CreateString(c->reasons[e]));
            cJSON_AddStringToObject(cJSON_AddObjectToObject(m, "labels"), "phase", phases[p]);
            cJSON_AddItemToArray(array, m);
        }
    return array;
}

cJSON *counters_available(void)
{
    cJSON *array = cJSON_CreateArray();
    struct counters *c = counters_open(NULL);
    for (int e = 0; c && e < EVENTS; e++) {
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "name", events[e].shown);
        cJSON_AddBoolToObject(event, "available", c->there[e]);
        cJSON_AddItemToObject(event, "reason", c->there[e] ? cJSON_CreateNull() : cJSON_CreateString(c->reasons[e]));
        cJSON_AddItemToArray(array, event);
    }
    counters_close(c);
    return array;
}
