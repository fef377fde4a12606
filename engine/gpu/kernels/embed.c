/* A tool of the build, for nvcc:
 *
 *     embed text PROGRAM                      the source of a program of kernels, on standard output
 *     embed table DIRECTORY PROGRAM,OPTIONS…  what engine/gpu/images.c includes: DIRECTORY/PROGRAM-OPTIONS.fatbin for each, made of
 *                                             DIRECTORY/PROGRAM.cu. A file without bytes is left out: nvcc could not be used. */
#include "base/checksum.h"
#include "base/file.h"
#include "engine/gpu/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool print_text(const char *program, struct error *err)
{
    const struct gpu_source *source = gpu_source_named(program);
    return (source && fputs(source->text, stdout) >= 0) || error_set(err, ERROR_INPUT, "there is no program \"%s\"", program);
}

/* "flash,-DK_DIM=64,-DV_DIM=64" → "flash-K_DIM64-V_DIM64": embed.mk does the same. */
static void file_name(const char *word, char *out)
{
    for (; *word; word++)
        if (strncmp(word, ",-D", 3) == 0)
            *out++ = '-', word += 2;
        else if (*word != '=')
            *out++ = *word;
    *out = '\0';
}

/* One entry's symbols, and its place in the table, which has to come behind all symbols. */
static bool add_image(const char *directory, const char *word, size_t number, struct text *table, struct error *err)
{
    enum { LIMIT = 1 << 28, LONGEST = 1000 };
    char path[4096], name[LONGEST + 1], options[LONGEST + 1] = "";
    const char *comma = strchr(word, ',');
    struct text source = {0}, image = {0};
    if (strlen(word) > LONGEST || strlen(directory) > LONGEST)
        return error_set(err, ERROR_INPUT, "%.40s… is too long", word);
    int program = comma ? (int)(comma - word) : (int)strlen(word);
    snprintf(options, sizeof options, "%s", comma ? comma + 1 : "");
    for (char *at = options; *at; at++)
        if (*at == ',')
            *at = ' ';
    snprintf(path, sizeof path, "%s/%.*s.cu", directory, program, word);
    bool ok = file_read(path, LIMIT, &source, err);
    file_name(word, name);
    snprintf(path, sizeof path, "%s/%s.fatbin", directory, name);
    ok = ok && file_read(path, LIMIT, &image, err);
    if (ok && image.length) {
        printf("__asm__(\".section .rodata\\n.balign 16\\ngpu_image_%zu: .incbin \\\"%s\\\"\\ngpu_image_%zu_end:\\n.previous\\n\");\n"
               "extern const char gpu_image_%zu[], gpu_image_%zu_end[];\n",
               number, path, number, number, number);
        text_format(table, "    {\"%.*s\", \"%s\", UINT64_C(%llu), gpu_image_%zu, gpu_image_%zu_end},\n", program, word, options,
                    (unsigned long long)checksum(source.bytes, source.length, 0), number, number);
    }
    text_free(&source);
    text_free(&image);
    return ok;
}

static bool print_table(const char *directory, char *const *words, struct error *err)
{
    struct text table = {0};
    bool ok = true;
    for (size_t i = 0; ok && words[i]; i++)
        ok = add_image(directory, words[i], i, &table, err);
    ok = ok && text_ok(&table, err);
    if (ok)
        printf("const struct gpu_image gpu_images[] = {\n%s    {.program = NULL},\n};\n", table.length ? table.bytes : "");
    text_free(&table);
    return ok;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    bool text = argc == 3 && strcmp(argv[1], "text") == 0, table = argc >= 3 && strcmp(argv[1], "table") == 0;
    if ((text && print_text(argv[2], &err)) || (table && print_table(argv[2], argv + 3, &err)))
        return 0;
    fprintf(stderr, "embed: %s\n", text || table ? err.message : "text PROGRAM, or table DIRECTORY PROGRAM,OPTIONS…");
    return 1;
}
