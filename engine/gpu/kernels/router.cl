/* The router's choice, and the order of its pairs by expert. A pair is (row, choice): row · top_k + choice. */

/* MOST_EXPERTS is a definition of the build, a power of two; how many there are is an argument. */
#define CHOOSERS 64

/* The greatest of choice[n] and the lowest id that has it, −1 where none is above −infinity; the same in all threads. best has room for two
 * floats of each thread: values, and the ids that have them. */
DEVICE int best_of(LOCAL_POINTER const float *choice, int n, LOCAL_POINTER float *best)
{
    float mine = NEGATIVE_INFINITY;
    int mine_at = -1;
    for (int e = THREAD; e < n; e += CHOOSERS)
        if (choice[e] > mine) {
            mine = choice[e];
            mine_at = e;
        }
    best[THREAD] = mine;
    best[CHOOSERS + THREAD] = (float)mine_at;
    BARRIER;
    for (int half_way = CHOOSERS / 2; half_way > 0; half_way /= 2) {
        if (THREAD < half_way) {
            float other = best[THREAD + half_way], other_at = best[CHOOSERS + THREAD + half_way];
            if (other > best[THREAD] || (other_at >= 0.0f && other == best[THREAD] && other_at < best[CHOOSERS + THREAD])) {
                best[THREAD] = other;
                best[CHOOSERS + THREAD] = other_at;
            }
        }
        BARRIER;
    }
    int result = (int)best[CHOOSERS];
    BARRIER;
    return result;
}

/* The sum of Σ exp(x − greatest) over n values by one thread's hand for each part of them; every thread gets x's softmax in place. */
DEVICE void softmax(LOCAL_POINTER float *x, int n, LOCAL_POINTER float *room)
{
    float greatest = NEGATIVE_INFINITY, sum = 0.0f;
    for (int i = 0; i < n; i++)
        greatest = MAX(greatest, x[i]);
    BARRIER;
    for (int i = THREAD; i < n; i += CHOOSERS) {
        x[i] = EXP(x[i] - greatest);
        sum += x[i];
    }
    room[THREAD] = sum;
    BARRIER;
    float total = 0.0f;
    for (int i = 0; i < CHOOSERS; i++)
        total += room[i];
    for (int i = THREAD; i < n; i += CHOOSERS)
        x[i] /= total;
    BARRIER;
}

/* Takes out of the choice the experts of all groups but the best; a group counts by its two best experts (DeepSeek-V3, 2024). */
DEVICE void keep_best_groups(LOCAL_POINTER float *choice, int n_experts, int n_groups, int groups_used, LOCAL_POINTER float *value)
{
    int size = n_experts / n_groups;
    for (int g = THREAD; g < n_groups; g += CHOOSERS) {
        float first = NEGATIVE_INFINITY, second = NEGATIVE_INFINITY;
        for (int e = 0; e < size; e++) {
            float c = choice[g * size + e];
            if (c > first) {
                second = first;
                first = c;
            } else if (c > second)
                second = c;
        }
        value[g] = first > NEGATIVE_INFINITY ? first + second : A_NAN;
    }
    BARRIER;
    if (THREAD == 0)
        for (int drop = n_groups - groups_used; drop > 0; drop--) {
            int worst = -1;
            float least = -NEGATIVE_INFINITY;
            for (int g = 0; g < n_groups; g++)
                if (value[g] <= least) { // of equal ones the later goes first
                    worst = g;
                    least = value[g];
                }
            if (worst >= 0)
                value[worst] = A_NAN;
        }
    BARRIER;
    for (int e = THREAD; e < n_experts; e += CHOOSERS)
        if (!(value[e / size] == value[e / size]))
            choice[e] = NEGATIVE_INFINITY;
    BARRIER;
}

