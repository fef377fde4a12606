/* The GPU backend's own structures, shared by its files: backend.c (life), queue.c (launches), program.c and compile.c
 * (kernels), planes.c, upload.c and weights.c (matrices), rows.c, product.c, attention.c (operations), fuse.c (several in one launch),
 * probe.c (the device's limits).
 *
 * Operations only add launches to a list; the list is given to the driver when something has to be written or read. An operation that the
 * driver refuses ends all later ones: they do nothing, and the step that is under way fails with the first reason. */
#ifndef JEOUL_GPU_H
#define JEOUL_GPU_H

#include "engine/backend.h"
#include "engine/gpu/driver.h"
#include "engine/gpu/source.h"

enum gpu_kernel {
    GPU_NORM,
    GPU_BIAS,
    GPU_ADD,
    GPU_SCALE,
    GPU_CLEAR,
    GPU_ACTIVATE,
    GPU_GATE,
    GPU_COPY_COLUMNS,
    GPU_GATHER,
    GPU_ROPE,
    GPU_SCORE,
    GPU_CHOOSE,
    GPU_SORT,
    GPU_SUM_CHOICES,
    GPU_ROWS_END, // those above are the rows' program, those below attention's
    GPU_KV_STORE = GPU_ROWS_END,
    GPU_KV_COPY,
    GPU_TURN_HEADS,
    GPU_ATTEND_MERGE,
    GPU_ATTEND,
    GPU_ATTEND_SPLIT,
    GPU_KERNELS,
    GPU_FLASH_FEW = GPU_ATTEND, // in their place where gpu.flash is
    GPU_FLASH_MANY
};

/* The kernels of a weight format; those of matrix units, from GPU_MMA_8 on, are there where gpu.mma is. */
enum gpu_product {
    GPU_DOT_1,
    GPU_DOT_8,
    GPU_ONE_DOT,
    GPU_MIDDLE_DOT,
    GPU_DOWN_DOT,
    GPU_VALUES,
    GPU_MMA_8,
    GPU_MMA_32,
    GPU_ONE_MMA,
    GPU_MIDDLE_MMA,
    GPU_DOWN_MMA,
    GPU_PRODUCTS
};
enum { GPU_FORMATS = 40, GPU_PARTIAL_BYTES = 64 << 20, GPU_FEW_ITEMS = 16 };

/* A compiled program and the kernels taken from it. */
struct gpu_program {
    uint64_t program;
    uint64_t kernels[GPU_KERNELS]; // by enum gpu_kernel or gpu_product
};

/* Definitions that a program is compiled with, "-DNAME=VALUE" each. */
enum { GPU_MOST_OPTIONS = 12, GPU_OPTION_BYTES = 32 };
struct gpu_options {
    char text[GPU_MOST_OPTIONS][GPU_OPTION_BYTES];
    const char *list[GPU_MOST_OPTIONS];
    size_t n;
    char line[GPU_MOST_OPTIONS * GPU_OPTION_BYTES]; // all of them, parted by single spaces
};

struct buffer {
    uint64_t memory;
    size_t count;
};

/* A weight as this backend holds it: planes in one piece of memory, or floats. */
struct gpu_weight {
    struct weight on_cpu; // of experts that run there: as the CPU backend holds it; tensor NULL: not
    const struct tensor *tensor;
    int64_t rows, cols, experts;
    enum weight_use use;
    uint64_t memory;              // 0: rows are looked up in the file
    uint64_t high, scales, steps; // where the planes begin
    uint64_t bytes;               // on the device
};

/* Operations that may be held back: see fuse.c. Buffers and vectors are the device's memory, 0: none. */
struct gpu_norm_of {
    uint64_t y, x, weight;
    int width;
    float epsilon;
};

/* Products of one row x: y[i] = w[i] · x + bias[i]; sum += factor · y[0]. */
enum { GPU_ONE_MATRICES = 3 };
struct gpu_one {
    const struct gpu_weight *w[GPU_ONE_MATRICES];
    uint64_t y[GPU_ONE_MATRICES], bias[GPU_ONE_MATRICES];
    int n;
    uint64_t x, sum;
    float factor;
};

/* x[n][heads][k_dim]: normalised, then turned, in place. */
struct gpu_heads {
    uint64_t x, norm;
    int heads;
    float epsilon;
    const struct rope *rope;
};

