/* The cache of packed weights: see pack_cache.h.
 *
 *     [head, 4096 bytes][matrices, each from a multiple of 4096][entry of each matrix][checksum of each PIECE of each matrix]
 *
 * All numbers are of this machine's byte order; the magic number tells. The head is written last: without it the file is none. */
#include "engine/cpu/pack_cache.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Goes up when the bytes of any format's panel change (kernels.h): older files are then other files. */
enum { LAYOUT_VERSION = 2 };

enum { PAGE = 4096, PIECE = 1 << 20 };
static const uint64_t magic = 0x314B4341504C4A77; // "wJLPACK1"

struct head {
    uint64_t magic, identity, file_bytes, table_at, n_matrices, n_pieces, table_sum, head_sum;
};

struct entry {
    struct pack_matrix matrix;
    uint64_t at;
};

struct pack_cache {
    char *path, *note;
    size_t note_bytes;
    uint64_t identity;
    const uint8_t *map; // NULL: the file is written
    struct head head;
    const struct entry *taken_from; // [n_matrices], in the map
    uint64_t next;                  // matrix to take
    bool other;                     // the model has other matrices
    /* being written */
    struct file_writer writer;
    uint64_t end;
    struct entry *entries; // [n]
    uint64_t *sums;        // [n_sums]
    size_t n, capacity, n_sums, sums_capacity;
};

static void note(struct pack_cache *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct pack_cache *c, const char *format, ...)
{
    int n = snprintf(c->note, c->note_bytes, "%s: ", c->path);
    va_list args;
    va_start(args, format);
    if (n > 0 && (size_t)n < c->note_bytes)
        vsnprintf(c->note + n, c->note_bytes - (size_t)n, format, args);
    va_end(args);
}

static uint64_t pieces_of(uint64_t bytes)
{
    return (bytes + PIECE - 1) / PIECE;
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------
 */

/* A piece's checksum says which piece of the file it is: its place is the seed. */
static uint64_t piece_sum(const uint8_t *bytes, uint64_t matrix_bytes, uint64_t piece, uint64_t at)
{
    uint64_t from = piece * PIECE, n = matrix_bytes - from < PIECE ? matrix_bytes - from : PIECE;
    return checksum(bytes + from, n, at + from);
}

struct verification {
    struct pool *pool;
    const uint8_t *map;
    const struct entry *entries;
    const uint64_t *sums;
    uint64_t n_matrices;
    _Atomic uint64_t damaged_at; // 0: nowhere; any of the places where it is
};

static void verify_thread(void *context, int thread, int threads)
{
    (void)thread, (void)threads;
    struct verification *v = context;
    int64_t first = 0, matrix = 0, pieces = (int64_t)pieces_of(v->n_matrices ? v->entries[0].matrix.bytes : 0);
    /* Items are pieces of the whole file; a thread's items come in ascending order, so that it walks along the matrices. */
    for (int64_t item; (item = pool_next(v->pool, INT64_MAX)) >= 0;) {
        while ((uint64_t)matrix < v->n_matrices && item >= first + pieces) {
            first += pieces;
            pieces = (uint64_t)++matrix < v->n_matrices ? (int64_t)pieces_of(v->entries[matrix].matrix.bytes) : 0;
        }
        if ((uint64_t)matrix == v->n_matrices)
            return;
        const struct entry *e = &v->entries[matrix];
        uint64_t piece = (uint64_t)(item - first), at = e->at + piece * PIECE;
        if (piece_sum(v->map + e->at, e->matrix.bytes, piece, e->at) != v->sums[item])
            atomic_store_explicit(&v->damaged_at, at, memory_order_relaxed); // read behind the pool's barrier
    }
}

/* The table's numbers lie inside the file, whatever they are: its checksum says that we wrote them, and damage is not malice, but a file
 * from elsewhere must not be able to do harm. */
static bool table_is_sound(const struct head *h, const uint8_t *map)
{
    uint64_t entry_bytes, sum_bytes, table_bytes, pieces = 0;
    if (h->table_at % PAGE || h->table_at < PAGE || h->table_at > h->file_bytes ||
        __builtin_mul_overflow(h->n_matrices, sizeof(struct entry), &entry_bytes) ||
        __builtin_mul_overflow(h->n_pieces, sizeof(uint64_t), &sum_bytes) || __builtin_add_overflow(entry_bytes, sum_bytes, &table_bytes) ||
        table_bytes != h->file_bytes - h->table_at || checksum(map + h->table_at, table_bytes, h->table_at) != h->table_sum)
        return false;
    const struct entry *entries = (const struct entry *)(const void *)(map + h->table_at);
    for (uint64_t i = 0; i < h->n_matrices; i++) {
        const struct entry *e = &entries[i];
        if (e->at % PAGE || e->at < PAGE || e->at > h->table_at || e->matrix.bytes > h->table_at - e->at)
            return false;
        pieces += pieces_of(e->matrix.bytes);
    }
    return pieces == h->n_pieces;
}

static bool contents_are_sound(struct pack_cache *c, struct pool *pool)
{
    const struct head *h = &c->head;
    if (!table_is_sound(h, c->map)) {
        note(c, "its table is damaged; it is built again");
        return false;
    }
    c->taken_from = (const struct entry *)(const void *)(c->map + h->table_at);
    struct verification v = {
        .pool = pool, .map = c->map, .entries = c->taken_from, .sums = (const uint64_t *)(c->taken_from + h->n_matrices)};
    v.n_matrices = h->n_matrices;
    pool_run(pool, verify_thread, &v);
    if (v.damaged_at)
        note(c, "damaged near byte %" PRIu64 "; it is built again", v.damaged_at);
    return !v.damaged_at;
}

/* Maps the file if it is whole and of this model. False: it isn't; without a note where there is none. */
static bool read_file(struct pack_cache *c, struct pool *pool)
{
    struct stat status;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            note(c, "cannot be opened (%s); it is built again", strerror(errno));
        return false;
    }
    bool ok = false;
    struct head *h = &c->head;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || pread(fd, h, sizeof *h, 0) != (ssize_t)sizeof *h || h->magic != magic ||
        checksum(h, offsetof(struct head, head_sum), 0) != h->head_sum)
        note(c, "is no cache of packed weights, or its head is damaged; it is built again");
    else if (h->identity != c->identity)
        note(c, "the model file has changed since; it is built again");
    else if (h->file_bytes != (uint64_t)status.st_size)
        note(c, "has %" PRIu64 " bytes instead of %" PRIu64 "; it is built again", (uint64_t)status.st_size, h->file_bytes);
    else {
        void *map = mmap(NULL, h->file_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            note(c, "cannot be mapped (%s); it is built again", strerror(errno));
        else {
            c->map = map;
            (void)madvise(map, h->file_bytes, MADV_WILLNEED); // advice only
            ok = contents_are_sound(c, pool);
        }
    }
    close(fd);
    if (!ok && c->map) {
        munmap((void *)(uintptr_t)c->map, h->file_bytes);
        c->map = NULL;
    }
    return ok;
}

