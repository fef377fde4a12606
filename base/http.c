/* One request: see http.h. Redirects are followed here and not by libcurl, so that each hop's address is judged, its headers are read, and
 * the token is given to one origin only. */
#include "base/http_curl.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct exchange {
    const struct http_request *request;
    struct http_answer *answer;
    CURL *curl;
    bool began, refused;
};

static char *part_of(const char *url, CURLUPart part, unsigned flags)
{
    CURLU *parsed = curl_url();
    char *text = NULL;
    if (parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
        (void)curl_url_get(parsed, part, &text, flags);
    curl_url_cleanup(parsed);
    return text; // NULL: not there
}

const char *http_shown(const char *url, char *out, size_t n)
{
    char *scheme = part_of(url, CURLUPART_SCHEME, 0), *host = part_of(url, CURLUPART_HOST, 0), *port = part_of(url, CURLUPART_PORT, 0),
         *path = part_of(url, CURLUPART_PATH, 0);
    if (scheme && host)
        snprintf(out, n, "%s://%s%s%s%s", scheme, host, port ? ":" : "", port ? port : "", path ? path : "");
    else
        snprintf(out, n, "(an address that cannot be read)");
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    return out;
}

bool http_origin(const char *url, char *out, size_t n)
{
    char *scheme = part_of(url, CURLUPART_SCHEME, 0), *host = part_of(url, CURLUPART_HOST, 0),
         *port = part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    bool ok = scheme && host && port && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              snprintf(out, n, "%s://%s:%s", scheme, host, port) < (int)n;
    for (char *c = out; ok && *c; c++) // hosts are alike in both cases
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

static void take_text(char *out, size_t n, const char *value, size_t length)
{
    if (length >= n)
        length = 0; // a value that long is no use to us
    memcpy(out, value, length);
    out[length] = '\0';
}

/* The hub's sha256 of a file, which it names as an entity tag of 64 digits. */
static void take_linked(struct http_answer *answer, const char *value, size_t length)
{
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value++;
        length -= 2;
    }
    if (length == 64 && strspn(value, "0123456789abcdef") >= 64)
        take_text(answer->linked_sha256, sizeof answer->linked_sha256, value, length);
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct http_answer *answer = exchange->answer;
    size_t n = size * count;
    const char *colon = memchr(line, ':', n), *value = colon ? colon + 1 : NULL, *end = line + n;
    if (!colon)
        return n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    size_t name = (size_t)(colon - line), length = (size_t)(end - value);
    char number[96];
    take_text(number, sizeof number, value, length);
#define IS(header) (name == sizeof(header) - 1 && strncasecmp(line, header, name) == 0)
    if (IS("etag"))
        take_text(answer->etag, sizeof answer->etag, value, length);
    else if (IS("last-modified"))
        take_text(answer->last_modified, sizeof answer->last_modified, value, length);
    else if (IS("content-type"))
        take_text(answer->content_type, sizeof answer->content_type, value, length);
    else if (IS("x-linked-etag"))
        take_linked(answer, value, length);
    else if (IS("x-linked-size") && number[0] >= '0' && number[0] <= '9')
        answer->linked_bytes = strtoll(number, NULL, 10);
    else if (IS("content-range")) {
        long long start = -1, last, total = -1;
        if (sscanf(number, "bytes %lld-%lld/%lld", &start, &last, &total) >= 1)
            answer->range_start = start;
        else
            (void)sscanf(number, "bytes */%lld", &total);
        answer->range_total = total;
    }
#undef IS
    return n;
}

bool http_is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The headers are all there once the body begins, or once the transfer ends without one. */
static bool begin_once(struct exchange *exchange)
{
    if (exchange->began)
        return !exchange->refused;
    exchange->began = true;
    curl_off_t length = -1;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &exchange->answer->status);
    curl_easy_getinfo(exchange->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    exchange->answer->length = length;
    if (!http_is_redirect(exchange->answer->status))
        exchange->refused = !exchange->request->begin(exchange->request->context, exchange->answer);
    return !exchange->refused;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    if (!begin_once(exchange))
        return 0;
    if (http_is_redirect(exchange->answer->status))
        return size * count;
    exchange->refused = !exchange->request->body(exchange->request->context, bytes, size * count);
    return exchange->refused ? 0 : size * count;
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void http_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
}

static void clear_answer(struct http_answer *answer)
{
    char linked[65];
    int64_t bytes = answer->linked_bytes; // what an earlier hop said about the file still holds
    memcpy(linked, answer->linked_sha256, sizeof linked);
    *answer = (struct http_answer){.length = -1, .range_start = -1, .range_total = -1, .retry_after_s = -1, .linked_bytes = bytes};
    memcpy(answer->linked_sha256, linked, sizeof linked);
}

bool http_add_token(struct curl_slist **list, const char *url, const char *origin, const char *token, struct error *err)
{
    char of[512], line[1024];
    if (!token || !http_origin(url, of, sizeof of) || strcmp(of, origin) != 0)
        return true;
    bool fits = snprintf(line, sizeof line, "Authorization: Bearer %s", token) < (int)sizeof line;
    struct curl_slist *longer = fits ? curl_slist_append(*list, line) : NULL;
    memset(line, 0, sizeof line);
    if (longer)
        *list = longer;
    return longer || error_set(err, fits ? ERROR_MACHINE : ERROR_INPUT, "%s", fits ? "out of memory" : "the token is too long");
}

static struct curl_slist *headers_for(const struct http_request *request, const char *url, struct error *err)
{
    char line[1024];
    struct curl_slist *list = curl_slist_append(NULL, "Accept: */*");
    if (request->from > 0 && request->if_range) {
        snprintf(line, sizeof line, "If-Range: %s", request->if_range);
        list = curl_slist_append(list, line);
    }
    if (!http_add_token(&list, url, request->token_origin, request->token, err)) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

enum http_end http_judge(CURLcode code, const char *reason, const char *shown, long stall_s, struct error *err)
{
    if (code == CURLE_OK)
        return HTTP_DONE;
    const char *what = reason[0] ? reason : curl_easy_strerror(code);
    enum http_end end = HTTP_TEMPORARY;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        error_set(err, ERROR_MACHINE, "%s: the server stalls: nothing came for %ld s", shown, stall_s);
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        error_set(err, ERROR_MACHINE, "%s: the connection ended before all had come (%.200s)", shown, what);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        error_set(err, ERROR_MACHINE, "%s: cannot be reached (%.200s); is there a network, or a proxy to name in https_proxy?", shown,
                  what);
        break;
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
        error_set(err, ERROR_MACHINE, "%s: the transfer failed (%.200s)", shown, what);
        break;
    default:
        end = HTTP_FATAL;
        error_set(err, code == CURLE_OUT_OF_MEMORY ? ERROR_MACHINE : ERROR_INPUT, "%s: the transfer failed (%.200s)", shown, what);
    }
    return end;
}

void http_set_common(CURL *curl, const char *url, long stall_s, char reason[CURL_ERROR_SIZE])
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "jeoul");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, stall_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall_s);
}

