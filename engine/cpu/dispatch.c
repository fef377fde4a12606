/* Which instruction sets this machine has, and choosing one. */
#include "engine/cpu/cpu.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool usable(const struct cpu_kernels *kernels)
{
#if defined(__x86_64__)
    if (kernels == &cpu_kernels_avx512 || kernels == &cpu_kernels_avx512_ahead)
        return (kernels == &cpu_kernels_avx512_ahead) == (__builtin_cpu_is("intel") != 0) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("fma");
    if (kernels == &cpu_kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
    if (kernels == &cpu_kernels_neon)
        return true;
#endif
    return kernels == &cpu_kernels_scalar;
}

static const struct cpu_kernels *const tables[] = {
#if defined(__x86_64__)
    &cpu_kernels_avx512_ahead,
    &cpu_kernels_avx512,
    &cpu_kernels_avx2,
#elif defined(__aarch64__)
    &cpu_kernels_neon,
#endif
    &cpu_kernels_scalar,
};

enum { TABLES = sizeof tables / sizeof *tables };

const char *const *engine_isas(void)
{
    static const char *names[TABLES + 1]; // filled with the same values by whoever calls first
    size_t n = 0;
    for (size_t i = 0; i < TABLES; i++)
        if (usable(tables[i]))
            names[n++] = tables[i]->name;
    return names;
}

const struct cpu_kernels *cpu_kernels_choose(const char *isa, struct error *err)
{
    const char *from = "the option --isa";
    if (!isa) {
        isa = getenv("JEOUL_CPU");
        from = "the environment variable JEOUL_CPU";
    }
    for (size_t i = 0; i < TABLES; i++)
        if (usable(tables[i]) && (!isa || !*isa || strcmp(isa, tables[i]->name) == 0))
            return tables[i];
    struct text list = {0};
    for (const char *const *name = engine_isas(); *name; name++)
        text_format(&list, "%s%s", list.length ? ", " : "", *name);
    error_set(err, ERROR_INPUT, "%s asks for the instruction set \"%s\"; this machine has: %s", from, isa ? isa : "",
              list.bytes ? list.bytes : "");
    text_free(&list);
    return NULL;
}
