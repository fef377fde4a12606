/* The paged cache's bookkeeping: pages are shared, copied on write, counted and given back. */
#include "tests/support.h"

#include "engine/kv.h"

enum { PAGES = 8, TOKENS = 4 };

struct copies {
    int n, from, to;
};

static void note_copy(void *context, int from, int to)
{
    struct copies *copies = context;
    *copies = (struct copies){copies->n + 1, from, to};
}

static struct kv *new_kv(void)
{
    struct error err = {0};
    struct kv *kv = kv_new(PAGES, TOKENS, &err);
    cr_assert_not_null(kv, "%s", err.message);
    cr_assert_eq(kv_pages_free(kv), PAGES);
    return kv;
}

static int new_sequence(struct kv *kv)
{
    struct error err = {0};
    int seq = kv_sequence_new(kv, &err);
    cr_assert_geq(seq, 0, "%s", err.message);
    return seq;
}

static int fork_of(struct kv *kv, int seq)
{
    struct error err = {0};
    int fork = kv_sequence_fork(kv, seq, &err);
    cr_assert_geq(fork, 0, "%s", err.message);
    return fork;
}

/* Appends, and sees that exactly the pages that were foretold are taken. */
static struct copies append(struct kv *kv, int seq, int more)
{
    struct error err = {0};
    struct copies copies = {0};
    int length = kv_length(kv, seq), before = kv_pages_free(kv), needed = kv_pages_needed(kv, seq, more);
    cr_assert_leq(needed, before);
    cr_assert(kv_append(kv, seq, more, note_copy, &copies, &err), "%s", err.message);
    cr_assert_eq(kv_length(kv, seq), length + more);
    cr_assert_eq(before - kv_pages_free(kv), needed, "%d more behind %d take %d pages, %d were foretold", more, length,
                 before - kv_pages_free(kv), needed);
    return copies;
}

Test(kv, pages_needed_is_the_count_that_appending_takes)
{
    for (int length = 0; length <= 3 * TOKENS; length++)
        for (int more = 0; more <= 3 * TOKENS; more++) {
            struct kv *kv = new_kv();
            int seq = new_sequence(kv);
            append(kv, seq, length);
            cr_expect_eq(kv_pages_needed(kv, seq, more), (length + more + 3) / 4 - (length + 3) / 4);
            cr_expect_eq(append(kv, seq, more).n, 0);
            kv_free(kv);
        }
}

Test(kv, pages_of_a_sequence_are_different)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv), b = new_sequence(kv);
    bool seen[PAGES] = {false};
    for (int i = 0; i < TOKENS; i++) { // one token each in turn: the pages interleave
        append(kv, a, TOKENS);
        append(kv, b, TOKENS);
    }
    cr_assert_eq(kv_pages_free(kv), 0);
    for (int i = 0; i < TOKENS; i++) {
        int32_t pages[] = {kv_pages(kv, a)[i], kv_pages(kv, b)[i]};
        for (int j = 0; j < 2; j++) {
            cr_assert(pages[j] >= 0 && pages[j] < PAGES);
            cr_expect_not(seen[pages[j]], "page %d is given out twice", pages[j]);
            seen[pages[j]] = true;
        }
    }
    kv_free(kv);
}

Test(kv, a_fork_shares_pages_and_copies_the_last_one_when_it_is_written)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv);
    append(kv, a, 6); // a page and a half
    int b = fork_of(kv, a);
    cr_expect_eq(kv_pages_free(kv), PAGES - 2);
    cr_expect_eq(kv_length(kv, b), 6);
    int32_t first = kv_pages(kv, a)[0], last = kv_pages(kv, a)[1];
    cr_expect_eq(kv_pages(kv, b)[0], first);
    cr_expect_eq(kv_pages(kv, b)[1], last);

    cr_expect_eq(kv_pages_needed(kv, b, 0), 0);
    cr_expect_eq(kv_pages_needed(kv, b, 1), 1, "the copy");
    cr_expect_eq(kv_pages_needed(kv, b, 3), 2, "the copy and a new one");
    struct copies copies = append(kv, b, 1);
    cr_expect_eq(copies.n, 1);
    cr_expect_eq(copies.from, last);
    cr_expect_eq(copies.to, kv_pages(kv, b)[1]);
    cr_expect_eq(kv_pages(kv, a)[1], last, "the original keeps its page");
    cr_expect_neq(kv_pages(kv, b)[1], last);
    cr_expect_eq(kv_pages(kv, b)[0], first, "full pages stay shared");
    cr_expect_eq(append(kv, a, 1).n, 0, "the last owner writes in place");
    kv_free(kv);
}

Test(kv, a_full_last_page_is_not_copied)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv);
    append(kv, a, 2 * TOKENS);
    int b = fork_of(kv, a);
    cr_expect_eq(kv_pages_needed(kv, b, 1), 1);
    cr_expect_eq(append(kv, b, 1).n, 0);
    cr_expect_eq(kv_pages(kv, a)[1], kv_pages(kv, b)[1]);
    kv_free(kv);
}

Test(kv, truncation_into_a_shared_page_copies_it_before_the_next_write)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv);
    append(kv, a, 2 * TOKENS);
    int b = fork_of(kv, a);
    kv_truncate(kv, b, 5);
    cr_expect_eq(kv_length(kv, b), 5);
    cr_expect_eq(kv_pages_free(kv), PAGES - 2);
    cr_expect_eq(append(kv, b, 1).n, 1);
    cr_expect_eq(kv_length(kv, a), 2 * TOKENS);
    kv_free(kv);
}

Test(kv, truncate_and_free_give_every_page_back)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv);
    append(kv, a, 11);
    kv_truncate(kv, a, 11);
    kv_truncate(kv, a, 99);
    cr_expect_eq(kv_length(kv, a), 11, "truncation never lengthens");
    kv_truncate(kv, a, 9);
    cr_expect_eq(kv_pages_free(kv), PAGES - 3);
    kv_truncate(kv, a, 8);
    cr_expect_eq(kv_pages_free(kv), PAGES - 2);
    int b = fork_of(kv, a), c = fork_of(kv, b);
    append(kv, c, 5);
    kv_sequence_free(kv, a);
    cr_expect_eq(kv_pages_free(kv), PAGES - 4, "the forks hold them");
    cr_expect_not(kv_sequence_exists(kv, a));
    kv_truncate(kv, b, 0);
    kv_sequence_free(kv, c);
    cr_expect_eq(kv_pages_free(kv), PAGES);
    kv_sequence_free(kv, b);
    kv_sequence_free(kv, b);
    kv_sequence_free(kv, 99);
    kv_sequence_free(kv, -1);
    cr_expect_eq(kv_pages_free(kv), PAGES);
    cr_expect_not(kv_sequence_exists(kv, -1));
    cr_expect_not(kv_sequence_exists(kv, 99));
    kv_free(kv);
}

Test(kv, numbers_are_reused_and_a_new_sequence_is_empty)
{
    struct kv *kv = new_kv();
    int a = new_sequence(kv);
    append(kv, a, 5);
    kv_sequence_free(kv, a);
    cr_expect_eq(new_sequence(kv), a);
    cr_expect_eq(kv_length(kv, a), 0);
    int empty = fork_of(kv, a);
    cr_expect_eq(kv_length(kv, empty), 0);
    append(kv, empty, 1);
    cr_expect_eq(kv_pages_free(kv), PAGES - 1);
    kv_free(kv);
}
