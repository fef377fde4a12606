/* The figures of jeoul kl: what two models' distributions over the next token differ by, for each language. */
#ifndef JEOUL_KL_FIGURES_H
#define JEOUL_KL_FIGURES_H

#include "eval/eval.h"
#include "harness/kl_texts.h"

/* What the scored positions of a run came to, in their order. */
struct kl_scored {
    const struct kl_texts *texts;
    struct eval_divergence *rows; // [kl_texts_scored(texts)]
    size_t n;                     // so many are there
};

/* {"languages": [{"language", "sources", "tokens", "blocks", "kl_nats": {mean, stderr, ci95_low, ci95_high, median, p90, p99, p99_9, max},
 *   "top1_agreement": {value, same, ci95_low, ci95_high, blocks_ci95_low, blocks_ci95_high},
 *   "delta_ln_p": {mean, stderr, ci95_low, ci95_high}, "perplexity": {reference, model, ratio, ratio_ci95_low, ratio_ci95_high}}],
 *  "method": {…}}; what there is no number for is null, with its reason beside it. docs/accuracy.md defines them. NULL on failure. */
cJSON *kl_figures(const struct kl_scored *scored, struct error *err) MUST_CHECK;

/* A table with a column for each language. */
void kl_figures_print(const cJSON *figures);

#endif
