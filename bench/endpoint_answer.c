/* Answers read: see endpoint_answer.h. Nothing is believed: every array has to have the length of the others, every number has to be one
 * that a log-probability can be, and text offsets have to come out at the end of the text that was sent. */
#include "bench/endpoint_answer.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const cJSON *first_choice(const cJSON *answer)
{
    return cJSON_GetArrayItem(member(answer, "choices"), 0);
}

static int count_of(const cJSON *answer, const char *key)
{
    const cJSON *value = member(member(answer, "usage"), key);
    return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < 1e9 ? (int)value->valuedouble : -1;
}

/* --- scores ------------------------------------------------------------------------------------------------------------------------------
 */

/* How many of n tokens are the prompt's: those that were written come behind them, and some servers send them and some don't. */
static bool count_prompt(const cJSON *answer, int n, int wrote, int *out, struct error *err)
{
    int prompt = count_of(answer, "prompt_tokens");
    *out = prompt >= 0 ? prompt : n - wrote;
    return (*out >= 1 && *out <= n && n - *out <= wrote) ||
           error_set(err, ERROR_INPUT, "the server sent %d log-probabilities for a prompt of %d tokens and %d written", n, *out, wrote);
}

bool echoed_read(const cJSON *answer, int wrote, const struct endpoint_question *question, struct echoed *out, struct error *err)
{
    const cJSON *choice = first_choice(answer), *logprobs = member(choice, "logprobs");
    *out = (struct echoed){.values = member(logprobs, "token_logprobs"),
                           .tokens = member(logprobs, "tokens"),
                           .offsets = member(logprobs, "text_offset"),
                           .tops = member(logprobs, "top_logprobs"),
                           .text = cJSON_GetStringValue(member(choice, "text"))};
    if (!cJSON_IsObject(choice))
        return error_set(err, ERROR_INPUT, "the server's answer has no choices[0]");
    const char *text = question->text ? question->text : question->echo;
    bool echoes = !text || !out->text || strstr(out->text, text);
    if (!cJSON_IsArray(out->values))
        return error_set(err, ERROR_INPUT,
                         echoes ? "the server sends no log-probabilities (logprobs.token_logprobs)"
                                : "the server ignores echo: it does not send the prompt back");
    int n = cJSON_GetArraySize(out->values);
    if (n <= wrote || (question->text && !echoes))
        return error_set(err, ERROR_INPUT, "the server ignores echo: it sends log-probabilities of what it writes, not of the prompt");
    if (!cJSON_IsArray(out->tokens) || cJSON_GetArraySize(out->tokens) != n)
        return error_set(err, ERROR_INPUT, "the server sent %d log-probabilities for %d tokens", n, cJSON_GetArraySize(out->tokens));
    if (!cJSON_IsArray(out->tops) || cJSON_GetArraySize(out->tops) != n)
        return error_set(err, ERROR_INPUT, "the server sent %d log-probabilities and top_logprobs of %d tokens", n,
                         cJSON_GetArraySize(out->tops));
    if (!cJSON_IsArray(out->offsets))
        out->offsets = NULL;
    else if (cJSON_GetArraySize(out->offsets) != n)
        return error_set(err, ERROR_INPUT, "the server sent %d log-probabilities and %d text offsets", n, cJSON_GetArraySize(out->offsets));
    return count_prompt(answer, n, wrote, &out->n, err);
}

/* Whether a token is as likely as the likeliest that the server names; of no use where it names none. */
static bool is_best(const cJSON *top, double value, bool *named)
{
    const cJSON *one;
    bool best = true;
    *named = false;
    cJSON_ArrayForEach(one, top) {
        if (!cJSON_IsNumber(one))
            return *named = false;
        best = best && value >= one->valuedouble;
        *named = true;
    }
    return best;
}

/* Sums tokens first … n − 1. */
static bool sum(const struct endpoint *endpoint, const struct echoed *e, int first, struct endpoint_question *q, struct error *err)
{
    const cJSON *value = cJSON_GetArrayItem(e->values, first), *top = cJSON_GetArrayItem(e->tops, first);
    q->log_probability = 0;
    q->greedy = true;
    q->before = first;
    q->count = e->n - first;
    for (int i = first; i < e->n; i++, value = value->next, top = top->next) {
        bool named;
        if (cJSON_IsNull(value)) {
            q->missing = i == 0 ? endpoint->no_first : "the server has no log-probability for a token";
            return true;
        }
        if (!cJSON_IsNumber(value) || !(value->valuedouble <= 1e-3))
            return error_set(err, ERROR_INPUT, "the server's log-probability of token %d is no number that one can be", i + 1);
        q->log_probability += value->valuedouble;
        q->greedy = is_best(top, value->valuedouble, &named) && q->greedy;
        if (!named)
            return error_set(err, ERROR_INPUT, "the server's top_logprobs of token %d name no token", i + 1);
    }
    return true;
}