const uint8_t *pack_cache_take(struct pack_cache *c, const struct pack_matrix *wanted)
{
    if (!c || !c->map || c->other)
        return NULL;
    const struct entry *e = c->next < c->head.n_matrices ? &c->taken_from[c->next++] : NULL;
    if (e && e->matrix.format == wanted->format && e->matrix.rows == wanted->rows && e->matrix.cols == wanted->cols &&
        e->matrix.experts == wanted->experts && e->matrix.bytes == wanted->bytes)
        return c->map + e->at;
    c->other = true;
    return NULL;
}

bool pack_cache_is_read(const struct pack_cache *c)
{
    return c && c->map;
}

void pack_cache_discard(struct pack_cache *c, const char *why)
{
    (void)unlink(c->path); // what cannot be removed is found out again at the next start
    note(c, "%s; it is built again", why);
}

/* --- writing ---------------------------------------------------------------------------------------------------------------------------
 */

static bool write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
    const uint8_t *from = bytes;
    while (n) {
        ssize_t done = pwrite(fd, from, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        from += done, n -= (size_t)done, at += (uint64_t)done;
    }
    return true;
}

static void give_up(struct pack_cache *c, const char *why)
{
    note(c, "cannot be written (%s); going on without it", why);
    if (c->writer.path)
        file_abandon(&c->writer);
}

struct writing {
    struct pool *pool;
    int fd;
    const uint8_t *bytes;
    uint64_t n, at;
    uint64_t *sums;
    _Atomic int failed; // errno
};

static void write_thread(void *context, int thread, int threads)
{
    (void)thread, (void)threads;
    struct writing *w = context;
    for (int64_t piece; (piece = pool_next(w->pool, (int64_t)pieces_of(w->n))) >= 0;) {
        uint64_t from = (uint64_t)piece * PIECE, n = w->n - from < PIECE ? w->n - from : PIECE;
        w->sums[piece] = piece_sum(w->bytes, w->n, (uint64_t)piece, w->at);
        if (!write_at(w->fd, w->bytes + from, n, w->at + from))
            atomic_store_explicit(&w->failed, errno ? errno : EIO, memory_order_relaxed); // read behind the pool's barrier
    }
}

