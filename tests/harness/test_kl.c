/* jeoul kl: texts cut into windows, figures by hand, and the file of a reference whole, cut and damaged. */
#include "tests/support.h"

#include "base/json.h"
#include "harness/kl_figures.h"
#include "harness/kl_file.h"

#include <string.h>

static struct model_file *file;

/* A golden model's tokenizer: a token a byte, no BOS. */
static struct tokenizer *open_bytes(void)
{
    struct error err = {0};
    struct tokenizer *tokenizer = NULL;
    file = model_file_open("tests/data/goldens/olmoe/model.gguf", &err);
    cr_assert(file && (tokenizer = tokenizer_open(file, &err)), "%s", err.message);
    return tokenizer;
}

static void close_bytes(struct tokenizer *tokenizer)
{
    tokenizer_close(tokenizer);
    model_file_close(file);
}

static void add_text(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, const char *text)
{
    struct error err = {0};
    cr_assert(kl_texts_add(texts, tokenizer, language, "a test", text, strlen(text), &err), "%s", err.message);
}

/* --- texts */

Test(kl_texts, a_text_is_cut_into_windows)
{
    struct tokenizer *tokenizer = open_bytes();
    struct kl_texts texts = {.window = 4};
    add_text(&texts, tokenizer, "en", "abcdefghi"); // 9 tokens: 4, 4 and one that predicts nothing
    cr_expect_eq(texts.n_blocks, 2);
    cr_expect_eq(kl_texts_scored(&texts), 6);
    cr_expect_eq(texts.tokens.count, 8);
    add_text(&texts, tokenizer, "ko", "xyz");
    cr_expect_eq(texts.n_languages, 2);
    cr_expect_eq(texts.blocks[2].language, 1);
    cr_expect_eq(texts.languages[1].scored, 2);
    cr_expect_eq(cJSON_GetArraySize(texts.languages[0].sources), 1);
    kl_texts_free(&texts);
    close_bytes(tokenizer);
}

Test(kl_texts, windows_begin_with_bos_where_the_tokenizer_adds_it)
{
    NEEDS_SHARED("goldens/vocab/ggml-vocab-llama-spm.gguf");
    struct error err = {0};
    struct model_file *vocabulary = model_file_open(shared_path("goldens/vocab/ggml-vocab-llama-spm.gguf"), &err);
    struct tokenizer *tokenizer = vocabulary ? tokenizer_open(vocabulary, &err) : NULL;
    cr_assert(tokenizer != NULL, "%s", err.message);
    int32_t bos = tokenizer_info(tokenizer).bos;
    struct kl_texts texts = {.window = 4};
    add_text(&texts, tokenizer, "en", "1234567"); // the space before it and seven digits
    size_t tokens = kl_texts_scored(&texts);      // each of them is predicted
    cr_expect_eq(tokens, 8);
    cr_expect_eq(texts.n_blocks, 3); // 3, 3 and 2
    for (size_t b = 0; b < texts.n_blocks; b++)
        cr_expect_eq(texts.tokens.ids[texts.blocks[b].first], bos);
    cr_expect_eq(texts.tokens.count, tokens + texts.n_blocks);
    kl_texts_free(&texts);
    tokenizer_close(tokenizer);
    model_file_close(vocabulary);
}

Test(kl_texts, skipped_positions_are_not_scored)
{
    struct tokenizer *tokenizer = open_bytes();
    struct kl_texts texts = {.window = 6, .skip = 3};
    add_text(&texts, tokenizer, "en", "abcdefghij"); // 6 tokens score 2, the other 4 none
    cr_expect_eq(texts.n_blocks, 1);
    cr_expect_eq(kl_texts_scored(&texts), 2);
    cr_expect_eq(kl_block_scored(&texts, &texts.blocks[0]), 2);
    kl_texts_free(&texts);
    close_bytes(tokenizer);
}

Test(kl_texts, the_limit_counts_scored_tokens_of_each_language)
{
    struct tokenizer *tokenizer = open_bytes();
    struct kl_texts texts = {.window = 4, .limit = 5};
    add_text(&texts, tokenizer, "en", "abcdefghijkl");
    add_text(&texts, tokenizer, "en", "more of it");
    add_text(&texts, tokenizer, "ko", "uvwxyz");
    cr_expect_eq(texts.languages[0].scored, 5);
    cr_expect_eq(texts.languages[1].scored, 4); // windows of 4 and 2
    cr_expect_eq(texts.blocks[1].n, 3);
    kl_texts_free(&texts);
    close_bytes(tokenizer);
}

