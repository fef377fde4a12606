/* Joining neighbours: see merging.h. */
#include "engine/merging.h"

#include "base/memory.h"

#include <stdlib.h>

/* A pair that might be joined. It is stale, and passed over, when one of its symbols has changed since. */
struct candidate {
    double cost;
    int32_t at, joined;
    uint32_t n_left, n_right;
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->cost < b->cost || (a->cost == b->cost && a->at < b->at);
}

static bool heap_push(struct merging *m, struct candidate candidate, struct error *err)
{
    if (!memory_grow((void **)&m->heap, &m->heap_capacity, m->heap_count + 1, sizeof *m->heap, "tokens", err))
        return false;
    size_t at = m->heap_count++;
    for (; at && before(&candidate, &m->heap[(at - 1) / 2]); at = (at - 1) / 2)
        m->heap[at] = m->heap[(at - 1) / 2];
    m->heap[at] = candidate;
    return true;
}

static struct candidate heap_pop(struct merging *m)
{
    struct candidate top = m->heap[0], last = m->heap[--m->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && before(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!before(&m->heap[child], &last))
            break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = last;
    return top;
}

void merging_begin(struct merging *m)
{
    m->count = 0;
    m->heap_count = 0;
}

bool merging_add(struct merging *m, const char *bytes, size_t n, int32_t id, struct error *err)
{
    if (m->count >= INT32_MAX || n > UINT32_MAX)
        return error_set(err, ERROR_INPUT, "a piece of 2 GiB or more is too long to tokenize: cut the text");
    if (!memory_grow((void **)&m->symbols, &m->capacity, m->count + 1, sizeof *m->symbols, "tokens", err))
        return false;
    int32_t at = (int32_t)m->count++;
    m->symbols[at] = (struct symbol){.bytes = bytes, .n = (uint32_t)n, .id = id, .previous = at - 1, .next = -1};
    if (at > 0)
        m->symbols[at - 1].next = at;
    return true;
}

static bool consider(struct merging *m, int32_t at, merging_pair *pair, const void *context, struct error *err)
{
    int32_t next = at >= 0 ? m->symbols[at].next : -1;
    if (next < 0)
        return true;
    struct candidate c = {.at = at, .n_left = m->symbols[at].n, .n_right = m->symbols[next].n};
    return !pair(context, &m->symbols[at], &m->symbols[next], &c.cost, &c.joined) || heap_push(m, c, err);
}

bool merging_run(struct merging *m, merging_pair *pair, const void *context, struct error *err)
{
    for (size_t i = 0; i + 1 < m->count; i++)
        if (!consider(m, (int32_t)i, pair, context, err))
            return false;
    while (m->heap_count) {
        struct candidate c = heap_pop(m);
        struct symbol *left = &m->symbols[c.at];
        if (left->n != c.n_left || left->next < 0 || m->symbols[left->next].n != c.n_right)
            continue;
        struct symbol *right = &m->symbols[left->next];
        left->n += right->n;
        left->id = c.joined;
        left->next = right->next;
        right->n = 0;
        if (left->next >= 0)
            m->symbols[left->next].previous = c.at;
        if (!consider(m, left->previous, pair, context, err) || !consider(m, c.at, pair, context, err))
            return false;
    }
    return true;
}

void merging_free(struct merging *m)
{
    free(m->symbols);
    free(m->heap);
    *m = (struct merging){0};
}