/* ids and weights of a row's top_k experts, greatest first; a group is a row. Gates are numbered as in engine/backend.h. */
KERNEL(CHOOSERS) choose(GLOBAL int *ids, GLOBAL float *weights, GLOBAL const float *logits, GLOBAL const float *bias,
                        GLOBAL const float *selection, int n_experts, int top_k, int gate, int n_groups, int groups_used, int normalise, float factor)
{
    LOCAL float room[3 * MOST_EXPERTS + 2 * CHOOSERS];
    LOCAL_POINTER float *scores = room, *choice = scores + MOST_EXPERTS, *chosen = choice + MOST_EXPERTS, *best = chosen + MOST_EXPERTS;
    long row = GROUP(0);
    for (int e = THREAD; e < n_experts; e += CHOOSERS) {
        float logit = logits[row * n_experts + e];
        if (bias)
            logit += bias[e];
        scores[e] = gate == 2 ? 1.0f / (1.0f + EXP(-logit)) : logit;
    }
    BARRIER;
    if (gate == 1)
        softmax(scores, n_experts, best);
    for (int e = THREAD; e < n_experts; e += CHOOSERS)
        choice[e] = scores[e] + (selection ? selection[e] : 0.0f);
    BARRIER;
    if (n_groups > 1)
        keep_best_groups(choice, n_experts, n_groups, groups_used, chosen);
    for (int k = 0; k < top_k; k++) {
        int expert = best_of(choice, n_experts, best);
        if (THREAD == 0) {
            float weight = expert < 0 ? A_NAN : scores[expert];
            if (expert < 0) // scores that are not numbers (a broken model): any experts
                for (expert = 0; expert < k; expert++)
                    if (ids[row * top_k + expert] != expert)
                        break;
            ids[row * top_k + k] = expert;
            chosen[k] = weight;
            choice[expert] = NEGATIVE_INFINITY;
        }
        BARRIER;
    }
    if (gate == 3)
        softmax(chosen, top_k, best);
    float total = 0.0f;
    for (int k = 0; k < top_k; k++)
        total += chosen[k];
    total = total > 6.103515625e-5f || !(total == total) ? total : 6.103515625e-5f;
    for (int k = THREAD; k < top_k; k += CHOOSERS)
        weights[row * top_k + k] = (normalise ? chosen[k] / total : chosen[k]) * factor;
}

/* Sorts pairs by expert and cuts them into tiles of at most `width` pairs of one expert: order[pairs]; tiles[3 · t]: expert (−1: none),
 * first place in order, pairs. Adds to load[layer][expert] and counts the experts that had any into active[layer]. One group. The order within an
 * expert is as it comes: no result depends on it. */
KERNEL(256) sort_pairs(GLOBAL int *order, GLOBAL int *tiles, GLOBAL ulong *load, GLOBAL ulong *active, GLOBAL const int *ids, int layer,
                        int n_experts, int pairs, int width, int most_tiles)
{
    LOCAL int count[MOST_EXPERTS], next[MOST_EXPERTS];
    LOCAL int used, n_tiles;
    for (int e = THREAD; e < n_experts; e += 256)
        count[e] = 0;
    if (THREAD == 0) {
        used = 0;
        n_tiles = 0;
    }
    BARRIER;
    for (int p = THREAD; p < pairs; p += 256)
        LOCAL_INCREMENT(&count[ids[p]]);
    BARRIER;
    for (int e = THREAD; e < n_experts; e += 256) {
        int begin = 0, tile = 0, mine = count[e];
        for (int other = 0; other < e; other++) {
            begin += count[other];
            tile += (count[other] + width - 1) / width;
        }
        next[e] = begin;
        for (int done = 0; done < mine; done += width, tile++) {
            tiles[3 * tile] = e;
            tiles[3 * tile + 1] = begin + done;
            tiles[3 * tile + 2] = at_most(mine - done, width);
        }
        if (mine) {
            load[(long)layer * n_experts + e] += (ulong)mine;
            LOCAL_INCREMENT(&used);
        }
        if (e == n_experts - 1)
            n_tiles = tile;
    }
    BARRIER;
    if (THREAD == 0)
        active[layer] += (ulong)used;
    for (int tile = n_tiles + THREAD; tile < most_tiles; tile += 256)
        tiles[3 * tile] = -1;
    for (int p = THREAD; p < pairs; p += 256)
        order[LOCAL_INCREMENT(&next[ids[p]])] = p;
}

/* x[row][width] += Σ_k weights[row][k] · out[row · top_k + k][width], in the order of k. */
KERNEL(256) sum_choices(GLOBAL float *x, GLOBAL const float *out, GLOBAL const float *weights, int top_k, int width, int n)
{
    long i = (long)GROUP(0) * 256 + THREAD, row = i / width, column = i % width;
    if (row >= n)
        return;
    float sum = x[i];
    for (int k = 0; k < top_k; k++)
        sum = FMA(weights[row * top_k + k], out[(row * top_k + k) * width + column], sum);
    x[i] = sum;
}
