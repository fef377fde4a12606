/* jeoul kl: what a model's distributions over the next token lose against a reference of the same vocabulary, on Korean and English text.
 *
 * Both are opened and walked along the same windows side by side, some tokens in a step, so that logits never pile up; or the reference
 * alone writes its logits to a file, and a model is compared with that. A row's logits depend on its own sequence only, so that the way
 * makes no difference to a bit. */
#include "harness/verbs.h"

#include "base/json.h"
#include "base/memory.h"
#include "harness/kl_figures.h"
#include "harness/kl_file.h"
#include "harness/kl_side.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct comparing {
    const struct cli *cli;
    struct kl_side reference, model;
    struct kl_texts texts;
    struct kl_scored scored;
    struct kl_reader reader;
    struct kl_writer writer;
    float *stored; // [chunk][n_vocab] of the file
    int chunk;     // tokens of a step
    int64_t threads;
};

/* --- opening ---------------------------------------------------------------------------------------------------------------------------
 */

static struct engine_options room(const struct comparing *c)
{
    return (struct engine_options){.threads = (int)c->threads,
                                   .kv_tokens = (size_t)c->texts.window + 64, // pages are of 64 tokens or fewer
                                   .max_rows = c->chunk};
}

/* On the CPU, in float, unless it is told otherwise: what the model is compared with. */
static bool start_reference(struct comparing *c, struct error *err)
{
    struct engine_options options = room(c);
    options.exact = !cli_flag(c->cli, "reference-fast");
    options.isa = cli_text(c->cli, "isa", NULL);
    options.no_pack = cli_flag(c->cli, "no-pack");
    options.pack_cache = cli_text(c->cli, "pack-cache", NULL);
    return open_kv_named(cli_text(c->cli, "reference-kv", "f32"), &options.kv, err) && kl_side_start(&c->reference, &options, err);
}

/* As it would be used. */
static bool start_model(struct comparing *c, struct error *err)
{
    struct engine_options options = room(c);
    options.kv = ENGINE_KV_BF16;
    return open_options(c->cli, &options, err) && kl_side_start(&c->model, &options, err);
}

/* Steps of so many tokens that two models' logits of one take 64 MiB or so. */
static int chunk_of(size_t n_vocab)
{
    size_t rows = ((size_t)32 << 20) / (n_vocab * sizeof(float));
    return rows < 8 ? 8 : rows > 512 ? 512 : (int)rows;
}

/* --- walking ---------------------------------------------------------------------------------------------------------------------------
 */

/* Whose logits they are that make no figure. */
static const char *culprit(const struct comparing *c, const float *logits)
{
    for (size_t i = 0; i < c->model.walk.n_vocab; i++)
        if (!isfinite(logits[i]))
            return c->model.path;
    return "the reference";
}

/* The logits of n positions of a block from `at` on, of which those before `first` aren't wanted. */
static bool compare_rows(struct comparing *c, const int32_t *tokens, int n, int first, struct error *err)
{
    size_t n_vocab = c->model.walk.n_vocab, before = (size_t)first * n_vocab;
    const float *model = c->model.walk.logits + before, *reference = c->stored;
    if (!c->reader.stream)
        reference = c->reference.walk.logits + before;
    else if (!kl_reader_rows(&c->reader, c->stored, n - first, err))
        return false;
    for (int i = first; i < n; i++, model += n_vocab, reference += n_vocab) {
        struct eval_divergence *out = &c->scored.rows[c->scored.n++];
        *out = eval_divergence_of(model, reference, n_vocab, (size_t)tokens[i + 1]);
        if (!isfinite(out->kl) || !isfinite(out->log_p) || !isfinite(out->log_p_reference))
            return error_set(err, ERROR_INPUT, "scored position %zu: logits that are no finite numbers, by %s", c->scored.n,
                             culprit(c, model));
    }
    return true;
}

static bool take_rows(struct comparing *c, const int32_t *tokens, int n, int first, struct error *err)
{
    if (c->reference.o.engine && !walk_step(&c->reference.walk, tokens, n, first, err))
        return false;
    if (c->model.o.engine && !walk_step(&c->model.walk, tokens, n, first, err))
        return false;
    if (first >= n)
        return true;
    if (!c->model.o.engine)
        return kl_writer_rows(&c->writer, c->reference.walk.logits + (size_t)first * c->reference.walk.n_vocab, n - first, err);
    return compare_rows(c, tokens, n, first, err);
}

