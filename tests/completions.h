/* An OpenAI-like server on loopback, for tests: /v1/models, /v1/completions and /v1/chat/completions answered by the engine itself, so that
 * what comes back can be compared with what the engine says. The first part of a path names how it behaves ("/plain/v1/completions"):
 * honestly, like one server or another, or badly. "NAME@N" behaves so from its Nth request on, and honestly before. One thread a
 * connection, one request a connection, one request at a time in the engine.
 *
 * Servers as they were met:
 *
 *     plain             vLLM 0.32: a token's string is the characters that are complete with it, an offset the length of the strings
 *                       before it; the special token before a text is one of them. A text that begins with a part of a character begins
 *                       with U+FFFD, and the character's other parts are empty. A prompt has to leave room for a token, even where none
 *                       is asked for.
 *     llama-cpp-python  0.3.36: takes texts alone. The BOS token is counted, but not listed; without one each value is that of the row
 *                       behind its token, and the last row's token isn't listed. Parts of a character are empty. In top_logprobs the
 *                       token itself takes the place of one of the same name. max_tokens 0 means as many as there is room for, and
 *                       beyond max_tokens it writes until a character that began is whole.
 *     spaced, spaced-llama  the two with a SentencePiece model: the space that it puts before a text counts
 *     narrow            vLLM with a context of 48 tokens */
#ifndef JEOUL_TESTS_COMPLETIONS_H
#define JEOUL_TESTS_COMPLETIONS_H

#include "base/json.h"
#include "base/text.h"
#include "engine/engine.h"
#include "tests/hostile.h"

enum { COMPLETIONS_KINDS = 64, COMPLETIONS_KEPT = 8192 };

struct completions {
    int listener, port;
    struct model_file *file;
    struct engine *engine;
    struct tokenizer *tokenizer;
    pthread_t thread;
    pthread_mutex_t lock;
    char kinds[COMPLETIONS_KINDS][64]; // first parts of paths, and
    int counts[COMPLETIONS_KINDS];     // how many requests each had
    int most_at_once, at_once;
    char head[COMPLETIONS_KEPT], body[COMPLETIONS_KEPT]; // of the last request
};

struct completions_exchange {
    struct completions *server;
    int fd, nth;
    bool gone;
    char kind[64], rest[256];
    struct text head, body;
};

static inline bool completions_is(const struct completions_exchange *x, const char *kind)
{
    size_t n = strcspn(x->kind, "@");
    int from = x->kind[n] ? atoi(x->kind + n + 1) : 1;
    return n == strlen(kind) && memcmp(x->kind, kind, n) == 0 && x->nth >= from;
}

static inline void completions_send(struct completions_exchange *x, int status, const char *more, const char *body, size_t n)
{
    char head[1024];
    snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
             status, more, n);
    hostile_say(x->fd, head);
    hostile_send(x->fd, body, completions_is(x, "cut") && x->nth % 3 == 0 ? n / 2 : n);
}

static inline void completions_refuse(struct completions_exchange *x, int status, const char *message)
{
    char body[512];
    snprintf(body, sizeof body, "{\"error\": {\"message\": \"%s\", \"type\": \"invalid_request_error\"}}", message);
    completions_send(x, status, "", body, strlen(body));
}

/* --- the model ---------------------------------------------------------------------------------------------------------------------------
 */

/* Feeds a list from token `from` on; values[i] and best[i] are of token i as it was predicted, or, `late`, by the row behind it; returns
 * the token that comes next. */
static inline int32_t completions_feed_so(struct engine *engine, int seq, const struct token_list *list, size_t from, double *values,
                                          double *tops, int32_t *best, bool late)
{
    struct error err = {0};
    int32_t next = -1;
    for (size_t i = from; i < list->count; i++) {
        bool last = i + 1 == list->count && !late;
        size_t of = late ? i : i + 1;
        struct engine_target top = {.token = 0};
        struct engine_row row = {.seq = seq, .token = list->ids[i], .want = ENGINE_WANT_SCORE, .target = last ? -1 : list->ids[of]};
        if (!engine_step(engine, &row, 1, &err)) {
            fprintf(stderr, "completions: %s\n", err.message);
            exit(1);
        }
        next = row.argmax;
        if (last || !values)
            continue;
        values[of] = (double)row.log_probability;
        best[of] = row.argmax;
        /* the likeliest token's own value, which vLLM sends beside: by the same row, computed again */
        engine_seq_truncate(engine, seq, (int)i);
        top.token = row.argmax;
        row = (struct engine_row){
            .seq = seq, .token = list->ids[i], .want = ENGINE_WANT_SCORE, .target = list->ids[of], .others = &top, .n_others = 1};
        if (!engine_step(engine, &row, 1, &err))
            exit(1);
        tops[of] = (double)top.log_probability;
    }
    return next;
}

