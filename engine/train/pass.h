/* One pass over the rows of a step, forward and, where the network has gradients, backward: what every part of it shares.
 *
 * Rows are the tokens of whole sequences one behind the other. Forward keeps what backward needs; backward adds to the gradients, which the
 * optimiser clears. Work is cut by rows, by sequences and heads, or by experts, and sums over rows go by blocks of a fixed size: the number
 * of threads changes no bit. */
#ifndef JEOUL_TRAIN_PASS_H
#define JEOUL_TRAIN_PASS_H

#include "engine/cpu/kernels.h"
#include "engine/train/gemm.h"
#include "engine/train/network.h"

enum { BLOCK_ROWS = 64 };

/* What forward keeps of a layer. q is n_heads × head_dim, kv is n_kv_heads × head_dim; slots are the step's rows × top_k, sorted by expert.
 */
struct layer_pass {
    float *x;      // [rows][n_embd], what comes in
    float *h;      // [rows][n_embd], normalised
    float *qkv;    // [rows][q + 2 kv], as projected
    float *qk;     // [rows][q + kv], normalised and turned by their positions
    float *a;      // [rows][q], what is attended to
    float *middle; // [rows][n_embd], the stream behind attention
    float *h2;     // [rows][n_embd], normalised
    float *gate;   // dense: [rows][2 n_ff], gate and up of a row side by side; experts: [slots][n_ff]
    float *up;     // experts: [slots][n_ff]
    float *inner;  // [rows or slots][n_ff], silu(gate) · up
    /* experts */
    float *probabilities;    // [rows][n_experts]
    float *router_log_sum;   // [rows]
    float *weights;          // [rows][top_k]
    int32_t *ids;            // [rows][top_k]
    int32_t *slot_of;        // [rows][top_k]
    int32_t *choice_of;      // [slots]: row · top_k + k
    int32_t *first;          // [n_experts + 1], slots of each expert
    float *inputs, *outputs; // [slots][n_embd]
};

struct router_losses {
    double load_balance, router_z; // coefficients
};

struct pass {
    const struct network *net;
    const struct cpu_kernels *kernels;
    struct pool *pool;
    struct gemm *gemm;
    struct router_losses coefficients;
    int max_rows, max_sequence;
    /* the step's */
    const int32_t *tokens; // [rows]
    const int32_t *starts; // [n_sequences + 1], in rows
    int rows, n_sequences;
    struct arena arena;
    struct layer_pass *layers;
    float *last;                   // [rows][n_embd], the stream behind the last layer
    float *hidden;                 // [rows][n_embd], normalised: what the head is multiplied with
    float *cosines, *sines;        // [max_sequence][head_dim / 2]
    float *scores;                 // [threads][2 · max_sequence]
    double load_balance, router_z; // out of forward: means over layers
    /* backward's */
    float *d_hidden;                // [rows][n_embd]: in
    float *d_x, *d_h;               // [rows][n_embd]
    float *d_qkv, *d_qk, *d_a;      // as above
    float *d_inner, *d_gate, *d_up; // [rows or slots][n_ff]; dense: d_gate [rows][2 n_ff]
    float *d_slots;                 // [slots][n_embd]
    float *d_logits, *d_weights;    // [rows][n_experts], [rows][top_k]
    float *partial;                 // [blocks of rows][widest norm]: sums for the norms' weights
};

bool pass_open(struct pass *pass, const struct network *net, const struct cpu_kernels *kernels, struct pool *pool, struct gemm *gemm,
               int max_rows, int max_sequence, struct error *err) MUST_CHECK;
void pass_close(struct pass *pass);

/* Room that the products of a network need, in floats (gemm_open). */
void pass_gemm_room(const struct network *net, const struct cpu_training *kernels, int max_rows, size_t *together, size_t *alone);

void pass_forward(struct pass *pass);  // tokens and starts → hidden, and the router's losses
void pass_backward(struct pass *pass); // d_hidden → gradients

/* --- parts ----------------------------------------------------------------------------------------------------------------------------
 */

/* y[rows][n] (+)= x[rows][k] · w[n][k]ᵀ; its gradients d_x[rows][k] (+)= d_y · w, d_w += d_yᵀ · x. */
void project(struct pass *pass, float *y, int64_t y_stride, const float *x, int64_t x_stride, const float *w, int64_t n, int64_t k,
             bool add);
void project_back(struct pass *pass, float *d_x, float *d_w, const float *d_y, int64_t y_stride, const float *x, int64_t x_stride,
                  const float *w, int64_t n, int64_t k, bool add);

/* Rows of `groups` × width values, of those strides. */
struct norm_rows {
    int groups;
    int64_t width, x_stride, y_stride;
};
void norm_rows(struct pass *pass, float *y, const float *x, const struct weight *w, const struct norm_rows *shape);
/* d_x (strides of x) from d_y (strides of y), and w's gradient. */
void norm_rows_back(struct pass *pass, float *d_x, const float *x, const float *d_y, const struct weight *w, const struct norm_rows *shape,
                    bool add);

void attention_forward(struct pass *pass, const struct layer *l, struct layer_pass *s);
void attention_backward(struct pass *pass, const struct layer *l, struct layer_pass *s); // d_a → d_qkv

void experts_forward(struct pass *pass, const struct layer *l, struct layer_pass *s, float *x); // x += …
void experts_backward(struct pass *pass, const struct layer *l, struct layer_pass *s);          // d_x → d_h (of h2)

#endif