static bool walk_block(struct comparing *c, const struct kl_block *block, struct error *err)
{
    const int32_t *tokens = c->texts.tokens.ids + block->first;
    if ((c->reference.o.engine && !walk_begin(&c->reference.walk, err)) || (c->model.o.engine && !walk_begin(&c->model.walk, err)))
        return false;
    for (int at = 0; at < block->n - 1; at += c->chunk) { // nothing follows the last token
        int n = block->n - 1 - at < c->chunk ? block->n - 1 - at : c->chunk, first = c->texts.skip - at;
        if (!take_rows(c, tokens + at, n, first < 0 ? 0 : first > n ? n : first, err))
            return false;
    }
    return true;
}

static bool walk_all(struct comparing *c, struct error *err)
{
    struct progress progress = progress_begin("kl");
    bool ok = true;
    for (size_t b = 0; ok && b < c->texts.n_blocks; b++) {
        ok = walk_block(c, &c->texts.blocks[b], err);
        progress_show(&progress, (double)(b + 1), (double)c->texts.n_blocks);
    }
    progress_end(&progress);
    return ok;
}

/* --- the three ways --------------------------------------------------------------------------------------------------------------------
 */

static bool read_texts(struct comparing *c, const struct tokenizer *tokenizer, struct error *err)
{
    const char *data = cli_text(c->cli, "data", NULL);
    if (data && c->cli->n_arguments)
        return error_set(err, ERROR_INPUT, "--data and files of text: give one of them");
    if (!c->cli->n_arguments)
        return kl_texts_add_own(&c->texts, tokenizer, data, err);
    for (int i = 0; i < c->cli->n_arguments; i++)
        if (!kl_texts_add_file(&c->texts, tokenizer, c->cli->arguments[i], err))
            return false;
    return true;
}

static bool save(struct comparing *c, const char *path, struct error *err)
{
    size_t n_vocab = (size_t)c->reference.o.info.n_vocab;
    c->chunk = chunk_of(n_vocab);
    if (!kl_side_takes(&c->reference, c->texts.window, err) || !read_texts(c, c->reference.o.tokenizer, err) || !start_reference(c, err) ||
        !kl_writer_begin(&c->writer, path, &c->texts, c->reference.what, c->reference.vocabulary, n_vocab, err))
        return false;
    if (!walk_all(c, err)) {
        kl_writer_abandon(&c->writer);
        return false;
    }
    if (!kl_writer_end(&c->writer, err))
        return false;
    printf("%s: the logits of %zu positions, %s\n", path, c->writer.rows,
           bytes_for_people((double)c->writer.rows * (double)(n_vocab * sizeof(float) + sizeof(uint64_t))));
    return true;
}

static bool report(struct comparing *c, struct error *err)
{
    const cJSON *reference = c->reader.stream ? c->reader.reference : c->reference.what;
    cJSON *figures = kl_figures(&c->scored, err);
    bool ok = true;
    if (!figures)
        return false;
    if (cli_flag(c->cli, "json")) {
        cJSON_AddItemToObject(figures, "reference", cJSON_Duplicate(reference, true));
        cJSON_AddItemToObject(figures, "model", cJSON_Duplicate(c->model.what, true));
        ok = cli_print_json(figures, err);
    } else {
        kl_side_print("Reference", reference);
        kl_side_print("Model", c->model.what);
        printf("%-10s windows of %d tokens", "Texts", c->texts.window);
        if (c->texts.skip)
            printf(", the first %d positions of each left out", c->texts.skip);
        puts("\n");
        kl_figures_print(figures);
    }
    cJSON_Delete(figures);
    return ok;
}

static bool compare(struct comparing *c, struct error *err)
{
    size_t n = kl_texts_scored(&c->texts);
    c->scored.texts = &c->texts;
    c->scored.rows = memory_array(n, sizeof *c->scored.rows, "positions", err);
    return c->scored.rows && kl_side_takes(&c->model, c->texts.window, err) && start_model(c, err) && walk_all(c, err) && report(c, err);
}

static bool compare_with_file(struct comparing *c, const char *path, struct error *err)
{
    if (!kl_reader_open(&c->reader, path, &c->texts, err) ||
        !kl_side_compatible(&c->model, path, c->reader.vocabulary, c->reader.n_vocab, err))
        return false;
    c->chunk = chunk_of(c->reader.n_vocab);
    c->stored = memory_array((size_t)c->chunk * c->reader.n_vocab, sizeof *c->stored, "logits", err);
    return c->stored && compare(c, err);
}

/* Two models that don't fit beside each other run, but from the disk. */
static void warn_of_memory(const struct comparing *c)
{
    double both = (double)c->reference.o.info.file_bytes + (double)c->model.o.info.file_bytes,
           memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (both > 0.9 * memory)
        fprintf(stderr, "jeoul: both models are %s, the memory is %s: --save and --against take one after the other\n",
                bytes_for_people(both), bytes_for_people(memory));
}