static inline int32_t completions_feed(struct engine *engine, int seq, const struct token_list *list, size_t from, double *values,
                                       double *tops, int32_t *best)
{
    return completions_feed_so(engine, seq, list, from, values, tops, best, false);
}

static inline void completions_token(const struct completions *s, int32_t id, bool empty, struct text *bytes)
{
    size_t n;
    const char *piece = token_bytes(s->tokenizer, id, &n);
    text_add(bytes, piece ? piece : "", piece && !empty ? n : 0);
}

/* Tokens of an echo as they are put into an answer. */
struct completions_echoing {
    struct completions_exchange *x;
    const struct token_list *list;
    const double *values, *tops;
    const int32_t *best;
    size_t first, end;  // tokens that are listed
    struct text *all;   // the text of those that have been
    size_t done, cut;   // bytes of it that are complete; a character that U+FFFD stands for, as far as it is there
    int64_t characters; // the strings' so far
};

/* A token's text as vLLM sends it: the characters that are complete with it. */
static inline char *completions_piece(struct completions_echoing *e, size_t i)
{
    const struct completions *s = e->x->server;
    completions_token(s, e->list->ids[i], completions_is(e->x, "bare") && i == 0 && token_is_control(s->tokenizer, e->list->ids[0]),
                      e->all);
    size_t whole = utf8_invalid_at(e->all->bytes, e->all->length), from = e->done;
    if (i == 0 && whole < e->all->length) {
        e->cut = 1;
        return strdup("\xEF\xBF\xBD");
    }
    if (e->cut && whole > 0) {
        uint32_t point;
        from += (size_t)utf8_decode(e->all->bytes, whole, &point);
        e->cut = 0;
    }
    e->done = whole > e->done ? whole : e->done;
    return strndup(e->all->bytes + from, e->done > from ? e->done - from : 0);
}

/* And as llama-cpp-python does: what of it is text when it stands alone. */
static inline char *completions_alone(const struct completions_exchange *x, int32_t id)
{
    size_t n;
    const char *piece = token_bytes(x->server->tokenizer, id, &n);
    return strndup(piece ? piece : "", piece ? utf8_invalid_at(piece, n) : 0);
}

static inline bool completions_is_llama(const struct completions_exchange *x)
{
    return completions_is(x, "llama-cpp-python") || completions_is(x, "spaced-llama");
}

/* The likeliest token and the token itself, by names: of llama-cpp-python's two of one name the last one stays. */
static inline cJSON *completions_top(const struct completions_echoing *e, size_t i)
{
    cJSON *top = cJSON_CreateObject();
    bool llama = completions_is_llama(e->x);
    for (int which = 0; which < 2; which++) {
        int32_t id = which ? e->list->ids[i] : e->best[i];
        char name[32], *alone = completions_alone(e->x, id);
        snprintf(name, sizeof name, "token_id:%d", (int)id);
        cJSON_DeleteItemFromObjectCaseSensitive(top, llama ? alone : name);
        cJSON_AddNumberToObject(top, llama ? alone : name, which ? e->values[i] : e->tops[i]);
        free(alone);
    }
    return top;
}

