/* The client for endpoints against a server whose answers the engine makes: the same numbers come back, by ids and by text, from servers of
 * several kinds; those that can't or lie are named. */
#include "tests/support.h"

#include "bench/endpoint.h"
#include "tests/completions.h"

#include <string.h>

enum { MOST = 64 };

static char model[64];
static struct completions *server;
static struct model_file *file;
static struct tokenizer *tokenizer;
static struct endpoint_options options;
static const struct endpoint_names names = {"plan.url", "plan.model", "plan.tokenizer"}; // what errors have to say
static uint64_t waits[MOST];
static int n_waits;

static void note_wait(void *context, uint64_t ms)
{
    (void)context;
    if (n_waits < MOST)
        waits[n_waits++] = ms;
}

/* A small model; `bos`: its tokenizer puts a BOS token before texts. */
static void start(bool bos)
{
    static const char *const proxies[] = {"http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"};
    struct error err = {0};
    struct synth_options synth = {.shape = "tiny", .quantisation = "q8_0", .seed = 1, .threads = 1};
    static const char key[] = "tokenizer.ggml.add_bos_token";
    for (int i = 0; i < 4; i++)
        unsetenv(proxies[i]);
    snprintf(model, sizeof model, "/tmp/jeoul-endpoint-%d.gguf", getpid());
    cr_assert(synth_write(model, &synth, &err), "%s", err.message);
    if (bos) {
        size_t n;
        char *bytes = read_whole(model, &n), *at = memmem(bytes, n, key, sizeof key - 1);
        cr_assert_not_null(at);
        at[sizeof key - 1 + 4] = 1; // behind the type of the value
        FILE *stream = fopen(model, "wb");
        fwrite(bytes, 1, n, stream);
        fclose(stream);
        free(bytes);
    }
    file = model_file_open(model, &err);
    cr_assert(file && (tokenizer = tokenizer_open(file, &err)), "%s", err.message);
    cr_assert_eq(tokenizer_info(tokenizer).adds_bos, bos);
    server = completions_start(model, &err);
    cr_assert_not_null(server, "%s", err.message);
    unlink(model);
}

static void start_plain(void)
{
    start(false);
}

static void start_with_bos(void)
{
    start(true);
}

static void end(void)
{
    tokenizer_close(tokenizer);
    model_file_close(file);
}

TestSuite(endpoint, .init = start_plain, .fini = end, .timeout = 120);
TestSuite(endpoint_bos, .init = start_with_bos, .fini = end, .timeout = 120);

static struct endpoint *open_kind(const char *kind, const struct tokenizer *own, struct error *err)
{
    static char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/v1", server->port, kind);
    options.url = url;
    options.tokenizer = own;
    options.names = names;
    options.parallel = options.parallel ? options.parallel : 4;
    options.patience.wait = note_wait;
    options.patience.stall_s = options.patience.stall_s ? options.patience.stall_s : 20;
    return endpoint_open(&options, err);
}

static const char *const contexts[] = {"쀍은 무게를 ", "The scales", "사과와 배, 그리고 \n", "A pound of"};
static const char *const continuations[] = {"잰다. 정확히.", " weigh 12 kg.", "감", " feathers"};

/* The engine's own log-probabilities, by the ids of the whole and as many scored tokens as are given. */
static double by_engine(const struct token_list *list, int before)
{
    double values[512] = {0}, tops[512], total = 0;
    int32_t best[512];
    struct error err = {0};
    int seq = engine_seq_new(server->engine, &err);
    cr_assert(seq >= 0 && list->count < 512);
    completions_feed(server->engine, seq, list, 0, values, tops, best);
    engine_seq_free(server->engine, seq);
    for (size_t i = (size_t)before; i < list->count; i++)
        total += values[i];
    return total;
}

static void tokens_of(const char *text, struct token_list *out)
{
    struct error err = {0};
    cr_assert(tokenize(tokenizer, text, strlen(text), TOKENIZE_BOS, out, &err), "%s", err.message);
}

