/* More tiles of kernels_wide.h: the integer formats beside Q8_0, Q4_0, Q4_K, Q5_K and Q6_K. Part of that file, included by it alone.
 *
 * F is a constant wherever a tile is inlined, so that what a format doesn't have costs nothing. */

/* iq4_values and mxfp4_values + 128: as the bytes of Q8_0 are stored, for vi_q8_dot. */
static const uint8_t biased_iq4_values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t biased_mxfp4_values[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};

/* nibbles_dot for codes that a table translates; sums begin with vi_q8_begin. */
TILE table_dot(const struct tile *t, int64_t at, const uint8_t *values, int64_t x_at, vi_sums sum, const int V, const int C)
{
    const vi low = vi_set(0x0F0F0F0F), table = vi_table(values);
    EACH(g, 4) {
        vi first[TILE_PANELS], second[TILE_PANELS];
        EACH(v, V) {
            vi both = vi_load(t->panel[v] + at + g * 64 + t->h * LANES * 4);
            first[v] = vi_lookup(table, vi_and(both, low));
            second[v] = vi_lookup(table, vi_and(vi_shift_right(both, 4), low));
        }
        EACH(c, C) {
            vi x_low = four(t, c, x_at + g * 4), x_high = four(t, c, x_at + 16 + g * 4);
            EACH(v, V) {
                sum[v][c] = vi_q8_dot(sum[v][c], first[v], x_low);
                sum[v][c] = vi_q8_dot(sum[v][c], second[v], x_high);
            }
        }
    }
}

/* Blocks of 32 values with a scale and perhaps a minimum. */
TILE of_32_tile(const struct tile *t, const int V, const int C, const enum pack_format F)
{
    const bool minimum = F == PACK_Q4_1 || F == PACK_Q5_1, fifth = F == PACK_Q5_0 || F == PACK_Q5_1;
    const bool table = F == PACK_IQ4_NL || F == PACK_MXFP4;
    const int head = minimum ? 64 : 32, bytes = head + 256 + (fifth ? 64 : 0);
    vf_sums total;
    clear(total, V, C);
    int64_t at = 0;
    for (int64_t block = 0; block < t->k / 32; block++, at += bytes) {
        vi_sums sum;
        vf scales[TILE_PANELS];
        ask_ahead(t, at, bytes, V, C);
        EACH(c, C) {
            int32_t x = t->x[c].sum[block];
            begin_sum(sum, c, table ? vi_q8_begin(x) : vi_set(F == PACK_Q5_0 ? -16 * x : 0), V);
        }
        if (table)
            table_dot(t, at + head, F == PACK_MXFP4 ? biased_mxfp4_values : biased_iq4_values, block * 32, sum, V, C);
        else if (fifth)
            fifth_dot(t, at + head, block * 32, sum, V, C);
        else
            nibbles_dot(t, at + head, block * 32, sum, V, C);
        EACH(v, V) {
            const uint8_t *scale = t->panel[v] + at + t->h * LANES * 2;
            scales[v] = F == PACK_MXFP4 ? vf_load_bf16(scale) : vf_load_f16(scale);
        }
        add_blocks_of_32(t, block, scales, sum, total, V, C);
        if (minimum)
            EACH(v, V) {
                vf least = vf_load_f16(t->panel[v] + at + 32 + t->h * LANES * 2);
                EACH(c, C)
                    total[v][c] = vf_fma(vf_set((float)t->x[c].sum[block]), vf_mul(least, vf_set(t->x[c].scale[block])), total[v][c]);
            }
    }
    store_out(t, total, V, C);
}

#define TILE_OF_32(NAME, FORMAT)                                                                                                           \
    TILE NAME##_tile(const struct tile *t, const int V, const int C)                                                                       \
    {                                                                                                                                      \
        of_32_tile(t, V, C, FORMAT);                                                                                                       \
    }

TILE_OF_32(q4_1, PACK_Q4_1)
TILE_OF_32(q5_0, PACK_Q5_0)
TILE_OF_32(q5_1, PACK_Q5_1)
TILE_OF_32(iq4_nl, PACK_IQ4_NL)
TILE_OF_32(mxfp4, PACK_MXFP4)

