/* More tiles of kernels_wide.h: the integer formats beside Q8_0, Q4_0, Q4_K and Q6_K. Part of that file, included by it alone.
 *
 * F is a constant wherever a tile is inlined, so that what a format doesn't have costs nothing. */

/* iq4_values and mxfp4_values + 128: as the bytes of Q8_0 are stored, for vi_q8_dot. */
static const uint8_t biased_iq4_values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t biased_mxfp4_values[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};

/* nibbles_dot for codes of five bits: 64 bytes behind the nibbles hold the fifth, bit j for group j. */
TILE fifth_dot(const uint8_t *w, const struct column *x, int64_t at, vi *sum, const int C)
{
    const vi low = vi_set(0x0F0F0F0F), fifth = vi_set(0x10101010);
    vi bits = vi_load(w + 256);
    UNROLL for (int g = 0; g < 4; g++)
    {
        vi both = vi_load(w + g * 64);
        vi first = vi_or(vi_and(both, low), vi_and(vi_shift_left(bits, 4 - g), fifth));
        vi second = vi_or(vi_and(vi_shift_right(both, 4), low), vi_and(vi_shift_right(bits, g), fifth));
        UNROLL for (int c = 0; c < C; c++)
        {
            sum[c] = vi_dot(sum[c], first, vi_set(load_i32(x[c].q + at + g * 4)));
            sum[c] = vi_dot(sum[c], second, vi_set(load_i32(x[c].q + at + 16 + g * 4)));
        }
    }
}

/* nibbles_dot for codes that a table translates; sums begin with vi_q8_begin. */
TILE table_dot(const uint8_t *w, const uint8_t *values, const struct column *x, int64_t at, vi *sum, const int C)
{
    const vi low = vi_set(0x0F0F0F0F), table = vi_table(values);
    UNROLL for (int g = 0; g < 4; g++)
    {
        vi both = vi_load(w + g * 64);
        vi first = vi_lookup(table, vi_and(both, low)), second = vi_lookup(table, vi_and(vi_shift_right(both, 4), low));
        UNROLL for (int c = 0; c < C; c++)
        {
            sum[c] = vi_q8_dot(sum[c], first, vi_set(load_i32(x[c].q + at + g * 4)));
            sum[c] = vi_q8_dot(sum[c], second, vi_set(load_i32(x[c].q + at + 16 + g * 4)));
        }
    }
}

