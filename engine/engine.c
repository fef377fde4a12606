/* The engine: sequences, steps and counts on top of the forward pass. A step is checked as a whole before anything is changed. */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/memory.h"
#include "engine/forward.h"
#include "engine/kv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const engine_op_names[ENGINE_OP_COUNT] = {"embed",     "norm",  "project", "rope",   "kv",
                                                      "attention", "route", "experts", "logits", "other"};

/* One backend is the CPU's, the other one of the GPU drivers that their name tells. */
struct engine_backend {
    const char *name;
    struct backend *(*open)(const struct engine_options *, const struct backend_limits *, struct error *);
    struct engine_facts (*facts)(const struct backend *);
};
static const struct engine_backend backends[] = {{"cpu", cpu_backend_open, cpu_backend_facts},
                                                 {"cuda", gpu_backend_open, gpu_backend_facts},
                                                 {"hip", gpu_backend_open, gpu_backend_facts},
                                                 {"opencl", gpu_backend_open, gpu_backend_facts}};

struct engine {
    struct model model;
    const struct engine_backend *backend;
    struct forward forward;
    struct kv *kv;
    int max_rows, n_pages, context;
    uint64_t load_ns, steps, rows, other_ns;
    /* of the step under way, [max_rows] each */
    int32_t *tokens, *positions, *wanted, *targets, *argmax;
    const int32_t **pages;
    float *greatest, *target_logit;
    double *log_sum;
    int *more; // [n_more]: rows of each sequence in the step
    size_t n_more;
};

static bool make_room(struct engine *e, size_t rows, struct error *err)
{
    struct {
        void **array;
        size_t size;
    } arrays[] = {{(void **)&e->tokens, 4},   {(void **)&e->positions, 4},    {(void **)&e->wanted, 4},
                  {(void **)&e->targets, 4},  {(void **)&e->argmax, 4},       {(void **)&e->pages, sizeof *e->pages},
                  {(void **)&e->greatest, 4}, {(void **)&e->target_logit, 4}, {(void **)&e->log_sum, 8}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!(*arrays[i].array = memory_array(rows, arrays[i].size, "a step's rows", err)))
            return false;
    return true;
}

static struct backend_limits limits_of(const struct model_config *c, int max_rows)
{
    bool mla = c->architecture->latent_attention;
    int widths[] = {c->n_embd,
                    c->n_heads * (mla ? c->mla.nope + c->rope_dims : c->head_dim),
                    mla ? c->n_heads * c->mla.kv_lora : 0,
                    mla ? c->n_heads * c->mla.v : 0,
                    c->mla.q_lora,
                    c->n_ff,
                    c->n_ff_dense,
                    c->n_ff_shared};
    struct backend_limits limits = {.n_layers = c->n_layers,
                                    .n_experts = c->n_experts,
                                    .max_rows = max_rows,
                                    .max_columns = mla ? c->n_heads : 1,
                                    .n_embd = c->n_embd,
                                    .top_k = c->routing.top_k,
                                    .n_ff = c->n_ff,
                                    .n_heads = c->n_heads};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        limits.max_width = widths[i] > limits.max_width ? widths[i] : limits.max_width;
    return limits;
}

static const struct engine_backend *backend_named(const char *name, struct error *err)
{
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (strcmp(backends[i].name, name) == 0)
            return &backends[i];
    error_set(err, ERROR_INPUT, "no backend \"%.32s\": cpu, cuda, hip and opencl are there", name);
    return NULL;
}

bool engine_backend_exists(const char *name)
{
    return backend_named(name, NULL) != NULL;
}