static int64_t offset_of(const cJSON *offset)
{
    return cJSON_IsNumber(offset) && offset->valuedouble >= 0 && offset->valuedouble < 1e9 ? (int64_t)offset->valuedouble : -1;
}

static const char *token_at(const struct echoed *e, int i)
{
    const char *token = cJSON_GetStringValue(cJSON_GetArrayItem(e->tokens, i));
    return token ? token : "";
}

/* Offsets count characters from the first token's beginning, which may be a special token that the server put before the text: *shift is
 * its length where it is counted. They have to come out at the text's end. */
static bool find_shift(const struct endpoint *endpoint, const struct echoed *e, const char *text, int64_t *shift, struct error *err)
{
    int64_t length = (int64_t)utf8_length(text, strlen(text)), last = 0;
    const char *end = token_at(e, e->n - 1), *first = token_at(e, 0);
    const cJSON *offset = e->offsets->child;
    for (int i = 0; i < e->n; i++, offset = offset->next) {
        int64_t at = offset_of(offset);
        if (at < last)
            return error_set(err, ERROR_INPUT, "the server's text offset of token %d does not follow the one before", i + 1);
        last = at;
    }
    *shift = last + (int64_t)utf8_length(end, strlen(end)) - length;
    bool special = *shift == (int64_t)utf8_length(first, strlen(first)) && e->n > 1;
    return *shift == 0 || special ||
           error_set(err, ERROR_INPUT,
                     "the server's text offsets end at character %lld of %lld; name its tokenizer in %s, so that they aren't needed",
                     (long long)(length + *shift), (long long)length, endpoint->options.names.tokenizer);
}

static bool score_by_offsets(const struct endpoint *endpoint, const struct echoed *e, struct endpoint_question *q, struct error *err)
{
    int64_t shift, from = (int64_t)utf8_length(q->text, q->from);
    if (!e->offsets)
        return error_set(err, ERROR_INPUT, "the server sends no text_offset; name its tokenizer in %s, so that it isn't needed",
                         endpoint->options.names.tokenizer);
    if (!find_shift(endpoint, e, q->text, &shift, err))
        return false;
    int first = 0;
    bool special = shift > 0 || strncmp(q->text, token_at(e, 0), strlen(token_at(e, 0))) != 0; // put before the text by the server
    if (special)
        first++;
    const cJSON *token = cJSON_GetArrayItem(e->tokens, first), *offset = cJSON_GetArrayItem(e->offsets, first);
    while (first < e->n) {
        const char *bytes = cJSON_GetStringValue(token);
        int64_t at = (int64_t)offset->valuedouble - shift, end = at + (bytes ? (int64_t)utf8_length(bytes, strlen(bytes)) : 0);
        if (at >= from || end > from) {
            q->inside_token = at < from;
            break;
        }
        first++;
        token = token->next;
        offset = offset->next;
    }
    return first < e->n ? sum(endpoint, e, first, q, err)
                        : error_set(err, ERROR_INPUT, "none of the server's tokens lies in what is scored");
}

bool echoed_score(const struct endpoint *endpoint, const struct echoed *echoed, struct endpoint_question *question, struct error *err)
{
    int wanted = question->n_ids[0] + question->n_ids[1];
    if (question->text)
        return score_by_offsets(endpoint, echoed, question, err);
    question->foreign = question->echo && echoed->text && !strstr(echoed->text, question->echo);
    if (echoed->n != wanted)
        return error_set(err, ERROR_INPUT, "%d token ids were sent, the server answers for %d tokens", wanted, echoed->n);
    return sum(endpoint, echoed, question->n_ids[0], question, err);
}

/* --- texts -------------------------------------------------------------------------------------------------------------------------------
 */

bool written_read(const cJSON *answer, bool chat, struct endpoint_question *question, struct error *err)
{
    const cJSON *choice = first_choice(answer), *text = chat ? member(member(choice, "message"), "content") : member(choice, "text");
    if (!cJSON_IsString(text) && !(chat && cJSON_IsNull(text))) // null: it said nothing
        return error_set(err, ERROR_INPUT, "the server's answer has no %s", chat ? "choices[0].message.content" : "choices[0].text");
    question->before = count_of(answer, "prompt_tokens");
    question->count = count_of(answer, "completion_tokens");
    text_clear(&question->written);
    text_add_string(&question->written, cJSON_IsString(text) ? text->valuestring : "");
    return text_ok(&question->written, err);
}

void server_words(const struct text *answer, char *out, size_t n)
{
    cJSON *document = answer->length ? json_parse("answer", answer->bytes, answer->length, NULL) : NULL;
    const cJSON *error = member(document, "error");
    const char *words = cJSON_GetStringValue(member(error, "message"));
    words = words ? words : cJSON_GetStringValue(error);
    words = words ? words : cJSON_GetStringValue(member(document, "message"));
    words = words ? words : cJSON_GetStringValue(member(document, "detail"));
    snprintf(out, n, "%s", words ? words : "");
    out[utf8_invalid_at(out, strlen(out))] = '\0'; // it may have been cut inside a character
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
    cJSON_Delete(document);
}
