/* An OpenAI-compatible server that answers: see endpoint.h. Whether it scores is found by endpoint_probe.c. */
#include "bench/endpoint_answer.h"
#include "bench/endpoint_inside.h"

#include "base/http.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1234, MOST_STOPS = 4, DEFAULT_PARALLEL = 8, DEFAULT_STALL_S = 600, MOST_NAMED = 8 };

/* --- one conversation --------------------------------------------------------------------------------------------------------------------
 */

static cJSON *prompt_of(const struct endpoint_question *q)
{
    if (q->text)
        return cJSON_CreateString(q->text);
    cJSON *ids = cJSON_CreateArray();
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < q->n_ids[part]; i++)
            cJSON_AddItemToArray(ids, cJSON_CreateNumber(q->ids[part][i]));
    return ids;
}

void endpoint_add_messages(cJSON *body, const char *text)
{
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "role", "user");
    cJSON_AddStringToObject(message, "content", text);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "messages"), message);
}

bool asking_body(void *context, size_t i, struct text *out, struct error *err)
{
    const struct asking *a = context;
    const struct endpoint *e = a->endpoint;
    const struct endpoint_question *q = &a->questions[i];
    bool score = q->kind == ENDPOINT_SCORE;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "model", e->model);
    if (!score && e->options.chat)
        endpoint_add_messages(body, q->text);
    else
        cJSON_AddItemToObject(body, "prompt", prompt_of(q));
    cJSON_AddNumberToObject(body, "max_tokens", score ? ECHO_ASKS : q->max_tokens);
    cJSON_AddNumberToObject(body, "temperature", 0);
    cJSON_AddNumberToObject(body, "seed", SEED);
    if (score) {
        cJSON_AddTrueToObject(body, "echo");
        cJSON_AddNumberToObject(body, "logprobs", 1);
    }
    int n = 0;
    while (!score && q->stops && q->stops[n] && n < MOST_STOPS)
        n++;
    if (n)
        cJSON_AddItemToObject(body, "stop", cJSON_CreateStringArray(q->stops, n));
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    if (!text)
        return error_set(err, ERROR_MACHINE, "out of memory for a request");
    text_add_string(out, text);
    free(text);
    return true;
}

/* A NUL that a model wrote has no place in a string of ours: U+FFFD, as for a byte that is no text. */
static void mend_nuls(struct text *json)
{
    char *at = json->bytes, *end = json->bytes + json->length;
    while (at < end) {
        if (*at != '\\') {
            at++;
            continue;
        }
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
            memcpy(at, "\\ufffd", 6);
        at += 2;
    }
}

cJSON *endpoint_read(const struct posts_answer *answer, enum posts_verdict *verdict, struct error *err)
{
    char words[300];
    *verdict = POSTS_FAILED;
    if (answer->status != 200) {
        server_words(answer->bytes, words, sizeof words);
        error_set(err, ERROR_INPUT, "%s: the server answers %ld%s%s", answer->shown, answer->status, words[0] ? ": " : "", words);
        return NULL;
    }
    mend_nuls(answer->bytes);
    cJSON *document = json_parse(answer->shown, answer->bytes->bytes, answer->bytes->length, err);
    *verdict = document ? POSTS_TAKEN : POSTS_AGAIN; // damaged on its way
    return document;
}

static enum posts_verdict take(void *context, size_t i, const struct posts_answer *answer, struct error *err)
{
    const struct asking *a = context;
    struct endpoint_question *q = &a->questions[i];
    struct echoed echoed;
    enum posts_verdict verdict;
    cJSON *document = endpoint_read(answer, &verdict, err);
    if (!document)
        return verdict;
    bool ok = q->kind == ENDPOINT_WRITE ? written_read(document, a->endpoint->options.chat, q, err)
                                        : echoed_read(document, q, &echoed, err) && echoed_score(a->endpoint, &echoed, q, err);
    cJSON_Delete(document);
    if (!ok)
        error_prefix(err, "%s", answer->shown);
    return ok && (!a->done || a->done(a->context, i, err)) ? POSTS_TAKEN : POSTS_FAILED;
}

bool endpoint_send(const struct endpoint *e, const char *path, struct posts_place how, const struct posts_work *work, size_t *failed,
                   struct error *err)
{
    char url[600];
    snprintf(url, sizeof url, "%s/%s", e->base, path);
    how.url = url;
    how.origin = e->origin;
    how.url_name = e->options.names.url;
    how.key = e->options.key;
    return posts_run(&how, work, failed, err);
}

bool endpoint_post(const struct endpoint *e, const char *path, const struct posts_work *work, bool probing, size_t *failed,
                   struct error *err)
{
    struct posts_place how = {.parallel = e->options.parallel, .patience = e->options.patience, .probing = probing};
    return endpoint_send(e, path, how, work, failed, err);
}

