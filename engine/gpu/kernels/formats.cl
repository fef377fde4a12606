/* Formats of weights as they lie on the device, and their values. FORMAT is GGUF's number.
 *
 * At upload a matrix [rows][cols] is taken apart into planes, so that loads are wide and aligned: codes (the low bits), high (further bits),
 * scales (small integers) and steps (half-precision factors), each in the order of the groups of 32 values. Nothing is rounded. A group has:
 *
 *             codes                                              high            scales       steps
 *     F32     32 floats
 *     F16     32 halves (BF16 too)
 *     Q8_0    32 int8                                                                         d
 *     Q4_0    16 bytes: value j low nibble, j + 16 high                                       d
 *     Q4_1    the same                                                                        d, m
 *     Q5_0    the same                                           32 bits                      d
 *     Q5_1    the same                                           32 bits                      d, m
 *     IQ4_NL  the same                                                                        d
 *     MXFP4   the same                                                           exponent
 *     Q4_K    the same                                                           scale, min   d, dmin of 8 groups
 *     Q5_K    the same                                           32 bits         scale, min   d, dmin of 8 groups
 *     Q6_K    the same                                           2 × 16 pairs    2 scales     d of 8 groups
 *     IQ4_XS  the same                                                           scale        d of 8 groups
 *     Q2_K    2 words of 16 pairs of bits                                        2 × (scale, min nibbles)  d, dmin of 8 groups
 *     Q3_K    2 words of 16 pairs of bits                        32 bits         2 scales     d of 8 groups */
#define FORMAT_F32 0
#define FORMAT_F16 1
#define FORMAT_Q4_0 2
#define FORMAT_Q4_1 3
#define FORMAT_Q5_0 6
#define FORMAT_Q5_1 7
#define FORMAT_Q8_0 8
#define FORMAT_Q2_K 10
#define FORMAT_Q3_K 11
#define FORMAT_Q4_K 12
#define FORMAT_Q5_K 13
#define FORMAT_Q6_K 14
#define FORMAT_IQ4_NL 20
#define FORMAT_IQ4_XS 23
#define FORMAT_BF16 30
#define FORMAT_MXFP4 39

struct planes {
    GLOBAL const uchar *codes, *high, *scales, *steps;
};

DEVICE struct planes planes_of(GLOBAL const uchar *w, ulong high, ulong scales, ulong steps)
{
    struct planes p = {w, w + high, w + scales, w + steps};
    return p;
}

