/* Products in float: the definition that faster kernels are held against, and the path of devices without a matrix unit.
 *
 * 32 lanes make a row of the matrix: each takes every 32nd group of 32 values, for up to COLUMNS activation rows at once; their sums are
 * added in the order of lanes. A column's sum does not depend on its company. */

/* What a launch computes: y[at][row] = w[matrix][row] · x[at], the rows of x and y being
 *   a matrix, or one for each head:  at = first … first + count − 1 of GROUP(1), matrix GROUP(2), whose x and y lie *_head apart;
 *   experts (tiles given):           pairs order[first …] of the tile GROUP(1), x's row being pair / divide. */
struct product {
    int matrix, first, count;
};

DEVICE struct product product_of(GLOBAL const int *tiles, int columns, int n)
{
    struct product p;
    if (tiles) {
        GLOBAL const int *tile = tiles + 3 * GROUP(1);
        p.matrix = tile[0];
        p.first = tile[0] < 0 ? 0 : tile[1];
        p.count = tile[0] < 0 ? 0 : tile[2];
    } else {
        p.matrix = GROUP(2);
        p.first = GROUP(1) * columns;
        p.count = at_most(n - p.first, columns);
    }
    return p;
}

#define DOT_ROWS 4
#define DOT_THREADS (32 * DOT_ROWS)
#define PRODUCT_ARGUMENTS                                                                                                                  \
    GLOBAL float *y, GLOBAL const uchar *w, ulong high, ulong scales, ulong steps, GLOBAL const float *x, GLOBAL const float *bias,        \
        GLOBAL const int *order, GLOBAL const int *tiles, int rows, int cols, int n, int x_stride, int y_stride, int x_head, int y_head,   \
        int divide, int accumulate

/* A body for each number of columns: the arrays in it have to be of constant size. */
#define DOT(NAME, COLUMNS)                                                                                                                 \
    KERNEL(DOT_THREADS) NAME(PRODUCT_ARGUMENTS)                                                                                            \
    {                                                                                                                                      \
        LOCAL float room[DOT_ROWS * COLUMNS * 33];                                                                                         \
        struct product p = product_of(tiles, COLUMNS, n);                                                                                  \
        struct planes planes = planes_of(w, high, scales, steps);                                                                          \
        int lane = THREAD % 32, line = THREAD / 32, row = GROUP(0) * DOT_ROWS + line, groups = (cols + 31) / 32;                           \
        float sum[COLUMNS];                                                                                                                \
        long at[COLUMNS];                                                                                                                  \
        LEAVE_IF(p.count == 0)                                                                                                             \
        for (int c = 0; c < COLUMNS; c++) {                                                                                                \
            int column = p.first + (p.count ? at_most(c, p.count - 1) : 0);                                                                               \
            sum[c] = 0.0f;                                                                                                                 \
            at[c] = (long)(order ? order[column] / divide : column) * x_stride + (long)(order ? 0 : p.matrix) * x_head;                    \
        }                                                                                                                                  \
        for (int g = lane; p.count && row < rows && g < groups; g += 32) {                                                                            \
            float v[32];                                                                                                                   \
            int width = at_most(32, cols - g * 32);                                                                                        \
            group_values(planes, ((long)p.matrix * rows + row) * groups + g, v);                                                           \
            for (int c = 0; c < COLUMNS; c++) {                                                                                            \
                GLOBAL const float *from = x + at[c] + g * 32;                                                                             \
                for (int j = 0; j < width; j++)                                                                                            \
                    sum[c] = FMA(v[j], from[j], sum[c]);                                                                                   \
            }                                                                                                                              \
        }                                                                                                                                  \
        for (int c = 0; c < COLUMNS; c++)                                                                                                  \
            room[(line * COLUMNS + c) * 33 + lane] = sum[c];                                                                               \
        BARRIER;                                                                                                                           \
        int of_line = THREAD / COLUMNS, c = THREAD % COLUMNS, out_row = GROUP(0) * DOT_ROWS + of_line;                                     \
        if (of_line < DOT_ROWS && c < p.count && out_row < rows) {                                                                         \
            float total = 0.0f;                                                                                                            \
            int column = order ? order[p.first + c] : p.first + c;                                                                         \
            long out = (long)column * y_stride + (long)(order ? 0 : p.matrix) * y_head + out_row;                                          \
            for (int i = 0; i < 32; i++)                                                                                                   \
                total += room[(of_line * COLUMNS + c) * 33 + i];                                                                           \
            if (bias)                                                                                                                      \
                total += bias[(long)p.matrix * rows + out_row];                                                                            \
            y[out] = accumulate ? y[out] + total : total;                                                                                  \
        }                                                                                                                                  \
    }

DOT(dot_1, 1)
DOT(dot_8, 8)

/* The values of a matrix as they are: y[groups · 32]. A thread is a group. */
KERNEL(64) matrix_values(GLOBAL float *y, GLOBAL const uchar *w, ulong high, ulong scales, ulong steps, long groups)
{
    float v[32];
    long group = (long)GROUP(0) * 64 + THREAD;
    if (group >= groups)
        return;
    group_values(planes_of(w, high, scales, steps), group, v);
    for (int j = 0; j < 32; j++)
        y[group * 32 + j] = v[j];
}
