/* The losses of a step and their gradients: cross-entropy with the next token, and with a teacher the divergence from it. */
#ifndef JEOUL_TRAIN_LOSS_H
#define JEOUL_TRAIN_LOSS_H

#include "engine/train/pass.h"

enum { LOSS_ROWS = 128 };

struct loss {
    float *logits, *teacher_logits, *soft, *teacher_soft; // [LOSS_ROWS][n_vocab]; the latter three NULL without a teacher
    double *cross_entropies, *divergences;                // [max_rows]
    double cross_entropy, divergence;                     // out: means over the rows
};

struct loss_options {
    double temperature, mix; // as in train_settings
    bool gradients;          // into the pass's d_hidden and the head's gradient
};

bool loss_open(struct loss *loss, const struct pass *pass, bool teacher, struct error *err) MUST_CHECK;
void loss_close(struct loss *loss);

/* targets[rows]; teacher: a pass over the same rows behind its forward, or NULL. */
void loss_compute(struct loss *loss, struct pass *pass, struct pass *teacher, const int32_t *targets, const struct loss_options *options);

#endif
