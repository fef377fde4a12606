/* Attention over the paged cache, [page][kv_head][PAGE_TOKENS][dim] for K and for V, one layer at a time.
 *
 * A group of 128 threads takes one row, and up to GROUP_HEADS heads that share a KV head. Positions are cut into chunks of CHUNK_TOKENS; a
 * chunk's softmax is online by pages (Milakov and Gimelshein 2018), and chunks are merged in their order. Either one group goes through all
 * chunks (attend), or each chunk has its group and attend_merge does the rest: the arithmetic is the same, and so are the bits.
 *
 * What a step's rows are stands in step[]: of row r its position, 2r, and where in step[] its sequence's page numbers begin, 2r + 1.
 *
 * K_DIM, V_DIM, HEADS, KV_HEADS, GROUP_HEADS, KV_TYPE (0 F16, 1 BF16, 2 F32) and V_IN_K are definitions of the build. */
#define ATTENDERS 128
#define CHUNK_TOKENS 128
#define GROUP_SIZE (HEADS / KV_HEADS)
#define PARTS ((GROUP_SIZE + GROUP_HEADS - 1) / GROUP_HEADS)
#define V_EACH ((V_DIM + ATTENDERS - 1) / ATTENDERS)
#define V_WIDTH (V_IN_K ? K_DIM : V_DIM) /* from a token of V to the next */
#define LANES (ATTENDERS / GROUP_HEADS)  /* threads that share a head's softmax */
#define TOKENS_EACH ((PAGE_TOKENS + LANES - 1) / LANES)

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

/* What a thread holds of its heads' softmax under way: values THREAD, THREAD + ATTENDERS, … of each. */
struct partial {
    float values[GROUP_HEADS][V_EACH];
};

/* Local memory of a group. */
struct attend_room {
    float q[GROUP_HEADS * K_DIM];
    float scores[GROUP_HEADS * PAGE_TOKENS];
    float reduced[2][GROUP_HEADS * LANES];
    float greatest[GROUP_HEADS], sum[GROUP_HEADS], correction[GROUP_HEADS];  /* of the chunk */
    float all_greatest[GROUP_HEADS], all_sum[GROUP_HEADS], factors[GROUP_HEADS][2]; /* of the chunks before */
};

/* One page's tokens first … last − 1 into the chunk's softmax. */
DEVICE void attend_page(LOCAL_POINTER struct attend_room *room, struct partial *own, GLOBAL const cached *k, GLOBAL const cached *v, int first,
                        int last, float scale)
{
    for (int item = THREAD; item < PAGE_TOKENS * GROUP_HEADS; item += ATTENDERS) {
        int token = item % PAGE_TOKENS, head = item / PAGE_TOKENS;
        float sum = NEGATIVE_INFINITY;
        if (token >= first && token < last) {
            sum = 0.0f;
            for (int i = 0; i < K_DIM; i++)
                sum = FMA(room->q[head * K_DIM + i], CACHED_VALUE(k[token * K_DIM + i]), sum);
            sum *= scale;
        }
        room->scores[head * PAGE_TOKENS + token] = sum;
    }
    BARRIER;
    int head = THREAD / LANES, lane = THREAD % LANES;
    float greatest = NEGATIVE_INFINITY;
    for (int i = 0; i < TOKENS_EACH; i++)
        if (lane * TOKENS_EACH + i < PAGE_TOKENS)
            greatest = MAX(greatest, room->scores[head * PAGE_TOKENS + lane * TOKENS_EACH + i]);
    room->reduced[0][head * LANES + lane] = greatest;
    BARRIER;
    float before = room->greatest[head], sum = 0.0f;
    greatest = before;
    for (int i = 0; i < LANES; i++)
        greatest = MAX(greatest, room->reduced[0][head * LANES + i]);
    for (int i = 0; i < TOKENS_EACH; i++)
        if (lane * TOKENS_EACH + i < PAGE_TOKENS) {
            int at = head * PAGE_TOKENS + lane * TOKENS_EACH + i;
            float p = EXP(room->scores[at] - greatest);
            room->scores[at] = p;
            sum += p;
        }
    room->reduced[1][head * LANES + lane] = sum;
    BARRIER;
    if (lane == 0) {
        float correction = EXP(before - greatest), all = room->sum[head] * correction;
        for (int i = 0; i < LANES; i++)
            all += room->reduced[1][head * LANES + i];
        room->sum[head] = all;
        room->greatest[head] = greatest;
        room->correction[head] = correction;
    }
    BARRIER;
    for (int each = 0; each < V_EACH; each++) {
        int dim = each * ATTENDERS + THREAD;
        if (dim >= V_DIM)
            continue;
        for (int h = 0; h < GROUP_HEADS; h++)
            own->values[h][each] *= room->correction[h];
        for (int token = first; token < last; token++) {
            float value = CACHED_VALUE(v[token * V_WIDTH + dim]);
            for (int h = 0; h < GROUP_HEADS; h++)
                own->values[h][each] = FMA(room->scores[h * PAGE_TOKENS + token], value, own->values[h][each]);
        }
    }
    BARRIER;
}