static enum http_end one_hop(struct exchange *exchange, const char *url, char *next, struct error *err)
{
    const struct http_request *request = exchange->request;
    char reason[CURL_ERROR_SIZE] = "", shown[512], range[32];
    CURL *curl = exchange->curl = curl_easy_init();
    struct error refused = {0};
    struct curl_slist *headers = headers_for(request, url, &refused);
    clear_answer(exchange->answer);
    exchange->began = false;
    http_shown(url, shown, sizeof shown);
    if (!curl || !headers || refused.code != ERROR_NONE) {
        error_set(err, refused.code ? refused.code : ERROR_MACHINE, "%s", refused.code ? refused.message : "out of memory");
        curl_slist_free_all(headers);
        curl_easy_cleanup(curl);
        return HTTP_FATAL;
    }
    http_set_common(curl, url, request->stall_s, reason);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (request->from > 0) {
        snprintf(range, sizeof range, "%lld-", (long long)request->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        (void)begin_once(exchange); // an answer without a body
    curl_off_t wait = 0;
    if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
        exchange->answer->retry_after_s = wait;
    enum http_end end = exchange->refused ? HTTP_UNWANTED : http_judge(code, reason, shown, request->stall_s, err);
    char *location = NULL;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
    next[0] = '\0';
    if (end == HTTP_DONE && http_is_redirect(exchange->answer->status)) {
        if (!location || snprintf(next, HTTP_MAX_URL, "%s", location) >= HTTP_MAX_URL) {
            next[0] = '\0';
            error_set(err, ERROR_INPUT, "%s: redirects to nowhere", shown);
            end = HTTP_FATAL;
        }
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return end;
}

bool http_hop_allowed(const char *from, const char *to, struct error *err)
{
    char a[512], b[512], origin[512];
    http_shown(from, a, sizeof a);
    http_shown(to, b, sizeof b);
    if (!http_origin(to, origin, sizeof origin))
        return error_set(err, ERROR_INPUT, "%s: redirects to %s; only http and https are followed", a, b);
    if (strncmp(from, "https:", 6) == 0 && strncmp(origin, "https:", 6) != 0)
        return error_set(err, ERROR_INPUT, "%s: redirects from https to %s; that is not followed", a, b);
    return true;
}

enum http_end http_get(const struct http_request *request, struct http_answer *answer, struct error *err)
{
    http_start();
    struct exchange exchange = {.request = request, .answer = answer};
    char *urls = malloc(2 * HTTP_MAX_URL), shown[512], origin[512];
    enum http_end end = HTTP_FATAL;
    *answer = (struct http_answer){.linked_bytes = -1};
    if (!urls || strlen(request->url) >= HTTP_MAX_URL || !http_origin(request->url, origin, sizeof origin)) {
        error_set(err, urls ? ERROR_INPUT : ERROR_MACHINE, "%.300s: %s", http_shown(request->url, shown, sizeof shown),
                  urls ? "an address that begins with http:// or https:// is wanted" : "out of memory");
        free(urls);
        return end;
    }
    char *url = urls, *next = urls + HTTP_MAX_URL;
    memcpy(url, request->url, strlen(request->url) + 1); // its length was checked above
    for (int hops = 0;; hops++) {
        end = one_hop(&exchange, url, next, err);
        if (end != HTTP_DONE || !next[0])
            break;
        end = HTTP_FATAL;
        if (hops == HTTP_MAX_REDIRECTS) {
            error_set(err, ERROR_INPUT, "%s: more than %d redirects, the last one to %.300s: a loop?",
                      http_shown(request->url, origin, sizeof origin), HTTP_MAX_REDIRECTS, http_shown(next, shown, sizeof shown));
            break;
        }
        if (!http_hop_allowed(url, next, err))
            break;
        char *old = url;
        url = next;
        next = old;
    }
    free(urls);
    return end;
}
