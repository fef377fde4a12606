/* The tokenizer's door: opens the kind that a GGUF names, cuts a text by special tokens (the leftmost, then the longest one) and hands what
 * lies between to byte-level BPE (bpe.c) or SentencePiece (spm.c). */
#include "engine/tokenizer.h"

#include "engine/bpe.h"
#include "engine/gguf.h"
#include "engine/spm.h"
#include "engine/vocabulary.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct tokenizer {
    struct vocabulary v;
    struct bpe *bpe;   // NULL: SentencePiece
    int32_t unknown;   // of SentencePiece
    bool space_prefix; // of SentencePiece: a text, and what follows a special token, begins as if a space stood before it
    bool eats_spaces;  // special tokens take the white space behind them away (Phi-3)
    struct arena arena;
    struct tokenizer_info info;
};

struct opening {
    struct tokenizer *t;
    const struct model_file *file;
    struct error *err;
};

/* --- opening
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* Leaves *out alone when the file doesn't name the token. */
static bool read_id(const struct opening *o, const char *key, int32_t *out)
{
    uint32_t id = UINT32_MAX;
    if (!gguf_u32(o->file, key, &id, o->err))
        return false;
    if (id != UINT32_MAX && id >= (uint32_t)o->t->v.count)
        return error_set(o->err, ERROR_INPUT, "%s: %s is %" PRIu32 ", the vocabulary has 0 … %d", gguf_path(o->file), key, id,
                         o->t->v.count - 1);
    if (id != UINT32_MAX)
        *out = (int32_t)id;
    return true;
}

/* A short string of the metadata with a NUL behind it. */
static bool read_name(const struct opening *o, const char *key, const char *fallback, const char **out)
{
    struct gguf_string text = {fallback, strlen(fallback)};
    if (!gguf_text(o->file, key, &text, o->err))
        return false;
    if (text.n > 64)
        return error_set(o->err, ERROR_INPUT, "%s: %s is longer than 64 bytes", gguf_path(o->file), key);
    *out = arena_copy(&o->t->arena, text.bytes, text.n, o->err);
    return *out != NULL;
}

static bool read_flag(const struct opening *o, const char *key, const char *id_key, int32_t id, bool *out)
{
    if (!gguf_bool(o->file, key, out, o->err))
        return false;
    if (*out && id < 0 && gguf_find(o->file, key))
        return error_set(o->err, ERROR_INPUT, "%s: %s is true, and no %s is there", gguf_path(o->file), key, id_key);
    return true;
}

/* GGUF doesn't say that a model's special tokens strip; Phi-3 is known by its name. */
static bool names_phi3(const struct model_file *file, bool *out, struct error *err)
{
    struct gguf_string name = {"", 0};
    if (!gguf_text(file, "general.name", &name, err))
        return false;
    for (uint64_t at = 0; at + 4 <= name.n; at++)
        *out |= strncasecmp(name.bytes + at, "phi3", 4) == 0 || (at + 5 <= name.n && strncasecmp(name.bytes + at, "phi-3", 5) == 0);
    return true;
}

