/* Vocabularies as a hostile or careless writer makes them: refused with a message that names the file and the entry, or read as meant. */
#include "tests/support.h"

#include "engine/engine.h"

#include <string.h>

static char path[64];

static void make_path(void)
{
    snprintf(path, sizeof path, "/tmp/jeoul-test-vocabulary-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_path(void)
{
    unlink(path);
}

TestSuite(vocabulary, .init = make_path, .fini = remove_path);

/* --- a GGUF in the making ---------------------------------------------------------------------------------------------------------------
 */

enum { U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9 };

struct file {
    char bytes[1 << 15];
    size_t n;
    uint64_t entries;
};

static void put(struct file *f, const void *bytes, size_t n)
{
    cr_assert_leq(f->n + n, sizeof f->bytes);
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void put_u32(struct file *f, uint32_t value)
{
    put(f, &value, 4);
}

static void put_u64(struct file *f, uint64_t value)
{
    put(f, &value, 8);
}

static void put_string(struct file *f, const char *string)
{
    put_u64(f, strlen(string));
    put(f, string, strlen(string));
}

static void put_key(struct file *f, const char *key, uint32_t type)
{
    put_string(f, key);
    put_u32(f, type);
    f->entries++;
}

static void put_text(struct file *f, const char *key, const char *value)
{
    put_key(f, key, STRING);
    put_string(f, value);
}

static void put_number(struct file *f, const char *key, uint32_t value)
{
    put_key(f, key, U32);
    put_u32(f, value);
}

static void put_flag(struct file *f, const char *key, bool value)
{
    put_key(f, key, BOOL);
    put(f, &value, 1);
}

static void put_strings(struct file *f, const char *key, size_t count, const char *const *values)
{
    put_key(f, key, ARRAY);
    put_u32(f, STRING);
    put_u64(f, count);
    for (size_t i = 0; i < count; i++)
        put_string(f, values[i]);
}

static void put_types(struct file *f, size_t count, const int32_t *values)
{
    put_key(f, "tokenizer.ggml.token_type", ARRAY);
    put_u32(f, I32);
    put_u64(f, count);
    put(f, values, count * 4);
}

static void put_scores(struct file *f, size_t count, const float *values)
{
    put_key(f, "tokenizer.ggml.scores", ARRAY);
    put_u32(f, F32);
    put_u64(f, count);
    put(f, values, count * 4);
}

static struct tokenizer *open_it(const struct file *f, struct error *err)
{
    FILE *stream = fopen(path, "wb");
    cr_assert_not_null(stream);
    struct file head = {0};
    put(&head, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16); // no tensors
    put_u64(&head, f->entries);
    cr_assert(fwrite(head.bytes, 1, head.n, stream) == head.n && fwrite(f->bytes, 1, f->n, stream) == f->n && fclose(stream) == 0);
    struct model_file *file = model_file_open(path, err);
    cr_assert_not_null(file, "%s", err->message);
    struct tokenizer *t = tokenizer_open(file, err);
    model_file_close(file);
    return t;
}

static void expect_refused(const struct file *f, const char *words)
{
    struct error err = {0};
    struct tokenizer *t = open_it(f, &err);
    cr_expect_null(t, "opened, though: %s", words);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, words) && strstr(err.message, path), "\"%s\" is not in: %s", words, err.message);
    tokenizer_close(t);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* "ab" is a token, and so is each of its letters. */
static const char *const letters[] = {"a", "b", "c", "ab", "<s>", "</s>"};
static const int32_t types[] = {1, 1, 1, 1, 3, 3};
static const char *const merges[] = {"a b"};

static struct file byte_level(void)
{
    struct file f = {0};
    put_text(&f, "tokenizer.ggml.model", "gpt2");
    put_text(&f, "tokenizer.ggml.pre", "gpt-2");
    return f;
}

static struct file with_letters(void)
{
    struct file f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
    put_types(&f, COUNT(types), types);
    put_strings(&f, "tokenizer.ggml.merges", COUNT(merges), merges);
    return f;
}

static void expect_tokens(const struct tokenizer *t, const char *text, int flags, size_t count, const int32_t *ids)
{
    struct token_list list = {0};
    struct error err = {0};
    cr_assert(tokenize(t, text, strlen(text), flags, &list, &err), "%s", err.message);
    cr_expect(list.count == count && (!count || memcmp(list.ids, ids, count * sizeof *ids) == 0), "\"%s\"", text);
    token_list_free(&list);
}

#define EXPECT_TOKENS(t, text, flags, ...)                                                                                                 \
    do {                                                                                                                                   \
        const int32_t wanted[] = {__VA_ARGS__};                                                                                            \
        expect_tokens(t, text, flags, COUNT(wanted), wanted);                                                                              \
    } while (0)

/* --- byte-level ------------------------------------------------------------------------------------------------------------------------
 */

Test(vocabulary, a_small_one_is_read)
{
    struct file f = with_letters();
    put_number(&f, "tokenizer.ggml.bos_token_id", 4);
    put_number(&f, "tokenizer.ggml.eos_token_id", 5);
    put_flag(&f, "tokenizer.ggml.add_bos_token", true);
    put_flag(&f, "tokenizer.ggml.add_eos_token", true);
    struct error err = {0};
    struct tokenizer *t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "abcab", 0, 3, 2, 3);
    EXPECT_TOKENS(t, "a", TOKENIZE_BOS, 4, 0, 5);
    EXPECT_TOKENS(t, "a<s></s>b", TOKENIZE_SPECIAL, 0, 4, 5, 1);
    tokenizer_close(t);
}

Test(vocabulary, a_token_that_stands_twice_is_refused)
{
    static const char *const twice[] = {"a", "b", "a"};
    for (int32_t type = 1; type <= 4; type += 1) {
        struct file f = byte_level();
        put_strings(&f, "tokenizer.ggml.tokens", 3, twice);
        put_types(&f, 3, (int32_t[]){type, 1, type});
        expect_refused(&f, "stands twice (entry 2)");
    }
}

Test(vocabulary, a_user_defined_token_may_spell_an_ordinary_one)
{
    static const char *const spaces[] = {"Ġ", "ĠĠ", "  "};
    static const char *const pairs[] = {"Ġ Ġ"};
    struct file f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", 3, spaces);
    put_types(&f, 3, (int32_t[]){1, 1, 4});
    put_strings(&f, "tokenizer.ggml.merges", 1, pairs);
    struct error err = {0};
    struct tokenizer *t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "   ", 0, 2, 0);
    tokenizer_close(t);
}