bool endpoint_ask(struct endpoint *endpoint, struct endpoint_question *questions, size_t n,
                  bool (*done)(void *context, size_t i, struct error *err), void *context, size_t *failed, struct error *err)
{
    struct asking asking = {endpoint, questions, done, context};
    struct posts_work work = {.n = n, .body = asking_body, .take = take, .context = &asking};
    bool chat = n && questions[0].kind == ENDPOINT_WRITE && endpoint->options.chat; // all are of one kind
    return endpoint_post(endpoint, chat ? "chat/completions" : "completions", &work, false, failed, err);
}

/* --- what it offers ----------------------------------------------------------------------------------------------------------------------
 */

static int length_of(const cJSON *model)
{
    const cJSON *length = cJSON_GetObjectItem(model, "max_model_len");
    if (!cJSON_IsNumber(length))
        length = cJSON_GetObjectItem(cJSON_GetObjectItem(model, "meta"), "n_ctx");
    return cJSON_IsNumber(length) && length->valuedouble >= 2 && length->valuedouble < 1e9 ? (int)length->valuedouble : 0;
}

/* The list of models. A server without one is asked by the name that is given. */
static enum posts_verdict take_models(void *context, size_t i, const struct posts_answer *answer, struct error *err)
{
    struct endpoint *e = context;
    struct text names = {0};
    enum posts_verdict verdict = POSTS_TAKEN;
    (void)i;
    if (answer->status != 200 && e->given_model)
        return POSTS_TAKEN;
    cJSON *document = endpoint_read(answer, &verdict, err);
    if (!document)
        return verdict;
    const cJSON *list = cJSON_GetObjectItem(document, "data"), *model;
    int n = 0;
    cJSON_ArrayForEach(model, list) {
        const char *id = json_text(model, "id");
        if (n++ < MOST_NAMED)
            text_format(&names, "%s%.100s", n > 1 ? ", " : "", id);
        if (e->given_model ? strcmp(id, e->model) == 0 : n == 1) {
            snprintf(e->model, sizeof e->model, "%s", id);
            e->context_length = length_of(model);
        }
    }
    if (!e->given_model && n != 1) {
        error_set(err, ERROR_INPUT, "%s: the server lists %d models%s%.500s; name one in %s", answer->shown, n, n ? ": " : "",
                  names.bytes ? names.bytes : "", e->options.names.model);
        verdict = POSTS_FAILED;
    }
    text_free(&names);
    cJSON_Delete(document);
    return verdict;
}

static bool find_model(struct endpoint *e, struct error *err)
{
    struct posts_work work = {.n = 1, .take = take_models, .context = e};
    e->given_model = e->options.model != NULL;
    if (e->given_model && (size_t)snprintf(e->model, sizeof e->model, "%s", e->options.model) >= sizeof e->model)
        return error_set(err, ERROR_INPUT, "%s: %.40s…: the name is too long", e->options.names.model, e->options.model);
    return endpoint_post(e, "models", &work, false, NULL, err);
}

static bool read_address(struct endpoint *e, struct error *err)
{
    const char *url = e->options.url;
    char shown[512];
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    if (n >= sizeof e->base - 4 || !http_origin(url, e->origin, sizeof e->origin))
        return error_set(err, ERROR_INPUT, "%s: %.100s: an address that begins with http:// or https:// is wanted", e->options.names.url,
                         http_shown(url, shown, sizeof shown));
    const char *authority = strstr(url, "://") + 3; // an origin has it
    size_t host = strcspn(authority, "/?#");
    if (strpbrk(url, "?#") || memchr(authority, '@', host))
        return error_set(err, ERROR_INPUT,
                         "%s: %.100s…: an address without user, password, query and fragment is wanted; a key comes from the environment "
                         "variable JEOUL_API_KEY",
                         e->options.names.url, http_shown(url, shown, sizeof shown));
    bool bare = authority + host >= url + n;
    snprintf(e->base, sizeof e->base, "%.*s%s", (int)n, url, bare ? "/v1" : "");
    return true;
}

struct endpoint *endpoint_open(const struct endpoint_options *options, struct error *err)
{
    struct endpoint *e = memory_array(1, sizeof *e, "endpoint", err);
    if (!e)
        return NULL;
    e->options = *options;
    e->options.parallel = options->parallel ? options->parallel : DEFAULT_PARALLEL;
    e->options.patience.stall_s = options->patience.stall_s ? options->patience.stall_s : DEFAULT_STALL_S;
    snprintf(e->no_first, sizeof e->no_first, "the server has no log-probability for the first token of a text; name its tokenizer in %s",
             options->names.tokenizer);
    if (read_address(e, err) && find_model(e, err) && endpoint_probe(e, err))
        return e;
    endpoint_close(e);
    return NULL;
}

void endpoint_close(struct endpoint *endpoint)
{
    free(endpoint);
}

struct endpoint_facts endpoint_facts(const struct endpoint *e)
{
    return (struct endpoint_facts){
        .url = e->base, .model = e->model, .context_length = e->context_length, .scores = e->scores, .no_scores = e->no_scores};
}
