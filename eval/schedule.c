/* Requests answered together.
 *
 * Sorted by their tokens, each request has the longest beginning that any other offers in common with its predecessor. So there is no tree
 * to keep: a request waits until its predecessor has computed the tokens that both begin with, forks it, and computes the rest. Few-shot
 * header, question and choices share themselves that way, and steps are filled with the rows of as many requests as the cache holds.
 *
 * A scored row tells how likely one next token is. Where a request differs from its predecessor in just that next token (choices of one
 * token: " A", " B"), it asks for one more target of the same row instead of computing the row again.
 *
 * Pages of the cache are reserved when a request is admitted, so a step never finds the cache full. Requests leave in order, because a
 * predecessor's pages are what its successor was charged nothing for. As a row's result depends on its own sequence only, none of all this
 * changes an answer. */
#include "eval/schedule.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, MAX_ACTIVE = 1024 };

/* A request on its way. Row p takes token p and tells about token p + 1. */
struct stream {
    struct request *request;
    int common;   // tokens that it and its predecessor begin with, the continuation's last one included
    int length;   // rows in its sequence, computed
    int queued;   // rows of it in the step under way
    int seq;      // −1: waits for its predecessor
    long pages;   // reserved for it
    int32_t next; // GENERATE: the token to compute next
    bool done;
    bool has_other;             // its token behind the common ones was a further target of a row of an earlier request
    struct engine_target other; // that target's answer
    float *values;              // SCORE, [n_continuation]: ln p
    bool *greedy;               // SCORE, [n_continuation]
};

/* Whom a row, or a further target of one, belongs to. */
struct owner {
    struct stream *stream;
    int row;
};

struct schedule {
    struct engine *engine;
    const struct schedule_options *options;
    struct stream *streams; // [n], sorted
    size_t n, head, tail;   // streams[head … tail) are active
    long room, charged;     // pages
    struct engine_row *rows;
    struct owner *owners; // [max_rows]
    struct engine_target *others;
    struct stream **other_owners; // [MAX_ACTIVE]
    int n_rows, max_rows, n_others;
    int64_t total_rows, done_rows;
    int32_t eos, eot;
    struct schedule_counts *counts;
    struct error *err;
};

static int32_t token_at(const struct request *r, int i)
{
    return i < r->n_context ? r->context[i] : r->continuation[i - r->n_context];
}

static int token_count(const struct request *r)
{
    return r->n_context + r->n_continuation;
}

/* Rows that a request's own tokens take: the last token of a continuation is only predicted. */
static int own_rows(const struct request *r)
{
    return r->kind == REQUEST_SCORE ? token_count(r) - 1 : r->n_context;
}

static int common_tokens(const struct request *a, const struct request *b)
{
    int n = token_count(a) < token_count(b) ? token_count(a) : token_count(b), i = 0;
    while (i < n && token_at(a, i) == token_at(b, i))
        i++;
    return i;
}

static int by_tokens(const void *left, const void *right)
{
    const struct request *a = ((const struct stream *)left)->request, *b = ((const struct stream *)right)->request;
    int same = common_tokens(a, b), rest_a = token_count(a) - same, rest_b = token_count(b) - same;
    if (rest_a && rest_b)
        return token_at(a, same) < token_at(b, same) ? -1 : 1;
    return rest_a != rest_b ? (rest_a < rest_b ? -1 : 1) : (a > b) - (a < b);
}

/* Rows that a stream can have from its predecessor. */
static int shareable(const struct stream *s)
{
    if (!s->common)
        return 0;
    int rows = own_rows(s->request) - (s->request->kind == REQUEST_GENERATE); // the prompt's last row is always its own
    int there = own_rows(s[-1].request);
    rows = rows < there ? rows : there;
    return s->common < rows ? s->common : rows;
}

static long pages_of(int tokens)
{
    return (tokens + PAGE - 1) / PAGE;
}

static int most_rows(const struct request *r)
{
    return own_rows(r) + (r->kind == REQUEST_GENERATE ? r->max_tokens : 0);
}

/* Pages that a stream may take beside those of its predecessor. Rows that score may have to be computed again. */
static long charge(const struct stream *s)
{
    int first = shareable(s), scored = s->request->n_context - 1;
    return pages_of(most_rows(s->request)) - (first < scored ? first : scored) / PAGE;
}

