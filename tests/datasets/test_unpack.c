/* Archives: what is asked for comes out; what is cut, hostile or missing is named. */
#include "tests/support.h"

#include "datasets/datasets.h"
#include "datasets/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

enum { CAPACITY = 1 << 20 };

struct made {
    char bytes[CAPACITY];
    size_t n;
};

enum kind { ZIP, TAR, TAR_GZ, GZIP };

static struct archive *begin(struct made *made, enum kind kind)
{
    struct archive *writer = archive_write_new();
    if (kind == ZIP)
        archive_write_set_format_zip(writer);
    else if (kind == GZIP)
        archive_write_set_format_raw(writer);
    else
        archive_write_set_format_ustar(writer);
    if (kind == TAR_GZ || kind == GZIP)
        archive_write_add_filter_gzip(writer);
    cr_assert_eq(archive_write_open_memory(writer, made->bytes, CAPACITY, &made->n), ARCHIVE_OK);
    return writer;
}

static void add(struct archive *writer, const char *name, const void *bytes, size_t n)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)n);
    cr_assert_eq(archive_write_header(writer, entry), ARCHIVE_OK, "%s", archive_error_string(writer));
    cr_assert_eq(archive_write_data(writer, bytes, n), (la_ssize_t)n);
    archive_entry_free(entry);
}

static void add_link(struct archive *writer, const char *name, const char *target)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFLNK);
    archive_entry_set_symlink(entry, target);
    cr_assert_eq(archive_write_header(writer, entry), ARCHIVE_OK);
    archive_entry_free(entry);
}

static void end(struct archive *writer)
{
    cr_assert_eq(archive_write_close(writer), ARCHIVE_OK);
    archive_write_free(writer);
}

