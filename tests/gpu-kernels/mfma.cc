/* The MMA of AMD's GPUs on a CPU: a wave of 64 threads in step, with the instruction as AMD documents its registers for CDNA 2 and 3. Says what
 * differs from the product by its definition, of small integers, which are exact; else nothing. */
#include <pthread.h>
#include <stdio.h>

typedef unsigned uint;
typedef unsigned short ushort;
#define DEVICE static inline
#define UNROLL
#define THREAD thread
#define FMA(A, B, C) __builtin_fmaf(A, B, C)
#define AS_FLOAT(BITS) __builtin_bit_cast(float, (uint)(BITS))
#define AS_UINT(VALUE) __builtin_bit_cast(uint, (float)(VALUE))
#define __gfx90a__
#define __builtin_amdgcn_ds_bpermute bpermute
#define __builtin_amdgcn_mfma_f32_16x16x16bf16_1k instruction

enum { LANES = 64, WARPS = 2, TIMES = 3 };

static thread_local int thread;
static pthread_barrier_t step;

static float bf16_value(ushort bits)
{
    return AS_FLOAT((uint)bits << 16);
}

static ushort bf16_bits(float value)
{
    return (ushort)(AS_UINT(value) >> 16); // of integers this small nothing is lost
}

static int bpermute(int bytes, int value)
{
    static int of[LANES];
    of[thread] = value;
    pthread_barrier_wait(&step);
    int result = of[bytes / 4 % LANES];
    pthread_barrier_wait(&step);
    return result;
}

typedef short halves __attribute__((ext_vector_type(4)));
typedef float sums __attribute__((ext_vector_type(4)));

static sums instruction(halves a, halves b, sums c, int, int, int)
{
    static halves left[LANES], right[LANES];
    left[thread] = a;
    right[thread] = b;
    pthread_barrier_wait(&step);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 16; k++)
            c[i] += bf16_value((ushort)left[16 * (k / 4) + 4 * (thread / 16) + i][k % 4]) *
                    bf16_value((ushort)right[16 * (k / 4) + thread % 16][k % 4]);
    pthread_barrier_wait(&step);
    return c;
}

#include "engine/gpu/kernels/matrix.cl"

static float a[TIMES][WARPS][16][16], b[TIMES][WARPS][16][8], made[WARPS][16][8];

static void *lane_of_wave(void *number)
{
    thread = (int)(long)number;
    int warp = thread / 32, quad = thread % 32 / 4, t = thread % 4;
    float c[4] = {0, 0, 0, 0};
    for (int time = 0; time < TIMES; time++) {
        uint left[4], right[2];
        for (int i = 0; i < 4; i++) {
            const float *row = a[time][warp][quad + 8 * (i % 2)] + 2 * t + 8 * (i / 2);
            left[i] = bf16_pair(row[0], row[1]);
        }
        for (int i = 0; i < 2; i++)
            right[i] = bf16_pair(b[time][warp][2 * t + 8 * i][quad], b[time][warp][2 * t + 8 * i + 1][quad]);
        MMA(c, left, right);
    }
    for (int i = 0; i < 4; i++)
        made[warp][quad + 8 * (i / 2)][2 * t + i % 2] = c[i];
    return NULL;
}

int main()
{
    pthread_t threads[LANES];
    uint random = 1;
    for (float *at = &a[0][0][0][0]; at < &a[0][0][0][0] + sizeof a / sizeof *at; at++)
        *at = (float)((int)((random = random * 1664525u + 1013904223u) >> 28) - 8);
    for (float *at = &b[0][0][0][0]; at < &b[0][0][0][0] + sizeof b / sizeof *at; at++)
        *at = (float)((int)((random = random * 1664525u + 1013904223u) >> 28) - 8);
    pthread_barrier_init(&step, NULL, LANES);
    for (long i = 0; i < LANES; i++)
        pthread_create(&threads[i], NULL, lane_of_wave, (void *)i);
    for (int i = 0; i < LANES; i++)
        pthread_join(threads[i], NULL);
    int bad = 0;
    for (int i = 0; i < WARPS * 16 * 8; i++) {
        int warp = i / 128, row = i / 8 % 16, column = i % 8;
        float wanted = 0;
        for (int time = 0; time < TIMES; time++)
            for (int k = 0; k < 16; k++)
                wanted += a[time][warp][row][k] * b[time][warp][k][column];
        if (made[warp][row][column] != wanted && bad++ < 8)
            printf("warp %d row %d column %d: %g, not %g\n", warp, row, column, (double)made[warp][row][column], (double)wanted);
    }
    return bad != 0;
}
