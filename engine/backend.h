/* The operations that a forward pass is written over, and what implements them: one table for each backend (cpu; the GPUs' with three
 * drivers).
 *
 * forward.c knows this header only. Buffers are the backend's own; weights were given to the backend once, at load, and packed as it likes.
 * n is the number of rows (tokens) in the step throughout; a row's result must not depend on the other rows or on the number of threads.
 * All matrices are row-major. Operations cannot fail: what they need was allocated at open; a device that is lost tells in finish. */
#ifndef JEOUL_ENGINE_BACKEND_H
#define JEOUL_ENGINE_BACKEND_H

#include "engine/engine.h"
#include "engine/tensor.h"

struct backend; // each backend defines its own, with `const struct backend_ops *ops` as its first member
struct buffer;  // memory of the backend: floats or integers

enum weight_use {
    WEIGHT_MATRIX,  // multiplied: packed for the kernels
    WEIGHT_EXPERTS, // the same, one matrix for each expert, of which a token's path uses top_k
    WEIGHT_LOOKUP,  // rows are looked up (token embedding): may stay in the file
    WEIGHT_VECTOR,  // a norm's or bias's values: kept as float
};

/* A weight as a backend holds it. [experts][rows][cols]; experts is 1 for a plain matrix, rows is 1 for a vector. */
struct weight {
    const struct tensor *tensor; // NULL: this model has none, and the weight is not used
    int64_t cols, rows, experts;
    void *packed; // the backend's
};

/* The file that weights come from. */
struct weights_source {
    const char *path;
    uint64_t identity; // another number for every other content
};

/* Which rows a step computes. */
struct batch {
    int n;
    const int32_t *tokens;       // [n]
    const int32_t *positions;    // [n], in the row's own sequence
    const int32_t *const *pages; // [n]: page numbers of the row's sequence, PAGE_TOKENS tokens each; covers its position
};

enum { PAGE_TOKENS = 64, MAX_HEAD_DIM = 1024, MAX_HEAD_GROUP = 256 };

struct kv_shape {
    enum engine_kv type;
    int n_layers, n_kv_heads, k_dim, v_dim; // dims per head
    bool v_in_k;                            // V is the first v_dim values of K and is not stored (MLA's latent)
    int n_pages;
};

struct rope {
    int n_dims;               // values of a head that turn; the rest pass through
    bool neox;                // pairs (i, i + n_dims/2); else neighbours (2i, 2i + 1)
    float *inverse_frequency; // [n_dims/2]
    float magnitude;          // cos and sin are multiplied by it (YaRN); 1 otherwise
};

struct attention {
    int n_heads, n_kv_heads, k_dim, v_dim;
    float scale;
    int window;                 // 0: all; W: position p sees those with p - q < W
    const struct weight *sinks; // [n_heads]: a logit of each head that joins the softmax and has no value; NULL: none
};

/* How scores come of logits: over all experts, each for itself, or over the chosen ones' logits only. */
enum gate { GATE_SOFTMAX = 1, GATE_SIGMOID = 2, GATE_SOFTMAX_CHOSEN = 3 }; // GGUF's numbers

struct routing {
    int n_experts, top_k;
    enum gate gate;
    int n_groups, groups_used; // experts lie in groups, of which the best are kept; 1: no groups (DeepSeek-V3, 2024, section 2.1.2)
    bool normalise;            // divide the chosen weights by their sum (clamped below at 6.1035e-5)
    float scale;               // after that; 1 for none
};

struct router {
    const struct weight *matrix;    // [n_experts][cols]
    const struct weight *bias;      // [n_experts], added to the logits; NULL: none
    const struct weight *selection; // [n_experts], added to the scores for the choice only; NULL: none
};

enum activation_function {
    ACT_SWIGLU,     // silu(gate) · up (Shazeer 2020)
    ACT_SWIGLU_OAI, // gpt-oss: g · sigmoid(1.702 g) · (u + 1), g = min(gate, 7), u = clamp(up, −7, 7)
};

