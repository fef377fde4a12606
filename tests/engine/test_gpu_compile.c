/* From a text to a program: what is built in is used for the very program, definitions and text that it was made of, and for nothing else;
 * what does not load is compiled, and that is told; what can be neither used nor compiled says both. The driver is one that counts. */
#include "tests/support.h"

#include "base/checksum.h"
#include "engine/gpu/gpu.h"

#include <string.h>

static const char whole[] = "an image", damaged[] = "a broken image";
static struct {
    int loaded, compiled;
    bool no_compiler;
} seen;

static bool version(const struct gpu_driver *driver, char out[32], struct error *err)
{
    (void)driver;
    strcpy(out, "1");
    return !seen.no_compiler || error_set(err, ERROR_INPUT, "libcompiler.so: not found");
}

static bool compile(struct gpu_context *context, const char *source, const char *const *options, size_t n, struct text *binary,
                    struct error *err)
{
    (void)context, (void)source, (void)options, (void)n;
    seen.compiled++;
    text_add_string(binary, "compiled");
    return text_ok(binary, err);
}

static uint64_t load(struct gpu_context *context, const void *binary, size_t bytes, struct error *err)
{
    (void)context;
    if (bytes == strlen(damaged) && memcmp(binary, damaged, bytes) == 0) {
        error_record(err, ERROR_MACHINE, "loading failed with 209");
        return 0;
    }
    bool built_in = bytes == strlen(whole) && memcmp(binary, whole, bytes) == 0;
    seen.loaded += built_in;
    return built_in ? 1 : 2;
}

static uint64_t opened(const struct gpu_image *images, const struct gpu_source *source, int64_t format, struct gpu *gpu, struct error *err)
{
    const struct gpu_driver driver = {
        .name = "counting", .images = images, .compiler_version = version, .compile = compile, .program_load = load};
    struct gpu_options o = {.n = 0};
    *gpu = (struct gpu){.driver = &driver};
    memset(&seen, 0, offsetof(__typeof__(seen), no_compiler));
    gpu_define(&o, "FORMAT", format);
    gpu_define(&o, "WAY", 2);
    return gpu_program_open(gpu, source, &o, err);
}

static const char text[] = "kernels";
static const struct gpu_source made_of = {"product", text}, other_text = {"product", "other kernels"}, other_name = {"rows", text};

static struct gpu_image image(const char *bytes)
{
    return (struct gpu_image){"product", "-DFORMAT=12 -DWAY=2", checksum(text, strlen(text), 0), bytes, bytes + strlen(bytes)};
}

static void no_cache(void)
{
    setenv("XDG_CACHE_HOME", "/dev/null", 1); // where no directory can be made
    seen.no_compiler = false;
}

TestSuite(gpu_compile, .init = no_cache);

Test(gpu_compile, what_is_built_in_is_used_for_what_it_was_made_of_alone)
{
    struct gpu gpu;
    struct error err = {0};
    const struct gpu_image images[] = {image(whole), {.program = NULL}};
    cr_expect_eq(opened(images, &made_of, 12, &gpu, &err), 1);
    cr_expect(seen.loaded == 1 && !seen.compiled && !*gpu.kernels_note);
    cr_expect_eq(opened(images, &made_of, 1, &gpu, &err), 2, "another definition");
    cr_expect(!seen.loaded && seen.compiled == 1);
    cr_expect_eq(opened(images, &other_text, 12, &gpu, &err), 2, "another text");
    cr_expect(!seen.loaded && seen.compiled == 1);
    cr_expect_eq(opened(images, &other_name, 12, &gpu, &err), 2, "another program");
    cr_expect(!seen.loaded && seen.compiled == 1 && !*gpu.kernels_note);
    cr_expect_eq(opened(NULL, &made_of, 12, &gpu, &err), 2, "a driver for which nothing is built in");
}

Test(gpu_compile, what_is_built_in_and_does_not_load_is_compiled_and_told)
{
    struct gpu gpu;
    struct error err = {0};
    const struct gpu_image images[] = {image(damaged), {.program = NULL}};
    cr_expect_eq(opened(images, &made_of, 12, &gpu, &err), 2, "%s", err.message);
    cr_expect_eq(seen.compiled, 1);
    cr_expect_str_eq(
        gpu.kernels_note,
        "kernels \"product -DFORMAT=12 -DWAY=2\", which are built in, do not load: loading failed with 209; compiled now instead");
    seen.no_compiler = true;
    cr_expect_eq(opened(images, &made_of, 12, &gpu, &err), 0);
    cr_expect_str_eq(err.message,
                     "kernels \"product -DFORMAT=12 -DWAY=2\", which are built in, do not load: loading failed with 209; and to "
                     "compile them now: libcompiler.so: not found");
}

Test(gpu_compile, without_a_compiler_it_is_told_why_nothing_built_in_serves)
{
    struct gpu gpu;
    struct error err = {0};
    const struct gpu_image none[] = {{.program = NULL}}, images[] = {image(whole), {.program = NULL}};
    seen.no_compiler = true;
    cr_expect_eq(opened(images, &made_of, 12, &gpu, &err), 1, "what is built in needs no compiler");
    cr_expect_eq(opened(images, &made_of, 1, &gpu, &err), 0);
    cr_expect_str_eq(err.message,
                     "kernels \"product -DFORMAT=1 -DWAY=2\" are not among those built in; to compile them now: libcompiler.so: not found");
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_eq(opened(none, &made_of, 12, &gpu, &err), 0);
    cr_expect_str_eq(err.message,
                     "no kernels are built in, as there was no nvcc when jeoul was made; to compile them now: libcompiler.so: not found");
}

Test(gpu_compile, every_image_of_this_build_was_made_of_the_text_that_it_serves)
{
    const uint32_t magic = 0xBA55ED50; // of a fatbin
    if (!gpu_images->program)
        cr_skip_test("skipped: this build had no nvcc: no images");
    for (const struct gpu_image *i = gpu_images; i->program; i++) {
        const struct gpu_source *source = gpu_source_named(i->program);
        cr_assert_not_null(source, "%s", i->program);
        cr_expect_eq(i->source_sum, checksum(source->text, strlen(source->text), 0), "%s %s", i->program, i->options);
        cr_expect(i->end - i->bytes > 64 && memcmp(i->bytes, &magic, sizeof magic) == 0, "%s %s", i->program, i->options);
    }
}
