/* A load on a server: see endpoint.h. Answers are streamed as server-sent events, so that the first and the last piece of text have a time
 * of their own:
 *
 *     data: {"choices": [{"text": "…"}], "usage": {…}}
 *     data: [DONE]
 */
#include "bench/endpoint_answer.h"
#include "bench/endpoint_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An answer under way. */
struct stream {
    struct text line, written;
    bool done, damaged;
    double prompt_tokens, written_tokens; // NaN: not told
};

struct loading {
    const struct endpoint *endpoint;
    const struct endpoint_load *load;
    struct endpoint_timing *timings;
    struct stream *streams;
};

static void add_prompt(const struct endpoint_load *load, size_t i, struct text *out)
{
    static const char *const words[] = {"저울", "무게를", "재는",  "사람은", "값을", "두",  "번", "본다",
                                        "the",  "scales", "weigh", "what",   "you",  "put", "on", "them"};
    struct random random = random_seed(load->seed, i);
    text_format(out, "%016" PRIx64, random_u64(&random));
    for (int w = 1; w < load->words; w++)
        text_format(out, " %s", words[random_below(&random, sizeof words / sizeof *words)]);
}

static bool write_body(void *context, size_t i, struct text *out, struct error *err)
{
    const struct loading *l = context;
    struct text prompt = {0};
    add_prompt(l->load, i, &prompt);
    if (!text_ok(&prompt, err))
        return false;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "model", l->endpoint->model);
    if (l->endpoint->options.chat)
        endpoint_add_messages(body, prompt.bytes);
    else
        cJSON_AddStringToObject(body, "prompt", prompt.bytes);
    cJSON_AddNumberToObject(body, "max_tokens", l->load->max_tokens);
    cJSON_AddNumberToObject(body, "temperature", 0);
    cJSON_AddTrueToObject(body, "stream");
    cJSON_AddTrueToObject(cJSON_AddObjectToObject(body, "stream_options"), "include_usage");
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    text_free(&prompt);
    text_add_string(out, text ? text : "");
    free(text);
    return out->length > 0 || error_set(err, ERROR_MACHINE, "out of memory for a request");
}

/* --- events ------------------------------------------------------------------------------------------------------------------------------
 */

static void sent(void *context, size_t i)
{
    const struct loading *l = context;
    struct stream *stream = &l->streams[i];
    text_clear(&stream->line);
    text_clear(&stream->written);
    stream->done = stream->damaged = false;
    stream->prompt_tokens = stream->written_tokens = (double)NAN;
    l->timings[i] = (struct endpoint_timing){.sent_ns = clock_ns(), .prompt_tokens = -1, .written_tokens = -1};
}

static void take_event(const struct loading *l, size_t i, const char *json, uint64_t now)
{
    struct stream *stream = &l->streams[i];
    cJSON *event = cJSON_Parse(json);
    const cJSON *choice = cJSON_GetArrayItem(cJSON_GetObjectItem(event, "choices"), 0), *usage = cJSON_GetObjectItem(event, "usage");
    const char *text = l->endpoint->options.chat ? json_text(cJSON_GetObjectItem(choice, "delta"), "content") : json_text(choice, "text");
    stream->damaged |= !event;
    if (*text) {
        struct endpoint_timing *timing = &l->timings[i];
        timing->first_ns = timing->first_ns ? timing->first_ns : now;
        timing->last_ns = now;
        text_add_string(&stream->written, text);
    }
    if (cJSON_IsObject(usage)) {
        stream->prompt_tokens = json_real(usage, "prompt_tokens");
        stream->written_tokens = json_real(usage, "completion_tokens");
    }
    cJSON_Delete(event);
}

static void take_line(const struct loading *l, size_t i, uint64_t now)
{
    struct stream *stream = &l->streams[i];
    struct text *line = &stream->line;
    if (line->length && line->bytes[line->length - 1] == '\r')
        line->bytes[--line->length] = '\0';
    if (line->length < 5 || memcmp(line->bytes, "data:", 5) != 0)
        return;
    const char *value = line->bytes + 5 + strspn(line->bytes + 5, " ");
    if (strcmp(value, "[DONE]") == 0)
        stream->done = true;
    else
        take_event(l, i, value, now);
}

static void arrived(void *context, size_t i, const char *bytes, size_t n)
{
    const struct loading *l = context;
    uint64_t now = clock_ns();
    for (const char *end = bytes + n, *next; bytes < end; bytes = next) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        next = newline ? newline + 1 : end;
        text_add(&l->streams[i].line, bytes, (size_t)((newline ? newline : end) - bytes));
        if (newline) {
            take_line(l, i, now);
            text_clear(&l->streams[i].line);
        }
    }
}

/* --- answers -----------------------------------------------------------------------------------------------------------------------------
 */

static int count_of(double told)
{
    return told >= 0 && told < 1e9 ? (int)told : -1;
}

/* What was written, by the server's own tokenizer where it is here. */
static bool count_written(const struct loading *l, size_t i, struct error *err)
{
    struct token_list list = {0};
    struct stream *stream = &l->streams[i];
    struct endpoint_timing *timing = &l->timings[i];
    timing->prompt_tokens = count_of(stream->prompt_tokens);
    timing->written_tokens = count_of(stream->written_tokens);
    if (!l->endpoint->options.tokenizer)
        return true;
    bool ok =
        !stream->written.length || tokenize(l->endpoint->options.tokenizer, stream->written.bytes, stream->written.length, 0, &list, err);
    timing->written_tokens = (int)list.count;
    token_list_free(&list);
    return ok;
}

static enum posts_verdict take(void *context, size_t i, const struct posts_answer *answer, struct error *err)
{
    const struct loading *l = context;
    const struct stream *stream = &l->streams[i];
    char words[300];
    bool ok;
    if (answer->status != 200) {
        server_words(answer->bytes, words, sizeof words);
        ok = error_set(err, ERROR_INPUT, "%s: the server answers %ld%s%s", answer->shown, answer->status, words[0] ? ": " : "", words);
    } else if (stream->damaged)
        ok = error_set(err, ERROR_INPUT, "%s: an event of the stream is no JSON", answer->shown);
    else if (!l->timings[i].first_ns && !stream->done)
        ok = error_set(err, ERROR_INPUT, "%s: nothing was streamed: a server that answers \"stream\" with events is wanted", answer->shown);
    else if (!stream->done)
        ok = error_set(err, ERROR_INPUT, "%s: the stream ends without its [DONE]", answer->shown);
    else
        ok = text_ok(&stream->written, err) && text_ok(&stream->line, err) && count_written(l, i, err);
    return ok ? POSTS_TAKEN : POSTS_FAILED;
}

bool endpoint_load(struct endpoint *endpoint, const struct endpoint_load *load, struct endpoint_timing *timings, struct error *err)
{
    struct loading l = {endpoint, load, timings, memory_array((size_t)load->requests, sizeof *l.streams, "requests", err)};
    if (!l.streams)
        return false;
    struct posts_work work = {
        .n = (size_t)load->requests, .body = write_body, .take = take, .sent = sent, .arrived = arrived, .context = &l};
    struct posts_place how = {.parallel = load->parallel, .patience = endpoint->options.patience};
    how.patience.attempts = 1;
    size_t failed = 0;
    bool ok = endpoint_send(endpoint, endpoint->options.chat ? "chat/completions" : "completions", how, &work, &failed, err) ||
              error_prefix(err, "request %zu of the load", failed + 1);
    for (int i = 0; i < load->requests; i++) {
        text_free(&l.streams[i].line);
        text_free(&l.streams[i].written);
    }
    free(l.streams);
    return ok;
}
