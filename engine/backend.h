/* The operations that a forward pass is written over, and what implements them: one table for each backend (cpu; opencl, cuda, hip).
 *
 * forward.c knows this header only. Buffers are the backend's own; weights were given to the backend once, at load, and packed as it likes.
 * n is the number of rows (tokens) in the step throughout; a row's result must not depend on the other rows or on the number of threads.
 * All matrices are row-major. Operations cannot fail: what they need was allocated at open. */
#ifndef JEOUL_ENGINE_BACKEND_H
#define JEOUL_ENGINE_BACKEND_H

#include "engine/engine.h"
#include "engine/tensor.h"

struct backend; // each backend defines its own, with `const struct backend_ops *ops` as its first member
struct buffer;  // memory of the backend: floats or integers

enum weight_use {
    WEIGHT_MATRIX, // multiplied: packed for the kernels
    WEIGHT_LOOKUP, // rows are looked up (token embedding): may stay in the file
    WEIGHT_VECTOR, // a norm's or bias's values: kept as float
};

/* A weight as a backend holds it. [experts][rows][cols]; experts is 1 for a plain matrix, rows is 1 for a vector. */
struct weight {
    const struct tensor *tensor; // NULL: this model has none, and the weight is not used
    int64_t cols, rows, experts;
    void *packed; // the backend's
};

/* Which rows a step computes. */
struct batch {
    int n;
    const int32_t *tokens;       // [n]
    const int32_t *positions;    // [n], in the row's own sequence
    const int32_t *const *pages; // [n]: page numbers of the row's sequence, PAGE_TOKENS tokens each; covers its position
};

enum { PAGE_TOKENS = 64, MAX_HEAD_DIM = 1024, MAX_HEAD_GROUP = 64 };

struct kv_shape {
    enum engine_kv type;
    int n_layers, n_kv_heads, k_dim, v_dim; // dims per head
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
    int window; // 0: all; W: position p sees those with p - q < W
};

enum gate { GATE_SOFTMAX, GATE_SIGMOID };

struct routing {
    int n_experts, top_k;
    enum gate gate;
    bool normalise; // divide the chosen weights by their sum (clamped below at 6.1035e-5)
    float scale;    // after that; 1 for none
};

struct backend_ops {
    const char *name;

    void (*close)(struct backend *);

    /* Weights. Load packs the tensor and sets w->packed; unload frees it. After load the backend no longer reads the file's bytes of a
     * WEIGHT_MATRIX that it packed, and says so with *file_bytes_unused. */
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

    /* RMS norm over each of n × groups rows of `width`: y = x / sqrt(mean(x²) + epsilon) · w[width] (Zhang and Sennrich 2019). y may be x.
     */
    void (*norm)(struct backend *, struct buffer *y, const struct buffer *x, const struct weight *w, int n, int groups, int width,
                 float epsilon);

    /* ys[i][n][rows_i] = x[n][cols] · ws[i]ᵀ for each of `count` matrices with the same cols; accumulate: ys[0] += … (count is 1). */
    void (*project)(struct backend *, struct buffer *const ys[], const struct weight *const ws[], int count, const struct buffer *x, int n,
                    bool accumulate);

    /* Turns the heads of x[n][n_heads][head_dim] in place by the rows' positions (Su et al. 2021). */
    void (*rope)(struct backend *, struct buffer *x, int n_heads, int head_dim, const struct rope *, const struct batch *);

    /* Writes k[n][n_kv_heads][k_dim] and v[n][n_kv_heads][v_dim] into the cache at the rows' positions. */
    void (*kv_store)(struct backend *, int layer, const struct buffer *k, const struct buffer *v, const struct batch *);

    /* out[n][n_heads][v_dim] = softmax(scale · q·K) · V over positions ≤ the row's own, K and V from the cache. */
    void (*attend)(struct backend *, struct buffer *out, const struct buffer *q, int layer, const struct attention *, const struct batch *);

    /* ids[n][top_k] (int32) and weights[n][top_k] from logits = h[n][cols] · routerᵀ. Ties go to the lower id. Adds to the layer's load. */
    void (*route)(struct backend *, struct buffer *ids, struct buffer *weights, const struct buffer *h, const struct weight *router,
                  const struct routing *, int layer, int n);

    /* x[n][cols] += Σ_k weights · down_e( silu(gate_e · h) ⊙ (up_e · h) ), e = ids[k]. Sums in the order of k. */
    void (*experts)(struct backend *, struct buffer *x, const struct buffer *h, const struct buffer *ids, const struct buffer *weights,
                    const struct weight *gate, const struct weight *up, const struct weight *down, int top_k, int n);

    /* y[m][width] = x[rows[i]][width] */
    void (*gather)(struct backend *, struct buffer *y, const struct buffer *x, const int32_t *rows, int m, int width);

    /* For m rows of logits[m][width]: log softmax of targets[i] (skipped when −1), the argmax (lowest id on a tie). */
    void (*score)(struct backend *, const struct buffer *logits, int m, int width, const int32_t *targets, float *log_probability,
                  int32_t *argmax, float *greatest, float *target_logit);

    /* Counts that only the backend knows: [n_layers][n_experts] routed tokens since the last reset, bytes and operations. */
    const uint64_t *(*expert_load)(struct backend *);
    void (*read_counts)(struct backend *, struct engine_counts *); // operations, weight_bytes, kv_bytes
    void (*reset_counts)(struct backend *);

    void (*use_threads)(struct backend *, int threads); // 1 … as opened
    void (*each_thread)(struct backend *, void (*fn)(void *, int), void *context);
};

struct backend {
    const struct backend_ops *ops;
};

/* What a backend has to make room for. */
struct backend_limits {
    int n_layers, n_experts, max_rows;
    int max_width;   // the widest activation row (n_embd, n_heads × head_dim, n_ff …)
    int top_k, n_ff; // of the experts
};

/* The CPU backend (engine/cpu/): scalar, AVX2, AVX-512. */
struct backend *cpu_backend_open(const struct engine_options *, const struct backend_limits *, struct error *) MUST_CHECK;
struct engine_facts cpu_backend_facts(const struct backend *); // backend, isa, threads, packed_bytes, kv_bytes

#endif
