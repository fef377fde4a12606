/* What is trained: a model's configuration and its weights as floats, in one array, and as many gradients.
 *
 * The list of weights is the engine's own (model_each_weight); each weight's `packed` is its values: [experts][rows][cols]. Neighbours in
 * that list are neighbours in memory (q, k, v; gate and up of a dense block), so that they can be multiplied as one matrix. */
#ifndef JEOUL_TRAIN_NETWORK_H
#define JEOUL_TRAIN_NETWORK_H

#include "engine/model.h"
#include "engine/train.h"

struct parameter {
    char name[64];
    enum weight_use use;
    int64_t cols, rows, experts;
    size_t first, count; // in values
};

struct network {
    struct model model; // configuration, layers; no file, no backend
    struct parameter *parameters;
    size_t n_parameters, capacity, placed;
    size_t n_values;
    float *values, *gradients; // gradients NULL: only for the forward pass
    bool tied;                 // the output is the token embedding
};

static inline float *values_of(const struct weight *w)
{
    return w->packed;
}

static inline float *gradients_of(const struct network *net, const struct weight *w)
{
    return net->gradients + ((const float *)w->packed - net->values);
}

/* The matrix that makes logits. */
static inline const struct weight *network_head(const struct network *net)
{
    return net->tied ? &net->model.token_embd : &net->model.output;
}

/* With random weights: a normal distribution with the shape's deviation, norms 1. */
bool network_new(struct network *net, const struct train_shape *shape, uint64_t seed, struct error *err) MUST_CHECK;
/* From a file, converted to floats, without gradients. Architectures that cannot be trained are ERROR_INPUT. */
bool network_read(struct network *net, struct model_file *file, struct error *err) MUST_CHECK;
void network_free(struct network *net);
struct train_size network_size(const struct network *net);

/* Writes the network in F32, with the vocabulary of another file. */
bool network_write(const struct network *net, const struct train_shape *shape, const struct model_file *vocabulary, const char *path,
                   struct error *err) MUST_CHECK;

#endif