static void expect_refused(const struct made *made, size_t n, const char *member, size_t limit, const char *words)
{
    struct error err = {0};
    struct text out = {0};
    cr_expect_not(unpack_bytes("set.zip", made->bytes, n, member, limit, &out, &err), "unpacked: %.40s", out.bytes);
    cr_expect_eq(err.code, ERROR_INPUT, "%s", err.message);
    cr_expect(strncmp(err.message, "set.zip: ", 9) == 0 && strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
    cr_expect_null(out.bytes);
}

static const char lines[] = "{\"a\": \"x\"}\n{\"a\": \"y\"}\n";

Test(unpack, records_of_a_member)
{
    for (int kind = ZIP; kind <= TAR_GZ; kind++) {
        struct made *made = calloc(1, sizeof *made);
        struct archive *writer = begin(made, (enum kind)kind);
        add(writer, "set/other.txt", "no", 2);
        add(writer, "set/dev.jsonl", lines, sizeof lines - 1);
        end(writer);
        struct error err = {0};
        struct record_options options = {.format = RECORD_JSON_LINES, .member = "set/dev.jsonl"};
        cJSON *records = records_parse("set.zip", made->bytes, made->n, &options, 0, &err);
        cr_assert_not_null(records, "%s", err.message);
        cr_expect_eq(cJSON_GetArraySize(records), 2);
        cJSON_Delete(records);

        char path[] = "/tmp/jeoul-test-unpack-XXXXXX";
        int fd = mkstemp(path);
        cr_assert_eq(write(fd, made->bytes, made->n), (ssize_t)made->n);
        close(fd);
        records = records_read(path, &options, 1, &err);
        cr_assert_not_null(records, "%s", err.message);
        cr_expect_eq(cJSON_GetArraySize(records), 1);
        cJSON_Delete(records);
        unlink(path);
        free(made);
    }
}

Test(unpack, an_error_in_a_member_names_archive_member_and_record)
{
    struct made *made = calloc(1, sizeof *made);
    struct archive *writer = begin(made, TAR_GZ);
    add(writer, "dev.jsonl", "{}\n[]\n", 6);
    end(writer);
    struct error err = {0};
    struct record_options options = {.format = RECORD_JSON_LINES, .member = "dev.jsonl"};
    cr_expect_null(records_parse("set.tar.gz", made->bytes, made->n, &options, 0, &err));
    cr_expect_str_eq(err.message, "set.tar.gz: dev.jsonl: record 2: line 2: an object is wanted");
    free(made);
}

Test(unpack, a_gzipped_file_is_read_like_a_plain_one)
{
    struct made *made = calloc(1, sizeof *made);
    struct archive *writer = begin(made, GZIP);
    add(writer, "x", lines, sizeof lines - 1);
    end(writer);
    struct error err = {0};
    cJSON *records = records_parse("set", made->bytes, made->n, &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    cJSON_Delete(records);
    for (size_t n = 2; n < made->n - 8; n++) { // the last 8 bytes are a checksum of what is whole by then
        cr_expect_null(records_parse("set", made->bytes, n, &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err), "%zu", n);
        cr_expect_eq(err.code, ERROR_INPUT);
    }
    free(made);
}

Test(unpack, a_missing_member_is_answered_with_what_is_there)
{
    struct made *made = calloc(1, sizeof *made);
    struct archive *writer = begin(made, ZIP);
    add(writer, "a/train.jsonl", "x", 1);
    add(writer, "a/개발.jsonl", "x", 1);
    end(writer);
    expect_refused(made, made->n, "a/test.jsonl", 100, "has no member \"a/test.jsonl\"; there are 2: a/train.jsonl, a/개발.jsonl");
    free(made);
}

Test(unpack, a_cut_or_damaged_archive_is_refused_wherever_it_is_cut)
{
    char noise[3000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * i * 31 >> 3);
    for (int kind = ZIP; kind <= TAR_GZ; kind++) {
        struct made *made = calloc(1, sizeof *made);
        struct archive *writer = begin(made, (enum kind)kind);
        add(writer, "dev.jsonl", noise, sizeof noise);
        end(writer);
        size_t whole = kind == TAR ? 512 + sizeof noise : kind == TAR_GZ ? made->n / 2 : made->n * 9 / 10;
        for (size_t n = 1; n < whole; n += 97) {
            struct error err = {0};
            struct text out = {0};
            cr_expect_not(unpack_bytes("set.zip", made->bytes, n, "dev.jsonl", 10000, &out, &err), "kind %d, %zu of %zu bytes", kind, n,
                          made->n);
            cr_expect_eq(err.code, ERROR_INPUT);
        }
        free(made);
    }
    struct made *none = calloc(1, sizeof *none);
    memcpy(none->bytes, "<html>no archive</html>", 23);
    expect_refused(none, 23, "dev.jsonl", 100, "cannot be unpacked");
    free(none);
}

Test(unpack, a_bomb_is_stopped_at_the_limit)
{
    static char zeros[1 << 20];
    for (int kind = ZIP; kind <= GZIP; kind++) {
        if (kind == TAR)
            continue;
        struct made *made = calloc(1, sizeof *made);
        struct archive *writer = begin(made, (enum kind)kind);
        add(writer, "bomb", zeros, sizeof zeros);
        end(writer);
        cr_assert_lt(made->n, 20000);
        expect_refused(made, made->n, kind == GZIP ? NULL : "bomb", 65536, "unpacks to more than the 65536 bytes allowed here");
        free(made);
    }
}

Test(unpack, names_that_lead_out_and_links_are_refused)
{
    static const char *const names[] = {"../../etc/passwd", "/etc/passwd", "a/../../b", "a/.."};
    for (int i = 0; i < 4; i++) {
        struct made *made = calloc(1, sizeof *made);
        struct archive *writer = begin(made, TAR);
        add(writer, names[i], "x", 1);
        add(writer, "dev.jsonl", "{}", 2);
        end(writer);
        expect_refused(made, made->n, "dev.jsonl", 100, "leads out of the archive");
        expect_refused(made, made->n, names[i], 100, "leads out of the archive");
        free(made);
    }
    struct made *made = calloc(1, sizeof *made);
    struct archive *writer = begin(made, TAR);
    add(writer, "a..b/..c", "x", 1); // dots in a name lead nowhere
    add_link(writer, "dev.jsonl", "/etc/passwd");
    end(writer);
    expect_refused(made, made->n, "dev.jsonl", 100, "is a link or a directory");
    free(made);
}
