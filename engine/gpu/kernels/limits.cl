/* The limits of a device: what its memory gives, and what its units make of values in registers. Every thread writes what it found, so that
 * no compiler leaves the work out; those bytes are not counted, since they are one in a thousand. */

/* Of 16-byte words, `threads` lie between a thread's one and its next: four loads are under way in each step. Words of `from` are
 * 4 · steps · threads. */
KERNEL(256) limit_read(GLOBAL uint *out, GLOBAL const uint *from, int steps, int threads)
{
    uint bits = 0;
    long at = (long)GROUP(0) * 256 + THREAD;
    for (int i = 0; i < steps; i++, at += 4 * (long)threads) {
        UNROLL for (int j = 0; j < 4; j++)
        {
            uint4 word = LOAD4_WORDS(from + 4 * (at + j * (long)threads));
            bits ^= word.x ^ word.y ^ word.z ^ word.w;
        }
    }
    out[GROUP(0) * 256 + THREAD] = bits;
}

KERNEL(256) limit_copy(GLOBAL uint4 *to, GLOBAL const uint *from, int steps, int threads)
{
    long at = (long)GROUP(0) * 256 + THREAD;
    for (int i = 0; i < steps; i++, at += 4 * (long)threads) {
        uint4 words[4];
        UNROLL for (int j = 0; j < 4; j++) words[j] = LOAD4_WORDS(from + 4 * (at + j * (long)threads));
        UNROLL for (int j = 0; j < 4; j++) to[at + j * (long)threads] = words[j];
    }
}

/* Bits that differ from word to word: what a memory that compresses would make less of, and what draws power as numbers do. */
DEVICE uint limit_bits(long at)
{
    uint bits = (uint)at * 2654435761u;
    return bits ^ bits >> 15;
}

KERNEL(256) limit_write(GLOBAL uint4 *to, int steps, int threads)
{
    long at = (long)GROUP(0) * 256 + THREAD;
    for (int i = 0; i < steps; i++, at += 4 * (long)threads)
        UNROLL for (int j = 0; j < 4; j++)
        {
            uint4 word;
            word.x = limit_bits(at + j * (long)threads);
            word.y = word.x ^ 0x55555555u;
            word.z = word.x + 0x01234567u;
            word.w = ~word.x;
            to[at + j * (long)threads] = word;
        }
}

/* Eight sums that do not wait for each other, of numbers of 1 to 2 and of both signs, which are made of what is in memory: of what it knows,
 * a compiler computes anew in each round. 8 · 4,096 operations of each warp and round. */
KERNEL(256) limit_mma(GLOBAL float *out, GLOBAL const uint *from, int rounds)
{
    LOCAL_OF_MMA(mma_room, 256)
    uint a[2][4], b[4][2];
    float c[8][4], sum = 0.0f;
    UNROLL for (int i = 0; i < 8; i++) a[i / 4][i % 4] = (from[i * 256 + THREAD] & 0x807F807Fu) | 0x3F803F80u;
    UNROLL for (int i = 0; i < 8; i++) b[i / 2][i % 2] = (from[i * 256 + THREAD + 2048] & 0x807F807Fu) | 0x3F803F80u;
    UNROLL for (int i = 0; i < 32; i++) c[i / 4][i % 4] = 0.0f;
    KEEP_LOOP for (int round = 0; round < rounds; round++)
    {
        UNROLL for (int i = 0; i < 8; i++) MMA(c[i], a[i / 4], b[i % 4]);
    }
    UNROLL for (int i = 0; i < 32; i++) sum += c[i / 4][i % 4];
    out[GROUP(0) * 256 + THREAD] = sum;
}

/* Sixteen of them, eight times: 256 operations of each thread and round. Each goes to its thread's own value of
 * own / (1 − factor), and stays there. */
KERNEL(256) limit_float(GLOBAL float *out, int rounds, float factor)
{
    float v[16], sum = 0.0f, own = 1.0f + (float)THREAD;
    UNROLL for (int i = 0; i < 16; i++) v[i] = (float)i;
    KEEP_LOOP for (int round = 0; round < rounds; round++)
    {
        UNROLL for (int i = 0; i < 128; i++) v[i % 16] = FMA(v[i % 16], factor, own);
    }
    UNROLL for (int i = 0; i < 16; i++) sum += v[i];
    out[GROUP(0) * 256 + THREAD] = sum;
}