struct engine *engine_open(struct model_file *file, const struct engine_options *options, struct error *err)
{
    enum { DEFAULT_ROWS = 512, MAX_ROWS = 1 << 16, DEFAULT_KV_TOKENS = 4096 };
    uint64_t began = clock_ns();
    if (options->max_rows < 0 || options->max_rows > MAX_ROWS) {
        error_set(err, ERROR_INPUT, "a step of %d rows: 1 … %d are allowed", options->max_rows, MAX_ROWS);
        return NULL;
    }
    struct engine *e = memory_array(1, sizeof *e, "engine", err);
    if (!e)
        return NULL;
    struct model_config *c = &e->model.config;
    if (!model_config_read(file, c, err))
        goto fail;
    e->context = options->context > 0 ? options->context : c->context_length;
    e->max_rows = options->max_rows ? options->max_rows : DEFAULT_ROWS;
    size_t kv_tokens = options->kv_tokens;
    if (!kv_tokens)
        kv_tokens = c->context_length < DEFAULT_KV_TOKENS ? (size_t)c->context_length : DEFAULT_KV_TOKENS;
    if (kv_tokens > (size_t)1 << 30) {
        error_set(err, ERROR_INPUT, "a cache of %zu tokens: at most 2^30 are allowed", kv_tokens);
        goto fail;
    }
    e->n_pages = (int)((kv_tokens + PAGE_TOKENS - 1) / PAGE_TOKENS);

    struct backend_limits limits = limits_of(c, e->max_rows);
    limits.positions = e->context < e->n_pages * (int64_t)PAGE_TOKENS ? e->context : e->n_pages * PAGE_TOKENS;
    struct backend *b = NULL;
    if (!(e->backend = backend_named(options->backend ? options->backend : "cpu", err)) || !(b = e->backend->open(options, &limits, err)))
        goto fail;
    e->model.backend = b;
    struct kv_shape shape = {.type = options->kv,
                             .n_layers = c->n_layers,
                             .n_kv_heads = c->n_kv_heads,
                             .k_dim = c->head_dim,
                             .v_dim = c->architecture->latent_attention ? c->mla.kv_lora : c->head_dim,
                             .v_in_k = c->architecture->latent_attention,
                             .n_pages = e->n_pages};
    size_t elements;
    if (b->ops->plan_end && (!model_plan(&e->model, file, b, err) || !forward_elements(c, e->max_rows, &elements, err) ||
                             !b->ops->plan_end(b, &shape, elements, err)))
        goto fail;
    if (!model_load(&e->model, file, b, err) || !b->ops->kv_open(b, &shape, err) ||
        !forward_open(&e->forward, &e->model, e->max_rows, err) || !make_room(e, (size_t)e->max_rows, err) ||
        !(e->kv = kv_new(e->n_pages, PAGE_TOKENS, err)))
        goto fail;
    e->load_ns = clock_ns() - began;
    return e;
fail:
    engine_close(e);
    return NULL;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    if (e->forward.model)
        forward_close(&e->forward);
    kv_free(e->kv);
    if (e->model.backend) {
        model_unload(&e->model);
        e->model.backend->ops->close(e->model.backend);
    }
    void *arrays[] = {e->tokens, e->positions, e->wanted,       e->targets, e->argmax,
                      e->pages,  e->greatest,  e->target_logit, e->log_sum, e->more};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(e);
}

struct engine_facts engine_facts(const struct engine *e)
{
    struct engine_facts facts = e->backend->facts(e->model.backend);
    facts.max_rows = e->max_rows;
    facts.n_vocab = e->model.config.n_vocab;
    facts.context_length = e->model.config.context_length;
    facts.kv_tokens = (size_t)e->n_pages * PAGE_TOKENS;
    facts.load_ns = e->load_ns;
    return facts;
}

void engine_use_threads(struct engine *e, int threads)
{
    e->model.backend->ops->use_threads(e->model.backend, threads);
}

void engine_each_thread(struct engine *e, void (*fn)(void *context, int thread), void *context)
{
    e->model.backend->ops->each_thread(e->model.backend, fn, context);
}

/* --- sequences -------------------------------------------------------------------------------------------------------------------------
 */

static bool known_sequence(const struct engine *e, int seq, struct error *err)
{
    return kv_sequence_exists(e->kv, seq) || error_set(err, ERROR_INPUT, "sequence %d does not exist", seq);
}

int engine_seq_new(struct engine *e, struct error *err)
{
    return kv_sequence_new(e->kv, err);
}

int engine_seq_fork(struct engine *e, int seq, struct error *err)
{
    return known_sequence(e, seq, err) ? kv_sequence_fork(e->kv, seq, err) : -1;
}

void engine_seq_free(struct engine *e, int seq)
{
    kv_sequence_free(e->kv, seq);
}

