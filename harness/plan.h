/* A plan: what a run measures. docs/plan.md describes the file. */
#ifndef JEOUL_PLAN_H
#define JEOUL_PLAN_H

#include "base/hash.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdint.h>

/* One of file, builtin, shape and endpoint. */
struct plan_model {
    const char *id;
    const char *file;
    const char *builtin;      // "jeoul-moe": a model that comes with jeoul
    const char *shape;        // of a synthetic one
    const char *quantisation; // synthetic: of its weights; built in: another than the file's, NULL: as it lies
    int64_t seed;             // synthetic
    const cJSON *endpoint; // {"url", "model", "tokenizer", "chat", "parallel", "timeout_s", "max_length"} of a server, all but url optional
    const char *evaluated_on; // placement of its eval cells; NULL: it has none
};

/* Two models whose difference the report weighs, item by item. */
struct plan_comparison {
    const char *what; // "experts", "distillation"
    int model, against;
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
    struct plan_comparison *comparisons;
    int n_comparisons;
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
