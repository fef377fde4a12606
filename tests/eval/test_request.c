/* Requests: the strings and windows of the reference's own functions (scoring-vectors.json), and what holds on a real vocabulary. */
#include "tests/support.h"

#include "base/json.h"
#include "eval/request.h"

#include <string.h>

static cJSON *vectors(void)
{
    struct error err = {0};
    cJSON *root = json_read(shared_path("evalsets/scoring-vectors.json"), 1 << 24, &err);
    cr_assert_not_null(root, "%s", err.message);
    return root;
}

Test(request, trailing_white_space_moves_as_in_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    cJSON *root = vectors();
    const cJSON *pair;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(root, "encode_pair_strings")) {
        const char *context = json_text(pair, "context"), *used = json_text(pair, "context_used");
        size_t n = strlen(context);
        cr_expect_eq(n - request_trailing_space(context, n), strlen(used), "\"%s\"", context);
    }
    cr_expect_eq(request_trailing_space("", 0), 0);
    cr_expect_eq(request_trailing_space("\xE3\x80", 2), 0, "a broken character is no space");
    cJSON_Delete(root);
}

Test(request, windows_are_those_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    cJSON *root = vectors();
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(root, "rolling_windows")) {
        const cJSON *wanted = cJSON_GetObjectItem(one, "windows"), *tokens = cJSON_GetObjectItem(one, "tokens");
        size_t n = (size_t)cJSON_GetArraySize(tokens), length = (size_t)json_real(one, "max_seq_len");
        struct rolling_window windows[8];
        cr_assert_eq(request_windows(n, length, NULL), (size_t)cJSON_GetArraySize(wanted));
        request_windows(n, length, windows);
        for (int w = 0; w < cJSON_GetArraySize(wanted); w++) {
            const cJSON *context = cJSON_GetObjectItem(cJSON_GetArrayItem(wanted, w), "context");
            const cJSON *predicted = cJSON_GetObjectItem(cJSON_GetArrayItem(wanted, w), "predicted");
            cr_expect_eq(windows[w].context, (size_t)cJSON_GetArraySize(context));
            cr_expect_eq(windows[w].count, (size_t)cJSON_GetArraySize(predicted));
            for (size_t i = 0; i < windows[w].count; i++) // tokens are numbered from 1 behind prefix 0
                cr_expect_eq(cJSON_GetArrayItem(predicted, (int)i)->valueint, (int)(windows[w].first + i));
            for (size_t i = 0; i < windows[w].context; i++)
                cr_expect_eq(cJSON_GetArrayItem(context, (int)i)->valueint, (int)(windows[w].first - windows[w].context + i));
        }
    }
    cr_expect_eq(request_windows(0, 5, NULL), 0);
    cJSON_Delete(root);
}

struct opened {
    struct model_file *file;
    struct tokenizer *tokenizer;
    struct request_rules rules;
};

static struct opened open_vocabulary(const char *name, int max_length)
{
    struct error err = {0};
    struct opened o = {0};
    char path[256];
    snprintf(path, sizeof path, "goldens/vocab/ggml-vocab-%s.gguf", name);
    NEEDS_SHARED(path);
    o.file = model_file_open(shared_path(path), &err);
    cr_assert_not_null(o.file, "%s", err.message);
    o.tokenizer = tokenizer_open(o.file, &err);
    cr_assert_not_null(o.tokenizer, "%s", err.message);
    o.rules = (struct request_rules){o.tokenizer, max_length};
    return o;
}

static void close_vocabulary(struct opened *o)
{
    tokenizer_close(o->tokenizer);
    model_file_close(o->file);
}

