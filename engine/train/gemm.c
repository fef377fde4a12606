/* See gemm.h. b is packed whole into panels of tile_cols columns, [k][tile_cols]; a block of a's rows, BLOCK_K deep, into panels of
 * tile_rows rows, [k][tile_rows], small enough for the second cache. A tile is tile_rows × tile_cols of c in registers. */
#include "engine/train/gemm.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_K = 256, BLOCK_PANELS = 12, MAX_TILE_ROWS = 12, MAX_TILE_COLS = 32, CACHE_LINE = 64, BLOCKS_PER_THREAD = 4 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

size_t gemm_b_floats(const struct cpu_training *kernels, int64_t k, int64_t n)
{
    return (size_t)(k * round_up(n, kernels->tile_cols));
}

/* Neighbours in memory lie side by side already: n times `wide` of them, `along` apart. Sizes that the compiler knows are copied by
 * vectors. */
static void copy_lines(float *out, const float *at, int64_t along, int64_t wide, int64_t n)
{
    for (int64_t j = 0; j < n; j++, out += wide, at += along)
        switch (wide) {
        case 32:
            memcpy(out, at, 32 * sizeof *out);
            break;
        case 16:
            memcpy(out, at, 16 * sizeof *out);
            break;
        case 12:
            memcpy(out, at, 12 * sizeof *out);
            break;
        default:
            memcpy(out, at, (size_t)wide * sizeof *out);
        }
}

/* Lines of n values, `line` apart, side by side: out[j][wide]; zeros where there are no more. */
static void pack(float *out, const float *at, int64_t line, int64_t along, int64_t lines, int64_t wide, int64_t n)
{
    if (line == 1 && lines == wide) {
        copy_lines(out, at, along, wide, n);
        return;
    }
    for (int64_t i = 0; i < lines; i++) {
        const float *from = at + i * line;
        float *to = out + i;
        int64_t j = 0;
        for (; along == 1 && j + 4 <= n; j += 4, to += 4 * wide) {
            to[0] = from[j];
            to[wide] = from[j + 1];
            to[2 * wide] = from[j + 2];
            to[3 * wide] = from[j + 3];
        }
        for (; j < n; j++, to += wide)
            *to = from[j * along];
    }
    for (int64_t i = lines; i < wide; i++)
        for (int64_t j = 0; j < n; j++)
            out[j * wide + i] = 0;
}

static void pack_b_panel(const struct cpu_training *kernels, const struct product *p, int64_t panel, float *b)
{
    int64_t wide = kernels->tile_cols, first = panel * wide;
    pack(b + first * p->k, p->b.at + first * p->b.col, p->b.col, p->b.row, least(wide, p->n - first), wide, p->k);
}

/* A tile at the rim is computed beside c and copied. */
static void rim_tile(const struct cpu_training *kernels, int64_t k, const float *a, const float *b, float *c, int64_t stride, int64_t rows,
                     int64_t cols, bool add)
{
    float whole[MAX_TILE_ROWS * MAX_TILE_COLS];
    kernels->tile(k, a, b, whole, kernels->tile_cols, false);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            c[i * stride + j] = whole[i * kernels->tile_cols + j] + (add ? c[i * stride + j] : 0);
}

/* Rows first … first + count − 1 of c. */
static void multiply_rows(const struct cpu_training *kernels, const struct product *p, int64_t first, int64_t count, float *a,
                          const float *b)
{
    int64_t tall = kernels->tile_rows, wide = kernels->tile_cols;
    for (int64_t k0 = 0; k0 < p->k; k0 += BLOCK_K) {
        int64_t depth = least(BLOCK_K, p->k - k0);
        for (int64_t i = 0; i < count; i += tall)
            pack(a + i * depth, p->a.at + (first + i) * p->a.row + k0 * p->a.col, p->a.row, p->a.col, least(tall, count - i), tall, depth);
        for (int64_t j = 0; j < p->n; j += wide)
            for (int64_t i = 0; i < count; i += tall) {
                float *c = p->c + (first + i) * p->stride + j;
                const float *panel = b + j * p->k + k0 * wide;
                bool add = p->add || k0 > 0;
                if (count - i >= tall && p->n - j >= wide)
                    kernels->tile(depth, a + i * depth, panel, c, p->stride, add);
                else
                    rim_tile(kernels, depth, a + i * depth, panel, c, p->stride, least(tall, count - i), least(wide, p->n - j), add);
            }
    }
}