/* [experts][n_ff][n_embd], …, [experts][n_embd][n_ff]; biases [experts][n_ff] and [experts][n_embd], NULL for none. */
struct experts {
    const struct weight *gate, *up, *down, *gate_bias, *up_bias, *down_bias;
    enum activation_function function;
    int top_k;
};

struct backend_ops {
    const char *name;

    void (*close)(struct backend *);

    /* What there will be, before anything is loaded: every weight that has a tensor, in the order of loading, then the cache and the number
     * of elements of all buffers. False, with the sum, where the backend has no room for it. NULL: memory is the machine's. */
    void (*plan_weight)(struct backend *, const struct weight *, enum weight_use);
    bool (*plan_end)(struct backend *, const struct kv_shape *, size_t buffer_elements, struct error *);

    /* Weights. Begin, then load for each in an order that depends on the model only, then end; unload for each that was loaded. Load packs
     * the tensor, or finds it packed, and sets w->packed. After load the backend no longer reads the file's bytes of a WEIGHT_MATRIX that
     * it packed, and says so with *file_bytes_unused. End is false where what was found packed is not this model after all: everything has
     * to be unloaded and loaded again, which then succeeds. */
    void (*weights_begin)(struct backend *, const struct weights_source *);
    bool (*weights_end)(struct backend *);
    bool (*weight_load)(struct backend *, struct weight *w, enum weight_use use, bool *file_bytes_unused, struct error *);
    void (*weight_unload)(struct backend *, struct weight *w);

    /* Buffers of `count` 4-byte elements. */
    struct buffer *(*buffer_new)(struct backend *, size_t count, struct error *);
    void (*buffer_free)(struct backend *, struct buffer *);
    void (*buffer_read)(struct backend *, const struct buffer *, size_t first, size_t count, void *out);

    /* The paged cache: [layer][page][kv_head][PAGE_TOKENS][dim] for K and for V. */
    bool (*kv_open)(struct backend *, const struct kv_shape *, struct error *);
    void (*kv_copy_page)(struct backend *, int from, int to); // in all layers, for copy on write

    /* x[n][cols] = rows of w */
    void (*embed)(struct backend *, struct buffer *x, const struct weight *w, const struct batch *);

    /* RMS norm over each of n × groups rows of `width`, `stride` apart: y = x / sqrt(mean(x²) + epsilon) · w[width] (Zhang and Sennrich
     * 2019). y may be x. */
    void (*norm)(struct backend *, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width,
                 int stride, float epsilon);

    /* ys[i][n][rows_i] = x[n][cols] · ws[i]ᵀ for each of `count` matrices with the same cols; accumulate: ys[0] += … (count is 1). */
    void (*project)(struct backend *, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x, int n,
                    bool accumulate);

    /* y[n][heads][…rows of y_stride] = x[n][heads][…cols of x_stride] · w[head]ᵀ, a matrix of its own for each head. */
    void (*project_heads)(struct backend *, struct buffer *y, int y_stride, const struct weight *w, const struct buffer *x, int x_stride,
                          int n);

    /* Elementwise, over rows: y[n][width] += w[width] · y += factor · x · x *= factor · x = 0 · gate = f(gate, up) · y *= sigmoid(w · h).
     */
    void (*add_bias)(struct backend *, struct buffer *y, const struct weight *w, int n);
    void (*add)(struct backend *, struct buffer *y, const struct buffer *x, int n, int width, float factor);
    void (*scale)(struct backend *, struct buffer *x, int n, int width, float factor);
    void (*clear)(struct backend *, struct buffer *x, int n, int width);
    void (*activate)(struct backend *, struct buffer *gate, const struct buffer *up, int n, int width, enum activation_function);
    void (*gate_rows)(struct backend *, struct buffer *y, const struct buffer *h, const struct weight *w, int n, int width);

