/* The paged cache's bookkeeping: see kv.h. Invariant: references[p] is the number of sequences whose list holds page p, and a page is on
 * the free stack exactly when that is 0. */
#include "engine/kv.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct sequence {
    bool used;
    int length;
    int32_t *pages;
    size_t n_pages, capacity;
};

struct kv {
    int n_pages, page_tokens, n_free;
    int *references, *free_pages;
    struct sequence *sequences;
    size_t n_sequences, capacity;
};

struct kv *kv_new(int n_pages, int page_tokens, struct error *err)
{
    struct kv *kv = memory_array(1, sizeof *kv, "cache", err);
    if (!kv)
        return NULL;
    kv->n_pages = kv->n_free = n_pages;
    kv->page_tokens = page_tokens;
    kv->references = memory_array((size_t)n_pages, sizeof *kv->references, "cache pages", err);
    kv->free_pages = memory_array((size_t)n_pages, sizeof *kv->free_pages, "cache pages", err);
    if (!kv->references || !kv->free_pages) {
        kv_free(kv);
        return NULL;
    }
    for (int i = 0; i < n_pages; i++)
        kv->free_pages[i] = n_pages - 1 - i; // the first taken is page 0
    return kv;
}

void kv_free(struct kv *kv)
{
    if (!kv)
        return;
    for (size_t i = 0; i < kv->n_sequences; i++)
        free(kv->sequences[i].pages);
    free(kv->sequences);
    free(kv->references);
    free(kv->free_pages);
    free(kv);
}

int kv_sequence_new(struct kv *kv, struct error *err)
{
    size_t seq = 0;
    while (seq < kv->n_sequences && kv->sequences[seq].used)
        seq++;
    if (seq == kv->n_sequences) {
        if (!memory_grow((void **)&kv->sequences, &kv->capacity, seq + 1, sizeof *kv->sequences, "sequences", err))
            return -1;
        kv->n_sequences++;
    }
    kv->sequences[seq].used = true;
    kv->sequences[seq].length = 0;
    kv->sequences[seq].n_pages = 0;
    return (int)seq;
}

int kv_sequence_fork(struct kv *kv, int seq, struct error *err)
{
    int fork = kv_sequence_new(kv, err);
    if (fork < 0)
        return -1;
    struct sequence *from = &kv->sequences[seq], *to = &kv->sequences[fork];
    if (!memory_grow((void **)&to->pages, &to->capacity, from->n_pages, sizeof *to->pages, "pages of a sequence", err)) {
        to->used = false;
        return -1;
    }
    if (from->n_pages)
        memcpy(to->pages, from->pages, from->n_pages * sizeof *to->pages);
    to->n_pages = from->n_pages;
    to->length = from->length;
    for (size_t i = 0; i < to->n_pages; i++)
        kv->references[to->pages[i]]++;
    return fork;
}

static void release(struct kv *kv, int32_t page)
{
    if (--kv->references[page] == 0)
        kv->free_pages[kv->n_free++] = page;
}

static int32_t take_page(struct kv *kv)
{
    int32_t page = kv->free_pages[--kv->n_free];
    kv->references[page] = 1;
    return page;
}

void kv_truncate(struct kv *kv, int seq, int length)
{
    struct sequence *s = &kv->sequences[seq];
    if (length >= s->length)
        return;
    size_t keep = ((size_t)length + (size_t)kv->page_tokens - 1) / (size_t)kv->page_tokens;
    while (s->n_pages > keep)
        release(kv, s->pages[--s->n_pages]);
    s->length = length;
}

void kv_sequence_free(struct kv *kv, int seq)
{
    if (!kv_sequence_exists(kv, seq))
        return;
    kv_truncate(kv, seq, 0);
    kv->sequences[seq].used = false;
}

bool kv_sequence_exists(const struct kv *kv, int seq)
{
    return seq >= 0 && (size_t)seq < kv->n_sequences && kv->sequences[seq].used;
}

int kv_length(const struct kv *kv, int seq)
{
    return kv->sequences[seq].length;
}

const int32_t *kv_pages(const struct kv *kv, int seq)
{
    return kv->sequences[seq].pages;
}

int kv_pages_free(const struct kv *kv)
{
    return kv->n_free;
}

static bool last_page_is_shared(const struct kv *kv, const struct sequence *s)
{
    return s->length % kv->page_tokens && kv->references[s->pages[s->n_pages - 1]] > 1;
}

int kv_pages_needed(const struct kv *kv, int seq, int more)
{
    const struct sequence *s = &kv->sequences[seq];
    if (more == 0)
        return 0;
    int total = (s->length + more + kv->page_tokens - 1) / kv->page_tokens;
    return total - (int)s->n_pages + last_page_is_shared(kv, s);
}

bool kv_append(struct kv *kv, int seq, int more, void (*copy)(void *context, int from, int to), void *context, struct error *err)
{
    struct sequence *s = &kv->sequences[seq];
    size_t total = (size_t)(s->length + more + kv->page_tokens - 1) / (size_t)kv->page_tokens;
    if (more == 0)
        return true;
    if (!memory_grow((void **)&s->pages, &s->capacity, total, sizeof *s->pages, "pages of a sequence", err))
        return false;
    if (last_page_is_shared(kv, s)) {
        int32_t *last = &s->pages[s->n_pages - 1], page = take_page(kv);
        copy(context, *last, page);
        release(kv, *last);
        *last = page;
    }
    while (s->n_pages < total)
        s->pages[s->n_pages++] = take_page(kv);
    s->length += more;
    return true;
}
