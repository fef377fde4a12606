/* Many requests to one server, several on their way at once, by libcurl's multi interface: retries, waiting as the server asks, limits.
 * What answers mean is endpoint.c's. Private to bench. */
#ifndef JEOUL_BENCH_POSTS_H
#define JEOUL_BENCH_POSTS_H

#include "base/patience.h"
#include "base/text.h"

#include <stddef.h>

enum { POSTS_MAX_REDIRECTS = 5, POSTS_MAX_BYTES = 1 << 26 };

/* Where to and how. `key` goes to `origin` ("scheme://host:port") alone. */
struct posts_place {
    const char *url, *origin, *key; // key NULL: none
    const char *url_name;           // what the address is called where it was written, for errors
    int parallel;
    struct patience patience;
    bool probing; // 500 is an answer and not a trouble: some servers say so of what they can't do
};

struct posts_answer {
    long status; // 200, 400 …; never one that is retried
    struct text *bytes;
    const char *shown; // the address, for messages
};

enum posts_verdict {
    POSTS_TAKEN,
    POSTS_AGAIN, // the answer is damaged: try again, err tells
    POSTS_FAILED // trying again won't help; err tells
};

struct posts_work {
    size_t n;
    /* The body of request i, into an empty text. NULL: the requests are GETs. */
    bool (*body)(void *context, size_t i, struct text *out, struct error *err);
    enum posts_verdict (*take)(void *context, size_t i, const struct posts_answer *answer, struct error *err);
    void (*sent)(void *context, size_t i);                                 // an attempt begins; may be NULL
    void (*arrived)(void *context, size_t i, const char *bytes, size_t n); // bytes of an answer as they come; may be NULL
    void *context;
};

/* Sends requests 0 … n − 1, each once or until it is answered; they may be answered in any order. Stops at the first failure; *failed
 * (may be NULL) is then the number of its request. */
bool posts_run(const struct posts_place *place, const struct posts_work *work, size_t *failed, struct error *err) MUST_CHECK;

#endif