Test(kl_texts, files_need_a_language_and_something_to_score)
{
    struct tokenizer *tokenizer = open_bytes();
    struct kl_texts texts = {.window = 4};
    static const char *const wrong[][2] = {{"news.txt", "such as ko=news.txt"},
                                           {"=news.txt", "such as ko=news.txt"},
                                           {"ko=", "such as ko=news.txt"},
                                           {"a-name-of-a-language=news.txt", "such as ko=news.txt"},
                                           {"ko=/nowhere/news.txt", "cannot be opened"},
                                           {"ko=/dev/null", "no window has tokens to score: 2 and more"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = {0};
        cr_expect_not(kl_texts_add_file(&texts, tokenizer, wrong[i][0], &err), "%s", wrong[i][0]);
        cr_expect(strstr(err.message, wrong[i][1]), "%s: %s", wrong[i][0], err.message);
        cr_expect_eq(err.code, ERROR_INPUT);
    }
    kl_texts_free(&texts);
    close_bytes(tokenizer);
}

Test(kl_texts, our_own_are_there_in_both_languages)
{
    struct tokenizer *tokenizer = open_bytes();
    struct kl_texts texts = {.window = 4096};
    struct error err = {0};
    setenv("JEOUL_DATA", ".", 1);
    cr_assert(kl_texts_add_own(&texts, tokenizer, NULL, &err), "%s", err.message);
    cr_expect_str_eq(texts.languages[0].name, "ko");
    cr_expect_str_eq(texts.languages[1].name, "en");
    cr_expect_eq(texts.n_blocks, 60); // a text each
    kl_texts_free(&texts);
    close_bytes(tokenizer);
}

/* --- figures */

static double at(const cJSON *row, const char *object, const char *key)
{
    return json_real(cJSON_GetObjectItem(row, object), key);
}

Test(kl_figures, by_hand)
{
    /* two blocks of Korean (2 and 1 positions) with one of English between them */
    struct kl_block blocks[] = {{0, 0, 3}, {1, 3, 2}, {0, 5, 2}};
    struct kl_texts texts = {.window = 3, .blocks = blocks, .n_blocks = 3, .n_languages = 2};
    strcpy(texts.languages[0].name, "ko");
    strcpy(texts.languages[1].name, "en");
    texts.languages[0].scored = 3;
    texts.languages[1].scored = 1;
    struct eval_divergence rows[] = {{.kl = 0.1, .same_best = true, .log_p = log(0.5), .log_p_reference = log(0.25)},
                                     {.kl = 0.3, .same_best = false, .log_p = log(0.25), .log_p_reference = log(0.25)},
                                     {.kl = 9, .same_best = true, .log_p = log(0.1), .log_p_reference = log(0.2)},
                                     {.kl = 0.8, .same_best = true, .log_p = log(0.25), .log_p_reference = log(0.5)}};
    struct kl_scored scored = {&texts, rows, 4};
    struct error err = {0};
    cJSON *figures = kl_figures(&scored, &err);
    cr_assert(figures != NULL, "%s", err.message);
    const cJSON *ko = cJSON_GetArrayItem(cJSON_GetObjectItem(figures, "languages"), 0), *en = ko->next;
    cr_expect_eq(json_real(ko, "tokens"), 3);
    cr_expect_eq(json_real(ko, "blocks"), 2);
    cr_expect_float_eq(at(ko, "kl_nats", "mean"), 0.4, 1e-15);
    /* sums 0.4 and 0.8 of sizes 2 and 1: deviations −0.4 and 0.4, √(2 · 0.32) ÷ 3 */
    cr_expect_float_eq(at(ko, "kl_nats", "stderr"), 0.8 / 3, 1e-15);
    cr_expect_float_eq(at(ko, "kl_nats", "ci95_low"), 0.2, 1e-15);
    cr_expect_float_eq(at(ko, "kl_nats", "ci95_high"), 0.8, 1e-15);
    cr_expect_eq(at(ko, "kl_nats", "median"), 0.3);
    cr_expect_eq(at(ko, "kl_nats", "max"), 0.8);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(ko, "kl_nats"), "p90")));
    cr_expect_str_eq(json_text(cJSON_GetObjectItem(ko, "kl_nats"), "p90_reason"), "too few tokens for this percentile");
    cr_expect_float_eq(at(ko, "top1_agreement", "value"), 2.0 / 3, 1e-15);
    cr_expect_float_eq(at(ko, "top1_agreement", "ci95_low"), 0.2076596, 1e-6); // Wilson's for 2 of 3
    cr_expect_float_eq(at(ko, "top1_agreement", "ci95_high"), 0.9385081, 1e-6);
    cr_expect_float_eq(at(ko, "delta_ln_p", "mean"), 0, 1e-15); // ln 2 + 0 − ln 2
    cr_expect_float_eq(at(ko, "perplexity", "reference"), pow(32, 1.0 / 3), 1e-12);
    cr_expect_float_eq(at(ko, "perplexity", "model"), pow(32, 1.0 / 3), 1e-12);
    cr_expect_float_eq(at(ko, "perplexity", "ratio_ci95_low"), exp(-log(2) / 2), 1e-12); // both draws the first block
    cr_expect_float_eq(at(ko, "perplexity", "ratio_ci95_high"), 2, 1e-12);               // both the second
    cr_expect_float_eq(at(en, "perplexity", "ratio"), 2, 1e-12);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(en, "kl_nats"), "stderr"))); // one block
    cJSON_Delete(figures);
}

