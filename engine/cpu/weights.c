/* Weights: packed once at load, found packed in a cache, or packed at every use (no_pack).
 *
 * No second copy of the model comes into being: a matrix is packed from the mapped file into memory of its own, and the file's pages are
 * given back before the next. A matrix from the cache is the mapped cache itself. */
#include "engine/cpu/cpu.h"

#include "base/clock.h"
#include "base/memory.h"
#include "engine/cpu/pack.h"
#include "engine/cpu/pack_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const engine_pack_cache_names[] = {"none", "used", "built", "failed"};

/* --- packing ---------------------------------------------------------------------------------------------------------------------------
 */

static void pack_one(const struct cpu *cpu, const struct packed *w, int64_t expert, int64_t panel, uint8_t *out)
{
    size_t matrix_bytes = w->tensor->bytes / (size_t)w->tensor->shape[2];
    pack_panel_with(cpu->kernels, w->tensor->format->type, (const uint8_t *)w->tensor->data + (size_t)expert * matrix_bytes, w->rows,
                    w->cols, panel * PANEL_ROWS, out);
}

const uint8_t *cpu_panel_address(const struct packed *w, int64_t expert, int64_t panel)
{
    return w->bytes ? w->bytes + (size_t)expert * w->expert_bytes + (size_t)panel * w->panel_bytes : NULL;
}

const uint8_t *cpu_panel(const struct cpu *cpu, const struct packed *w, int64_t expert, int64_t panel, uint8_t *room)
{
    if (w->bytes)
        return cpu_panel_address(w, expert, panel);
    pack_one(cpu, w, expert, panel, room);
    return room;
}

struct pack_work {
    struct cpu *cpu;
    struct packed *w;
    int64_t panels, each;       // of all experts; of an item
    _Atomic uint64_t memory_ns; // of all threads
};

/* Uses memory for the first time, in which the kernel clears it (and a hypervisor may have to find it). Apart from packing, since it costs
 * about as much and is no work of ours; advice, without it the first write does it. */
static uint64_t first_use(uint8_t *bytes, size_t n)
{
    uint64_t began = clock_ns();
#ifdef MADV_POPULATE_WRITE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)bytes / page * page;
    (void)madvise((void *)begin, (uintptr_t)bytes + n - begin, MADV_POPULATE_WRITE);
#else
    (void)bytes, (void)n;
#endif
    return clock_ns() - began;
}

/* An item is about as large as a large page, so that threads don't meet in one when it is first used. */
static void pack_thread(void *context, int thread, int threads)
{
    (void)thread, (void)threads;
    struct pack_work *work = context;
    struct packed *w = work->w;
    for (int64_t item; (item = pool_next(work->cpu->pool, (work->panels + work->each - 1) / work->each)) >= 0;) {
        int64_t first = item * work->each, end = first + work->each < work->panels ? first + work->each : work->panels;
        uint64_t ns = first_use(w->own + (size_t)first * w->panel_bytes, (size_t)(end - first) * w->panel_bytes);
        atomic_fetch_add_explicit(&work->memory_ns, ns, memory_order_relaxed); // read behind the pool's barrier
        for (int64_t i = first; i < end; i++)
            pack_one(work->cpu, w, i / w->panels, i % w->panels, w->own + (size_t)i * w->panel_bytes);
    }
}

static void pack_all(struct cpu *cpu, struct packed *w, int64_t experts)
{
    enum { LARGE_PAGE = 2 << 20 };
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)w->tensor->data / page * page;
    struct pack_work work = {.cpu = cpu, .w = w, .panels = experts * w->panels};
    int64_t share = (work.panels + pool_threads(cpu->pool) - 1) / pool_threads(cpu->pool);
    work.each = LARGE_PAGE / (int64_t)w->panel_bytes;
    work.each = work.each > share ? share : work.each < 1 ? 1 : work.each;
    uint64_t began = clock_ns();
    (void)madvise((void *)begin, (uintptr_t)w->tensor->data + w->tensor->bytes - begin, MADV_WILLNEED); // advice only
    pool_run(cpu->pool, pack_thread, &work);
    uint64_t elapsed = clock_ns() - began, memory = work.memory_ns / (uint64_t)pool_threads(cpu->pool);
    cpu->memory_ns += memory;
    cpu->pack_ns += elapsed > memory ? elapsed - memory : 0;
    cpu->packed_from_bytes += w->tensor->bytes;
}

