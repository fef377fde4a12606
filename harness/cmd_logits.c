/* jeoul logits: the logits of every position of a list of tokens. */
#include "harness/verbs.h"

#include "base/file.h"
#include "harness/positions.h"

#include <stdio.h>

struct output {
    struct file_writer writer;
    size_t n_vocab;
};

static bool write_positions(void *context, size_t first, int n, const float *logits, struct error *err)
{
    struct output *output = context;
    (void)first;
    return fwrite(logits, sizeof *logits * output->n_vocab, (size_t)n, output->writer.stream) == (size_t)n ||
           error_set_errno(err, "%s cannot be written", output->writer.path);
}

static bool write_logits(struct opened *o, const struct token_list *list, int chunk, const char *path, struct error *err)
{
    struct output output = {.n_vocab = (size_t)o->info.n_vocab};
    if (!file_create(&output.writer, path, err))
        return false;
    if (positions_each(o->engine, list, chunk, write_positions, &output, err))
        return file_commit(&output.writer, err);
    file_abandon(&output.writer);
    return false;
}

static int run(struct cli *cli, struct error *err)
{
    const char *tokens, *path;
    struct token_list list = {0};
    struct opened o = {0};
    int64_t threads, chunk;
    if (cli_need(cli, "tokens", &tokens, err) && cli_need(cli, "output", &path, err) &&
        cli_number(cli, "threads", 1, 1024, 0, &threads, err) && cli_number(cli, "chunk", 1, 4096, 512, &chunk, err) &&
        positions_read(tokens, &list, err) && open_file(cli, &o, err) &&
        positions_open_engine(cli, &o, (int)threads, &list, (int)chunk, err))
        (void)(write_logits(&o, &list, (int)chunk, path, err) || error_prefix(err, "logits"));
    open_close(&o);
    token_list_free(&list);
    return 0;
}

const struct cli_verb verb_logits = {
    .name = "logits",
    .arguments = "",
    .summary = "Write the logits of every position of a list of tokens",
    .text = "The output is float32, [n_tokens][n_vocab], row-major, little-endian.",
    .example = "jeoul logits -m model.gguf --tokens tokens.txt --kv f32 -o logits.f32",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"tokens", 0, "FILE", "token ids, one a line (- for standard input)"},
                {"output", 'o', "FILE", "where to write"},
                {"chunk", 0, "N", "tokens in a step: 1 is token by token (512)"},
                OPEN_OPTION_THREADS,
                {"kv", 0, "TYPE", "K and V cache: f16, bf16 or f32 (f32 here)"},
                OPEN_OPTIONS_ENGINE},
};
