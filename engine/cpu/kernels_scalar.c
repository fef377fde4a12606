/* The kernels in plain C: the definition that every other instruction set is tested against. Written for clearness; each reads the packed
 * layouts drawn in kernels.h. */
#include "engine/cpu/kernels.h"

#include "engine/tensor.h"

#include <math.h>
#include <string.h>

static float load_f16(const uint8_t *bytes, int index)
{
    uint16_t half;
    memcpy(&half, bytes + 2 * index, 2);
    return f16_to_f32(half);
}

/* The value of byte b (0–3) of row r in the 64-byte group that begins at `group`. */
static int byte_of(const uint8_t *group, int r, int b)
{
    return group[r * 4 + b];
}

/* --- float formats: one sum over the even k, one over the odd ----------------------------------------------------------------------------
 */

static float value_f32(const uint8_t *panel, int64_t index)
{
    float value;
    memcpy(&value, panel + 4 * index, 4);
    return value;
}

static float value_f16(const uint8_t *panel, int64_t index)
{
    uint16_t half;
    memcpy(&half, panel + 2 * index, 2);
    return f16_to_f32(half);
}

static void panel_float(float (*value)(const uint8_t *, int64_t), const uint8_t *panel, int64_t k, const struct column *columns, int n,
                        float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float sums[2] = {0, 0};
            for (int64_t i = 0; i < k; i++)
                sums[i & 1] = fmaf(value(panel, i * PANEL_ROWS + r), columns[c].f[i], sums[i & 1]);
            out[c * stride + r] = sums[0] + sums[1];
        }
}

static void panel_f32(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_float(value_f32, panel, k, columns, n, out, stride);
}

static void panel_f16(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_float(value_f16, panel, k, columns, n, out, stride);
}

static float value_bf16(const uint8_t *panel, int64_t index)
{
    uint16_t brain;
    memcpy(&brain, panel + 2 * index, 2);
    return bf16_to_f32(brain);
}

static void panel_bf16(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float sums[2] = {0, 0};
            for (int64_t i = 0; i < k; i++)
                sums[i & 1] = fmaf(value_bf16(panel, (i / 2 * PANEL_ROWS + r) * 2 + (i & 1)), bf16_to_f32(columns[c].b[i]), sums[i & 1]);
            out[c * stride + r] = sums[0] + sums[1];
        }
}

/* --- integer formats
 * ---------------------------------------------------------------------------------------------------------------------- */

