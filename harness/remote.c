/* Answers by a server: see remote.h. */
#include "harness/remote.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "harness/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BESIDE_SCORED = 2 }; // tokens beside those that an engine is fed: the last one, and the one that servers want room to write for

/* --- requests as questions ---------------------------------------------------------------------------------------------------------------
 */

struct asked {
    struct endpoint_question *questions;
    struct request *requests;
    bool (*done)(void *context, struct request *request, struct error *err);
    void *context;
};

static struct endpoint_question question_of(const struct request *r)
{
    return (struct endpoint_question){.kind = r->kind == REQUEST_SCORE ? ENDPOINT_SCORE : ENDPOINT_WRITE,
                                      .text = r->whole,
                                      .from = r->whole_context,
                                      .ids = {r->context, r->continuation},
                                      .n_ids = {r->n_context, r->n_continuation},
                                      .max_tokens = r->max_tokens,
                                      .stops = r->stops};
}

static bool take(void *context, size_t i, struct error *err)
{
    struct asked *asked = context;
    struct endpoint_question *q = &asked->questions[i];
    struct request *r = &asked->requests[i];
    r->log_likelihood = q->log_probability;
    r->greedy = q->greedy;
    r->inside_token = q->inside_token;
    r->missing = q->missing;
    r->text = q->written; // its memory goes with it
    q->written = (struct text){0};
    r->generated = q->count;
    if (r->whole) {
        r->n_context = q->before;
        r->n_continuation = r->kind == REQUEST_SCORE ? q->count : 0;
    }
    return asked->done(asked->context, r, err);
}

static bool answer(void *self, struct request *requests, size_t n, bool (*done)(void *context, struct request *request, struct error *err),
                   void *context, size_t *failed, struct error *err)
{
    struct remote *remote = self;
    struct asked asked = {memory_array(n, sizeof *asked.questions, "requests", err), requests, done, context};
    if (!asked.questions)
        return false;
    for (size_t i = 0; i < n; i++)
        asked.questions[i] = question_of(&requests[i]);
    bool ok = endpoint_ask(remote->endpoint, asked.questions, n, take, &asked, failed, err);
    for (size_t i = 0; i < n; i++)
        text_free(&asked.questions[i].written);
    free(asked.questions);
    return ok;
}

/* --- opening -----------------------------------------------------------------------------------------------------------------------------
 */

/* The key is used and never shown: what is wrong with it is said without it. */
static bool read_key(struct remote *remote, struct error *err)
{
    const char *key = getenv("JEOUL_API_KEY"), *path = getenv("JEOUL_API_KEY_FILE");
    struct text text = {0};
    bool given = key && *key;
    if (!given && (!path || !*path))
        return true;
    if (given)
        text_add_string(&text, key);
    else if (!file_read(path, 1 << 16, &text, err))
        return error_prefix(err, "JEOUL_API_KEY_FILE");
    while (text.length && strchr(" \t\r\n", text.bytes[text.length - 1]))
        text.bytes[--text.length] = '\0';
    bool ok = text_ok(&text, err);
    for (size_t i = 0; ok && i < text.length; i++)
        if ((unsigned char)text.bytes[i] <= 0x20 || (unsigned char)text.bytes[i] >= 0x7F)
            ok = error_set(err, ERROR_INPUT, "%s has a space, a line end or another character that keys don't have",
                           given ? "JEOUL_API_KEY" : path);
    if (ok && text.length >= sizeof remote->key - 64)
        ok = error_set(err, ERROR_INPUT, "%s is longer than a key can be", given ? "JEOUL_API_KEY" : path);
    if (ok && text.length)
        memcpy(remote->key, text.bytes, text.length + 1);
    if (text.bytes)
        memset(text.bytes, 0, text.length);
    text_free(&text);
    return ok;
}

static bool open_its_tokenizer(struct remote *remote, struct error *err)
{
    const char *path = remote->options.tokenizer;
    return !path || ((remote->file = model_file_open(path, err)) && (remote->tokenizer = tokenizer_open(remote->file, err))) ||
           error_prefix(err, "%s", remote->options.names.tokenizer);
}

/* What the server says, or else what the tokenizer's file does: a vocabulary alone says nothing (0). */
static int length_of(const struct remote *remote, int told)
{
    struct model_info info;
    struct error ignored = {0};
    bool known = !told && remote->file && model_file_info(remote->file, &info, &ignored);
    return known ? info.context_length : told;
}

bool remote_options_read(const struct cli *cli, struct remote_options *out, struct error *err)
{
    int64_t parallel, stall, length;
    if (!cli_number(cli, "parallel", 1, 256, 0, &parallel, err) || !cli_number(cli, "timeout", 1, 86400, 0, &stall, err) ||
        !cli_number(cli, "max-length", 2, 1 << 24, 0, &length, err))
        return false;
    *out = (struct remote_options){.url = cli_text(cli, "endpoint", ""),
                                   .model = cli_text(cli, "endpoint-model", NULL),
                                   .tokenizer = cli_text(cli, "tokenizer", NULL),
                                   .chat = cli_flag(cli, "chat"),
                                   .parallel = (int)parallel,
                                   .timeout_s = (int)stall,
                                   .max_length = (int)length,
                                   .names = {"--endpoint", "--endpoint-model", "--tokenizer", "--max-length"}};
    return true;
}

