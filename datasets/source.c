/* Source files and the records behind them: see datasets.h. */
#include "datasets/source.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILES = 4096, MAX_COLUMNS = 256, MAX_SOURCE_BYTES = 1 << 22 };

/* What is public, and what owns it. */
struct owned {
    struct source source; // first: a struct source * is a struct owned *
    cJSON *document;
    struct arena arena;
};

bool path_stays_below(const char *path)
{
    for (const char *part = path;; part++) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.'))))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7F || part[i] == '\\')
                return false;
        part += n;
        if (*part == '\0')
            return true;
    }
}

static bool read_optional(const struct json_at *at, const char *key, const char **out, struct error *err)
{
    struct json_at member = json_member(at, key);
    *out = NULL;
    return !member.value || cJSON_IsNull(member.value) || json_filled(at, key, out, err);
}

static bool read_sha256(const struct json_at *at, const char *key, const char **out, struct error *err)
{
    struct json_at member = json_member(at, key);
    if (!read_optional(at, key, out, err))
        return false;
    if (*out && (strlen(*out) != 64 || strspn(*out, "0123456789abcdef") != 64))
        return json_error(&member, err, "\"%.70s\" is no sha256 (64 digits of 0-9, a-f)", *out);
    return true;
}

static bool read_bytes(const struct json_at *at, const char *key, int64_t *out, struct error *err)
{
    struct json_at member = json_member(at, key);
    *out = -1;
    return !member.value || cJSON_IsNull(member.value) || json_integer(&member, 0, (int64_t)1 << 50, out, err);
}

static bool read_columns(struct owned *owned, const struct json_at *at, const char *const **out, struct error *err)
{
    struct json_at member = json_member(at, "columns");
    int count = 0;
    if (!member.value)
        return true;
    if (!json_array(&member, &count, err))
        return false;
    if (count < 1 || count > MAX_COLUMNS)
        return json_error(&member, err, "%d names, 1 … %d are wanted", count, MAX_COLUMNS);
    const char **names = arena_alloc(&owned->arena, (size_t)count + 1, sizeof *names, err);
    bool ok = names != NULL;
    for (int i = 0; ok && i < count; i++) {
        struct json_at name = json_element(&member, i);
        ok = json_string(&name, &names[i], err);
    }
    *out = names;
    return ok;
}

static bool read_urls(const struct json_at *at, struct source_file *file, struct error *err)
{
    struct json_at url = json_member(at, "url");
    if (!read_optional(at, "url", &file->url, err) || !read_optional(at, "url_reason", &file->url_reason, err) ||
        !read_sha256(at, "sha256", &file->sha256, err) || !read_optional(at, "sha256_reason", &file->sha256_reason, err) ||
        !read_bytes(at, "bytes", &file->bytes, err) || !read_optional(at, "member", &file->member, err) ||
        !read_sha256(at, "archive_sha256", &file->archive_sha256, err) || !read_bytes(at, "archive_bytes", &file->archive_bytes, err))
        return false;
    if (file->url && strncmp(file->url, "https://", 8) != 0 && strncmp(file->url, "http://", 7) != 0)
        return json_error(&url, err, "\"%.80s\" is neither http:// nor https://", file->url);
    if (!file->url && !file->url_reason)
        return json_error(at, err, "has no \"url\" and no \"url_reason\"");
    if (!file->sha256 && !file->sha256_reason)
        return json_error(at, err, "has no \"sha256\" and no \"sha256_reason\"");
    return true;
}

static bool read_file(struct owned *owned, const struct json_at *at, struct source_file *file, struct error *err)
{
    static const char *const keys[] = {"path",           "url",           "url_reason", "sha256", "sha256_reason", "bytes", "format",
                                       "columns",        "array",         "member",     "split",  "subset",        "note",  "labels_of",
                                       "archive_sha256", "archive_bytes", NULL};
    struct json_at path = json_member(at, "path"), format = json_member(at, "format"), split = json_member(at, "split"),
                   subset = json_member(at, "subset");
    const char *format_name;
    if (!json_only(at, keys, err) || !json_filled(at, "path", &file->path, err) || !json_string(&format, &format_name, err) ||
        !json_string_or(&split, "", &file->split, err) || !json_string_or(&subset, "", &file->subset, err) ||
        !read_optional(at, "labels_of", &file->labels_of, err) || !read_optional(at, "note", &file->note, err) ||
        !read_optional(at, "array", &file->options.array, err) || !read_urls(at, file, err) ||
        !read_columns(owned, at, &file->options.columns, err))
        return false;
    if (!path_stays_below(file->path))
        return json_error(&path, err, "\"%.100s\" leads out of the data directory", file->path);
    if (!record_format_named(format_name, &file->options.format))
        return json_error(&format, err, "\"%.40s\" is no format; allowed: jsonl, json, tsv, csv, tsv_raw, lines, text, rows", format_name);
    if (file->options.format == RECORD_ROWS && file->member)
        return json_error(at, err, "pages of the rows API are in no archive: \"member\" has no place here");
    return true;
}

