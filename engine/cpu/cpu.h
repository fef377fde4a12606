/* The CPU backend's own structures, shared by its files: backend.c (life), weights.c, elementwise.c, matmul.c (products), router.c,
 * experts.c, attention.c (the paged cache). */
#ifndef JEOUL_CPU_H
#define JEOUL_CPU_H

#include "engine/backend.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/pool.h"

struct buffer {
    float *data; // or int32_t, as the operation says
};

/* A weight as this backend holds it. */
struct packed {
    const struct tensor *tensor;
    enum pack_format format;
    enum activation activation; // FLOAT for every format in exact mode
    int64_t rows, cols, panels; // of one expert
    size_t panel_bytes, expert_bytes;
    const uint8_t *bytes; // [experts][panels]; NULL: not packed, and read from the file as it is used
    uint8_t *own;         // where the bytes are memory of this weight, and not of the cache
};

/* Room for quantised activation rows of one kind. */
struct activations_q {
    struct column_room rows; // each array for all rows
    struct column *columns;
    int64_t width;
};

enum { FEW_PAIRS = 512 };

struct cpu {
    struct backend base;
    const struct cpu_kernels *kernels;
    struct pool *pool;
    struct backend_limits limits;
    bool exact, no_pack;

    const char *pack_directory;    // of the cache of packed weights; NULL or empty: none
    struct pack_cache *pack_cache; // NULL: none is in use
    bool cache_refused;            // one that looked sound held other weights: none is read any more
    enum engine_pack_cache cache_state;
    char cache_note[512];
    struct packed **loaded; // [n_loaded]: packed matrices in the order of loading
    size_t n_loaded, loaded_capacity;

    struct activations_q in[ACTIVATION_COUNT];  // [max_rows][max_width]: inputs of products
    struct activations_q mid[ACTIVATION_COUNT]; // [max_rows × top_k][n_ff]: between up and down
    float *mid_values;                          // [max_rows × top_k][n_ff]
    float *down_values;                         // [FEW_PAIRS][max_width]: products of down, where each pair has its own
    int32_t *pair_order;                        // [max_rows × top_k]: pairs sorted by expert
    int32_t *expert_begin;                      // [n_experts + 1]
    float *router_logits;                       // [max_rows + 1][n_experts]: the last row is what the choice is made by

    struct kv_shape kv;
    uint8_t *k_cache, *v_cache;
    bool kv_paired;                    // BF16 in pairs (attention.c)
    size_t kv_element, k_page, v_page; // bytes of a value; values of a page of one head
    float *scratch;                    // [threads][scratch_width]: a page as floats; rows in exact mode; two panels with no_pack
    size_t scratch_width;

    float *rope_table; // [max_rows][n_dims]: cos, sin of each pair; of the step under way
    const struct rope *rope_of;
    uint64_t step, rope_step;

    uint64_t *load; // [n_layers][n_experts]
    uint64_t packed_bytes, packed_from_bytes, pack_ns, memory_ns, kv_bytes;
    struct engine_counts counts; // operations, weight_bytes, kv_bytes
};

/* weights.c */
void cpu_weights_begin(struct backend *, const struct weights_source *);
bool cpu_weight_load(struct backend *, struct weight *, enum weight_use, bool *file_bytes_unused, struct error *);
bool cpu_weights_end(struct backend *);
void cpu_weight_unload(struct backend *, struct weight *);
void cpu_weights_close(struct cpu *);
/* A packed panel of an expert's matrix: where it lies, or, with no_pack, packed into `room` for this one use. */
const uint8_t *cpu_panel(const struct cpu *, const struct packed *, int64_t expert, int64_t panel, uint8_t *room);

/* elementwise.c */
void cpu_norm(struct backend *, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width, int stride,
              float epsilon);
