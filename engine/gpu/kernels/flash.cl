/* Attention on the matrix unit (flash attention: Dao 2023), of a cache in half precision: queries, keys, softmax weights and values are BF16,
 * sums are floats. The text is taken once for each ITEM_WARPS, with FLASH_NAME as the kernel's name.
 *
 * An item is one head of one row. A tile is 16 × ITEM_WARPS items of a KV head's that follow each other, row by row, in rows of one sequence:
 * they share its keys. A group of four warps takes a tile: for 16 items each, or, with fewer ITEM_WARPS, KEY_WARPS of them share the
 * items, each with some of the keys, then with some of the values' dimensions. Tiles stand in step[] from tiles_at on, of each its first item
 * and how many there are.
 *
 * A chunk is one page. Its softmax begins from nothing, and chunks are merged in their order by what attend_merge computes too. An item's
 * bits so depend on its row and on the cache alone, where what the cache holds is finite: not on its tile, on ITEM_WARPS, or on whether a
 * group goes through all chunks (n_chunks 0: out[row][HEADS][V_DIM]) or each chunk has a group, GROUP(2), that leaves the rest to
 * attend_merge (partial[row][chunk of n_chunks][HEADS][V_DIM + 2]). A position that an item does not see has the weight 0, which changes no
 * sum, and a chunk of which it sees nothing is left out.
 *
 *     room   K[key][K_DIM / 2 + 4]            pairs of neighbours in a key, padded so that the lanes of a warp read different banks; then in
 *                                             the same place
 *            V[key / 2][V_DIM + 8]            pairs of a dimension in two keys
 *            weights[item][PAGE_TOKENS/2+4]   pairs of keys
 *            greatest[item][4 KEY_WARPS]      of the scores that a lane has */
#ifndef FLASH_THREADS
#define FLASH_THREADS 128
#define KEY_STRIDE (K_DIM / 2 + 4)
#define PAIR_STRIDE (V_DIM + 8)
#define WEIGHT_STRIDE (PAGE_TOKENS / 2 + 4)
#define PAGE_WORDS (PAGE_TOKENS / 2 * ((K_DIM > V_DIM ? K_DIM : V_DIM) + 8))
#define BF16_ONES 0x3F803F80u

/* Two of the cache's values as BF16, from a word that holds both. */
DEVICE uint cached_pair(uint two)
{
#if KV_TYPE == 1
    return two;
#else
    return bf16_pair(CACHED_VALUE((ushort)(two & 0xFFFFu)), CACHED_VALUE((ushort)(two >> 16)));
#endif
}

DEVICE void load_keys(LOCAL_POINTER uint *room, GLOBAL const cached *k)
{
    UNROLL_4 for (int i = 0; i < PAGE_TOKENS * K_DIM / 8 / FLASH_THREADS; i++)
    {
        int at = i * FLASH_THREADS + THREAD, key = at / (K_DIM / 8), part = at % (K_DIM / 8);
        uint4 words = LOAD4_WORDS(k + 8 * at);
        LOCAL_POINTER uint *to = room + key * KEY_STRIDE + 4 * part;
        to[0] = cached_pair(words.x);
        to[1] = cached_pair(words.y);
        to[2] = cached_pair(words.z);
        to[3] = cached_pair(words.w);
    }
}

/* Zeros for keys from `end` on, where the page may hold anything. */
DEVICE void load_values(LOCAL_POINTER uint *room, GLOBAL const cached *v, int end)
{
    UNROLL_4 for (int i = 0; i < (V_DIM / 2 * PAGE_TOKENS / 8 + FLASH_THREADS - 1) / FLASH_THREADS; i++)
    {
        int at = i * FLASH_THREADS + THREAD, pair = at / (V_DIM / 8), part = at % (V_DIM / 8);
        if (pair >= PAGE_TOKENS / 2)
            continue;
        GLOBAL const cached *from = v + 2 * pair * V_DIM + 8 * part;
        uint4 one = LOAD4_WORDS(from), other = LOAD4_WORDS(from + V_DIM);
        uint a[4] = {one.x, one.y, one.z, one.w}, b[4] = {other.x, other.y, other.z, other.w};
        uint first = 2 * pair < end ? 0xFFFFu : 0u, second = 2 * pair + 1 < end ? 0xFFFF0000u : 0u;
        LOCAL_POINTER uint *to = room + pair * PAIR_STRIDE + 8 * part;
        UNROLL for (int j = 0; j < 4; j++)
        {
            uint x = cached_pair(a[j]), y = cached_pair(b[j]);
            to[2 * j] = (x & first) | (y << 16 & second);
            to[2 * j + 1] = (x >> 16 & first) | (y & second);
        }
    }
}
#endif