static bool read_source(struct owned *owned, const char *name, struct error *err)
{
    static const char *const keys[] = {"name", "title", "licence", "licence_url", "licence_evidence", "redistributable", "files", NULL};
    struct source *source = &owned->source;
    struct json_at root = json_root(name, owned->document), files = json_member(&root, "files"),
                   redistributable = json_member(&root, "redistributable");
    if (!json_only(&root, keys, err) || !json_filled(&root, "name", &source->name, err) ||
        !read_optional(&root, "title", &source->title, err) || !json_filled(&root, "licence", &source->licence, err) ||
        !read_optional(&root, "licence_url", &source->licence_url, err) ||
        !read_optional(&root, "licence_evidence", &source->licence_evidence, err) ||
        !json_bool_or(&redistributable, false, &source->redistributable, err) || !json_array(&files, &source->n_files, err))
        return false;
    if (!path_stays_below(source->name) || strchr(source->name, '/'))
        return json_error(&root, err, "the name \"%.60s\" is no file name", source->name);
    if (source->n_files < 1 || source->n_files > MAX_FILES)
        return json_error(&files, err, "%d files, 1 … %d are wanted", source->n_files, MAX_FILES);
    source->files = arena_alloc(&owned->arena, (size_t)source->n_files, sizeof *source->files, err);
    bool ok = source->files != NULL;
    for (int i = 0; ok && i < source->n_files; i++) {
        struct json_at at = json_element(&files, i);
        ok = read_file(owned, &at, &source->files[i], err);
    }
    source->title = source->title ? source->title : source->name;
    return ok;
}

struct source *source_parse(const char *file, cJSON *document, struct error *err)
{
    struct owned *owned = memory_array(1, sizeof *owned, "source", err);
    if (!owned) {
        cJSON_Delete(document);
        return NULL;
    }
    owned->document = document;
    if (read_source(owned, file, err))
        return &owned->source;
    source_free(&owned->source);
    return NULL;
}

void source_free(struct source *source)
{
    struct owned *owned = (struct owned *)source;
    if (!owned)
        return;
    cJSON_Delete(owned->document);
    arena_free(&owned->arena);
    free(owned);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

cJSON *source_names(const char *directory, struct error *err)
{
    enum { MAX_SOURCES = 1024 };
    char *names[MAX_SOURCES];
    int count = 0;
    DIR *stream = opendir(directory);
    if (!stream) {
        error_set_errno(err, "%s: cannot be listed", directory);
        return NULL;
    }
    const struct dirent *entry;
    while (count < MAX_SOURCES && (entry = readdir(stream))) {
        size_t n = strlen(entry->d_name);
        if (n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".json") == 0 &&
            (names[count] = strndup(entry->d_name, n - 5)))
            count++;
    }
    closedir(stream);
    qsort(names, (size_t)count, sizeof *names, by_name);
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < count; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
        free(names[i]);
    }
    return list;
}

static bool unknown_source(const char *directory, const char *name, struct error *err)
{
    cJSON *names = source_names(directory, err);
    if (!names)
        return false;
    struct text list = {0};
    const cJSON *entry;
    cJSON_ArrayForEach(entry, names)
        text_format(&list, "%s%s", list.length ? ", " : "", entry->valuestring);
    error_set(err, ERROR_INPUT, "there is no set \"%.60s\"; there are: %.700s", name, list.length ? list.bytes : "none");
    text_free(&list);
    cJSON_Delete(names);
    return false;
}

