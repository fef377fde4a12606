/* Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019) from a GGUF's own vocabulary.
 *
 * Tokens are stored as bytes (the file's printable stand-ins for bytes are undone at open). A text is cut by special tokens, then by the
 * pre-tokenizer; the bytes of a piece are joined pair by pair in the order of merge ranks with a heap: n log n in the piece's length,
 * whatever the text. Merges are looked up by the pair of token ids. */
#include "base/memory.h"
#include "base/text.h"
#include "engine/gguf.h"
#include "engine/pretokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5, TOKEN_BYTE = 6 };

enum { MAX_VOCABULARY = 1 << 24, NO_TOKEN = -1 };

struct token {
    const char *bytes;
    uint32_t n;
    uint8_t type;
};

struct merge {
    int32_t left, right, joined, rank;
};

struct tokenizer {
    struct arena arena;
    struct token *tokens;
    int n_vocab;
    int32_t *token_slots; // hash of bytes → id + 1
    size_t n_token_slots;
    struct merge *merges; // hash of (left, right); rank 0: an empty slot
    size_t n_merge_slots;
    int32_t byte_tokens[256]; // NO_TOKEN: the vocabulary lacks that byte
    int32_t *specials;        // control and user-defined tokens, longest first
    size_t n_specials;
    uint8_t special_first[256]; // whether some special token begins with the byte
    struct pretokenizer *pre;
    struct tokenizer_info info;
};

static uint64_t hash_bytes_of(const char *bytes, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static int32_t find_token(const struct tokenizer *t, const char *bytes, size_t n)
{
    size_t mask = t->n_token_slots - 1;
    for (size_t slot = hash_bytes_of(bytes, n) & mask; t->token_slots[slot]; slot = (slot + 1) & mask) {
        const struct token *token = &t->tokens[t->token_slots[slot] - 1];
        if (token->n == n && memcmp(token->bytes, bytes, n) == 0)
            return t->token_slots[slot] - 1;
    }
    return NO_TOKEN;
}

static size_t merge_slot(const struct tokenizer *t, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (key ^ key >> 32) & (t->n_merge_slots - 1);
}

static const struct merge *find_merge(const struct tokenizer *t, int32_t left, int32_t right)
{
    if (!t->n_merge_slots)
        return NULL;
    for (size_t slot = merge_slot(t, left, right); t->merges[slot].rank; slot = (slot + 1) & (t->n_merge_slots - 1))
        if (t->merges[slot].left == left && t->merges[slot].right == right)
            return &t->merges[slot];
    return NULL;
}

/* --- opening
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* The byte that a code point of the byte-level alphabet stands for: printable Latin-1 for itself, the 68 others by U+0100 … in order. */
static int byte_of_code_point(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142)
        return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

/* Undoes the stand-ins; false when a character isn't one. */
static bool to_bytes(struct gguf_string text, char *out, size_t *n)
{
    *n = 0;
    for (uint64_t at = 0; at < text.n;) {
        uint32_t c;
        int length = utf8_decode(text.bytes + at, text.n - at, &c), byte = length ? byte_of_code_point(c) : -1;
        if (byte < 0)
            return false;
        out[(*n)++] = (char)byte;
        at += (uint64_t)length;
    }
    return true;
}

struct opening {
    struct tokenizer *t;
    const struct model_file *file;
    struct error *err;
    struct text scratch;
};

static bool refuse(const struct opening *o, const char *what, int64_t index)
{
    return error_set(o->err, ERROR_INPUT, "%s: the vocabulary is damaged: %s (entry %" PRId64 ")", gguf_path(o->file), what, index);
}

static bool read_tokens(struct opening *o)
{
    struct tokenizer *t = o->t;
    const struct gguf_value *tokens = gguf_array(o->file, "tokenizer.ggml.tokens", GGUF_STRING, o->err), *types = NULL;
    if (!tokens)
        return false;
    if (tokens->count == 0 || tokens->count > MAX_VOCABULARY)
        return error_set(o->err, ERROR_INPUT, "%s: a vocabulary of %" PRIu64 " tokens: 1 … %d are allowed", gguf_path(o->file),
                         tokens->count, MAX_VOCABULARY);
    if (gguf_find(o->file, "tokenizer.ggml.token_type")) {
        types = gguf_array(o->file, "tokenizer.ggml.token_type", GGUF_I32, o->err);
        if (!types)
            return false;
        if (types->count != tokens->count)
            return error_set(o->err, ERROR_INPUT, "%s: %" PRIu64 " token types for %" PRIu64 " tokens", gguf_path(o->file), types->count,
                             tokens->count);
    }
    t->n_vocab = (int)tokens->count;
    for (t->n_token_slots = 512; t->n_token_slots < 2 * tokens->count;)
        t->n_token_slots *= 2;
    t->tokens = memory_array(tokens->count, sizeof *t->tokens, "vocabulary", o->err);
    t->token_slots = memory_array(t->n_token_slots, sizeof *t->token_slots, "vocabulary", o->err);
    t->specials = memory_array(tokens->count, sizeof *t->specials, "vocabulary", o->err);
    if (!t->tokens || !t->token_slots || !t->specials)
        return false;
    uint64_t cursor = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        struct gguf_string text = gguf_next_string(tokens, &cursor);
        struct token *token = &t->tokens[id];
        int32_t type = types ? gguf_i32_at(types, (uint64_t)id) : TOKEN_NORMAL;
        if (type < 0 || type > TOKEN_BYTE)
            return refuse(o, "an unknown token type", id);
        token->type = (uint8_t)type;
        if (text.n > 1 << 16)
            return refuse(o, "a token of more than 65,536 bytes", id);
        char *bytes = arena_alloc(&t->arena, text.n + 1, 1, o->err);
        if (!bytes)
            return false;
        size_t n = text.n;
        bool plain = type == TOKEN_CONTROL || type == TOKEN_USER; // their text is meant as it is
        if (plain || !to_bytes(text, bytes, &n)) {
            memcpy(bytes, text.bytes, text.n);
            n = text.n;
        }
        token->bytes = bytes;
        token->n = (uint32_t)n;
        if (plain && n)
            t->specials[t->n_specials++] = id;
        size_t mask = t->n_token_slots - 1, slot = hash_bytes_of(bytes, n) & mask;
        while (t->token_slots[slot]) {
            const struct token *other = &t->tokens[t->token_slots[slot] - 1];
            if (other->n == n && memcmp(other->bytes, bytes, n) == 0 && other->type == token->type && type == TOKEN_NORMAL)
                return refuse(o, "a token that stands twice", id);
            slot = (slot + 1) & mask;
        }
        t->token_slots[slot] = id + 1;
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        t->byte_tokens[byte] = find_token(t, &c, 1);
    }
    return true;
}