/* --- coming and going
 * ------------------------------------------------------------------------------------------------------------------------------ */

static void retire(struct schedule *s)
{
    struct stream *gone = &s->streams[s->head++];
    if (gone->seq >= 0)
        engine_seq_free(s->engine, gone->seq);
    free(gone->values);
    free(gone->greedy);
    gone->values = NULL;
    gone->greedy = NULL;
    gone->seq = -1;
    s->charged -= gone->pages;
    if (s->head == s->tail)
        return;
    struct stream *first = &s->streams[s->head]; // now it holds the common beginning alone
    s->charged -= first->pages;
    first->pages = pages_of(most_rows(first->request));
    s->charged += first->pages;
}

static bool admit_one(struct schedule *s)
{
    struct stream *next = &s->streams[s->tail];
    const struct request *r = next->request;
    if (r->kind == REQUEST_SCORE) {
        next->values = memory_array((size_t)r->n_continuation, sizeof *next->values, "scores", s->err);
        next->greedy = memory_array((size_t)r->n_continuation, sizeof *next->greedy, "scores", s->err);
        if (!next->values || !next->greedy)
            return false;
    }
    next->pages = charge(next);
    s->charged += next->pages;
    s->tail++;
    return true;
}

static bool admit(struct schedule *s)
{
    size_t most = s->options->alone ? 1 : MAX_ACTIVE;
    while (s->tail < s->n && s->tail - s->head < most) {
        struct stream *next = &s->streams[s->tail];
        if (s->head == s->tail)
            next->common = 0; // there is no predecessor left
        if (s->charged + charge(next) > s->room) {
            bool idle = true;
            for (size_t i = s->head; i < s->tail; i++)
                idle = idle && s->streams[i].done;
            if (!idle)
                return true;
            if (s->head == s->tail)
                return error_set(s->err, ERROR_INPUT,
                                 "a request of %d tokens: the cache has room for %ld; open the engine with a larger one",
                                 most_rows(next->request), s->room * PAGE);
            while (s->head < s->tail)
                retire(s);
            continue;
        }
        if (!admit_one(s))
            return false;
    }
    return true;
}

static bool finish(struct schedule *s, struct stream *stream)
{
    struct request *r = stream->request;
    stream->done = true;
    if (r->kind == REQUEST_SCORE) {
        assert(stream->values && stream->greedy); // an active stream has them
        r->log_likelihood = 0;
        r->greedy = true;
        for (int i = 0; i < r->n_continuation; i++) {
            r->log_likelihood += (double)stream->values[i];
            r->greedy = r->greedy && stream->greedy[i];
        }
    }
    return !s->options->done || s->options->done(s->options->context, r, s->err);
}

/* --- forks
 * -----------------------------------------------------------------------------------------------------------------------------------------
 */

/* What a row that the predecessor's sequence has tells about this stream's next token, where that is known: false where the row has to be
 * computed again. */
static bool known_score(struct stream *stream, const struct stream *before, int row)
{
    int at = row - (stream->request->n_context - 1), there = row - (before->request->n_context - 1);
    if (stream->request->kind != REQUEST_SCORE)
        return false;
    if (row + 1 < stream->common && before->request->kind == REQUEST_SCORE && there >= 0) {
        stream->values[at] = before->values[there];
        stream->greedy[at] = before->greedy[there];
        return true;
    }
    if (row + 1 == stream->common && stream->has_other) {
        stream->values[at] = stream->other.log_probability;
        stream->greedy[at] = stream->other.is_argmax;
        return true;
    }
    return false;
}

/* Gives a stream its sequence as soon as its predecessor has what both begin with. */
static bool begin(struct schedule *s, size_t i)
{
    struct stream *stream = &s->streams[i], *before = i > s->head ? stream - 1 : NULL;
    int shared = before ? shareable(stream) : 0;
    if (shared == 0) {
        stream->seq = engine_seq_new(s->engine, s->err);
        return stream->seq >= 0;
    }
    if (before->seq < 0 || before->length < shared)
        return true;
    if ((stream->seq = engine_seq_fork(s->engine, before->seq, s->err)) < 0)
        return false;
    int row = stream->request->n_context - 1;
    while (row < shared && known_score(stream, before, row))
        row++;
    stream->length = row < shared ? row : shared;
    engine_seq_truncate(s->engine, stream->seq, stream->length);
    if (stream->request->kind == REQUEST_SCORE && stream->length == own_rows(stream->request))
        return finish(s, stream);
    return true;
}

