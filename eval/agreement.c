/* Two models' logits on the same tokens: how near they are. */
#include "eval/eval.h"

#include <math.h>

/* The logarithm of the sum of exponentials, and the place of the greatest. */
static double log_sum_exp(const float *x, size_t n, size_t *greatest)
{
    double sum = 0;
    *greatest = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[*greatest])
            *greatest = i;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)x[*greatest]);
    return (double)x[*greatest] + log(sum);
}

void eval_agreement_add(struct eval_agreement *a, const float *logits, const float *reference, size_t n)
{
    size_t best, wanted;
    double z = log_sum_exp(logits, n, &best), z_reference = log_sum_exp(reference, n, &wanted), kl = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)logits[i] - (double)reference[i], log_p = (double)reference[i] - z_reference;
        a->squared_error += difference * difference;
        a->squared_reference += (double)reference[i] * (double)reference[i];
        kl += exp(log_p) * (log_p - ((double)logits[i] - z));
    }
    a->kl += kl;
    a->positions++;
    a->same_best += best == wanted;
}

struct eval_agreement_figures eval_agreement_figures(const struct eval_agreement *a)
{
    double n = (double)a->positions;
    return (struct eval_agreement_figures){a->squared_error / a->squared_reference, a->kl / n, (double)a->same_best / n};
}
