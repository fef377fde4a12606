/* The assembler puts the kernels' files into the program as they are; the Makefile knows that this depends on them. */
#include "engine/gpu/source.h"

#define TEXT(NAME)                                                                                                                         \
    __asm__(".section .rodata\n"                                                                                                           \
            ".global gpu_source_" #NAME "\n"                                                                                               \
            "gpu_source_" #NAME ":\n"                                                                                                      \
            ".incbin \"engine/gpu/kernels/" #NAME ".cl\"\n"                                                                                \
            ".byte 0\n"                                                                                                                    \
            ".previous\n")

TEXT(dialect);
TEXT(common);
TEXT(rows);
TEXT(router);
TEXT(formats);
TEXT(dot);
TEXT(matrix);
TEXT(mma);
TEXT(single);
TEXT(attention);
TEXT(attend);
TEXT(flash);