struct gpu_held {
    enum { HELD_NOTHING, HELD_NORM, HELD_PRODUCT, HELD_HEADS } kind;
    int n; // rows
    struct gpu_norm_of norm;
    struct gpu_one product;
    struct gpu_heads heads[2];
    int n_heads; // entries of heads
};

/* A list of launches that came before, and its graph once it came again. */
struct gpu_graph {
    struct gpu_launch *list; // [n]; NULL: this place is free
    size_t n;
    uint64_t sum, used, graph; // checksum, when it was used last, 0: none yet
};
enum { GPU_GRAPHS = 32 };

struct gpu {
    struct backend base;
    const struct gpu_driver *driver;
    int device;
    struct gpu_context *context;
    struct gpu_facts facts;
    struct backend_limits limits;
    bool mma;             // products on matrix units: activations and weights rounded to BF16
    struct error failure; // the first operation that the driver refused; ERROR_NONE: none

    struct gpu_held held;
    struct gpu_launch *list; // [n_list]: launches that the driver has not seen
    size_t n_list, list_capacity;
    struct gpu_graph graphs[GPU_GRAPHS];
    struct {
        size_t n;         // stamps since the last collection: of pairs the first and the second
        double ns;        // since the last reset
        char reason[256]; // why there is no time; "": there is
    } time;
    uint64_t graph_clock;

    struct gpu_program rows, attention, formats[GPU_FORMATS];
    char kernels_note[512]; // that kernels which are built in could not be used; "": nothing to say

    struct kv_shape kv;
    int kv_element;              // bytes of a value
    uint64_t *k_cache, *v_cache; // [n_layers]
    uint64_t kv_bytes;

    /* the step under way */
    uint64_t step; // on the device, [step_capacity] of 4 bytes: of row r its position, 2r, and where its pages begin, 2r + 1; then tiles
    int32_t *step_host;
    size_t step_capacity;
    const int32_t *batch_positions;
    int batch_n, greatest_position;
    int chunk_tokens, chunks; // positions of a chunk; chunks up to the greatest, a power of two
    int attention_parts;      // groups of threads that share a KV head's heads

    /* attention on matrix units: see kernels/flash.cl */
    bool flash;
    int many_items; // of a tile of GPU_FLASH_MANY; of GPU_FLASH_FEW's it is GPU_FEW_ITEMS
    int n_tiles;    // of the step
    bool many;      // whose tiles these are

    /* What was planned, in bytes on the device. */
    struct {
        uint64_t weights;  // but experts
        uint64_t largest;  // of them
        uint64_t *experts; // [experts_capacity ≥ n_experts]: of the matrices in the order of loading, three of a layer
        size_t n_experts, experts_capacity;
    } plan;
    int experts_cpu, experts_loaded; // matrices of experts: those that run on the CPU come first; loaded so far
    struct backend *cpu;             // for them; NULL: there are none
    struct buffer *cpu_x, *cpu_h, *cpu_ids, *cpu_weights;
    float *cpu_rows; // [max_rows × (the wider of n_embd and top_k)]: on the way from one to the other

    uint64_t rope_table; // [rope_positions][n_dims]
    const struct rope *rope_of;
    int rope_positions;

    uint64_t small;                        // [GPU_SMALL_ROWS]: row numbers or targets
    uint64_t scores;                       // [GPU_SMALL_ROWS][4]: what score gives
    uint64_t router_logits;                // [max_rows][n_experts]
    uint64_t pair_gate, pair_up, pair_out; // [max_rows × top_k][n_ff], the same, [max_rows × top_k][n_embd]
    uint64_t order, tiles;                 // [pairs], [pairs + n_experts][3]
    uint64_t load, active;                 // of 8 bytes: [n_layers][n_experts], [n_layers]
    uint64_t partial;                      // attention's, GPU_PARTIAL_BYTES
    float *staging;                        // [max_rows][n_embd]: looked-up rows
    int routed_layer;                      // of the last route
    uint64_t *load_host, *active_host;
    uint64_t *expert_bytes; // [n_layers]: of one expert's three matrices
    uint64_t weight_bytes;  // on the device
    uint64_t packed_from_bytes, pack_ns;
    int upload_threads; // that take matrices apart
    struct engine_counts counts;
};

static inline struct gpu *gpu_of(struct backend *backend)
{
    return (struct gpu *)backend;
}

