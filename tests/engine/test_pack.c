/* Packing: every instruction set writes the bytes of the definition, whatever the matrix's size, and no byte more. */
#include "tests/support.h"

#include "base/random.h"
#include "engine/cpu/pack.h"

#include <string.h>

enum { GUARD = 64, MOST_K = 1280 };

static const struct cpu_kernels *kernels_at(int index)
{
#if defined(__x86_64__)
    if (index == 0 && __builtin_cpu_supports("avx2"))
        return &cpu_kernels_avx2;
    if (index == 1 && __builtin_cpu_supports("avx512f"))
        return &cpu_kernels_avx512;
#endif
    return index == 2 ? &cpu_kernels_scalar : NULL;
}

/* Any bytes: packing rounds nothing and reads no value. The matrix ends with its allocation, so that reading behind it is seen. */
static void compare(const struct tensor_format *format, const struct cpu_kernels *kernels, int64_t rows, int64_t k)
{
    size_t bytes = (size_t)(rows * k / format->block_values) * (size_t)format->block_bytes;
    size_t panel_bytes = pack_panel_bytes(pack_format_of(format->type), k);
    uint8_t *matrix = malloc(bytes), *wanted = malloc(panel_bytes), *panel = malloc(panel_bytes + GUARD);
    struct random random = random_seed((uint64_t)rows, (uint64_t)k);
    cr_assert(matrix && wanted && panel);
    for (size_t i = 0; i < bytes; i++)
        matrix[i] = (uint8_t)random_u64(&random);
    for (int64_t first = 0; first < rows; first += PANEL_ROWS) {
        memset(panel, 0x5A, panel_bytes + GUARD);
        pack_panel(format->type, matrix, rows, k, first, wanted);
        pack_panel_with(kernels, format->type, matrix, rows, k, first, panel);
        cr_expect_eq(memcmp(panel, wanted, panel_bytes), 0, "%s %s [%d][%d] from row %d", kernels->name, format->name, (int)rows, (int)k,
                     (int)first);
        for (int i = 0; i < GUARD; i++)
            cr_expect_eq(panel[panel_bytes + (size_t)i], 0x5A, "%s %s: writes behind the panel", kernels->name, format->name);
    }
    free(matrix);
    free(wanted);
    free(panel);
}

Test(pack, every_instruction_set_writes_the_bytes_of_the_definition)
{
    static const int64_t heights[] = {1, 15, 16, 17, 45, 48};
    static const int64_t widths[] = {1, 7, 8, 9, 24, 31, 32, 96, 255, 256, 768, MOST_K};
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (int i = 0; i < 3; i++)
            for (size_t h = 0; kernels_at(i) && h < sizeof heights / sizeof *heights; h++)
                for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                    if (widths[w] % format->block_values == 0)
                        compare(format, kernels_at(i), heights[h], widths[w]);
}