/* --- the file */

enum { VOCABULARY = 320, ROWS = 5 }; // of texts_of_five()

static void texts_of_five(struct kl_texts *texts)
{
    struct tokenizer *tokenizer = open_bytes();
    *texts = (struct kl_texts){.window = 4};
    add_text(texts, tokenizer, "ko", "abcd");
    add_text(texts, tokenizer, "en", "xyz");
    close_bytes(tokenizer);
}

static float logits[ROWS * VOCABULARY];

static void write_file(const char *path)
{
    struct kl_texts texts;
    struct kl_writer writer;
    struct error err = {0};
    cJSON *reference = cJSON_CreateObject();
    cJSON_AddStringToObject(reference, "name", "a model");
    for (int i = 0; i < ROWS * VOCABULARY; i++)
        logits[i] = (float)i * 0.37f;
    texts_of_five(&texts);
    cr_assert(kl_writer_begin(&writer, path, &texts, reference, "abc", VOCABULARY, &err) && kl_writer_rows(&writer, logits, 3, &err) &&
                  kl_writer_rows(&writer, logits + 3 * VOCABULARY, 2, &err) && kl_writer_end(&writer, &err),
              "%s", err.message);
    cJSON_Delete(reference);
    kl_texts_free(&texts);
}

/* Whether a file is read to its end; `got` may be NULL. */
static bool read_file(const char *path, float *got, struct error *err)
{
    static float rows[ROWS * VOCABULARY];
    struct kl_texts texts = {0};
    struct kl_reader reader;
    *err = (struct error){0};
    bool ok = kl_reader_open(&reader, path, &texts, err) && reader.n_vocab == VOCABULARY && kl_texts_scored(&texts) == ROWS &&
              kl_reader_rows(&reader, got ? got : rows, ROWS, err);
    kl_reader_close(&reader);
    kl_texts_free(&texts);
    return ok;
}

static void temporary_path(char out[64])
{
    snprintf(out, 64, "/tmp/jeoul-test-kl.XXXXXX");
    int fd = mkstemp(out);
    cr_assert(fd >= 0);
    close(fd);
}

Test(kl_file, gives_back_every_bit)
{
    static float got[ROWS * VOCABULARY];
    struct error err;
    char path[64];
    temporary_path(path);
    write_file(path);
    cr_expect(read_file(path, got, &err), "%s", err.message);
    cr_expect_eq(memcmp(got, logits, sizeof logits), 0);
    struct kl_texts texts = {0};
    struct kl_reader reader;
    cr_assert(kl_reader_open(&reader, path, &texts, &err));
    cr_expect_str_eq(reader.vocabulary, "abc");
    cr_expect_str_eq(json_text(reader.reference, "name"), "a model");
    cr_expect_eq(texts.window, 4);
    cr_expect_eq(texts.n_blocks, 2);
    cr_expect_eq(texts.blocks[1].first, 4);
    cr_expect_eq(texts.tokens.ids[4], 'x');
    cr_expect_str_eq(texts.languages[1].name, "en");
    kl_reader_close(&reader);
    kl_texts_free(&texts);
    remove(path);
}

