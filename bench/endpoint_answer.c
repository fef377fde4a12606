/* Answers read: see endpoint_answer.h. Nothing is believed: every array has to have the length of the others, every number has to be one
 * that a log-probability can be. Where the scored tokens lie is endpoint_place.c's. */
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

bool echoed_read(const cJSON *answer, const struct endpoint_question *question, struct echoed *out, struct error *err)
{
    const cJSON *choice = first_choice(answer), *logprobs = member(choice, "logprobs");
    *out = (struct echoed){.values = member(logprobs, "token_logprobs"),
                           .tokens = member(logprobs, "tokens"),
                           .offsets = member(logprobs, "text_offset"),
                           .tops = member(logprobs, "top_logprobs"),
                           .text = cJSON_GetStringValue(member(choice, "text")),
                           .told = count_of(answer, "prompt_tokens")};
    if (!cJSON_IsObject(choice))
        return error_set(err, ERROR_INPUT, "the server's answer has no choices[0]");
    const char *text = question->text ? question->text : question->echo;
    bool echoes = !text || !out->text || strstr(out->text, text);
    if (!cJSON_IsArray(out->values))
        return error_set(err, ERROR_INPUT,
                         echoes ? "the server sends no log-probabilities (logprobs.token_logprobs)"
                                : "the server ignores echo: it does not send the prompt back");
    int n = out->n = cJSON_GetArraySize(out->values);
    if (!echoes && (question->text || n <= ECHO_WRITES))
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
    return true;
}

static const char *best_of(const cJSON *top, double *value)
{
    const cJSON *one, *best = NULL;
    cJSON_ArrayForEach(one, top) {
        if (!cJSON_IsNumber(one))
            return NULL;
        best = !best || one->valuedouble > best->valuedouble ? one : best;
    }
    *value = best ? best->valuedouble : 0;
    return best ? best->string : NULL;
}

const char *echoed_best(const struct echoed *e, int i, double *value)
{
    return best_of(cJSON_GetArrayItem(e->tops, i), value);
}

bool echoed_score(const struct endpoint *endpoint, const struct echoed *e, struct endpoint_question *q, struct error *err)
{
    struct place place;
    q->foreign = !q->text && q->echo && e->text && !strstr(e->text, q->echo);
    if (!place_find(endpoint, e, q, &place, err))
        return false;
    q->log_probability = 0;
    q->greedy = true;
    q->before = place.first + place.hidden;
    q->count = place.end - place.first;
    q->inside_token = place.inside;
    q->missing = place.unsure ? endpoint->no_first : NULL;
    const cJSON *value = cJSON_GetArrayItem(e->values, place.first), *top = cJSON_GetArrayItem(e->tops, place.first);
    for (int i = place.first; i < place.end && !q->missing; i++, value = value->next, top = top->next) {
        double best;
        if (cJSON_IsNull(value)) {
            q->missing = i == 0 ? endpoint->no_first : "the server has no log-probability for a token";
            return true;
        }
        if (!cJSON_IsNumber(value) || !(value->valuedouble <= 1e-3))
            return error_set(err, ERROR_INPUT, "the server's log-probability of token %d is no number that one can be", i + 1);
        if (!best_of(top, &best))
            return error_set(err, ERROR_INPUT, "the server's top_logprobs of token %d name no token", i + 1);
        q->log_probability += value->valuedouble;
        q->greedy = q->greedy && value->valuedouble >= best;
    }
    return true;
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