static bool compare_both(struct comparing *c, struct error *err)
{
    size_t n_vocab = (size_t)c->reference.o.info.n_vocab;
    if (!kl_side_compatible(&c->model, c->reference.path, c->reference.vocabulary, n_vocab, err))
        return false;
    warn_of_memory(c);
    c->chunk = chunk_of(n_vocab);
    return kl_side_takes(&c->reference, c->texts.window, err) && read_texts(c, c->reference.o.tokenizer, err) && start_reference(c, err) &&
           compare(c, err);
}

/* --- the verb --------------------------------------------------------------------------------------------------------------------------
 */

/* Which of the options go together. */
static bool check_options(const struct cli *cli, struct error *err)
{
    static const char *const of_the_reference[] = {"data", "window", "skip", "limit", "reference-kv", "reference-fast"};
    const char *reference = cli_text(cli, "reference", NULL), *against = cli_text(cli, "against", NULL),
               *model = cli_text(cli, "model", NULL), *out = cli_text(cli, "save", NULL);
    if (!reference == !against)
        return error_set(err, ERROR_INPUT, "a reference is needed: --reference MODEL, or --against FILE that --save wrote");
    if (!model == !out || (out && against))
        return error_set(err, ERROR_INPUT, "give --model to compare, or --reference and --save to keep the reference's logits");
    if (!against)
        return true;
    for (size_t i = 0; i < sizeof of_the_reference / sizeof *of_the_reference; i++)
        if (cli_text(cli, of_the_reference[i], NULL))
            return error_set(err, ERROR_INPUT, "--%s goes with --save: a file keeps the texts and the reference that it was made with",
                             of_the_reference[i]);
    return !cli->n_arguments || error_set(err, ERROR_INPUT, "texts go with --save: a file keeps those that it was made with");
}

static bool run_comparison(struct comparing *c, struct error *err)
{
    const char *against = cli_text(c->cli, "against", NULL), *out = cli_text(c->cli, "save", NULL);
    if ((c->reference.path && !kl_side_open(&c->reference, err)) || (c->model.path && !kl_side_open(&c->model, err)))
        return false;
    return out ? save(c, out, err) : against ? compare_with_file(c, against, err) : compare_both(c, err);
}

static int run(struct cli *cli, struct error *err)
{
    struct comparing c = {.cli = cli, .reference.path = cli_text(cli, "reference", NULL), .model.path = cli_text(cli, "model", NULL)};
    int64_t window, skip, limit;
    if (check_options(cli, err) && cli_number(cli, "window", 2, 1 << 20, 512, &window, err) &&
        cli_number(cli, "skip", 0, window - 2, 0, &skip, err) && cli_number(cli, "limit", 0, 1 << 30, 0, &limit, err) &&
        cli_number(cli, "threads", 1, 1024, 0, &c.threads, err)) {
        c.texts = (struct kl_texts){.window = (int)window, .skip = (int)skip, .limit = (size_t)limit};
        (void)(run_comparison(&c, err) || error_prefix(err, "kl"));
    }
    kl_side_close(&c.reference);
    kl_side_close(&c.model);
    kl_reader_close(&c.reader);
    kl_texts_free(&c.texts);
    free(c.scored.rows);
    free(c.stored);
    return 0;
}

const struct cli_verb verb_kl = {
    .name = "kl",
    .arguments = "[LANGUAGE=FILE …]",
    .most = CLI_MAX_ARGUMENTS,
    .summary = "Compare a model's next-token distributions with a reference's",
    .text = "KL divergence, top-1 agreement and perplexity ratio by language, on texts of our own or\n"
            "files of yours. The reference runs in float with K and V in F32. Where memory doesn't\n"
            "hold both: first -r with --save, then -m with --against.",
    .example = "jeoul kl -r model-bf16.gguf -m model-q4_k_m.gguf ko=news.txt en=book.txt",
    .run = run,
    .options = {{"reference", 'r', "FILE", "GGUF file of the reference"},
                OPEN_OPTION_MODEL,
                {"save", 0, "FILE", "keep the reference's logits (float32) there"},
                {"against", 0, "FILE", "compare with logits that --save kept"},
                {"data", 0, "DIR", "English text: WikiText-2 of a directory of sets"},
                {"window", 0, "N", "tokens of a sequence (512)"},
                {"skip", 0, "N", "positions left out at its beginning (0)"},
                {"limit", 0, "N", "tokens of each language (0: all)"},
                {"reference-kv", 0, "T", "the reference's K and V: f16, bf16 or f32 (f32)"},
                {"reference-fast", 0, NULL, "the reference with rounded activations too"},
                OPEN_OPTION_THREADS,
                OPEN_OPTION_KV,
                OPEN_OPTIONS_ENGINE,
                {"json", 0, NULL, "the figures as JSON"}},
    .brief = " threads kv backend device experts-cpu isa exact no-pack pack-cache ",
};