/* Blocks of 32 values with a scale and perhaps a minimum. */
TILE of_32_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C, const enum pack_format F)
{
    const bool minimum = F == PACK_Q4_1 || F == PACK_Q5_1, fifth = F == PACK_Q5_0 || F == PACK_Q5_1;
    const bool table = F == PACK_IQ4_NL || F == PACK_MXFP4;
    const int head = minimum ? 64 : 32, bytes = head + 256 + (fifth ? 64 : 0);
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 32; block++, panel += bytes) {
        vi sum[8];
        const uint8_t *w = panel + head + h * LANES * 4;
        ask_ahead(panel, bytes, C);
        UNROLL for (int c = 0; c < C; c++) sum[c] = table            ? vi_q8_begin(x[c].sum[block])
                                                    : F == PACK_Q5_0 ? vi_set(-16 * x[c].sum[block])
                                                                     : vi_set(0);
        if (table)
            table_dot(w, F == PACK_MXFP4 ? biased_mxfp4_values : biased_iq4_values, x, block * 32, sum, C);
        else if (fifth)
            fifth_dot(w, x, block * 32, sum, C);
        else
            nibbles_dot(w, x, block * 32, sum, C);
        vf scale = F == PACK_MXFP4 ? vf_load_bf16(panel + h * LANES * 2) : vf_load_f16(panel + h * LANES * 2);
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(vf_from_vi(sum[c]), vf_mul(scale, vf_set(x[c].scale[block])), total[c]);
        if (minimum) {
            vf least = vf_load_f16(panel + 32 + h * LANES * 2);
            UNROLL for (int c = 0; c < C; c++) total[c] =
                vf_fma(vf_set((float)x[c].sum[block]), vf_mul(least, vf_set(x[c].scale[block])), total[c]);
        }
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

#define TILE_OF_32(NAME, FORMAT)                                                                                                           \
    TILE NAME##_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)                              \
    {                                                                                                                                      \
        of_32_tile(panel, k, x, out, h, C, FORMAT);                                                                                        \
    }

TILE_OF_32(q4_1, PACK_Q4_1)
TILE_OF_32(q5_0, PACK_Q5_0)
TILE_OF_32(q5_1, PACK_Q5_1)
TILE_OF_32(iq4_nl, PACK_IQ4_NL)
TILE_OF_32(mxfp4, PACK_MXFP4)

TILE q5_k_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 2880) {
        vf d = vf_load_f16(panel + h * LANES * 2), dmin = vf_load_f16(panel + 32 + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int j = 0; j < 8; j++) {
            vi sum[8];
            ask_ahead(panel + j * 360, 360, C);
            UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(0);
            fifth_dot(panel + 320 + j * 320 + h * LANES * 4, x, block * 256 + j * 32, sum, C);
            vf scale = vf_mul(d, vf_load_u8(panel + 64 + j * 16 + h * LANES));
            vf minimum = vf_mul(dmin, vf_load_u8(panel + 192 + j * 16 + h * LANES));
            UNROLL for (int c = 0; c < C; c++)
            {
                const int32_t *sums = x[c].sum + block * 16 + j * 2;
                part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
                part[c] = vf_fma(vf_set(-(float)(sums[0] + sums[1])), minimum, part[c]);
            }
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

TILE iq4_xs_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 2208) {
        vf d = vf_load_f16(panel + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int j = 0; j < 8; j++) {
            vi sum[8];
            ask_ahead(panel + j * 276, 276, C);
            UNROLL for (int c = 0; c < C; c++) sum[c] = vi_q8_begin(x[c].sum[block * 16 + j * 2] + x[c].sum[block * 16 + j * 2 + 1]);
            table_dot(panel + 160 + j * 256 + h * LANES * 4, biased_iq4_values, x, block * 256 + j * 32, sum, C);
            vf scale = vf_mul(d, vf_load_i8(panel + 32 + j * 16 + h * LANES));
            UNROLL for (int c = 0; c < C; c++) part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

TILE q2_k_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    const vi pair = vi_set(0x03030303), low = vi_set(15);
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 1344) {
        vf d = vf_load_f16(panel + h * LANES * 2), dmin = vf_load_f16(panel + 32 + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int chunk = 0; chunk < 4; chunk++) {
            ask_ahead(panel + chunk * 336, 336, C);
            UNROLL for (int j = 0; j < 4; j++) // sub-blocks of 16 values: groups 4j … 4j + 3
            {
                vi sum[8];
                int at = chunk * 4 + j;
                UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(0);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    vi weights = vi_and(vi_shift_right(vi_load(panel + 320 + chunk * 256 + g * 64 + h * LANES * 4), 2 * j), pair);
                    UNROLL for (int c = 0; c < C; c++) sum[c] =
                        vi_dot(sum[c], weights, vi_set(load_i32(x[c].q + block * 256 + at * 16 + g * 4)));
                }
                vi both = vi_load_u8(panel + 64 + at * 16 + h * LANES);
                vf scale = vf_mul(d, vf_from_vi(vi_and(both, low))), minimum = vf_mul(dmin, vf_from_vi(vi_shift_right(both, 4)));
                UNROLL for (int c = 0; c < C; c++)
                {
                    part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
                    part[c] = vf_fma(vf_set(-(float)x[c].sum[block * 16 + at]), minimum, part[c]);
                }
            }
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}

TILE q3_k_tile(const uint8_t *panel, int64_t k, const struct column *x, float *out, int h, const int C)
{
    const vi pair = vi_set(0x03030303), third = vi_set(0x04040404);
    vf total[8];
    UNROLL for (int c = 0; c < C; c++) total[c] = vf_zero();
    for (int64_t block = 0; block < k / 256; block++, panel += 1824) {
        vf d = vf_load_f16(panel + h * LANES * 2), part[8];
        UNROLL for (int c = 0; c < C; c++) part[c] = vf_zero();
        for (int chunk = 0; chunk < 4; chunk++) {
            const uint8_t *w = panel + 288 + chunk * 384 + h * LANES * 4;
            ask_ahead(panel + chunk * 456, 456, C);
            UNROLL for (int j = 0; j < 4; j++) // sub-blocks of 16 values: groups 4j … 4j + 3
            {
                vi sum[8], bits = vi_load(w + 256 + j / 2 * 64);
                int at = chunk * 4 + j;
                UNROLL for (int c = 0; c < C; c++) sum[c] = vi_set(-4 * x[c].sum[block * 16 + at]);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    int from = (j & 1) * 4 + g; // the bit of this group; it goes to bit 2
                    vi high = vi_and(from < 2 ? vi_shift_left(bits, 2 - from) : vi_shift_right(bits, from - 2), third);
                    vi weights = vi_or(vi_and(vi_shift_right(vi_load(w + g * 64), 2 * j), pair), high);
                    UNROLL for (int c = 0; c < C; c++) sum[c] =
                        vi_dot(sum[c], weights, vi_set(load_i32(x[c].q + block * 256 + at * 16 + g * 4)));
                }
                vf scale = vf_mul(d, vf_load_i8(panel + 32 + at * 16 + h * LANES));
                UNROLL for (int c = 0; c < C; c++) part[c] = vf_fma(vf_from_vi(sum[c]), scale, part[c]);
            }
        }
        UNROLL for (int c = 0; c < C; c++) total[c] = vf_fma(part[c], vf_set(x[c].scale[block]), total[c]);
    }
    UNROLL for (int c = 0; c < C; c++) vf_store(out + c * PANEL_ROWS + h * LANES, total[c]);
}
