/* Operations on rows that are no products: each row's values depend on that row alone, in an order that its width fixes. */

/* The sum of what all 256 threads have, in every thread. */
DEVICE float sum_of_threads(LOCAL_POINTER float *room, float value)
{
    room[THREAD] = value;
    return sum_by_halves(room, 256);
}

/* y = x / sqrt(mean(x²) + epsilon) · w over a row of `width` values; a group is a row, rows are `stride` apart. */
KERNEL(256) norm_rows(GLOBAL float *y, GLOBAL const float *x, GLOBAL const float *w, int width, int stride, float epsilon)
{
    LOCAL float room[256];
    long at = (long)GROUP(0) * stride;
    float factor = norm_factor(room, x + at, width, epsilon, 256);
    for (int i = THREAD; i < width; i += 256)
        y[at + i] = x[at + i] * factor * w[i];
}

/* y[count] += w[count % width] */
KERNEL(256) bias_rows(GLOBAL float *y, GLOBAL const float *w, int width, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        y[i] += w[i % width];
}

KERNEL(256) add_rows(GLOBAL float *y, GLOBAL const float *x, float factor, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        y[i] += factor * x[i];
}

KERNEL(256) scale_rows(GLOBAL float *x, float factor, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        x[i] *= factor;
}

KERNEL(256) clear_rows(GLOBAL float *x, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        x[i] = 0.0f;
}

KERNEL(256) activate_rows(GLOBAL float *gate, GLOBAL const float *up, int function, long count)
{
    long i = (long)GROUP(0) * 256 + THREAD;
    if (i < count)
        gate[i] = activation(function, gate[i], up[i]);
}

/* y[row] *= sigmoid(w · h[row]); a group is a row. */
KERNEL(256) gate_rows(GLOBAL float *y, GLOBAL const float *h, GLOBAL const float *w, int width)
{
    LOCAL float room[256];
    long at = (long)GROUP(0) * width;
    float dot = 0.0f;
    for (int i = THREAD; i < width; i += 256)
        dot = FMA(h[at + i], w[i], dot);
    float gate = 1.0f / (1.0f + EXP(-sum_of_threads(room, dot)));
    for (int i = THREAD; i < width; i += 256)
        y[at + i] *= gate;
}

KERNEL(256) copy_columns(GLOBAL float *y, int y_stride, int y_first, GLOBAL const float *x, int x_stride, int x_first, int width, int n)
{
    long i = (long)GROUP(0) * 256 + THREAD, row = i / width, column = i % width;
    if (row < n)
        y[row * y_stride + y_first + column] = x[row * x_stride + x_first + column];
}

KERNEL(256) gather_rows(GLOBAL float *y, GLOBAL const float *x, GLOBAL const int *rows, int width, int n)
{
    long i = (long)GROUP(0) * 256 + THREAD, row = i / width, column = i % width;
    if (row < n)
        y[i] = x[(long)rows[row] * width + column];
}

/* Turns pairs of values of x[n][heads][head_dim] from value `first` of each head; table[position][n_dims]: cos and sin of each pair. */
KERNEL(256) rope_rows(GLOBAL float *x, GLOBAL const float *table, GLOBAL const int *step, int heads, int head_dim, int first, int n_dims,
                 int neox, int n)
{
    int pairs = n_dims / 2;
    long item = (long)GROUP(0) * 256 + THREAD, head = item / pairs, row = head / heads;
    int i = (int)(item % pairs);
    if (row >= n)
        return;
    GLOBAL const float *turn = table + (long)step[2 * row] * n_dims + 2 * i;
    GLOBAL float *values = x + head * head_dim + first;
    int a = neox ? i : 2 * i, b = neox ? i + pairs : 2 * i + 1;
    float x0 = values[a], x1 = values[b], c = turn[0], s = turn[1];
    values[a] = x0 * c - x1 * s;
    values[b] = x0 * s + x1 * c;
}

/* The greatest logit of a row, the lowest id that has it, and Σ exp(logit − greatest); a group is a row. out[row][4]: id, greatest, sum, the
 * target's logit. */
KERNEL(256) score_rows(GLOBAL float *out, GLOBAL const float *logits, GLOBAL const int *targets, int width)
{
    LOCAL float best[256];
    LOCAL int at[256];
    GLOBAL const float *x = logits + (long)GROUP(0) * width;
    float mine = x[0];
    int mine_at = 0;
    for (int i = THREAD; i < width; i += 256)
        if (x[i] > mine || (x[i] == mine && i < mine_at)) {
            mine = x[i];
            mine_at = i;
        }
    best[THREAD] = mine;
    at[THREAD] = mine_at;
    BARRIER;
    for (int half_way = 128; half_way > 0; half_way /= 2) {
        if (THREAD < half_way) {
            float other = best[THREAD + half_way];
            int other_at = at[THREAD + half_way];
            if (other > best[THREAD] || (other == best[THREAD] && other_at < at[THREAD])) {
                best[THREAD] = other;
                at[THREAD] = other_at;
            }
        }
        BARRIER;
    }
    float greatest = best[0], sum = 0.0f;
    BARRIER;
    for (int i = THREAD; i < width; i += 256)
        sum += EXP(x[i] - greatest);
    sum = sum_of_threads(best, sum);
    if (THREAD == 0) {
        int target = targets[GROUP(0)];
        GLOBAL float *row = out + 4 * GROUP(0);
        row[0] = AS_FLOAT((uint)at[0]);
        row[1] = greatest;
        row[2] = sum;
        row[3] = target < 0 ? 0.0f : x[target];
    }
}