static inline void completions_list(struct completions_echoing *e, cJSON *logprobs)
{
    cJSON *tokens = cJSON_AddArrayToObject(logprobs, "tokens"), *numbers = cJSON_AddArrayToObject(logprobs, "token_logprobs"),
          *tops = cJSON_AddArrayToObject(logprobs, "top_logprobs"), *offsets = cJSON_AddArrayToObject(logprobs, "text_offset");
    bool llama = completions_is_llama(e->x), spaced = completions_is(e->x, "spaced") || completions_is(e->x, "spaced-llama");
    size_t begins = e->first + (!e->first && token_is_control(e->x->server->tokenizer, e->list->ids[0])); // the text
    for (size_t i = e->first; i < e->end; i++) {
        int64_t at = e->characters;
        char *piece = llama ? completions_alone(e->x, e->list->ids[i]) : completions_piece(e, i);
        struct text string = {0};
        if (llama) {
            at = (int64_t)utf8_length(e->all->bytes ? e->all->bytes : "", e->done) + (spaced && i > begins);
            completions_token(e->x->server, e->list->ids[i], false, e->all);
            e->done = utf8_invalid_at(e->all->bytes, e->all->length);
        }
        text_format(&string, "%s%s", spaced && i == begins ? " " : "", piece);
        e->characters += (int64_t)utf8_length(string.bytes, string.length);
        at = completions_is(e->x, "offsets") && i == 3 ? at + 5 : completions_is(e->x, "bytes") ? (int64_t)e->done : at;
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        cJSON_AddItemToArray(tokens, cJSON_CreateString(string.bytes));
        bool no_value = i == e->first || (completions_is(e->x, "null") && i + 2 == e->list->count);
        double value = completions_is(e->x, "positive") ? 0.5 : e->values[i];
        cJSON_AddItemToArray(numbers, no_value ? cJSON_CreateNull() : cJSON_CreateNumber(value));
        cJSON_AddItemToArray(tops, i == e->first ? cJSON_CreateNull() : completions_top(e, i));
        text_free(&string);
        free(piece);
    }
    if (completions_is(e->x, "counts"))
        cJSON_DeleteItemFromArray(numbers, 1);
    if (completions_is(e->x, "no-offsets"))
        cJSON_DeleteItemFromObject(logprobs, "text_offset");
}

/* `list` has the prompt's tokens and those that were written. */
static inline cJSON *completions_echo(struct completions_exchange *x, const struct token_list *list, struct text *all)
{
    const struct completions *s = x->server;
    double *values = calloc(2 * list->count + 2, sizeof *values), *tops = values + list->count + 1;
    int32_t *best = calloc(list->count + 1, sizeof *best);
    struct error err = {0};
    bool llama = completions_is_llama(x), bos = list->count && list->ids[0] == tokenizer_info(s->tokenizer).bos;
    struct completions_echoing e = {.x = x,
                                    .list = list,
                                    .values = values,
                                    .tops = tops,
                                    .best = best,
                                    .first = llama && bos,
                                    .end = list->count - (llama && !bos) - 2 * (size_t)completions_is(x, "forgets"),
                                    .all = all};
    cJSON *logprobs = cJSON_CreateObject();
    int seq = engine_seq_new(s->engine, &err);
    completions_feed_so(s->engine, seq, list, 0, values, tops, best, llama && !bos);
    engine_seq_free(s->engine, seq);
    completions_list(&e, logprobs);
    for (size_t i = e.end; i < list->count; i++) // the text has them all
        completions_token(s, list->ids[i], false, all);
    free(values);
    free(best);
    return logprobs;
}

/* Whether another token is written: llama-cpp-python doesn't stop inside a character. */
static inline bool completions_goes_on(const struct completions_exchange *x, size_t written, int most, const struct text *out)
{
    bool inside = completions_is_llama(x) && out->length && utf8_invalid_at(out->bytes, out->length) < out->length;
    return (int)written < most || (inside && written < 4);
}

/* Greedy, up to the first stop or `most` tokens; the tokens are appended to the list. */
static inline void completions_write(struct completions_exchange *x, struct token_list *list, int most, const cJSON *stops,
                                     struct text *out)
{
    const struct completions *s = x->server;
    struct tokenizer_info info = tokenizer_info(s->tokenizer);
    struct error err = {0};
    int seq = engine_seq_new(s->engine, &err);
    size_t from = 0, prompt = list->count;
    while (completions_goes_on(x, list->count - prompt, most, out)) {
        int32_t next = completions_feed(s->engine, seq, list, from, NULL, NULL, NULL);
        from = list->count;
        if (list->count == list->capacity)
            list->ids = realloc(list->ids, (list->capacity += 64) * sizeof *list->ids);
        list->ids[list->count++] = next;
        if (next == info.eos || next == info.eot)
            break;
        if (!token_is_control(s->tokenizer, next))
            completions_token(s, next, false, out);
        const cJSON *stop;
        bool stopped = false;
        cJSON_ArrayForEach(stop, stops) {
            char *found = out->length ? memmem(out->bytes, out->length, stop->valuestring, strlen(stop->valuestring)) : NULL;
            stopped = stopped || found;
            if (found)
                out->length = (size_t)(found - out->bytes);
        }
        if (stopped)
            break;
    }
    engine_seq_free(s->engine, seq);
    for (size_t at; (at = utf8_invalid_at(out->bytes ? out->bytes : "", out->length)) < out->length;) { // as servers do
        struct text mended = {0};
        text_add(&mended, out->bytes, at);
        text_add_string(&mended, "\xEF\xBF\xBD");
        text_add(&mended, out->bytes + at + 1, out->length - at - 1);
        text_free(out);
        *out = mended;
    }
    text_add(out, "", 0);
}

