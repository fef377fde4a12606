/* A single row through a layer's products in few launches: what a step of decoding consists of. Taken once for products in float, and once
 * more behind mma.cl for those on matrix units.
 *
 * Arithmetic and its order are those of the kernels that take many rows (dot.cl, mma.cl, norm_rows, activate_rows, sum_choices, add_rows):
 * a row's bits do not depend on its company. A group makes UNIT_ROWS rows of a matrix, each in UNIT_PARTS parts that are added in their
 * order. */
#undef UNIT
#undef UNIT_ROWS
#undef UNIT_THREADS
#undef UNIT_PARTS
#undef UNIT_ROOM
#undef ROW_PARTS
#ifdef MMA_ROWS
#define UNIT(NAME) NAME##_mma
#define UNIT_ROWS MMA_ROWS
#define UNIT_THREADS MMA_THREADS
#define UNIT_PARTS SEGMENTS
#define UNIT_ROOM MMA_ROOM
#define ROW_PARTS(ROOM, PLANES, MATRIX, ROWS, X, NORM, FACTOR)                                                                             \
    mma_parts(ROOM, MMA_ROOM_POINTER, PLANES, (long)(MATRIX) * (ROWS), first_row, ROWS, cols, X, NORM, FACTOR)
#else
#define UNIT(NAME) NAME##_dot
#define UNIT_ROWS DOT_ROWS
#define UNIT_THREADS DOT_THREADS
#define UNIT_PARTS 32
#define UNIT_ROOM
#define ROW_PARTS(ROOM, PLANES, MATRIX, ROWS, X, NORM, FACTOR)                                                                             \
    dot_parts(ROOM, PLANES, (long)(MATRIX) * (ROWS), first_row, ROWS, cols, X, NORM, FACTOR)

/* Parts of a row lie together, rows an odd number of floats apart. */
#define PARTS_STRIDE(PARTS) ((PARTS) + 1)

/* x as the products take it: normalised on the way where a norm is given. */
DEVICE float normalised(GLOBAL const float *x, GLOBAL const float *norm, float factor, int i)
{
    return norm ? x[i] * factor * norm[i] : x[i];
}

DEVICE void dot_parts(LOCAL_POINTER float *room, struct planes planes, long matrix_row, int first_row, int rows, int cols,
                      GLOBAL const float *x, GLOBAL const float *norm, float factor)
{
    int lane = THREAD % 32, line = THREAD / 32, row = first_row + line, groups = (cols + 31) / 32;
    float sum = 0.0f;
    KEEP_LOOP for (int g = lane; row < rows && g < groups; g += 32)
    {
        float v[32];
        int width = at_most(32, cols - g * 32);
        group_values(planes, (matrix_row + row) * groups + g, v);
        for (int j = 0; j < width; j++)
            sum = FMA(v[j], normalised(x, norm, factor, g * 32 + j), sum);
    }
    room[line * PARTS_STRIDE(32) + lane] = sum;
}

/* A row's parts together. */
DEVICE float sum_of_parts(LOCAL_POINTER const float *room, int row, int parts)
{
    float total = 0.0f;
    for (int i = 0; i < parts; i++)
        total += room[row * PARTS_STRIDE(parts) + i];
    return total;
}

#define ONE_MATRIX(I)                                                                                                                      \
    GLOBAL float *y##I, GLOBAL const uchar *w##I, ulong high##I, ulong scales##I, ulong steps##I, GLOBAL const float *bias##I, int rows##I
#endif
#define UNIT_FLOATS (UNIT_ROWS * PARTS_STRIDE(UNIT_PARTS))

/* Up to three matrices of one input: y = w · norm(x) + bias, each y where it is given; sum += factor · y, where it is given. h gets
 * norm(x), for those who need it later. Without a norm x is taken as it is. GROUP(0) goes through the matrices' rows. */
