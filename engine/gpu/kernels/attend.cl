/* Attention in float. A group of 128 threads takes one row, and up to GROUP_HEADS heads that share a KV head. A chunk's softmax is online by
 * pages (Milakov and Gimelshein 2018). Either one group goes through all chunks (attend), or each chunk has its group and attend_merge does the
 * rest: the arithmetic is the same, and so are the bits.
 *
 * GROUP_HEADS and V_IN_K (values are the first of a key's) are definitions of the build too. */
#define PARTS ((GROUP_SIZE + GROUP_HEADS - 1) / GROUP_HEADS)
#define V_WIDTH (V_IN_K ? K_DIM : V_DIM) /* from a token of V to the next */
#define LANES (ATTENDERS / GROUP_HEADS)  /* threads that share a head's softmax */
#define TOKENS_EACH ((PAGE_TOKENS + LANES - 1) / LANES)

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
