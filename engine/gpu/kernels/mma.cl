/* Products on matrix units: weights and activations rounded to BF16, sums in float. The text is taken once for each COLUMN_TILES, with
 * MMA_NAME as the kernel's name.
 *
 * A group of 256 threads makes 32 rows of 8 × COLUMN_TILES columns. Its eight warps share the row's length: each has a segment of it, and
 * the segments are added in their order, whatever the number of columns: a column's bits do not depend on its company.
 *
 * In which order k stands does not matter where both operands have the same, so that each lane gets what lies together: of 128 values, lane t
 * of a quad has group t of 32, four values of it in each of eight steps. Its weights are then one load of its group, and its activations are
 * loads of four floats. See matrix.cl for the lanes. */
#ifndef MMA_ROWS
#define MMA_ROWS 32
#define MMA_THREADS 256
#define SEGMENTS (MMA_THREADS / 32)
#define MMA_ROOM LOCAL_OF_MMA(mma_room, MMA_THREADS)

/* How many blocks of four groups a segment has. */
DEVICE int segment_blocks(int groups)
{
    return ((groups + 3) / 4 + SEGMENTS - 1) / SEGMENTS;
}

/* A lane's weights of a block: for two tiles of 16 rows, eight steps. Of rows and groups that there are not, zeros. */
DEVICE void mma_weights(uint (*a)[8][4], struct planes planes, long matrix_row, int first_row, int rows, int group, int groups)
{
    UNROLL for (int half_tile = 0; half_tile < 4; half_tile++)
    {
        float v[32];
        int row = first_row + half_tile * 8 + THREAD % 32 / 4;
        if (row < rows && group < groups)
            group_values(planes, (matrix_row + row) * groups + group, v);
        else
            UNROLL for (int j = 0; j < 32; j++) v[j] = 0.0f;
        UNROLL for (int s = 0; s < 8; s++)
        {
            a[half_tile / 2][s][half_tile % 2] = bf16_pair(v[4 * s], v[4 * s + 1]);
            a[half_tile / 2][s][half_tile % 2 + 2] = bf16_pair(v[4 * s + 2], v[4 * s + 3]);
        }
    }
}

/* A segment's part of 32 rows · x, x being one row: the first column of each MMA. See single.cl. */
DEVICE void mma_parts(LOCAL_POINTER float *room, LOCAL_POINTER uint *mma_room, struct planes planes, long matrix_row, int first_row, int rows,
                      int cols, GLOBAL const float *x, GLOBAL const float *norm, float factor)
{
    int lane = THREAD % 32, segment = THREAD / 32, quad = lane / 4, t = lane % 4, groups = cols / 32, each = segment_blocks(groups);
    float c[2][4];
    UNROLL for (int i = 0; i < 8; i++) c[i / 4][i % 4] = 0.0f;
    for (int i = 0; i < each; i++) {
        int group = (segment * each + i) * 4 + t;
        uint a[2][8][4];
        mma_weights(a, planes, matrix_row, first_row, rows, group, groups);
        UNROLL for (int s = 0; s < 8; s++)
        {
            uint b[2] = {0, 0};
            if (quad == 0 && group < groups) {
                int at = group * 32 + 4 * s;
                float4 four = LOAD4(x + at);
                if (norm) {
                    float4 weights = LOAD4(norm + at);
                    four.x = four.x * factor * weights.x;
                    four.y = four.y * factor * weights.y;
                    four.z = four.z * factor * weights.z;
                    four.w = four.w * factor * weights.w;
                }
                b[0] = bf16_pair(four.x, four.y);
                b[1] = bf16_pair(four.z, four.w);
            }
            MMA(c[0], a[0][s], b);
            MMA(c[1], a[1][s], b);
        }
    }
    if (t == 0)
        UNROLL for (int i = 0; i < 4; i++) room[(i * 8 + quad) * (SEGMENTS + 1) + segment] = c[i / 2][i % 2 * 2];
}
#endif

KERNEL(MMA_THREADS) MMA_NAME(PRODUCT_ARGUMENTS)
{
    LOCAL float sums[SEGMENTS * MMA_ROWS * 8];
    MMA_ROOM
    struct product p = product_of(tiles, 8 * COLUMN_TILES, n);
    struct planes planes = planes_of(w, high, scales, steps);
    int lane = THREAD % 32, segment = THREAD / 32, quad = lane / 4, t = lane % 4, first_row = GROUP(0) * MMA_ROWS;
    int groups = cols / 32, each = segment_blocks(groups);
    float c[COLUMN_TILES][2][4];
    long at[COLUMN_TILES];
    LEAVE_IF(p.count == 0)
    UNROLL for (int tile = 0; tile < COLUMN_TILES; tile++)
    {
        int column = tile * 8 + quad;
        at[tile] = -1;
        if (column < p.count) {
            column += p.first;
            at[tile] = (long)(order ? order[column] / divide : column) * x_stride + (long)(order ? 0 : p.matrix) * x_head;
        }
        UNROLL for (int i = 0; i < 8; i++) c[tile][i / 4][i % 4] = 0.0f;
    }
    for (int i = 0; i < each; i++) {
        int group = (segment * each + i) * 4 + t;
        uint a[2][8][4];
        mma_weights(a, planes, (long)p.matrix * rows, first_row, p.count ? rows : 0, group, groups);
        UNROLL for (int tile = 0; tile < COLUMN_TILES; tile++)
        {
            UNROLL for (int s = 0; s < 8; s++)
            {
                uint b[2] = {0, 0};
                if (at[tile] >= 0 && group < groups) {
                    float4 four = LOAD4(x + at[tile] + (long)group * 32 + 4 * s);
                    b[0] = bf16_pair(four.x, four.y);
                    b[1] = bf16_pair(four.z, four.w);
                }
                MMA(c[tile][0], a[0][s], b);
                MMA(c[tile][1], a[1][s], b);
            }
        }
    }
    UNROLL for (int tile = 0; tile < COLUMN_TILES; tile++)
    {
        UNROLL for (int i = 0; i < 8; i++)
            sums[(segment * MMA_ROWS + i / 2 * 8 + quad) * 8 + 2 * t + i % 2] = c[tile][i / 4][i % 4];
        BARRIER;
        int in_tile = THREAD / MMA_ROWS, column = tile * 8 + in_tile, row = THREAD % MMA_ROWS;
        if (column < p.count && first_row + row < rows) {
            float total = 0.0f;
            UNROLL for (int s = 0; s < SEGMENTS; s++) total += sums[(s * MMA_ROWS + row) * 8 + in_tile];
            column = order ? order[p.first + column] : p.first + column;
            long out = (long)column * y_stride + (long)(order ? 0 : p.matrix) * y_head + first_row + row;
            if (bias)
                total += bias[(long)p.matrix * rows + first_row + row];
            y[out] = accumulate ? y[out] + total : total;
        }
        BARRIER;
    }
}
