/* What the unit tests share: where the golden files are, and reading them whole. */
#ifndef JEOUL_TESTS_SUPPORT_H
#define JEOUL_TESTS_SUPPORT_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of a file in the shared folder beside the repository ($JEOUL_SHARED, else ../shared), in a static buffer. */
static inline const char *shared_path(const char *relative)
{
    static char path[4096];
    const char *root = getenv("JEOUL_SHARED");
    snprintf(path, sizeof path, "%s/%s", root && *root ? root : "../shared", relative);
    return path;
}

/* Skips the running test, saying so, when the shared file isn't there. */
#define NEEDS_SHARED(relative)                                                                                                             \
    do {                                                                                                                                   \
        if (access(shared_path(relative), R_OK) != 0)                                                                                      \
            cr_skip_test("skipped: %s is not there", shared_path(relative));                                                               \
    } while (0)

/* A whole file with a NUL behind it; the test fails when it can't be read. Free with free(). */
static inline char *read_whole(const char *path, size_t *n)
{
    FILE *stream = fopen(path, "rb");
    cr_assert(stream != NULL, "%s cannot be opened", path);
    fseek(stream, 0, SEEK_END);
    long size = ftell(stream);
    rewind(stream);
    char *bytes = malloc((size_t)size + 1);
    cr_assert(bytes != NULL && fread(bytes, 1, (size_t)size, stream) == (size_t)size, "%s cannot be read", path);
    fclose(stream);
    bytes[size] = '\0';
    if (n)
        *n = (size_t)size;
    return bytes;
}

/* A directory from mkdtemp's template, and its end with all that is in it. */
static inline void make_test_directory(char *template)
{
    cr_assert_not_null(mkdtemp(template));
}

static inline void remove_test_directory(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", path);
    cr_assert_eq(system(command), 0);
}

/* Normalised mean squared error, sum((a − b)²) / sum(b²); NaN where a or b has one. */
static inline double nmse(const float *a, const float *b, size_t n)
{
    double difference = 0, reference = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        reference += (double)b[i] * (double)b[i];
    }
    return difference / reference;
}

#endif