static void put_file(const char *path, const char *bytes, size_t n)
{
    FILE *stream = fopen(path, "wb");
    cr_assert(stream && fwrite(bytes, 1, n, stream) == n && fclose(stream) == 0);
}

Test(kl_file, cut_anywhere_is_refused)
{
    struct error err;
    char path[64];
    size_t n;
    temporary_path(path);
    write_file(path);
    char *bytes = read_whole(path, &n);
    for (size_t cut = 0; cut < n; cut += cut < 600 ? 1 : 97) {
        put_file(path, bytes, cut);
        cr_expect_not(read_file(path, NULL, &err), "cut at %zu of %zu", cut, n);
        cr_expect_eq(err.code, ERROR_INPUT, "cut at %zu: %s", cut, err.message);
    }
    bytes = realloc(bytes, n + 1);
    bytes[n] = 0;
    put_file(path, bytes, n + 1);
    cr_expect_not(read_file(path, NULL, &err), "one byte too many");
    free(bytes);
    remove(path);
}

Test(kl_file, a_changed_byte_is_refused_or_changes_no_number)
{
    struct error err;
    static float got[ROWS * VOCABULARY];
    char path[64];
    size_t n;
    temporary_path(path);
    write_file(path);
    char *bytes = read_whole(path, &n);
    size_t header = 16 + (unsigned char)bytes[8] + 256 * (size_t)(unsigned char)bytes[9];
    for (size_t i = 0; i < n; i += i < header + 40 ? 1 : 53) {
        bytes[i] ^= 0x15;
        put_file(path, bytes, n);
        bool read = read_file(path, got, &err);
        cr_expect(!read || (i < header && memcmp(got, logits, sizeof logits) == 0), "byte %zu changed", i);
        cr_expect(read || err.code == ERROR_INPUT || !err.code, "byte %zu: %s", i, err.message);
        bytes[i] ^= 0x15;
    }
    free(bytes);
    remove(path);
}

/* Headers that promise more than there is: nothing is allocated by them. */
Test(kl_file, a_header_that_lies_is_refused)
{
    static const char *const lies[][2] = {
        {"[1]", "reference"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":1e9,\"window\":4,\"skip\":0,\"languages\":[],\"blocks\":[]}",
         "n_vocab"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":9,\"window\":4,\"skip\":3,\"languages\":[],\"blocks\":[]}", "skip"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":9,\"window\":4,\"skip\":0,\"languages\":[],\"blocks\":[]}", "is empty"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":9,\"window\":4,\"skip\":0,"
         "\"languages\":[{\"language\":\"ko\",\"sources\":[]}],\"blocks\":[[1,3]]}",
         "blocks[0]"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":9,\"window\":4,\"skip\":0,"
         "\"languages\":[{\"language\":\"ko\",\"sources\":[]}],\"blocks\":[[0,5]]}",
         "blocks[0]"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":9,\"window\":4,\"skip\":0,"
         "\"languages\":[{\"language\":\"ko\",\"sources\":[]},{\"language\":\"ko\",\"sources\":[]}],\"blocks\":[[0,4]]}",
         "twice"},
        {"{\"reference\":{},\"vocabulary_sha256\":\"a\",\"n_vocab\":16777216,\"window\":16777216,\"skip\":0,"
         "\"languages\":[{\"language\":\"ko\",\"sources\":[]}],\"blocks\":[[0,16777216],[0,16777216]]}",
         "doesn't come to"}};
    char path[64];
    temporary_path(path);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct text text = {0};
        struct error err;
        uint64_t length = strlen(lies[i][0]);
        text_add_string(&text, "JEOULKL1");
        text_add(&text, (const char *)&length, sizeof length);
        text_add_string(&text, lies[i][0]);
        put_file(path, text.bytes, text.length);
        cr_expect_not(read_file(path, NULL, &err));
        cr_expect(strstr(err.message, lies[i][1]), "%s: %s", lies[i][0], err.message);
        cr_expect_eq(err.code, ERROR_INPUT);
        text_free(&text);
    }
    remove(path);
}
