/* jeoul logits: the logits of every position of a list of tokens. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>

static bool read_ids(const char *path, struct token_list *list, struct error *err)
{
    struct text text = {0};
    if (!file_read(path, 64 << 20, &text, err))
        return false;
    int line = 1;
    bool ok = true;
    for (char *at = text.bytes; ok; line++) {
        while (*at == ' ' || *at == '\t' || *at == '\r')
            at++;
        if (*at == '\0')
            break;
        if (*at == '\n') {
            at++;
            continue;
        }
        char *end;
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX || (*end && *end != '\n' && *end != ' ' && *end != '\r'))
            ok = error_set(err, ERROR_INPUT, "%s: line %d: not a token id", path, line);
        else if ((ok = memory_grow((void **)&list->ids, &list->capacity, list->count + 1, sizeof *list->ids, "tokens", err)))
            list->ids[list->count++] = (int32_t)id;
        at = *end == '\n' ? end + 1 : end;
        line -= *end != '\n';
    }
    if (ok && !list->count)
        ok = error_set(err, ERROR_INPUT, "%s: no token ids in it", path);
    text_free(&text);
    return ok;
}

static bool write_logits(struct opened *o, const struct token_list *list, int chunk, const char *path, struct error *err)
{
    size_t n_vocab = (size_t)o->info.n_vocab;
    struct file_writer writer;
    struct engine_row *rows = memory_array((size_t)chunk, sizeof *rows, "rows", err);
    float *logits = memory_array((size_t)chunk * n_vocab, sizeof *logits, "logits", err);
    int seq = rows && logits ? engine_seq_new(o->engine, err) : -1;
    bool ok = seq >= 0 && file_create(&writer, path, err);
    if (ok) {
        for (size_t at = 0; ok && at < list->count; at += (size_t)chunk) {
            int n = list->count - at < (size_t)chunk ? (int)(list->count - at) : chunk;
            for (int i = 0; i < n; i++)
                rows[i] = (struct engine_row){
                    .seq = seq, .token = list->ids[at + (size_t)i], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)i * n_vocab};
            ok = engine_step(o->engine, rows, n, err);
            if (ok)
                fwrite(logits, sizeof *logits * n_vocab, (size_t)n, writer.stream);
        }
        if (ok)
            ok = file_commit(&writer, err);
        else
            file_abandon(&writer);
    }
    free(rows);
    free(logits);
    return ok;
}

static int run(struct cli *cli, struct error *err)
{
    const char *tokens, *path;
    struct token_list list = {0};
    struct opened o = {0};
    int64_t threads, chunk;
    if (cli_need(cli, "tokens", &tokens, err) && cli_need(cli, "output", &path, err) &&
        cli_number(cli, "threads", 1, 1024, 0, &threads, err) && cli_number(cli, "chunk", 1, 4096, 512, &chunk, err) &&
        read_ids(tokens, &list, err) && open_file(cli, &o, err) && open_engine(cli, &o, (int)threads, list.count, (int)chunk, err))
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
                OPEN_OPTION_ISA,
                OPEN_OPTION_EXACT},
};