int engine_seq_length(const struct engine *e, int seq)
{
    return kv_sequence_exists(e->kv, seq) ? kv_length(e->kv, seq) : 0;
}

void engine_seq_truncate(struct engine *e, int seq, int length)
{
    if (kv_sequence_exists(e->kv, seq) && length >= 0)
        kv_truncate(e->kv, seq, length);
}

/* --- a step ----------------------------------------------------------------------------------------------------------------------------
 */

/* Counts the rows of each sequence into e->more and checks every row on its own. */
static bool check_rows(struct engine *e, const struct engine_row *rows, int n, struct error *err)
{
    const struct model_config *c = &e->model.config;
    if (n < 1 || n > e->max_rows)
        return error_set(err, ERROR_INPUT, "a step of %d rows: 1 … %d are allowed (engine_options.max_rows)", n, e->max_rows);
    if (e->more)
        memset(e->more, 0, e->n_more * sizeof *e->more);
    for (int i = 0; i < n; i++) {
        const struct engine_row *row = &rows[i];
        if (!known_sequence(e, row->seq, err))
            return error_prefix(err, "row %d", i);
        if (row->token < 0 || row->token >= c->n_vocab)
            return error_set(err, ERROR_INPUT, "row %d: token %d is out of range, the vocabulary has 0 … %d", i, row->token,
                             c->n_vocab - 1);
        if (row->want == ENGINE_WANT_SCORE && (row->target < -1 || row->target >= c->n_vocab))
            return error_set(err, ERROR_INPUT, "row %d: target %d is out of range, the vocabulary has 0 … %d", i, row->target,
                             c->n_vocab - 1);
        for (int k = 0; row->want == ENGINE_WANT_SCORE && k < row->n_others; k++)
            if (row->target < 0 || row->others[k].token < 0 || row->others[k].token >= c->n_vocab)
                return error_set(err, ERROR_INPUT, "row %d: other target %d is out of range or stands alone, the vocabulary has 0 … %d", i,
                                 row->others[k].token, c->n_vocab - 1);
        if (row->want == ENGINE_WANT_LOGITS && !row->logits)
            return error_set(err, ERROR_INPUT, "row %d: logits are wanted, but there is no place for them", i);
        if (!memory_grow((void **)&e->more, &e->n_more, (size_t)row->seq + 1, sizeof *e->more, "sequences", err))
            return false;
        e->more[row->seq]++;
    }
    return true;
}

/* Every sequence has room in its context and all of them in the cache. */
static bool check_room(const struct engine *e, struct error *err)
{
    int pages = 0;
    for (size_t seq = 0; seq < e->n_more; seq++) {
        if (!e->more[seq])
            continue;
        int length = kv_length(e->kv, (int)seq) + e->more[seq];
        if (length > e->context)
            return error_set(err, ERROR_INPUT, "sequence %zu would have %d tokens, the context is %d: shorten the prompt", seq, length,
                             e->context);
        pages += kv_pages_needed(e->kv, (int)seq, e->more[seq]);
    }
    if (pages > kv_pages_free(e->kv))
        return error_set(
            err, ERROR_INPUT,
            "the cache is full: %d pages of %d tokens are needed, %d of %d are free; free sequences or open the engine with more "
            "room (engine_options.kv_tokens)",
            pages, PAGE_TOKENS, kv_pages_free(e->kv), e->n_pages);
    return true;
}

static void copy_page(void *context, int from, int to)
{
    struct engine *e = context;
    e->model.backend->ops->kv_copy_page(e->model.backend, from, to);
}

/* Appends the rows to their sequences; takes back what was appended when memory runs out on the way. */
static bool append_rows(struct engine *e, struct error *err)
{
    for (size_t seq = 0; seq < e->n_more; seq++) {
        if (!e->more[seq] || kv_append(e->kv, (int)seq, e->more[seq], copy_page, e, err))
            continue;
        for (size_t done = 0; done < seq; done++)
            if (e->more[done])
                kv_truncate(e->kv, (int)done, kv_length(e->kv, (int)done) - e->more[done]);
        return false;
    }
    return true;
}