TILE iq4_xs_tile(const struct tile *t, const int V, const int C)
{
    vf_sums total;
    clear(total, V, C);
    int64_t base = 0;
    for (int64_t block = 0; block < t->k / 256; block++, base += 2208) {
        vf_sums part;
        clear(part, V, C);
        for (int j = 0; j < 8; j++) {
            vi_sums sum;
            ask_ahead(t, base + j * 276, 276, V, C);
            EACH(c, C)
                begin_sum(sum, c, vi_q8_begin(t->x[c].sum[block * 16 + j * 2] + t->x[c].sum[block * 16 + j * 2 + 1]), V);
            table_dot(t, base + 160 + j * 256, biased_iq4_values, block * 256 + j * 32, sum, V, C);
            EACH(v, V) {
                vf d = vf_load_f16(t->panel[v] + base + t->h * LANES * 2);
                vf scale = vf_mul(d, vf_load_i8(t->panel[v] + base + 32 + j * 16 + t->h * LANES));
                EACH(c, C)
                    part[v][c] = vf_fma(vf_from_vi(sum[v][c]), scale, part[v][c]);
            }
        }
        add_part(t, block, part, total, V, C);
    }
    store_out(t, total, V, C);
}

TILE q2_k_tile(const struct tile *t, const int V, const int C)
{
    const vi pair = vi_set(0x03030303), low = vi_set(15);
    vf_sums total;
    clear(total, V, C);
    int64_t base = 0;
    for (int64_t block = 0; block < t->k / 256; block++, base += 1344) {
        vf_sums part;
        clear(part, V, C);
        for (int chunk = 0; chunk < 4; chunk++) {
            ask_ahead(t, base + chunk * 336, 336, V, C);
            EACH(j, 4) // sub-blocks of 16 values: groups 4j … 4j + 3
            {
                vi_sums sum;
                int sub = chunk * 4 + j;
                EACH(c, C)
                    begin_sum(sum, c, vi_set(0), V);
                EACH(g, 4) {
                    vi weights[TILE_PANELS];
                    EACH(v, V) {
                        vi pairs = vi_load(t->panel[v] + base + 320 + chunk * 256 + g * 64 + t->h * LANES * 4);
                        weights[v] = vi_and(vi_shift_right(pairs, 2 * j), pair);
                    }
                    group_dot(t, block * 256 + sub * 16 + g * 4, weights, sum, V, C);
                }
                EACH(v, V) {
                    vi both = vi_load_u8(t->panel[v] + base + 64 + sub * 16 + t->h * LANES);
                    vf scale = vf_mul(vf_load_f16(t->panel[v] + base + t->h * LANES * 2), vf_from_vi(vi_and(both, low)));
                    vf minimum = vf_mul(vf_load_f16(t->panel[v] + base + 32 + t->h * LANES * 2), vf_from_vi(vi_shift_right(both, 4)));
                    EACH(c, C) {
                        part[v][c] = vf_fma(vf_from_vi(sum[v][c]), scale, part[v][c]);
                        part[v][c] = vf_fma(vf_set(-(float)t->x[c].sum[block * 16 + sub]), minimum, part[v][c]);
                    }
                }
            }
        }
        add_part(t, block, part, total, V, C);
    }
    store_out(t, total, V, C);
}

TILE q3_k_tile(const struct tile *t, const int V, const int C)
{
    const vi pair = vi_set(0x03030303), third = vi_set(0x04040404);
    vf_sums total;
    clear(total, V, C);
    int64_t base = 0;
    for (int64_t block = 0; block < t->k / 256; block++, base += 1824) {
        vf_sums part;
        clear(part, V, C);
        for (int chunk = 0; chunk < 4; chunk++) {
            int64_t at = base + 288 + chunk * 384 + t->h * LANES * 4;
            ask_ahead(t, base + chunk * 456, 456, V, C);
            EACH(j, 4) // sub-blocks of 16 values: groups 4j … 4j + 3
            {
                vi_sums sum;
                int sub = chunk * 4 + j;
                EACH(c, C)
                    begin_sum(sum, c, vi_set(-4 * t->x[c].sum[block * 16 + sub]), V);
                EACH(g, 4) {
                    int from = (j & 1) * 4 + g; // the bit of this group; it goes to bit 2
                    vi weights[TILE_PANELS];
                    EACH(v, V) {
                        vi bits = vi_load(t->panel[v] + at + 256 + j / 2 * 64);
                        vi high = vi_and(from < 2 ? vi_shift_left(bits, 2 - from) : vi_shift_right(bits, from - 2), third);
                        weights[v] = vi_or(vi_and(vi_shift_right(vi_load(t->panel[v] + at + g * 64), 2 * j), pair), high);
                    }
                    group_dot(t, block * 256 + sub * 16 + g * 4, weights, sum, V, C);
                }
                EACH(v, V) {
                    vf d = vf_load_f16(t->panel[v] + base + t->h * LANES * 2);
                    vf scale = vf_mul(d, vf_load_i8(t->panel[v] + base + 32 + sub * 16 + t->h * LANES));
                    EACH(c, C)
                        part[v][c] = vf_fma(vf_from_vi(sum[v][c]), scale, part[v][c]);
                }
            }
        }
        add_part(t, block, part, total, V, C);
    }
    store_out(t, total, V, C);
}
