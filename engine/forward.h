/* The forward pass: one, for every architecture, over the operations of a backend. */
#ifndef JEOUL_ENGINE_FORWARD_H
#define JEOUL_ENGINE_FORWARD_H

#include "engine/model.h"

enum { LOGITS_CHUNK = 64 }; // rows whose logits are in memory at once

/* Run state: activations of the rows of one step. */
struct activations {
    struct buffer *x;                   // [max_rows][n_embd], the residual stream
    struct buffer *h;                   // [max_rows][n_embd], normalised
    struct buffer *b;                   // [max_rows][n_embd], a branch's output, where it isn't added to x at once
    struct buffer *q;                   // [max_rows][n_heads × head_dim]; with MLA [n_heads × (nope + rope)]
    struct buffer *k, *v;               // [max_rows][n_kv_heads × head_dim]; with MLA k is the latent row
    struct buffer *a;                   // [max_rows][n_heads × head_dim], attention's output; with MLA [n_heads × v]
    struct buffer *latent_q, *latent_a; // MLA: [max_rows][n_heads × (kv_lora + rope)], [max_rows][n_heads × kv_lora]
    struct buffer *compressed_q;        // MLA: [max_rows][q_lora]
    struct buffer *gate, *up;           // [max_rows][n_ff], of a dense block or the shared expert
    struct buffer *ids;                 // [max_rows][top_k], chosen experts
    struct buffer *weights;             // [max_rows][top_k]
    struct buffer *wanted;              // [LOGITS_CHUNK][n_embd]
    struct buffer *logits;              // [LOGITS_CHUNK][n_vocab]
};

struct forward {
    struct model *model;
    struct activations state;
    struct rope rope;
    uint64_t op_ns[ENGINE_OP_COUNT];
};

/* Elements of all buffers that forward_open asks the backend for; false when they overflow. */
bool forward_elements(const struct model_config *config, int max_rows, size_t *out, struct error *err) MUST_CHECK;
bool forward_open(struct forward *forward, struct model *model, int max_rows, struct error *err) MUST_CHECK;
void forward_close(struct forward *forward);

/* Computes the batch; the residual stream is then in state.x. */
void forward_rows(struct forward *forward, const struct batch *batch);

/* Logits of m ≤ LOGITS_CHUNK rows of the batch just computed, into state.logits. */
void forward_logits(struct forward *forward, const int32_t *rows, int m);

#endif