static void write_batch(struct engine *e, const struct engine_row *rows, int n, struct batch *batch)
{
    for (int i = n - 1; i >= 0; i--) { // backwards: more[] counts down to each row's distance from the end
        int seq = rows[i].seq;
        e->tokens[i] = rows[i].token;
        e->pages[i] = kv_pages(e->kv, seq);
        e->positions[i] = kv_length(e->kv, seq);
    }
    for (int i = 0; i < n; i++) {
        int seq = rows[i].seq;
        e->positions[i] -= e->more[seq]--;
    }
    *batch = (struct batch){.n = n, .tokens = e->tokens, .positions = e->positions, .pages = e->pages};
}

/* Of a scored row i in the logits' buffer: ln softmax of the logit. */
static float log_probability(const struct engine *e, int i, float logit)
{
    return (float)((double)logit - (double)e->greatest[i] - e->log_sum[i]);
}

/* Gives out the logits or scores of `m` rows whose logits are in the buffer; e->wanted names them. */
static void give_out(struct engine *e, struct engine_row *rows, int m)
{
    struct backend *b = e->model.backend;
    size_t width = (size_t)e->model.config.n_vocab;
    for (int i = 0; i < m; i++) {
        const struct engine_row *row = &rows[e->wanted[i]];
        e->targets[i] = row->want == ENGINE_WANT_SCORE ? row->target : -1;
        if (row->want == ENGINE_WANT_LOGITS)
            b->ops->buffer_read(b, e->forward.state.logits, (size_t)i * width, width, row->logits);
    }
    b->ops->score(b, e->forward.state.logits, m, (int)width, e->targets, e->argmax, e->greatest, e->target_logit, e->log_sum);
    for (int i = 0; i < m; i++) {
        struct engine_row *row = &rows[e->wanted[i]];
        if (row->want != ENGINE_WANT_SCORE)
            continue;
        row->argmax = e->argmax[i];
        row->log_probability = row->target >= 0 ? log_probability(e, i, e->target_logit[i]) : 0.0f;
        row->target_is_argmax = row->target >= 0 && e->target_logit[i] == e->greatest[i];
        for (int k = 0; k < row->n_others; k++) {
            float logit;
            b->ops->buffer_read(b, e->forward.state.logits, (size_t)i * width + (size_t)row->others[k].token, 1, &logit);
            row->others[k].log_probability = log_probability(e, i, logit);
            row->others[k].is_argmax = logit == e->greatest[i];
        }
    }
}

bool engine_step(struct engine *e, struct engine_row *rows, int n, struct error *err)
{
    struct batch batch;
    if (!check_rows(e, rows, n, err) || !check_room(e, err) || !append_rows(e, err))
        return false;
    write_batch(e, rows, n, &batch);
    forward_rows(&e->forward, &batch);
    for (int i = 0; i < n;) {
        int m = 0;
        for (; i < n && m < LOGITS_CHUNK; i++)
            if (rows[i].want != ENGINE_WANT_NOTHING)
                e->wanted[m++] = i;
        if (m == 0)
            break;
        forward_logits(&e->forward, e->wanted, m);
        uint64_t began = clock_ns();
        give_out(e, rows, m);
        e->other_ns += clock_ns() - began;
    }
    struct backend *b = e->model.backend;
    if (b->ops->finish && !b->ops->finish(b, err))
        return false;
    e->steps++;
    e->rows += (uint64_t)n;
    return true;
}

/* --- counts ----------------------------------------------------------------------------------------------------------------------------
 */

void engine_read_counts(const struct engine *e, struct engine_counts *out)
{
    *out = (struct engine_counts){.steps = e->steps, .rows = e->rows, .device_reason = "the engine runs on the CPU"};
    e->model.backend->ops->read_counts(e->model.backend, out);
    memcpy(out->op_ns, e->forward.op_ns, sizeof out->op_ns);
    out->op_ns[ENGINE_OP_OTHER] += e->other_ns;
}

void engine_reset_counts(struct engine *e)
{
    e->steps = e->rows = e->other_ns = 0;
    memset(e->forward.op_ns, 0, sizeof e->forward.op_ns);
    e->model.backend->ops->reset_counts(e->model.backend);
}

const uint64_t *engine_expert_load(const struct engine *e)
{
    return e->model.backend->ops->expert_load(e->model.backend);
}
