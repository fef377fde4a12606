/* Files: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_stream(FILE *stream, const char *path, size_t limit_bytes, struct text *out, struct error *err)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stream)) > 0) {
        if (out->length + n > limit_bytes)
            return error_set(err, ERROR_INPUT, "%s: larger than the %zu bytes allowed here", path, limit_bytes);
        text_add(out, chunk, n);
        if (!text_ok(out, err))
            return error_prefix(err, "%s", path);
    }
    if (ferror(stream))
        return error_set_errno(err, "%s: cannot be read", path);
    text_add(out, "", 0); // an empty file is an empty string, not a NULL
    return text_ok(out, err);
}

bool file_read(const char *path, size_t limit_bytes, struct text *out, struct error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", limit_bytes, out, err);
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return error_set_errno(err, "%s: cannot be opened", path);
    struct stat status;
    bool ok;
    if (fstat(fileno(stream), &status) == 0 && S_ISDIR(status.st_mode))
        ok = error_set(err, ERROR_INPUT, "%s: is a directory, a file is wanted here", path);
    else
        ok = read_stream(stream, path, limit_bytes, out, err);
    fclose(stream);
    if (!ok)
        text_free(out);
    return ok;
}

bool file_create(struct file_writer *writer, const char *path, struct error *err)
{
    *writer = (struct file_writer){0};
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return error_set(err, ERROR_INPUT, "%s: is a directory, name a file to write", path);
    size_t n = strlen(path);
    writer->path = malloc(n + 1);
    writer->temporary = malloc(n + sizeof ".XXXXXX");
    if (!writer->path || !writer->temporary) {
        file_abandon(writer);
        return error_set(err, ERROR_MACHINE, "%s: out of memory", path);
    }
    memcpy(writer->path, path, n + 1);
    memcpy(writer->temporary, path, n);
    memcpy(writer->temporary + n, ".XXXXXX", sizeof ".XXXXXX");
    int fd = mkostemp(writer->temporary, O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(err, "%s: cannot be written", path);
        free(writer->temporary);
        writer->temporary = NULL; // nothing to remove
        file_abandon(writer);
        return false;
    }
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0 || !(writer->stream = fdopen(fd, "wb"))) {
        error_set_errno(err, "%s: cannot be written", path);
        close(fd);
        file_abandon(writer);
        return false;
    }
    return true;
}

bool file_commit(struct file_writer *writer, struct error *err)
{
    bool ok = !ferror(writer->stream) && fflush(writer->stream) == 0 && fsync(fileno(writer->stream)) == 0;
    if (!ok)
        error_set_errno(err, "%s: cannot be written", writer->path);
    if (fclose(writer->stream) != 0 && ok)
        ok = error_set_errno(err, "%s: cannot be written", writer->path);
    writer->stream = NULL;
    if (ok && rename(writer->temporary, writer->path) != 0)
        ok = error_set_errno(err, "%s: cannot be renamed from %s", writer->path, writer->temporary);
    if (ok) {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    file_abandon(writer);
    return ok;
}

void file_abandon(struct file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (struct file_writer){0};
}

bool file_write(const char *path, const void *bytes, size_t n, struct error *err)
{
    struct file_writer writer;
    if (!file_create(&writer, path, err))
        return false;
    fwrite(bytes, 1, n, writer.stream);
    return file_commit(&writer, err);
}

bool file_make_directory(const char *path, struct error *err)
{
    char *partial = strdup(path);
    if (!partial)
        return error_set(err, ERROR_MACHINE, "%s: out of memory", path);
    bool ok = true;
    for (char *end = partial + 1; ok; end++) {
        if (*end != '/' && *end != '\0')
            continue;
        char kept = *end;
        *end = '\0';
        struct stat status;
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            ok = error_set_errno(err, "%s: the directory cannot be made", partial);
        else if (stat(partial, &status) != 0 || !S_ISDIR(status.st_mode))
            ok = error_set(err, ERROR_INPUT, "%s: is a file, a directory is wanted here", partial);
        *end = kept;
        if (kept == '\0')
            break;
    }
    free(partial);
    return ok;
}