/* Four texts (the first begins with a character of several tokens) scored behind their contexts, with or without ids. */
static void check_scores(const char *kind, bool by_ids)
{
    struct error err = {0};
    struct endpoint *endpoint = open_kind(kind, by_ids ? tokenizer : NULL, &err);
    cr_assert_not_null(endpoint, "%s: %s", kind, err.message);
    struct endpoint_facts facts = endpoint_facts(endpoint);
    cr_assert(facts.scores, "%s: %s", kind, facts.no_scores);
    cr_expect_str_eq(facts.model, "small");
    struct endpoint_question questions[4] = {{0}};
    struct token_list lists[4] = {{0}}, before = {0};
    char whole[4][256];
    for (int i = 0; i < 4; i++) {
        snprintf(whole[i], sizeof whole[i], "%s%s", contexts[i], continuations[i]);
        tokens_of(whole[i], &lists[i]);
        before.count = 0;
        tokens_of(contexts[i], &before);
        questions[i].kind = ENDPOINT_SCORE;
        if (by_ids) {
            questions[i].ids[0] = lists[i].ids;
            questions[i].n_ids[0] = (int)before.count;
            questions[i].ids[1] = lists[i].ids + before.count;
            questions[i].n_ids[1] = (int)(lists[i].count - before.count);
        } else {
            questions[i].text = whole[i];
            questions[i].from = strlen(contexts[i]);
        }
    }
    size_t failed;
    cr_assert(endpoint_ask(endpoint, questions, 4, NULL, NULL, &failed, &err), "%s: %s", kind, err.message);
    for (int i = 0; i < 4; i++) {
        cr_expect_null(questions[i].missing, "%s: %s", kind, questions[i].missing);
        cr_expect_eq(questions[i].before + questions[i].count, (int)lists[i].count, "%s, text %d", kind, i);
        cr_expect_eq(questions[i].log_probability, by_engine(&lists[i], questions[i].before), "%s, text %d", kind, i);
        cr_expect(questions[i].log_probability < -1, "%s, text %d", kind, i);
        token_list_free(&lists[i]);
    }
    token_list_free(&before);
    endpoint_close(endpoint);
}

static void expect_no_scores(const char *kind, const struct tokenizer *own, const char *words)
{
    struct error err = {0};
    struct endpoint *endpoint = open_kind(kind, own, &err);
    cr_assert_not_null(endpoint, "%s: %s", kind, err.message);
    struct endpoint_facts facts = endpoint_facts(endpoint);
    cr_expect(!facts.scores && strstr(facts.no_scores, words), "%s: %s", kind, facts.no_scores);
    endpoint_close(endpoint);
}

Test(endpoint, the_engines_own_numbers_come_back_by_ids)
{
    check_scores("plain", true);
    check_scores("no-offsets", true);
}

Test(endpoint, and_by_texts)
{
    check_scores("plain", false);
}

Test(endpoint_bos, a_token_that_the_server_puts_before_the_text_is_no_part_of_it)
{
    check_scores("plain", false); // its text counts in the offsets
    check_scores("bare", false);  // and here it doesn't
    check_scores("plain", true);
}

Test(endpoint_bos, a_token_that_is_counted_and_not_listed_is_not_missed)
{
    check_scores("llama-cpp-python", false);
}

Test(endpoint_bos, a_space_that_a_tokenizer_puts_before_the_text_is_no_part_of_it)
{
    check_scores("spaced", false);
    check_scores("spaced-llama", false);
}

Test(endpoint, a_character_that_a_server_finishes_is_no_part_of_it)
{
    check_scores("finishes", false); // four tokens are written, one was asked for
    check_scores("finishes", true);
}

/* Without a BOS token, llama-cpp-python's values are of the tokens behind: nothing else tells. */
Test(endpoint, values_that_are_one_token_late_are_found)
{
    expect_no_scores("llama-cpp-python", NULL, "one token late");
}

Test(endpoint, the_first_token_of_a_text_has_no_value)
{
    static const char *const wholes[] = {"The scales", "쀍은"};
    struct error err = {0};
    size_t failed;
    struct endpoint *endpoint = open_kind("plain", NULL, &err);
    cr_assert_not_null(endpoint, "%s", err.message);
    for (int i = 0; i < 2; i++) {
        struct endpoint_question question = {.kind = ENDPOINT_SCORE, .text = wholes[i]};
        cr_assert(endpoint_ask(endpoint, &question, 1, NULL, NULL, &failed, &err), "%s", err.message);
        cr_expect(question.missing && strstr(question.missing, "first token of a text; name its tokenizer in plan.tokenizer"), "%s",
                  question.missing ? question.missing : "answered");
    }
    endpoint_close(endpoint);
}