static bool read_merges(struct opening *o)
{
    struct tokenizer *t = o->t;
    const struct gguf_value *merges = gguf_array(o->file, "tokenizer.ggml.merges", GGUF_STRING, o->err);
    if (!merges)
        return false;
    if (merges->count > MAX_VOCABULARY)
        return refuse(o, "more than 2^24 merges", (int64_t)merges->count);
    for (t->n_merge_slots = 512; t->n_merge_slots < 2 * merges->count;)
        t->n_merge_slots *= 2;
    if (!(t->merges = memory_array(t->n_merge_slots, sizeof *t->merges, "merges", o->err)))
        return false;
    uint64_t cursor = 0;
    for (uint64_t i = 0; i < merges->count; i++) {
        struct gguf_string text = gguf_next_string(merges, &cursor);
        const char *space = text.n > 1 ? memchr(text.bytes + 1, ' ', text.n - 1) : NULL; // stand-ins never are a space
        if (!space || text.n > 1 << 17)
            return refuse(o, "a merge that is not two tokens", (int64_t)i);
        struct gguf_string left = {text.bytes, (uint64_t)(space - text.bytes)}, right = {space + 1, text.n - left.n - 1};
        text_clear(&o->scratch);
        text_add(&o->scratch, text.bytes, text.n); // room for both
        if (!text_ok(&o->scratch, o->err))
            return false;
        char *bytes = o->scratch.bytes;
        size_t n_left, n_right;
        if (!to_bytes(left, bytes, &n_left) || !to_bytes(right, bytes + n_left, &n_right))
            return refuse(o, "a merge with a character outside the byte alphabet", (int64_t)i);
        struct merge merge = {find_token(t, bytes, n_left), find_token(t, bytes + n_left, n_right), find_token(t, bytes, n_left + n_right),
                              (int32_t)i + 1};
        if (merge.left < 0 || merge.right < 0 || merge.joined < 0)
            return refuse(o, "a merge that names no token", (int64_t)i);
        if (find_merge(t, merge.left, merge.right))
            continue; // the first one counts
        size_t slot = merge_slot(t, merge.left, merge.right);
        while (t->merges[slot].rank)
            slot = (slot + 1) & (t->n_merge_slots - 1);
        t->merges[slot] = merge;
    }
    return true;
}

