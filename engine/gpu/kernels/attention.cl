/* What every way of attention has: the paged cache, [page][kv_head][PAGE_TOKENS][dim] for K and for V, one layer at a time, what fills it, and
 * how the softmax of a row's chunks, of CHUNK_TOKENS positions each, is merged in their order. attend.cl and flash.cl make a chunk's.
 *
 * What a step's rows are stands in step[]: of row r its position, 2r, and where in step[] its sequence's page numbers begin, 2r + 1.
 *
 * K_DIM, V_DIM, HEADS, KV_HEADS, KV_TYPE (0 F16, 1 BF16, 2 F32) and CHUNK_TOKENS are definitions of the build. */
#define ATTENDERS 128
#define GROUP_SIZE (HEADS / KV_HEADS)
#define V_EACH ((V_DIM + ATTENDERS - 1) / ATTENDERS)

#if KV_TYPE == 2
typedef float cached;
#define CACHED_VALUE(C) (C)
#define CACHED_BITS(V) (V)
#elif KV_TYPE == 1
typedef ushort cached;
#define CACHED_VALUE(C) bf16_value(C)
#define CACHED_BITS(V) bf16_bits(V)
#else
typedef ushort cached;
#define CACHED_VALUE(C) f16_value(C)
#define CACHED_BITS(V) f16_bits(V)
#endif

/* Where a page of a KV head begins, in values. */
DEVICE long head_page(int page, int kv_head, int dim)
{
    return ((long)page * KV_HEADS + kv_head) * PAGE_TOKENS * dim;
}

/* The latent cache's next tokens: K alone. */
KERNEL(256) kv_store(GLOBAL cached *cache, GLOBAL const float *values, GLOBAL const int *step, int n)
{
    long i = (long)GROUP(0) * 256 + THREAD, head = i / K_DIM, row = head / KV_HEADS;
    if (row >= n)
        return;
    int position = step[2 * row], page = step[step[2 * row + 1] + position / PAGE_TOKENS];
    cache[head_page(page, (int)(head % KV_HEADS), K_DIM) + (long)(position % PAGE_TOKENS) * K_DIM + i % K_DIM] = CACHED_BITS(values[i]);
}

/* Queries, keys and values of the step's rows on their way to attention, a group being a head of a row: its norm, where there is one, its turn
 * by position, where it has a table, and of keys and values the place in the cache. GROUP(0) = row · (q_heads + 2 · KV_HEADS) + head:
 * queries, keys, values. q and k are changed in place. */
#define TURNERS 128
KERNEL(TURNERS) turn_heads(GLOBAL float *q, GLOBAL float *k, GLOBAL const float *v, GLOBAL cached *k_cache, GLOBAL cached *v_cache,
                           GLOBAL const int *step, GLOBAL const float *q_norm, GLOBAL const float *k_norm, float epsilon,
                           GLOBAL const float *q_table, GLOBAL const float *k_table, int n_dims, int neox, int q_heads)
{
    LOCAL float room[256 + (K_DIM > V_DIM ? K_DIM : V_DIM)];
    LOCAL_POINTER float *values = room + 256;
    int heads = q_heads + 2 * KV_HEADS, head = GROUP(0) % heads, kv_head = head - q_heads;
    long row = GROUP(0) / heads;
    bool of_q = kv_head < 0, of_v = kv_head >= KV_HEADS;
    int dim = of_v ? V_DIM : K_DIM, position = step[2 * row], pairs = n_dims / 2;
    kv_head = of_v ? kv_head - KV_HEADS : kv_head;
    GLOBAL float *to = of_q ? q + (row * q_heads + head) * dim : k + (row * KV_HEADS + kv_head) * dim;
    GLOBAL const float *from = of_v ? v + (row * KV_HEADS + kv_head) * dim : to;
    GLOBAL const float *norm = of_v ? 0 : of_q ? q_norm : k_norm, *table = of_v ? 0 : of_q ? q_table : k_table;
    float factor = 1.0f;
    if (norm)
        factor = norm_factor(room, from, dim, epsilon, TURNERS);
    for (int i = THREAD; i < dim; i += TURNERS)
        values[i] = norm ? from[i] * factor * norm[i] : from[i];
    BARRIER;
    for (int i = THREAD; table && i < pairs; i += TURNERS) {
        GLOBAL const float *turn = table + (long)position * n_dims + 2 * i;
        int a = neox ? i : 2 * i, b = neox ? i + pairs : 2 * i + 1;
        float x0 = values[a], x1 = values[b], c = turn[0], s = turn[1];
        values[a] = x0 * c - x1 * s;
        values[b] = x0 * s + x1 * c;
    }
    BARRIER;
    if (!of_v && (norm || table))
        for (int i = THREAD; i < dim; i += TURNERS)
            to[i] = values[i];
    if (!of_q) {
        int page = step[step[2 * row + 1] + position / PAGE_TOKENS];
        GLOBAL cached *cache = (of_v ? v_cache : k_cache) + head_page(page, kv_head, dim) + (long)(position % PAGE_TOKENS) * dim;
        for (int i = THREAD; i < dim; i += TURNERS)
            cache[i] = CACHED_BITS(values[i]);
    }
}

