/* Fetching the files of a source: see fetch.h. An archive is fetched once for all its members, and only they are kept. */
#include "datasets/fetching.h"

#include "base/file.h"
#include "base/http.h"
#include "datasets/source.h"
#include "datasets/unpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_LIMIT ((int64_t)1 << 32) // of a download whose size isn't known beforehand
enum { LICENCE_LIMIT = 1 << 20 };

static void pass_progress(void *context, int64_t done, int64_t total)
{
    const struct fetch_task *task = context;
    if (task->options->progress)
        task->options->progress(task->options->context, task->what, done, total);
}

void fetch_prepare(struct fetch_task *task, const struct fetch_options *options, const char *what, const char *url, const char *path)
{
    *task = (struct fetch_task){.options = options, .what = what};
    task->request = (struct download_request){.url = url, .path = path, .bytes = -1, .limit_bytes = DATA_LIMIT};
    if (options->token && http_origin(options->hub ? options->hub : HUB, task->origin, sizeof task->origin)) {
        task->request.token = options->token;
        task->request.token_origin = task->origin;
    }
    if (options->patience)
        task->request.patience = *options->patience;
    task->request.progress = pass_progress;
    task->request.progress_context = task;
}

static bool join_url(const char *base, const char *path, char *out, size_t n, struct error *err)
{
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/')
        length--;
    return snprintf(out, n, "%.*s/%s", (int)length, base, path) < (int)n ||
           error_set(err, ERROR_INPUT, "%.100s…: the address is too long", base);
}

bool fetch_url(const struct fetch_options *options, const char *url, char *out, size_t n, struct error *err)
{
    if (options->hub && strncmp(url, HUB "/", sizeof HUB) == 0)
        return join_url(options->hub, url + sizeof HUB, out, n, err);
    return snprintf(out, n, "%s", url) < (int)n || error_set(err, ERROR_INPUT, "%.100s…: the address is too long", url);
}

bool fetch_mirror_url(const struct fetch_options *options, const char *path, char *out, size_t n, struct error *err)
{
    return join_url(options->mirror, path, out, n, err);
}

static bool make_directory_of(const char *path, struct error *err)
{
    char directory[4096];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    return !slash || slash == directory || file_make_directory(directory, err);
}

static bool is_there(const char *path, const struct source_file *file)
{
    char sha256[HASH_HEX];
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    return !file->sha256 || (hash_file(path, sha256, NULL) && strcmp(sha256, file->sha256) == 0);
}

/* --- archives
 * ------------------------------------------------------------------------------------------------------------------------------ */

static bool archive_path(const struct fetch_options *options, const char *url, char *out, size_t n, struct error *err)
{
    char hash[HASH_HEX];
    return hash_bytes(url, strlen(url), hash, err) && (snprintf(out, n, "%s/archives/%.16s", options->cache, hash) < (int)n ||
                                                       error_set(err, ERROR_INPUT, "%s: the path is too long", options->cache));
}

static bool fetch_member(const struct source_file *file, const char *path, const struct fetch_options *options, struct fetch_summary *out,
                         struct error *err)
{
    char archive[4096], url[HTTP_MAX_URL], sha256[HASH_HEX];
    struct fetch_task task;
    struct download_result result = {0};
    struct text text = {0};
    if (!archive_path(options, file->url, archive, sizeof archive, err) || !fetch_url(options, file->url, url, sizeof url, err))
        return false;
    fetch_prepare(&task, options, file->path, url, archive);
    task.request.sha256 = file->archive_sha256;
    task.request.bytes = file->archive_bytes;
    if (access(archive, F_OK) != 0) {
        if (!download_file(&task.request, &result, err))
            return false;
        out->bytes += result.bytes;
    }
    if (!unpack_file(archive, file->member, RECORD_MAX_BYTES, &text, err))
        return error_prefix(err, "%s", file->path);
    bool ok = hash_bytes(text.bytes, text.length, sha256, err);
    if (ok && file->sha256 && strcmp(sha256, file->sha256) != 0)
        ok = error_set(err, ERROR_INPUT, "%s: %s: has the sha256 %s, %s is wanted: it is another version; nothing was kept", file->path,
                       file->member, sha256, file->sha256);
    ok = ok && file_write(path, text.bytes, text.length, err);
    text_free(&text);
    out->unchecked += ok && !file->sha256 && !file->archive_sha256;
    return ok;
}

/* Archives live as long as one fetch of their source. */
static void drop_archives(const struct source *source, const struct fetch_options *options)
{
    char archive[4096];
    for (int i = 0; i < source->n_files; i++)
        if (source->files[i].url && source->files[i].member && archive_path(options, source->files[i].url, archive, sizeof archive, NULL))
            unlink(archive);
}

