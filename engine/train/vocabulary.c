/* Learning a byte-level BPE vocabulary: see train.h.
 *
 * The text is cut into pieces by the pre-tokenizer; equal pieces are kept once with their number. Pairs of neighbouring tokens are counted
 * once over all pieces, then each merge changes only the counts around the places where it happens. */
#include "engine/train.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/pretokenizer.h"
#include "engine/vocabulary_write.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1 << 12, LEAST_COUNT = 2, ALIGNMENT = 32, BYTES = 256 };

struct piece {
    const char *bytes; // in the text
    uint32_t n;
    int64_t count;
    size_t first;  // in symbols
    uint32_t left; // symbols that are left after merging
};

struct pair {
    int32_t left, right;
    int64_t count;
    bool used, allowed;
};

struct learned {
    const char *bytes; // of the token, in the arena
    uint32_t n;
};

struct learning {
    const struct vocabulary_options *options;
    struct piece *pieces; // in the order of their first appearance
    size_t n_pieces, pieces_capacity;
    size_t *piece_slots; // hash of bytes → piece + 1
    size_t n_piece_slots;
    int32_t *symbols;
    size_t n_symbols;
    struct pair *pairs; // hash of (left, right)
    size_t n_pair_slots, n_pairs;
    struct learned *tokens;
    size_t n_tokens, tokens_capacity;
    struct arena arena;
    struct vocabulary_parts parts;
};

/* --- pieces -------------------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *bytes, size_t n) // FNV-1a
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)bytes[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

static size_t piece_slot(const struct learning *l, const char *bytes, size_t n)
{
    size_t slot = hash_of(bytes, n) & (l->n_piece_slots - 1);
    for (; l->piece_slots[slot]; slot = (slot + 1) & (l->n_piece_slots - 1)) {
        const struct piece *piece = &l->pieces[l->piece_slots[slot] - 1];
        if (piece->n == n && memcmp(piece->bytes, bytes, n) == 0)
            break;
    }
    return slot;
}

static bool grow_piece_slots(struct learning *l, struct error *err)
{
    size_t n = l->n_piece_slots ? 2 * l->n_piece_slots : FIRST_SLOTS;
    size_t *slots = memory_array(n, sizeof *slots, "pieces", err);
    if (!slots)
        return false;
    free(l->piece_slots);
    l->piece_slots = slots;
    l->n_piece_slots = n;
    for (size_t i = 0; i < l->n_pieces; i++)
        l->piece_slots[piece_slot(l, l->pieces[i].bytes, l->pieces[i].n)] = i + 1;
    return true;
}

static bool count_piece(void *context, const char *bytes, size_t n, struct error *err)
{
    struct learning *l = context;
    if (2 * l->n_pieces >= l->n_piece_slots && !grow_piece_slots(l, err))
        return false;
    size_t slot = piece_slot(l, bytes, n);
    if (!l->piece_slots[slot]) {
        if (!memory_grow((void **)&l->pieces, &l->pieces_capacity, l->n_pieces + 1, sizeof *l->pieces, "pieces", err))
            return false;
        l->pieces[l->n_pieces++] = (struct piece){.bytes = bytes, .n = (uint32_t)n, .first = l->n_symbols, .left = (uint32_t)n};
        l->piece_slots[slot] = l->n_pieces;
        l->n_symbols += n;
    }
    l->pieces[l->piece_slots[slot] - 1].count++;
    return true;
}

/* --- pairs --------------------------------------------------------------------------------------------------------------------------- */

/* Whether the token may exist: short enough, and whole characters or the beginning of one. */
static bool token_allowed(const struct learning *l, const char *bytes, size_t n)
{
    if (l->options->longest_bytes && n > (size_t)l->options->longest_bytes)
        return false;
    size_t invalid = utf8_invalid_at(bytes, n);
    if (invalid == n)
        return true;
    if (invalid != 0 || (uint8_t)bytes[0] < 0xC2 || (uint8_t)bytes[0] > 0xF4)
        return false;
    for (size_t i = 1; i < n; i++)
        if (((uint8_t)bytes[i] & 0xC0) != 0x80)
            return false;
    return true;
}