/* Copies a page of a layer's K or V to another. */
KERNEL(256) kv_copy(GLOBAL cached *cache, int from, int to, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        cache[to * count + i] = cache[from * count + i];
}

/* How a chunk's softmax joins that of the chunks before it: factors of both, and the new greatest and sum. */
DEVICE void merge_factors(float *greatest, float *sum, float chunk_greatest, float chunk_sum, float *before, float *chunk)
{
    float both = MAX(*greatest, chunk_greatest);
    *before = EXP(*greatest - both);
    *chunk = EXP(chunk_greatest - both);
    *sum = *sum * *before + chunk_sum * *chunk;
    *greatest = both;
}

/* What all values are multiplied with at the end: the sink is a logit that has no value. */
DEVICE float last_factor(float greatest, float sum, GLOBAL const float *sinks, int head)
{
    float rescale = 1.0f;
    if (sinks) {
        float both = MAX(greatest, sinks[head]);
        rescale = EXP(greatest - both);
        sum = sum * rescale + EXP(sinks[head] - both);
    }
    return rescale / sum;
}

DEVICE int first_position(int position, int window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

/* GROUP(0): row, GROUP(1): head. */
KERNEL(ATTENDERS) attend_merge(GLOBAL float *out, GLOBAL const float *partial, GLOBAL const int *step, GLOBAL const float *sinks,
                               int window, int n_chunks)
{
    long row = GROUP(0);
    int head = GROUP(1), position = step[2 * row];
    float values[V_EACH], greatest = NEGATIVE_INFINITY, sum = 0.0f;
    for (int each = 0; each < V_EACH; each++)
        values[each] = 0.0f;
    for (int chunk = first_position(position, window) / CHUNK_TOKENS; chunk <= position / CHUNK_TOKENS; chunk++) {
        GLOBAL const float *from = partial + ((row * n_chunks + chunk) * HEADS + head) * (V_DIM + 2);
        float before, now;
        merge_factors(&greatest, &sum, from[V_DIM], from[V_DIM + 1], &before, &now);
        for (int each = 0; each < V_EACH; each++)
            if (each * ATTENDERS + THREAD < V_DIM)
                values[each] = values[each] * before + from[each * ATTENDERS + THREAD] * now;
    }
    float factor = last_factor(greatest, sum, sinks, head);
    for (int each = 0; each < V_EACH; each++)
        if (each * ATTENDERS + THREAD < V_DIM)
            out[(row * HEADS + head) * V_DIM + each * ATTENDERS + THREAD] = values[each] * factor;
}
