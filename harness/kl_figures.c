/* The figures of jeoul kl: see kl_figures.h. */
#include "harness/kl_figures.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "reports/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char one_block[] = "fewer than two blocks: nothing tells how they scatter";

/* The columns of a language: its values and its blocks' totals. */
struct columns {
    size_t n, n_blocks, same;
    double *kl;                                  // [n]
    double *sizes, *kl_sums, *same_sums, *delta; // [n_blocks]
    double log_p, log_p_reference;
};

static void columns_free(struct columns *c)
{
    free(c->kl);
    free(c->sizes);
}

static bool gather(const struct kl_scored *scored, int language, struct columns *c, struct error *err)
{
    const struct kl_texts *texts = scored->texts;
    const struct eval_divergence *row = scored->rows;
    *c = (struct columns){0};
    c->kl = memory_array(texts->languages[language].scored, sizeof *c->kl, "figures", err);
    c->sizes = memory_array(4 * texts->n_blocks, sizeof *c->sizes, "figures", err);
    if (!c->kl || !c->sizes)
        return false;
    c->kl_sums = c->sizes + texts->n_blocks;
    c->same_sums = c->kl_sums + texts->n_blocks;
    c->delta = c->same_sums + texts->n_blocks;
    for (size_t b = 0; b < texts->n_blocks; b++) {
        int n = kl_block_scored(texts, &texts->blocks[b]);
        if (texts->blocks[b].language != language) {
            row += n;
            continue;
        }
        for (int i = 0; i < n; i++, row++) {
            c->kl[c->n++] = row->kl;
            c->kl_sums[c->n_blocks] += row->kl;
            c->same_sums[c->n_blocks] += row->same_best;
            c->delta[c->n_blocks] += row->log_p - row->log_p_reference;
            c->same += row->same_best;
            c->log_p += row->log_p;
            c->log_p_reference += row->log_p_reference;
        }
        c->sizes[c->n_blocks++] = n;
    }
    return true;
}

static cJSON *mean_json(const struct block_mean *mean)
{
    cJSON *object = cJSON_CreateObject();
    json_add_real(object, "mean", mean->value, "no tokens");
    json_add_real(object, "stderr", mean->stderr_, one_block);
    json_add_real(object, "ci95_low", mean->low, one_block);
    json_add_real(object, "ci95_high", mean->high, one_block);
    return object;
}

/* Nearest rank, of sorted values; a percentile that fewer than one value would lie beyond is none. */
static void add_percentile(cJSON *object, const char *key, const struct columns *c, double p)
{
    size_t rank = (size_t)ceil(p * (double)c->n - 1e-9);
    bool enough = (double)c->n * (1 - p) >= 1 - 1e-9;
    json_add_real(object, key, enough ? c->kl[rank ? rank - 1 : 0] : NAN, "too few tokens for this percentile");
}

static void add_kl(cJSON *row, struct columns *c, const struct block_mean *mean)
{
    cJSON *kl = mean_json(mean);
    statistics_sort(c->kl, c->n);
    add_percentile(kl, "median", c, 0.5);
    add_percentile(kl, "p90", c, 0.9);
    add_percentile(kl, "p99", c, 0.99);
    add_percentile(kl, "p99_9", c, 0.999);
    json_add_real(kl, "max", c->kl[c->n - 1], "no tokens");
    cJSON_AddItemToObject(row, "kl_nats", kl);
}

static void add_agreement(cJSON *row, const struct columns *c, const struct block_mean *mean)
{
    struct interval wilson = statistics_wilson(c->same, c->n);
    cJSON *agreement = cJSON_AddObjectToObject(row, "top1_agreement");
    cJSON_AddNumberToObject(agreement, "value", wilson.value);
    cJSON_AddNumberToObject(agreement, "same", (double)c->same);
    cJSON_AddNumberToObject(agreement, "ci95_low", wilson.low);
    cJSON_AddNumberToObject(agreement, "ci95_high", wilson.high);
    json_add_real(agreement, "blocks_ci95_low", mean->low, one_block);
    json_add_real(agreement, "blocks_ci95_high", mean->high, one_block);
}

/* exp(−Σ ln p ÷ n), and their ratio, whose interval is the one of Δ ln p. */
static void add_perplexity(cJSON *row, const struct columns *c, const struct block_mean *delta)
{
    double n = (double)c->n;
    cJSON *perplexity = cJSON_AddObjectToObject(row, "perplexity");
    json_add_real(perplexity, "reference", exp(-c->log_p_reference / n), "beyond all numbers");
    json_add_real(perplexity, "model", exp(-c->log_p / n), "beyond all numbers");
    json_add_real(perplexity, "ratio", exp(-delta->value), "beyond all numbers");
    json_add_real(perplexity, "ratio_ci95_low", exp(-delta->high), one_block);
    json_add_real(perplexity, "ratio_ci95_high", exp(-delta->low), one_block);
}

