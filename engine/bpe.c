/* Byte-level BPE: see bpe.h. A text is cut by the pre-tokenizer; the bytes of a piece are joined pair by pair in the order of merge ranks.
 * Merges are looked up by the pair of token ids. */
#include "engine/bpe.h"

#include "base/text.h"
#include "engine/pretokenizer.h"
#include "engine/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MERGE_BYTES = 1 << 17 };

struct merge {
    int32_t left, right, joined, rank;
};

struct bpe {
    const struct vocabulary *v;
    struct pretokenizer *pre;
    struct merge *merges; // hash of (left, right); rank 0: an empty slot
    size_t n_slots;       // a power of two
};

static size_t slot_of(const struct bpe *bpe, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (key ^ key >> 32) & (bpe->n_slots - 1);
}

/* The slot of a pair, or the empty one where it would stand. */
static struct merge *find_slot(const struct bpe *bpe, int32_t left, int32_t right)
{
    size_t slot = slot_of(bpe, left, right);
    while (bpe->merges[slot].rank && (bpe->merges[slot].left != left || bpe->merges[slot].right != right))
        slot = (slot + 1) & (bpe->n_slots - 1);
    return &bpe->merges[slot];
}

static bool refuse(const struct model_file *file, const char *what, uint64_t index, struct error *err)
{
    return error_set(err, ERROR_INPUT, "%s: the vocabulary is damaged: %s (merge %" PRIu64 ")", gguf_path(file), what, index);
}

/* "Ġt he": the bytes of both tokens one after the other in scratch, and the length of the first. */
static bool read_pair(const struct model_file *file, struct gguf_string text, uint64_t index, struct text *scratch, size_t *n_left,
                      struct error *err)
{
    const char *space = text.n > 1 ? memchr(text.bytes + 1, ' ', text.n - 1) : NULL; // stand-ins never are a space
    if (!space || text.n > MAX_MERGE_BYTES)
        return refuse(file, "a merge that is not two tokens", index, err);
    struct gguf_string left = {text.bytes, (uint64_t)(space - text.bytes)}, right = {space + 1, text.n - left.n - 1};
    size_t n_right;
    text_clear(scratch);
    text_add(scratch, text.bytes, text.n); // room for both
    if (!text_ok(scratch, err))
        return false;
    if (!vocabulary_unspell(left, scratch->bytes, n_left) || !vocabulary_unspell(right, scratch->bytes + *n_left, &n_right))
        return refuse(file, "a merge with a character outside the byte alphabet", index, err);
    scratch->length = *n_left + n_right;
    return true;
}

static bool read_merges(struct bpe *bpe, const struct model_file *file, struct text *scratch, struct error *err)
{
    const struct vocabulary *v = bpe->v;
    const struct gguf_value *merges = gguf_array(file, "tokenizer.ggml.merges", GGUF_STRING, err);
    if (!merges)
        return false;
    if (merges->count > MAX_VOCABULARY)
        return error_set(err, ERROR_INPUT, "%s: %" PRIu64 " merges: %d are allowed", gguf_path(file), merges->count, MAX_VOCABULARY);
    for (bpe->n_slots = 512; bpe->n_slots < 2 * merges->count;)
        bpe->n_slots *= 2;
    if (!(bpe->merges = memory_array(bpe->n_slots, sizeof *bpe->merges, "merges", err)))
        return false;
    uint64_t cursor = 0;
    for (uint64_t i = 0; i < merges->count; i++) {
        size_t n_left;
        if (!read_pair(file, gguf_next_string(merges, &cursor), i, scratch, &n_left, err))
            return false;
        const char *bytes = scratch->bytes;
        struct merge merge = {vocabulary_find(v, bytes, n_left, true), vocabulary_find(v, bytes + n_left, scratch->length - n_left, true),
                              vocabulary_find(v, bytes, scratch->length, true), (int32_t)i + 1};
        if (merge.left < 0 || merge.right < 0 || merge.joined < 0)
            return refuse(file, "a merge that names no token", i, err);
        struct merge *slot = find_slot(bpe, merge.left, merge.right);
        if (!slot->rank) // the first one counts
            *slot = merge;
    }
    return true;
}

struct bpe *bpe_open(const struct vocabulary *v, const struct model_file *file, const char *pre, struct error *err)
{
    struct text scratch = {0};
    struct bpe *bpe = memory_array(1, sizeof *bpe, "tokenizer", err);
    if (!bpe)
        return NULL;
    bpe->v = v;
    bool ok = (bpe->pre = pretokenizer_open(pre, err)) || error_prefix(err, "%s", gguf_path(file));
    ok = ok && read_merges(bpe, file, &scratch, err);
    text_free(&scratch);
    if (!ok) {
        bpe_close(bpe);
        return NULL;
    }
    return bpe;
}

void bpe_close(struct bpe *bpe)
{
    if (!bpe)
        return;
    pretokenizer_close(bpe->pre);
    free(bpe->merges);
    free(bpe);
}

bool bpe_adds_bos(const struct bpe *bpe)
{
    return pretokenizer_adds_bos(bpe->pre);
}

static bool merge_pair(const void *context, const struct symbol *left, const struct symbol *right, double *cost, int32_t *joined)
{
    const struct merge *merge = find_slot(context, left->id, right->id);
    *cost = merge->rank;
    *joined = merge->joined;
    return merge->rank;
}

struct encoding {
    const struct bpe *bpe;
    struct merging *m;
    struct token_list *out;
};

static bool encode_piece(void *context, const char *bytes, size_t n, struct error *err)
{
    struct encoding *e = context;
    const struct vocabulary *v = e->bpe->v;
    int32_t whole = n > 1 && pretokenizer_ignores_merges(e->bpe->pre) ? vocabulary_find(v, bytes, n, false) : NO_TOKEN;
    if (whole >= 0)
        return token_list_add(e->out, whole, err);
    merging_begin(e->m);
    for (size_t i = 0; i < n; i++) {
        int32_t id = v->of_byte[(uint8_t)bytes[i]];
        if (id < 0)
            return error_set(err, ERROR_INPUT, "the vocabulary has no token for the byte 0x%02x: the text cannot be encoded",
                             (uint8_t)bytes[i]);
        if (!merging_add(e->m, bytes + i, 1, id, err))
            return false;
    }
    if (!merging_run(e->m, merge_pair, e->bpe, err))
        return false;
    for (int32_t at = 0; at >= 0; at = e->m->symbols[at].next)
        if (!token_list_add(e->out, e->m->symbols[at].id, err))
            return false;
    return true;
}

bool bpe_encode(const struct bpe *bpe, const char *bytes, size_t n, struct merging *m, struct token_list *out, struct error *err)
{
    struct encoding e = {.bpe = bpe, .m = m, .out = out};
    return pretokenize(bpe->pre, bytes, n, encode_piece, &e, err);
}
