/* Learning a vocabulary: merges computed by hand, the same file every time, texts back as they were, through the engine's own tokenizer. */
#include "tests/support.h"

#include "base/random.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/train.h"

#include <string.h>

/* Each test is a process of its own, and several run at once. */
static char path[64], other_path[64];

static void name_files(void)
{
    snprintf(path, sizeof path, "build/test_vocabulary_%d.gguf", (int)getpid());
    snprintf(other_path, sizeof other_path, "build/test_vocabulary_%d_2.gguf", (int)getpid());
}

TestSuite(vocabulary_train, .init = name_files);

struct learned {
    struct model_file *file;
    struct tokenizer *tokenizer;
};

static struct learned learn(const char *text, const struct vocabulary_options *options)
{
    struct error err = {0};
    struct learned l;
    cr_assert(vocabulary_train(text, strlen(text), options, path, &err), "%s", err.message);
    l.file = model_file_open(path, &err);
    cr_assert_not_null(l.file, "%s", err.message);
    l.tokenizer = tokenizer_open(l.file, &err);
    cr_assert_not_null(l.tokenizer, "%s", err.message);
    return l;
}

static void forget(struct learned *l)
{
    tokenizer_close(l->tokenizer);
    model_file_close(l->file);
    unlink(path);
}

static void expect_token(const struct learned *l, int32_t id, const char *text)
{
    size_t n = 0;
    const char *bytes = token_bytes(l->tokenizer, id, &n);
    cr_assert(bytes && n == strlen(text) && memcmp(bytes, text, n) == 0, "token %d is \"%.*s\", not \"%s\"", id, (int)n, bytes ? bytes : "",
              text);
}

/* Pieces: "low", " low" twice, " lower", " lowest". l-o and o-w stand 5 times, the lower left token goes first; then lo-w, " "-low (4
 * times), " low"-e (twice); nothing else stands twice. */
Test(vocabulary_train, merges_are_those_computed_by_hand)
{
    struct learned l = learn("low low low lower lowest", &(struct vocabulary_options){.pre = "gpt-2", .tokens = 1000});
    cr_assert_eq(tokenizer_info(l.tokenizer).n_vocab, 256 + 4 + 2);
    expect_token(&l, 256, "lo");
    expect_token(&l, 257, "low");
    expect_token(&l, 258, " low");
    expect_token(&l, 259, " lowe");
    struct token_list list = {0};
    struct error err = {0};
    cr_assert(tokenize(l.tokenizer, "low lowest", 10, 0, &list, &err));
    cr_assert_eq(list.count, 4);
    const int32_t wanted[] = {257, 259, 's', 't'};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(list.ids[i], wanted[i]);
    token_list_free(&list);
    forget(&l);
}

/* a-b and a-c stand twice each: of the same left token the lower right one goes first. */
Test(vocabulary_train, of_equal_pairs_the_lower_right_token_goes_first)
{
    struct learned l = learn("ac\nab\nac\nab", &(struct vocabulary_options){.pre = "gpt-2", .tokens = 1000});
    cr_assert_eq(tokenizer_info(l.tokenizer).n_vocab, 256 + 2 + 2);
    expect_token(&l, 256, "ab");
    expect_token(&l, 257, "ac");
    forget(&l);
}

Test(vocabulary_train, a_run_of_one_letter_is_joined_from_its_beginning)
{
    struct learned l = learn("aaaaa", &(struct vocabulary_options){.pre = "gpt-2", .tokens = 1000}); // a-a 4 times; then aa-aa once
    cr_assert_eq(tokenizer_info(l.tokenizer).n_vocab, 256 + 1 + 2);
    expect_token(&l, 256, "aa");
    forget(&l);
}

Test(vocabulary_train, tokens_keep_to_the_longest_and_to_the_number)
{
    struct learned l = learn("low low low lower lowest", &(struct vocabulary_options){.pre = "gpt-2", .tokens = 1000, .longest_bytes = 3});
    cr_assert_eq(tokenizer_info(l.tokenizer).n_vocab, 256 + 2 + 2);
    forget(&l);
    l = learn("low low low lower lowest", &(struct vocabulary_options){.pre = "gpt-2", .tokens = 259});
    cr_assert_eq(tokenizer_info(l.tokenizer).n_vocab, 259);
    forget(&l);
}

Test(vocabulary_train, is_the_same_file_every_time)
{
    struct error err = {0};
    size_t n, m;
    char *text = read_whole("README.ko.md", &n);
    struct vocabulary_options options = {.pre = "qwen2", .tokens = 700, .longest_bytes = 4};
    cr_assert(vocabulary_train(text, n, &options, path, &err), "%s", err.message);
    cr_assert(vocabulary_train(text, n, &options, other_path, &err), "%s", err.message);
    char *a = read_whole(path, &n), *b = read_whole(other_path, &m);
    cr_assert(n == m && memcmp(a, b, n) == 0);
    free(a);
    free(b);
    free(text);
    unlink(path);
    unlink(other_path);
}

