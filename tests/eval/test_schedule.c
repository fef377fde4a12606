/* Requests answered together give the bits that each gives alone, whatever they share, however large steps and cache are. */
#include "tests/support.h"

#include "base/random.h"
#include "eval/schedule.h"

#include <string.h>

enum { REQUESTS = 120, CONTEXT = 90, CONTINUATION = 12 };

struct set {
    struct request requests[REQUESTS];
    int32_t context[REQUESTS][CONTEXT], continuation[REQUESTS][CONTINUATION];
    int n, answered[REQUESTS];
};

static struct engine *open_model(size_t kv_tokens, int max_rows, int threads, struct model_file **file)
{
    struct error err = {0};
    *file = model_file_open("tests/data/goldens/olmoe_q8_0/model.gguf", &err);
    cr_assert_not_null(*file, "%s", err.message);
    struct engine_options options = {.threads = threads, .kv_tokens = kv_tokens, .max_rows = max_rows};
    struct engine *engine = engine_open(*file, &options, &err);
    cr_assert_not_null(engine, "%s", err.message);
    return engine;
}

/* Contexts that begin alike to different lengths, with choices of one token and of several, choices that begin alike, choices that stand
 * twice, and requests whose context is another's context and continuation. */
static void fill(struct set *s, int n_vocab, uint64_t seed)
{
    struct random random = random_seed(seed, 0);
    memset(s, 0, sizeof *s);
    s->n = REQUESTS;
    for (int i = 0; i < REQUESTS; i++) {
        struct request *r = &s->requests[i], *before = i ? r - 1 : NULL;
        bool same_context = before && i % 4 != 0, swallow = before && i % 20 == 19;
        r->kind = REQUEST_SCORE;
        r->item = i;
        r->context = s->context[i];
        r->continuation = s->continuation[i];
        r->n_context = same_context ? before->n_context : 1 + (int)random_below(&random, CONTEXT - CONTINUATION);
        for (int t = 0; t < r->n_context; t++) // half of every context is the same for all
            s->context[i][t] = same_context ? s->context[i - 1][t] : t < 40 ? 3 * t : (int32_t)random_below(&random, (uint64_t)n_vocab);
        if (swallow) {
            memcpy(s->context[i], s->context[i - 1], sizeof s->context[i]);
            r->n_context = before->n_context;
            for (int t = 0; t < before->n_continuation; t++)
                s->context[i][r->n_context++] = s->continuation[i - 1][t];
        }
        r->n_continuation = i / 4 % 2 ? 1 : 1 + (int)random_below(&random, CONTINUATION);
        for (int t = 0; t < r->n_continuation; t++)
            s->continuation[i][t] =
                before && t < 2 && i % 3 ? s->continuation[i - 1][t] : (int32_t)random_below(&random, (uint64_t)n_vocab);
    }
}

static bool count_answer(void *context, struct request *request, struct error *err)
{
    (void)err;
    ((struct set *)context)->answered[request->item]++;
    return true;
}

static struct schedule_counts answer(struct set *s, size_t kv_tokens, int max_rows, int threads, bool alone)
{
    struct error err = {0};
    struct model_file *file;
    struct engine *engine = open_model(kv_tokens, max_rows, threads, &file);
    struct schedule_counts counts = {0};
    struct schedule_options options = {.alone = alone, .done = count_answer, .context = s};
    cr_assert(schedule_run(engine, s->requests, (size_t)s->n, &options, &counts, &err), "%s", err.message);
    for (int i = 0; i < s->n; i++)
        cr_expect_eq(s->answered[i], 1, "request %d was answered %d times", i, s->answered[i]);
    engine_close(engine);
    model_file_close(file);
    return counts;
}

static int32_t token_of(const struct request *r, int at)
{
    return at < r->n_context ? r->context[at] : r->continuation[at - r->n_context];
}

/* Beginnings that no request before has, one by one. */
static int64_t distinct_rows(const struct set *s)
{
    int64_t distinct = 0;
    for (int i = 0; i < s->n; i++) {
        const struct request *r = &s->requests[i];
        int rows = r->n_context + r->n_continuation - 1, known = 0;
        for (int j = 0; j < i; j++) {
            const struct request *before = &s->requests[j];
            int same = 0, most = before->n_context + before->n_continuation - 1;
            while (same < rows && same < most && token_of(r, same) == token_of(before, same))
                same++;
            known = same > known ? same : known;
        }
        distinct += rows - known;
    }
    return distinct;
}

