/* What fetching sets, pages and models share inside the room. */
#ifndef JEOUL_DATASETS_FETCHING_H
#define JEOUL_DATASETS_FETCHING_H

#include "datasets/download.h"
#include "datasets/fetch.h"

#define HUB "https://huggingface.co"

/* A request with the options' token and patience. Its progress goes to options->progress under the name `what`, which has to live as long.
 */
struct fetch_task {
    const struct fetch_options *options;
    const char *what;
    char origin[512];
    struct download_request request;
};
void fetch_prepare(struct fetch_task *task, const struct fetch_options *options, const char *what, const char *url, const char *path);

/* `url` with the hub's base replaced by that of the options; the mirror's own address of `path` below it. False: too long. */
bool fetch_url(const struct fetch_options *options, const char *url, char *out, size_t n, struct error *err) MUST_CHECK;
bool fetch_mirror_url(const struct fetch_options *options, const char *path, char *out, size_t n, struct error *err) MUST_CHECK;

/* All pages of the rows API at `url` (without offset and length) into `path`, one a line, complete and in order. */
bool fetch_rows(const struct fetch_options *options, const char *what, const char *url, const char *path, int64_t *bytes,
                struct error *err) MUST_CHECK;

#endif
