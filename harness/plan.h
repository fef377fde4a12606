/* A plan: what a run measures. docs/plan.md describes the file. */
#ifndef JEOUL_PLAN_H
#define JEOUL_PLAN_H

#include "base/hash.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdint.h>

struct plan_model {
    const char *id;
    const char *file;                 // NULL: synthetic
    const char *shape, *quantisation; // of a synthetic one
    int64_t seed;
    const char *evaluated_on; // placement of its eval cells; NULL: it has none
};

/* A cell: one child process. Its specification is what the child gets. */
struct plan_cell {
    const char *id, *kind; // "bench/tiny/p512-n64-b1-t2-kv_bf16/r3", "bench"
    int model;             // index; −1: none
    int repeat;            // 1 …; 0: not repeated
    cJSON *config;
};

struct plan {
    const char *path, *name;
    char sha256[HASH_HEX];
    cJSON *document;
    struct plan_model *models;
    int n_models;
    struct plan_cell *cells; // in the order in which they run: repeats outermost, so that configurations are interleaved
    int n_cells;
    const char *price_book, *price_system;   // NULL: none named
    int64_t cell_seconds, cell_memory_bytes; // 0: no limit of memory
    double minimum_effect;                   // of nightly, a fraction (0.05)
    int64_t rerun_wait_s;                    // of nightly, before each rerun (60)
    struct arena arena;
    size_t cell_capacity;
};

bool plan_read(const char *path, struct plan *out, struct error *err) MUST_CHECK;
void plan_free(struct plan *plan);

#endif
