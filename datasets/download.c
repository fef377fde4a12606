/* Downloads: see download.h.
 *
 * PATH.part holds what came so far and PATH.part.json the validator it came with. A continued file is asked for with If-Range, so that an
 * honest server sends the whole new file when it has changed; against the others there are the total, the entity tag of the answer, and in
 * the end the checksum. One process at a time writes a PATH.part: it holds a lock on it. */
#include "datasets/download.h"

#include "base/file.h"
#include "base/http.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CHANGES = 3, PROGRESS_THAT_COUNTS = 1 << 20, MAX_META_BYTES = 1 << 16 };

struct download {
    const struct download_request *request;
    char shown[512], part[4096], meta[4096];
    struct text *memory; // NULL: into PATH.part
    int fd;
    int64_t have;          // bytes in PATH.part or memory
    int64_t total;         // of the whole file; −1: not known
    char validator[256];   // for If-Range; "": none
    char linked[HASH_HEX]; // what the server says the sha256 is; "": nothing
    int64_t counted;       // `have` when the attempts were last counted from one
    int attempts, changes;
    bool continued; // some of the bytes are of an earlier answer
    bool started_over_for_hash;
    struct error *err;
    bool failed; // err is set by begin or body
    bool again;  // start over from nothing
};

static bool fail(struct download *d)
{
    d->failed = true;
    return false;
}

/* --- PATH.part ---------------------------------------------------------------------------------------------------------------------------
 */

static void forget(struct download *d)
{
    d->have = d->counted = 0;
    d->total = -1;
    d->validator[0] = d->linked[0] = '\0';
    d->continued = false;
    if (d->memory)
        text_clear(d->memory);
    else if (ftruncate(d->fd, 0) == 0)
        unlink(d->meta);
}

static void remove_part(struct download *d)
{
    if (!d->memory) {
        unlink(d->part);
        unlink(d->meta);
    }
}

static bool remember(struct download *d, struct error *err)
{
    char url_hash[HASH_HEX];
    if (d->memory)
        return true;
    if (!hash_bytes(d->request->url, strlen(d->request->url), url_hash, err)) // the address itself may carry a secret
        return false;
    cJSON *meta = cJSON_CreateObject();
    cJSON_AddStringToObject(meta, "url_sha256", url_hash);
    cJSON_AddStringToObject(meta, "validator", d->validator);
    cJSON_AddStringToObject(meta, "linked", d->linked);
    cJSON_AddNumberToObject(meta, "total", (double)d->total);
    char *text = cJSON_PrintUnformatted(meta);
    cJSON_Delete(meta);
    bool ok = text ? file_write(d->meta, text, strlen(text), err) : error_set(err, ERROR_MACHINE, "out of memory");
    free(text);
    return ok;
}

/* What an earlier call kept is of use when it came from the same address and can be checked: by a validator or by the final checksum. */
static void recall(struct download *d)
{
    struct stat status;
    char url_hash[HASH_HEX];
    cJSON *meta = fstat(d->fd, &status) == 0 && status.st_size > 0 ? json_read(d->meta, MAX_META_BYTES, NULL) : NULL;
    const char *validator = json_text(meta, "validator"), *linked = json_text(meta, "linked");
    double total = json_real(meta, "total");
    bool same = meta && hash_bytes(d->request->url, strlen(d->request->url), url_hash, NULL) &&
                strcmp(json_text(meta, "url_sha256"), url_hash) == 0 && strlen(validator) < sizeof d->validator &&
                strlen(linked) < sizeof d->linked && !strpbrk(validator, "\r\n");
    if (same && (validator[0] || d->request->sha256)) {
        d->have = d->counted = status.st_size;
        d->total = total >= 0 && total < 9e15 ? (int64_t)total : -1;
        d->continued = true;
        snprintf(d->validator, sizeof d->validator, "%s", validator);
        snprintf(d->linked, sizeof d->linked, "%s", linked);
    } else
        forget(d);
    cJSON_Delete(meta);
}

static bool make_directory_of(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash && slash > path ? strndup(path, (size_t)(slash - path)) : NULL;
    bool ok = !directory || file_make_directory(directory, err);
    free(directory);
    return ok;
}

