/* Metrics, standard errors and filters against numbers that lm-evaluation-harness's own functions gave (scoring-vectors.json). */
#include "tests/support.h"

#include "base/json.h"
#include "base/python_random.h"
#include "eval/eval.h"
#include "eval/math_answer.h"
#include "eval/metrics.h"

#include <string.h>

static cJSON *vectors(const char *name)
{
    struct error err = {0};
    cJSON *root = json_read(shared_path("evalsets/scoring-vectors.json"), 1 << 24, &err);
    cr_assert_not_null(root, "%s", err.message);
    cJSON *part = cJSON_DetachItemFromObject(root, name);
    cr_assert_not_null(part, "no vectors %s", name);
    cJSON_Delete(root);
    return part;
}

enum { MOST = 64 };

static int numbers(const cJSON *object, const char *key, double *out)
{
    const cJSON *list = cJSON_GetObjectItem(object, key), *one;
    int n = 0;
    cr_assert(cJSON_IsArray(list) && cJSON_GetArraySize(list) <= MOST, "%s", key);
    cJSON_ArrayForEach(one, list)
        out[n++] = one->valuedouble;
    return n;
}

#define expect_close(got, wanted) cr_expect(fabs((got) - (wanted)) <= 1e-12 * fabs(wanted), "%.17g, %.17g is right", (got), (wanted))

Test(metrics, the_winning_choices_are_those_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    cJSON *all = vectors("multiple_choice");
    const cJSON *one;
    cJSON_ArrayForEach(one, all) {
        double ll[MOST], unconditional[MOST];
        const char *choices[MOST];
        int n = numbers(one, "loglikelihoods", ll);
        cr_assert_eq(numbers(one, "unconditional", unconditional), n);
        for (int c = 0; c < n; c++)
            choices[c] = cJSON_GetArrayItem(cJSON_GetObjectItem(one, "choices"), c)->valuestring;
        struct metric_choice won = metric_choose(ll, unconditional, choices, n);
        cr_expect_eq(won.plain, (int)json_real(one, "pred"));
        cr_expect_eq(won.norm, (int)json_real(one, "pred_norm"));
        cr_expect_eq(won.bytes, (int)json_real(one, "pred_bytes"));
        cr_expect_eq(won.mutual_info, (int)json_real(one, "pred_mutual_info"));
        cr_expect_eq(metric_choose(ll, NULL, choices, n).mutual_info, -1);
    }
    cJSON_Delete(all);
}

Test(metrics, mc2_is_that_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    cJSON *one = vectors("truthfulqa_mc2");
    double ll[MOST];
    int n = numbers(one, "loglikelihoods", ll);
    expect_close(metric_true_mass(ll, (const int[]){1, 1, 0, 0, 0}, n), json_real(one, "score"));
    for (int i = 0; i < n; i++)
        ll[i] -= 2000; // where exp alone would be 0
    cr_expect(fabs(metric_true_mass(ll, (const int[]){1, 1, 0, 0, 0}, n) - json_real(one, "score")) < 1e-9);
    cJSON_Delete(one);
}

Test(metrics, macro_f1_is_that_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    struct error err = {0};
    cJSON *all = vectors("kobest_macro_f1");
    const cJSON *one;
    cJSON_ArrayForEach(one, all) {
        double gold[MOST], predicted[MOST], f1;
        int g[MOST], p[MOST], n = numbers(one, "gold", gold);
        numbers(one, "pred", predicted);
        for (int i = 0; i < n; i++) {
            g[i] = (int)gold[i];
            p[i] = (int)predicted[i];
        }
        cr_assert(metric_macro_f1(g, p, (size_t)n, &f1, &err));
        expect_close(f1, json_real(one, "f1"));
    }
    cJSON_Delete(all);
}

Test(metrics, an_answer_that_is_no_choice_is_a_class_that_nothing_finds)
{
    struct error err = {0};
    const int gold[] = {0, 1, -1, 0}, predicted[] = {0, 1, 1, 0};
    double f1;
    cr_assert(metric_macro_f1(gold, predicted, 4, &f1, &err));
    expect_close(f1, (1.0 + 2.0 / 3 + 0) / 3);
}

