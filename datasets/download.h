/* Files from servers that may be slow, broken or lying: resumed, retried, checked, and under their final name only when they are whole. */
#ifndef JEOUL_DATASETS_DOWNLOAD_H
#define JEOUL_DATASETS_DOWNLOAD_H

#include "base/hash.h"
#include "base/patience.h"
#include "base/text.h"

#include <stdint.h>

struct download_request {
    const char *url;
    const char *path;                                             // the final name; its directory is made
    const char *sha256;                                           // wanted; NULL: what the server names, else unchecked
    int64_t bytes;                                                // wanted; −1: not known
    int64_t limit_bytes;                                          // refuse more than this
    const char *token, *token_origin;                             // see http.h
    bool may_be_html;                                             // false: a web page is not the file, whatever the status says
    const char *begins_with;                                      // the first bytes of every such file ("GGUF"); NULL: not known
    struct patience patience;                                     // attempts are counted anew with each MiB that came
    void (*progress)(void *context, int64_t done, int64_t total); // total −1: not known; NULL: none
    void *progress_context;
};

struct download_result {
    char sha256[HASH_HEX];
    int64_t bytes;
    bool checked; // against a sha256 that we or the server named
};

/* Downloads to PATH.part and renames it when it is whole and right. What came before an interruption is kept in PATH.part (with
 * PATH.part.json: where it came from) and continued by the next call, unless the file has changed since. */
bool download_file(const struct download_request *request, struct download_result *result, struct error *err) MUST_CHECK;

/* A small document into memory (`path` isn't used); `out` must be empty. */
bool download_text(const struct download_request *request, struct text *out, struct error *err) MUST_CHECK;

#endif
