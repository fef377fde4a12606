/* The cache's bookkeeping alone. */
#include "tests/support.h"

#include "engine/kv.h"

static int copies;

static void copy(void *context, int from, int to)
{
    (void)context;
    cr_assert_neq(from, to);
    copies++;
}

Test(kv, forks_share_pages_until_they_write)
{
    struct error err = {0};
    struct kv *kv = kv_new(8, 4, &err);
    int a = kv_sequence_new(kv, &err);
    cr_assert_eq(kv_pages_needed(kv, a, 6), 2);
    cr_assert(kv_append(kv, a, 6, copy, NULL, &err));
    int b = kv_sequence_fork(kv, a, &err);
    cr_assert_eq(kv_pages_free(kv), 6);
    cr_assert_eq(kv_pages(kv, a)[1], kv_pages(kv, b)[1]);
    cr_assert_eq(kv_pages_needed(kv, b, 1), 1); // a copy of the half page
    cr_assert(kv_append(kv, b, 1, copy, NULL, &err));
    cr_assert_eq(copies, 1);
    cr_assert_eq(kv_pages(kv, a)[0], kv_pages(kv, b)[0]);
    cr_assert_neq(kv_pages(kv, a)[1], kv_pages(kv, b)[1]);
    cr_assert_eq(kv_pages_needed(kv, a, 2), 0); // its own again
    cr_assert(kv_append(kv, a, 2, copy, NULL, &err));
    cr_assert_eq(copies, 1);
    kv_truncate(kv, b, 4);
    cr_assert_eq(kv_length(kv, b), 4);
    kv_sequence_free(kv, a);
    cr_assert_eq(kv_pages_free(kv), 7);
    kv_sequence_free(kv, b);
    cr_assert_eq(kv_pages_free(kv), 8);
    cr_assert(!kv_sequence_exists(kv, b));
    cr_assert_eq(kv_sequence_new(kv, &err), 0); // numbers are used again
    kv_free(kv);
}
