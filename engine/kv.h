/* The bookkeeping of the paged cache (Kwon et al. 2023, PagedAttention): which pages a sequence has, shared by count between forks. Pure
 * host logic; the memory is the backend's. */
#ifndef JEOUL_ENGINE_KV_H
#define JEOUL_ENGINE_KV_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct kv;

struct kv *kv_new(int n_pages, int page_tokens, struct error *err) MUST_CHECK;
void kv_free(struct kv *kv);

int kv_sequence_new(struct kv *kv, struct error *err) MUST_CHECK;           // −1 on failure
int kv_sequence_fork(struct kv *kv, int seq, struct error *err) MUST_CHECK; // −1 on failure
void kv_sequence_free(struct kv *kv, int seq);
bool kv_sequence_exists(const struct kv *kv, int seq);
int kv_length(const struct kv *kv, int seq);
void kv_truncate(struct kv *kv, int seq, int length);
const int32_t *kv_pages(const struct kv *kv, int seq); // valid until the next append to it

/* Free pages that appending `more` tokens to seq takes: new ones, and a copy of a last page that is shared. */
int kv_pages_needed(const struct kv *kv, int seq, int more);
int kv_pages_free(const struct kv *kv);

/* Appends room for `more` tokens. The caller has seen that there are enough free pages. Where the last page is shared, it is replaced by a
 * new one, and copy(context, from, to) is called to copy its contents. Fails only when memory runs out, changing nothing. */
bool kv_append(struct kv *kv, int seq, int more, void (*copy)(void *context, int from, int to), void *context,
               struct error *err) MUST_CHECK;

#endif