KERNEL(UNIT_THREADS) UNIT(one)(ONE_MATRIX(0), ONE_MATRIX(1), ONE_MATRIX(2), GLOBAL const float *x, GLOBAL const float *norm, GLOBAL float *h,
                               float epsilon, int cols, GLOBAL float *sum, float factor)
{
    LOCAL float room[UNIT_FLOATS > 256 ? UNIT_FLOATS : 256];
    UNIT_ROOM
    int block = GROUP(0), rows = rows0, blocks0 = (rows0 + UNIT_ROWS - 1) / UNIT_ROWS, blocks1 = (rows1 + UNIT_ROWS - 1) / UNIT_ROWS;
    GLOBAL float *y = y0;
    GLOBAL const float *bias = bias0;
    struct planes planes = planes_of(w0, high0, scales0, steps0);
    if (block >= blocks0 + blocks1) {
        planes = planes_of(w2, high2, scales2, steps2);
        y = y2;
        bias = bias2;
        rows = rows2;
        block -= blocks0 + blocks1;
    } else if (block >= blocks0) {
        planes = planes_of(w1, high1, scales1, steps1);
        y = y1;
        bias = bias1;
        rows = rows1;
        block -= blocks0;
    }
    int first_row = block * UNIT_ROWS, row = first_row + THREAD;
    float scale = 1.0f;
    if (norm)
        scale = norm_factor(room, x, cols, epsilon, UNIT_THREADS);
    if (norm && GROUP(0) == 0)
        for (int i = THREAD; i < cols; i += UNIT_THREADS)
            h[i] = normalised(x, norm, scale, i);
    ROW_PARTS(room, planes, 0, rows, x, norm, scale);
    BARRIER;
    if (THREAD < UNIT_ROWS && row < rows) {
        float total = sum_of_parts(room, THREAD, UNIT_PARTS);
        if (bias)
            total += bias[row];
        if (y)
            y[row] = total;
        if (sum)
            sum[row] += factor * total;
    }
}

/* The middle of a row's experts: out[k][rows] = f(gate · x, up · x) of expert ids[k], k being GROUP(1). Counts them as sort_pairs does. */
KERNEL(UNIT_THREADS) UNIT(middle)(GLOBAL float *out, GLOBAL const float *x, GLOBAL const int *ids, GLOBAL const uchar *gate, ulong gate_high,
                                  ulong gate_scales, ulong gate_steps, GLOBAL const float *gate_bias, GLOBAL const uchar *up, ulong up_high,
                                  ulong up_scales, ulong up_steps, GLOBAL const float *up_bias, int rows, int cols, int function,
                                  GLOBAL ulong *load, GLOBAL ulong *active, int layer, int n_experts, int top_k)
{
    LOCAL float room[2 * UNIT_FLOATS];
    UNIT_ROOM
    int first_row = GROUP(0) * UNIT_ROWS, row = first_row + THREAD;
    KEEP_LOOP for (int i = 0; i < 2; i++)
    {
        struct planes planes = planes_of(gate, gate_high, gate_scales, gate_steps);
        if (i)
            planes = planes_of(up, up_high, up_scales, up_steps);
        ROW_PARTS(room + i * UNIT_FLOATS, planes, ids[GROUP(1)], rows, x, 0, 1.0f);
    }
    BARRIER;
    if (THREAD < UNIT_ROWS && row < rows) {
        long at = (long)ids[GROUP(1)] * rows + row;
        float g = sum_of_parts(room, THREAD, UNIT_PARTS), u = sum_of_parts(room + UNIT_FLOATS, THREAD, UNIT_PARTS);
        if (gate_bias)
            g += gate_bias[at];
        if (up_bias)
            u += up_bias[at];
        out[(long)GROUP(1) * rows + row] = activation(function, g, u);
    }
    if (GROUP(0) == 0 && GROUP(1) == 0 && THREAD == 0)
        for (int i = 0; i < top_k; i++) {
            int before = 0; // a router's logits that are not numbers can choose an expert twice
            for (int j = 0; j < i; j++)
                before += ids[j] == ids[i];
            load[(long)layer * n_experts + ids[i]] += 1;
            active[layer] += before == 0;
        }
}

/* The experts' end: x[rows] += Σ_k weights[k] · (down · mid[k] + bias) for expert ids[k], in the order of k. */
#define DOWN_AT_ONCE 8
KERNEL(UNIT_THREADS) UNIT(down)(GLOBAL float *x, GLOBAL const float *mid, GLOBAL const int *ids, GLOBAL const float *weights,
                                GLOBAL const uchar *w, ulong high, ulong scales, ulong steps, GLOBAL const float *bias, int rows, int cols,
                                int top_k)
{
    LOCAL float room[DOWN_AT_ONCE * UNIT_FLOATS];
    UNIT_ROOM
    int first_row = GROUP(0) * UNIT_ROWS, row = first_row + THREAD;
    struct planes planes = planes_of(w, high, scales, steps);
    for (int first = 0; first < top_k; first += DOWN_AT_ONCE) {
        int n = at_most(DOWN_AT_ONCE, top_k - first);
        KEEP_LOOP for (int i = 0; i < n; i++)
            ROW_PARTS(room + i * UNIT_FLOATS, planes, ids[first + i], rows, mid + (long)(first + i) * cols, 0, 1.0f);
        BARRIER;
        if (THREAD < UNIT_ROWS && row < rows) {
            float sum = x[row];
            for (int i = 0; i < n; i++) {
                float total = sum_of_parts(room + i * UNIT_FLOATS, THREAD, UNIT_PARTS);
                if (bias)
                    total += bias[(long)ids[first + i] * rows + row];
                sum = FMA(weights[first + i], total, sum);
            }
            x[row] = sum;
        }
        BARRIER;
    }
}
