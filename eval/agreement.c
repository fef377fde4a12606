/* Two models' logits on the same tokens: how near they are. */
#include "eval/eval.h"

#include <math.h>

static size_t greatest_of(const float *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[at])
            at = i;
    return at;
}

/* With p = e^r ÷ Z_r and q = e^l ÷ Z_l, Σ p ln(p ÷ q) = Σ p (r − l) − (ln Z_r − ln Z_l): one exponential less a token. Logits are taken
 * from their greatest, so that nothing overflows; rounding may leave a hair below 0, which no divergence is. */
struct eval_divergence eval_divergence_of(const float *logits, const float *reference, size_t n, size_t token)
{
    size_t best = greatest_of(logits, n), wanted = greatest_of(reference, n);
    double top = (double)logits[best], top_reference = (double)reference[wanted], sum = 0, sum_reference = 0, weighted = 0;
    for (size_t i = 0; i < n; i++) {
        double l = (double)logits[i] - top, r = (double)reference[i] - top_reference, e = exp(r);
        sum += exp(l);
        sum_reference += e;
        weighted += e * (r - l);
    }
    double kl = weighted / sum_reference - (log(sum_reference) - log(sum));
    return (struct eval_divergence){.kl = kl < 0 ? 0 : kl,
                                    .same_best = best == wanted,
                                    .log_p = (double)logits[token] - top - log(sum),
                                    .log_p_reference = (double)reference[token] - top_reference - log(sum_reference)};
}

void eval_agreement_add(struct eval_agreement *a, const float *logits, const float *reference, size_t n)
{
    struct eval_divergence d = eval_divergence_of(logits, reference, n, 0);
    for (size_t i = 0; i < n; i++) {
        double difference = (double)logits[i] - (double)reference[i];
        a->squared_error += difference * difference;
        a->squared_reference += (double)reference[i] * (double)reference[i];
    }
    a->kl += d.kl;
    a->positions++;
    a->same_best += d.same_best;
}

struct eval_agreement_figures eval_agreement_figures(const struct eval_agreement *a)
{
    double n = (double)a->positions;
    return (struct eval_agreement_figures){a->squared_error / a->squared_reference, a->kl / n, (double)a->same_best / n};
}
