/* The pool: see pool.h.
 *
 * `work` is a serial number with the number of threads in its low bits, new for each pool_run: a worker that sees it change, and is one of
 * so many, runs the function. `arrived` counts threads at a barrier; the last one resets it, starts the item count again and lets the
 * others go by advancing `passed`. Waiting is a short spin and then a futex on the very number that is waited for, so that an idle pool
 * costs nothing and a descheduled thread isn't spun for. Nobody spins where threads are more than the processors that this process may use,
 * or where JEOUL_WAIT=passive says that others want them: it would be on the processor of one that is waited for. `sleepers` spares the
 * system call where nobody sleeps: a waiter counts itself before it looks at the number for the last time, a waker changes the number
 * before it looks at the count. */
#include "engine/cpu/pool.h"

#include "base/memory.h"
#include "base/processors.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 4000, CACHE_LINE = 64, THREAD_BITS = 0xFFFF };

struct worker {
    struct pool *pool;
    int thread;
    pthread_t handle;
};

struct pool {
    struct worker *workers; // [open], 0 is the caller
    int open, started;
    int in_use;
    int processors; // that threads can have at once; 0 where none is to spin
    bool stop;
    pool_fn *fn;
    void *context;
    /* Shared between threads; each on a cache line of its own. */
    _Alignas(CACHE_LINE) _Atomic uint32_t work;
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t passed;
    _Alignas(CACHE_LINE) _Atomic int64_t next;
    _Alignas(CACHE_LINE) _Atomic uint32_t sleepers;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How long to spin for others when so many threads are at work. */
static int spins_for(const struct pool *pool, int threads)
{
    return threads <= pool->processors ? SPINS : 0;
}

/* Waits until *number differs from `old`. The acquire load pairs with the release of whoever changed it. */
static void wait_change(struct pool *pool, _Atomic uint32_t *number, uint32_t old, int spins)
{
    for (int spin = 0; spin < spins; spin++) {
        if (atomic_load_explicit(number, memory_order_acquire) != old)
            return;
        relax();
    }
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(number) == old)
        syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
}

/* Changes the number and wakes who waits for that. */
static void change(struct pool *pool, _Atomic uint32_t *number, uint32_t value)
{
    atomic_store(number, value);
    if (atomic_load(&pool->sleepers))
        syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void pool_barrier(struct pool *pool)
{
    uint32_t round = atomic_load_explicit(&pool->passed, memory_order_relaxed);
    uint32_t all = (uint32_t)pool->in_use; // read before arriving: afterwards the caller may change it
    uint32_t here = atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1;
    if (here < all) {
        wait_change(pool, &pool->passed, round, spins_for(pool, (int)all));
        return;
    }
    atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    change(pool, &pool->passed, round + 1);
}

int64_t pool_next(struct pool *pool, int64_t n)
{
    int64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    return item < n ? item : -1;
}

bool pool_take(struct pool *pool, int64_t n, int64_t least, struct pool_items *items)
{
    int64_t shares = pool->in_use > 1 ? 2 * pool->in_use : 1, next = atomic_load_explicit(&pool->next, memory_order_relaxed), take;
    do {
        if (next >= n)
            return false;
        int64_t left = n - next;
        take = left / shares > least ? left / shares : least;
        take = take < left ? take : left;
    } while (!atomic_compare_exchange_weak_explicit(&pool->next, &next, next + take, memory_order_relaxed, memory_order_relaxed));
    *items = (struct pool_items){next, next + take};
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    uint32_t seen = 0;
    int spins = spins_for(pool, pool->open);
    for (;;) {
        wait_change(pool, &pool->work, seen, spins);
        seen = atomic_load_explicit(&pool->work, memory_order_acquire);
        if (pool->stop)
            return NULL;
        int threads = (int)(seen & THREAD_BITS);
        bool mine = worker->thread < threads;
        spins = spins_for(pool, mine ? threads : pool->open); // one that has nothing to do must find room beside all others
        if (mine) {
            pool->fn(pool->context, worker->thread, threads);
            pool_barrier(pool);
        }
    }
}

/* A new piece of work for `threads` threads. The store releases fn, context and stop to the workers. */
static void announce(struct pool *pool, int threads)
{
    uint32_t old = atomic_load_explicit(&pool->work, memory_order_relaxed);
    uint32_t serial = (old & ~(uint32_t)THREAD_BITS) + THREAD_BITS + 1;
    change(pool, &pool->work, serial | (uint32_t)threads);
}

void pool_run(struct pool *pool, pool_fn *fn, void *context)
{
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    if (pool->in_use > 1) {
        pool->fn = fn;
        pool->context = context;
        announce(pool, pool->in_use);
    }
    fn(context, 0, pool->in_use);
    pool_barrier(pool);
}

void pool_run_if(struct pool *pool, bool shared, pool_fn *fn, void *context)
{
    if (shared)
        pool_run(pool, fn, context);
    else
        fn(context, 0, 1);
}

/* $JEOUL_WAIT, as OpenMP's OMP_WAIT_POLICY. */
static bool read_wait(bool *active, struct error *err)
{
    const char *wait = getenv("JEOUL_WAIT");
    *active = !wait || !*wait || strcmp(wait, "active") == 0;
    return *active || strcmp(wait, "passive") == 0 ||
           error_set(err, ERROR_INPUT, "the environment variable JEOUL_WAIT: \"%s\"; active and passive are there", wait);
}

struct pool *pool_open(int threads, struct error *err)
{
    bool active;
    if (!read_wait(&active, err))
        return NULL;
    struct pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (!pool) {
        error_set(err, ERROR_MACHINE, "out of memory for %d threads", threads);
        return NULL;
    }
    *pool = (struct pool){.open = threads, .in_use = threads, .processors = active ? processors_available() : 0, .started = 1};
    pool->workers = memory_array((size_t)threads, sizeof *pool->workers, "threads", err);
    if (!pool->workers) {
        pool_close(pool);
        return NULL;
    }
    for (; pool->started < threads; pool->started++) {
        struct worker *worker = &pool->workers[pool->started];
        *worker = (struct worker){.pool = pool, .thread = pool->started};
        if (pthread_create(&worker->handle, NULL, work, worker) != 0) {
            error_set(err, ERROR_MACHINE, "thread %d of %d could not be started", pool->started + 1, threads);
            pool_close(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    announce(pool, 0);
    for (int i = 1; i < pool->started && pool->workers; i++)
        pthread_join(pool->workers[i].handle, NULL);
    free(pool->workers);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool->in_use;
}

int pool_threads_open(const struct pool *pool)
{
    return pool->open;
}

void pool_use(struct pool *pool, int threads)
{
    pool->in_use = threads < 1 ? 1 : threads > pool->open ? pool->open : threads;
}
