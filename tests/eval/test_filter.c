/* Filters: extractions and comparisons of the vectors, and the meaning of Python's `re`. */
#include "tests/support.h"

#include "base/json.h"
#include "eval/filter.h"
#include "eval/pattern.h"

#include <string.h>

static cJSON *vectors(const char *name)
{
    struct error err = {0};
    cJSON *root = json_read(shared_path("evalsets/scoring-vectors.json"), 1 << 24, &err);
    cr_assert_not_null(root, "%s", err.message);
    cJSON *part = cJSON_DetachItemFromObject(root, name);
    cJSON_Delete(root);
    return part;
}

/* What a filter makes of a text; to free. */
static char *filtered(const char *steps, const struct filter_item *item, const char *text)
{
    struct error err = {0};
    struct text out = {0};
    cJSON *document = cJSON_Parse(steps);
    cr_assert_not_null(document, "%s", steps);
    text_add_string(&out, text);
    cr_assert(filter_apply(document, item, &out, &err), "%s", err.message);
    cJSON_Delete(document);
    return out.bytes;
}

static void expect_filtered(const char *steps, const struct filter_item *item, const char *text, const char *wanted)
{
    char *got = filtered(steps, item, text);
    cr_expect_str_eq(got, wanted, "%s on \"%s\" gives \"%s\", \"%s\" is right", steps, text, got, wanted);
    free(got);
}

static const char strict[] =
    "[{\"function\": \"regex\", \"regex_pattern\": \"#### (\\\\-?[0-9\\\\.\\\\,]+)\"}, {\"function\": \"take_first\"}]";
static const char flexible[] =
    "[{\"function\": \"regex\", \"group_select\": -1, \"regex_pattern\": \"(-?[$0-9.,]{2,})|(-?[0-9]+)\"}, {\"function\": \"take_first\"}]";
static const char cot_strict[] = "[{\"function\": \"regex\", \"regex_pattern\": \"The answer is (\\\\-?[0-9\\\\.\\\\,]+).\"}]";

Test(filter, gsm8k_is_extracted_and_compared_as_in_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    struct filter_item none = {0};
    cJSON *all = vectors("gsm8k"), *regexes = cJSON_Parse("[\",\", \"\\\\$\", \"(?s).*#### \", \"\\\\.$\"]");
    struct match_rules rules = {.regexes_to_ignore = regexes, .ignore_case = true};
    const cJSON *one;
    cJSON_ArrayForEach(one, all) {
        static const char *const keys[2][2] = {{"strict", "strict_match"}, {"flexible", "flexible_match"}};
        for (int k = 0; k < 2; k++) {
            struct error err = {0};
            bool equal;
            char *got = filtered(k ? flexible : strict, &none, json_text(one, "response"));
            cr_expect_str_eq(got, json_text(one, keys[k][0]), "\"%s\"", json_text(one, "response"));
            cr_assert(filter_equal(&rules, got, json_text(one, "reference"), &equal, &err), "%s", err.message);
            cr_expect_eq(equal, json_real(one, keys[k][1]) == 1, "\"%s\"", json_text(one, "response"));
            free(got);
        }
    }
    cJSON_Delete(all);
    all = vectors("gsm8k_cot_strict");
    cJSON_ArrayForEach(one, all)
        expect_filtered(cot_strict, &none, json_text(one, "response"), json_text(one, "extracted"));
    cJSON_Delete(all);
    cJSON_Delete(regexes);
}

Test(filter, stops_cut_as_in_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    cJSON *all = vectors("stop");
    const cJSON *one;
    cJSON_ArrayForEach(one, all) {
        const char *stops[8] = {0};
        const cJSON *list = cJSON_GetObjectItem(one, "stops");
        for (int i = 0; i < cJSON_GetArraySize(list); i++)
            stops[i] = cJSON_GetArrayItem(list, i)->valuestring;
        struct text text = {0};
        text_add_string(&text, json_text(one, "text"));
        filter_cut(&text, stops);
        cr_expect_str_eq(text.bytes, json_text(one, "result"));
        text_free(&text);
    }
    cJSON_Delete(all);
}