Test(schedule, scores_do_not_depend_on_sharing_steps_cache_or_threads)
{
    static const struct {
        size_t kv_tokens;
        int max_rows, threads;
    } ways[] = {{4096, 512, 1}, {256, 512, 2}, {4096, 7, 2}, {128, 1, 1}, {1024, 33, 2}};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        static struct set alone, together;
        fill(&alone, 320, seed);
        struct schedule_counts counts = answer(&alone, 4096, 64, 1, true), shared;
        cr_expect_eq(counts.alone_rows, counts.computed_rows);
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            fill(&together, 320, seed);
            shared = answer(&together, ways[w].kv_tokens, ways[w].max_rows, ways[w].threads, false);
            cr_expect_eq(shared.alone_rows, counts.alone_rows);
            cr_expect_lt(shared.computed_rows, counts.alone_rows);
            cr_expect_eq(shared.distinct_rows, distinct_rows(&together));
            cr_expect_geq(shared.computed_rows, shared.distinct_rows, "way %zu", w);
            for (int i = 0; i < REQUESTS; i++) {
                cr_expect_eq(memcmp(&alone.requests[i].log_likelihood, &together.requests[i].log_likelihood, sizeof(double)), 0,
                             "way %zu, request %d: %.9g, alone %.9g", w, i, together.requests[i].log_likelihood,
                             alone.requests[i].log_likelihood);
                cr_expect_eq(alone.requests[i].greedy, together.requests[i].greedy, "way %zu, request %d", w, i);
            }
        }
        cr_expect_lt(answer(&(struct set){0}, 4096, 512, 1, false).computed_rows, 1);
    }
}

Test(schedule, choices_of_one_token_cost_one_row)
{
    static struct set s;
    fill(&s, 320, 3);
    s.n = 4;
    for (int i = 0; i < 4; i++) {
        memcpy(s.context[i], s.context[0], sizeof s.context[0]);
        s.requests[i].n_context = 50;
        s.requests[i].n_continuation = 1;
        s.continuation[i][0] = 10 + i;
    }
    struct schedule_counts counts = answer(&s, 4096, 512, 1, false);
    cr_expect_eq(counts.alone_rows, 200);
    cr_expect_eq(counts.computed_rows, 50);
}

/* What is written after each prompt, with and without company. */
Test(schedule, texts_do_not_depend_on_company)
{
    enum { PROMPTS = 12, TOKENS = 9 };
    struct error err = {0};
    static const char *const stops[] = {"\n\n", "e", NULL};
    static struct set s;
    char *texts[2][PROMPTS];
    struct model_file *vocabulary, *file;
    static const char shape[] = "build/test_schedule.gguf";
    struct synth_options synth = {.shape = "tiny", .quantisation = "q8_0", .seed = 5};
    cr_assert(synth_write(shape, &synth, &err), "%s", err.message);
    vocabulary = model_file_open(shape, &err);
    cr_assert_not_null(vocabulary, "%s", err.message);
    struct tokenizer *tokenizer = tokenizer_open(vocabulary, &err);
    cr_assert_not_null(tokenizer, "%s", err.message);
    file = vocabulary;
    for (int way = 0; way < 2; way++) {
        struct engine_options options = {.threads = 1 + way, .kv_tokens = way ? 256 : 4096, .max_rows = way ? 13 : 512};
        struct engine *engine = engine_open(file, &options, &err);
        cr_assert_not_null(engine, "%s", err.message);
        fill(&s, 4096, 8);
        for (int i = 0; i < PROMPTS; i++) {
            s.requests[i].kind = REQUEST_GENERATE;
            s.requests[i].n_continuation = 0;
            s.requests[i].max_tokens = TOKENS;
            s.requests[i].stops = i % 2 ? stops : NULL;
        }
        s.n = way ? PROMPTS + 20 : PROMPTS; // with scores among them
        struct schedule_counts counts = {0};
        struct schedule_options how = {.tokenizer = tokenizer, .alone = way == 0, .done = count_answer, .context = &s};
        cr_assert(schedule_run(engine, s.requests, (size_t)s.n, &how, &counts, &err), "%s", err.message);
        for (int i = 0; i < PROMPTS; i++) {
            cr_expect(s.requests[i].generated >= 1 && s.requests[i].generated <= TOKENS);
            cr_expect(i % 2 == 0 || !strchr(s.requests[i].text.bytes, 'e'));
            texts[way][i] = s.requests[i].text.bytes;
        }
        engine_close(engine);
    }
    for (int i = 0; i < PROMPTS; i++) {
        cr_expect_str_eq(texts[0][i], texts[1][i], "prompt %d", i);
        free(texts[0][i]);
        free(texts[1][i]);
    }
    tokenizer_close(tokenizer);
    model_file_close(file);
    remove(shape);
}

Test(schedule, a_request_larger_than_the_cache_is_refused)
{
    struct error err = {0};
    struct model_file *file;
    struct engine *engine = open_model(64, 512, 1, &file);
    static struct set s;
    fill(&s, 320, 4);
    s.requests[0].n_context = 80;
    struct schedule_counts counts = {0};
    struct schedule_options options = {0};
    cr_expect_not(schedule_run(engine, s.requests, 1, &options, &counts, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, "room for 64"), "%s", err.message);
    engine_close(engine);
    model_file_close(file);
}