/* --- requests ----------------------------------------------------------------------------------------------------------------------------
 */

static inline void completions_tokens(const struct completions *s, const cJSON *prompt, struct token_list *list)
{
    struct error err = {0};
    const cJSON *id;
    if (cJSON_IsString(prompt) && !tokenize(s->tokenizer, prompt->valuestring, strlen(prompt->valuestring), TOKENIZE_BOS, list, &err))
        exit(1);
    list->capacity = list->count + (size_t)cJSON_GetArraySize(prompt) + 64;
    list->ids = realloc(list->ids, list->capacity * sizeof *list->ids);
    cJSON_ArrayForEach(id, prompt)
        list->ids[list->count++] = id->valueint;
}

/* Server-sent events, a character each, and the usage behind them, as vLLM sends it when it is asked to. "unfinished": without the end,
 * "mumbles": no JSON. */
static inline void completions_stream(struct completions_exchange *x, bool chat, const char *text, const cJSON *usage)
{
    hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: a comment\n\n");
    for (size_t n; *text && !completions_is(x, "says-nothing"); text += n) {
        uint32_t point;
        struct text event = {0};
        n = (size_t)utf8_decode(text, strlen(text), &point);
        char *piece = strndup(text, n);
        cJSON *choice = cJSON_CreateObject(), *root = cJSON_CreateObject();
        cJSON_AddStringToObject(chat ? cJSON_AddObjectToObject(choice, "delta") : choice, chat ? "content" : "text", piece);
        cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "choices"), choice);
        char *printed = cJSON_PrintUnformatted(root);
        text_format(&event, "data: %s\r\n\r\n", completions_is(x, "mumbles") ? "{" : printed);
        hostile_send(x->fd, event.bytes, event.length / 2); // events come in pieces
        hostile_send(x->fd, event.bytes + event.length / 2, event.length - event.length / 2);
        free(piece);
        free(printed);
        cJSON_Delete(root);
        text_free(&event);
    }
    char *counts = cJSON_PrintUnformatted(usage);
    struct text end = {0};
    if (!completions_is(x, "no-usage"))
        text_format(&end, "data: {\"choices\": [], \"usage\": %s}\n\n", counts);
    text_add_string(&end, completions_is(x, "unfinished") ? "\n" : "data: [DONE]\n\n");
    hostile_send(x->fd, end.bytes, end.length);
    text_free(&end);
    free(counts);
}

static inline int completions_length(const struct completions_exchange *x)
{
    return completions_is(x, "narrow") ? 48 : 1024;
}