Test(endpoint, servers_that_do_not_count_are_counted_for)
{
    check_scores("no-usage", false);
}

Test(endpoint, trouble_that_passes_is_waited_for)
{
    check_scores("busy", true);
    cr_expect(n_waits >= 1);
    for (int i = 0; i < n_waits; i++)
        cr_expect(waits[i] > 3000 && waits[i] <= 7000, "waited %d ms", (int)waits[i]); // Retry-After: 7, less what the others took
    n_waits = 0;
    check_scores("broken", true);
    check_scores("cut", true);
    check_scores("garbage", true);
    check_scores("near", true);
}

Test(endpoint, servers_that_can_not_score_are_told_by_what_they_answer)
{
    expect_no_scores("refuses-echo", NULL, "the server answers 500: Only no echo is supported");
    expect_no_scores("no-echo", NULL, "ignores echo");
    expect_no_scores("no-echo", tokenizer, "ignores echo");
    expect_no_scores("chat-only", NULL, "answers 404: Not Found");
    expect_no_scores("counts", NULL, "log-probabilities for");
    expect_no_scores("positive", NULL, "is no number that one can be");
    expect_no_scores("null", NULL, "has no log-probability for a token");
    expect_no_scores("no-offsets", NULL, "name its tokenizer in plan.tokenizer");
    expect_no_scores("offsets", NULL, "does not follow the one before");
    expect_no_scores("bytes", NULL, "don't stand in the text where its text offsets say; name its tokenizer in plan.tokenizer");
    expect_no_scores("forgets", NULL, "don't stand in the text");
    expect_no_scores("forgets", tokenizer, "token ids were sent, the server answers for");
    expect_no_scores("writes-on", NULL, "don't stand in the text");
    expect_no_scores("writes-on", tokenizer, "token ids were sent, the server answers for");
    expect_no_scores("llama-cpp-python", tokenizer, "Input should be a valid string");
    expect_no_scores("no-ids", tokenizer, "prompt: a string is wanted");
}

static void expect_closed(const char *kind, enum error_code code, const char *words)
{
    struct error err = {0};
    struct endpoint *endpoint = open_kind(kind, NULL, &err);
    cr_expect(!endpoint && err.code == code && strstr(err.message, words), "%s: %s", kind, err.message);
    endpoint_close(endpoint);
}

Test(endpoint, servers_that_are_none_are_refused)
{
    expect_closed("html", ERROR_INPUT, "web page (HTML)");
    expect_closed("key", ERROR_INPUT, "a key in the environment variable JEOUL_API_KEY");
    expect_closed("two", ERROR_INPUT, "lists 2 models: small, large; name one in plan.model");
    expect_closed("loop", ERROR_INPUT, "more than 5 redirects");
    expect_closed("elsewhere", ERROR_INPUT, "name it in plan.url");
    expect_closed("huge", ERROR_INPUT, "more than 64 MiB");
    expect_closed("busy-for-long", ERROR_MACHINE, "asks to wait 86400 s");
    options.patience.attempts = 3;
    expect_closed("always-broken", ERROR_MACHINE, "given up after 3 attempts");
    options.patience.attempts = 1;
    options.patience.stall_s = 1;
    expect_closed("stall", ERROR_MACHINE, "nothing came for 1 s");
}

Test(endpoint, addresses_that_are_none_are_refused)
{
    static const char *const addresses[] = {"localhost:8000", "ftp://host/v1", "http://me:secret@host/v1", "http://host/v1?key=secret", ""};
    for (int i = 0; i < 5; i++) {
        struct error err = {0};
        struct endpoint_options bad = {.url = addresses[i], .names = names};
        cr_expect_null(endpoint_open(&bad, &err));
        cr_expect(err.code == ERROR_INPUT && strstr(err.message, "plan.url: ") && strstr(err.message, "is wanted") &&
                      !strstr(err.message, "secret"),
                  "%s", err.message);
    }
}

Test(endpoint, the_key_goes_to_its_server_and_is_not_shown)
{
    options.key = "sesame";
    check_scores("key", true);
    options.key = "wrong-sesame";
    struct error err = {0};
    cr_expect_null(open_kind("key", NULL, &err));
    cr_expect(strstr(err.message, "another key") && !strstr(err.message, "sesame"), "%s", err.message);
    char value[64];
    options.key = NULL;
    check_scores("plain", true);
    cr_expect_null(hostile_header(server->head, "Authorization", value, sizeof value));
}