static inline struct gpu_arg gpu_memory(uint64_t memory)
{
    return (struct gpu_arg){.bits = memory, .bytes = sizeof memory, .is_memory = true};
}

static inline struct gpu_arg gpu_int(int64_t value)
{
    return (struct gpu_arg){.bits = (uint32_t)value, .bytes = 4};
}

static inline struct gpu_arg gpu_long(int64_t value)
{
    return (struct gpu_arg){.bits = (uint64_t)value, .bytes = 8};
}

static inline struct gpu_arg gpu_float(float value)
{
    union {
        float value;
        uint32_t bits;
    } u = {value};
    return (struct gpu_arg){.bits = u.bits, .bytes = 4};
}

/* backend.c */
bool gpu_open_device(struct gpu *, const char *driver, int device, struct error *) MUST_CHECK; // driver, facts and context
bool gpu_choose_products(struct gpu *, bool exact, struct error *) MUST_CHECK;                 // mma

/* queue.c */
#define GPU_ARGS(...) (const struct gpu_arg[]){__VA_ARGS__}, sizeof((const struct gpu_arg[]){__VA_ARGS__}) / sizeof(struct gpu_arg)
void gpu_run(struct gpu *, uint64_t kernel, uint32_t threads, const uint32_t groups[3], const struct gpu_arg *args, size_t n_args);
/* A kernel of 256 threads a group with a thread for each of `count` items. */
void gpu_run_flat(struct gpu *, enum gpu_kernel kernel, int64_t count, const struct gpu_arg *args, size_t n_args);
bool gpu_flush(struct gpu *); // false when an operation has failed
bool gpu_write(struct gpu *, uint64_t to, size_t at, const void *from, size_t bytes);
bool gpu_read(struct gpu *, uint64_t from, size_t at, void *to, size_t bytes); // zeros when an operation has failed
uint64_t gpu_memory_new(struct gpu *, size_t count, size_t size, const char *what, struct error *) MUST_CHECK; // cleared
void gpu_memory_free(struct gpu *, uint64_t memory);                                                           // 0 is allowed
void gpu_fail(struct gpu *, const struct error *);
void gpu_graph_close(struct gpu *, struct gpu_graph *);

/* fuse.c */
void gpu_settle(struct gpu *); // launches what is held
void gpu_hold_norm(struct gpu *, const struct gpu_norm_of *);
void gpu_hold_product(struct gpu *, const struct gpu_one *);                           // with the norm of its input, if that is held
bool gpu_held_bias(struct gpu *, uint64_t y, uint64_t bias);                           // false: y is not held
bool gpu_held_sum(struct gpu *, uint64_t to, uint64_t y, int64_t width, float factor); // the same
struct gpu_heads *gpu_hold_heads(struct gpu *, uint64_t x, int heads, int n);          // held, or held from now on
void gpu_take_heads(struct gpu *, uint64_t k, struct gpu_heads *of_q, struct gpu_heads *of_k); // out of what is held; of_q->x 0: none

/* time.c */
void gpu_time_stamp(struct gpu *);   // before a list of launches, and behind it
void gpu_time_collect(struct gpu *); // after the device has been waited for

/* compile.c */
void gpu_define(struct gpu_options *, const char *name, int64_t value);
uint64_t gpu_program_open(struct gpu *, const struct gpu_source *, const struct gpu_options *, struct error *) MUST_CHECK; // 0 on failure

/* program.c */
bool gpu_open_rows(struct gpu *, struct error *) MUST_CHECK;
bool gpu_open_attention(struct gpu *, struct error *) MUST_CHECK;                            // for gpu->kv
bool gpu_open_format(struct gpu *, const struct tensor_format *, struct error *) MUST_CHECK; // nothing to do where it is open
void gpu_close_programs(struct gpu *);
enum { GPU_LIMIT_READ, GPU_LIMIT_COPY, GPU_LIMIT_WRITE, GPU_LIMIT_FLOAT, GPU_LIMIT_MMA }; // the last where gpu.mma is
bool gpu_open_limits(struct gpu *, struct gpu_program *, struct error *) MUST_CHECK;
void gpu_close_program(struct gpu *, struct gpu_program *);