/* Memory for weights is mapped, so that it goes back at unload, and large pages are asked for. */
static uint8_t *map_bytes(size_t bytes, struct error *err)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set_errno(err, "no memory for %zu bytes of packed weights", bytes);
        return NULL;
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE); // advice: without it, it is only slower
    return memory;
}

/* --- loading ---------------------------------------------------------------------------------------------------------------------------
 */

/* Room in every thread's scratch for two panels that are packed as they are used. */
static bool make_scratch(struct cpu *cpu, size_t panel_bytes, struct error *err)
{
    size_t width = (2 * panel_bytes + sizeof(float) - 1) / sizeof(float);
    if (width <= cpu->scratch_width)
        return true;
    float *scratch = memory_array((size_t)pool_threads_open(cpu->pool) * width, sizeof *scratch, "panels", err);
    if (!scratch)
        return false;
    free(cpu->scratch);
    cpu->scratch = scratch;
    cpu->scratch_width = width;
    return true;
}

/* Finds the matrix in the cache, or packs it (and writes it into the cache). */
static bool place(struct cpu *cpu, struct packed *w, int64_t experts, struct error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow(w->panel_bytes, (size_t)w->panels, &w->expert_bytes) ||
        __builtin_mul_overflow(w->expert_bytes, (size_t)experts, &bytes))
        return error_set(err, ERROR_INPUT, "its packed size overflows");
    if (!memory_grow((void **)&cpu->loaded, &cpu->loaded_capacity, cpu->n_loaded + 1, sizeof(void *), "weights", err))
        return false;
    struct pack_matrix matrix = {.format = w->format, .rows = w->rows, .cols = w->cols, .experts = experts, .bytes = bytes};
    if (!(w->bytes = pack_cache_take(cpu->pack_cache, &matrix))) {
        if (!(w->own = map_bytes(bytes, err)))
            return false;
        pack_all(cpu, w, experts);
        w->bytes = w->own;
        pack_cache_put(cpu->pack_cache, &matrix, w->bytes, cpu->pool);
    }
    cpu->loaded[cpu->n_loaded++] = w;
    cpu->packed_bytes += bytes;
    return true;
}

bool cpu_weight_load(struct backend *backend, struct weight *weight, enum weight_use use, bool *file_bytes_unused, struct error *err)
{
    struct cpu *cpu = (struct cpu *)backend;
    const struct tensor *tensor = weight->tensor;
    struct packed *w = memory_array(1, sizeof *w, "weight", err);
    if (!w)
        return false;
    *w = (struct packed){.tensor = tensor, .rows = weight->rows, .cols = weight->cols};
    w->format = pack_format_of(tensor->format->type);
    w->activation = cpu->exact ? ACTIVATION_FLOAT : pack_activation(w->format);
    w->panels = (weight->rows + PANEL_ROWS - 1) / PANEL_ROWS;
    w->panel_bytes = pack_panel_bytes(w->format, w->cols);
    weight->packed = w;
    *file_bytes_unused = false;
    if ((use != WEIGHT_MATRIX && use != WEIGHT_EXPERTS) || cpu->exact)
        return true; // read where it lies
    if (cpu->no_pack ? make_scratch(cpu, w->panel_bytes, err) : place(cpu, w, weight->experts, err)) {
        *file_bytes_unused = !cpu->no_pack;
        return true;
    }
    cpu_weight_unload(backend, weight);
    return false;
}