#undef KEY_WARPS
#undef KEY_TILES
#undef VALUE_TILES
#undef ITEMS
#define KEY_WARPS (FLASH_THREADS / 32 / ITEM_WARPS)
#define KEY_TILES (PAGE_TOKENS / 8 / KEY_WARPS)                   /* of 8 keys, that a warp has */
#define VALUE_TILES ((V_DIM / 8 + KEY_WARPS - 1) / KEY_WARPS)     /* of 8 dimensions, the same */
#define ITEMS (16 * ITEM_WARPS)

/* GROUP(0): tile, GROUP(1): KV head, GROUP(2): chunk. */
KERNEL(FLASH_THREADS) FLASH_NAME(GLOBAL float *out, GLOBAL const float *q, GLOBAL const cached *k_cache, GLOBAL const cached *v_cache,
                                 GLOBAL const int *step, GLOBAL const float *sinks, float scale, int window, int tiles_at, int n_chunks)
{
    LOCAL uint room[PAGE_WORDS + ITEMS * WEIGHT_STRIDE + ITEMS * 4 * KEY_WARPS + MMA_WORDS(FLASH_THREADS)];
    LOCAL_POINTER uint *weights = room + PAGE_WORDS, *greatest_of = weights + ITEMS * WEIGHT_STRIDE;
    MMA_ROOM_IN(greatest_of + ITEMS * 4 * KEY_WARPS)
    GLOBAL const int *tile = step + tiles_at + 2 * GROUP(0);
    int first_row = tile[0] / GROUP_SIZE, kv_head = GROUP(1), last = step[2 * ((tile[0] + tile[1] - 1) / GROUP_SIZE)];
    GLOBAL const int *pages = step + step[2 * first_row + 1];
    int begin = first_position(step[2 * first_row], window) / PAGE_TOKENS, end = last / PAGE_TOKENS + 1;
    if (n_chunks) {
        begin = begin > GROUP(2) ? begin : GROUP(2);
        end = at_most(end, GROUP(2) + 1);
    }
    LEAVE_IF(begin >= end)

    /* A lane has two items: in row quad and in row quad + 8 of its warp's. One that there is not sees nothing. */
    int lane = THREAD % 32, quad = lane / 4, t = lane % 4, item_warp = THREAD / 32 / KEY_WARPS, key_warp = THREAD / 32 % KEY_WARPS;
    int position[2], first[2], head[2];
    long row[2];
    uint queries[K_DIM / 16][4];
    UNROLL for (int r = 0; r < 2; r++)
    {
        int item = item_warp * 16 + 8 * r + quad, there = item < tile[1];
        row[r] = (tile[0] + (there ? item : 0)) / GROUP_SIZE;
        head[r] = kv_head * GROUP_SIZE + (tile[0] + (there ? item : 0)) % GROUP_SIZE;
        position[r] = there ? step[2 * row[r]] : -1;
        first[r] = first_position(position[r], window);
        GLOBAL const float *from = q + (row[r] * HEADS + head[r]) * K_DIM;
        UNROLL for (int s = 0; s < K_DIM / 16; s++)
        {
            queries[s][r] = bf16_pair(from[16 * s + 2 * t], from[16 * s + 2 * t + 1]);
            queries[s][r + 2] = bf16_pair(from[16 * s + 8 + 2 * t], from[16 * s + 8 + 2 * t + 1]);
        }
    }
    float values[VALUE_TILES][4], greatest[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY}, sum[2] = {0.0f, 0.0f};
    UNROLL for (int i = 0; i < 4 * VALUE_TILES; i++) values[i / 4][i % 4] = 0.0f;

    KEEP_LOOP for (int chunk = begin; chunk < end; chunk++)
    {
        int start = chunk * PAGE_TOKENS, page = pages[chunk];
        float c[KEY_TILES][4], of_chunk[2] = {NEGATIVE_INFINITY, NEGATIVE_INFINITY};
        load_keys(room, k_cache + head_page(page, kv_head, K_DIM));
        BARRIER;
        UNROLL for (int n = 0; n < KEY_TILES; n++)
        {
            LOCAL_POINTER uint *key = room + ((key_warp * KEY_TILES + n) * 8 + quad) * KEY_STRIDE + t;
            UNROLL for (int i = 0; i < 4; i++) c[n][i] = 0.0f;
            UNROLL for (int s = 0; s < K_DIM / 16; s++)
            {
                uint b[2] = {key[8 * s], key[8 * s + 4]};
                MMA(c[n], queries[s], b);
            }
            UNROLL for (int i = 0; i < 4; i++)
            {
                int r = i / 2, at = start + (key_warp * KEY_TILES + n) * 8 + 2 * t + i % 2;
                c[n][i] = at >= first[r] && at <= position[r] ? c[n][i] * scale : NEGATIVE_INFINITY;
                of_chunk[r] = MAX(of_chunk[r], c[n][i]);
            }
        }
        UNROLL for (int r = 0; r < 2; r++) greatest_of[(item_warp * 16 + 8 * r + quad) * 4 * KEY_WARPS + 4 * key_warp + t] = AS_UINT(of_chunk[r]);
        BARRIER;

        load_values(room, v_cache + head_page(page, kv_head, V_DIM), last + 1 - start);
        UNROLL for (int r = 0; r < 2; r++)
        {
            int item = item_warp * 16 + 8 * r + quad;
            UNROLL for (int i = 0; i < 4 * KEY_WARPS; i++) of_chunk[r] = MAX(of_chunk[r], AS_FLOAT(greatest_of[item * 4 * KEY_WARPS + i]));
            UNROLL for (int n = 0; n < KEY_TILES; n++)
            {
                float low = c[n][2 * r], high = c[n][2 * r + 1];
                low = low == NEGATIVE_INFINITY ? 0.0f : EXP(low - of_chunk[r]);
                high = high == NEGATIVE_INFINITY ? 0.0f : EXP(high - of_chunk[r]);
                weights[item * WEIGHT_STRIDE + (key_warp * KEY_TILES + n) * 4 + t] = bf16_pair(low, high);
            }
        }
        BARRIER;

        uint a[PAGE_TOKENS / 16][4], ones[2] = {BF16_ONES, BF16_ONES};
        float own[4] = {0.0f, 0.0f, 0.0f, 0.0f}, before[2] = {1.0f, 1.0f}, now[2] = {0.0f, 0.0f};
        UNROLL for (int s = 0; s < PAGE_TOKENS / 16; s++)
        {
            UNROLL for (int i = 0; i < 4; i++)
                a[s][i] = weights[(item_warp * 16 + 8 * (i % 2) + quad) * WEIGHT_STRIDE + 8 * s + 4 * (i / 2) + t];
            MMA(own, a[s], ones); // the weights' sum
        }
        UNROLL for (int r = 0; r < 2; r++)
            if (start <= position[r] && start + PAGE_TOKENS > first[r])
                merge_factors(&greatest[r], &sum[r], of_chunk[r], own[2 * r], &before[r], &now[r]);
        UNROLL for (int n = 0; n < VALUE_TILES; n++)
        {
            int column = at_most((key_warp * VALUE_TILES + n) * 8, V_DIM - 8) + quad; // of tiles that there are not, another's
            UNROLL for (int i = 0; i < 4; i++) own[i] = 0.0f;
            UNROLL for (int s = 0; s < PAGE_TOKENS / 16; s++)
            {
                LOCAL_POINTER uint *pair = room + (8 * s + t) * PAIR_STRIDE + column;
                uint b[2] = {pair[0], pair[4 * PAIR_STRIDE]};
                MMA(own, a[s], b);
            }
            UNROLL for (int i = 0; i < 4; i++)
                if (start <= position[i / 2] && start + PAGE_TOKENS > first[i / 2])
                    values[n][i] = values[n][i] * before[i / 2] + own[i] * now[i / 2];
        }
        BARRIER;
    }

    UNROLL for (int r = 0; r < 2; r++)
    {
        int chunk = n_chunks ? GROUP(2) : position[r] / PAGE_TOKENS;
        if (position[r] < chunk * PAGE_TOKENS || first[r] >= (chunk + 1) * PAGE_TOKENS)
            continue; // is not there, or sees nothing of the chunk
        float factor = n_chunks ? 1.0f : last_factor(greatest[r], sum[r], sinks, head[r]);
        GLOBAL float *to = n_chunks ? out + ((row[r] * n_chunks + chunk) * HEADS + head[r]) * (V_DIM + 2) : out + (row[r] * HEADS + head[r]) * V_DIM;
        UNROLL for (int n = 0; n < VALUE_TILES; n++)
        {
            int column = (key_warp * VALUE_TILES + n) * 8 + 2 * t;
            if (column < V_DIM) {
                to[column] = values[n][2 * r] * factor;
                to[column + 1] = values[n][2 * r + 1] * factor;
            }
        }
        if (n_chunks && key_warp == 0 && t == 0) {
            to[V_DIM] = greatest[r];
            to[V_DIM + 1] = sum[r];
        }
    }
}