static inline void completions_answer(struct completions_exchange *x, const cJSON *body, bool chat)
{
    struct token_list list = {0};
    struct text text = {0};
    const cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItem(body, "messages"), 0);
    completions_tokens(x->server, chat ? cJSON_GetObjectItem(message, "content") : cJSON_GetObjectItem(body, "prompt"), &list);
    int most = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(body, "max_tokens"));
    size_t prompt = list.count;
    if (completions_is_llama(x) && most < 1)
        most = 64; // where there is room for more
    most += completions_is(x, "finishes") ? 3 : completions_is(x, "writes-on") ? 4 : 0;
    if (prompt + (size_t)(most > 0 ? most : 1) > (size_t)completions_length(x)) {
        completions_refuse(x, 400, "The decoder prompt plus the number of requested output tokens is longer than the maximum model length");
        token_list_free(&list);
        return;
    }
    cJSON *answer = cJSON_CreateObject(), *choice = cJSON_CreateObject(), *usage = cJSON_CreateObject(), *logprobs = NULL;
    bool echo = cJSON_IsTrue(cJSON_GetObjectItem(body, "echo")) && !completions_is(x, "no-echo");
    if (echo) {
        struct text written = {0};
        completions_write(x, &list, most, NULL, &written);
        text_free(&written);
        logprobs = completions_echo(x, &list, &text);
    } else
        completions_write(x, &list, most, cJSON_GetObjectItem(body, "stop"), &text);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(answer, "choices"), choice);
    if (chat) {
        cJSON *said = cJSON_AddObjectToObject(choice, "message");
        cJSON_AddStringToObject(said, "role", "assistant");
        cJSON_AddStringToObject(said, "content", text.bytes);
    } else {
        size_t whole = utf8_invalid_at(text.bytes, text.length);
        text.bytes[whole] = '\0';
        cJSON_AddStringToObject(choice, "text", text.bytes);
    }
    cJSON_AddItemToObject(choice, "logprobs", logprobs ? logprobs : cJSON_CreateNull());
    if (!completions_is(x, "no-usage")) {
        cJSON_AddNumberToObject(usage, "prompt_tokens", (double)prompt);
        cJSON_AddNumberToObject(usage, "completion_tokens", (double)(list.count - prompt));
    }
    cJSON_AddItemToObject(answer, "usage", usage);
    char *printed = cJSON_PrintUnformatted(answer);
    x->server->at_once--; // before it can be followed by the next
    x->gone = true;
    if (cJSON_IsTrue(cJSON_GetObjectItem(body, "stream")) && !completions_is(x, "never-streams"))
        completions_stream(x, chat, text.bytes, usage);
    else
        completions_send(x, 200, "", printed, strlen(printed));
    free(printed);
    cJSON_Delete(answer);
    token_list_free(&list);
    text_free(&text);
}

