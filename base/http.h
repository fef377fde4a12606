/* One request to a web server, by libcurl: redirects, the rule for the token, and the headers that a download needs. Retries, resuming and
 * checking are download.c's. */
#ifndef JEOUL_DATASETS_HTTP_H
#define JEOUL_DATASETS_HTTP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { HTTP_MAX_REDIRECTS = 10, HTTP_MAX_URL = 8192 };

/* What an answer says; "" and −1 where it doesn't. */
struct http_answer {
    long status;           // 200, 206, 404 …; 0: no answer came
    int64_t length;        // Content-Length of the body
    int64_t range_start;   // Content-Range: bytes START-END/TOTAL
    int64_t range_total;   //
    int64_t retry_after_s; // Retry-After, as seconds from now
    char etag[256], last_modified[64], content_type[128];
    char linked_sha256[65]; // X-Linked-ETag of any answer on the way: the hub names the file's sha256 there
    int64_t linked_bytes;   // X-Linked-Size
};

struct http_request {
    const char *url;
    const char *token, *token_origin; // sent as a bearer token to this "scheme://host:port" alone; NULL: none
    int64_t from;                     // > 0: ask for the bytes from here on
    const char *if_range;             // with `from`: the validator that the bytes so far had; NULL: none
    long stall_s;                     // give up when no byte came for so long
    /* Called once with the headers of the final answer before its body; false: the body isn't wanted (not an error of the transfer). */
    bool (*begin)(void *context, const struct http_answer *answer);
    /* Called with pieces of the body; false: they cannot be kept, the transfer ends. */
    bool (*body)(void *context, const void *bytes, size_t n);
    void *context;
};

enum http_end {
    HTTP_DONE,      // the answer came whole (whatever its status)
    HTTP_UNWANTED,  // begin or body said no
    HTTP_TEMPORARY, // cut, stalled, refused, no name: trying again may help; err tells what happened
    HTTP_FATAL,     // trying again won't help; err tells
};

enum http_end http_get(const struct http_request *request, struct http_answer *answer, struct error *err) MUST_CHECK;

/* A URL fit to be shown: without user, password, query and fragment (signed links carry secrets there). Into a buffer of the caller's. */
const char *http_shown(const char *url, char *out, size_t n);

/* "https://host:443" of a URL; false when it isn't http or https. */
bool http_origin(const char *url, char *out, size_t n);

#endif