struct source *source_read(const char *directory, const char *name, struct error *err)
{
    char path[4096];
    if (!path_stays_below(name) || strchr(name, '/') || snprintf(path, sizeof path, "%s/%s.json", directory, name) >= (int)sizeof path ||
        access(path, F_OK) != 0) {
        unknown_source(directory, name, err);
        return NULL;
    }
    cJSON *document = json_read(path, MAX_SOURCE_BYTES, err);
    struct source *source = document ? source_parse(path, document, err) : NULL;
    if (source && strcmp(source->name, name) != 0) {
        error_set(err, ERROR_INPUT, "%s: calls itself \"%.60s\", its file's name is wanted", path, source->name);
        source_free(source);
        return NULL;
    }
    return source;
}

bool source_path(const struct data_places *places, const struct source_file *file, char *out, size_t n, struct error *err)
{
    int length =
        places->data ? snprintf(out, n, "%s/%s", places->data, file->path) : snprintf(out, n, "%s/data/%s", places->cache, file->path);
    return (length >= 0 && (size_t)length < n) || error_set(err, ERROR_INPUT, "%s: the path is too long", file->path);
}

/* The first file of a split that is there; NULL with a message that says what was looked for. */
static const struct source_file *find(const struct source *source, const char *split, const char *subset, const struct data_places *places,
                                      char *path, size_t n, struct error *err)
{
    struct text looked = {0};
    const struct source_file *found = NULL;
    for (int i = 0; i < source->n_files && !found; i++) {
        const struct source_file *file = &source->files[i];
        if (file->labels_of || strcmp(file->split, split) != 0 || strcmp(file->subset, subset) != 0)
            continue;
        if (!source_path(places, file, path, n, err))
            break;
        if (access(path, F_OK) == 0)
            found = file;
        else
            text_format(&looked, "%s%s", looked.length ? " and " : "", path);
    }
    if (!found && looked.length)
        error_set(err, ERROR_INPUT, "%s: the split %s%s%s is not there, looked for %.600s; 'jeoul fetch %s' gets it%s", source->name, split,
                  subset[0] ? " of " : "", subset, looked.bytes, source->name, places->data ? "" : ", --data DIR reads it elsewhere");
    else if (!found)
        error_set(err, ERROR_INPUT, "%s: has no split \"%.40s\"%s%.60s", source->name, split, subset[0] ? " of " : "", subset);
    text_free(&looked);
    return found;
}

static cJSON *read_checked(const struct source_file *file, const char *path, const struct data_places *places, size_t limit,
                           char sha256[HASH_HEX], struct error *err)
{
    if (!hash_file(path, sha256, err))
        return NULL;
    if (!places->data && file->sha256 && strcmp(sha256, file->sha256) != 0) {
        error_set(err, ERROR_INPUT,
                  "%s: has the sha256 %s, %s is wanted: it was changed after it was fetched; remove it and fetch it again", path, sha256,
                  file->sha256);
        return NULL;
    }
    return records_read(path, &file->options, limit, err);
}

static bool join_labels(const struct source *source, const struct source_file *file, const struct data_places *places, size_t limit,
                        cJSON *records, struct error *err)
{
    for (int i = 0; i < source->n_files; i++) {
        const struct source_file *labels = &source->files[i];
        char path[4096], sha256[HASH_HEX];
        if (!labels->labels_of || strcmp(labels->labels_of, file->path) != 0)
            continue;
        if (!source_path(places, labels, path, sizeof path, err))
            return false;
        cJSON *more = read_checked(labels, path, places, limit, sha256, err);
        if (!more || !records_join(records, more, path, err))
            return false;
    }
    return true;
}

cJSON *source_records(const struct source *source, const char *split, const char *subset, const struct data_places *places, size_t limit,
                      struct source_used *used, struct error *err)
{
    struct source_used own;
    used = used ? used : &own;
    const struct source_file *file = find(source, split, subset, places, used->path, sizeof used->path, err);
    cJSON *records = file ? read_checked(file, used->path, places, limit, used->sha256, err) : NULL;
    if (records && !join_labels(source, file, places, limit, records, err)) {
        cJSON_Delete(records);
        return NULL;
    }
    used->note = file ? file->note : NULL;
    return records;
}

bool cache_directory(char *out, size_t n, struct error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (cache && cache[0] == '/') // the specification ignores relative ones
        length = snprintf(out, n, "%s/jeoul", cache);
    else if (home && home[0])
        length = snprintf(out, n, "%s/.cache/jeoul", home);
    else
        return error_set(err, ERROR_INPUT, "neither XDG_CACHE_HOME nor HOME is set: name the cache directory in XDG_CACHE_HOME");
    return (size_t)length < n || error_set(err, ERROR_INPUT, "the cache directory's path is too long");
}
