/* Fetching GGUF models: by URL, or by owner/repo from the hub, whose list of files gives names, sizes and sums. */
#include "datasets/fetching.h"

#include "base/http.h"
#include "base/json.h"
#include "datasets/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MODEL_LIMIT ((int64_t)1 << 42)
enum { LIST_BYTES = 1 << 25, MAX_PARTS = 999 };

static bool ends_with_gguf(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0;
}

/* "x-00001-of-00003.gguf": the number of parts, and where the first number's five digits stand; 0: it isn't split. */
static int parts_of(const char *name, size_t *digits)
{
    size_t n = strlen(name);
    const char *tail = n > 20 ? name + n - 20 : NULL; // -00001-of-00003.gguf
    if (!tail || tail[0] != '-' || strncmp(tail + 6, "-of-", 4) != 0 || !ends_with_gguf(name) || strspn(tail + 1, "0123456789") != 5 ||
        strspn(tail + 10, "0123456789") != 5)
        return 0;
    *digits = n - 19;
    int parts = atoi(tail + 10);
    return parts >= 1 && parts <= MAX_PARTS ? parts : 0;
}

struct model {
    const struct fetch_options *options;
    struct fetch_summary *out;
    char folder[1024];       // below models/ in the cache: "owner/repo"
    char base[HTTP_MAX_URL]; // what file names are appended to
    char query[1024];        // behind them ("?token=…" of a signed URL)
};

static bool fetch_part(const struct model *model, const char *name, const char *sha256, char *path, size_t n, struct error *err)
{
    const struct fetch_options *options = model->options;
    char below[4096], url[2 * HTTP_MAX_URL];
    struct fetch_task task;
    struct download_result result;
    if (snprintf(below, sizeof below, "models/%s/%s", model->folder, name) >= (int)sizeof below ||
        snprintf(path, n, "%s/%s", options->cache, below) >= (int)n)
        return error_set(err, ERROR_INPUT, "%.100s: the path is too long", name);
    model->out->files++;
    if (access(path, F_OK) == 0) {
        char got[HASH_HEX];
        if (!sha256)
            return true;
        if (!hash_file(path, got, err))
            return false;
        return strcmp(got, sha256) == 0 ||
               error_set(err, ERROR_INPUT, "%s: has the sha256 %s, %s is wanted; remove it to fetch it again", path, got, sha256);
    }
    if (options->offline)
        return error_set(err, ERROR_INPUT, "%s: --offline, and it is not in the cache: looked for %s", name, path);
    if (options->mirror ? !fetch_mirror_url(options, below, url, sizeof url, err)
                        : snprintf(url, sizeof url, "%s%s%s", model->base, name, model->query) >= (int)sizeof url)
        return error_set(err, ERROR_INPUT, "%.100s: the address is too long", name);
    fetch_prepare(&task, options, name, url, path);
    task.request.sha256 = sha256;
    task.request.limit_bytes = MODEL_LIMIT;
    task.request.begins_with = "GGUF";
    if (!download_file(&task.request, &result, err))
        return false;
    model->out->fetched++;
    model->out->bytes += result.bytes;
    model->out->unchecked += !result.checked;
    return true;
}

/* The file, or all parts of it; the first one's path into `path`. */
static bool fetch_named(const struct model *model, const char *name, const char *sha256, char *path, size_t n, struct error *err)
{
    size_t digits = 0;
    int parts = parts_of(name, &digits);
    if (!ends_with_gguf(name) || !path_stays_below(name))
        return error_set(err, ERROR_INPUT, "%.200s: is no name of a GGUF file (….gguf)", name);
    if (parts <= 1)
        return fetch_part(model, name, sha256, path, n, err);
    if (sha256)
        return error_set(err, ERROR_INPUT, "%s: has %d parts, --sha256 is of one file; the hub's own sums are checked without it", name,
                         parts);
    char part[1024], other[4096];
    bool ok =
        snprintf(part, sizeof part, "%s", name) < (int)sizeof part || error_set(err, ERROR_INPUT, "%.100s: the name is too long", name);
    for (int i = 1; ok && i <= parts; i++) {
        char number[16];
        snprintf(number, sizeof number, "%05d", i);
        memcpy(part + digits, number, 5);
        ok = fetch_part(model, part, NULL, i == 1 ? path : other, i == 1 ? n : sizeof other, err);
    }
    return ok;
}

