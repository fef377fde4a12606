/* What the files of the endpoint share. Private to bench. */
#ifndef JEOUL_BENCH_ENDPOINT_INSIDE_H
#define JEOUL_BENCH_ENDPOINT_INSIDE_H

#include "bench/endpoint.h"
#include "bench/posts.h"

#include <cjson/cJSON.h>

struct endpoint {
    struct endpoint_options options;
    char base[512], origin[512], model[256];
    bool given_model;
    int context_length;
    bool scores;
    char no_scores[1024];
    int score_max_tokens;
    char no_first[256]; // why a text's first token has no value
};

/* Sends requests to a path of the server; `how` says how many at once and how patiently, the address is filled in. */
bool endpoint_send(const struct endpoint *endpoint, const char *path, struct posts_place how, const struct posts_work *work, size_t *failed,
                   struct error *err) MUST_CHECK;

/* One message of a user's. */
void endpoint_add_messages(cJSON *body, const char *text);

#endif