/* --- files
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static bool fetch_plain(const struct source_file *file, const char *path, const struct fetch_options *options, struct fetch_summary *out,
                        struct error *err)
{
    char url[HTTP_MAX_URL], below[4096];
    struct fetch_task task;
    struct download_result result;
    snprintf(below, sizeof below, "data/%.4000s", file->path);
    if (options->mirror ? !fetch_mirror_url(options, below, url, sizeof url, err) : !fetch_url(options, file->url, url, sizeof url, err))
        return false;
    fetch_prepare(&task, options, file->path, url, path);
    task.request.sha256 = file->sha256;
    task.request.bytes = file->bytes;
    if (!download_file(&task.request, &result, err))
        return false;
    out->bytes += result.bytes;
    out->unchecked += !result.checked;
    return true;
}

static bool fetch_one(const struct source_file *file, const char *path, const struct fetch_options *options, struct fetch_summary *out,
                      struct error *err)
{
    int64_t bytes = 0;
    if (!make_directory_of(path, err))
        return false;
    if (options->mirror || (!file->member && file->options.format != RECORD_ROWS))
        return fetch_plain(file, path, options, out, err);
    if (file->member)
        return fetch_member(file, path, options, out, err);
    if (!fetch_rows(options, file->path, file->url, path, &bytes, err))
        return false;
    out->bytes += bytes;
    out->unchecked++;
    return true;
}

static bool missing_offline(const struct source *source, const struct data_places *places, struct error *err)
{
    struct text list = {0};
    int missing = 0;
    char path[4096];
    for (int i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        if (!file->url || !source_path(places, file, path, sizeof path, err) || is_there(path, file))
            continue;
        if (missing++ < 3)
            text_format(&list, "%s%.200s", missing > 1 ? ", " : "", path);
    }
    if (missing)
        error_set(err, ERROR_INPUT, "%s: --offline, and %d of its files are not there: %s%s; call once without --offline", source->name,
                  missing, list.bytes ? list.bytes : "", missing > 3 ? " …" : "");
    text_free(&list);
    return missing == 0;
}

/* --- licences
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* What the source says goes beside the data before the data come. */
static bool write_licence(const struct source *source, const char *directory, struct error *err)
{
    char path[4200];
    struct text text = {0};
    text_format(&text, "%s\n\nLicence: %s\nWho says so: %s\n", source->title, source->licence,
                source->licence_evidence ? source->licence_evidence : "not recorded");
    if (source->licence_url)
        text_format(&text, "Its text: %s\n", source->licence_url);
    text_format(&text, "%s\n\nFiles and where they come from:\n",
                source->redistributable ? "It permits passing the data on under its terms."
                                        : "The data may not be passed on: everyone fetches their own copy.");
    for (int i = 0; i < source->n_files; i++)
        if (source->files[i].url)
            text_format(&text, "%s  <-  %s\n", source->files[i].path, source->files[i].url);
    snprintf(path, sizeof path, "%s/LICENCE.txt", directory);
    bool ok = text_ok(&text, err) && file_make_directory(directory, err) && file_write(path, text.bytes, text.length, err);
    text_free(&text);
    return ok;
}

/* Its text; that it cannot be had doesn't keep the data away. */
static void fetch_licence_text(const struct source *source, const char *directory, const char *below, const struct fetch_options *options,
                               struct fetch_summary *out)
{
    char path[4200], url[HTTP_MAX_URL], relative[512];
    struct fetch_task task;
    struct download_result result;
    struct error err = {0};
    snprintf(path, sizeof path, "%s/LICENSE", directory);
    snprintf(relative, sizeof relative, "data/%.400s/LICENSE", below);
    if (!source->licence_url || access(path, F_OK) == 0)
        return;
    if (options->mirror ? fetch_mirror_url(options, relative, url, sizeof url, &err)
                        : fetch_url(options, source->licence_url, url, sizeof url, &err)) {
        fetch_prepare(&task, options, relative, url, path);
        task.request.limit_bytes = LICENCE_LIMIT;
        task.request.progress = NULL;
        if (download_file(&task.request, &result, &err))
            return;
    }
    snprintf(out->notice, sizeof out->notice, "the licence's text could not be fetched (%.380s); LICENCE.txt names it", err.message);
}

/* --- a source
 * ------------------------------------------------------------------------------------------------------------------------------- */

bool fetch_source(const struct source *source, const struct fetch_options *options, struct fetch_summary *out, struct error *err)
{
    struct data_places places = {.data = options->data, .cache = options->cache};
    char path[4096], directory[4096];
    *out = (struct fetch_summary){0};
    if (options->offline && !missing_offline(source, &places, err))
        return false;
    size_t below = strcspn(source->files[0].path, "/"); // "hellaswag" of "hellaswag/hellaswag_val.jsonl"
    char folder[256];
    snprintf(folder, sizeof folder, "%.*s", (int)(below < 255 ? below : 255), source->files[0].path);
    const char *root = options->data ? options->data : options->cache;
    if (snprintf(directory, sizeof directory, "%s/%s%s", root, options->data ? "" : "data/", folder) >= (int)sizeof directory)
        return error_set(err, ERROR_INPUT, "%s: the path is too long", root);
    bool ok = true;
    for (int i = 0; ok && i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        if (!file->url)
            continue;
        out->files++;
        ok = source_path(&places, file, path, sizeof path, err);
        if (!ok || options->offline || is_there(path, file))
            continue;
        if (out->fetched == 0) {
            ok = write_licence(source, directory, err);
            if (ok)
                fetch_licence_text(source, directory, folder, options, out);
        }
        ok = ok && fetch_one(file, path, options, out, err);
        out->fetched += ok;
    }
    if (!options->offline)
        drop_archives(source, options);
    return ok;
}

struct fetch_state fetch_state(const struct source *source, const struct data_places *places)
{
    struct fetch_state state = {0};
    struct stat status;
    char path[4096];
    for (int i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        if (!file->url)
            continue;
        bool there = source_path(places, file, path, sizeof path, NULL) && stat(path, &status) == 0;
        state.wanted++;
        state.present += there;
        state.unsized += !there && file->bytes < 0;
        state.bytes += there ? status.st_size : file->bytes > 0 ? file->bytes : 0;
    }
    return state;
}
