/* A GPU's limits on OpenCL: that the kernels do the work that is counted, to the last word and round; that what cannot be probed has a
 * reason. Without an OpenCL device they are skipped, saying so. */
#include "tests/gpu.h"

#include "engine/gpu/gpu.h"

#include <math.h>
#include <string.h>

enum { GROUPS = 3, THREADS = 256 * GROUPS, STEPS = 5, WORDS = 4 * 4 * STEPS * THREADS }; // of 4 bytes

/* A device with the kernels, and rooms before and behind which nothing may be written. */
struct device {
    struct gpu gpu;
    struct gpu_program program;
    uint64_t from, to, out;
};

static void write_room(struct device *d, uint64_t memory, const void *bytes, size_t n)
{
    struct error err = {0};
    cr_assert(d->gpu.driver->write(d->gpu.context, memory, 0, bytes, n, &err), "%s", err.message);
}

static void read_room(struct device *d, uint64_t memory, void *bytes, size_t n)
{
    struct error err = {0};
    cr_assert(d->gpu.driver->read(d->gpu.context, memory, 0, bytes, n, &err), "%s", err.message);
}

static struct device open_device(void)
{
    struct error err = {0};
    struct device d = {.gpu = {.mma = true}}; // emulated
    cr_assert(gpu_open_device(&d.gpu, "opencl", GPU_TEST_DEVICE, &err) && gpu_open_limits(&d.gpu, &d.program, &err), "%s", err.message);
    uint64_t *memories[] = {&d.from, &d.to, &d.out};
    const size_t words[] = {WORDS + 16, WORDS + 16, THREADS};
    for (int i = 0; i < 3; i++) {
        *memories[i] = gpu_memory_new(&d.gpu, words[i], 4, "a room", &err);
        cr_assert(*memories[i] != 0, "%s", err.message);
    }
    return d;
}

static void close_device(struct device *d)
{
    gpu_memory_free(&d->gpu, d->from), gpu_memory_free(&d->gpu, d->to), gpu_memory_free(&d->gpu, d->out);
    gpu_close_program(&d->gpu, &d->program);
    d->gpu.driver->close(d->gpu.context);
}

static void launch(struct device *d, int kernel, const struct gpu_arg *args, size_t n)
{
    struct error err = {0};
    struct gpu_launch l = {.kernel = d->program.kernels[kernel], .groups = {GROUPS, 1, 1}, .threads = 256, .n_args = (uint32_t)n};
    memcpy(l.args, args, n * sizeof *args);
    cr_assert(d->gpu.driver->launch(d->gpu.context, &l, &err), "%s", err.message);
}

Test(gpu_limits, each_word_is_written_read_and_copied)
{
    uint32_t *written = malloc((WORDS + 16) * 4), *copied = malloc((WORDS + 16) * 4), found[THREADS], read = 0, wanted = 0;
    NEEDS_OPENCL();
    struct device d = open_device();
    memset(written, 0xA5, (WORDS + 16) * 4);
    write_room(&d, d.from, written, (WORDS + 16) * 4);
    write_room(&d, d.to, written, (WORDS + 16) * 4);
    launch(&d, GPU_LIMIT_WRITE, GPU_ARGS(gpu_memory(d.from), gpu_int(STEPS), gpu_int(THREADS)));
    launch(&d, GPU_LIMIT_COPY, GPU_ARGS(gpu_memory(d.to), gpu_memory(d.from), gpu_int(STEPS), gpu_int(THREADS)));
    launch(&d, GPU_LIMIT_READ, GPU_ARGS(gpu_memory(d.out), gpu_memory(d.from), gpu_int(STEPS), gpu_int(THREADS)));
    read_room(&d, d.from, written, (WORDS + 16) * 4);
    read_room(&d, d.to, copied, (WORDS + 16) * 4);
    read_room(&d, d.out, found, sizeof found);
    for (size_t at = 0; at < WORDS; at += 4) {
        uint32_t bits = (uint32_t)(at / 4) * 2654435761u;
        bits ^= bits >> 15;
        cr_assert_eq(written[at], bits, "word %zu", at);
        cr_assert_eq(written[at + 3], ~bits, "word %zu", at + 3);
        wanted ^= written[at] ^ written[at + 1] ^ written[at + 2] ^ written[at + 3];
    }
    for (size_t i = 0; i < THREADS; i++)
        read ^= found[i];
    cr_expect_eq(read, wanted, "words were left out, or read twice");
    cr_expect(memcmp(written, copied, (WORDS + 16) * 4) == 0);
    cr_expect_eq(written[WORDS], 0xA5A5A5A5u, "more was written than is counted");
    free(written), free(copied);
    close_device(&d);
}