#if FORMAT == FORMAT_IQ4_NL || FORMAT == FORMAT_IQ4_XS
CONSTANT schar values_of_codes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
#elif FORMAT == FORMAT_MXFP4
CONSTANT schar values_of_codes[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
#endif

/* Where a group's words lie. */
DEVICE GLOBAL const uint *words(GLOBAL const uchar *plane, long group, int words_each)
{
    return (GLOBAL const uint *)plane + group * words_each;
}

DEVICE float step_of(struct planes p, long at)
{
    return f16_value(((GLOBAL const ushort *)p.steps)[at]);
}

/* The code of value j (0 – 31) from the group's words: nibbles, or pairs of bits. */
DEVICE int nibble(const uint *codes, int j)
{
    return (int)(codes[j % 16 / 4] >> (j % 4 * 8 + j / 16 * 4) & 15u);
}

DEVICE int pair(const uint *codes, int j)
{
    return (int)(codes[j / 16] >> (j % 16 * 2) & 3u);
}

/* The 32 values of a group: those of tensor_to_float (engine/tensor.c), bit for bit. */
DEVICE void group_values(struct planes p, long group, float *v)
{
#if FORMAT == FORMAT_F32
    GLOBAL const float *from = (GLOBAL const float *)p.codes + group * 32;
    for (int j = 0; j < 32; j++)
        v[j] = from[j];
#elif FORMAT == FORMAT_F16 || FORMAT == FORMAT_BF16
    GLOBAL const uint *from = words(p.codes, group, 16);
    for (int j = 0; j < 32; j += 2) {
        uint two = from[j / 2];
#if FORMAT == FORMAT_F16
        v[j] = f16_value((ushort)(two & 0xFFFFu));
        v[j + 1] = f16_value((ushort)(two >> 16));
#else
        v[j] = AS_FLOAT(two << 16);
        v[j + 1] = AS_FLOAT(two & 0xFFFF0000u);
#endif
    }
#elif FORMAT == FORMAT_Q8_0
    GLOBAL const uint *from = words(p.codes, group, 8);
    float d = step_of(p, group);
    for (int j = 0; j < 32; j += 4) {
        uint four = from[j / 4];
        for (int i = 0; i < 4; i++)
            v[j + i] = (float)(schar)(four >> (8 * i) & 255u) * d;
    }
#elif FORMAT == FORMAT_Q2_K || FORMAT == FORMAT_Q3_K
    GLOBAL const uint *from = words(p.codes, group, 2);
    uint codes[2] = {from[0], from[1]};
#if FORMAT == FORMAT_Q2_K
    float d = step_of(p, group / 8 * 2), dmin = step_of(p, group / 8 * 2 + 1);
    for (int j = 0; j < 32; j++) {
        int both = p.scales[group * 2 + j / 16];
        v[j] = d * (float)(both & 15) * (float)pair(codes, j) - dmin * (float)(both >> 4);
    }
#else
    float d = step_of(p, group / 8);
    uint high = words(p.high, group, 1)[0];
    for (int j = 0; j < 32; j++) {
        int scale = (schar)p.scales[group * 2 + j / 16], code = pair(codes, j) | (int)(high >> j & 1u) << 2;
        v[j] = d * (float)scale * (float)(code - 4);
    }
#endif
#else
    GLOBAL const uint *from = words(p.codes, group, 4);
    uint codes[4] = {from[0], from[1], from[2], from[3]};
#if FORMAT == FORMAT_Q4_0
    float d = step_of(p, group);
    for (int j = 0; j < 32; j++)
        v[j] = (float)(nibble(codes, j) - 8) * d;
#elif FORMAT == FORMAT_Q4_1
    float d = step_of(p, group * 2), m = step_of(p, group * 2 + 1);
    for (int j = 0; j < 32; j++)
        v[j] = (float)nibble(codes, j) * d + m;
#elif FORMAT == FORMAT_Q5_0
    float d = step_of(p, group);
    uint high = words(p.high, group, 1)[0];
    for (int j = 0; j < 32; j++)
        v[j] = (float)((nibble(codes, j) | (int)(high >> j & 1u) << 4) - 16) * d;
#elif FORMAT == FORMAT_Q5_1
    float d = step_of(p, group * 2), m = step_of(p, group * 2 + 1);
    uint high = words(p.high, group, 1)[0];
    for (int j = 0; j < 32; j++)
        v[j] = (float)(nibble(codes, j) | (int)(high >> j & 1u) << 4) * d + m;
#elif FORMAT == FORMAT_IQ4_NL
    float d = step_of(p, group);
    for (int j = 0; j < 32; j++)
        v[j] = d * (float)values_of_codes[nibble(codes, j)];
#elif FORMAT == FORMAT_MXFP4
    uint exponent = p.scales[group];
    float d = AS_FLOAT(exponent < 2u ? 0x200000u << exponent : (exponent - 1u) << 23); // half of 2^(exponent − 127): values are doubled
    for (int j = 0; j < 32; j++)
        v[j] = (float)values_of_codes[nibble(codes, j)] * d;
#elif FORMAT == FORMAT_IQ4_XS
    float d = step_of(p, group / 8) * (float)(schar)p.scales[group];
    for (int j = 0; j < 32; j++)
        v[j] = d * (float)values_of_codes[nibble(codes, j)];
#elif FORMAT == FORMAT_Q4_K || FORMAT == FORMAT_Q5_K
    float step = step_of(p, group / 8 * 2) * (float)p.scales[group * 2];
    float offset = step_of(p, group / 8 * 2 + 1) * (float)p.scales[group * 2 + 1];
#if FORMAT == FORMAT_Q4_K
    for (int j = 0; j < 32; j++)
        v[j] = step * (float)nibble(codes, j) - offset;
#else
    uint high = words(p.high, group, 1)[0];
    for (int j = 0; j < 32; j++)
        v[j] = step * (float)(nibble(codes, j) | (int)(high >> j & 1u) << 4) - offset;
#endif
#elif FORMAT == FORMAT_Q6_K
    float d = step_of(p, group / 8);
    GLOBAL const uint *more = words(p.high, group, 2);
    uint high[2] = {more[0], more[1]};
    for (int j = 0; j < 32; j++)
        v[j] = d * (float)(schar)p.scales[group * 2 + j / 16] * (float)((nibble(codes, j) | pair(high, j) << 4) - 32);
#else
#error "FORMAT is not known"
#endif
#endif
}
