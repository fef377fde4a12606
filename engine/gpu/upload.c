/* Matrices on their way to the device: threads take pieces of rows, each draws the planes apart in a room of its own, and writes them.
 *
 * Taking apart is what takes long (a model of 17 GB is minutes for one thread), and is what threads share. Writes are one at a time, under
 * a lock, since that is what driver.h asks for: all go through one queue, and a driver's bus is busy with one of them. Any thread may make
 * them: CUDA's current context and HIP's current device belong to the thread, and twins.c sets them in every call; OpenCL has neither.
 *
 * The first write that fails ends all, and is the one that is told. */
#include "base/memory.h"
#include "engine/gpu/gpu.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PIECE_BYTES = 4 << 20, MOST_THREADS = 32 }; // more of them than any bus takes the planes of

struct upload {
    struct gpu *gpu;
    const struct gpu_weight *w;
    size_t row[GPU_PLANES];
    int64_t rows, piece_rows;
    _Atomic int64_t next;    // row that nobody has taken; relaxed: it orders nothing but itself
    pthread_mutex_t writing; // the driver and failure
    struct error failure;    // the first; ERROR_NONE: none
};

struct worker {
    struct upload *upload;
    uint8_t *room; // [piece_rows] of all planes
    pthread_t thread;
};

/* Under the lock. */
static void write_planes(struct upload *u, int64_t first, int64_t rows, uint8_t *const planes[GPU_PLANES])
{
    const uint64_t begins[GPU_PLANES] = {0, u->w->high, u->w->scales, u->w->steps};
    for (int i = 0; i < GPU_PLANES && u->failure.code == ERROR_NONE; i++)
        if (u->row[i] && !u->gpu->driver->write(u->gpu->context, u->w->memory, begins[i] + (size_t)first * u->row[i], planes[i],
                                                (size_t)rows * u->row[i], &u->failure))
            atomic_store_explicit(&u->next, u->rows, memory_order_relaxed); // nobody takes another piece
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct upload *u = worker->upload;
    uint8_t *planes[GPU_PLANES];
    for (int64_t first; (first = atomic_fetch_add_explicit(&u->next, u->piece_rows, memory_order_relaxed)) < u->rows;) {
        int64_t rows = u->rows - first < u->piece_rows ? u->rows - first : u->piece_rows;
        planes[0] = worker->room;
        for (int i = 1; i < GPU_PLANES; i++)
            planes[i] = planes[i - 1] + (size_t)rows * u->row[i - 1];
        gpu_take_rows(u->w, first, rows, planes);
        pthread_mutex_lock(&u->writing);
        write_planes(u, first, rows, planes);
        pthread_mutex_unlock(&u->writing);
    }
    return NULL;
}

bool gpu_upload(struct gpu *gpu, const struct gpu_weight *w, struct error *err)
{
    struct upload u = {.gpu = gpu, .w = w, .rows = w->rows * w->experts, .writing = PTHREAD_MUTEX_INITIALIZER};
    struct worker workers[MOST_THREADS];
    size_t row = 0;
    gpu_plane_bytes(w, u.row);
    for (int i = 0; i < GPU_PLANES; i++)
        row += u.row[i];
    u.piece_rows = PIECE_BYTES / (int64_t)row + 1;
    u.piece_rows = u.piece_rows < u.rows ? u.piece_rows : u.rows;
    int64_t pieces = u.rows ? (u.rows + u.piece_rows - 1) / u.piece_rows : 0;
    int threads = gpu->upload_threads < MOST_THREADS ? gpu->upload_threads : MOST_THREADS, started = 1;
    threads = threads < pieces ? threads : (int)pieces;
    uint8_t *rooms = memory_array((size_t)threads * (size_t)u.piece_rows, row, "pieces of a matrix", err);
    if (!rooms)
        return false;
    for (int i = 0; i < threads; i++)
        workers[i] = (struct worker){.upload = &u, .room = rooms + (size_t)i * (size_t)u.piece_rows * row};
    while (started < threads && pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
        started++; // where one does not start, fewer do
    if (threads)
        work(&workers[0]);
    for (int i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    free(rooms);
    pthread_mutex_destroy(&u.writing);
    return u.failure.code == ERROR_NONE || error_set(err, u.failure.code, "%s", u.failure.message);
}