Test(gpu_limits, each_round_of_products_is_computed)
{
    enum { ROUNDS = 3 };
    float once[THREADS], thrice[THREADS], sums[THREADS];
    NEEDS_OPENCL();
    struct device d = open_device();
    launch(&d, GPU_LIMIT_WRITE, GPU_ARGS(gpu_memory(d.from), gpu_int(STEPS), gpu_int(THREADS)));
    launch(&d, GPU_LIMIT_MMA, GPU_ARGS(gpu_memory(d.out), gpu_memory(d.from), gpu_int(1)));
    read_room(&d, d.out, once, sizeof once);
    launch(&d, GPU_LIMIT_MMA, GPU_ARGS(gpu_memory(d.out), gpu_memory(d.from), gpu_int(ROUNDS)));
    read_room(&d, d.out, thrice, sizeof thrice);
    launch(&d, GPU_LIMIT_FLOAT, GPU_ARGS(gpu_memory(d.out), gpu_int(ROUNDS), gpu_float(0.75f)));
    read_room(&d, d.out, sums, sizeof sums);
    for (int i = 0; i < THREADS; i++) {
        float v[16], sum = 0;
        cr_assert(once[i] != 0 && fabsf(thrice[i] - ROUNDS * once[i]) < 1e-2f, "thread %d: %g, in one round %g", i, (double)thrice[i],
                  (double)once[i]);
        for (int k = 0; k < 16; k++)
            v[k] = (float)k;
        for (int k = 0; k < 128 * ROUNDS; k++)
            v[k % 16] = fmaf(v[k % 16], 0.75f, 1.0f + (float)(i % 256));
        for (int k = 0; k < 16; k++)
            sum += v[k];
        cr_assert_eq(sums[i], sum, "thread %d: %g for %g", i, (double)sums[i], (double)sum);
    }
    close_device(&d);
}

static struct engine_prober *open_prober(const char *products)
{
    struct error err = {0};
    setenv("JEOUL_GPU", products, 1);
    struct engine_prober *prober = engine_prober_open_gpu("opencl", GPU_TEST_DEVICE, &err);
    cr_assert_not_null(prober, "%s", err.message);
    return prober;
}

Test(gpu_limits, limits_are_rates_or_have_reasons)
{
    static const struct {
        struct engine_probing what;
        const char *missing; // in float and on matrix units, or in float alone
        bool in_float_alone;
    } cases[] = {{{ENGINE_PROBE_READ, ENGINE_PROBE_MEMORY, NULL, 0}, NULL, false},
                 {{ENGINE_PROBE_COPY, ENGINE_PROBE_MEMORY, NULL, 0}, NULL, false},
                 {{ENGINE_PROBE_WRITE, ENGINE_PROBE_MEMORY, NULL, 0}, NULL, false},
                 {{ENGINE_PROBE_F32, ENGINE_PROBE_REGISTERS, NULL, 0}, NULL, false},
                 {{ENGINE_PROBE_BF16, ENGINE_PROBE_REGISTERS, NULL, 0}, "no matrix units", true},
                 {{ENGINE_PROBE_INT8, ENGINE_PROBE_REGISTERS, NULL, 0}, "in BF16 or in float", false},
                 {{ENGINE_PROBE_READ, ENGINE_PROBE_L2, NULL, 0}, "its memory and products of registers", false},
                 {{ENGINE_PROBE_F32, ENGINE_PROBE_MEMORY, NULL, 0}, "its memory and products of registers", false}};
    NEEDS_OPENCL();
    for (int units = 0; units < 2; units++) {
        struct engine_prober *prober = open_prober(units ? "mma" : "float");
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct error err = {0};
            double rate = 0;
            const char *wanted = units && cases[i].in_float_alone ? NULL : cases[i].missing,
                       *missing = engine_probe_missing(prober, &cases[i].what);
            bool ok = engine_probe(prober, &cases[i].what, 1e-4, &rate, &err);
            cr_expect_eq(ok, !wanted, "case %zu: %s", i, err.message);
            cr_expect(wanted ? missing && strstr(missing, wanted) && strstr(err.message, wanted) && err.code == ERROR_INPUT
                             : !missing && isfinite(rate) && rate > 0,
                      "case %zu: %g, %s, %s", i, rate, missing ? missing : "", err.message);
        }
        engine_prober_close(prober);
    }
}

Test(gpu_limits, devices_that_are_not_there_are_refused_by_name)
{
    struct error err = {0};
    cr_expect_null(engine_prober_open_gpu("abacus", 0, &err));
    cr_expect(err.code == ERROR_INPUT && strstr(err.message, "abacus"), "%s", err.message);
    NEEDS_OPENCL();
    cr_expect_null(engine_prober_open_gpu("opencl", 999, &err));
    cr_expect(err.code == ERROR_INPUT && strstr(err.message, "no device 999"), "%s", err.message);
    setenv("JEOUL_GPU", "abacus", 1);
    cr_expect_null(engine_prober_open_gpu("opencl", GPU_TEST_DEVICE, &err));
    cr_expect(err.code == ERROR_INPUT && strstr(err.message, "float and mma are there"), "%s", err.message);
}