/* --- a step ----------------------------------------------------------------------------------------------------------------------------
 */

/* Streams that will take this row from its owner, and differ from their predecessor in the token behind it, add that token. */
static void add_others(struct schedule *s, size_t i, int row, struct engine_row *out)
{
    out->others = s->others + s->n_others;
    for (size_t j = i + 1; j < s->tail && s->streams[j].seq < 0 && s->streams[j].common > row; j++) {
        struct stream *later = &s->streams[j];
        if (later->common != row + 1 || later->request->kind != REQUEST_SCORE || row < later->request->n_context - 1 ||
            row >= own_rows(later->request))
            continue;
        s->others[s->n_others] = (struct engine_target){.token = token_at(later->request, row + 1)};
        s->other_owners[s->n_others++] = later;
        out->n_others++;
    }
}

static void add_row(struct schedule *s, size_t i)
{
    struct stream *stream = &s->streams[i];
    const struct request *r = stream->request;
    int row = stream->length + stream->queued++;
    bool own = row < own_rows(r), wanted = row >= r->n_context - 1;
    struct engine_row *out = &s->rows[s->n_rows];
    *out = (struct engine_row){.seq = stream->seq,
                               .token = own ? token_at(r, row) : stream->next,
                               .want = wanted ? ENGINE_WANT_SCORE : ENGINE_WANT_NOTHING,
                               .target = wanted && r->kind == REQUEST_SCORE ? token_at(r, row + 1) : -1};
    if (out->target >= 0 && !s->options->alone)
        add_others(s, i, row, out);
    s->owners[s->n_rows++] = (struct owner){stream, row};
}

/* Rows that a stream could add now. */
static int ready_rows(const struct stream *stream)
{
    int left = own_rows(stream->request) - stream->length;
    return stream->seq < 0 || stream->done ? 0 : left > 0 ? left : stream->request->kind == REQUEST_GENERATE;
}

static bool fill(struct schedule *s)
{
    s->n_rows = s->n_others = 0;
    for (size_t i = s->head; i < s->tail && s->n_rows < s->max_rows; i++) {
        struct stream *stream = &s->streams[i];
        if (stream->seq < 0 && !stream->done && !begin(s, i))
            return false;
        int ready = ready_rows(stream), free_rows = s->max_rows - s->n_rows;
        for (int k = 0; k < ready && k < free_rows; k++)
            add_row(s, i);
    }
    return true;
}

static bool ends_with_stop(struct request *r, size_t before)
{
    size_t cut = r->text.length;
    for (const char *const *stop = r->stops; stop && *stop; stop++) {
        size_t n = strlen(*stop), from = before > n ? before - n : 0;
        const char *found = n && r->text.length ? memmem(r->text.bytes + from, r->text.length - from, *stop, n) : NULL;
        if (found && (size_t)(found - r->text.bytes) < cut)
            cut = (size_t)(found - r->text.bytes);
    }
    if (cut == r->text.length)
        return false;
    r->text.length = cut;
    r->text.bytes[cut] = '\0';
    return true;
}

/* The next token that a GENERATE request wrote. */
static bool take_token(struct schedule *s, struct stream *stream, int32_t token)
{
    struct request *r = stream->request;
    size_t n, before = r->text.length;
    r->generated++;
    stream->next = token;
    if (token == s->eos || token == s->eot)
        return finish(s, stream);
    const char *bytes = token_is_control(s->options->tokenizer, token) ? NULL : token_bytes(s->options->tokenizer, token, &n);
    text_add(&r->text, bytes ? bytes : "", bytes ? n : 0);
    if (!text_ok(&r->text, s->err))
        return false;
    return ends_with_stop(r, before) || r->generated >= r->max_tokens ? finish(s, stream) : true;
}

