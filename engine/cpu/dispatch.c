/* Which instruction sets this machine has, and choosing one. */
#include "engine/cpu/cpu.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#ifndef NO_AVX512
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") &&
           __builtin_cpu_supports("fma");
}

#ifndef NO_AVX512_AHEAD
static bool is_intel_with_avx512(void)
{
    return __builtin_cpu_is("intel") != 0 && has_avx512();
}
#endif
#endif
#endif

/* The best first; of two that bear one name, the first that is usable. Builds with a sanitizer leave some out: the Makefile tells why. */
static const struct {
    const struct cpu_kernels *kernels;
    bool (*usable)(void);
} tables[] = {
#if defined(__x86_64__)
#ifndef NO_AVX512
#ifndef NO_AVX512_AHEAD
    {&cpu_kernels_avx512_ahead, is_intel_with_avx512},
#endif
    {&cpu_kernels_avx512, has_avx512},
#endif
    {&cpu_kernels_avx2, has_avx2},
#elif defined(__aarch64__)
    {&cpu_kernels_neon, always},
#endif
    {&cpu_kernels_scalar, always},
};

enum { TABLES = sizeof tables / sizeof *tables };

const char *const *engine_isas(void)
{
    static const char *names[TABLES + 1]; // filled with the same values by whoever calls first
    size_t n = 0;
    for (size_t i = 0; i < TABLES; i++)
        if (tables[i].usable() && (n == 0 || strcmp(names[n - 1], tables[i].kernels->name) != 0))
            names[n++] = tables[i].kernels->name;
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
        if (tables[i].usable() && (!isa || !*isa || strcmp(isa, tables[i].kernels->name) == 0))
            return tables[i].kernels;
    struct text list = {0};
    for (const char *const *name = engine_isas(); *name; name++)
        text_format(&list, "%s%s", list.length ? ", " : "", *name);
    error_set(err, ERROR_INPUT, "%s asks for the instruction set \"%s\"; this machine has: %s", from, isa ? isa : "",
              list.bytes ? list.bytes : "");
    text_free(&list);
    return NULL;
}