    /* y[n][…y_stride] at y_first = x[n][…x_stride] at x_first, `width` values of each row. */
    void (*copy_columns)(struct backend *, struct buffer *y, int y_stride, int y_first, const struct buffer *x, int x_stride, int x_first,
                         int width, int n);

    /* Turns the heads of x[n][n_heads][head_dim], from value `first` of each, in place by the rows' positions (Su et al. 2021). */
    void (*rope)(struct backend *, struct buffer *x, int n_heads, int head_dim, int first, const struct rope *, const struct batch *);

    /* Writes k[n][n_kv_heads][k_dim] and v[n][n_kv_heads][v_dim] into the cache at the rows' positions; v is NULL where V is in K. */
    void (*kv_store)(struct backend *, int layer, const struct buffer *k, const struct buffer *v, const struct batch *);

    /* out[n][n_heads][v_dim] = softmax(scale · q·K) · V over positions ≤ the row's own, K and V from the cache. */
    void (*attend)(struct backend *, struct buffer *out, const struct buffer *q, int layer, const struct attention *, const struct batch *);

    /* ids[n][top_k] (int32) and weights[n][top_k] of h[n][cols]. Ties go to the lower id. Adds to the layer's load. */
    void (*route)(struct backend *, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct router *,
                  const struct routing *, int layer, int n);

    /* x[n][cols] += Σ_k weights · down_e( f(gate_e · h, up_e · h) ), e = ids[k]. Sums in the order of k. */
    void (*experts)(struct backend *, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                    const struct experts *, int n);

    /* y[m][width] = x[rows[i]][width] */
    void (*gather)(struct backend *, struct buffer *y, const struct buffer *x, const int32_t *rows, int m, int width);

    /* For m rows of logits[m][width]: the argmax (lowest id on a tie) and its logit; where targets[i] isn't −1, its logit and
     * log Σ exp(logit − greatest), so that log softmax is target_logit − greatest − log_sum. */
    void (*score)(struct backend *, const struct buffer *logits, int m, int width, const int32_t *targets, int32_t *argmax, float *greatest,
                  float *target_logit, double *log_sum);

    /* Waits for the step's operations; false when one of them failed, and of every step after that. NULL: none of this backend's can. */
    bool (*finish)(struct backend *, struct error *);

    /* Counts that only the backend knows: [n_layers][n_experts] routed tokens since the last reset, bytes and operations. */
    const uint64_t *(*expert_load)(struct backend *);
    void (*read_counts)(struct backend *, struct engine_counts *); // operations, weight_bytes, kv_bytes; a GPU's time
    void (*reset_counts)(struct backend *);

    void (*use_threads)(struct backend *, int threads); // 1 … as opened
    void (*each_thread)(struct backend *, void (*fn)(void *, int), void *context);
};

struct backend {
    const struct backend_ops *ops;
};

/* What a backend has to make room for. */
struct backend_limits {
    int n_layers, n_experts, max_rows; // n_experts 0: a dense model
    int max_width;                     // the widest activation row (n_embd, n_heads × head_dim, n_ff …)
    int max_columns;                   // rows in which a head is a row of its own (MLA): of one row of the step; 1 otherwise
    int n_embd, top_k, n_ff;           // of the experts
    int n_heads;
    int positions; // that a sequence may have
};

/* The CPU backend (engine/cpu/): scalar, AVX2, AVX-512. */
struct backend *cpu_backend_open(const struct engine_options *, const struct backend_limits *, struct error *) MUST_CHECK;
struct engine_facts cpu_backend_facts(const struct backend *); // backend, isa, threads, packing, kv_bytes

/* The GPU backend (engine/gpu/) by the driver that options.backend names. */
struct backend *gpu_backend_open(const struct engine_options *, const struct backend_limits *, struct error *) MUST_CHECK;
struct engine_facts gpu_backend_facts(const struct backend *);

#endif