/* What goes wrong when the probe went well is an error that names the question. */
Test(endpoint, answers_that_do_not_fit_are_errors)
{
    static const struct {
        const char *kind, *words;
    } cases[] = {{"counts@9", "log-probabilities for"}, {"positive@9", "no number"}, {"html@9", "web page"}, {"no-echo@9", "no log-prob"}};
    const int32_t ids[] = {65, 66, 67, 68, 69};
    for (int i = 0; i < 4; i++) {
        struct error err = {0};
        size_t failed = 9;
        struct endpoint_question question = {.kind = ENDPOINT_SCORE, .ids = {ids, ids + 2}, .n_ids = {2, 3}};
        struct endpoint *endpoint = open_kind(cases[i].kind, tokenizer, &err);
        cr_assert(endpoint && endpoint_facts(endpoint).scores, "%s: %s", cases[i].kind, err.message);
        cr_expect(!endpoint_ask(endpoint, &question, 1, NULL, NULL, &failed, &err), "%s", cases[i].kind);
        cr_expect(failed == 0 && err.code == ERROR_INPUT && strstr(err.message, cases[i].words), "%s: %s", cases[i].kind, err.message);
        endpoint_close(endpoint);
    }
}

Test(endpoint, another_models_tokenizer_is_refused)
{
    struct error err = {0};
    struct model_file *other = model_file_open("tests/data/goldens/olmoe_q8_0/model.gguf", &err);
    struct tokenizer *foreign = other ? tokenizer_open(other, &err) : NULL;
    cr_assert_not_null(foreign, "%s", err.message);
    cr_expect_null(open_kind("plain", foreign, &err));
    cr_expect(strstr(err.message, "plan.tokenizer is not its own"), "%s", err.message);
    tokenizer_close(foreign);
    model_file_close(other);
}

Test(endpoint, many_are_on_their_way_at_once_and_each_is_answered_once)
{
    enum { MANY = 40 };
    struct error err = {0};
    options.parallel = 6;
    struct endpoint *endpoint = open_kind("plain", NULL, &err);
    struct endpoint_question *questions = calloc(MANY, sizeof *questions);
    cr_assert_not_null(endpoint, "%s", err.message);
    for (int i = 0; i < MANY; i++)
        questions[i] = (struct endpoint_question){.kind = ENDPOINT_WRITE, .text = contexts[i % 4], .max_tokens = 3 + i % 4};
    cr_assert(endpoint_ask(endpoint, questions, MANY, NULL, NULL, NULL, &err), "%s", err.message);
    for (int i = 0; i < MANY; i++) {
        cr_expect(questions[i].count >= 1 && questions[i].count <= 3 + i % 4);
        cr_expect_str_eq(questions[i].written.bytes, questions[i % 4].written.bytes);
    }
    for (int i = 0; i < MANY; i++)
        text_free(&questions[i].written);
    free(questions);
    cr_expect(server->most_at_once > 1 && server->most_at_once <= 6, "%d at once", server->most_at_once);
    endpoint_close(endpoint);
}

Test(endpoint, stops_go_along_four_at_most)
{
    static const char *const stops[] = {"a", "b", "c", "d", "e", NULL};
    struct error err = {0};
    struct endpoint *endpoint = open_kind("plain", NULL, &err);
    struct endpoint_question question = {.kind = ENDPOINT_WRITE, .text = "Q: 저울?\nA:", .max_tokens = 2, .stops = stops};
    cr_assert(endpoint && endpoint_ask(endpoint, &question, 1, NULL, NULL, NULL, &err), "%s", err.message);
    cr_expect(strstr(server->body, "\"stop\":[\"a\",\"b\",\"c\",\"d\"]") && strstr(server->body, "\"temperature\":0"), "%s", server->body);
    text_free(&question.written);
    endpoint_close(endpoint);
    options.chat = true;
    endpoint = open_kind("plain", NULL, &err);
    cr_assert(endpoint && endpoint_ask(endpoint, &question, 1, NULL, NULL, NULL, &err), "%s", err.message);
    cr_expect(strstr(server->head, "/v1/chat/completions") && strstr(server->body, "\"role\":\"user\""), "%s", server->body);
    text_free(&question.written);
    endpoint_close(endpoint);
}

