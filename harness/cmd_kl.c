/* jeoul kl: what a model's distributions over the next token lose against a reference of the same vocabulary, on Korean and English text.
 *
 * Both are opened and walked along the same windows side by side, some tokens in a step, so that logits never pile up; or the reference
 * alone writes its logits to a file, and a model is compared with that. A row's logits depend on its own sequence only, so that the way
 * makes no difference to a bit. */
#include "harness/verbs.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "harness/kl_figures.h"
#include "harness/kl_file.h"
#include "harness/positions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One of the two models, opened. */
struct side {
    const char *path;
    struct opened o;
    struct walk walk;
    char vocabulary[HASH_HEX];
    cJSON *what; // what it is and how it runs
};

struct comparing {
    const struct cli *cli;
    struct side reference, model;
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

/* SHA-256 of every token's length and bytes: the same for files whose ids mean the same. */
static bool fingerprint_vocabulary(const struct tokenizer *tokenizer, int n_vocab, char hex[HASH_HEX], struct error *err)
{
    struct text text = {0};
    for (int id = 0; id < n_vocab; id++) {
        size_t n = 0;
        const char *bytes = token_bytes(tokenizer, id, &n);
        text_format(&text, "%zu:", n);
        text_add(&text, bytes ? bytes : "", bytes ? n : 0);
    }
    bool ok = text_ok(&text, err) && hash_bytes(text.bytes, text.length, hex, err);
    text_free(&text);
    return ok;
}

static bool open_side(struct side *side, struct error *err)
{
    return (side->o.file = model_file_open(side->path, err)) && model_file_info(side->o.file, &side->o.info, err) &&
           open_tokenizer(&side->o, err) && fingerprint_vocabulary(side->o.tokenizer, side->o.info.n_vocab, side->vocabulary, err);
}

static cJSON *describe(const struct side *side, const char *kv, bool exact, struct error *err)
{
    char fingerprint[65];
    const char *slash = strrchr(side->path, '/');
    if (!open_fingerprint(side->path, fingerprint, err))
        return NULL;
    cJSON *what = cJSON_CreateObject();
    cJSON_AddStringToObject(what, "name", side->o.info.name);
    cJSON_AddStringToObject(what, "file", slash ? slash + 1 : side->path);
    cJSON_AddStringToObject(what, "fingerprint", fingerprint);
    cJSON_AddStringToObject(what, "arch", side->o.info.arch);
    cJSON_AddStringToObject(what, "quantisation", side->o.info.quantisation);
    cJSON_AddBoolToObject(what, "random_weights", side->o.info.random_weights);
    cJSON_AddStringToObject(what, "isa", engine_facts(side->o.engine).isa);
    cJSON_AddStringToObject(what, "kv", kv);
    cJSON_AddBoolToObject(what, "exact", exact);
    return what;
}

static bool start_side(struct comparing *c, struct side *side, const char *kv, bool exact, struct error *err)
{
    struct engine_options options = {.threads = (int)c->threads,
                                     .kv_tokens = (size_t)c->texts.window + 64, // pages are of 64 tokens or fewer
                                     .max_rows = c->chunk,
                                     .exact = exact,
                                     .isa = cli_text(c->cli, "isa", NULL),
                                     .no_pack = cli_flag(c->cli, "no-pack"),
                                     .pack_cache = cli_text(c->cli, "pack-cache", NULL)};
    return open_kv_named(kv, &options.kv, err) && (side->o.engine = engine_open(side->o.file, &options, err)) &&
           walk_open(&side->walk, side->o.engine, c->chunk, err) && (side->what = describe(side, kv, exact, err));
}

static bool start_reference(struct comparing *c, struct error *err)
{
    return start_side(c, &c->reference, cli_text(c->cli, "reference-kv", "f32"), !cli_flag(c->cli, "reference-fast"), err) ||
           error_prefix(err, "%s", c->reference.path);
}

static bool start_model(struct comparing *c, struct error *err)
{
    return start_side(c, &c->model, cli_text(c->cli, "kv", "bf16"), cli_flag(c->cli, "exact"), err) ||
           error_prefix(err, "%s", c->model.path);
}

static void close_side(struct side *side)
{
    if (side->walk.engine)
        walk_close(&side->walk);
    cJSON_Delete(side->what);
    open_close(&side->o);
}

static bool same_vocabulary(const struct comparing *c, const char *reference, const char *vocabulary, size_t n_vocab, struct error *err)
{
    if ((size_t)c->model.o.info.n_vocab != n_vocab)
        return error_set(
            err, ERROR_INPUT,
            "%s has a vocabulary of %d tokens, the reference %s one of %zu: distributions over different tokens can't be compared; "
            "give two forms of one model",
            c->model.path, c->model.o.info.n_vocab, reference, n_vocab);
    if (strcmp(c->model.vocabulary, vocabulary) != 0)
        return error_set(
            err, ERROR_INPUT,
            "%s and the reference %s have vocabularies of %zu tokens that differ: the same id is another piece of text in each; "
            "give two forms of one model",
            c->model.path, reference, n_vocab);
    return true;
}

/* Steps of so many tokens that two models' logits of one take 64 MiB or so. */
static int chunk_of(size_t n_vocab)
{
    size_t rows = ((size_t)32 << 20) / (n_vocab * sizeof(float));
    return rows < 8 ? 8 : rows > 512 ? 512 : (int)rows;
}

static bool check_window(struct comparing *c, const struct side *side, struct error *err)
{
    return c->texts.window <= side->o.info.context_length ||
           error_set(err, ERROR_INPUT, "--window %d: %s takes %d tokens at most", c->texts.window, side->path, side->o.info.context_length);
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
    const float *reference = c->reference.walk.logits;
    if (c->reader.stream) {
        if (!kl_reader_rows(&c->reader, c->stored, n - first, err))
            return false;
        reference = c->stored - (size_t)first * c->reader.n_vocab;
    }
    for (int i = first; i < n; i++) {
        size_t at = (size_t)i * c->model.walk.n_vocab;
        struct eval_divergence *out = &c->scored.rows[c->scored.n++];
        *out = eval_divergence_of(c->model.walk.logits + at, reference + at, c->model.walk.n_vocab, (size_t)tokens[i + 1]);
        if (!isfinite(out->kl) || !isfinite(out->log_p) || !isfinite(out->log_p_reference))
            return error_set(err, ERROR_INPUT, "scored position %zu: logits that are no finite numbers, by %s", c->scored.n,
                             culprit(c, c->model.walk.logits + at));
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
    if (!check_window(c, &c->reference, err) || !read_texts(c, c->reference.o.tokenizer, err) || !start_reference(c, err) ||
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

static void print_side(const char *label, const cJSON *what)
{
    printf("%-10s %s %s, %s, K and V in %s%s%s\n", label, json_text(what, "name"), json_text(what, "quantisation"), json_text(what, "isa"),
           json_text(what, "kv"), cJSON_IsTrue(cJSON_GetObjectItem(what, "exact")) ? ", float activations" : "",
           cJSON_IsTrue(cJSON_GetObjectItem(what, "random_weights")) ? " (random weights)" : "");
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
        char *text = cJSON_Print(figures);
        if (text)
            puts(text);
        else
            ok = error_set(err, ERROR_MACHINE, "out of memory for the result");
        free(text);
    } else {
        print_side("Reference", reference);
        print_side("Model", c->model.what);
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
    return c->scored.rows && check_window(c, &c->model, err) && start_model(c, err) && walk_all(c, err) && report(c, err);
}

static bool compare_with_file(struct comparing *c, const char *path, struct error *err)
{
    if (!kl_reader_open(&c->reader, path, &c->texts, err) || !same_vocabulary(c, path, c->reader.vocabulary, c->reader.n_vocab, err))
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
    if (!same_vocabulary(c, c->reference.path, c->reference.vocabulary, n_vocab, err))
        return false;
    warn_of_memory(c);
    c->chunk = chunk_of(n_vocab);
    return check_window(c, &c->reference, err) && read_texts(c, c->reference.o.tokenizer, err) && start_reference(c, err) &&
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
    if ((c->reference.path && !open_side(&c->reference, err)) || (c->model.path && !open_side(&c->model, err)))
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
    close_side(&c.reference);
    close_side(&c.model);
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
                OPEN_OPTION_ISA,
                OPEN_OPTION_EXACT,
                OPEN_OPTION_NO_PACK,
                OPEN_OPTION_PACK_CACHE,
                {"json", 0, NULL, "the figures as JSON"}},
};
