/* A task's answers by an OpenAI-compatible server: bench's client behind eval's requests. */
#ifndef JEOUL_REMOTE_H
#define JEOUL_REMOTE_H

#include "bench/endpoint.h"
#include "eval/eval.h"
#include "harness/cli.h"

#include <cjson/cJSON.h>

/* What the options are called where they were written, for errors: "--tokenizer", or a plan's "models[1].endpoint.tokenizer". */
struct remote_names {
    char url[80], model[80], tokenizer[80], max_length[80];
};

/* Which server, and how it is asked: from the command line or from a plan. The texts are the caller's. */
struct remote_options {
    const char *url, *model; // model NULL: the only one that it has
    const char *tokenizer;   // a GGUF with the server's own; NULL: it is asked by texts
    bool chat;
    int parallel, timeout_s; // 0: 8 requests, 600 s
    int max_length;          // tokens of a request; 0: as the server or the tokenizer's file tells
    struct remote_names names;
};

struct remote {
    struct remote_options options;
    struct model_file *file; // the tokenizer's
    struct tokenizer *tokenizer;
    struct endpoint *endpoint;
    struct eval_answerer answerer;
    char no_windows[200];
    char key[1024]; // JEOUL_API_KEY, or what JEOUL_API_KEY_FILE holds
};

#define REMOTE_OPTIONS                                                                                                                     \
    {"endpoint", 0, "URL", "ask an OpenAI-compatible server instead of a model file"},                                                     \
        {"endpoint-model", 0, "NAME", "the server's model (the only one that it has)"},                                                    \
        {"tokenizer", 0, "GGUF", "the server's tokenizer: requests are token ids, exact"},                                                 \
        {"chat", 0, NULL, "generation tasks by /v1/chat/completions"}, {"parallel", 0, "N", "requests on their way at once (8)"},          \
    {                                                                                                                                      \
        "timeout", 0, "S", "seconds in which a server may say nothing (600)"                                                               \
    }

/* --endpoint and what goes with it. */
bool remote_options_read(const struct cli *cli, struct remote_options *out, struct error *err) MUST_CHECK;

/* The "endpoint" of a plan's model, which was read strictly there; `at` is its path in the plan. */
struct remote_options remote_options_of_plan(const cJSON *endpoint, const char *at);

/* `remote` is zeroed, and closed by the caller after a failure too. */
bool remote_open(const struct remote_options *options, struct remote *remote, struct error *err) MUST_CHECK;
void remote_close(struct remote *remote);

/* What was asked and how, for the result: address, model, by ids or by texts, whether it scores or why not. */
cJSON *remote_json(const struct remote *remote);

/* Names the answerer in a journal. */
bool remote_describe(const struct remote *remote, char *out, size_t n, struct error *err) MUST_CHECK;

#endif