static bool read_id(const struct opening *o, const char *key, int32_t *out)
{
    uint32_t id = UINT32_MAX;
    if (!gguf_u32(o->file, key, &id, o->err))
        return false;
    if (id != UINT32_MAX && id >= (uint32_t)o->t->n_vocab)
        return error_set(o->err, ERROR_INPUT, "%s: %s is %" PRIu32 ", the vocabulary has 0 … %d", gguf_path(o->file), key, id,
                         o->t->n_vocab - 1);
    *out = id == UINT32_MAX ? NO_TOKEN : (int32_t)id;
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

static int longest_first(const void *a, const void *b, void *context)
{
    const struct tokenizer *t = context;
    uint32_t x = t->tokens[*(const int32_t *)a].n, y = t->tokens[*(const int32_t *)b].n;
    return x > y ? -1 : x < y;
}

static bool open_all(struct opening *o)
{
    struct tokenizer *t = o->t;
    struct tokenizer_info *info = &t->info;
    if (!read_name(o, "tokenizer.ggml.model", "", &info->model) || !read_name(o, "tokenizer.ggml.pre", "default", &info->pre))
        return false;
    if (strcmp(info->model, "gpt2") != 0)
        return error_set(o->err, ERROR_INPUT, "%s: the tokenizer model \"%s\" is not supported; supported is: gpt2 (byte-level BPE)",
                         gguf_path(o->file), info->model);
    if (!(t->pre = pretokenizer_open(info->pre, o->err)))
        return error_prefix(o->err, "%s", gguf_path(o->file));
    if (!read_tokens(o) || !read_merges(o) || !read_id(o, "tokenizer.ggml.bos_token_id", &info->bos) ||
        !read_id(o, "tokenizer.ggml.eos_token_id", &info->eos) || !read_id(o, "tokenizer.ggml.eot_token_id", &info->eot))
        return false;
    info->n_vocab = t->n_vocab;
    info->adds_bos = pretokenizer_adds_bos(t->pre);
    if (!gguf_bool(o->file, "tokenizer.ggml.add_bos_token", &info->adds_bos, o->err) ||
        !gguf_bool(o->file, "tokenizer.ggml.add_eos_token", &info->adds_eos, o->err))
        return false;
    qsort_r(t->specials, t->n_specials, sizeof *t->specials, longest_first, t);
    for (size_t i = 0; i < t->n_specials; i++)
        t->special_first[(uint8_t)t->tokens[t->specials[i]].bytes[0]] = 1;
    return true;
}

struct tokenizer *tokenizer_open(struct model_file *file, struct error *err)
{
    struct tokenizer *t = memory_array(1, sizeof *t, "tokenizer", err);
    if (!t)
        return NULL;
    struct opening opening = {.t = t, .file = file, .err = err};
    bool ok = open_all(&opening);
    text_free(&opening.scratch);
    if (!ok) {
        tokenizer_close(t);
        return NULL;
    }
    return t;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    pretokenizer_close(t->pre);
    free(t->tokens);
    free(t->token_slots);
    free(t->specials);
    free(t->merges);
    arena_free(&t->arena);
    free(t);
}

struct tokenizer_info tokenizer_info(const struct tokenizer *t)
{
    return t->info;
}

const char *token_bytes(const struct tokenizer *t, int32_t id, size_t *n)
{
    if (id < 0 || id >= t->n_vocab)
        return NULL;
    *n = t->tokens[id].n;
    return t->tokens[id].bytes;
}

void token_list_free(struct token_list *list)
{
    free(list->ids);
    *list = (struct token_list){0};
}

/* --- encoding
 * ------------------------------------------------------------------------------------------------------------------------------ */

static bool push(struct token_list *out, int32_t id, struct error *err)
{
    if (!memory_grow((void **)&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, "tokens", err))
        return false;
    out->ids[out->count++] = id;
    return true;
}

/* A symbol of a piece under way: a token, in a doubly linked list. */
struct symbol {
    int32_t id, previous, next; // −1: none; id −1: joined into its left neighbour
};

/* A pair that might be merged. Stale ones (a symbol has changed since) are passed over. */
struct candidate {
    int32_t rank, at, left, right, joined;
};

struct encoding {
    const struct tokenizer *t;
    struct token_list *out;
    struct symbol *symbols;
    size_t symbol_capacity;
    struct candidate *heap;
    size_t heap_count, heap_capacity;
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static bool heap_push(struct encoding *e, struct candidate candidate, struct error *err)
{
    if (!memory_grow((void **)&e->heap, &e->heap_capacity, e->heap_count + 1, sizeof *e->heap, "tokens", err))
        return false;
    size_t at = e->heap_count++;
    for (; at && before(&candidate, &e->heap[(at - 1) / 2]); at = (at - 1) / 2)
        e->heap[at] = e->heap[(at - 1) / 2];
    e->heap[at] = candidate;
    return true;
}

static struct candidate heap_pop(struct encoding *e)
{
    struct candidate top = e->heap[0], last = e->heap[--e->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= e->heap_count)
            break;
        if (child + 1 < e->heap_count && before(&e->heap[child + 1], &e->heap[child]))
            child++;
        if (!before(&e->heap[child], &last))
            break;
        e->heap[at] = e->heap[child];
        at = child;
    }
    e->heap[at] = last;
    return top;
}

static bool consider(struct encoding *e, int32_t at, struct error *err)
{
    int32_t next = at >= 0 ? e->symbols[at].next : -1;
    if (next < 0)
        return true;
    const struct merge *merge = find_merge(e->t, e->symbols[at].id, e->symbols[next].id);
    return !merge || heap_push(e, (struct candidate){merge->rank, at, merge->left, merge->right, merge->joined}, err);
}

static bool encode_piece(void *context, const char *bytes, size_t n, struct error *err)
{
    struct encoding *e = context;
    const struct tokenizer *t = e->t;
    if (n > INT32_MAX)
        return error_set(err, ERROR_INPUT, "a piece of %zu bytes is too long to tokenize", n);
    int32_t whole = n == 1 || pretokenizer_ignores_merges(t->pre) ? find_token(t, bytes, n) : NO_TOKEN;
    if (whole >= 0)
        return push(e->out, whole, err);
    if (!memory_grow((void **)&e->symbols, &e->symbol_capacity, n, sizeof *e->symbols, "tokens", err))
        return false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_tokens[(uint8_t)bytes[i]];
        if (id < 0)
            return error_set(err, ERROR_INPUT, "the vocabulary has no token for the byte 0x%02x: the text cannot be encoded",
                             (uint8_t)bytes[i]);
        e->symbols[i] = (struct symbol){id, (int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : -1};
    }
    e->heap_count = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (!consider(e, (int32_t)i, err))
            return false;
    while (e->heap_count) {
        struct candidate c = heap_pop(e);
        struct symbol *left = &e->symbols[c.at];
        if (left->id != c.left || left->next < 0 || e->symbols[left->next].id != c.right)
            continue;
        struct symbol *right = &e->symbols[left->next];
        left->id = c.joined;
        left->next = right->next;
        right->id = NO_TOKEN;
        if (left->next >= 0)
            e->symbols[left->next].previous = c.at;
        if (!consider(e, left->previous, err) || !consider(e, c.at, err))
            return false;
    }
    for (int32_t at = 0; at >= 0; at = e->symbols[at].next)
        if (!push(e->out, e->symbols[at].id, err))
            return false;
    return true;
}

/* The special token that begins at bytes, the longest one; NO_TOKEN when there is none. */
static int32_t special_at(const struct tokenizer *t, const char *bytes, size_t n, bool control)
{
    if (!t->special_first[(uint8_t)bytes[0]])
        return NO_TOKEN;
    for (size_t i = 0; i < t->n_specials; i++) {
        const struct token *token = &t->tokens[t->specials[i]];
        if (token->n <= n && (control || token->type == TOKEN_USER) && memcmp(token->bytes, bytes, token->n) == 0)
            return t->specials[i];
    }
    return NO_TOKEN;
}

bool tokenize(const struct tokenizer *t, const char *bytes, size_t n, int flags, struct token_list *out, struct error *err)
{
    struct encoding e = {.t = t, .out = out};
    bool ok = true, bos = (flags & TOKENIZE_BOS) && t->info.adds_bos && t->info.bos >= 0,
         eos = (flags & TOKENIZE_BOS) && t->info.adds_eos && t->info.eos >= 0;
    if (bos)
        ok = push(out, t->info.bos, err);
    size_t begin = 0;
    for (size_t at = 0; ok && at <= n;) {
        int32_t special = at < n ? special_at(t, bytes + at, n - at, flags & TOKENIZE_SPECIAL) : NO_TOKEN;
        if (at < n && special < 0) {
            at++;
            continue;
        }
        ok = begin == at || pretokenize(t->pre, bytes + begin, at - begin, encode_piece, &e, err);
        if (at == n)
            break;
        ok = ok && push(out, special, err);
        begin = at += t->tokens[special].n;
    }
    if (ok && eos)
        ok = push(out, t->info.eos, err);
    free(e.symbols);
    free(e.heap);
    return ok;
}
