/* Kernels: compiled when they are first needed, for the numbers of the model at hand, and kept on disk: by the driver or by us.
 *
 * A file of the cache ($XDG_CACHE_HOME/jeoul/kernels, else ~/.cache/jeoul/kernels) is named by a checksum of everything that its contents
 * depend on, and holds all of that as text, which is compared: another driver, device, compiler, option or source never finds it. A file
 * that is damaged is compiled again; where no file can be written, there is none. */
#include "base/checksum.h"
#include "base/file.h"
#include "engine/gpu/gpu.h"
#include "engine/gpu/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cache_head {
    uint64_t key_bytes, binary_bytes, sum;
};

static bool cache_path(const struct text *key, char *path, size_t n)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (cache && *cache)
        length = snprintf(path, n, "%s/jeoul/kernels", cache);
    else if (home && *home)
        length = snprintf(path, n, "%s/.cache/jeoul/kernels", home);
    else
        return false;
    if (length < 0 || (size_t)length + 32 > n || !file_make_directory(path, NULL))
        return false;
    snprintf(path + length, n - (size_t)length, "/%016" PRIx64 ".bin", checksum(key->bytes, key->length, 0));
    return true;
}

static bool cache_read(const char *path, const struct text *key, struct text *binary)
{
    enum { LIMIT = 256 << 20 };
    struct text file = {0};
    struct cache_head head;
    bool ok = file_read(path, LIMIT, &file, NULL) && file.length >= sizeof head;
    if (ok)
        memcpy(&head, file.bytes, sizeof head);
    ok = ok && head.key_bytes == key->length && file.length - sizeof head >= key->length &&
         memcmp(file.bytes + sizeof head, key->bytes, key->length) == 0 && head.binary_bytes == file.length - sizeof head - key->length &&
         head.sum == checksum(file.bytes + sizeof head + key->length, (size_t)head.binary_bytes, 0);
    if (ok)
        text_add(binary, file.bytes + sizeof head + key->length, (size_t)head.binary_bytes);
    text_free(&file);
    return ok && text_ok(binary, NULL);
}

static void cache_write(const char *path, const struct text *key, const struct text *binary)
{
    struct cache_head head = {key->length, binary->length, checksum(binary->bytes, binary->length, 0)};
    struct text file = {0};
    text_add(&file, (const char *)&head, sizeof head);
    text_add(&file, key->bytes, key->length);
    text_add(&file, binary->bytes, binary->length);
    if (text_ok(&file, NULL))
        (void)!file_write(path, file.bytes, file.length, NULL); // without it, the next start compiles again
    text_free(&file);
}

enum { MOST_OPTIONS = 12, OPTION_BYTES = 32 };

struct options {
    char text[MOST_OPTIONS][OPTION_BYTES];
    const char *list[MOST_OPTIONS];
    size_t n;
};

static void define(struct options *o, const char *name, int64_t value)
{
    snprintf(o->text[o->n], OPTION_BYTES, "-D%s=%" PRId64, name, value);
    o->list[o->n] = o->text[o->n];
    o->n++;
}

static bool load_program(struct gpu *gpu, struct gpu_program *p, const char *source, const struct options *o, struct error *err)
{
    if (gpu->driver->program_build)
        return (p->program = gpu->driver->program_build(gpu->context, source, o->list, o->n, err)) != 0;
    struct text key = {0}, binary = {0};
    char path[4096], compiler[32] = "";
    bool ok = gpu->driver->compiler_version(gpu->driver, compiler, err);
    text_format(&key, "%s\n%s\n%s\n%s\n", gpu->driver->name, gpu->facts.name, gpu->facts.version, compiler);
    for (size_t i = 0; i < o->n; i++)
        text_format(&key, "%s\n", o->list[i]);
    text_add_string(&key, source);
    ok = ok && text_ok(&key, err);
    bool cached = ok && cache_path(&key, path, sizeof path);
    if (cached && cache_read(path, &key, &binary))
        p->program = gpu->driver->program_load(gpu->context, binary.bytes, binary.length, NULL);
    if (ok && !p->program) {
        text_clear(&binary);
        ok = gpu->driver->compile(gpu->context, source, o->list, o->n, &binary, err) &&
             (p->program = gpu->driver->program_load(gpu->context, binary.bytes, binary.length, err)) != 0;
        if (ok && cached)
            cache_write(path, &key, &binary);
    }
    text_free(&key);
    text_free(&binary);
    return ok;
}

/* A program of the given parts, and its kernels [first … first + n − 1] by name. */
static bool open_program(struct gpu *gpu, struct gpu_program *p, const char *const *parts, const struct options *o, int first,
                         const char *const *names, int n, struct error *err)
{
    struct text source = {0};
    text_add_string(&source, gpu_source_dialect);
    text_add_string(&source, gpu_source_common);
    for (; *parts; parts++)
        text_add_string(&source, *parts);
    bool ok = text_ok(&source, err) && load_program(gpu, p, source.bytes, o, err);
    for (int i = 0; ok && i < n; i++)
        ok = (p->kernels[first + i] = gpu->driver->kernel(gpu->context, p->program, names[i], err)) != 0;
    text_free(&source);
    return ok;
}

bool gpu_open_rows(struct gpu *gpu, struct error *err)
{
    static const char *const names[] = {"norm_rows",     "bias_rows", "add_rows",     "scale_rows",  "clear_rows",
                                        "activate_rows", "gate_rows", "copy_columns", "gather_rows", "rope_rows",
                                        "score_rows",    "choose",    "sort_pairs",   "sum_choices"};
    struct options o = {.n = 0};
    int most = 64; // a power of two: one program for many models
    while (most < gpu->limits.n_experts)
        most *= 2;
    define(&o, "MOST_EXPERTS", most);
    return open_program(gpu, &gpu->rows, (const char *const[]){gpu_source_rows, gpu_source_router, NULL}, &o, 0, names, GPU_ROWS_END, err);
}

