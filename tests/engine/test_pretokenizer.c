/* Pre-tokenizers against splits that another engine of regular expressions made of the published ones. */
#include "tests/support.h"

#include "engine/pretokenizer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

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

struct cuts {
    size_t lengths[1024], count;
};

static bool note_length(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)bytes, (void)err;
    struct cuts *cuts = context;
    cr_assert_lt(cuts->count, 1024);
    cuts->lengths[cuts->count++] = n;
    return true;
}

/* tests/data/tokenizers/README.md says how the cuts were made. */
Test(pretokenizer, cuts_are_those_of_another_engine)
{
    char *source = read_whole("tests/data/tokenizers/pretokenizer.json", NULL);
    cJSON *all = cJSON_Parse(source);
    cr_assert_not_null(all);
    const cJSON *strings = cJSON_GetObjectItem(all, "strings"), *family;
    int families = 0;
    cJSON_ArrayForEach(family, cJSON_GetObjectItem(all, "cuts")) {
        struct error err = {0};
        struct pretokenizer *p = pretokenizer_open(family->string, &err);
        cr_assert_not_null(p, "%s", err.message);
        cr_assert_eq(cJSON_GetArraySize(family), cJSON_GetArraySize(strings));
        for (int i = 0; i < cJSON_GetArraySize(strings); i++) {
            const char *text = cJSON_GetArrayItem(strings, i)->valuestring;
            const cJSON *wanted = cJSON_GetArrayItem(family, i);
            struct cuts cuts = {0};
            cr_assert(pretokenize(p, text, strlen(text), note_length, &cuts, &err), "%s", err.message);
            bool same = cuts.count == (size_t)cJSON_GetArraySize(wanted);
            for (size_t k = 0; same && k < cuts.count; k++)
                same = cuts.lengths[k] == (size_t)cJSON_GetArrayItem(wanted, (int)k)->valueint;
            cr_expect(same, "%s: \"%s\" is cut otherwise", family->string, text);
        }
        pretokenizer_close(p);
        families++;
    }
    cr_expect_geq(families, 19);
    cJSON_Delete(all);
    free(source);
}

static bool add_length(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)bytes, (void)err;
    *(size_t *)context += n;
    return true;
}

/* Expressions that backtrack over the rest of the text at every place, or need a stack as deep as the text, fail or never end here. */
Test(pretokenizer, long_runs_of_anything_are_cut_by_every_family, .timeout = 300)
{
    static const char *const names[] = {"gpt-2",  "qwen2",      "qwen35", "llama-bpe", "gpt-4o",       "tekken",         "exaone-moe",
                                        "exaone", "bailingmoe", "falcon", "default",   "deepseek-llm", "deepseek-coder", "deepseek-v3"};
    static const char *const units[] = {"a", "A", "가", "가 ", " ", "\u3000", "7", "\n", " \n", "!", "'", "'s", "\u0301", "A\u0301"};
    enum { SIZE = 1 << 18 };
    char *text = malloc(SIZE + 16);
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        struct error err = {0};
        struct pretokenizer *p = pretokenizer_open(names[f], &err);
        cr_assert_not_null(p, "%s", err.message);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t n = 0, length = strlen(units[u]), cut = 0;
            for (; n + length <= SIZE; n += length)
                memcpy(text + n, units[u], length);
            memcpy(text + n, "가", 3); // so that a run of white space doesn't end the text
            cr_expect(pretokenize(p, text, n + 3, add_length, &cut, &err), "%s: %s", names[f], err.message);
            cr_expect_eq(cut, n + 3);
        }
        pretokenizer_close(p);
    }
    free(text);
}
