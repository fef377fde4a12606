/* Scoring multiple choice by log-likelihood: requests are those of lm-evaluation-harness, token for token.
 *
 * White space at the end of the context moves to the continuation; the continuation's tokens are those of context + continuation behind as
 * many as the context alone has. A window of items is scored together: first every item's context but its last token, once; then a fork for
 * each choice, fed the context's last token and the continuation. Windows are as large as the cache allows, steps as full as they go; as a
 * row's result depends on its own sequence only, none of that changes a score. */
#include "eval/task.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, MAX_WINDOW = 256 };

/* A request: tokens, of which the last `scored` are the continuation. */
struct request {
    int32_t *tokens;
    int count, scored, shared; // shared: leading tokens that the item's base sequence has
    int seq;
    double log_likelihood;
    bool greedy;
};

struct scored_item {
    struct request *requests; // [n_choices]
    int base;                 // sequence of the shared tokens, −1: none
};

struct scoring {
    struct engine *engine;
    const struct tokenizer *tokenizer;
    const struct eval_task *task;
    struct eval_result *result;
    struct scored_item *items; // [n]
    struct engine_row *rows;   // [max_rows]
    struct request **owners;   // [max_rows]: whom a scored row belongs to
    int n_rows, max_rows, context_length;
    struct error *err;
};

/* Bytes of white space at the end, as Python's str.rstrip sees it (Unicode white space). */
static size_t trailing_space(const char *text)
{
    static const uint32_t spaces[] = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    size_t n = strlen(text), end = n;
    while (end > 0) {
        size_t at = end - 1;
        while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80)
            at--;
        uint32_t c = 0;
        if (!utf8_decode(text + at, end - at, &c))
            break;
        bool space = c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || (c >= 0x2000 && c <= 0x200A);
        for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
            space = space || c == spaces[i];
        if (!space)
            break;
        end = at;
    }
    return n - end;
}

/* One request: tokens of prefix + continuation, cut on the left to what the model takes. */
static bool make_request(struct scoring *s, const char *context, const char *continuation, struct request *out, int *context_tokens)
{
    struct token_list whole = {0}, prefix = {0};
    struct text text = {0};
    struct tokenizer_info info = tokenizer_info(s->tokenizer);
    size_t moved = trailing_space(context), n = strlen(context) - moved;
    bool ok = true;
    text_add_string(&text, context);
    text_add_string(&text, continuation);
    if (!text_ok(&text, s->err))
        return false;
    if (n == 0) { // nothing before the continuation: one prefix token, and no special tokens otherwise
        int32_t first = info.bos >= 0 ? info.bos : info.eos;
        ok = first >= 0 || error_set(s->err, ERROR_INPUT, "an empty context, and the model names neither a BOS nor an EOS token");
        ok = ok && tokenize(s->tokenizer, text.bytes, text.length, TOKENIZE_SPECIAL, &prefix, s->err);
        ok = ok && memory_grow((void **)&whole.ids, &whole.capacity, prefix.count + 1, sizeof *whole.ids, "tokens", s->err);
        if (ok && !(prefix.count && prefix.ids[0] == first))
            whole.ids[whole.count++] = first;
        for (size_t i = 0; ok && i < prefix.count; i++)
            whole.ids[whole.count++] = prefix.ids[i];
        prefix.count = 1;
    } else {
        ok = tokenize(s->tokenizer, context, n, TOKENIZE_BOS | TOKENIZE_SPECIAL, &prefix, s->err) &&
             tokenize(s->tokenizer, text.bytes, text.length, TOKENIZE_BOS | TOKENIZE_SPECIAL, &whole, s->err);
        /* the model is fed the context's own tokens, also where the boundary merges */
        if (ok && whole.count > prefix.count)
            memcpy(whole.ids, prefix.ids, prefix.count * sizeof *whole.ids);
    }
    if (ok && whole.count <= prefix.count)
        ok = error_set(s->err, ERROR_INPUT, "task %s: a choice \"%.40s\" has no tokens behind its context", s->task->info.name,
                       continuation);
    if (ok && whole.count - prefix.count > (size_t)s->context_length)
        ok = error_set(s->err, ERROR_INPUT, "task %s: a choice of %zu tokens is longer than the model's context of %d", s->task->info.name,
                       whole.count - prefix.count, s->context_length);
    if (ok) {
        size_t cut = whole.count > (size_t)s->context_length + 1 ? whole.count - (size_t)s->context_length - 1 : 0;
        out->scored = (int)(whole.count - prefix.count);
        out->count = (int)(whole.count - cut);
        out->shared = cut ? 0 : (int)prefix.count - 1;
        *context_tokens = (int)prefix.count;
        memmove(whole.ids, whole.ids + cut, (size_t)out->count * sizeof *whole.ids);
        out->tokens = whole.ids;
        whole.ids = NULL;
    }
    token_list_free(&whole);
    token_list_free(&prefix);
    text_free(&text);
    return ok;
}