struct remote_options remote_options_of_plan(const cJSON *endpoint, const char *at)
{
    static const char *const numbers[] = {"parallel", "timeout_s", "max_length"};
    struct remote_options out = {.url = json_text(endpoint, "url"),
                                 .model = cJSON_GetStringValue(cJSON_GetObjectItem(endpoint, "model")),
                                 .tokenizer = cJSON_GetStringValue(cJSON_GetObjectItem(endpoint, "tokenizer")),
                                 .chat = cJSON_IsTrue(cJSON_GetObjectItem(endpoint, "chat"))};
    int *const values[] = {&out.parallel, &out.timeout_s, &out.max_length};
    for (int i = 0; i < 3; i++) {
        const cJSON *number = cJSON_GetObjectItem(endpoint, numbers[i]);
        *values[i] = number ? number->valueint : 0;
    }
    snprintf(out.names.url, sizeof out.names.url, "%s.url", at);
    snprintf(out.names.model, sizeof out.names.model, "%s.model", at);
    snprintf(out.names.tokenizer, sizeof out.names.tokenizer, "%s.tokenizer", at);
    snprintf(out.names.max_length, sizeof out.names.max_length, "%s.max_length", at);
    return out;
}

bool remote_open(const struct remote_options *given, struct remote *remote, struct error *err)
{
    remote->options = *given;
    if (!read_key(remote, err) || !open_its_tokenizer(remote, err))
        return false;
    struct endpoint_options options = {.url = given->url,
                                       .model = given->model,
                                       .key = remote->key[0] ? remote->key : NULL,
                                       .tokenizer = remote->tokenizer,
                                       .chat = given->chat,
                                       .parallel = given->parallel,
                                       .names = {remote->options.names.url, remote->options.names.model, remote->options.names.tokenizer},
                                       .patience = {.stall_s = given->timeout_s}};
    if (!(remote->endpoint = endpoint_open(&options, err)))
        return false;
    struct endpoint_facts facts = endpoint_facts(remote->endpoint);
    snprintf(remote->no_windows, sizeof remote->no_windows, "windows over a text are cut by tokens; name the server's tokenizer in %s",
             given->names.tokenizer);
    int length = length_of(remote, facts.context_length);
    remote->answerer = (struct eval_answerer){.tokenizer = remote->tokenizer,
                                              .max_length = length,
                                              .score_length = length > BESIDE_SCORED ? length - BESIDE_SCORED : length,
                                              .writes_by_text = options.chat,
                                              .no_scores = facts.scores ? NULL : facts.no_scores,
                                              .no_windows = remote->tokenizer ? NULL : remote->no_windows,
                                              .answer = answer,
                                              .self = remote};
    return remote->answerer.max_length || !remote->tokenizer || given->max_length ||
           error_set(err, ERROR_INPUT, "neither the server nor %s says how many tokens the model takes; name it in %s", given->tokenizer,
                     given->names.max_length);
}

void remote_close(struct remote *remote)
{
    endpoint_close(remote->endpoint);
    tokenizer_close(remote->tokenizer);
    model_file_close(remote->file);
    memset(remote, 0, sizeof *remote);
}

/* --- what is told ------------------------------------------------------------------------------------------------------------------------
 */

cJSON *remote_json(const struct remote *remote)
{
    struct endpoint_facts facts = endpoint_facts(remote->endpoint);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "url", facts.url);
    cJSON_AddStringToObject(json, "model", facts.model);
    cJSON_AddStringToObject(json, "asked_by", remote->tokenizer ? "token ids" : "text");
    cJSON_AddStringToObject(json, "generation", remote->answerer.writes_by_text ? "chat/completions" : "completions");
    cJSON_AddBoolToObject(json, "scores_texts", facts.scores);
    if (!facts.scores)
        cJSON_AddStringToObject(json, "scores_texts_reason", facts.no_scores);
    return json;
}

bool remote_describe(const struct remote *remote, char *out, size_t n, struct error *err)
{
    char fingerprint[65] = "text";
    struct endpoint_facts facts = endpoint_facts(remote->endpoint);
    const char *path = remote->options.tokenizer;
    return (!path || open_fingerprint(path, fingerprint, err)) &&
           (snprintf(out, n, "%s %s %s %s", facts.url, facts.model, fingerprint, remote->answerer.writes_by_text ? "chat" : "") < (int)n ||
            error_set(err, ERROR_INPUT, "%s: address and model's name are too long", facts.url));
}
