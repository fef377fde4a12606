/* Metrics, exactly those of lm-evaluation-harness, and their standard errors. Pure functions. Private to eval. */
#ifndef JEOUL_EVAL_METRICS_H
#define JEOUL_EVAL_METRICS_H

#include "base/error.h"

#include <stddef.h>

/* Which choice wins: by the log-likelihood, by it per Unicode character and per UTF-8 byte of the choice's text (without the delimiter),
 * and by how much the context raises it over the choice alone. The first maximum wins. */
struct metric_choice {
    int plain, norm, bytes, mutual_info; // mutual_info −1 without unconditional log-likelihoods
};
struct metric_choice metric_choose(const double *log_likelihood, const double *unconditional, const char *const *choices, int n);

/* The share of all n answers' probability that the true ones have, those with a label that isn't 0 (TruthfulQA's MC2). */
double metric_true_mass(const double *log_likelihood, const int *labels, int n);

/* Mean of the F1 scores of all classes that stand in gold or predicted; 0 for a class without true positives. */
bool metric_macro_f1(const int *gold, const int *predicted, size_t n, double *out, struct error *err) MUST_CHECK;

double metric_mean(const double *values, size_t n);        // NaN when n = 0
double metric_mean_stderr(const double *values, size_t n); // sample standard deviation ÷ √n; NaN when n < 2

/* exp(−mean) of log-likelihoods, and the standard deviation of `iterations` bootstrap replicates of it: chunks of 1,000 (or fewer), chunk c
 * drawn by Python's Random(c).choices. lm-evaluation-harness takes 100,000. NaN when n < 2. */
double metric_perplexity(const double *log_likelihood, size_t n);
bool metric_perplexity_stderr(const double *log_likelihood, size_t n, int iterations, double *out, struct error *err) MUST_CHECK;

/* Σ log-likelihood ÷ Σ units (words or bytes): exp of its negative is the perplexity by word or byte, the negative ÷ ln 2 bits. */
double metric_per_unit(const double *log_likelihood, const double *units, size_t n);

#endif