static bool prepare_item(struct scoring *s, int index)
{
    struct eval_item *item = &s->result->items[index];
    struct task_item rendered;
    struct text continuation = {0};
    if (!task_render(s->task, index, &rendered, s->err))
        return false;
    item->doc_index = index;
    item->gold = rendered.gold;
    item->n_choices = rendered.n_choices;
    item->context = rendered.context;
    item->continuations = rendered.choices;
    size_t n = (size_t)rendered.n_choices;
    s->items[index].base = -1;
    s->items[index].requests = memory_array(n, sizeof *s->items[index].requests, "requests", s->err);
    item->log_likelihood = memory_array(n, sizeof *item->log_likelihood, "scores", s->err);
    item->continuation_tokens = memory_array(n, sizeof *item->continuation_tokens, "scores", s->err);
    item->is_greedy = memory_array(n, sizeof *item->is_greedy, "scores", s->err);
    bool ok = s->items[index].requests && item->log_likelihood && item->continuation_tokens && item->is_greedy;
    for (size_t c = 0; ok && c < n; c++) {
        struct request *request = &s->items[index].requests[c];
        request->seq = -1;
        text_clear(&continuation);
        text_add_string(&continuation, s->task->target_delimiter);
        text_add_string(&continuation, item->continuations[c]);
        ok = text_ok(&continuation, s->err) && make_request(s, item->context, continuation.bytes, request, &item->context_tokens);
        if (ok) {
            item->continuation_tokens[c] = request->scored;
            s->result->prompt_tokens += request->count - 1;
            s->result->text_tokens += request->scored;
            s->result->text_characters += (int64_t)utf8_length(continuation.bytes, continuation.length);
        }
    }
    s->result->text_tokens += item->context_tokens;
    s->result->text_characters += (int64_t)utf8_length(item->context, strlen(item->context));
    text_free(&continuation);
    return ok;
}

static bool flush(struct scoring *s)
{
    if (!s->n_rows)
        return true;
    if (!engine_step(s->engine, s->rows, s->n_rows, s->err))
        return false;
    for (int i = 0; i < s->n_rows; i++) {
        struct request *request = s->owners[i];
        if (!request)
            continue;
        request->log_likelihood += (double)s->rows[i].log_probability;
        request->greedy = request->greedy && s->rows[i].target_is_argmax;
    }
    s->result->computed_tokens += s->n_rows;
    s->n_rows = 0;
    return true;
}

/* A row; `owner` is NULL for one that only fills the cache. */
static bool add_row(struct scoring *s, int seq, int32_t token, int32_t target, struct request *owner)
{
    if (s->n_rows == s->max_rows && !flush(s))
        return false;
    s->owners[s->n_rows] = owner;
    s->rows[s->n_rows++] =
        (struct engine_row){.seq = seq, .token = token, .want = owner ? ENGINE_WANT_SCORE : ENGINE_WANT_NOTHING, .target = target};
    return true;
}

static int shared_tokens(const struct scored_item *item, int n_choices)
{
    int shared = item->requests[0].shared;
    for (int c = 1; c < n_choices; c++)
        shared = item->requests[c].shared < shared ? item->requests[c].shared : shared;
    return shared;
}

static bool feed_contexts(struct scoring *s, int first, int last)
{
    for (int i = first; i < last; i++) {
        struct scored_item *item = &s->items[i];
        int shared = shared_tokens(item, s->result->items[i].n_choices);
        if ((item->base = engine_seq_new(s->engine, s->err)) < 0)
            return false;
        for (int t = 0; t < shared; t++)
            if (!add_row(s, item->base, item->requests[0].tokens[t], -1, NULL))
                return false;
    }
    return flush(s);
}

static bool feed_choices(struct scoring *s, int first, int last)
{
    for (int i = first; i < last; i++)
        for (int c = 0; c < s->result->items[i].n_choices; c++) {
            struct request *r = &s->items[i].requests[c];
            r->greedy = true;
            if ((r->seq = engine_seq_fork(s->engine, s->items[i].base, s->err)) < 0)
                return false;
            for (int t = engine_seq_length(s->engine, r->seq); t < r->count - 1; t++) {
                bool scored = t + 1 >= r->count - r->scored;
                if (!add_row(s, r->seq, r->tokens[t], scored ? r->tokens[t + 1] : -1, scored ? r : NULL))
                    return false;
            }
        }
    return flush(s);
}