static bool open_all(struct opening *o)
{
    struct tokenizer *t = o->t;
    struct tokenizer_info *info = &t->info;
    const struct model_file *file = o->file;
    if (!read_name(o, "tokenizer.ggml.model", "", &info->model) || !read_name(o, "tokenizer.ggml.pre", "default", &info->pre))
        return false;
    bool sentencepiece = strcmp(info->model, "llama") == 0;
    if (!sentencepiece && strcmp(info->model, "gpt2") != 0)
        return error_set(o->err, ERROR_INPUT,
                         "%s: the tokenizer model \"%s\" is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece)",
                         gguf_path(file), info->model);
    if (!vocabulary_read(&t->v, file, sentencepiece ? SPELLING_SENTENCEPIECE : SPELLING_BYTE_LEVEL, o->err))
        return false;
    info->n_vocab = t->v.count;
    info->bos = info->eos = info->eot = t->unknown = NO_TOKEN;
    if (sentencepiece) { // what such files leave out
        t->unknown = 0;
        info->bos = t->v.count > 1 ? 1 : NO_TOKEN;
        info->eos = t->v.count > 2 ? 2 : NO_TOKEN;
        t->space_prefix = info->adds_bos = true;
    } else if (!(t->bpe = bpe_open(&t->v, file, info->pre, o->err))) {
        return false;
    } else {
        info->adds_bos = bpe_adds_bos(t->bpe);
    }
    return read_id(o, "tokenizer.ggml.bos_token_id", &info->bos) && read_id(o, "tokenizer.ggml.eos_token_id", &info->eos) &&
           read_id(o, "tokenizer.ggml.eot_token_id", &info->eot) && read_id(o, "tokenizer.ggml.unknown_token_id", &t->unknown) &&
           read_flag(o, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", info->bos, &info->adds_bos) &&
           read_flag(o, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", info->eos, &info->adds_eos) &&
           gguf_bool(file, "tokenizer.ggml.add_space_prefix", &t->space_prefix, o->err) && names_phi3(file, &t->eats_spaces, o->err);
}

struct tokenizer *tokenizer_open(struct model_file *file, struct error *err)
{
    struct tokenizer *t = memory_array(1, sizeof *t, "tokenizer", err);
    if (!t)
        return NULL;
    struct opening opening = {.t = t, .file = file, .err = err};
    if (!open_all(&opening)) {
        tokenizer_close(t);
        return NULL;
    }
    return t;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    bpe_close(t->bpe);
    vocabulary_free(&t->v);
    arena_free(&t->arena);
    free(t);
}

bool token_is_control(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->v.count && t->v.tokens[id].type == TOKEN_CONTROL;
}

struct tokenizer_info tokenizer_info(const struct tokenizer *t)
{
    return t->info;
}

const char *token_bytes(const struct tokenizer *t, int32_t id, size_t *n)
{
    if (id < 0 || id >= t->v.count)
        return NULL;
    *n = t->v.tokens[id].n;
    return t->v.tokens[id].bytes;
}

/* --- encoding
 * ------------------------------------------------------------------------------------------------------------------------------ */

bool token_list_add(struct token_list *list, int32_t id, struct error *err)
{
    if (!memory_grow((void **)&list->ids, &list->capacity, list->count + 1, sizeof *list->ids, "tokens", err))
        return false;
    list->ids[list->count++] = id;
    return true;
}

void token_list_free(struct token_list *list)
{
    free(list->ids);
    *list = (struct token_list){0};
}

static bool encode(const struct tokenizer *t, const char *bytes, size_t n, struct merging *m, struct token_list *out, struct error *err)
{
    if (!n)
        return true;
    return t->bpe ? bpe_encode(t->bpe, bytes, n, m, out, err) : spm_encode(&t->v, t->unknown, bytes, n, t->space_prefix, m, out, err);
}

/* How many bytes at the text's beginning the special token before it takes away. */
static size_t eaten(const struct tokenizer *t, int32_t special, const char *bytes, size_t n)
{
    static const char *const modest[] = {"<unk>", "<s>", "<|endoftext|>"};
    const struct token *token = &t->v.tokens[special];
    size_t count = 0;
    if (!t->eats_spaces)
        return 0;
    for (size_t i = 0; i < sizeof modest / sizeof *modest; i++)
        if (token->n == strlen(modest[i]) && memcmp(token->bytes, modest[i], token->n) == 0)
            return 0;
    while (count < n && isspace((uint8_t)bytes[count]))
        count++;
    return count;
}

bool tokenize(const struct tokenizer *t, const char *bytes, size_t n, int flags, struct token_list *out, struct error *err)
{
    struct merging m = {0};
    bool control = flags & TOKENIZE_SPECIAL, ok = true, bos = (flags & TOKENIZE_BOS) && t->info.adds_bos && t->info.bos >= 0,
         eos = (flags & TOKENIZE_BOS) && t->info.adds_eos && t->info.eos >= 0;
    if (bos)
        ok = token_list_add(out, t->info.bos, err);
    size_t begin = 0;
    for (size_t at = 0; ok && at < n;) {
        int32_t special = vocabulary_special_at(&t->v, bytes + at, n - at, control);
        if (special < 0) {
            at++;
            continue;
        }
        ok = encode(t, bytes + begin, at - begin, &m, out, err) && token_list_add(out, special, err);
        at += t->v.tokens[special].n;
        begin = at += eaten(t, special, bytes + at, n - at);
    }
    ok = ok && encode(t, bytes + begin, n - begin, &m, out, err);
    if (ok && eos)
        ok = token_list_add(out, t->info.eos, err);
    merging_free(&m);
    return ok;
}