static bool read_answers(struct schedule *s)
{
    for (int k = 0; k < s->n_others; k++) {
        s->other_owners[k]->other = s->others[k];
        s->other_owners[k]->has_other = true;
    }
    for (int k = 0; k < s->n_rows; k++) {
        struct stream *stream = s->owners[k].stream;
        struct request *r = stream->request;
        int row = s->owners[k].row;
        stream->length = row + 1;
        stream->queued = 0;
        if (s->rows[k].want == ENGINE_WANT_NOTHING)
            continue;
        if (r->kind == REQUEST_GENERATE) {
            if (!take_token(s, stream, s->rows[k].argmax))
                return false;
            continue;
        }
        assert(stream->values && stream->greedy);
        stream->values[row - r->n_context + 1] = s->rows[k].log_probability;
        stream->greedy[row - r->n_context + 1] = s->rows[k].target_is_argmax;
        if (row + 1 == own_rows(r) && !finish(s, stream))
            return false;
    }
    s->counts->computed_rows += s->n_rows;
    s->done_rows += s->n_rows;
    if (s->options->progress)
        s->options->progress(s->options->context, (double)s->done_rows, (double)s->total_rows);
    return true;
}

static void leave(struct schedule *s)
{
    while (s->head < s->tail && s->streams[s->head].done) {
        bool last = s->head + 1 == s->n,
             forked = s->head + 1 < s->tail && (s->streams[s->head + 1].seq >= 0 || s->streams[s->head + 1].done);
        if (!last && !forked && !s->options->alone)
            return;
        retire(s);
    }
}

static bool run(struct schedule *s)
{
    while (s->head < s->n) {
        if (!admit(s) || !fill(s))
            return false;
        if (s->n_rows && (!engine_step(s->engine, s->rows, s->n_rows, s->err) || !read_answers(s)))
            return false;
        leave(s);
    }
    return true;
}

static bool prepare(struct schedule *s, struct request *requests)
{
    for (size_t i = 0; i < s->n; i++)
        s->streams[i] = (struct stream){.request = &requests[i], .seq = -1};
    if (!s->options->alone)
        qsort(s->streams, s->n, sizeof *s->streams, by_tokens);
    for (size_t i = 0; i < s->n; i++) {
        struct stream *stream = &s->streams[i];
        if (i && !s->options->alone)
            stream->common = common_tokens(stream->request, stream[-1].request);
        int own = own_rows(stream->request), shared = shareable(stream);
        s->counts->alone_rows += own;
        s->counts->distinct_rows += s->options->alone ? 0 : own - shared;
        s->total_rows += own - shared + (stream->request->kind == REQUEST_GENERATE ? stream->request->max_tokens : 0);
    }
    return true;
}

bool schedule_run(struct engine *engine, struct request *requests, size_t n, const struct schedule_options *options,
                  struct schedule_counts *counts, struct error *err)
{
    struct engine_facts facts = engine_facts(engine);
    struct schedule s = {.engine = engine,
                         .options = options,
                         .n = n,
                         .room = (long)(facts.kv_tokens / PAGE),
                         .max_rows = facts.max_rows,
                         .eos = -1,
                         .eot = -1,
                         .counts = counts,
                         .err = err};
    if (options->max_rows > 0 && options->max_rows < s.max_rows)
        s.max_rows = options->max_rows;
    if (options->tokenizer) {
        s.eos = tokenizer_info(options->tokenizer).eos;
        s.eot = tokenizer_info(options->tokenizer).eot;
    }
    s.streams = memory_array(n, sizeof *s.streams, "requests", err);
    s.rows = memory_array((size_t)s.max_rows, sizeof *s.rows, "rows", err);
    s.owners = memory_array((size_t)s.max_rows, sizeof *s.owners, "rows", err);
    s.others = memory_array(MAX_ACTIVE, sizeof *s.others, "rows", err);
    s.other_owners = memory_array(MAX_ACTIVE, sizeof *s.other_owners, "rows", err);
    bool ok = s.streams && s.rows && s.owners && s.others && s.other_owners && prepare(&s, requests) && run(&s);
    while (s.streams && s.head < s.tail)
        retire(&s);
    free(s.streams);
    free(s.rows);
    free(s.owners);
    free(s.others);
    free(s.other_owners);
    return ok;
}
