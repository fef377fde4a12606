/* Unpacking: see unpack.h. A bomb is stopped by counting what comes out, never by believing the sizes that the archive states. */
#include "datasets/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_ENTRIES = 200000, NAMES_SHOWN = 12 };

bool unpack_is_gzip(const char *bytes, size_t n)
{
    return n >= 2 && (unsigned char)bytes[0] == 0x1F && (unsigned char)bytes[1] == 0x8B;
}

static bool damaged(struct archive *archive, const char *name, const char *at, struct error *err)
{
    const char *why = archive_error_string(archive);
    return error_set(err, ERROR_INPUT, "%s%s%s: cannot be unpacked, it is cut or damaged (%s); fetch it again", name, at ? ": " : "",
                     at ? at : "", why ? why : "no reason given");
}

/* A name that would leave the directory it is unpacked in. */
static bool leads_out(const char *path)
{
    if (path[0] == '/' || path[0] == '\\')
        return true;
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'))
            return true;
    return false;
}

static bool copy_out(struct archive *archive, const char *name, const char *member, size_t limit, struct text *out, struct error *err)
{
    char chunk[65536];
    while (true) {
        la_ssize_t n = archive_read_data(archive, chunk, sizeof chunk);
        if (n < 0)
            return damaged(archive, name, member, err);
        if (n == 0)
            break;
        if ((size_t)n > limit - out->length)
            return error_set(err, ERROR_INPUT, "%s%s%s: unpacks to more than the %zu bytes allowed here", name, member ? ": " : "",
                             member ? member : "", limit);
        text_add(out, chunk, (size_t)n);
        if (!text_ok(out, err))
            return error_prefix(err, "%s", name);
    }
    text_add(out, "", 0);
    return text_ok(out, err);
}

static bool is_wanted(const char *path, const char *member)
{
    if (path[0] == '.' && path[1] == '/') // tar writes "./data/x" for "data/x"
        path += 2;
    return strcmp(path, member) == 0;
}

/* Walks to the member; names of what is passed are collected for the message that it isn't there. */
static bool find_member(struct archive *archive, const char *name, const char *member, size_t limit, struct text *out, struct text *names,
                        struct error *err)
{
    struct archive_entry *entry;
    int count = 0, status;
    for (; (status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN; count++) {
        const char *path = archive_entry_pathname_utf8(entry); // independent of the locale; the other for bytes that are no UTF-8
        path = path ? path : archive_entry_pathname(entry);
        if (!path || count == MAX_ENTRIES)
            return error_set(err, ERROR_INPUT, "%s: %s", name, path ? "more than 200000 members" : "a member without a readable name");
        if (leads_out(path))
            return error_set(err, ERROR_INPUT, "%s: the member \"%.200s\" leads out of the archive; nothing of it is used", name, path);
        bool regular = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
        if (is_wanted(path, member))
            return regular ? copy_out(archive, name, member, limit, out, err)
                           : error_set(err, ERROR_INPUT, "%s: %s: is a link or a directory, a file is wanted", name, member);
        if (regular && count < NAMES_SHOWN)
            text_format(names, "%s%.100s", names->length ? ", " : "", path);
    }
    if (status != ARCHIVE_EOF)
        return damaged(archive, name, NULL, err);
    return error_set(err, ERROR_INPUT, "%s: has no member \"%.200s\"; there are %d: %.500s%s", name, member, count,
                     names->length ? names->bytes : "no files", count > NAMES_SHOWN ? " …" : "");
}

static struct archive *new_reader(const char *member, const char *name, struct error *err)
{
    struct archive *archive = archive_read_new();
    bool ok = archive && archive_read_support_filter_gzip(archive) == ARCHIVE_OK;
    if (ok && member) // only what sets are published in: every format more is code that strangers' bytes reach
        ok = archive_read_support_format_zip(archive) == ARCHIVE_OK && archive_read_support_format_tar(archive) == ARCHIVE_OK;
    else if (ok)
        ok = archive_read_support_format_raw(archive) == ARCHIVE_OK;
    if (ok)
        return archive;
    archive_read_free(archive);
    error_set(err, ERROR_MACHINE, "%s: libarchive here can read neither zip, tar nor gzip", name);
    return NULL;
}

static bool unpack(struct archive *archive, int opened, const char *name, const char *member, size_t limit, struct text *out,
                   struct error *err)
{
    struct text names = {0};
    struct archive_entry *entry;
    bool ok;
    if (opened != ARCHIVE_OK)
        ok = damaged(archive, name, NULL, err);
    else if (member)
        ok = find_member(archive, name, member, limit, out, &names, err);
    else if (archive_read_next_header(archive, &entry) != ARCHIVE_OK)
        ok = damaged(archive, name, NULL, err);
    else
        ok = copy_out(archive, name, NULL, limit, out, err);
    archive_read_free(archive);
    text_free(&names);
    if (!ok)
        text_free(out);
    return ok;
}

bool unpack_file(const char *path, const char *member, size_t limit_bytes, struct text *out, struct error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set_errno(err, "%s: cannot be opened", path);
    if (S_ISDIR(status.st_mode))
        return error_set(err, ERROR_INPUT, "%s: is a directory, a file is wanted here", path);
    struct archive *archive = new_reader(member, path, err);
    return archive && unpack(archive, archive_read_open_filename(archive, path, 65536), path, member, limit_bytes, out, err);
}

bool unpack_bytes(const char *name, const char *bytes, size_t n, const char *member, size_t limit_bytes, struct text *out,
                  struct error *err)
{
    struct archive *archive = new_reader(member, name, err);
    return archive && unpack(archive, archive_read_open_memory(archive, bytes, n), name, member, limit_bytes, out, err);
}