/* Context and continuation together are the tokens of the whole text where the boundary doesn't merge. */
static void expect_pair(struct opened *o, const char *context, const char *continuation, int scored)
{
    struct error err = {0};
    struct token_list head = {0}, tail = {0}, whole = {0};
    struct text text = {0};
    int n_context;
    text_add_string(&text, context);
    text_add_string(&text, continuation);
    cr_assert(request_context(&o->rules, context, &head, &err), "%s", err.message);
    cr_assert(request_continuation(&o->rules, context, head.count, continuation, &tail, &n_context, &err), "%s", err.message);
    cr_assert(tokenize(o->tokenizer, text.bytes, text.length, TOKENIZE_BOS | TOKENIZE_SPECIAL, &whole, &err));
    cr_expect_eq(tail.count, (size_t)scored, "\"%s\" + \"%s\": %zu tokens", context, continuation, tail.count);
    cr_expect_eq((size_t)n_context, head.count);
    cr_assert_eq(head.count + tail.count, whole.count, "\"%s\" + \"%s\"", context, continuation);
    cr_expect_eq(memcmp(head.ids, whole.ids, head.count * 4), 0);
    cr_expect_eq(memcmp(tail.ids, whole.ids + head.count, tail.count * 4), 0);
    token_list_free(&head);
    token_list_free(&tail);
    token_list_free(&whole);
    text_free(&text);
}

Test(request, a_continuation_has_the_tokens_behind_the_contexts)
{
    struct opened o = open_vocabulary("gpt-2", 1024);
    expect_pair(&o, "Question: Why?\nAnswer:", " A", 1);
    expect_pair(&o, "Question: Why?\nAnswer: ", "A", 1);
    expect_pair(&o, "Question: Why?\nAnswer: ", " A", 2);
    expect_pair(&o, "The capital of France is", " Paris, of course.", 5);
    close_vocabulary(&o);
}

Test(request, an_empty_context_is_the_prefix_token_and_special_tokens_are_not_added)
{
    struct error err = {0};
    struct opened o = open_vocabulary("llama-spm", 1024); // adds BOS
    struct token_list context = {0}, continuation = {0};
    int n_context, bos = tokenizer_info(o.tokenizer).bos;
    cr_assert(request_context(&o.rules, "", &context, &err), "%s", err.message);
    cr_expect_eq(context.count, 1);
    cr_expect_eq(context.ids[0], bos);
    cr_assert(request_continuation(&o.rules, "", 1, "Paris", &continuation, &n_context, &err), "%s", err.message);
    cr_expect_neq(continuation.ids[0], bos);
    size_t alone = continuation.count;
    continuation.count = 0;
    cr_assert(request_continuation(&o.rules, "", 1, "<s>Paris", &continuation, &n_context, &err), "%s", err.message);
    cr_expect_eq(continuation.count, alone, "the prefix token that stands there is not scored");
    context.count = 0;
    cr_assert(request_context(&o.rules, "<s>Paris", &context, &err), "%s", err.message);
    cr_expect(context.ids[0] == bos && context.ids[1] != bos, "BOS that stands there is not added again");
    token_list_free(&context);
    token_list_free(&continuation);
    close_vocabulary(&o);
}

Test(request, too_long_is_cut_on_the_left_and_too_long_a_continuation_is_refused)
{
    struct error err = {0};
    struct opened o = open_vocabulary("gpt-2", 4);
    struct token_list context = {0}, continuation = {0};
    int n_context;
    cr_assert(request_context(&o.rules, " a b c d e f", &context, &err), "%s", err.message);
    cr_assert_eq(context.count, 6);
    cr_assert(request_continuation(&o.rules, " a b c d e f", context.count, " g h", &continuation, &n_context, &err), "%s", err.message);
    cr_expect_eq(continuation.count, 2);
    cr_expect_eq(n_context, 3, "4 + 1 tokens in all, the last is not fed");
    cr_expect_not(request_continuation(&o.rules, " a b c d e f", context.count, " g h i j k", &continuation, &n_context, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_not(request_continuation(&o.rules, " a b c d e f", context.count, "", &continuation, &n_context, &err));
    context.count = 0;
    cr_assert(request_prompt(&o.rules, " a b c d e f", 1, &context, &err), "%s", err.message);
    cr_expect_eq(context.count, 3);
    cr_expect_not(request_prompt(&o.rules, " a b", 4, &context, &err));
    token_list_free(&context);
    token_list_free(&continuation);
    close_vocabulary(&o);
}
