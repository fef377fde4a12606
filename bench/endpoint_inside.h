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
    char no_first[256]; // why a text's first token has no value
};

/* Questions on their way. */
struct asking {
    struct endpoint *endpoint;
    struct endpoint_question *questions;
    bool (*done)(void *context, size_t i, struct error *err);
    void *context;
};

/* The body of question i of an asking; what posts_work wants. */
bool asking_body(void *context, size_t i, struct text *out, struct error *err);

/* Sends requests to a path of the server; `how` says how many at once and how patiently, the address is filled in. */
bool endpoint_send(const struct endpoint *endpoint, const char *path, struct posts_place how, const struct posts_work *work, size_t *failed,
                   struct error *err) MUST_CHECK;

/* The same, as many at once and as patiently as its options say. */
bool endpoint_post(const struct endpoint *endpoint, const char *path, const struct posts_work *work, bool probing, size_t *failed,
                   struct error *err) MUST_CHECK;

/* An answer as JSON; NULL with *verdict and err. */
cJSON *endpoint_read(const struct posts_answer *answer, enum posts_verdict *verdict, struct error *err);

/* Finds whether the server scores texts, and how it has to be asked; false: it isn't one that can be spoken to, or another model's
 * tokenizer was named. */
bool endpoint_probe(struct endpoint *endpoint, struct error *err) MUST_CHECK;

/* One message of a user's. */
void endpoint_add_messages(cJSON *body, const char *text);

#endif
