/* From a text and its definitions to a program on the device: built in where nvcc was at hand when this program was made, else compiled now
 * and kept on disk: by the driver or by us.
 *
 * A file of the cache ($XDG_CACHE_HOME/jeoul/kernels, else ~/.cache/jeoul/kernels) is named by a checksum of everything that its contents
 * depend on, and holds all of that as text, which is compared: another driver, device, compiler, option or source never finds it. A file
 * that is damaged is compiled again; where no file can be written, there is none. */
#include "base/checksum.h"
#include "base/file.h"
#include "engine/gpu/gpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cache_head {
    uint64_t key_bytes, binary_bytes, sum;
};

static bool cache_path(const struct text *key, char *path, size_t n)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (cache && *cache)
        length = snprintf(path, n, "%s/jeoul/kernels", cache);
    else if (home && *home)
        length = snprintf(path, n, "%s/.cache/jeoul/kernels", home);
    else
        return false;
    if (length < 0 || (size_t)length + 32 > n || !file_make_directory(path, NULL))
        return false;
    snprintf(path + length, n - (size_t)length, "/%016" PRIx64 ".bin", checksum(key->bytes, key->length, 0));
    return true;
}

static bool cache_read(const char *path, const struct text *key, struct text *binary)
{
    enum { LIMIT = 256 << 20 };
    struct text file = {0};
    struct cache_head head;
    bool ok = file_read(path, LIMIT, &file, NULL) && file.length >= sizeof head;
    if (ok)
        memcpy(&head, file.bytes, sizeof head);
    ok = ok && head.key_bytes == key->length && file.length - sizeof head >= key->length &&
         memcmp(file.bytes + sizeof head, key->bytes, key->length) == 0 && head.binary_bytes == file.length - sizeof head - key->length &&
         head.sum == checksum(file.bytes + sizeof head + key->length, (size_t)head.binary_bytes, 0);
    if (ok)
        text_add(binary, file.bytes + sizeof head + key->length, (size_t)head.binary_bytes);
    text_free(&file);
    return ok && text_ok(binary, NULL);
}

static void cache_write(const char *path, const struct text *key, const struct text *binary)
{
    struct cache_head head = {key->length, binary->length, checksum(binary->bytes, binary->length, 0)};
    struct text file = {0};
    text_add(&file, (const char *)&head, sizeof head);
    text_add(&file, key->bytes, key->length);
    text_add(&file, binary->bytes, binary->length);
    if (text_ok(&file, NULL))
        (void)!file_write(path, file.bytes, file.length, NULL); // without it, the next start compiles again
    text_free(&file);
}

void gpu_define(struct gpu_options *o, const char *name, int64_t value)
{
    snprintf(o->text[o->n], sizeof o->text[o->n], "-D%s=%" PRId64, name, value);
    o->list[o->n] = o->text[o->n];
    size_t length = strlen(o->line);
    snprintf(o->line + length, sizeof o->line - length, "%s%s", o->n ? " " : "", o->text[o->n]);
    o->n++;
}

static const struct gpu_image *image_of(const struct gpu_driver *driver, const struct gpu_source *source, const struct gpu_options *o)
{
    for (const struct gpu_image *image = driver->images; image && image->program; image++)
        if (strcmp(image->program, source->name) == 0 && strcmp(image->options, o->line) == 0)
            return image->source_sum == checksum(source->text, strlen(source->text), 0) ? image : NULL;
    return NULL;
}

/* By the compiler at run time, or from what it left on disk. */
static uint64_t compile(struct gpu *gpu, const struct gpu_source *source, const struct gpu_options *o, struct error *err)
{
    struct text key = {0}, binary = {0};
    char path[4096], compiler[32] = "";
    uint64_t program = 0;
    bool ok = gpu->driver->compiler_version(gpu->driver, compiler, err);
    text_format(&key, "%s\n%s\n%s\n%s\n", gpu->driver->name, gpu->facts.name, gpu->facts.version, compiler);
    for (size_t i = 0; i < o->n; i++)
        text_format(&key, "%s\n", o->list[i]);
    text_add_string(&key, source->text);
    ok = ok && text_ok(&key, err);
    bool cached = ok && cache_path(&key, path, sizeof path);
    if (cached && cache_read(path, &key, &binary))
        program = gpu->driver->program_load(gpu->context, binary.bytes, binary.length, NULL);
    if (ok && !program) {
        text_clear(&binary);
        if (gpu->driver->compile(gpu->context, source->text, o->list, o->n, &binary, err) &&
            (program = gpu->driver->program_load(gpu->context, binary.bytes, binary.length, err)) && cached)
            cache_write(path, &key, &binary);
    }
    text_free(&key);
    text_free(&binary);
    return program;
}

/* Why there is nothing built in, before the reason why it was not compiled either. */
static void explain(const struct gpu *gpu, const struct gpu_source *source, const struct gpu_options *o, const struct error *broken,
                    struct error *err)
{
    const struct gpu_image *images = gpu->driver->images;
    if (broken->code != ERROR_NONE)
        error_record_prefix(err, "%.400s; and to compile them now", broken->message);
    else if (images && images->program)
        error_record_prefix(err, "kernels \"%s %.200s\" are not among those built in; to compile them now", source->name, o->line);
    else if (images)
        error_record_prefix(err, "no kernels are built in, as there was no nvcc when jeoul was made; to compile them now");
}

uint64_t gpu_program_open(struct gpu *gpu, const struct gpu_source *source, const struct gpu_options *o, struct error *err)
{
    struct error broken = {0};
    uint64_t program = 0;
    if (gpu->driver->program_build)
        return gpu->driver->program_build(gpu->context, source->text, o->list, o->n, err);
    const struct gpu_image *image = image_of(gpu->driver, source, o);
    if (image && !(program = gpu->driver->program_load(gpu->context, image->bytes, (size_t)(image->end - image->bytes), &broken)))
        error_record_prefix(&broken, "kernels \"%s %.200s\", which are built in, do not load", source->name, o->line);
    if (!program && !(program = compile(gpu, source, o, err)))
        explain(gpu, source, o, &broken, err);
    else if (broken.code != ERROR_NONE)
        snprintf(gpu->kernels_note, sizeof gpu->kernels_note, "%.450s; compiled now instead", broken.message);
    return program;
}
