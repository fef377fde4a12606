/* Files: whole files in with a limit, whole files out atomically.
 *
 * A file is written under a temporary name in the same directory, synced, and renamed: under its final name there is either the old file or
 * the whole new one, never a half. */
#ifndef JEOUL_BASE_FILE_H
#define JEOUL_BASE_FILE_H

#include "base/text.h"

#include <stdio.h>

/* Reads a regular file (or "-" for standard input) into `out`, which must be empty. Files over `limit_bytes` are refused. A directory, a
 * missing file and one that cannot be read are named with their path. */
bool file_read(const char *path, size_t limit_bytes, struct text *out, struct error *err) MUST_CHECK;

/* A file being written. Ends with exactly one of file_commit and file_abandon. */
struct file_writer {
    FILE *stream;
    char *path, *temporary;
};

bool file_create(struct file_writer *writer, const char *path, struct error *err) MUST_CHECK;
bool file_commit(struct file_writer *writer, struct error *err) MUST_CHECK; // flush, sync, rename; on failure abandons
void file_abandon(struct file_writer *writer);                              // removes the temporary file

/* Writes n bytes as a whole file, atomically. */
bool file_write(const char *path, const void *bytes, size_t n, struct error *err) MUST_CHECK;

/* Makes a directory and its parents; one that is there is no error. */
bool file_make_directory(const char *path, struct error *err) MUST_CHECK;

#endif