/* Whole characters, or the beginning of one: where a token ends, so does a syllable, but for syllables that the vocabulary lacks. */
static bool keeps_characters_whole(const char *bytes, size_t n)
{
    if (utf8_invalid_at(bytes, n) == n || n == 1)
        return true;
    for (size_t i = 0; i < n; i++)
        if (((uint8_t)bytes[i] >= 0xC2) != (i == 0))
            return false;
    return true;
}

Test(vocabulary_train, korean_and_english_come_back_as_they_were)
{
    size_t n;
    char *text = read_whole("README.ko.md", &n);
    struct learned l = learn(text, &(struct vocabulary_options){.pre = "qwen2", .tokens = 900});
    static const char *const samples[] = {"우리는 부산으로 간다. The trains stop here, 12 + 5 = 17.", "꿿 없는 글자\n\t \"!\"", "\xFF\xEA",
                                          ""};
    for (size_t i = 0; i <= sizeof samples / sizeof *samples; i++) {
        const char *sample = i < sizeof samples / sizeof *samples ? samples[i] : text;
        struct token_list list = {0};
        struct text back = {0};
        struct error err = {0};
        cr_assert(tokenize(l.tokenizer, sample, strlen(sample), 0, &list, &err), "%s", err.message);
        for (size_t t = 0; t < list.count; t++) {
            size_t length;
            const char *bytes = token_bytes(l.tokenizer, list.ids[t], &length);
            text_add(&back, bytes, length);
            cr_assert(keeps_characters_whole(bytes, length), "token %d", list.ids[t]);
        }
        cr_assert(back.length == strlen(sample) && (back.length == 0 || memcmp(back.bytes, sample, back.length) == 0));
        cr_assert(sample != text || list.count < n / 2, "merges are used");
        text_free(&back);
        token_list_free(&list);
    }
    free(text);
    forget(&l);
}

/* Letters of which every run stands in many surroundings: the ways to the same bytes are as many as can be. */
Test(vocabulary_train, no_token_is_there_twice)
{
    enum { LENGTH = 30000 };
    static char text[LENGTH + 1];
    struct random random = random_seed(1, 2);
    for (int i = 0; i < LENGTH; i++)
        text[i] = "aaaabbbc "[random_below(&random, 9)];
    struct learned l = learn(text, &(struct vocabulary_options){.pre = "gpt-2", .tokens = 1500});
    int n = tokenizer_info(l.tokenizer).n_vocab;
    cr_assert_gt(n, 600);
    for (int32_t i = 256; i < n; i++)
        for (int32_t j = 256; j < i; j++) {
            size_t a, b;
            const char *one = token_bytes(l.tokenizer, i, &a), *other = token_bytes(l.tokenizer, j, &b);
            cr_assert(a != b || memcmp(one, other, a) != 0, "%d and %d are \"%.*s\"", j, i, (int)a, one);
        }
    forget(&l);
}

Test(vocabulary_train, texts_begin_with_the_end_of_the_one_before)
{
    struct learned l = learn("a text", &(struct vocabulary_options){.pre = "qwen2", .tokens = 300});
    struct tokenizer_info info = tokenizer_info(l.tokenizer);
    struct token_list list = {0};
    struct error err = {0};
    cr_assert(tokenize(l.tokenizer, "a", 1, TOKENIZE_BOS, &list, &err));
    cr_assert(info.adds_bos && info.bos == info.eos && list.count == 2 && list.ids[0] == info.bos &&
              token_is_control(l.tokenizer, info.bos));
    token_list_free(&list);
    forget(&l);
}

Test(vocabulary_train, what_cannot_be_is_refused)
{
    struct error err = {0};
    cr_assert(!vocabulary_train("a", 1, &(struct vocabulary_options){.pre = "nothing", .tokens = 300}, path, &err));
    cr_assert(err.code == ERROR_INPUT && strstr(err.message, "nothing"), "%s", err.message);
    cr_assert(!vocabulary_train("a", 1, &(struct vocabulary_options){.pre = "gpt-2", .tokens = 257}, path, &err));
    cr_assert(err.code == ERROR_INPUT && strstr(err.message, "258"), "%s", err.message);
    cr_assert(!vocabulary_train("a", 1, &(struct vocabulary_options){.pre = "gpt-2", .tokens = 258}, "/nowhere/x.gguf", &err));
}
