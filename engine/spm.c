/* SentencePiece-style encoding: see spm.h. The text's characters are joined to the piece with the best score first; what no piece has is
 * spelled in byte tokens. Spaces are kept as they are: the vocabulary has undone U+2581, and so is a U+2581 of the text, which
 * SentencePiece cannot tell from a space. */
#include "engine/spm.h"

#include "base/text.h"
#include "engine/tokenizer.h"

#include <string.h>

static const char space_mark[] = "\u2581";

static bool score_pair(const void *context, const struct symbol *left, const struct symbol *right, double *cost, int32_t *joined)
{
    const struct vocabulary *v = context;
    if ((uint64_t)left->n + right->n > v->longest) // keeps a look-up's cost off the length of the text
        return false;
    *joined = vocabulary_find(v, left->bytes, left->n + right->n, false);
    *cost = *joined >= 0 ? -(double)v->tokens[*joined].score : 0;
    return *joined >= 0;
}

static bool add_bytes(const struct vocabulary *v, int32_t unknown, const struct symbol *s, struct token_list *out, struct error *err)
{
    for (uint32_t i = 0; i < s->n; i++) {
        int32_t id = v->of_byte[(uint8_t)s->bytes[i]];
        if (id < 0 && unknown < 0)
            return error_set(err, ERROR_INPUT, "the vocabulary has neither a token for the byte 0x%02x nor one for what is unknown",
                             (uint8_t)s->bytes[i]);
        if (id < 0)
            return token_list_add(out, unknown, err); // one for the whole character
        if (!token_list_add(out, id, err))
            return false;
    }
    return true;
}

/* The text with a space for each mark, and one before it when a prefix is wanted. */
static bool spaced(const char *bytes, size_t n, bool prefix, struct text *out, struct error *err)
{
    const size_t n_mark = sizeof space_mark - 1;
    if (prefix)
        text_add(out, " ", 1);
    for (const char *end = bytes + n, *mark; bytes < end; bytes = mark) {
        mark = memmem(bytes, (size_t)(end - bytes), space_mark, n_mark);
        text_add(out, bytes, (size_t)((mark ? mark : end) - bytes));
        if (!mark)
            break;
        text_add(out, " ", 1);
        mark += n_mark;
    }
    return text_ok(out, err);
}

static bool encode(const struct vocabulary *v, int32_t unknown, const struct text *text, struct merging *m, struct token_list *out,
                   struct error *err)
{
    merging_begin(m);
    for (size_t at = 0, n; at < text->length; at += n) {
        uint32_t ignored;
        int length = utf8_decode(text->bytes + at, text->length - at, &ignored);
        n = length ? (size_t)length : 1; // a byte that is not UTF-8 stands alone
        if (!merging_add(m, text->bytes + at, n, NO_TOKEN, err))
            return false;
    }
    if (!merging_run(m, score_pair, v, err))
        return false;
    for (int32_t at = m->count ? 0 : -1; at >= 0; at = m->symbols[at].next) {
        const struct symbol *s = &m->symbols[at];
        int32_t id = s->id >= 0 ? s->id : vocabulary_find(v, s->bytes, s->n, false);
        if (id >= 0 ? !token_list_add(out, id, err) : !add_bytes(v, unknown, s, out, err))
            return false;
    }
    return true;
}

bool spm_encode(const struct vocabulary *v, int32_t unknown, const char *bytes, size_t n, bool prefix, struct merging *m,
                struct token_list *out, struct error *err)
{
    struct text text = {0};
    bool ok = spaced(bytes, n, prefix, &text, err) && encode(v, unknown, &text, m, out, err);
    text_free(&text);
    return ok;
}
