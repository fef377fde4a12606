/* Token lists, run position by position: see positions.h. */
#include "harness/positions.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>

bool positions_read(const char *path, struct token_list *list, struct error *err)
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

bool positions_open_engine(const struct cli *cli, struct opened *opened, int threads, const struct token_list *tokens, int chunk,
                           struct error *err)
{
    struct engine_options options = {.threads = threads, .kv = ENGINE_KV_F32, .kv_tokens = tokens->count, .max_rows = chunk};
    return open_engine(cli, opened, &options, err);
}

bool walk_open(struct walk *walk, struct engine *engine, int most, struct error *err)
{
    *walk = (struct walk){.engine = engine, .seq = -1, .most = most, .n_vocab = (size_t)engine_facts(engine).n_vocab};
    walk->rows = memory_array((size_t)most, sizeof *walk->rows, "rows", err);
    walk->logits = walk->rows ? memory_array((size_t)most * walk->n_vocab, sizeof *walk->logits, "logits", err) : NULL;
    return walk->logits != NULL;
}

bool walk_begin(struct walk *walk, struct error *err)
{
    if (walk->seq >= 0)
        engine_seq_free(walk->engine, walk->seq);
    walk->seq = engine_seq_new(walk->engine, err);
    return walk->seq >= 0;
}

bool walk_step(struct walk *walk, const int32_t *tokens, int n, int first, struct error *err)
{
    for (int i = 0; i < n; i++)
        walk->rows[i] = (struct engine_row){.seq = walk->seq,
                                            .token = tokens[i],
                                            .want = i < first ? ENGINE_WANT_NOTHING : ENGINE_WANT_LOGITS,
                                            .logits = walk->logits + (size_t)i * walk->n_vocab};
    return engine_step(walk->engine, walk->rows, n, err);
}

void walk_close(struct walk *walk)
{
    if (walk->engine && walk->seq >= 0)
        engine_seq_free(walk->engine, walk->seq);
    free(walk->rows);
    free(walk->logits);
    *walk = (struct walk){.seq = -1};
}

bool positions_each(struct engine *engine, const struct token_list *tokens, int chunk, positions_fn *fn, void *context, struct error *err)
{
    struct walk walk;
    bool ok = walk_open(&walk, engine, chunk, err) && walk_begin(&walk, err);
    for (size_t at = 0; ok && at < tokens->count; at += (size_t)chunk) {
        int n = tokens->count - at < (size_t)chunk ? (int)(tokens->count - at) : chunk;
        ok = walk_step(&walk, tokens->ids + at, n, 0, err) && fn(context, at, n, walk.logits, err);
    }
    walk_close(&walk);
    return ok;
}
