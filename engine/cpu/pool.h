/* A pool of threads for fork-join work in tens of microseconds: workers spin briefly for the next piece of work, then sleep; they
 * sleep at once where the threads at work are more than the processors that this process may use (base/processors.h), and where
 * JEOUL_WAIT=passive is in the environment.
 *
 * The caller is thread 0. Inside a running function threads meet at pool_barrier and share items with pool_next or pool_take. */
#ifndef JEOUL_CPU_POOL_H
#define JEOUL_CPU_POOL_H

#include "base/error.h"

#include <stdint.h>

struct pool;

struct pool *pool_open(int threads, struct error *err) MUST_CHECK;
void pool_close(struct pool *pool); // NULL is allowed

int pool_threads(const struct pool *pool);      // in use
int pool_threads_open(const struct pool *pool); // as opened
void pool_use(struct pool *pool, int threads);  // 1 … as opened

/* Runs fn(context, thread, threads) on every thread in use and waits for all. */
typedef void pool_fn(void *context, int thread, int threads);
void pool_run(struct pool *pool, pool_fn *fn, void *context);

/* On all threads if `shared`, else by the caller alone as one thread: for work that is done sooner than others wake. */
void pool_run_if(struct pool *pool, bool shared, pool_fn *fn, void *context);

/* Waits until every thread of the running function is here. What was written before is seen after. */
void pool_barrier(struct pool *pool);

/* Gives each item 0 … n−1 of a phase to one thread, in order of asking; −1 when none is left. A phase ends at the next pool_barrier (or the
 * end of the function), where the count starts again at 0. */
int64_t pool_next(struct pool *pool, int64_t n);

/* The same by runs of items, for work whose neighbours lie side by side in memory: half of an even share of what is left, at least `least`
 * (guided self-scheduling, Polychronopoulos and Kuck 1987). So runs are long, and threads still end together. false: none is left. */
struct pool_items {
    int64_t first, end;
};
bool pool_take(struct pool *pool, int64_t n, int64_t least, struct pool_items *items);

#endif
