/* Fetching sets and models into the cache: the downloader's door. Nothing is ever under its final name that isn't whole and, where a sha256
 * is known, right. */
#ifndef JEOUL_DATASETS_FETCH_H
#define JEOUL_DATASETS_FETCH_H

#include "datasets/datasets.h"

struct patience;

struct fetch_options {
    const char *cache;               // the cache directory; sets go to its data/, models to its models/
    const char *data;                // where sets go instead, as --data DIR of evaluations reads them; NULL: the cache
    const char *mirror;              // the base URL of a served cache directory, asked instead of the publishers; NULL: none
    const char *hub;                 // base URL of the hub; NULL: https://huggingface.co
    const char *token;               // for the hub, and sent to no other host; NULL: none
    bool offline;                    // never touches the network: what is missing is an error
    const struct patience *patience; // NULL: the default
    /* What is going on; `total` −1: not known. NULL: nobody listens. */
    void (*progress)(void *context, const char *what, int64_t done, int64_t total);
    void *context;
};

struct fetch_summary {
    int files, fetched, unchecked; // files in all, those that came now, those of them that no sha256 was known for
    int64_t bytes;                 // that came now
    char notice[512];              // something that isn't an error and should be said; "": nothing
};

/* Fetches every published file of a source that isn't there yet (or is there with another sha256), and its licence: LICENCE.txt with
 * what the source says, LICENSE with its text. */
bool fetch_source(const struct source *source, const struct fetch_options *options, struct fetch_summary *out,
                  struct error *err) MUST_CHECK;

/* How many of a source's published files are there, of how many; the bytes of all those whose size is known, and the number of the
 * others. No sums are made. */
struct fetch_state {
    int present, wanted, unsized;
    int64_t bytes;
};
struct fetch_state fetch_state(const struct source *source, const struct data_places *places);

/* A GGUF model: a URL, "owner/repo" when there is one GGUF in it, "owner/repo:FILE" or "owner/repo:Q4_K_M". All parts of a split file
 * (-00001-of-0000N) are fetched. `sha256` is of the file, NULL: what the hub says. The path of the (first) file into `path`. */
bool fetch_model(const char *reference, const char *sha256, const struct fetch_options *options, char *path, size_t n,
                 struct fetch_summary *out, struct error *err) MUST_CHECK;

#endif