static bool add_language(cJSON *rows, const struct kl_scored *scored, int language, struct error *err)
{
    enum { SEED = 1 };
    struct columns c;
    struct block_mean kl, same, delta;
    bool ok = gather(scored, language, &c, err) && statistics_blocks(c.kl_sums, c.sizes, c.n_blocks, SEED, &kl, err) &&
              statistics_blocks(c.same_sums, c.sizes, c.n_blocks, SEED, &same, err) &&
              statistics_blocks(c.delta, c.sizes, c.n_blocks, SEED, &delta, err);
    if (ok) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "language", scored->texts->languages[language].name);
        cJSON_AddItemToObject(row, "sources", cJSON_Duplicate(scored->texts->languages[language].sources, true));
        cJSON_AddNumberToObject(row, "tokens", (double)c.n);
        cJSON_AddNumberToObject(row, "blocks", (double)c.n_blocks);
        add_kl(row, &c, &kl);
        add_agreement(row, &c, &same);
        cJSON_AddItemToObject(row, "delta_ln_p", mean_json(&delta));
        add_perplexity(row, &c, &delta);
        cJSON_AddItemToArray(rows, row);
    }
    columns_free(&c);
    return ok;
}

cJSON *kl_figures(const struct kl_scored *scored, struct error *err)
{
    cJSON *root = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(root, "languages");
    for (int l = 0; l < scored->texts->n_languages; l++)
        if (!add_language(rows, scored, l, err)) {
            cJSON_Delete(root);
            return NULL;
        }
    cJSON *method = cJSON_AddObjectToObject(root, "method");
    cJSON_AddNumberToObject(method, "window_tokens", scored->texts->window);
    cJSON_AddNumberToObject(method, "skipped_positions", scored->texts->skip);
    cJSON_AddStringToObject(method, "stderr", "ratio of block totals; a block is a window of tokens");
    cJSON_AddStringToObject(method, "interval", "95 % percentiles of a bootstrap over blocks");
    cJSON_AddNumberToObject(method, "resamples", STATISTICS_RESAMPLES);
    cJSON_AddStringToObject(method, "top1_interval", "wilson, as if tokens were independent; blocks_ci95: bootstrap over blocks");
    cJSON_AddStringToObject(method, "percentile", "nearest rank");
    return root;
}

/* --- for people ------------------------------------------------------------------------------------------------------------------------
 */

/* A column is so wide; a dash is one column of three bytes. */
static void cell(const char *text)
{
    enum { COLUMNS = 25 };
    int pad = COLUMNS - utf8_columns(text);
    printf("%*s%s", pad > 0 ? pad : 0, "", text);
}

static const char *digits(double value, int significant, char out[32])
{
    if (isfinite(value))
        snprintf(out, 32, "%.*g", significant, value);
    else
        snprintf(out, 32, "–");
    return out;
}

/* One line: for each language the number at object.key, or the two at key and second as an interval. */
static void line(const cJSON *figures, const char *label, const char *object, const char *key, const char *second, double factor,
                 int significant)
{
    const cJSON *row;
    printf("%-25s", label);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "languages")) {
        const cJSON *at = object ? cJSON_GetObjectItem(row, object) : row;
        char low[32], high[32], text[80];
        digits(factor * json_real(at, key), significant, low);
        bool interval = second && isfinite(json_real(at, key));
        if (interval)
            snprintf(text, sizeof text, "%s … %s", low, digits(factor * json_real(at, second), significant, high));
        cell(interval ? text : low);
    }
    puts("");
}

void kl_figures_print(const cJSON *figures)
{
    const cJSON *row;
    printf("%-25s", "");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "languages"))
        cell(json_text(row, "language"));
    printf("\n%-25s", "tokens (blocks)");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "languages")) {
        char text[64];
        snprintf(text, sizeof text, "%.0f (%.0f)", json_real(row, "tokens"), json_real(row, "blocks"));
        cell(text);
    }
    puts("");
    line(figures, "mean KL, nats", "kl_nats", "mean", NULL, 1, 3);
    line(figures, "  standard error", "kl_nats", "stderr", NULL, 1, 3);
    line(figures, "  95 %", "kl_nats", "ci95_low", "ci95_high", 1, 3);
    line(figures, "  median", "kl_nats", "median", NULL, 1, 3);
    line(figures, "  90th percentile", "kl_nats", "p90", NULL, 1, 3);
    line(figures, "  99th percentile", "kl_nats", "p99", NULL, 1, 3);
    line(figures, "  99.9th percentile", "kl_nats", "p99_9", NULL, 1, 3);
    line(figures, "  greatest", "kl_nats", "max", NULL, 1, 3);
    line(figures, "same best token, %", "top1_agreement", "value", NULL, 100, 4);
    line(figures, "  95 % (Wilson)", "top1_agreement", "ci95_low", "ci95_high", 100, 4);
    line(figures, "difference of ln p", "delta_ln_p", "mean", NULL, 1, 3);
    line(figures, "  95 %", "delta_ln_p", "ci95_low", "ci95_high", 1, 3);
    line(figures, "perplexity, reference", "perplexity", "reference", NULL, 1, 4);
    line(figures, "  model", "perplexity", "model", NULL, 1, 4);
    line(figures, "  ratio", "perplexity", "ratio", NULL, 1, 6);
    line(figures, "  95 %", "perplexity", "ratio_ci95_low", "ratio_ci95_high", 1, 6);
}
