/* Texts into requests: see request.h. The rules are those of lm-evaluation-harness (docs/tasks.md), token for token. */
#include "eval/request.h"

#include "base/memory.h"

#include <string.h>

size_t request_trailing_space(const char *text, size_t n)
{
    size_t end = n;
    while (end > 0) {
        size_t at = end - 1;
        while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80)
            at--;
        uint32_t c = 0;
        if (!utf8_decode(text + at, end - at, &c) || !utf8_is_space(c))
            break;
        end = at;
    }
    return n - end;
}

static int32_t prefix_token(const struct request_rules *rules)
{
    struct tokenizer_info info = tokenizer_info(rules->tokenizer);
    return info.bos >= 0 ? info.bos : info.eos;
}

static bool need_prefix(const struct request_rules *rules, struct error *err)
{
    return prefix_token(rules) >= 0 || error_set(err, ERROR_INPUT,
                                                 "a text begins with nothing before it, and the model names neither a BOS "
                                                 "nor an EOS token to stand there");
}

/* With the special tokens that the tokenizer adds by default, unless the text begins with the prefix token's own text. */
static bool encode(const struct request_rules *rules, const char *text, size_t n, struct token_list *out, struct error *err)
{
    size_t length = 0;
    const char *prefix = token_bytes(rules->tokenizer, prefix_token(rules), &length);
    bool has_it = prefix && length && n >= length && memcmp(text, prefix, length) == 0;
    return tokenize(rules->tokenizer, text, n, TOKENIZE_SPECIAL | (has_it ? 0 : TOKENIZE_BOS), out, err);
}

static bool append(struct token_list *list, const int32_t *ids, size_t n, struct error *err)
{
    if (!memory_grow((void **)&list->ids, &list->capacity, list->count + n, sizeof *list->ids, "tokens", err))
        return false;
    memcpy(list->ids + list->count, ids, n * sizeof *ids);
    list->count += n;
    return true;
}

bool request_context(const struct request_rules *rules, const char *text, struct token_list *out, struct error *err)
{
    size_t n = strlen(text), before = out->count;
    n -= request_trailing_space(text, n);
    int32_t prefix = prefix_token(rules);
    if (n && !encode(rules, text, n, out, err))
        return false;
    return out->count > before || (need_prefix(rules, err) && append(out, &prefix, 1, err));
}

bool request_continuation(const struct request_rules *rules, const char *context_text, size_t context_tokens, const char *text,
                          struct token_list *out, int *n_context, struct error *err)
{
    struct token_list whole = {0};
    struct text joined = {0};
    size_t n = strlen(context_text), skipped = context_tokens;
    text_add_string(&joined, context_text);
    text_add_string(&joined, text);
    bool ok = text_ok(&joined, err);
    if (n > request_trailing_space(context_text, n))
        ok = ok && encode(rules, joined.bytes, joined.length, &whole, err);
    else { // only the prefix token is before it
        ok = ok && tokenize(rules->tokenizer, joined.bytes, joined.length, TOKENIZE_SPECIAL, &whole, err);
        skipped = ok && whole.count && whole.ids[0] == prefix_token(rules);
    }
    size_t count = ok && whole.count > skipped ? whole.count - skipped : 0;
    if (ok && !count)
        ok = error_set(err, ERROR_INPUT, "the continuation \"%.40s\" has no tokens behind its context", text);
    if (ok && count > (size_t)rules->max_length)
        ok = error_set(err, ERROR_INPUT, "the continuation \"%.40s…\" has %zu tokens, more than the model takes (%d)", text, count,
                       rules->max_length);
    if (ok) {
        size_t most = (size_t)rules->max_length + 1 - count;
        *n_context = (int)(context_tokens < most ? context_tokens : most);
        ok = append(out, whole.ids + skipped, count, err);
    }
    token_list_free(&whole);
    text_free(&joined);
    return ok;
}

bool request_prompt(const struct request_rules *rules, const char *text, int max_tokens, struct token_list *context, struct error *err)
{
    int most = rules->max_length - max_tokens;
    if (most <= 0)
        return error_set(err, ERROR_INPUT, "%d tokens to write leave no room for a prompt: the model takes %d in all", max_tokens,
                         rules->max_length);
    size_t before = context->count;
    if (!encode(rules, text, strlen(text), context, err))
        return false;
    int32_t prefix = prefix_token(rules);
    if (context->count == before)
        return need_prefix(rules, err) && append(context, &prefix, 1, err);
    size_t n = context->count - before, cut = n > (size_t)most ? n - (size_t)most : 0;
    memmove(context->ids + before, context->ids + before + cut, (n - cut) * sizeof *context->ids);
    context->count -= cut;
    return true;
}

bool request_whole(const struct request_rules *rules, const char *text, struct token_list *out, struct error *err)
{
    int32_t prefix = prefix_token(rules);
    return need_prefix(rules, err) && append(out, &prefix, 1, err) && encode(rules, text, strlen(text), out, err);
}

size_t request_windows(size_t n, size_t max_length, struct rolling_window *out)
{
    size_t windows = 0;
    for (size_t first = 1; first <= n; windows++) {
        size_t count = n - first + 1 < max_length ? n - first + 1 : max_length;
        size_t most = max_length - count + 1; // what is fed is the context and all predicted tokens but the last
        if (out)
            out[windows] = (struct rolling_window){first, count, first < most ? first : most};
        first += count;
    }
    return windows;
}
