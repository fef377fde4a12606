/* The encoders: as near to the values as the reference encoder of ggml is, for all that a block may hold. */
#include "tests/support.h"

#include "base/random.h"
#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/quantize.h"

#include <string.h>

/* Sum of squares of the difference between values and what the blocks say. */
static double squared_error(const struct tensor_format *format, const uint8_t *blocks, const float *values, int64_t count)
{
    double sum = 0;
    float *decoded = malloc((size_t)count * sizeof *decoded);
    cr_assert_not_null(decoded);
    format->to_float(blocks, decoded, count);
    for (int64_t i = 0; i < count; i++)
        sum += ((double)decoded[i] - (double)values[i]) * ((double)decoded[i] - (double)values[i]);
    free(decoded);
    return sum;
}

/* The golden file has rows of many kinds (zeros, a constant, an outlier, unequal scales) and ggml's blocks of them. */
Test(quantize, every_format_is_as_near_as_the_reference_encoder)
{
    enum { ROWS = 8, WIDTH = 256 };
    struct error err = {0};
    struct model_file *file = model_file_open("tests/data/goldens/quants/quants.gguf", &err);
    cr_assert_not_null(file, "%s", err.message);
    const float *source = gguf_tensor(file, "source")->data;
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++) {
        char name[32];
        double own = 0, reference = 0;
        if (format->type == TENSOR_F32)
            continue;
        snprintf(name, sizeof name, "q.%s", format->name);
        const uint8_t *theirs = gguf_tensor(file, name)->data;
        size_t row_bytes = (size_t)(WIDTH / format->block_values * format->block_bytes);
        for (int row = 0; row < ROWS; row++) {
            uint8_t blocks[WIDTH * 4];
            const float *x = source + row * WIDTH;
            double squares = 1e-30;
            for (int i = 0; i < WIDTH; i++)
                squares += (double)x[i] * (double)x[i];
            quantize_values(format->type, x, WIDTH, blocks);
            double ours = squared_error(format, blocks, x, WIDTH) / squares;
            double other = squared_error(format, theirs + (size_t)row * row_bytes, x, WIDTH) / squares;
            own += ours;
            reference += other;
        }
        cr_expect(own <= 1.02 * reference, "%s: error %g, the reference encoder has %g", format->name, own, reference);
    }
    model_file_close(file);
}

Test(quantize, values_that_a_block_holds_exactly_come_back)
{
    enum { COUNT = 256 };
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++) {
        float values[COUNT] = {0}, back[COUNT];
        uint8_t blocks[COUNT * 4];
        quantize_values(format->type, values, COUNT, blocks);
        format->to_float(blocks, back, COUNT);
        for (int i = 0; i < COUNT; i++)
            cr_expect_eq(back[i], 0, "%s: zeros", format->name);
        for (int i = 0; i < COUNT; i++)
            values[i] = i % 2 ? -2 : 0; // both ends of every grid
        quantize_values(format->type, values, COUNT, blocks);
        format->to_float(blocks, back, COUNT);
        for (int i = 0; i < COUNT; i++)
            cr_expect_float_eq(back[i], values[i], 0.02f, "%s: %g becomes %g", format->name, (double)values[i], (double)back[i]);
    }
}

/* Extremes: nothing overflows, and what comes back is finite and no larger than a grid's end. */
Test(quantize, very_large_and_very_small_values_stay_finite)
{
    enum { COUNT = 256 };
    static const float magnitudes[] = {1e-45f, 1e-38f, 1e-30f, 1e-20f, 1e-8f, 1e-4f, 1, 1000, QUANTIZE_LIMIT, 1e38f};
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (size_t m = 0; m < sizeof magnitudes / sizeof *magnitudes; m++)
            for (int kind = 0; kind < 4; kind++) {
                struct random random = random_seed(1, (uint64_t)kind);
                float values[COUNT], back[COUNT];
                uint8_t blocks[COUNT * 4];
                if (quantize_has_limit(format->type) && magnitudes[m] > QUANTIZE_LIMIT)
                    continue;
                for (int i = 0; i < COUNT; i++)
                    values[i] = magnitudes[m] * (kind == 0   ? 1
                                                 : kind == 1 ? -1
                                                 : kind == 2 ? (i == 100 ? -1.0f : 0)
                                                             : (float)(2 * random_unit(&random) - 1));
                quantize_values(format->type, values, COUNT, blocks);
                format->to_float(blocks, back, COUNT);
                for (int i = 0; i < COUNT; i++)
                    cr_expect(isfinite(back[i]) && fabsf(back[i] - values[i]) <= 0.6f * magnitudes[m] + 1e-6f, "%s, kind %d: %g becomes %g",
                              format->name, kind, (double)values[i], (double)back[i]);
            }
}