Test(vocabulary, merges_that_join_no_tokens_are_refused)
{
    static const struct {
        const char *merge, *words;
    } cases[] = {
        {"a z", "names no token (merge 0)"},
        {"b a", "names no token (merge 0)"}, // no token "ba"
        {"ab", "not two tokens (merge 0)"},
        {"", "not two tokens (merge 0)"},
        {"a ", "names no token (merge 0)"},
        {"a b c", "outside the byte alphabet (merge 0)"},
        {"a \xff", "outside the byte alphabet (merge 0)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct file f = byte_level();
        put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
        put_strings(&f, "tokenizer.ggml.merges", 1, &cases[i].merge);
        expect_refused(&f, cases[i].words);
    }
    struct file f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
    expect_refused(&f, "tokenizer.ggml.merges");
}

Test(vocabulary, ids_outside_of_it_are_refused)
{
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.unknown_token_id"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct file f = with_letters();
        put_number(&f, keys[i], 6);
        expect_refused(&f, keys[i]);
    }
}

Test(vocabulary, adding_a_token_that_is_not_named_is_refused)
{
    struct file f = with_letters();
    put_flag(&f, "tokenizer.ggml.add_bos_token", true);
    expect_refused(&f, "add_bos_token is true, and no tokenizer.ggml.bos_token_id is there");
}

Test(vocabulary, arrays_of_other_lengths_are_refused)
{
    struct file f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
    put_types(&f, 5, types);
    expect_refused(&f, "5 token types for 6 tokens");
    f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
    put_scores(&f, 3, (float[]){0, 0, 0});
    expect_refused(&f, "3 scores for 6 tokens");
    f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", 0, letters);
    expect_refused(&f, "a vocabulary of 0 tokens");
}

Test(vocabulary, unknown_types_and_empty_special_tokens_are_refused)
{
    static const char *const holes[] = {"a", "", ""};
    struct file f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", 3, holes);
    put_types(&f, 3, (int32_t[]){1, 3, 1});
    expect_refused(&f, "an empty special token (entry 1)");
    f = byte_level();
    put_strings(&f, "tokenizer.ggml.tokens", 3, holes);
    put_types(&f, 3, (int32_t[]){1, 1, 7});
    expect_refused(&f, "an unknown token type (entry 2)");
    f = byte_level(); // ordinary ones are holes in the numbering, as published vocabularies have them
    put_strings(&f, "tokenizer.ggml.tokens", 3, holes);
    put_strings(&f, "tokenizer.ggml.merges", 0, holes);
    struct error err = {0};
    struct tokenizer *t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "aa", 0, 0, 0);
    tokenizer_close(t);
}