/* --- by URL
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static bool fetch_by_url(struct model *model, const char *given, const char *sha256, char *path, size_t n, struct error *err)
{
    char url[HTTP_MAX_URL], shown[1024];
    if (!fetch_url(model->options, given, url, sizeof url, err))
        return false;
    char *blob = strstr(url, "/blob/"); // the address of the hub's page of a file; the file itself is beside it
    if (blob && strstr(given, HUB "/") == given && strlen(url) + 3 < sizeof url) {
        memmove(blob + 9, blob + 6, strlen(blob + 6) + 1);
        memcpy(blob, "/resolve/", 9);
    }
    size_t end = strcspn(url, "?#");
    if (snprintf(model->query, sizeof model->query, "%s", url + end) >= (int)sizeof model->query)
        return error_set(err, ERROR_INPUT, "%s: the address is too long", http_shown(url, shown, sizeof shown));
    url[end] = '\0';
    http_shown(url, shown, sizeof shown); // without user and password, which have no place in a path
    const char *folder = strstr(shown, "://"), *slash = strrchr(url, '/');
    char *last = strrchr(shown, '/');
    if (!folder || last < folder + 3 || !ends_with_gguf(last) || !slash)
        return error_set(err, ERROR_INPUT, "%s: the address of a GGUF file (….gguf) is wanted", shown);
    snprintf(model->base, sizeof model->base, "%.*s", (int)(slash + 1 - url), url);
    *last = '\0';
    snprintf(model->folder, sizeof model->folder, "%s", folder + 3);
    if (!path_stays_below(model->folder))
        return error_set(err, ERROR_INPUT, "%s: an address without empty parts and \"..\" is wanted", shown);
    return fetch_named(model, slash + 1, sha256, path, n, err);
}

/* --- by owner/repo
 * ------------------------------------------------------------------------------------------------------------------------- */

static bool contains_ignoring_case(const char *text, const char *part)
{
    for (size_t n = strlen(part); *text; text++)
        if (strncasecmp(text, part, n) == 0)
            return true;
    return false;
}

/* The one file of the list that is meant: by name, by a piece of it ("Q4_K_M"), or the only one. Parts beyond the first don't count. */
static bool choose(const cJSON *list, const char *repo, const char *wanted, char *name, size_t n, struct error *err)
{
    struct text all = {0};
    int count = 0;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, list) {
        const char *path = json_text(entry, "path");
        size_t digits = 0;
        int parts = parts_of(path, &digits);
        if (!ends_with_gguf(path) || (parts > 1 && strncmp(path + digits, "00001", 5) != 0))
            continue;
        text_format(&all, "%s%.100s", all.length ? ", " : "", path);
        if (wanted[0] && !contains_ignoring_case(path, wanted))
            continue;
        count++;
        snprintf(name, n, "%s", path);
    }
    if (count != 1)
        error_set(err, ERROR_INPUT, "%s: %d GGUF files fit%s%.60s; name one of them as %s:FILE: %.600s", repo, count, wanted[0] ? " " : "",
                  wanted, repo, all.length ? all.bytes : "there are none");
    text_free(&all);
    return count == 1;
}

static bool list_repo(const struct model *model, const char *repo, const char *wanted, char *name, size_t n, struct error *err)
{
    char url[HTTP_MAX_URL];
    struct fetch_task task;
    struct text text = {0};
    snprintf(url, sizeof url, "%s/api/models/%s/tree/main?recursive=true", model->options->hub ? model->options->hub : HUB, repo);
    fetch_prepare(&task, model->options, repo, url, NULL);
    task.request.limit_bytes = LIST_BYTES;
    task.request.progress = NULL;
    cJSON *list = download_text(&task.request, &text, err) ? json_parse(repo, text.bytes, text.length, err) : NULL;
    struct json_at root = json_root(repo, list);
    int count = 0;
    bool ok = list && json_array(&root, &count, err) && choose(list, repo, wanted, name, n, err);
    cJSON_Delete(list);
    text_free(&text);
    return ok;
}

static bool fetch_by_repo(struct model *model, const char *reference, const char *sha256, char *path, size_t n, struct error *err)
{
    char name[1024];
    const struct fetch_options *options = model->options;
    const char *colon = strchr(reference, ':'), *wanted = colon ? colon + 1 : "";
    size_t length = colon ? (size_t)(colon - reference) : strlen(reference);
    snprintf(model->folder, sizeof model->folder, "%.*s", (int)(length < 512 ? length : 512), reference);
    const char *slash = strchr(model->folder, '/');
    if (!slash || strchr(slash + 1, '/') || !path_stays_below(model->folder) || strlen(reference) >= sizeof name)
        return error_set(err, ERROR_INPUT, "\"%.100s\" is no model: a URL, owner/repo or owner/repo:FILE is wanted", reference);
    snprintf(name, sizeof name, "%s", wanted);
    if (!ends_with_gguf(name)) {
        if (options->offline || options->mirror)
            return error_set(err, ERROR_INPUT, "%s: %s lists no files; name one as %s:FILE.gguf", reference,
                             options->offline ? "--offline" : "a mirror", model->folder);
        if (!list_repo(model, model->folder, wanted, name, sizeof name, err))
            return false;
    }
    snprintf(model->base, sizeof model->base, "%s/%s/resolve/main/", options->hub ? options->hub : HUB, model->folder);
    return fetch_named(model, name, sha256, path, n, err);
}

bool fetch_model(const char *reference, const char *sha256, const struct fetch_options *options, char *path, size_t n,
                 struct fetch_summary *out, struct error *err)
{
    *out = (struct fetch_summary){0};
    struct model *model = calloc(1, sizeof *model);
    if (!model)
        return error_set(err, ERROR_MACHINE, "out of memory");
    model->options = options;
    model->out = out;
    bool url = strncmp(reference, "http://", 7) == 0 || strncmp(reference, "https://", 8) == 0;
    bool ok = url ? fetch_by_url(model, reference, sha256, path, n, err) : fetch_by_repo(model, reference, sha256, path, n, err);
    free(model);
    return ok;
}