static bool open_part(struct download *d, struct error *err)
{
    struct stat status;
    if (snprintf(d->part, sizeof d->part, "%s.part", d->request->path) >= (int)sizeof d->part - 8)
        return error_set(err, ERROR_INPUT, "%.200s…: the path is too long", d->request->path);
    snprintf(d->meta, sizeof d->meta, "%s.part.json", d->request->path);
    if (!make_directory_of(d->request->path, err))
        return false;
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d->fd < 0)
        return error_set_errno(err, "%s: cannot be written", d->part);
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0 || fstat(d->fd, &status) != 0 || status.st_nlink == 0)
        return error_set(err, ERROR_INPUT, "%s: another fetch is writing it; wait for that one and call again", d->part);
    recall(d);
    return true;
}

/* --- one answer --------------------------------------------------------------------------------------------------------------------------
 */

static bool looks_like_html(const char *bytes, size_t n)
{
    size_t at = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < n && strchr(" \t\r\n", bytes[at]) && bytes[at])
        at++;
    static const char *const begins[] = {"<!doctype html", "<html", "<head"};
    for (int i = 0; i < 3; i++)
        if (n - at >= strlen(begins[i]) && strncasecmp(bytes + at, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* The first piece of a body is as good as never shorter than a magic number; when it is, the file is read again before it is used anyway.
 */
static bool request_begins_otherwise(const struct download_request *request, const char *bytes, size_t n)
{
    size_t length = request->begins_with ? strlen(request->begins_with) : 0;
    return n >= length && memcmp(bytes, request->begins_with ? request->begins_with : "", length) != 0;
}

static bool printable(const char *bytes, size_t n)
{
    for (size_t i = 0; i < 4; i++)
        if (i >= n || bytes[i] < 0x20 || bytes[i] > 0x7E)
            return false;
    return true;
}

static bool refuse_html(struct download *d)
{
    error_set(d->err, ERROR_INPUT,
              "%s: the server sent a web page (HTML) instead of the file: a login, a portal or an error page; nothing was kept", d->shown);
    remove_part(d);
    return fail(d);
}

static bool room_for(struct download *d, int64_t more)
{
    struct statvfs disk;
    if (d->memory || more <= 0 || fstatvfs(d->fd, &disk) != 0)
        return true;
    uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    if ((uint64_t)more <= available)
        return true;
    error_set(d->err, ERROR_MACHINE,
              "%s: the disk is full: %" PRId64 " bytes more are needed, %" PRIu64 " are free; make room and call again", d->part, more,
              available);
    return fail(d);
}

static bool size_fits(struct download *d, int64_t total)
{
    const struct download_request *request = d->request;
    if (request->bytes >= 0 && total >= 0 && total != request->bytes) {
        error_set(d->err, ERROR_INPUT,
                  "%s: the server has %" PRId64 " bytes, %" PRId64 " are wanted: it is another version; nothing was kept", d->shown, total,
                  request->bytes);
        remove_part(d);
        return fail(d);
    }
    if (total <= request->limit_bytes)
        return true;
    error_set(d->err, ERROR_INPUT, "%s: %" PRId64 " bytes, more than the %" PRId64 " allowed here", d->shown, total, request->limit_bytes);
    remove_part(d);
    return fail(d);
}

/* An answer to a continued request is of the same file as the bytes before it. */
static bool continues(const struct download *d, const struct http_answer *answer)
{
    bool tags = d->validator[0] == '"' && answer->etag[0];
    return answer->range_start == d->have && !(tags && strcmp(d->validator, answer->etag) != 0) &&
           !(d->total >= 0 && answer->range_total >= 0 && d->total != answer->range_total);
}

static bool begin(void *context, const struct http_answer *answer)
{
    struct download *d = context;
    if (answer->status != 200 && answer->status != 206)
        return false;
    if (answer->status == 206 && (d->have == 0 || !continues(d, answer))) {
        d->again = true;
        return false;
    }
    if (answer->status == 200 && d->have > 0) { // changed, or the server knows no ranges
        d->changes += d->validator[0] && answer->etag[0] && strcmp(d->validator, answer->etag) != 0;
        forget(d);
    }
    d->total = answer->status == 206 ? answer->range_total : answer->length;
    bool weak = strncmp(answer->etag, "W/", 2) == 0 || !answer->etag[0];
    snprintf(d->validator, sizeof d->validator, "%s", weak ? answer->last_modified : answer->etag);
    if (answer->linked_sha256[0])
        snprintf(d->linked, sizeof d->linked, "%s", answer->linked_sha256);
    if (!d->request->may_be_html && strncasecmp(answer->content_type, "text/html", 9) == 0)
        return refuse_html(d);
    if (!size_fits(d, d->total) || !room_for(d, d->total - d->have))
        return false;
    return remember(d, d->err) || fail(d);
}

static bool keep(struct download *d, const char *bytes, size_t n)
{
    if (d->memory) {
        text_add(d->memory, bytes, n);
        return text_ok(d->memory, d->err) || fail(d);
    }
    int64_t at = d->have;
    while (n > 0) {
        ssize_t written = pwrite(d->fd, bytes, n, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            bool full = errno == ENOSPC || errno == EFBIG || errno == EDQUOT;
            error_record_errno(d->err, "%s: %s at byte %" PRId64 "; what came so far is kept, make room and call again", d->part,
                               full ? "the disk is full" : "cannot be written", at);
            d->err->code = ERROR_MACHINE;
            d->have = at;
            return fail(d);
        }
        bytes += written;
        n -= (size_t)written;
        at += written;
    }
    return true;
}

static bool body(void *context, const void *bytes, size_t n)
{
    struct download *d = context;
    if (d->have == 0 && !d->request->may_be_html && looks_like_html(bytes, n))
        return refuse_html(d);
    if (d->have == 0 && request_begins_otherwise(d->request, bytes, n)) {
        error_set(d->err, ERROR_INPUT, "%s: begins with \"%.4s\", \"%s\" is wanted: it is no such file; nothing was kept", d->shown,
                  printable(bytes, n) ? (const char *)bytes : "?", d->request->begins_with);
        remove_part(d);
        return fail(d);
    }
    if ((int64_t)n > d->request->limit_bytes - d->have)
        return size_fits(d, d->have + (int64_t)n);
    if (!keep(d, bytes, n))
        return false;
    d->have += (int64_t)n;
    if (d->request->progress)
        d->request->progress(d->request->progress_context, d->have, d->total);
    return true;
}

/* --- retrying
 * ------------------------------------------------------------------------------------------------------------------------------ */

/* Waits before the next attempt, with the message of the last one in err; false: no more attempts. */
static bool wait_and_retry(struct download *d, int64_t retry_after_s)
{
    uint64_t ms;
    if (d->have - d->counted >= PROGRESS_THAT_COUNTS) {
        d->attempts = 0;
        d->counted = d->have;
    }
    if (!patience_next(&d->request->patience, ++d->attempts, retry_after_s, &ms, d->err))
        return false;
    *d->err = (struct error){0};
    patience_pause(&d->request->patience, ms);
    return true;
}

static bool start_over(struct download *d)
{
    forget(d);
    if (++d->changes <= MOST_CHANGES)
        return true;
    remove_part(d);
    return error_set(d->err, ERROR_INPUT, "%s: the file changes while it is downloaded; nothing was kept, try again later", d->shown);
}

/* An answer that isn't the file. *again: worth another attempt. */
static bool judge_status(struct download *d, const struct http_answer *answer, bool *again)
{
    long status = answer->status;
    *again = false;
    if (status == 416) { // the part is longer than the file, or the file has changed
        *again = start_over(d);
        return *again;
    }
    if (status == 429 || status == 408 || (status >= 500 && status <= 599)) {
        error_set(d->err, ERROR_MACHINE, "%s: the server answers %ld (%s)", d->shown, status,
                  status == 429 ? "too many requests" : "it is in trouble");
        *again = wait_and_retry(d, answer->retry_after_s);
    } else if (status == 401 || status == 403)
        error_set(d->err, ERROR_INPUT, "%s: the server answers %ld: it wants a token%s", d->shown, status,
                  d->request->token ? " other than the one in HF_TOKEN, or its terms accepted on its page"
                                    : "; accept its terms on its page and put your token into the environment variable HF_TOKEN");
    else if (status == 404 || status == 410)
        error_set(d->err, ERROR_INPUT, "%s: the server answers %ld: there is no such file", d->shown, status);
    else
        error_set(d->err, ERROR_INPUT, "%s: the server answers %ld, 200 is wanted", d->shown, status);
    return *again;
}

/* Until the file is whole. */
static bool transfer(struct download *d)
{
    const struct download_request *request = d->request;
    while (true) {
        struct http_answer answer;
        bool again = false;
        d->failed = d->again = false;
        if (d->have > 0 && d->have == (d->total >= 0 ? d->total : request->bytes))
            return true; // it came whole before
        if (d->memory || (d->have > 0 && !d->validator[0] && !request->sha256))
            forget(d); // nothing would tell a changed file
        d->continued = d->have > 0;
        struct http_request get = {.url = request->url,
                                   .token = request->token,
                                   .token_origin = request->token_origin,
                                   .from = d->have,
                                   .stall_s = patience_stall_s(&request->patience),
                                   .begin = begin,
                                   .body = body,
                                   .context = d};
        char validator[sizeof d->validator]; // begin replaces it while curl has the old one's header already
        memcpy(validator, d->validator, sizeof validator);
        get.if_range = validator[0] ? validator : NULL;
        switch (http_get(&get, &answer, d->err)) {
        case HTTP_DONE:
            return true;
        case HTTP_FATAL:
            return false;
        case HTTP_TEMPORARY:
            again = wait_and_retry(d, -1);
            break;
        case HTTP_UNWANTED:
            if (d->failed)
                return false;
            if (d->again)
                again = start_over(d);
            else
                (void)judge_status(d, &answer, &again);
        }
        if (!again)
            return false;
        if (d->changes > MOST_CHANGES)
            return start_over(d);
    }
}

/* --- the end
 * ------------------------------------------------------------------------------------------------------------------------------- */

static bool sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(directory);
    return ok;
}

/* *again: the sum is wrong, but bytes of two answers are in it: one attempt with one answer is left. */
static bool check(struct download *d, struct download_result *result, bool *again)
{
    const struct download_request *request = d->request;
    const char *wanted = request->sha256 ? request->sha256 : d->linked[0] ? d->linked : NULL;
    if (request->bytes >= 0 && d->have != request->bytes) {
        remove_part(d);
        return error_set(d->err, ERROR_INPUT, "%s: %" PRId64 " bytes came, %" PRId64 " are wanted; nothing was kept", d->shown, d->have,
                         request->bytes);
    }
    if (!hash_file(d->part, result->sha256, d->err))
        return false;
    result->bytes = d->have;
    result->checked = wanted != NULL;
    if (!wanted || strcmp(wanted, result->sha256) == 0)
        return true;
    *again = d->continued && !d->started_over_for_hash;
    if (*again) {
        d->started_over_for_hash = true;
        forget(d);
        return false;
    }
    remove_part(d);
    return error_set(d->err, ERROR_INPUT,
                     "%s: what came has the sha256 %s, %s is wanted: it is another version or was damaged; nothing was kept", d->shown,
                     result->sha256, wanted);
}

static bool finish(struct download *d)
{
    if (fsync(d->fd) != 0)
        return error_set_errno(d->err, "%s: cannot be written", d->part);
    if (rename(d->part, d->request->path) != 0)
        return error_set_errno(d->err, "%s: cannot be renamed to %s", d->part, d->request->path);
    unlink(d->meta);
    return sync_directory_of(d->request->path) || error_set_errno(d->err, "%s: its directory cannot be written", d->request->path);
}

bool download_file(const struct download_request *request, struct download_result *result, struct error *err)
{
    struct error own = {0};
    struct download d = {.request = request, .fd = -1, .total = -1, .err = err ? err : &own};
    http_shown(request->url, d.shown, sizeof d.shown);
    *result = (struct download_result){0};
    bool ok = open_part(&d, d.err), again = ok;
    while (again) {
        again = false;
        ok = transfer(&d) && check(&d, result, &again) && finish(&d);
    }
    if (d.fd >= 0)
        close(d.fd);
    return ok;
}

bool download_text(const struct download_request *request, struct text *out, struct error *err)
{
    struct error own = {0};
    struct download d = {.request = request, .memory = out, .fd = -1, .total = -1, .err = err ? err : &own};
    http_shown(request->url, d.shown, sizeof d.shown);
    if (transfer(&d))
        return true;
    text_free(out);
    return false;
}