static inline bool completions_misbehaves(struct completions_exchange *x)
{
    char value[256], location[512];
    bool third = x->nth % 3 == 0;
    if (completions_is(x, "busy") && third)
        completions_send(x, 429, "Retry-After: 7\r\n", "{}", 2);
    else if (completions_is(x, "busy-for-long"))
        completions_send(x, 429, "Retry-After: 86400\r\n", "{}", 2);
    else if ((completions_is(x, "broken") && third) || completions_is(x, "always-broken"))
        completions_send(x, 503, "", "{}", 2);
    else if (completions_is(x, "garbage") && third)
        completions_send(x, 200, "", "{\"choices\": [", 13);
    else if (completions_is(x, "html"))
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nLogin");
    else if (completions_is(x, "huge")) {
        static const char block[1 << 16];
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        for (int i = 0; i < 2048; i++)
            hostile_send(x->fd, block, sizeof block);
    } else if (completions_is(x, "stall")) {
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{");
        hostile_until_gone(x->fd);
    } else if (completions_is(x, "key") &&
               (!hostile_header(x->head.bytes, "Authorization", value, sizeof value) || strcmp(value, "Bearer sesame") != 0))
        completions_refuse(x, 401, "no key");
    else if (completions_is(x, "near") || completions_is(x, "loop") || completions_is(x, "elsewhere")) {
        snprintf(location, sizeof location, "Location: http://%s:%d/%s%s\r\n", completions_is(x, "elsewhere") ? "localhost" : "127.0.0.1",
                 x->server->port, completions_is(x, "loop") ? "loop" : "plain", x->rest);
        completions_send(x, 307, location, "", 0);
    } else
        return false;
    return true;
}

static inline void completions_models(struct completions_exchange *x)
{
    char one[64];
    static const char two[] = "{\"data\": [{\"id\": \"small\"}, {\"id\": \"large\"}]}";
    snprintf(one, sizeof one, "{\"data\": [{\"id\": \"small\", \"max_model_len\": %d}]}", completions_length(x));
    const char *body = completions_is(x, "two") ? two : one;
    completions_send(x, 200, "", body, strlen(body));
}

static inline void completions_serve(struct completions_exchange *x)
{
    bool chat = strcmp(x->rest, "/v1/chat/completions") == 0;
    cJSON *body = cJSON_Parse(x->body.bytes ? x->body.bytes : "");
    if (completions_misbehaves(x))
        ;
    else if (strcmp(x->rest, "/v1/models") == 0)
        completions_models(x);
    else if ((!chat && strcmp(x->rest, "/v1/completions") != 0) || (completions_is(x, "chat-only") && !chat))
        completions_refuse(x, 404, "Not Found");
    else if (!body)
        completions_refuse(x, 400, "no JSON");
    else if (completions_is(x, "refuses-echo") && cJSON_GetObjectItem(body, "echo"))
        completions_refuse(x, 500, "Only no echo is supported");
    else if (completions_is(x, "no-ids") && cJSON_IsArray(cJSON_GetObjectItem(body, "prompt")))
        completions_refuse(x, 400, "prompt: a string is wanted");
    else if (completions_is_llama(x) && cJSON_IsArray(cJSON_GetObjectItem(body, "prompt")))
        completions_refuse(x, 500, "4 validation errors: Input should be a valid string");
    else {
        pthread_mutex_lock(&x->server->lock);
        completions_answer(x, body, chat);
        pthread_mutex_unlock(&x->server->lock);
    }
    cJSON_Delete(body);
}

static inline void completions_read(struct completions_exchange *x)
{
    char bytes[65536], length[32];
    const char *end = NULL;
    size_t wanted = 0;
    while (!end || x->head.length - (size_t)(end + 4 - x->head.bytes) < wanted) {
        ssize_t got = recv(x->fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            break;
        text_add(&x->head, bytes, (size_t)got);
        end = strstr(x->head.bytes, "\r\n\r\n");
        if (end && hostile_header(x->head.bytes, "Content-Length", length, sizeof length))
            wanted = strtoul(length, NULL, 10);
    }
    if (end)
        text_add_string(&x->body, end + 4);
}

static inline void completions_note(struct completions_exchange *x)
{
    struct completions *s = x->server;
    char path[512] = "";
    sscanf(x->head.bytes ? x->head.bytes : "", "%*s %511s", path);
    size_t n = path[0] ? strcspn(path + 1, "/") : 0;
    snprintf(x->kind, sizeof x->kind, "%.*s", (int)n, path[0] ? path + 1 : "");
    snprintf(x->rest, sizeof x->rest, "%.255s", path[0] ? path + 1 + n : "");
    pthread_mutex_lock(&s->lock);
    snprintf(s->head, sizeof s->head, "%.*s", (int)sizeof s->head - 1, x->head.bytes ? x->head.bytes : "");
    snprintf(s->body, sizeof s->body, "%.*s", (int)sizeof s->body - 1, x->body.bytes ? x->body.bytes : "");
    for (int i = 0; i < COMPLETIONS_KINDS; i++)
        if (!s->kinds[i][0] || strcmp(s->kinds[i], x->kind) == 0) {
            memcpy(s->kinds[i], x->kind, sizeof s->kinds[i]);
            x->nth = ++s->counts[i];
            break;
        }
    s->at_once++;
    s->most_at_once = s->at_once > s->most_at_once ? s->at_once : s->most_at_once;
    pthread_mutex_unlock(&s->lock);
}

static inline void *completions_connection(void *context)
{
    struct completions_exchange *x = context;
    completions_read(x);
    completions_note(x);
    completions_serve(x);
    pthread_mutex_lock(&x->server->lock);
    x->server->at_once -= !x->gone;
    pthread_mutex_unlock(&x->server->lock);
    shutdown(x->fd, SHUT_WR);
    char rest[256]; // closing with unread bytes would reset the connection and take the answer's end with it
    while (recv(x->fd, rest, sizeof rest, 0) > 0)
        ;
    close(x->fd);
    text_free(&x->head);
    text_free(&x->body);
    free(x);
    return NULL;
}

static inline void *completions_accept(void *context)
{
    struct completions *server = context;
    int fd;
    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        struct completions_exchange *x = calloc(1, sizeof *x);
        pthread_t thread;
        x->server = server;
        x->fd = fd;
        if (pthread_create(&thread, NULL, completions_connection, x) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

/* The server lives as long as the process. NULL with err: the model can't be opened or no socket be had. */
static inline struct completions *completions_start(const char *model, struct error *err)
{
    struct completions *s = calloc(1, sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct engine_options options = {.threads = 1, .kv_tokens = 8192, .kv = ENGINE_KV_BF16};
    if (!(s->file = model_file_open(model, err)) || !(s->tokenizer = tokenizer_open(s->file, err)) ||
        !(s->engine = engine_open(s->file, &options, err)))
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(s->listener, 256) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0) {
        (void)error_set_errno(err, "no socket");
        return NULL;
    }
    s->port = ntohs(address.sin_port);
    return pthread_create(&s->thread, NULL, completions_accept, s) == 0 ? s : NULL;
}

#endif
