/* The tokenizer against reference encodings of real vocabularies, and its promises on any bytes. */
#include "tests/support.h"

#include "engine/engine.h"
#include "engine/pretokenizer.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <time.h>

static struct tokenizer *open_vocabulary(const char *name)
{
    char relative[256];
    struct error err = {0};
    snprintf(relative, sizeof relative, "goldens/vocab/ggml-vocab-%s.gguf", name);
    struct model_file *file = model_file_open(shared_path(relative), &err);
    cr_assert_not_null(file, "%s", err.message);
    struct tokenizer *tokenizer = tokenizer_open(file, &err);
    cr_assert_not_null(tokenizer, "%s: %s", name, err.message);
    model_file_close(file);
    return tokenizer;
}

static void expect_ids(const struct tokenizer *t, const char *name, const char *text, size_t n, int flags, const int32_t *ids, size_t count)
{
    struct token_list list = {0};
    struct error err = {0};
    cr_assert(tokenize(t, text, n, flags, &list, &err), "%s", err.message);
    bool same = list.count == count;
    for (size_t i = 0; same && i < count; i++)
        same = list.ids[i] == ids[i];
    cr_expect(same, "%s: \"%.60s\": %zu tokens, %zu wanted", name, text, list.count, count);
    token_list_free(&list);
}

Test(tokenizer, reference_pairs_are_met)
{
    NEEDS_SHARED("goldens/vocab/ggml-vocab-gpt-2.gguf");
    static const char *const names[] = {"gpt-2", "qwen2", "falcon", "deepseek-llm", "deepseek-coder"};
    for (size_t v = 0; v < sizeof names / sizeof *names; v++) {
        struct tokenizer *t = open_vocabulary(names[v]);
        char relative[256];
        snprintf(relative, sizeof relative, "goldens/vocab/ggml-vocab-%s.gguf.inp", names[v]);
        char *texts = read_whole(shared_path(relative), NULL), *text = texts;
        snprintf(relative, sizeof relative, "goldens/vocab/ggml-vocab-%s.gguf.out", names[v]);
        char *ids = read_whole(shared_path(relative), NULL), *line = ids;
        static const char separator[] = "\n__ggml_vocab_test__\n";
        int cases = 0;
        for (char *end; text && (end = strstr(text, separator)); text = end + strlen(separator), cases++) {
            int32_t wanted[4096];
            size_t count = 0;
            char *line_end = strchr(line, '\n');
            cr_assert_not_null(line_end);
            for (char *at = line; at < line_end;) {
                char *after;
                long id = strtol(at, &after, 10);
                if (after == at || after > line_end)
                    break;
                wanted[count++] = (int32_t)id;
                at = after;
            }
            expect_ids(t, names[v], text, (size_t)(end - text), 0, wanted, count);
            line = line_end + 1;
        }
        cr_expect_geq(cases, 45);
        free(texts);
        free(ids);
        tokenizer_close(t);
    }
}

static size_t ids_of(const cJSON *array, int32_t *out)
{
    size_t count = 0;
    const cJSON *id;
    cJSON_ArrayForEach(id, array)
        out[count++] = id->valueint;
    return count;
}

Test(tokenizer, korean_strings_are_met)
{
    NEEDS_SHARED("goldens/vocab/korean.json");
    char *source = read_whole(shared_path("goldens/vocab/korean.json"), NULL);
    cJSON *all = cJSON_Parse(source);
    const cJSON *strings = cJSON_GetObjectItem(all, "strings"), *vocab;
    const int nul_string = 105; // a C string ends at its NUL
    int checked = 0;
    cJSON_ArrayForEach(vocab, cJSON_GetObjectItem(all, "ids")) {
        if (strcmp(vocab->string, "llama-spm") == 0)
            continue; // another kind of tokenizer
        struct tokenizer *t = open_vocabulary(vocab->string);
        for (int i = 0; i < cJSON_GetArraySize(strings); i++) {
            int32_t wanted[4096];
            const char *text = cJSON_GetArrayItem(strings, i)->valuestring;
            size_t count = ids_of(cJSON_GetArrayItem(vocab, i), wanted);
            if (i == nul_string)
                continue;
            expect_ids(t, vocab->string, text, strlen(text), 0, wanted, count);
            checked++;
        }
        tokenizer_close(t);
    }
    cr_expect_geq(checked, 300);
    cJSON_Delete(all);
    free(source);
}