static struct pair *pair_slot(const struct learning *l, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t slot = (key ^ key >> 32) & (l->n_pair_slots - 1);
    while (l->pairs[slot].used && (l->pairs[slot].left != left || l->pairs[slot].right != right))
        slot = (slot + 1) & (l->n_pair_slots - 1);
    return &l->pairs[slot];
}

static bool grow_pairs(struct learning *l, struct error *err)
{
    struct pair *old = l->pairs;
    size_t n = l->n_pair_slots;
    struct pair *pairs = memory_array(n ? 2 * n : FIRST_SLOTS, sizeof *pairs, "pairs", err);
    if (!pairs)
        return false;
    l->pairs = pairs;
    l->n_pair_slots = n ? 2 * n : FIRST_SLOTS;
    for (size_t i = 0; i < n; i++)
        if (old[i].used)
            *pair_slot(l, old[i].left, old[i].right) = old[i];
    free(old);
    return true;
}

static bool count_pair(struct learning *l, int32_t left, int32_t right, int64_t change, struct error *err)
{
    if (2 * l->n_pairs >= l->n_pair_slots && !grow_pairs(l, err))
        return false;
    struct pair *pair = pair_slot(l, left, right);
    if (!pair->used) {
        const struct learned *a = &l->tokens[left], *b = &l->tokens[right];
        char joined[256];
        bool fits = a->n + b->n <= sizeof joined;
        if (fits) {
            memcpy(joined, a->bytes, a->n);
            memcpy(joined + a->n, b->bytes, b->n);
        }
        *pair = (struct pair){.left = left, .right = right, .used = true, .allowed = fits && token_allowed(l, joined, a->n + b->n)};
        l->n_pairs++;
    }
    pair->count += change;
    return true;
}

static bool count_all_pairs(struct learning *l, struct error *err)
{
    if (!(l->symbols = memory_array(l->n_symbols, sizeof *l->symbols, "symbols", err)))
        return false;
    for (size_t p = 0; p < l->n_pieces; p++) {
        const struct piece *piece = &l->pieces[p];
        for (uint32_t i = 0; i < piece->n; i++) {
            l->symbols[piece->first + i] = (uint8_t)piece->bytes[i];
            if (i && !count_pair(l, (uint8_t)piece->bytes[i - 1], (uint8_t)piece->bytes[i], piece->count, err))
                return false;
        }
    }
    return true;
}

