/* Which programs of kernels a model needs, for its own numbers, and the kernels that are taken from them. */
#include "engine/gpu/gpu.h"

/* A program, and its kernels [first … first + n − 1] by name. */
static bool open_program(struct gpu *gpu, struct gpu_program *p, const struct gpu_source *source, const struct gpu_options *o, int first,
                         const char *const *names, int n, struct error *err)
{
    bool ok = (p->program = gpu_program_open(gpu, source, o, err)) != 0;
    for (int i = 0; ok && i < n; i++)
        ok = (p->kernels[first + i] = gpu->driver->kernel(gpu->context, p->program, names[i], err)) != 0;
    return ok;
}

bool gpu_open_rows(struct gpu *gpu, struct error *err)
{
    static const char *const names[] = {"norm_rows",     "bias_rows", "add_rows",     "scale_rows",  "clear_rows",
                                        "activate_rows", "gate_rows", "copy_columns", "gather_rows", "rope_rows",
                                        "score_rows",    "choose",    "sort_pairs",   "sum_choices"};
    struct gpu_options o = {.n = 0};
    int most = 64; // a power of two: one program for many models
    while (most < gpu->limits.n_experts)
        most *= 2;
    gpu_define(&o, "MOST_EXPERTS", most);
    return open_program(gpu, &gpu->rows, &gpu_source_rows, &o, 0, names, GPU_ROWS_END, err);
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
    static const int types[] = {[ENGINE_KV_F16] = 0, [ENGINE_KV_BF16] = 1, [ENGINE_KV_F32] = 2};
    int n_heads = gpu->limits.n_heads, group = n_heads / gpu->kv.n_kv_heads, heads = 1;
    while (2 * heads <= MOST_HEADS && heads < group && 2 * heads * gpu->kv.k_dim <= FLOATS) // 40 KiB of a group's queries
        heads *= 2;
    gpu->flash = for_flash(gpu);
    gpu->many_items = WARP_ITEMS * (gpu->kv.v_dim > 128 ? 2 : 4); // as ITEM_WARPS: wide values take two warps' registers
    gpu->chunk_tokens = gpu->flash ? PAGE_TOKENS : CHUNK_TOKENS;
    gpu->attention_parts = (group + heads - 1) / heads;
    struct gpu_options o = {.n = 0};
    gpu_define(&o, "K_DIM", gpu->kv.k_dim);
    gpu_define(&o, "V_DIM", gpu->kv.v_dim);
    gpu_define(&o, "HEADS", n_heads);
    gpu_define(&o, "KV_HEADS", gpu->kv.n_kv_heads);
    gpu_define(&o, "KV_TYPE", types[gpu->kv.type]);
    gpu_define(&o, "CHUNK_TOKENS", gpu->chunk_tokens);
    if (gpu->flash)
        return open_program(gpu, &gpu->attention, &gpu_source_flash, &o, GPU_ROWS_END, in_tiles, KERNELS, err);
    gpu_define(&o, "GROUP_HEADS", heads);
    gpu_define(&o, "V_IN_K", gpu->kv.v_in_k);
    return open_program(gpu, &gpu->attention, &gpu_source_attention, &o, GPU_ROWS_END, in_float, KERNELS, err);
}

bool gpu_open_format(struct gpu *gpu, const struct tensor_format *format, struct error *err)
{
    static const char *const names[] = {"dot_1", "dot_8",  "one_dot", "middle_dot", "down_dot", "matrix_values",
                                        "mma_8", "mma_32", "one_mma", "middle_mma", "down_mma"};
    struct gpu_options o = {.n = 0};
    struct gpu_program *p = &gpu->formats[format->type];
    if (p->program)
        return true;
    gpu_define(&o, "FORMAT", format->type);
    bool units = gpu->mma || gpu->facts.tensor_cores; // where there are units, one program serves both ways
    return open_program(gpu, p, units ? &gpu_source_product : &gpu_source_dot, &o, 0, names, gpu->mma ? GPU_PRODUCTS : GPU_MMA_8, err);
}

bool gpu_open_limits(struct gpu *gpu, struct gpu_program *p, struct error *err)
{
    static const char *const names[] = {"limit_read", "limit_copy", "limit_write", "limit_float", "limit_mma"};
    return open_program(gpu, p, &gpu_source_limits, &(struct gpu_options){.n = 0}, 0, names, gpu->mma ? 5 : 4, err);
}

void gpu_close_program(struct gpu *gpu, struct gpu_program *p)
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
    gpu_close_program(gpu, &gpu->rows);
    gpu_close_program(gpu, &gpu->attention);
    for (int i = 0; i < GPU_FORMATS; i++)
        gpu_close_program(gpu, &gpu->formats[i]);
}
