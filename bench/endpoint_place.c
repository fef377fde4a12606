/* Tokens found in an echo: see endpoint_place.h. By texts all that tells where a token lies is its text_offset, in characters, and servers
 * count it differently:
 *
 *     the text               The scales
 *     "<s>" "The" " scales"  0 3 6      a token that the server put before the text counts (vLLM)
 *     "" "The" " scales"     0 0 3      it has no text
 *     "The" " scales"        0 3        it is not listed (llama-cpp-python)
 *     " The" " scales"       0 4        a space that the tokenizer puts before the text counts (SentencePiece), alone or behind "<s>"
 *
 * So each way of counting is tried, and the one taken is that by which every token's string stands in the text where its offset says. Parts
 * of a character have no string that can be looked for ("" or U+FFFD): they lie between their neighbours. */
#include "bench/endpoint_place.h"

#include "base/text.h"

#include <string.h>

const char *echoed_token(const struct echoed *e, int i)
{
    const char *token = cJSON_GetStringValue(cJSON_GetArrayItem(e->tokens, i));
    return token ? token : "";
}

static int64_t length_of(const char *text)
{
    return (int64_t)utf8_length(text, strlen(text));
}

/* A part of a character, or a special token without a text. */
static bool is_unreadable(const char *token)
{
    return !*token || strstr(token, "\xEF\xBF\xBD");
}

/* One way of counting: a token at `offset` begins at character offset − shift; the first `skip` elements are no part of the text. */
struct counting {
    int64_t shift;
    int skip;
};

/* Walks along a text by characters. */
struct walk {
    const char *at;
    int64_t characters;
};

static void walk_to(struct walk *walk, int64_t character)
{
    while (walk->characters < character && *walk->at) {
        walk->at++;
        walk->characters += ((unsigned char)*walk->at & 0xC0) != 0x80;
    }
}

/* Whether a token stands at a character of the text; the space that a tokenizer puts before a text is at character −1. */
static bool stands_at(struct walk *walk, int64_t at, const char *token)
{
    if (at == -1 && *token == ' ') {
        token++;
        at = 0;
    }
    walk_to(walk, at);
    return at >= 0 && walk->characters == at && strncmp(walk->at, token, strlen(token)) == 0;
}

/* Whether all tokens up to the text's end stand where this way of counting says, and no more than were asked for lie behind it; *end: the
 * first of those. */
static bool counts_so(const struct echoed *e, const char *text, struct counting counting, int *end)
{
    int64_t length = length_of(text), reached = 0;
    struct walk walk = {text, 0};
    const cJSON *token = e->tokens->child, *offset = e->offsets->child;
    int i = 0;
    for (; i < e->n; i++, token = token->next, offset = offset->next) {
        const char *string = cJSON_IsString(token) ? token->valuestring : "";
        int64_t at = (int64_t)offset->valuedouble - counting.shift;
        if (i < counting.skip)
            continue;
        if (at >= length) {
            reached = at;
            break;
        }
        if (!is_unreadable(string) && !stands_at(&walk, at, string))
            return false;
        reached = is_unreadable(string) ? length : at + length_of(string);
    }
    *end = i;
    return i > counting.skip && reached == length && e->n - i <= ECHO_WRITES;
}

static bool find_counting(const struct echoed *e, const char *text, struct counting *out, int *end)
{
    const char *first = echoed_token(e, 0);
    int64_t special = length_of(first);
    const struct counting ways[] = {{0, 0}, {special, 1}, {0, 1}, {1, 0}, {special + 1, 1}, {1, 1}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        if (counts_so(e, text, *out = ways[w], end))
            return true;
    return false;
}

static bool check_offsets(const struct endpoint *endpoint, const struct echoed *e, struct error *err)
{
    double last = 0;
    const cJSON *offset = NULL;
    int i = 0;
    if (!e->offsets)
        return error_set(err, ERROR_INPUT, "the server sends no text_offset; name its tokenizer in %s, so that it isn't needed",
                         endpoint->options.names.tokenizer);
    cJSON_ArrayForEach(offset, e->offsets) {
        i++;
        if (!cJSON_IsNumber(offset) || !(offset->valuedouble >= last) || offset->valuedouble >= 1e9)
            return error_set(err, ERROR_INPUT, "the server's text offset of token %d does not follow the one before", i);
        last = offset->valuedouble;
    }
    return true;
}

/* How many of the prompt's tokens aren't listed: none, or the one that was put before the text. */
static bool count_hidden(const struct echoed *e, struct place *place, struct error *err)
{
    place->hidden = e->told >= 0 ? e->told - place->end : 0;
    return place->hidden == 0 || place->hidden == 1 ||
           error_set(err, ERROR_INPUT, "the server counts %d tokens of a prompt and lists %d", e->told, place->end);
}

static bool place_by_offsets(const struct endpoint *endpoint, const struct echoed *e, const struct endpoint_question *q,
                             struct place *place, struct error *err)
{
    int64_t from = (int64_t)utf8_length(q->text, q->from);
    struct counting counting;
    if (!check_offsets(endpoint, e, err))
        return false;
    if (!find_counting(e, q->text, &counting, &place->end))
        return error_set(err, ERROR_INPUT,
                         "the server's tokens don't stand in the text where its text offsets say; name its tokenizer in %s, so that they "
                         "aren't needed",
                         endpoint->options.names.tokenizer);
    if (!count_hidden(e, place, err))
        return false;
    place->first = counting.skip;
    const cJSON *token = cJSON_GetArrayItem(e->tokens, counting.skip), *offset = cJSON_GetArrayItem(e->offsets, counting.skip);
    for (; place->first < place->end; place->first++, token = token->next, offset = offset->next) {
        int64_t at = (int64_t)offset->valuedouble - counting.shift;
        if (at >= from || at + (cJSON_IsString(token) ? length_of(token->valuestring) : 0) > from) {
            place->inside = at < from && from > 0;
            break;
        }
    }
    place->unsure = from == 0 && counting.skip && is_unreadable(echoed_token(e, 0));
    return place->first < place->end || error_set(err, ERROR_INPUT, "none of the server's tokens lies in what is scored");
}

bool place_find(const struct endpoint *endpoint, const struct echoed *e, const struct endpoint_question *q, struct place *out,
                struct error *err)
{
    int wanted = q->n_ids[0] + q->n_ids[1];
    *out = (struct place){.first = q->n_ids[0], .end = wanted};
    if (q->text)
        return place_by_offsets(endpoint, e, q, out, err);
    if (e->told >= 0 && e->told != wanted)
        return error_set(err, ERROR_INPUT, "%d token ids were sent, the server counts %d", wanted, e->told);
    return (e->n >= wanted && e->n <= wanted + ECHO_WRITES) ||
           error_set(err, ERROR_INPUT, "%d token ids were sent, the server answers for %d tokens", wanted, e->n);
}