Test(tokenizer, decoding_gives_back_any_bytes)
{
    NEEDS_SHARED("goldens/vocab/ggml-vocab-qwen2.gguf");
    struct tokenizer *t = open_vocabulary("qwen2");
    struct error err = {0};
    char bytes[4096], back[8192];
    uint32_t state = 7;
    for (int round = 0; round < 200; round++) {
        size_t n = 0, length = 0;
        for (; n < 400; n++) {
            state = state * 1664525u + 1013904223u;
            bytes[n] = round % 2 ? (char)(state >> 24) : "저울 abc\n\t12'll"[state >> 24 & 15];
        }
        struct token_list list = {0};
        cr_assert(tokenize(t, bytes, n, 0, &list, &err), "%s", err.message);
        for (size_t i = 0; i < list.count; i++) {
            size_t piece;
            const char *token = token_bytes(t, list.ids[i], &piece);
            memcpy(back + length, token, piece);
            length += piece;
        }
        cr_assert(length == n && memcmp(back, bytes, n) == 0, "round %d", round);
        token_list_free(&list);
    }
    size_t ignored;
    cr_assert_null(token_bytes(t, -1, &ignored));
    cr_assert_null(token_bytes(t, tokenizer_info(t).n_vocab, &ignored));
    tokenizer_close(t);
}

Test(tokenizer, a_megabyte_of_one_word_is_linear_enough, .timeout = 60)
{
    NEEDS_SHARED("goldens/vocab/ggml-vocab-qwen2.gguf");
    struct tokenizer *t = open_vocabulary("qwen2");
    struct error err = {0};
    size_t n = 999999;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i += 3)
        memcpy(text + i, "가", 3);
    struct token_list list = {0};
    cr_assert(tokenize(t, text, n, 0, &list, &err), "%s", err.message);
    memset(text, 'a', n);
    cr_assert(tokenize(t, text, n, 0, &list, &err), "%s", err.message);
    cr_assert_gt(list.count, 0);
    token_list_free(&list);
    free(text);
    tokenizer_close(t);
}

Test(pretokenizer, an_unknown_name_is_refused_with_the_known_ones)
{
    struct error err = {0};
    cr_assert_null(pretokenizer_open("no-such", &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    cr_assert(strstr(err.message, "qwen2") != NULL);
    cr_assert_null(pretokenizer_open("", &err));
    cr_assert_null(pretokenizer_open("gpt-2 gpt2", &err));
}

static bool collect(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)err;
    char *out = context;
    strncat(out, bytes, n);
    strcat(out, "|");
    return true;
}

Test(pretokenizer, families_cut_as_published)
{
    static const struct {
        const char *name, *text, *pieces;
    } cases[] = {
        {"gpt-2", "저울이 12kg이다.  don't", "저울이| 12|kg이다|.| | don|'t|"},
        {"qwen2", "저울이 123\n\nIT'S", "저울이| |1|2|3|\n\n|IT|'S|"},
        {"llama-bpe", "12345 won", "123|45| won|"},
        {"deepseek-v3", "1234 안녕 中文x", "123|4| 안녕| |中文|x|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        char pieces[512] = "";
        struct pretokenizer *p = pretokenizer_open(cases[i].name, &err);
        cr_assert_not_null(p, "%s", err.message);
        cr_assert(pretokenize(p, cases[i].text, strlen(cases[i].text), collect, pieces, &err), "%s", err.message);
        cr_expect_str_eq(pieces, cases[i].pieces, "%s: %s", cases[i].name, pieces);
        pretokenizer_close(p);
    }
}
