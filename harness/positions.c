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

bool positions_each(struct engine *engine, const struct token_list *tokens, int chunk, positions_fn *fn, void *context, struct error *err)
{
    size_t n_vocab = (size_t)engine_facts(engine).n_vocab;
    struct engine_row *rows = memory_array((size_t)chunk, sizeof *rows, "rows", err);
    float *logits = rows ? memory_array((size_t)chunk * n_vocab, sizeof *logits, "logits", err) : NULL;
    int seq = logits ? engine_seq_new(engine, err) : -1;
    bool ok = seq >= 0;
    for (size_t at = 0; ok && at < tokens->count; at += (size_t)chunk) {
        int n = tokens->count - at < (size_t)chunk ? (int)(tokens->count - at) : chunk;
        for (int i = 0; i < n; i++)
            rows[i] = (struct engine_row){
                .seq = seq, .token = tokens->ids[at + (size_t)i], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)i * n_vocab};
        ok = engine_step(engine, rows, n, err) && fn(context, at, n, logits, err);
    }
    free(rows);
    free(logits);
    return ok;
}