static void free_sequences(struct scoring *s, int first, int last)
{
    for (int i = first; i < last; i++) {
        for (int c = 0; c < s->result->items[i].n_choices; c++)
            engine_seq_free(s->engine, s->items[i].requests[c].seq);
        engine_seq_free(s->engine, s->items[i].base);
    }
}

/* Pages that an item takes at most: its base, and for each choice what is behind the shared part, with a copied page. */
static size_t item_pages(const struct scoring *s, int index)
{
    const struct scored_item *item = &s->items[index];
    int shared = shared_tokens(item, s->result->items[index].n_choices);
    size_t pages = (size_t)shared / PAGE + 1;
    for (int c = 0; c < s->result->items[index].n_choices; c++)
        pages += (size_t)(item->requests[c].count - shared) / PAGE + 2;
    return pages;
}

/* Picks the winners of an item; the first maximum wins. */
static void judge(struct scoring *s, int index)
{
    struct eval_item *item = &s->result->items[index];
    double best[3] = {0};
    int *choices[3] = {&item->choice, &item->choice_norm, &item->choice_bytes};
    for (int c = 0; c < item->n_choices; c++) {
        const struct request *r = &s->items[index].requests[c];
        size_t bytes = strlen(item->continuations[c]), characters = utf8_length(item->continuations[c], bytes);
        double scores[3] = {r->log_likelihood, r->log_likelihood / (double)(characters ? characters : 1),
                            r->log_likelihood / (double)(bytes ? bytes : 1)};
        item->log_likelihood[c] = r->log_likelihood;
        item->is_greedy[c] = r->greedy;
        for (int rule = 0; rule < 3; rule++)
            if (c == 0 || scores[rule] > best[rule]) {
                best[rule] = scores[rule];
                *choices[rule] = c;
            }
    }
    s->result->correct += item->choice == item->gold;
    s->result->correct_norm += item->choice_norm == item->gold;
    s->result->correct_bytes += item->choice_bytes == item->gold;
}

static bool score_all(struct scoring *s, const struct eval_options *options)
{
    size_t room = engine_facts(s->engine).kv_tokens / PAGE;
    int n = s->result->n;
    for (int i = 0; i < n; i++)
        if (!prepare_item(s, i))
            return false;
    for (int first = 0, last; first < n; first = last) {
        size_t pages = item_pages(s, first);
        for (last = first + 1; last < n && last - first < MAX_WINDOW; last++)
            if ((pages += item_pages(s, last)) > room)
                break;
        if (!feed_contexts(s, first, last) || !feed_choices(s, first, last))
            return false;
        free_sequences(s, first, last);
        for (int i = first; i < last; i++)
            judge(s, i);
        if (options->progress)
            options->progress(options->context, last, n);
    }
    return true;
}

void eval_result_free(struct eval_result *result)
{
    for (int i = 0; result->items && i < result->n; i++) {
        struct eval_item *item = &result->items[i];
        for (int c = 0; item->continuations && c < item->n_choices; c++)
            free(item->continuations[c]);
        free(item->continuations);
        free(item->context);
        free(item->log_likelihood);
        free(item->continuation_tokens);
        free(item->is_greedy);
    }
    free(result->items);
    *result = (struct eval_result){0};
}

bool eval_run(struct engine *engine, const struct tokenizer *tokenizer, const struct eval_task *task, const struct eval_options *options,
              struct eval_result *result, struct error *err)
{
    uint64_t began = clock_ns();
    int n = task->info.n_items;
    struct engine_facts facts = engine_facts(engine);
    if (options->limit > 0 && options->limit < n)
        n = options->limit;
    *result = (struct eval_result){.n = n};
    struct scoring s = {.engine = engine,
                        .tokenizer = tokenizer,
                        .task = task,
                        .result = result,
                        .max_rows = facts.max_rows,
                        .context_length = facts.context_length,
                        .err = err};
    if (options->max_batch_rows > 0 && options->max_batch_rows < s.max_rows)
        s.max_rows = options->max_batch_rows;
    result->items = memory_array((size_t)n, sizeof *result->items, "items", err);
    s.items = memory_array((size_t)n, sizeof *s.items, "items", err);
    s.rows = memory_array((size_t)s.max_rows, sizeof *s.rows, "rows", err);
    s.owners = memory_array((size_t)s.max_rows, sizeof *s.owners, "rows", err);
    bool ok = result->items && s.items && s.rows && s.owners && score_all(&s, options);
    for (int i = 0; s.items && result->items && i < n; i++) {
        for (int c = 0; s.items[i].requests && c < result->items[i].n_choices; c++)
            free(s.items[i].requests[c].tokens);
        free(s.items[i].requests);
    }
    free(s.items);
    free(s.rows);
    free(s.owners);
    result->ns = clock_ns() - began;
    if (!ok)
        eval_result_free(result);
    return ok;
}
