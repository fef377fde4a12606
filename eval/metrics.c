/* Metrics: see metrics.h. */
#include "eval/metrics.h"

#include "base/memory.h"
#include "base/python_random.h"
#include "base/text.h"
#include "eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct metric_choice metric_choose(const double *ll, const double *unconditional, const char *const *choices, int n)
{
    struct metric_choice won = {0, 0, 0, unconditional ? 0 : -1};
    int *const winners[] = {&won.plain, &won.norm, &won.bytes, &won.mutual_info};
    double best[4] = {0};
    for (int c = 0; c < n; c++) {
        size_t bytes = strlen(choices[c]);
        double scores[] = {ll[c], ll[c] / (double)utf8_length(choices[c], bytes), ll[c] / (double)bytes,
                           unconditional ? ll[c] - unconditional[c] : 0};
        for (int rule = 0; rule < (unconditional ? 4 : 3); rule++)
            if (c == 0 || scores[rule] > best[rule]) {
                best[rule] = scores[rule];
                *winners[rule] = c;
            }
    }
    return won;
}

double metric_true_mass(const double *ll, const int *labels, int n)
{
    double greatest = -INFINITY, all = 0, right = 0;
    for (int i = 0; i < n; i++)
        greatest = fmax(greatest, ll[i]);
    for (int i = 0; i < n; i++) {
        double p = exp(ll[i] - greatest);
        all += p;
        right += labels[i] ? p : 0;
    }
    return right / all;
}

bool metric_macro_f1(const int *gold, const int *predicted, size_t n, double *out, struct error *err)
{
    int classes = 0, seen = 0;
    for (size_t i = 0; i < n; i++) {
        classes = gold[i] >= classes ? gold[i] + 1 : classes;
        classes = predicted[i] >= classes ? predicted[i] + 1 : classes;
    }
    const int none = classes++; // what isn't a choice is a class too, as for the library that the harness asks
    size_t *counts = memory_array(3 * (size_t)classes, sizeof *counts, "classes", err); // right, gold, predicted
    if (!counts)
        return false;
    for (size_t i = 0; i < n; i++) {
        int right = gold[i] < 0 ? none : gold[i];
        counts[3 * right] += right == predicted[i];
        counts[3 * right + 1]++;
        counts[3 * predicted[i] + 2]++;
    }
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        size_t stands = counts[3 * c + 1] + counts[3 * c + 2];
        seen += stands > 0;
        sum += stands ? 2.0 * (double)counts[3 * c] / (double)stands : 0;
    }
    *out = sum / seen;
    free(counts);
    return true;
}

double metric_mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n ? sum / (double)n : NAN;
}

double metric_mean_stderr(const double *values, size_t n)
{
    double mean = metric_mean(values, n), squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return n < 2 ? NAN : sqrt(squares / (double)(n - 1)) / sqrt((double)n);
}

double metric_perplexity(const double *ll, size_t n)
{
    return exp(-metric_mean(ll, n));
}

double metric_per_unit(const double *ll, const double *units, size_t n)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        sum += ll[i];
        all += units[i];
    }
    return sum / all;
}

double eval_group(const double *scores, const double *sizes, size_t n, bool by_size)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        double weight = by_size ? sizes[i] : 1;
        sum += scores[i] * weight;
        all += weight;
    }
    return sum / all;
}

double eval_group_stderr(const double *stderrs, const double *sizes, size_t n)
{
    double squares = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        squares += (sizes[i] - 1) * stderrs[i] * stderrs[i] * sizes[i];
        all += sizes[i];
    }
    return sqrt(squares / (all - (double)n) / all);
}

bool metric_perplexity_stderr(const double *ll, size_t n, int iterations, double *out, struct error *err)
{
    int chunk = iterations < 1000 ? iterations : 1000, chunks = iterations / chunk, count = chunk * chunks;
    double *replicates = memory_array((size_t)count, sizeof *replicates, "bootstrap", err);
    if (!replicates)
        return false;
    for (int c = 0; c < chunks; c++) {
        struct python_random random;
        python_random_seed(&random, (uint64_t)c);
        for (int k = 0; k < chunk; k++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += ll[(size_t)(python_random_unit(&random) * (double)n)];
            replicates[c * chunk + k] = exp(-sum / (double)n);
        }
    }
    double mean = metric_mean(replicates, (size_t)count), squares = 0;
    for (int k = 0; k < count; k++)
        squares += (replicates[k] - mean) * (replicates[k] - mean);
    *out = n < 2 ? NAN : sqrt(squares / (count - 1));
    free(replicates);
    return true;
}