Test(metrics, means_groups_and_units_are_those_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    double values[MOST], stderrs[MOST], sizes[MOST], ll[MOST], units[MOST];
    cJSON *mean = vectors("mean_stderr"), *group = vectors("group"), *rolling = vectors("rolling");
    size_t n = (size_t)numbers(mean, "values", values);
    expect_close(metric_mean(values, n), json_real(mean, "mean"));
    expect_close(metric_mean_stderr(values, n), json_real(mean, "stderr"));
    cr_expect(isnan(metric_mean_stderr(values, 1)));
    n = (size_t)numbers(group, "metrics", values);
    numbers(group, "stderrs", stderrs);
    numbers(group, "sizes", sizes);
    expect_close(eval_group(values, sizes, n, true), json_real(group, "weighted"));
    expect_close(eval_group(values, sizes, n, false), json_real(group, "unweighted"));
    expect_close(eval_group_stderr(stderrs, sizes, n), json_real(group, "pooled_stderr"));
    static const char *const items[] = {"word_items", "byte_items"};
    for (int k = 0; k < 2; k++) {
        const cJSON *list = cJSON_GetObjectItem(rolling, items[k]);
        n = (size_t)cJSON_GetArraySize(list);
        for (size_t i = 0; i < n; i++) {
            ll[i] = cJSON_GetArrayItem(cJSON_GetArrayItem(list, (int)i), 0)->valuedouble;
            units[i] = cJSON_GetArrayItem(cJSON_GetArrayItem(list, (int)i), 1)->valuedouble;
        }
        expect_close(exp(-metric_per_unit(ll, units, n)), json_real(rolling, k ? "byte_perplexity" : "word_perplexity"));
    }
    expect_close(-metric_per_unit(ll, units, n) / log(2), json_real(rolling, "bits_per_byte"));
    cJSON_Delete(mean);
    cJSON_Delete(group);
    cJSON_Delete(rolling);
}

Test(metrics, perplexity_and_its_bootstrap_are_those_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    struct error err = {0};
    double ll[MOST], se;
    cJSON *one = vectors("perplexity");
    size_t n = (size_t)numbers(one, "loglikelihoods", ll);
    expect_close(metric_perplexity(ll, n), json_real(one, "perplexity"));
    cr_assert(metric_perplexity_stderr(ll, n, 1000, &se, &err));
    expect_close(se, json_real(one, "bootstrap_stderr_iters1000"));
    cr_assert(metric_perplexity_stderr(ll, n, 3000, &se, &err));
    expect_close(se, json_real(one, "bootstrap_stderr_iters3000"));
    cJSON_Delete(one);
}

Test(metrics, pythons_random_numbers)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    double wanted[MOST];
    struct python_random random;
    cJSON *one = vectors("py_random_1234");
    int n = numbers(one, "getrandbits32", wanted);
    python_random_seed(&random, 1234);
    for (int i = 0; i < n; i++)
        cr_expect_eq((double)python_random_bits(&random), wanted[i]);
    n = numbers(one, "random", wanted);
    python_random_seed(&random, 1234);
    for (int i = 0; i < n; i++)
        cr_expect_eq(python_random_unit(&random), wanted[i]);
    cJSON_Delete(one);
}

Test(metrics, mathematical_answers_are_read_and_compared_as_in_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    struct error err = {0};
    cJSON *all = vectors("hrm8k");
    const cJSON *one;
    cJSON_ArrayForEach(one, all) {
        struct text parsed = {0}, gold = {0};
        bool found, equal;
        const char *response = json_text(one, "response"), *answer = json_text(one, "answer");
        const cJSON *wanted = cJSON_GetObjectItem(one, "parsed");
        cr_assert(math_answer_parse(response, &parsed, &found, &err), "%s", err.message);
        cr_expect_eq(found, cJSON_IsString(wanted), "\"%s\"", response);
        if (found && cJSON_IsString(wanted))
            cr_expect_str_eq(parsed.bytes, wanted->valuestring, "\"%s\"", response);
        cr_assert(math_answer_spell(answer, &gold, &err));
        cr_expect_str_eq(gold.bytes, json_text(one, "gold"));
        cr_assert(math_answer_equal(response, answer, &equal, &err), "%s", err.message);
        cr_expect_eq(equal, json_real(one, "exact_match") == 1, "\"%s\" and \"%s\"", response, answer);
        text_free(&parsed);
        text_free(&gold);
    }
    cJSON_Delete(all);
}

/* Worked through by the rules of the reference's source. */
Test(metrics, mathematical_answers_at_the_edges)
{
    static const struct {
        const char *response, *gold;
        bool equal;
    } cases[] = {{"\\boxed{\\sqrt3}", "\\boxed{\\sqrt{3}}", true},
                 {"\\boxed{\\frac12}", "\\boxed{0.5}", true},
                 {"\\boxed{\\dfrac1{72}}", "\\boxed{\\frac{1}{72}}", true},
                 {"\\boxed{3/4}", "\\boxed{\\frac{3}{4}}", true},
                 {"\\boxed{03/4}", "\\boxed{\\frac{3}{4}}", false},
                 {"\\boxed{50\\%}", "50", true},
                 {"\\boxed{1_000}", "1000", true},
                 {"\\boxed{2.50}", "2.5", true},
                 {"\\boxed{\\frac}", "7", false},
                 {"\\boxed{\\frac}", "\\boxed{\\frac}", true},
                 {"\\boxed 7", "7", false},
                 {"\\boxed{{7}", "7", false},
                 {"nothing", "nothing", true},
                 {"$x = 3$", "3", true},
                 {"x = 3.\\nmore", "3", true},
                 {"", "7", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        bool equal;
        cr_assert(math_answer_equal(cases[i].response, cases[i].gold, &equal, &err), "%s", err.message);
        cr_expect_eq(equal, cases[i].equal, "\"%s\" and \"%s\"", cases[i].response, cases[i].gold);
    }
}