/* --- load */

enum { LOADED = 7 };

static bool load_kind(const char *kind, bool by_ids, struct endpoint_timing timings[LOADED], struct error *err)
{
    struct endpoint *endpoint = open_kind(kind, by_ids ? tokenizer : NULL, err);
    cr_assert_not_null(endpoint, "%s: %s", kind, err->message);
    struct endpoint_load load = {.words = 9, .max_tokens = 6, .requests = LOADED, .parallel = 3, .seed = 5};
    bool ok = endpoint_load(endpoint, &load, timings, err);
    endpoint_close(endpoint);
    return ok;
}

static void check_timings(const char *kind, bool by_ids, bool told)
{
    struct error err = {0};
    struct endpoint_timing timings[LOADED];
    cr_assert(load_kind(kind, by_ids, timings, &err), "%s: %s", kind, err.message);
    for (int i = 0; i < LOADED; i++) {
        const struct endpoint_timing *t = &timings[i];
        cr_expect(t->sent_ns > 0 && t->sent_ns < t->first_ns && t->first_ns <= t->last_ns, "%s, request %d", kind, i);
        cr_expect(told ? t->prompt_tokens >= 9 : t->prompt_tokens == -1, "%s, request %d: %d", kind, i, t->prompt_tokens);
        cr_expect(told || by_ids ? t->written_tokens >= 1 && t->written_tokens <= 18 : t->written_tokens == -1, "%s, request %d: %d", kind,
                  i, t->written_tokens);
    }
}

Test(endpoint, a_load_is_streamed_with_the_times_of_its_texts)
{
    check_timings("plain", false, true);
    cr_expect_leq(server->most_at_once, 3);
    cr_expect(strstr(server->body, "\"include_usage\":true"), "%s", server->body);
    options.chat = true;
    check_timings("plain", false, true);
    options.chat = false;
}

Test(endpoint, what_a_server_does_not_count_is_unknown_but_for_the_texts_of_a_known_tokenizer)
{
    check_timings("no-usage", false, false);
    check_timings("no-usage", true, false);
}

Test(endpoint, a_request_that_writes_nothing_has_no_times)
{
    struct error err = {0};
    struct endpoint_timing timings[LOADED];
    cr_assert(load_kind("says-nothing", true, timings, &err), "%s", err.message);
    for (int i = 0; i < LOADED; i++)
        cr_expect(timings[i].sent_ns && !timings[i].first_ns && !timings[i].last_ns && timings[i].written_tokens == 0);
}

Test(endpoint, no_two_prompts_of_a_load_begin_alike)
{
    struct error err = {0};
    struct endpoint_timing timings[LOADED];
    char first[64];
    cr_assert(load_kind("plain", false, timings, &err), "%s", err.message);
    snprintf(first, sizeof first, "%.50s", strstr(server->body, "\"prompt\""));
    struct endpoint *endpoint = open_kind("plain", NULL, &err);
    struct endpoint_load one = {.words = 9, .max_tokens = 6, .requests = 1, .parallel = 1, .seed = 5};
    cr_assert(endpoint_load(endpoint, &one, timings, &err), "%s", err.message);
    cr_expect_neq(memcmp(first, strstr(server->body, "\"prompt\""), 27), 0, "%s", first); // `"prompt":"` and the nonce
    endpoint_close(endpoint);
}

Test(endpoint, a_load_that_fails_says_why_and_is_not_tried_again)
{
    static const char *const wrong[][2] = {{"never-streams@9", "nothing was streamed"},
                                           {"unfinished@9", "ends without its [DONE]"},
                                           {"mumbles@9", "no JSON"},
                                           {"always-broken@9", "answers 503"},
                                           {"html@9", "web page"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = {0};
        struct endpoint_timing timings[LOADED];
        n_waits = 0;
        cr_expect_not(load_kind(wrong[i][0], false, timings, &err), "%s", wrong[i][0]);
        cr_expect(strstr(err.message, wrong[i][1]) && strstr(err.message, "of the load"), "%s: %s", wrong[i][0], err.message);
        cr_expect_eq(n_waits, 0, "%s", wrong[i][0]);
    }
}