Test(vocabulary, unknown_kinds_are_refused_by_name)
{
    struct file f = {0};
    put_text(&f, "tokenizer.ggml.model", "bert");
    expect_refused(&f, "\"bert\" is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece)");
    f = (struct file){0};
    put_text(&f, "tokenizer.ggml.model", "gpt2");
    put_text(&f, "tokenizer.ggml.pre", "no-such");
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(letters), letters);
    expect_refused(&f, "\"no-such\" (tokenizer.ggml.pre) is not known; known are: gpt-2 ");
}

/* --- SentencePiece ---------------------------------------------------------------------------------------------------------------------
 */

static const char *const pieces[] = {"<unk>", "<s>", "</s>", "<0x80>", "\u2581", "a", "b", "ab", "\u2581a", "ba", "<tool>"};
static const int32_t piece_types[] = {2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 4};
static const float scores[] = {0, 0, 0, 0, -5, -4, -4, -2, -1, -2, 0};

static struct file sentencepiece(size_t n_types, size_t n_scores)
{
    struct file f = {0};
    put_text(&f, "tokenizer.ggml.model", "llama");
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(pieces), pieces);
    put_types(&f, n_types, piece_types);
    put_scores(&f, n_scores, scores);
    return f;
}

Test(vocabulary, sentencepiece_joins_by_score_and_the_leftmost_first)
{
    struct file f = sentencepiece(COUNT(pieces), COUNT(pieces));
    struct error err = {0};
    struct tokenizer *t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "aba", 0, 8, 9);                // " a" is better than "ab"
    EXPECT_TOKENS(t, "bab", 0, 4, 9, 6);             // "ba" and "ab" are equal: the left one
    EXPECT_TOKENS(t, "b", TOKENIZE_BOS, 1, 4, 6);    // BOS unless the file says otherwise
    EXPECT_TOKENS(t, "a\xC3", 0, 8, 0);              // neither a piece nor a byte: unknown
    EXPECT_TOKENS(t, "\x80", 0, 4, 3);               // a byte
    EXPECT_TOKENS(t, "b<tool>b", 0, 4, 6, 10, 4, 6); // user-defined; the prefix is there again behind it
    EXPECT_TOKENS(t, "b<s>", TOKENIZE_SPECIAL, 4, 6, 1);
    EXPECT_TOKENS(t, "", 0, );
    tokenizer_close(t);
    put_flag(&f, "tokenizer.ggml.add_space_prefix", false);
    put_flag(&f, "tokenizer.ggml.add_bos_token", false);
    put_flag(&f, "tokenizer.ggml.add_eos_token", true);
    t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "b a", TOKENIZE_BOS, 6, 8, 2);
    tokenizer_close(t);
}

Test(vocabulary, special_tokens_of_phi_3_take_white_space_away)
{
    struct file f = sentencepiece(COUNT(pieces), COUNT(pieces));
    put_text(&f, "general.name", "My Phi-3 model");
    struct error err = {0};
    struct tokenizer *t = open_it(&f, &err);
    cr_assert_not_null(t, "%s", err.message);
    EXPECT_TOKENS(t, "b<tool> \n b", 0, 4, 6, 10, 4, 6);
    EXPECT_TOKENS(t, "b<s> b", TOKENIZE_SPECIAL, 4, 6, 1, 4, 4, 6); // but not this one's
    tokenizer_close(t);
}

Test(vocabulary, sentencepiece_arrays_are_checked)
{
    struct file f = sentencepiece(COUNT(pieces) - 1, COUNT(pieces));
    expect_refused(&f, "10 token types for 11 tokens");
    f = sentencepiece(COUNT(pieces), COUNT(pieces) - 1);
    expect_refused(&f, "10 scores for 11 tokens");
    f = (struct file){0};
    put_text(&f, "tokenizer.ggml.model", "llama");
    put_strings(&f, "tokenizer.ggml.tokens", COUNT(pieces), pieces);
    expect_refused(&f, "tokenizer.ggml.scores");
    put_scores(&f, COUNT(pieces), (float[COUNT(pieces)]){0, NAN});
    expect_refused(&f, "a score that is not a number (entry 1)");
    static const char *const bad_bytes[] = {"<0x8>", "<0x80>", "<0x80>"};
    for (int first = 0; first < 2; first++) {
        f = (struct file){0};
        put_text(&f, "tokenizer.ggml.model", "llama");
        put_strings(&f, "tokenizer.ggml.tokens", 2, bad_bytes + first);
        put_types(&f, 2, (int32_t[]){6, 6});
        put_scores(&f, 2, scores);
        expect_refused(&f, first ? "stands twice (entry 1)" : "not written like <0x0A> (entry 0)");
    }
}
