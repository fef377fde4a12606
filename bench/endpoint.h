/* An OpenAI-compatible server as something that answers: how likely a text is after another one, and what it writes. The second door of the
 * room, for those who speak to endpoints.
 *
 * What servers offer differs, so endpoint_open asks: whether /v1/completions echoes the prompt with log-probabilities (vLLM does,
 * llama.cpp's server refuses), whether they are those of the tokens that they stand beside (llama-cpp-python's are not where no BOS token
 * is put before the text) and whether it takes token ids and counts them as we do. */
#ifndef JEOUL_BENCH_ENDPOINT_H
#define JEOUL_BENCH_ENDPOINT_H

#include "base/patience.h"
#include "base/text.h"
#include "engine/engine.h"

/* What the options are called where they were written, for errors: "--tokenizer" on a command line, "models[1].endpoint.tokenizer" in a
 * plan. */
struct endpoint_names {
    const char *url, *model, *tokenizer;
};

struct endpoint_options {
    const char *url;                   // "http://host:8000" (then /v1 is meant) or with a path: "https://host/openai/v1"
    const char *model;                 // NULL: the only one that the server lists
    const char *key;                   // sent to this server alone and never shown; NULL: none
    const struct tokenizer *tokenizer; // the server's own, so that requests are token ids; NULL: requests are texts
    bool chat;                         // what is written is asked by /v1/chat/completions
    int parallel;                      // requests on their way at once; 0: 8
    struct endpoint_names names;       // live as long as the endpoint
    struct patience patience;          // stall_s: 600 here, a server that writes 256 tokens says nothing until it has them
};

struct endpoint;

/* ERROR_INPUT: no usable address, a model that isn't named and can't be known, a key that is wanted, a tokenizer that isn't the server's.
 */
struct endpoint *endpoint_open(const struct endpoint_options *options, struct error *err) MUST_CHECK;
void endpoint_close(struct endpoint *endpoint); // NULL is allowed

/* What was found; lives as long as the endpoint. */
struct endpoint_facts {
    const char *url; // without what is secret
    const char *model;
    int context_length;    // tokens; 0: the server doesn't tell
    bool scores;           // it tells how likely a text is
    const char *no_scores; // why not, in words; "" when it does
};
struct endpoint_facts endpoint_facts(const struct endpoint *endpoint);

enum endpoint_kind {
    ENDPOINT_SCORE, // how likely what is scored is, after what stands before it
    ENDPOINT_WRITE, // what the model writes behind the text
};

struct endpoint_question {
    enum endpoint_kind kind;
    const char *text;      // UTF-8; with a tokenizer NULL: the ids are asked
    size_t from;           // SCORE by text: the byte where what is scored begins
    const int32_t *ids[2]; // by ids: [n_ids[0]] what stands before, [n_ids[1]] what is scored
    int n_ids[2];
    int max_tokens;           // WRITE
    const char *echo;         // SCORE by ids: the text that they are; NULL: not checked
    const char *const *stops; // WRITE: NULL-terminated; the caller cuts at them too, as a server may take but four of them
    /* answers */
    double log_probability; // SCORE: Σ ln p over the scored tokens, in their order
    bool greedy;            // SCORE: each of them is the most likely one
    int before, count;      // SCORE: tokens before, tokens scored; WRITE: prompt and written, −1 where the server doesn't tell
    bool inside_token;      // SCORE by text: a token lies over the place where what is scored begins; it is scored too
    bool foreign;           // SCORE by ids with `echo`: they are another text to the server
    const char *missing;    // SCORE: why there is no answer (the server gives no value for a scored token); NULL: there is one
    struct text written;    // WRITE: text_free
};

/* Answers n questions, in any order, and calls done for each; false stops. *failed: the question that went wrong. */
bool endpoint_ask(struct endpoint *endpoint, struct endpoint_question *questions, size_t n,
                  bool (*done)(void *context, size_t i, struct error *err), void *context, size_t *failed, struct error *err) MUST_CHECK;

/* --- Load --------------------------------------------------------------------------------------------------------------------------------
 */

/* So many requests, of which `parallel` are always on their way: each is sent when the one before it in its place is done (multi-stream).
 */
struct endpoint_load {
    int words;      // of a prompt, drawn by the seed; no two begin alike, so that no cache of prefixes helps
    int max_tokens; // to be written; the server may stop earlier
    int requests, parallel;
    uint64_t seed;
};

/* One request of a load; times of the monotonic clock. */
struct endpoint_timing {
    uint64_t sent_ns, first_ns, last_ns; // the request; the first and the last text that came, 0: it wrote nothing
    int prompt_tokens, written_tokens; // as the server counts them, what was written by the endpoint's tokenizer if it has one; −1: unknown
};

/* Streams the answers of a load into timings[requests]. Nothing is tried again: a request that fails ends it, with what the server said. */
bool endpoint_load(struct endpoint *endpoint, const struct endpoint_load *load, struct endpoint_timing *timings,
                   struct error *err) MUST_CHECK;

#endif