static void panel_q8_0(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 32; block++) {
                const uint8_t *b = panel + block * 544;
                int32_t sum = -128 * columns[c].sum[block];
                for (int i = 0; i < 32; i++)
                    sum += byte_of(b + 32 + i / 4 * 64, r, i % 4) * columns[c].q[block * 32 + i];
                total = fmaf((float)sum, load_f16(b, r) * columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

/* Value i (0–31) of row r in 256 bytes of nibbles. */
static int nibble(const uint8_t *nibbles, int r, int i)
{
    int group = i / 4, byte = byte_of(nibbles + (group & 3) * 64, r, i % 4);
    return group < 4 ? byte & 15 : byte >> 4;
}

static void panel_q4_0(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 32; block++) {
                const uint8_t *b = panel + block * 288;
                int32_t sum = -8 * columns[c].sum[block];
                for (int i = 0; i < 32; i++)
                    sum += nibble(b + 32, r, i) * columns[c].q[block * 32 + i];
                total = fmaf((float)sum, load_f16(b, r) * columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

/* Q4_K, Q5_K: −dmin · Σ minimum · (sum of 32 activations). */
static float minimums_part(const uint8_t *b, int r, const int16_t *sums)
{
    int32_t total = 0;
    for (int j = 0; j < 8; j++)
        total += b[192 + (j / 2 * PANEL_ROWS + r) * 2 + j % 2] * sums[j];
    return (float)total * -load_f16(b + 32, r);
}

static void panel_q4_k(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 2368, *scales = b + 64, *nibbles = b + 320;
                float d = load_f16(b, r), part = minimums_part(b, r, columns[c].sum32 + block * 8);
                for (int j = 0; j < 8; j++) {
                    const int8_t *q = columns[c].q + block * 256 + j * 32;
                    int32_t sum = 0;
                    for (int i = 0; i < 32; i++)
                        sum += nibble(nibbles + j * 256, r, i) * q[i];
                    part = fmaf((float)sum, d * (float)scales[j * 16 + r], part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

/* Code i of 16 of six bits: three groups in the low bits of three vectors, the fourth by two bits in the high ones. */
static int code_of_six(const uint8_t *codes, int r, int i)
{
    if (i < 12)
        return byte_of(codes + i / 4 * 64, r, i % 4) & 63;
    int code = 0;
    for (int v = 0; v < 3; v++)
        code |= byte_of(codes + v * 64, r, i % 4) >> 6 << 2 * v;
    return code;
}

static void panel_q6_k(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 3360, *scales = b + 32;
                float d = load_f16(b, r), part = 0;
                for (int j = 0; j < 16; j++) { // sub-blocks of 16 values
                    const uint8_t *codes = b + 288 + j * 192;
                    int32_t sum = -32 * columns[c].sum[block * 16 + j];
                    for (int i = 0; i < 16; i++)
                        sum += code_of_six(codes, r, i) * columns[c].q[block * 256 + j * 16 + i];
                    part = fmaf((float)sum, d * (float)(int8_t)scales[j * 16 + r], part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

/* Bit j of each byte, for the values of group j. */
static int bit(const uint8_t *bits, int r, int i)
{
    return byte_of(bits, r, i % 4) >> (i / 4) & 1;
}

/* The value, before its scale, of code `i` in a block of 32 nibbles and, for five bits, the bits behind them. */
static int value_of_32(enum pack_format f, const uint8_t *codes, int r, int i)
{
    int code = nibble(codes, r, i);
    switch (f) {
    case PACK_Q5_0:
        return (code | bit(codes + 256, r, i) << 4) - 16;
    case PACK_Q5_1:
    case PACK_Q5_K:
        return code | bit(codes + 256, r, i) << 4;
    case PACK_IQ4_NL:
    case PACK_IQ4_XS:
        return iq4_values[code];
    case PACK_MXFP4:
        return mxfp4_values[code];
    default:
        return code;
    }
}

/* Blocks of 32 values with a scale and perhaps a minimum. */
static void panel_of_32(enum pack_format f, const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out,
                        int64_t stride)
{
    bool minimum = f == PACK_Q4_1 || f == PACK_Q5_1;
    size_t head = minimum ? 64 : 32, bytes = pack_panel_bytes(f, 32);
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 32; block++) {
                const uint8_t *b = panel + (size_t)block * bytes;
                float d = f == PACK_MXFP4 ? value_bf16(b, r) : load_f16(b, r), x = columns[c].scale[block];
                int32_t sum = 0;
                for (int i = 0; i < 32; i++)
                    sum += value_of_32(f, b + head, r, i) * columns[c].q[block * 32 + i];
                total = fmaf((float)sum, d * x, total);
                if (minimum)
                    total = fmaf((float)columns[c].sum[block], load_f16(b + 32, r) * x, total);
            }
            out[c * stride + r] = total;
        }
}

static void panel_q4_1(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_of_32(PACK_Q4_1, panel, k, columns, n, out, stride);
}

static void panel_q5_0(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_of_32(PACK_Q5_0, panel, k, columns, n, out, stride);
}

static void panel_q5_1(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_of_32(PACK_Q5_1, panel, k, columns, n, out, stride);
}

static void panel_iq4_nl(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_of_32(PACK_IQ4_NL, panel, k, columns, n, out, stride);
}

static void panel_mxfp4(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    panel_of_32(PACK_MXFP4, panel, k, columns, n, out, stride);
}

static void panel_q2_k(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 1344, *scales = b + 64, *pairs = b + 320;
                float d = load_f16(b, r), dmin = load_f16(b + 32, r), part = 0;
                for (int j = 0; j < 16; j++) { // sub-blocks of 16 values
                    int32_t sum = 0;
                    for (int i = 0; i < 16; i++)
                        sum += (byte_of(pairs + j / 4 * 256 + i / 4 * 64, r, i % 4) >> (j % 4 * 2) & 3) *
                               columns[c].q[block * 256 + j * 16 + i];
                    part = fmaf((float)sum, d * (float)(scales[j * 16 + r] & 15), part);
                    part = fmaf(-(float)columns[c].sum[block * 16 + j], dmin * (float)(scales[j * 16 + r] >> 4), part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

static void panel_q3_k(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 1824, *scales = b + 32;
                float d = load_f16(b, r), part = 0;
                for (int j = 0; j < 16; j++) { // sub-blocks of 16 values
                    const uint8_t *pairs = b + 288 + j / 4 * 384, *bits = pairs + 256 + j % 4 / 2 * 64;
                    int32_t sum = -4 * columns[c].sum[block * 16 + j];
                    for (int i = 0; i < 16; i++) {
                        int low = byte_of(pairs + i / 4 * 64, r, i % 4) >> (j % 4 * 2) & 3;
                        sum += (low | bit(bits, r, j % 2 * 16 + i) << 2) * columns[c].q[block * 256 + j * 16 + i];
                    }
                    part = fmaf((float)sum, d * (float)(int8_t)scales[j * 16 + r], part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

static void panel_q5_k(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 2880, *scales = b + 64, *codes = b + 320;
                float d = load_f16(b, r), part = minimums_part(b, r, columns[c].sum32 + block * 8);
                for (int j = 0; j < 8; j++) {
                    int32_t sum = 0;
                    for (int i = 0; i < 32; i++)
                        sum += value_of_32(PACK_Q5_K, codes + j * 320, r, i) * columns[c].q[block * 256 + j * 32 + i];
                    part = fmaf((float)sum, d * (float)scales[j * 16 + r], part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

static void panel_iq4_xs(const uint8_t *panel, int64_t k, const struct column *columns, int n, float *out, int64_t stride)
{
    for (int c = 0; c < n; c++)
        for (int r = 0; r < PANEL_ROWS; r++) {
            float total = 0;
            for (int64_t block = 0; block < k / 256; block++) {
                const uint8_t *b = panel + block * 2208, *scales = b + 32, *codes = b + 160;
                float d = load_f16(b, r), part = 0;
                for (int j = 0; j < 8; j++) {
                    int32_t sum = 0;
                    for (int i = 0; i < 32; i++)
                        sum += value_of_32(PACK_IQ4_XS, codes + j * 256, r, i) * columns[c].q[block * 256 + j * 32 + i];
                    part = fmaf((float)sum, d * (float)(int8_t)scales[j * 16 + r], part);
                }
                total = fmaf(part, columns[c].scale[block], total);
            }
            out[c * stride + r] = total;
        }
}

static void add_scaled(float *y, const float *x, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = fmaf(factor, x[i], y[i]);
}

#define PANELS(NAME)                                                                                                                       \
    static void panels_##NAME(const struct panels *p, int64_t k, const struct column *columns, int n)                                      \
    {                                                                                                                                      \
        float out[PANEL_ROWS];                                                                                                             \
        for (int i = 0; i < p->count; i++) {                                                                                               \
            if (!p->add)                                                                                                                   \
                panel_##NAME(p->at[i], k, columns, n, p->out[i], p->stride);                                                               \
            for (int c = 0; p->add && c < n; c++) {                                                                                        \
                panel_##NAME(p->at[i], k, columns + c, 1, out, PANEL_ROWS);                                                                \
                add_scaled(p->add[c] + p->add_at + i * PANEL_ROWS, out, p->factors[c], PANEL_ROWS);                                        \
            }                                                                                                                              \
        }                                                                                                                                  \
    }

PANELS(f32)
PANELS(f16)
PANELS(bf16)
PANELS(q8_0)
PANELS(q4_0)
PANELS(q4_k)
PANELS(q6_k)
PANELS(q4_1)
PANELS(q5_0)
PANELS(q5_1)
PANELS(iq4_nl)
PANELS(mxfp4)
PANELS(q2_k)
PANELS(q3_k)
PANELS(q5_k)
PANELS(iq4_xs)

/* --- activations
 * --------------------------------------------------------------------------------------------------------------------------- */

static void quantise(const float *x, int64_t k, int block, const struct column_room *out)
{
    for (int64_t first = 0; first < k; first += block) {
        float greatest = 0;
        bool broken = false; // of a broken model: NaN and infinity make the block NaN, as they would in float
        for (int i = 0; i < block; i++) {
            greatest = fmaxf(greatest, fabsf(x[first + i]));
            broken = broken || !isfinite(x[first + i]);
        }
        float inverse = greatest > LEAST_QUANTISED ? 127.0f / greatest : 0;
        out->scale[first / block] = broken ? NAN : greatest / 127.0f;
        for (int i = 0; i < block; i++)
            out->q[first + i] = broken ? 0 : (int8_t)rintf(x[first + i] * inverse);
    }
}

static int32_t sum_of(const int8_t *q, int n)
{
    int32_t total = 0;
    for (int i = 0; i < n; i++)
        total += q[i];
    return total;
}

static void quantise_32(const float *x, int64_t k, const struct column_room *out)
{
    quantise(x, k, 32, out);
    for (int64_t i = 0; i < k / 32; i++)
        out->sum[i] = sum_of(out->q + i * 32, 32);
}

static void quantise_256(const float *x, int64_t k, const struct column_room *out)
{
    quantise(x, k, 256, out);
    for (int64_t i = 0; i < k / 16; i++)
        out->sum[i] = sum_of(out->q + i * 16, 16);
    for (int64_t i = 0; i < k / 32; i++)
        out->sum32[i] = (int16_t)sum_of(out->q + i * 32, 32);
}

static void quantise_bf16(const float *x, int64_t k, const struct column_room *out)
{
    for (int64_t i = 0; i < k; i++)
        out->b[i] = f32_to_bf16(x[i]);
    if (k % 2)
        out->b[k] = 0;
}

static void norm(float *y, const float *x, const float *w, int64_t n, float epsilon)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    float factor = 1.0f / sqrtf((float)(squares / (double)n) + epsilon);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor * w[i];
}

static void swiglu(float *out, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static double sum_exp(const float *x, int64_t n, float maximum)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - maximum);
    return sum;
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = f16_to_f32(in[i]);
}

static void from_bf16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = bf16_to_f32(in[i]);
}

static void to_f16(uint16_t *out, const float *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = f32_to_f16(in[i]);
}

/* A value of a page of rows of `stride` values: the rows of K are dimensions, those of V tokens. */
static float page_value(const void *page, int row, int at, int stride, enum page_format f)
{
    const uint16_t *halves = page;
    int index = row * stride + at;
    return f == PAGE_F16    ? f16_to_f32(halves[index])
           : f == PAGE_BF16 ? bf16_to_f32(halves[(row / 2 * stride + at) * 2 + row % 2])
                            : ((const float *)page)[index];
}

static void attend(struct query *q, const void *k, const void *v, const struct attention_shape *shape, enum page_format f)
{
    float scores[PAGE_TOKENS], maximum = q->maximum;
    for (int t = q->first; t < q->count; t++) {
        float sum = 0;
        for (int i = 0; i < shape->k_dim; i++)
            sum = fmaf(f == PAGE_BF16 ? bf16_to_f32(q->b[i]) : q->q[i], page_value(k, i, t, PAGE_TOKENS, f), sum);
        scores[t] = sum * shape->scale;
        maximum = fmaxf(maximum, scores[t]);
    }
    float correction = expf(q->maximum - maximum);
    q->maximum = maximum;
    q->sum *= correction;
    for (int i = 0; i < shape->v_dim; i++)
        q->out[i] *= correction;
    for (int t = q->first; t < q->count; t++) {
        float p = expf(scores[t] - maximum);
        p = f == PAGE_BF16 ? bf16_to_f32(f32_to_bf16(p)) : p;
        q->sum += p;
        for (int i = 0; i < shape->v_dim; i++)
            q->out[i] = fmaf(p, page_value(v, t, i, shape->v_dim, f), q->out[i]);
    }
}

#define ATTEND(NAME, FORMAT)                                                                                                               \
    static void NAME(struct query *queries, int n, const void *k, const void *v, const struct attention_shape *shape)                      \
    {                                                                                                                                      \
        for (int i = 0; i < n; i++)                                                                                                        \
            attend(&queries[i], k, v, shape, FORMAT);                                                                                      \
    }

ATTEND(attend_f32, PAGE_F32)
ATTEND(attend_f16, PAGE_F16)
ATTEND(attend_bf16, PAGE_BF16)

const struct cpu_kernels cpu_kernels_scalar = {
    .name = "scalar",
    .panels = {panels_f32, panels_f16, panels_bf16, panels_q8_0, panels_q4_0, panels_q4_k, panels_q6_k, panels_q4_1, panels_q5_0,
               panels_q5_1, panels_iq4_nl, panels_mxfp4, panels_q2_k, panels_q3_k, panels_q5_k, panels_iq4_xs},
    .quantise = {NULL, quantise_bf16, quantise_32, quantise_256},
    .norm = norm,
    .swiglu = swiglu,
    .add_scaled = add_scaled,
    .sum_exp = sum_exp,
    .from_f16 = from_f16,
    .from_bf16 = from_bf16,
    .to_f16 = to_f16,
    .attend_page = {attend_f32, attend_f16, attend_bf16},
    .probes = &cpu_probes_scalar,
    .training = &cpu_training_scalar,
};