/* One chunk of a row, from nothing. */
DEVICE void attend_chunk(LOCAL_POINTER struct attend_room *room, struct partial *own, GLOBAL const cached *k_cache,
                         GLOBAL const cached *v_cache, GLOBAL const int *pages, int kv_head, int chunk, int first, int position, float scale)
{
    for (int h = 0; h < GROUP_HEADS; h++)
        for (int each = 0; each < V_EACH; each++)
            own->values[h][each] = 0.0f;
    if (THREAD < GROUP_HEADS) {
        room->greatest[THREAD] = NEGATIVE_INFINITY;
        room->sum[THREAD] = 0.0f;
    }
    BARRIER;
    int begin = chunk * CHUNK_TOKENS, end = at_most(begin + CHUNK_TOKENS, position + 1);
    for (int at = begin; at < end; at += PAGE_TOKENS) {
        int from = first > at ? first - at : 0, to = at_most(PAGE_TOKENS, end - at);
        if (from >= to)
            continue;
        int page = pages[at / PAGE_TOKENS];
        GLOBAL const cached *k = k_cache + head_page(page, kv_head, K_DIM);
        GLOBAL const cached *v = V_IN_K ? k : v_cache + head_page(page, kv_head, V_DIM);
        attend_page(room, own, k, v, from, to, scale);
    }
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

/* The queries of a group's heads; of heads that there are not, zeros. */
DEVICE void load_queries(LOCAL_POINTER struct attend_room *room, GLOBAL const float *q, long row, int head, int heads)
{
    for (int i = THREAD; i < GROUP_HEADS * K_DIM; i += ATTENDERS)
        room->q[i] = i / K_DIM < heads ? q[(row * HEADS + head) * K_DIM + i] : 0.0f;
    if (THREAD < GROUP_HEADS) {
        room->all_greatest[THREAD] = NEGATIVE_INFINITY;
        room->all_sum[THREAD] = 0.0f;
    }
    BARRIER;
}

/* GROUP(0): row, GROUP(1): KV head and part of its heads. out[row][HEADS][V_DIM]. */
KERNEL(ATTENDERS) attend(GLOBAL float *out, GLOBAL const float *q, GLOBAL const cached *k_cache, GLOBAL const cached *v_cache,
                         GLOBAL const int *step, GLOBAL const float *sinks, float scale, int window)
{
    LOCAL struct attend_room room;
    struct partial own, all;
    long row = GROUP(0);
    int kv_head = GROUP(1) / PARTS, part = GROUP(1) % PARTS, head = kv_head * GROUP_SIZE + part * GROUP_HEADS;
    int heads = at_most(GROUP_HEADS, GROUP_SIZE - part * GROUP_HEADS), position = step[2 * row], first = first_position(position, window);
    load_queries(&room, q, row, head, heads);
    for (int h = 0; h < GROUP_HEADS; h++)
        for (int each = 0; each < V_EACH; each++)
            all.values[h][each] = 0.0f;
    for (int chunk = first / CHUNK_TOKENS; chunk <= position / CHUNK_TOKENS; chunk++) {
        attend_chunk(&room, &own, k_cache, v_cache, step + step[2 * row + 1], kv_head, chunk, first, position, scale);
        if (THREAD < GROUP_HEADS) {
            float greatest = room.all_greatest[THREAD], sum = room.all_sum[THREAD], before, now;
            merge_factors(&greatest, &sum, room.greatest[THREAD], room.sum[THREAD], &before, &now);
            room.all_greatest[THREAD] = greatest;
            room.all_sum[THREAD] = sum;
            room.factors[THREAD][0] = before;
            room.factors[THREAD][1] = now;
        }
        BARRIER;
        for (int h = 0; h < GROUP_HEADS; h++)
            for (int each = 0; each < V_EACH; each++)
                all.values[h][each] = all.values[h][each] * room.factors[h][0] + own.values[h][each] * room.factors[h][1];
        BARRIER;
    }
    for (int h = 0; h < heads; h++) {
        float factor = last_factor(room.all_greatest[h], room.all_sum[h], sinks, head + h);
        for (int each = 0; each < V_EACH; each++)
            if (each * ATTENDERS + THREAD < V_DIM)
                out[(row * HEADS + head + h) * V_DIM + each * ATTENDERS + THREAD] = all.values[h][each] * factor;
    }
}

/* GROUP(2): the chunk. partial[row][chunk of n_chunks][HEADS][V_DIM + 2]: values, greatest, sum. */
KERNEL(ATTENDERS) attend_split(GLOBAL float *partial, GLOBAL const float *q, GLOBAL const cached *k_cache, GLOBAL const cached *v_cache,
                               GLOBAL const int *step, float scale, int window, int n_chunks)
{
    LOCAL struct attend_room room;
    struct partial own;
    long row = GROUP(0);
    int kv_head = GROUP(1) / PARTS, part = GROUP(1) % PARTS, head = kv_head * GROUP_SIZE + part * GROUP_HEADS, chunk = GROUP(2);
    int heads = at_most(GROUP_HEADS, GROUP_SIZE - part * GROUP_HEADS), position = step[2 * row], first = first_position(position, window);
    if (chunk < first / CHUNK_TOKENS || chunk > position / CHUNK_TOKENS) { // nothing of the chunk is seen
        heads = 0;
        position = -1;
    }
    load_queries(&room, q, row, head, heads);
    attend_chunk(&room, &own, k_cache, v_cache, step + step[2 * row + 1], kv_head, chunk, first, position, scale);
    for (int h = 0; h < heads; h++) {
        GLOBAL float *to = partial + ((row * n_chunks + chunk) * HEADS + head + h) * (V_DIM + 2);
        for (int each = 0; each < V_EACH; each++)
            if (each * ATTENDERS + THREAD < V_DIM)
                to[each * ATTENDERS + THREAD] = own.values[h][each];
        if (THREAD == 0) {
            to[V_DIM] = room.greatest[h];
            to[V_DIM + 1] = room.sum[h];
        }
    }
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