struct work {
    struct gemm *gemm;
    const struct product *p;
    int64_t rows; // of a block
};

static void together(void *context, int thread, int threads)
{
    (void)threads;
    const struct work *work = context;
    struct gemm *gemm = work->gemm;
    const struct product *p = work->p;
    int64_t panels = round_up(p->n, gemm->kernels->tile_cols) / gemm->kernels->tile_cols, blocks = (p->m + work->rows - 1) / work->rows, i;
    while ((i = pool_next(gemm->pool, panels)) >= 0)
        pack_b_panel(gemm->kernels, p, i, gemm->team_b);
    pool_barrier(gemm->pool);
    while ((i = pool_next(gemm->pool, blocks)) >= 0)
        multiply_rows(gemm->kernels, p, i * work->rows, least(work->rows, p->m - i * work->rows), gemm->threads[thread].a, gemm->team_b);
}

void gemm_together(struct gemm *gemm, const struct product *p)
{
    int64_t tall = gemm->kernels->tile_rows, share = (int64_t)pool_threads(gemm->pool) * BLOCKS_PER_THREAD;
    struct work work = {gemm, p, least(round_up((p->m + share - 1) / share, tall), BLOCK_PANELS * tall)};
    pool_run(gemm->pool, together, &work);
}

void gemm_alone(struct gemm *gemm, int thread, const struct product *p)
{
    const struct cpu_training *kernels = gemm->kernels;
    struct gemm_room *room = &gemm->threads[thread];
    int64_t block = BLOCK_PANELS * kernels->tile_rows;
    for (int64_t panel = 0; panel * kernels->tile_cols < p->n; panel++)
        pack_b_panel(kernels, p, panel, room->b);
    for (int64_t first = 0; first < p->m; first += block)
        multiply_rows(kernels, p, first, least(block, p->m - first), room->a, room->b);
}

static float *room_of(size_t floats, struct error *err)
{
    float *room = aligned_alloc(CACHE_LINE, (floats * sizeof *room + CACHE_LINE) / CACHE_LINE * CACHE_LINE);
    if (!room)
        error_record(err, ERROR_MACHINE, "out of memory for matrix products: %zu floats", floats);
    return room;
}

bool gemm_open(struct gemm *gemm, const struct cpu_training *kernels, struct pool *pool, size_t together_floats, size_t alone_floats,
               struct error *err)
{
    int n = pool_threads_open(pool);
    *gemm = (struct gemm){.kernels = kernels, .pool = pool};
    if (!(gemm->threads = memory_array((size_t)n, sizeof *gemm->threads, "matrix products", err)))
        return false;
    size_t a_floats = (size_t)BLOCK_K * BLOCK_PANELS * (size_t)kernels->tile_rows;
    bool ok = (gemm->team_b = room_of(together_floats, err)) != NULL;
    for (int i = 0; ok && i < n; i++)
        ok = (gemm->threads[i].a = room_of(a_floats, err)) && (gemm->threads[i].b = room_of(alone_floats, err));
    return ok;
}

void gemm_close(struct gemm *gemm)
{
    for (int i = 0; gemm->threads && i < pool_threads_open(gemm->pool); i++) {
        free(gemm->threads[i].a);
        free(gemm->threads[i].b);
    }
    free(gemm->threads);
    free(gemm->team_b);
    *gemm = (struct gemm){0};
}
