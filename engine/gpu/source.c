/* The assembler puts the kernels' files together as they are; the Makefile knows that this depends on them. */
#include "engine/gpu/source.h"

#include <stddef.h>
#include <string.h>

#define FILE_TEXT(NAME) ".incbin \"engine/gpu/kernels/" NAME ".cl\"\n"
#define LINE(TEXT)      ".ascii \"" TEXT "\\n\"\n"
#define PROGRAM(NAME, PARTS)                                                                                                               \
    __asm__(".section .rodata\n"                                                                                                           \
            "gpu_text_" #NAME ":\n" FILE_TEXT("dialect") FILE_TEXT("common") PARTS ".byte 0\n"                                             \
                                                                                   ".previous\n");                                         \
    extern const char gpu_text_##NAME[];                                                                                                   \
    const struct gpu_source gpu_source_##NAME = {#NAME, gpu_text_##NAME}

#define PRODUCTS           FILE_TEXT("formats") FILE_TEXT("dot") FILE_TEXT("single")
#define TILES(COUNT, NAME) LINE("#define COLUMN_TILES " COUNT) LINE("#define MMA_NAME " NAME) FILE_TEXT("mma")
#define ITEMS(WARPS, NAME) LINE("#define ITEM_WARPS " WARPS) LINE("#define FLASH_NAME " NAME) FILE_TEXT("flash")

PROGRAM(rows, FILE_TEXT("rows") FILE_TEXT("router"));
PROGRAM(attention, FILE_TEXT("attention") FILE_TEXT("attend"));
PROGRAM(flash, FILE_TEXT("attention") FILE_TEXT("matrix") ITEMS("1", "flash_few") LINE("#undef ITEM_WARPS") LINE("#undef FLASH_NAME")
                   ITEMS("(V_DIM > 128 ? 2 : 4)", "flash_many"));
PROGRAM(limits, FILE_TEXT("matrix") FILE_TEXT("limits"));
PROGRAM(dot, PRODUCTS);
PROGRAM(product, PRODUCTS FILE_TEXT("matrix") TILES("1", "mma_8") LINE("#undef COLUMN_TILES") LINE("#undef MMA_NAME") TILES("4", "mma_32")
                     FILE_TEXT("single"));

const struct gpu_source *gpu_source_named(const char *name)
{
    static const struct gpu_source *const all[] = {&gpu_source_rows, &gpu_source_attention, &gpu_source_flash,
                                                   &gpu_source_dot,  &gpu_source_product,   &gpu_source_limits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