void cpu_weight_unload(struct backend *backend, struct weight *weight)
{
    struct cpu *cpu = (struct cpu *)backend;
    struct packed *w = weight->packed;
    size_t bytes = w->expert_bytes * (size_t)weight->experts;
    if (w->bytes)
        cpu->packed_bytes -= bytes;
    if (w->own)
        munmap(w->own, bytes);
    free(w);
    weight->packed = NULL;
}

/* --- the cache -------------------------------------------------------------------------------------------------------------------------
 */

void cpu_weights_begin(struct backend *backend, const struct weights_source *source)
{
    struct cpu *cpu = (struct cpu *)backend;
    char first[sizeof cpu->cache_note];
    cpu->n_loaded = 0;
    cpu->pack_ns = cpu->memory_ns = cpu->packed_from_bytes = 0;
    if (cpu->exact || cpu->no_pack || !cpu->pack_directory || !*cpu->pack_directory)
        return;
    memcpy(first, cpu->cache_note, sizeof first); // why it is built again stays said
    pack_cache_close(cpu->pack_cache);
    cpu->pack_cache = pack_cache_open(cpu->pack_directory, source->path, source->identity, !cpu->cache_refused, cpu->pool, cpu->cache_note,
                                      sizeof cpu->cache_note);
    if (!*cpu->cache_note)
        memcpy(cpu->cache_note, first, sizeof first);
    cpu->cache_state = cpu->pack_cache ? ENGINE_PACK_CACHE_NONE : ENGINE_PACK_CACHE_FAILED;
}

struct comparison {
    const struct cpu *cpu;
    _Atomic bool differs;
};

/* Of every matrix the first, the middle and the last panel. */
static void compare_thread(void *context, int thread, int threads)
{
    (void)thread, (void)threads;
    struct comparison *c = context;
    const struct cpu *cpu = c->cpu;
    uint8_t *room = NULL;
    size_t capacity = 0;
    for (int64_t item; (item = pool_next(cpu->pool, 3 * (int64_t)cpu->n_loaded)) >= 0;) {
        const struct packed *w = cpu->loaded[item / 3];
        int64_t last = w->tensor->shape[2] * w->panels - 1, panel = item % 3 * last / 2;
        if (w->panel_bytes > capacity) {
            free(room);
            room = malloc(capacity = w->panel_bytes);
        }
        if (room)
            pack_one(cpu, w, panel / w->panels, panel % w->panels, room);
        if (!room || memcmp(room, w->bytes + (size_t)panel * w->panel_bytes, w->panel_bytes) != 0)
            atomic_store_explicit(&c->differs, true, memory_order_relaxed); // read behind the pool's barrier
    }
    free(room);
}

/* A cache that is sound and of this identity can still be wrong: packers may have changed without the version, or a file may have been
 * changed past the file system's clock. A few panels of every matrix are packed for comparison. */
static bool cache_is_ours(struct cpu *cpu)
{
    struct comparison c = {.cpu = cpu};
    if (!pack_cache_finish(cpu->pack_cache))
        return false;
    pool_run(cpu->pool, compare_thread, &c);
    return !c.differs;
}

bool cpu_weights_end(struct backend *backend)
{
    struct cpu *cpu = (struct cpu *)backend;
    if (!cpu->pack_cache)
        return true;
    if (!pack_cache_is_read(cpu->pack_cache)) {
        bool built = pack_cache_finish(cpu->pack_cache);
        cpu->cache_state = built ? ENGINE_PACK_CACHE_BUILT : ENGINE_PACK_CACHE_FAILED;
        return true;
    }
    if (cache_is_ours(cpu)) {
        cpu->cache_state = ENGINE_PACK_CACHE_USED;
        return true;
    }
    cpu->cache_refused = true;
    pack_cache_discard(cpu->pack_cache, "holds other weights than the model file");
    return false;
}

void cpu_weights_close(struct cpu *cpu)
{
    pack_cache_close(cpu->pack_cache);
    free(cpu->loaded);
}