static bool goes_before(const struct pair *a, const struct pair *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

/* The pair to join next, NULL when none stands twice. */
static const struct pair *best_pair(const struct learning *l)
{
    const struct pair *best = NULL;
    for (size_t i = 0; i < l->n_pair_slots; i++) {
        const struct pair *pair = &l->pairs[i];
        if (pair->used && pair->allowed && pair->count >= LEAST_COUNT && (!best || goes_before(pair, best)))
            best = pair;
    }
    return best;
}

/* Joins left and right wherever they stand in a piece, from its beginning; the counts of the pairs around follow. */
static bool merge_in_piece(struct learning *l, struct piece *piece, int32_t left, int32_t right, int32_t joined, struct error *err)
{
    int32_t *s = l->symbols + piece->first;
    uint32_t to = 0, n = piece->left;
    bool ok = true;
    for (uint32_t i = 0; ok && i < n;) {
        if (i + 1 == n || s[i] != left || s[i + 1] != right) {
            s[to++] = s[i++];
            continue;
        }
        ok = count_pair(l, left, right, -piece->count, err);
        if (ok && to)
            ok = count_pair(l, s[to - 1], left, -piece->count, err) && count_pair(l, s[to - 1], joined, piece->count, err);
        if (ok && i + 2 < n)
            ok = count_pair(l, right, s[i + 2], -piece->count, err) && count_pair(l, joined, s[i + 2], piece->count, err);
        s[to++] = joined;
        i += 2;
    }
    piece->left = to;
    return ok;
}

static bool add_token(struct learning *l, const char *bytes, size_t n, struct error *err)
{
    char *copy = arena_copy(&l->arena, bytes, n, err);
    if (!copy || !memory_grow((void **)&l->tokens, &l->tokens_capacity, l->n_tokens + 1, sizeof *l->tokens, "vocabulary", err))
        return false;
    l->tokens[l->n_tokens++] = (struct learned){copy, (uint32_t)n};
    return true;
}

static bool join(struct learning *l, int32_t left, int32_t right, struct error *err)
{
    const struct learned a = l->tokens[left], b = l->tokens[right];
    char joined[256];
    memcpy(joined, a.bytes, a.n); // an allowed pair fits
    memcpy(joined + a.n, b.bytes, b.n);
    int32_t id = (int32_t)l->n_tokens;
    if (!add_token(l, joined, a.n + b.n, err))
        return false;
    vocabulary_parts_join(&l->parts, a.bytes, a.n, b.bytes, b.n);
    for (size_t p = 0; p < l->n_pieces; p++)
        if (l->pieces[p].left > 1 && !merge_in_piece(l, &l->pieces[p], left, right, id, err))
            return false;
    return true;
}

/* No bytes become a token twice. Where they stand between two borders of tokens, no merge has crossed these; so all merges inside were made
 * from the left border on, as in any other such place: the bytes are cut alike in all of them, into one pair. */
static bool learn(struct learning *l, struct error *err)
{
    for (int byte = 0; byte < BYTES; byte++) {
        char c = (char)byte;
        if (!add_token(l, &c, 1, err))
            return false;
    }
    l->parts.limit = (uint64_t)(l->options->tokens - CONTROL_TOKENS);
    vocabulary_parts_begin(&l->parts);
    if (!count_all_pairs(l, err))
        return false;
    while (l->n_tokens < l->parts.limit) {
        const struct pair *best = best_pair(l);
        if (!best)
            break;
        if (!join(l, best->left, best->right, err))
            return false;
    }
    return true;
}

static bool write_file(struct learning *l, const char *path, struct error *err)
{
    struct gguf_entries entries = {0};
    struct text out = {0};
    gguf_put_text(&entries, "general.architecture", "qwen3");
    gguf_put_text(&entries, "general.name", "jeoul vocabulary");
    vocabulary_parts_put(&l->parts, l->options->pre, true, &entries);
    gguf_put_head(&out, 0, &entries);
    gguf_pad(&out, ALIGNMENT);
    bool ok = vocabulary_parts_ok(&l->parts, err) && text_ok(&entries.text, err) && text_ok(&out, err) &&
              file_write(path, out.bytes, out.length, err);
    text_free(&entries.text);
    text_free(&out);
    return ok;
}

bool vocabulary_train(const char *text, size_t n, const struct vocabulary_options *options, const char *path, struct error *err)
{
    struct learning l = {.options = options};
    struct pretokenizer *pre = NULL;
    bool ok = options->tokens >= BYTES + CONTROL_TOKENS ||
              error_set(err, ERROR_INPUT, "a vocabulary of %d tokens: at least %d are wanted, the bytes and %d control tokens",
                        options->tokens, BYTES + CONTROL_TOKENS, CONTROL_TOKENS);
    ok = ok && (pre = pretokenizer_open(options->pre, err)) && pretokenize(pre, text, n, count_piece, &l, err) && learn(&l, err) &&
         write_file(&l, path, err);
    pretokenizer_close(pre);
    free(l.pieces);
    free(l.piece_slots);
    free(l.symbols);
    free(l.pairs);
    free(l.tokens);
    vocabulary_parts_free(&l.parts);
    arena_free(&l.arena);
    return ok;
}