/* findall of Python 3.11, typed from its output. */
Test(filter, patterns_match_as_in_python)
{
    static const struct {
        const char *pattern, *text;
        int select, found;
        const char *match;
    } cases[] = {{"a*", "baac", 1, 1, "aa"}, {"a*", "baac", 2, 1, ""},        {"a*", "baac", 3, 1, ""},
                 {"a*", "baac", 4, 0, ""},   {"(a)|(b)", "xb", 0, 1, "b"},    {"(a)?(b)?", "x", 0, -1, ""},
                 {"(x)?y", "y", 0, 1, ""},   {"\\d+", "값 ١٢ 3", 0, 1, "١٢"}, {"\\w+", "한글 ab", 0, 1, "한글"},
                 {"b\\Z", "ab\n", 0, 0, ""}, {"b$", "ab\n", 0, 1, "b"},       {"x", "xxx", -4, 0, ""},
                 {"x", "xyx", -1, 1, "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct text out = {0};
        int found;
        struct pattern *pattern = pattern_compile(cases[i].pattern, &err);
        cr_assert_not_null(pattern, "%s", err.message);
        cr_assert(pattern_find(pattern, cases[i].text, strlen(cases[i].text), cases[i].select, &out, &found, &err), "%s", err.message);
        cr_expect_eq(found, cases[i].found, "%s on %s [%d]", cases[i].pattern, cases[i].text, cases[i].select);
        cr_expect_str_eq(out.bytes, cases[i].match, "%s on %s [%d]: %s", cases[i].pattern, cases[i].text, cases[i].select, out.bytes);
        pattern_free(pattern);
        text_free(&out);
    }
}

Test(filter, bad_patterns_and_texts_are_refused)
{
    struct error err = {0};
    cr_expect_null(pattern_compile("(", &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    struct pattern *pattern = pattern_compile("(a+)+$", &err);
    struct text out = {0};
    int found;
    cr_expect_not(pattern_find(pattern, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 61, 0, &out, &found, &err));
    cr_expect_eq(err.code, ERROR_INPUT, "a matcher that gives up says so");
    pattern_free(pattern);
    text_free(&out);
    struct text text = {0};
    cJSON *steps = cJSON_Parse("[{\"function\": \"no_such\"}]");
    cr_expect_not(filter_apply(steps, &(struct filter_item){0}, &text, &err));
    cr_expect(strstr(err.message, "multi_choice_regex"), "%s", err.message);
    cJSON_Delete(steps);
    text_free(&text);
}

Test(filter, letters_of_choices)
{
    static const char steps[] = "[{\"function\": \"multi_choice_regex\", \"regex_pattern\": \"(\\\\([A-Z]\\\\))\", \"ignore_case\": true,"
                                " \"ignore_punctuation\": true}]";
    const struct filter_item item = {.question = "Which date?\nOptions:\n(A) 01/02/2024\n(B) May 5, 1999\n(C) today"};
    expect_filtered(steps, &item, "I say (B).", "(B)");
    expect_filtered(steps, &item, "It was may 5 1999!", "(B)");
    expect_filtered(steps, &item, "Answer: C", "(C)");
    expect_filtered(steps, &item, "Answer: D", "[invalid]");
    const char *const choices[] = {"red", "blue"};
    expect_filtered(steps, &(struct filter_item){.choices = choices, .n_choices = 2}, "The sky is Blue.", "(B)");
}

Test(filter, values_numbers_and_sorted_words)
{
    static const char map[] = "[{\"function\": \"map_regex\", \"ignore_case\": true, \"regex_pattern_to_value\": "
                              "{\"\\\\b(no|not plausible)\\\\b\": \"no\", \"\\\\b(yes|plausible)\\\\b\": \"yes\"}}]";
    static const char number[] = "[{\"function\": \"number_words\", \"regex_pattern\": \"([-0-9]+)\"}]";
    const struct filter_item none = {0}, words = {.question = "Sort the following words alphabetically: List: pear apple fig"};
    expect_filtered(map, &none, "Yes, it is plausible.", "yes");
    expect_filtered(map, &none, "It is not plausible.", "no");
    expect_filtered(map, &none, "Who knows", "[invalid]");
    expect_filtered(number, &none, "There are 12 of them", "12");
    expect_filtered(number, &none, "There are Two hundred and five apples", "205");
    expect_filtered(number, &none, "seventeen", "17");
    expect_filtered(number, &none, "twenty nine, or none", "20"); // as the reference reads it
    expect_filtered(number, &none, "many", "[invalid]");
    expect_filtered("[{\"function\": \"word_sort\"}]", &words, "apple pear fig pear plum", "apple fig pear");
    expect_filtered("[{\"function\": \"map\", \"mapping_dict\": {\"a\": \"b\"}, \"default_value\": \"c\"}]", &none, "a", "b");
    expect_filtered("[{\"function\": \"map\", \"mapping_dict\": {\"a\": \"b\"}, \"default_value\": \"c\"}]", &none, "x", "c");
    expect_filtered("[{\"function\": \"remove_whitespace\"}, {\"function\": \"lowercase\"}]", &none, " \xE3\x80\x80ÄB\n", "äb");
    expect_filtered("[{\"function\": \"uppercase\"}]", &none, "aé", "AÉ");
}

Test(filter, comparison_ignores_what_it_is_told_to)
{
    struct error err = {0};
    bool equal;
    struct match_rules all = {.ignore_case = true, .ignore_punctuation = true, .ignore_numbers = true}, plain = {0};
    cr_assert(filter_equal(&plain, "A", "a", &equal, &err) && !equal);
    cr_assert(filter_equal(&all, "(A).1", "a", &equal, &err) && equal);
    cr_assert(filter_equal(&all, "A。", "a", &equal, &err) && !equal, "only ASCII punctuation");
}

Test(filter, texts_that_end_within_a_character_are_mended)
{
    struct text text = {0};
    text_add(&text, "가\xEA\xB0", 5);
    filter_mend(&text);
    cr_expect_str_eq(text.bytes, "가\xEF\xBF\xBD\xEF\xBF\xBD");
    text_free(&text);
}
