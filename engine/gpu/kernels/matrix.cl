/* The matrix unit: MMA(c, a, b) is c += a · b by one warp of 32 threads, 16 rows × 16 k × 8 columns, a and b in BF16 and sums in float. A row of c
 * depends on that row of a alone, and a column on that column of b, so that company changes no bits.
 *
 *     lane = 4 · quad + t        a[0] row quad, k 2t and 2t + 1          b[0] column quad, k 2t and 2t + 1
 *                                a[1] row quad + 8, the same             b[1] column quad, k 2t + 8 and 2t + 9
 *                                a[2] row quad, k 2t + 8 and 2t + 9      c[0], c[1] row quad, columns 2t and 2t + 1
 *                                a[3] row quad + 8, the same             c[2], c[3] row quad + 8, the same
 *
 * Where it is emulated it has barriers in it, and room in local memory under the name mma_room: all warps of a group meet each MMA,
 * also since on AMD two of them make it together. */

/* Two values as BF16, nearest even; the first in the low half. */
DEVICE uint bf16_pair(float low, float high)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    return (uint)bf16_bits(low) | (uint)bf16_bits(high) << 16;
#endif
}

DEVICE float pair_product(uint a, uint b, float sum)
{
    sum = FMA(bf16_value((ushort)(a & 0xFFFFu)), bf16_value((ushort)(b & 0xFFFFu)), sum);
    return FMA(bf16_value((ushort)(a >> 16)), bf16_value((ushort)(b >> 16)), sum);
}

#if defined(MMA_OF_LANES) /* of each lane what it has itself: wrong values, but no barriers that would hide races from Oclgrind */
#define MMA(C, A, B) mma_of_lanes(C, A, B)

DEVICE void mma_of_lanes(float *c, const uint *a, const uint *b)
{
    for (int i = 0; i < 4; i++)
        c[i] = pair_product(a[i], b[i % 2], c[i]);
}
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define MMA(C, A, B)                                                                                                                       \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"    \
                 : "+f"((C)[0]), "+f"((C)[1]), "+f"((C)[2]), "+f"((C)[3])                                                                  \
                 : "r"((A)[0]), "r"((A)[1]), "r"((A)[2]), "r"((A)[3]), "r"((B)[0]), "r"((B)[1]))
#elif defined(__gfx90a__) || defined(__gfx942__)
#define MMA(C, A, B) mfma(C, A, B)

/* AMD's unit is a wave's, of 64 lanes: two warps. It makes 16 × 16 × 16; lane 16 · g + r has k 4g … 4g + 3 of row r of its left operand and of
 * column r of its right one, and rows 4g … 4g + 3 of column r of what it makes. On the left are the columns of both warps, eight each, on the right
 * one warp's rows, so that of what it makes for a warp, the half that is wanted is in that warp's lanes. */
typedef short mfma_halves __attribute__((ext_vector_type(4)));
typedef float mfma_sums __attribute__((ext_vector_type(4)));

DEVICE uint of_lane(uint value, int lane)
{
    return (uint)__builtin_amdgcn_ds_bpermute(4 * lane, (int)value);
}

DEVICE mfma_halves halves_of(uint low, uint high)
{
    return mfma_halves{(short)low, (short)(low >> 16), (short)high, (short)(high >> 16)};
}

DEVICE void mfma(float *c, const uint *a, const uint *b)
{
    int lane = THREAD % 64, warp = lane / 32, r = lane % 16, from = 4 * (r % 8) + lane / 16, quad = lane % 32 / 4, t = lane % 4;
    mfma_halves columns = halves_of(of_lane(b[0], 32 * (r / 8) + from), of_lane(b[1], 32 * (r / 8) + from));
    mfma_sums sums[2];
    UNROLL for (int w = 0; w < 2; w++)
    {
        uint of[4];
        UNROLL for (int i = 0; i < 4; i++) of[i] = of_lane(a[i], 32 * w + from);
        mfma_sums zeros = {0.0f, 0.0f, 0.0f, 0.0f};
        sums[w] = __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(columns, r < 8 ? halves_of(of[0], of[2]) : halves_of(of[1], of[3]), zeros, 0, 0, 0);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        int at = 32 * warp + 16 * (t / 2) + 8 * (i / 2) + quad;
        uint one = of_lane(AS_UINT(warp ? sums[1][i % 2] : sums[0][i % 2]), at);
        uint other = of_lane(AS_UINT(warp ? sums[1][2 + i % 2] : sums[0][2 + i % 2]), at);
        c[i] += AS_FLOAT(t % 2 ? other : one);
    }
}
#else /* by way of local memory, for devices without one and for tests: 6 words of each lane */
#define MMA_EMULATED
#define MMA(C, A, B) emulated_mma(mma_room, C, A, B)

DEVICE void emulated_mma(LOCAL_POINTER uint *room, float *c, const uint *a, const uint *b)
{
    LOCAL_POINTER uint *warp = room + THREAD / 32 * 32 * 6;
    int lane = THREAD % 32, quad = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++)
        warp[lane * 6 + i] = a[i];
    warp[lane * 6 + 4] = b[0];
    warp[lane * 6 + 5] = b[1];
    BARRIER;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            LOCAL_POINTER uint *of_row = warp + (quad * 4 + k) * 6 + i / 2, *of_column = warp + ((2 * t + i % 2) * 4 + k) * 6 + 4;
            c[i] = pair_product(of_row[0], of_column[0], c[i]);
            c[i] = pair_product(of_row[2], of_column[1], c[i]);
        }
    BARRIER;
}
#endif

#if defined(MMA_EMULATED)
#define MMA_WORDS(THREADS) ((THREADS)*6)
#define MMA_ROOM_IN(ROOM) LOCAL_POINTER uint *mma_room = (ROOM);
#define LOCAL_OF_MMA(NAME, THREADS) LOCAL uint NAME[MMA_WORDS(THREADS)];
#define MMA_ROOM_POINTER mma_room
#else
#define MMA_WORDS(THREADS) 0
#define MMA_ROOM_IN(ROOM)
#define LOCAL_OF_MMA(NAME, THREADS)
#define MMA_ROOM_POINTER 0
#endif
