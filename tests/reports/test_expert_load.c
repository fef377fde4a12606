/* Expert load of a run, from the cells of its document. */
#include "tests/support.h"

#include "base/json.h"
#include "reports/expert_load.h"

#include <string.h>

static cJSON *parse(const char *text)
{
    struct error err = {0};
    cJSON *json = json_parse("a test", text, strlen(text), &err);
    cr_assert(json != NULL, "%s", err.message);
    return json;
}

/* Two cells of a model with a dense first layer; 4 experts. */
#define CELL(state, language, counts)                                                                                                      \
    "{\"id\": \"c\", \"model\": \"m\", \"state\": \"" state "\", \"expert_load\": {\"layers\": 2, \"experts\": 4, \"languages\": ["        \
    "{\"language\": \"" language "\", \"layers\": [{\"layer\": 1, \"tokens\": " counts "}]}]}}"
#define RUN(cells) "{\"models\": [{\"id\": \"m\"}, {\"id\": \"dense\"}], \"cells\": [" cells "]}"

static bool derive(const char *text, cJSON **figures, struct error *err)
{
    cJSON *run = parse(text);
    *figures = cJSON_CreateObject();
    *err = (struct error){0};
    bool ok = expert_load_derive(run, *figures, err);
    cJSON_Delete(run);
    return ok;
}

Test(expert_load, counts_are_summed_over_the_models_cells)
{
    cJSON *figures;
    struct error err;
    cr_assert(derive(RUN(CELL("ok", "ko", "[1, 0, 3, 0]") "," CELL("ok", "ko", "[1, 0, 3, 0]") "," CELL(
                         "ok", "en", "[0, 5, 0, 5]") "," CELL("failed", "en", "[9, 9, 9, 9]") "," CELL("ok", "de", "[9, 9, 9, 9]")),
                     &figures, &err),
              "%s", err.message);
    const cJSON *list = cJSON_GetObjectItem(figures, "expert_load"), *load = list->child;
    cr_assert_eq(cJSON_GetArraySize(list), 1); // the dense model has none
    const cJSON *ko = cJSON_GetArrayItem(cJSON_GetObjectItem(load, "languages"), 0), *en = ko->next,
                *layers = cJSON_GetObjectItem(load, "layers");
    cr_expect_str_eq(json_text(ko, "language"), "ko");
    cr_expect_eq(json_real(ko, "routed"), 8);
    cr_expect_eq(json_real(ko, "imbalance"), 3); // 6 of 8, a mean of 2
    cr_expect_float_eq(json_real(ko, "entropy"), (2 - 0.75 * log2(3)) / 2, 1e-12);
    cr_expect_eq(json_real(en, "routed"), 10);
    cr_expect_eq(json_real(en, "entropy"), 0.5); // 1 bit of 2
    cr_assert_eq(cJSON_GetArraySize(layers), 1); // layer 0 is dense
    cr_expect_eq(json_real(layers->child, "layer"), 1);
    cr_expect_eq(cJSON_GetArrayItem(cJSON_GetObjectItem(layers->child, "ko"), 2)->valuedouble, 6);
    cr_expect_float_eq(json_real(layers->child, "bits"), 1, 1e-12); // disjoint
    cr_expect(json_real(layers->child, "expected_bits") > 0.05 &&
              json_real(layers->child, "expected_bits") < json_real(layers->child, "p95_bits"));
    cJSON_Delete(figures);
}

Test(expert_load, one_language_has_no_difference)
{
    cJSON *figures;
    struct error err;
    cr_assert(derive(RUN(CELL("ok", "en", "[1, 2, 3, 4]")), &figures, &err), "%s", err.message);
    const cJSON *load = cJSON_GetObjectItem(figures, "expert_load")->child, *layer = cJSON_GetObjectItem(load, "layers")->child;
    cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(load, "languages")), 1);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(layer, "bits")));
    cr_expect_not(cJSON_HasObjectItem(layer, "ko"));
    cJSON_Delete(figures);
}

Test(expert_load, a_document_that_does_not_fit_is_refused)
{
    static const char *const wrong[][2] = {
        {RUN(CELL("ok", "ko", "[1, 2, 3]")), "cells[0].expert_load.languages[0].layers[0].tokens: has 3 numbers, the model has 4 experts"},
        {RUN(CELL("ok", "ko", "[1, 2, 3, -4]")), "no count of tokens"},
        {RUN(CELL("ok", "ko", "[1, 2, 3, \"4\"]")), "no count of tokens"},
        {RUN("{\"model\": \"m\", \"state\": \"ok\", \"expert_load\": {\"layers\": 1e9, \"experts\": 4, \"languages\": []}}"),
         "expert_load.layers"},
        {RUN("{\"model\": \"m\", \"state\": \"ok\", \"expert_load\": {\"layers\": 1, \"experts\": 4, \"languages\": [{\"language\": "
             "\"ko\", "
             "\"layers\": [{\"layer\": 1, \"tokens\": [1, 1, 1, 1]}]}]}}"),
         "layers[0].layer: 1 is outside"},
        {RUN(CELL("ok", "ko", "[1, 2, 3, 4]") ", {\"model\": \"m\", \"state\": \"ok\", \"expert_load\": {\"layers\": 2, \"experts\": 8, "
                                              "\"languages\": []}}"),
         "another number of layers or experts"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cJSON *figures;
        struct error err;
        cr_expect_not(derive(wrong[i][0], &figures, &err));
        cr_expect(strstr(err.message, wrong[i][1]), "%s", err.message);
        cr_expect_eq(err.code, ERROR_INPUT);
        cJSON_Delete(figures);
    }
}
