/* What the kernels of several programs share. */

/* The sum of 256 floats in local memory, in every thread, by halves. The order is the same whatever number of threads a group has. */
DEVICE float sum_by_halves(LOCAL_POINTER float *room, int threads)
{
    BARRIER;
    for (int half_way = 128; half_way > 0; half_way /= 2) {
        for (int at = THREAD; at < half_way; at += threads)
            room[at] += room[at + half_way];
        BARRIER;
    }
    float sum = room[0];
    BARRIER;
    return sum;
}

/* What a row of `width` values is multiplied with by an RMS norm, 1 / sqrt(mean(x²) + epsilon), in every thread. room: 256 floats. */
DEVICE float norm_factor(LOCAL_POINTER float *room, GLOBAL const float *x, int width, float epsilon, int threads)
{
    for (int at = THREAD; at < 256; at += threads) {
        float sum = 0.0f;
        for (int i = at; i < width; i += 256)
            sum = FMA(x[i], x[i], sum);
        room[at] = sum;
    }
    return 1.0f / SQRT(sum_by_halves(room, threads) / (float)width + epsilon);
}

/* Functions as engine/backend.h numbers them: 0 silu(g) · u, 1 that of gpt-oss. */
DEVICE float activation(int function, float gate, float up)
{
    if (function == 0)
        return gate / (1.0f + EXP(-gate)) * up;
    float g = gate > 7.0f ? 7.0f : gate, u = up > 7.0f ? 7.0f : up < -7.0f ? -7.0f : up;
    return g / (1.0f + EXP(-1.702f * g)) * (u + 1.0f);
}