void cpu_add_bias(struct backend *, struct buffer *y, const struct weight *w, int n);
void cpu_add(struct backend *, struct buffer *y, const struct buffer *x, int n, int width, float factor);
void cpu_scale(struct backend *, struct buffer *x, int n, int width, float factor);
void cpu_clear(struct backend *, struct buffer *x, int n, int width);
void cpu_activate(struct backend *, struct buffer *gate, const struct buffer *up, int n, int width, enum activation_function);
void cpu_gate_rows(struct backend *, struct buffer *y, const struct buffer *h, const struct weight *w, int n, int width);
void cpu_copy_columns(struct backend *, struct buffer *y, int y_stride, int y_first, const struct buffer *x, int x_stride, int x_first,
                      int width, int n);
/* out[n] = f(gate[n], up[n]); out may be gate. */
void cpu_activation(const struct cpu *, enum activation_function, float *out, const float *gate, const float *up, int64_t n);

/* router.c */
void cpu_route(struct backend *, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct router *,
               const struct routing *, int layer, int n);

/* matmul.c */
void cpu_project(struct backend *, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x, int n,
                 bool accumulate);
void cpu_project_heads(struct backend *, struct buffer *y, int y_stride, const struct weight *w, const struct buffer *x, int x_stride,
                       int n);
/* Rows of x[n][stride], `width` values of each, as columns of one activation kind, this thread's share of them. `columns` of the room are
 * valid after a barrier. */
void cpu_quantise_share(const struct cpu *, struct activations_q *room, enum activation kind, const float *x, int64_t width, int64_t stride,
                        int64_t n, int thread, int threads);
/* Values first … first + n − 1 of row i, of a whole width; the row becomes a column with its first value. Where integers are wanted, first
 * and n are multiples of their kind's block. */
void cpu_quantise_part(const struct cpu *, struct activations_q *room, enum activation kind, const float *x, int64_t width, int64_t i,
                       int64_t first, int64_t n);
/* Panels that are near while columns are multiplied: whole cache lines of what comes out, and the least that is shared out. */
enum { GROUP_PANELS = 4 };
/* How many of the columns that are left go into a call, at most COLUMNS_PER_CALL. Calls are alike large, so that none has so few that it
 * waits for memory. */
int cpu_columns_of_call(int64_t left);
/* Panels of an expert's matrix, and where their products go: 16 for each column and panel, `stride` floats from column to column. */
struct panel_work {
    const struct packed *w;
    int64_t expert;
    struct pool_items panels;
    float *out;
    int64_t stride;
    float *const *add;    // [n], or NULL: with factors, products are added to rows instead, from value add_at on (struct panels); not
    const float *factors; // in exact mode
    int64_t add_at;
    const uint8_t *next; // the panel that is wanted after them (cpu_panel_address); NULL: unknown
};
/* All panels by the same n columns, two at once. scratch is this thread's. */
void cpu_panels(const struct cpu *, const struct panel_work *, const struct column *columns, int n, float *scratch);
/* Where a packed panel lies; NULL: with no_pack nowhere. */
const uint8_t *cpu_panel_address(const struct packed *, int64_t expert, int64_t panel);

/* experts.c */
void cpu_experts(struct backend *, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                 const struct experts *, int n);

/* attention.c */
bool cpu_kv_open(struct backend *, const struct kv_shape *, struct error *);
void cpu_kv_copy_page(struct backend *, int from, int to);
void cpu_kv_store(struct backend *, int layer, const struct buffer *k, const struct buffer *v, const struct batch *);
void cpu_attend(struct backend *, struct buffer *out, const struct buffer *q, int layer, const struct attention *, const struct batch *);
void cpu_rope(struct backend *, struct buffer *x, int n_heads, int head_dim, int first, const struct rope *, const struct batch *);

/* dispatch.c: the table for options.isa, $JEOUL_CPU or the widest one. */
const struct cpu_kernels *cpu_kernels_choose(const char *isa, struct error *err) MUST_CHECK;

#endif