/* planes.c: the layout of kernels/formats.cl, in which a matrix is its codes, their high bits, scales and steps */
enum { GPU_PLANES = 4 };
void gpu_planes(struct gpu_weight *w);                                    // where they begin, and the bytes of all
void gpu_plane_bytes(const struct gpu_weight *w, size_t out[GPU_PLANES]); // of one row in each; 0: the format has no such plane
/* Rows of the file, those of one expert behind another's. */
void gpu_take_rows(const struct gpu_weight *w, int64_t first, int64_t rows, uint8_t *const out[GPU_PLANES]);

/* upload.c */
bool gpu_upload(struct gpu *, const struct gpu_weight *w, struct error *err) MUST_CHECK;

/* plan.c */
void gpu_plan_weight(struct backend *, const struct weight *, enum weight_use);
bool gpu_plan_end(struct backend *, const struct kv_shape *, size_t buffer_elements, struct error *);
uint64_t gpu_own_bytes(const struct backend_limits *); // of the backend's own room on the device

/* cpu_experts.c: experts that run on the CPU */
bool gpu_cpu_open(struct gpu *, const struct engine_options *, struct error *) MUST_CHECK;
void gpu_cpu_close(struct gpu *);
void gpu_cpu_experts(struct gpu *, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                     const struct experts *, int n);

/* weights.c */
void gpu_weights_begin(struct backend *, const struct weights_source *);
bool gpu_weights_end(struct backend *);
bool gpu_weight_load(struct backend *, struct weight *, enum weight_use, bool *file_bytes_unused, struct error *);
void gpu_weight_unload(struct backend *, struct weight *);
uint64_t gpu_vector(const struct weight *); // its floats on the device; 0 for NULL

/* rows.c */
void gpu_embed(struct backend *, struct buffer *x, const struct weight *w, const struct batch *);
void gpu_norm(struct backend *, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width, int stride,
              float epsilon);
void gpu_launch_norm(struct gpu *, const struct gpu_norm_of *, int rows); // rows of `width`, one behind the other
void gpu_add_bias(struct backend *, struct buffer *y, const struct weight *w, int n);
void gpu_add(struct backend *, struct buffer *y, const struct buffer *x, int n, int width, float factor);
void gpu_scale(struct backend *, struct buffer *x, int n, int width, float factor);
void gpu_clear(struct backend *, struct buffer *x, int n, int width);
void gpu_activate(struct backend *, struct buffer *gate, const struct buffer *up, int n, int width, enum activation_function);
void gpu_gate_rows(struct backend *, struct buffer *y, const struct buffer *h, const struct weight *w, int n, int width);
void gpu_copy_columns(struct backend *, struct buffer *y, int y_stride, int y_first, const struct buffer *x, int x_stride, int x_first,
                      int width, int n);
void gpu_gather(struct backend *, struct buffer *y, const struct buffer *x, const int32_t *rows, int m, int width);
void gpu_score(struct backend *, const struct buffer *logits, int m, int width, const int32_t *targets, int32_t *argmax, float *greatest,
               float *target_logit, double *log_sum);
enum { GPU_SMALL_ROWS = 64 }; // rows of gather and score at once

/* product.c */
void gpu_project(struct backend *, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x, int n,
                 bool accumulate);
void gpu_project_heads(struct backend *, struct buffer *y, int y_stride, const struct weight *w, const struct buffer *x, int x_stride,
                       int n);
void gpu_route(struct backend *, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct router *,
               const struct routing *, int layer, int n);
void gpu_experts(struct backend *, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                 const struct experts *, int n);

void gpu_launch_one(struct gpu *, const struct gpu_one *, const struct gpu_norm_of *); // norm: NULL, x is taken as it is

/* attention.c */
void gpu_launch_heads(struct gpu *, const struct gpu_heads *, int n);
bool gpu_kv_open(struct backend *, const struct kv_shape *, struct error *);
void gpu_kv_copy_page(struct backend *, int from, int to);
void gpu_use_batch(struct gpu *, const struct batch *, bool again); // puts the step's rows on the device, where they aren't
void gpu_rope(struct backend *, struct buffer *x, int n_heads, int head_dim, int first, const struct rope *, const struct batch *);
void gpu_kv_store(struct backend *, int layer, const struct buffer *k, const struct buffer *v, const struct batch *);
void gpu_attend(struct backend *, struct buffer *out, const struct buffer *q, int layer, const struct attention *, const struct batch *);

#endif