void pack_cache_put(struct pack_cache *c, const struct pack_matrix *matrix, const uint8_t *bytes, struct pool *pool)
{
    if (!c || c->map || !c->writer.path)
        return;
    size_t pieces = (size_t)pieces_of(matrix->bytes);
    if (!memory_grow((void **)&c->entries, &c->capacity, c->n + 1, sizeof *c->entries, "cache", NULL) ||
        !memory_grow((void **)&c->sums, &c->sums_capacity, c->n_sums + pieces, sizeof *c->sums, "cache", NULL)) {
        give_up(c, strerror(ENOMEM));
        return;
    }
    struct writing w = {
        .pool = pool, .fd = fileno(c->writer.stream), .bytes = bytes, .n = matrix->bytes, .at = c->end, .sums = c->sums + c->n_sums};
    pool_run(pool, write_thread, &w);
    if (w.failed) {
        give_up(c, strerror(w.failed));
        return;
    }
    c->entries[c->n++] = (struct entry){.matrix = *matrix, .at = c->end};
    c->n_sums += pieces;
    c->end = (c->end + matrix->bytes + PAGE - 1) / PAGE * PAGE;
}

/* Table, then the head that makes the file valid. */
static bool write_table(struct pack_cache *c)
{
    size_t entry_bytes = c->n * sizeof *c->entries, sum_bytes = c->n_sums * sizeof *c->sums;
    int fd = fileno(c->writer.stream);
    uint8_t *table = malloc(entry_bytes + sum_bytes + 1);
    if (!table)
        return false;
    memcpy(table, c->entries, entry_bytes);
    memcpy(table + entry_bytes, c->sums, sum_bytes);
    struct head h = {.magic = magic,
                     .identity = c->identity,
                     .file_bytes = c->end + entry_bytes + sum_bytes,
                     .table_at = c->end,
                     .n_matrices = c->n,
                     .n_pieces = c->n_sums,
                     .table_sum = checksum(table, entry_bytes + sum_bytes, c->end)};
    h.head_sum = checksum(&h, offsetof(struct head, head_sum), 0);
    bool ok = write_at(fd, table, entry_bytes + sum_bytes, c->end) && write_at(fd, &h, sizeof h, 0);
    free(table);
    return ok;
}

bool pack_cache_finish(struct pack_cache *c)
{
    struct error err = {0};
    if (c->map)
        return !c->other && c->next == c->head.n_matrices;
    if (!c->writer.path)
        return false;
    if (!write_table(c)) {
        give_up(c, strerror(errno));
        return false;
    }
    if (file_commit(&c->writer, &err))
        return true;
    note(c, "cannot be written (%s); going on without it", err.message);
    return false;
}

/* --- life ------------------------------------------------------------------------------------------------------------------------------
 */

/* DIRECTORY/NAME-PATH.vN.pack: the model's own name for people, its path as a number so that models of one name don't share a file. */
static char *cache_path(const char *directory, const char *model_path)
{
    char *real = realpath(model_path, NULL), *path = NULL;
    const char *whole = real ? real : model_path, *slash = strrchr(whole, '/'), *name = slash ? slash + 1 : whole;
    if (asprintf(&path, "%s/%.200s-%016" PRIx64 ".v%d.pack", directory, name, checksum(whole, strlen(whole), 0), LAYOUT_VERSION) < 0)
        path = NULL;
    free(real);
    return path;
}

struct pack_cache *pack_cache_open(const char *directory, const char *model_path, uint64_t identity, bool allowed, struct pool *pool,
                                   char note_out[], size_t note_bytes)
{
    struct error err = {0};
    struct pack_cache *c = calloc(1, sizeof *c);
    note_out[0] = '\0';
    if (!c || !(c->path = cache_path(directory, model_path))) {
        snprintf(note_out, note_bytes, "%s: out of memory; going on without it", directory);
        pack_cache_close(c);
        return NULL;
    }
    c->note = note_out;
    c->note_bytes = note_bytes;
    c->identity = identity;
    if (allowed && read_file(c, pool))
        return c;
    c->end = PAGE;
    if (file_make_directory(directory, &err) && file_create(&c->writer, c->path, &err))
        return c;
    note(c, "cannot be written (%s); going on without it", err.message);
    pack_cache_close(c);
    return NULL;
}

void pack_cache_close(struct pack_cache *c)
{
    if (!c)
        return;
    if (c->map)
        munmap((void *)(uintptr_t)c->map, c->head.file_bytes);
    if (c->writer.path)
        file_abandon(&c->writer);
    free(c->entries);
    free(c->sums);
    free(c->path);
    free(c);
}