/* Whether attention may run on matrix units, for which the cache's values become BF16: where it has halves, in heads of whole tiles. It
 * depends on the model and the cache alone, so that a row's bits are the same in every step. */
static bool for_flash(const struct gpu *gpu)
{
    enum { MOST_DIM = 256 };
    const struct kv_shape *kv = &gpu->kv;
    return gpu->mma && kv->type != ENGINE_KV_F32 && !kv->v_in_k && kv->k_dim % 16 == 0 && kv->v_dim % 16 == 0 && kv->k_dim <= MOST_DIM &&
           kv->v_dim <= MOST_DIM;
}

bool gpu_open_attention(struct gpu *gpu, struct error *err)
{
    enum { MOST_HEADS = 8, FLOATS = 40 << 8, CHUNK_TOKENS = 128, WARP_ITEMS = 16, KERNELS = GPU_KERNELS - GPU_ROWS_END };
    static const char *const in_float[KERNELS] = {"kv_store", "kv_copy", "turn_heads", "attend_merge", "attend", "attend_split"},
                             *const in_tiles[KERNELS] = {"kv_store", "kv_copy", "turn_heads", "attend_merge", "flash_few", "flash_many"};
    static const char few[] = "#define ITEM_WARPS 1\n#define FLASH_NAME flash_few\n",
                      many[] = "#undef ITEM_WARPS\n#undef FLASH_NAME\n"
                               "#define ITEM_WARPS (V_DIM > 128 ? 2 : 4)\n#define FLASH_NAME flash_many\n";
    static const int types[] = {[ENGINE_KV_F16] = 0, [ENGINE_KV_BF16] = 1, [ENGINE_KV_F32] = 2};
    int n_heads = gpu->limits.n_heads, group = n_heads / gpu->kv.n_kv_heads, heads = 1;
    while (2 * heads <= MOST_HEADS && heads < group && 2 * heads * gpu->kv.k_dim <= FLOATS) // 40 KiB of a group's queries
        heads *= 2;
    gpu->flash = for_flash(gpu);
    gpu->many_items = WARP_ITEMS * (gpu->kv.v_dim > 128 ? 2 : 4); // as ITEM_WARPS: wide values take two warps' registers
    gpu->chunk_tokens = gpu->flash ? PAGE_TOKENS : CHUNK_TOKENS;
    gpu->attention_parts = (group + heads - 1) / heads;
    struct options o = {.n = 0};
    define(&o, "K_DIM", gpu->kv.k_dim);
    define(&o, "V_DIM", gpu->kv.v_dim);
    define(&o, "HEADS", n_heads);
    define(&o, "KV_HEADS", gpu->kv.n_kv_heads);
    define(&o, "KV_TYPE", types[gpu->kv.type]);
    define(&o, "CHUNK_TOKENS", gpu->chunk_tokens);
    if (gpu->flash) {
        const char *const parts[] = {gpu_source_attention, gpu_source_matrix, few, gpu_source_flash, many, gpu_source_flash, NULL};
        return open_program(gpu, &gpu->attention, parts, &o, GPU_ROWS_END, in_tiles, KERNELS, err);
    }
    define(&o, "GROUP_HEADS", heads);
    define(&o, "V_IN_K", gpu->kv.v_in_k);
    const char *const parts[] = {gpu_source_attention, gpu_source_attend, NULL};
    return open_program(gpu, &gpu->attention, parts, &o, GPU_ROWS_END, in_float, KERNELS, err);
}

bool gpu_open_format(struct gpu *gpu, const struct tensor_format *format, struct error *err)
{
    static const char *const names[] = {"dot_1", "dot_8",  "one_dot", "middle_dot", "down_dot", "matrix_values",
                                        "mma_8", "mma_32", "one_mma", "middle_mma", "down_mma"};
    static const char few[] = "#define COLUMN_TILES 1\n#define MMA_NAME mma_8\n",
                      many[] = "#undef COLUMN_TILES\n#undef MMA_NAME\n#define COLUMN_TILES 4\n#define MMA_NAME mma_32\n";
    const char *const parts[] = {gpu_source_formats,
                                 gpu_source_dot,
                                 gpu_source_single,
                                 gpu->mma ? gpu_source_matrix : NULL,
                                 few,
                                 gpu_source_mma,
                                 many,
                                 gpu_source_mma,
                                 gpu_source_single,
                                 NULL};
    struct options o = {.n = 0};
    struct gpu_program *p = &gpu->formats[format->type];
    if (p->program)
        return true;
    define(&o, "FORMAT", format->type);
    return open_program(gpu, p, parts, &o, 0, names, gpu->mma ? GPU_PRODUCTS : GPU_MMA_8, err);
}

static void close_program(struct gpu *gpu, struct gpu_program *p)
{
    for (size_t i = 0; i < sizeof p->kernels / sizeof *p->kernels; i++)
        if (p->kernels[i])
            gpu->driver->kernel_free(gpu->context, p->kernels[i]);
    if (p->program)
        gpu->driver->program_free(gpu->context, p->program);
    *p = (struct gpu_program){0};
}

void gpu_close_programs(struct gpu *gpu)
{
    close_program(gpu, &gpu->rows);
    close_program(gpu, &gpu->attention);
    for (int i = 0; i < GPU_FORMATS; i++)
        close_program(gpu, &gpu->formats[i]);
}
