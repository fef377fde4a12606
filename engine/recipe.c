/* The table of quantisations: see recipe.h. */
#include "engine/recipe.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct recipe recipes[] = {
    {"f32", TENSOR_F32, 0, ALL_ALIKE},      {"f16", TENSOR_F16, 1, ALL_ALIKE},        {"bf16", TENSOR_BF16, 32, ALL_ALIKE},
    {"q8_0", TENSOR_Q8_0, 7, ALL_ALIKE},    {"q4_0", TENSOR_Q4_0, 2, ALL_ALIKE},      {"q4_1", TENSOR_Q4_1, 3, ALL_ALIKE},
    {"q5_0", TENSOR_Q5_0, 8, ALL_ALIKE},    {"q5_1", TENSOR_Q5_1, 9, ALL_ALIKE},      {"q2_k", TENSOR_Q2_K, 10, ALL_ALIKE},
    {"q3_k", TENSOR_Q3_K, 11, ALL_ALIKE},   {"q4_k", TENSOR_Q4_K, 14, ALL_ALIKE},     {"q5_k", TENSOR_Q5_K, 16, ALL_ALIKE},
    {"q6_k", TENSOR_Q6_K, 18, ALL_ALIKE},   {"iq4_nl", TENSOR_IQ4_NL, 25, ALL_ALIKE}, {"iq4_xs", TENSOR_IQ4_XS, 30, ALL_ALIKE},
    {"mxfp4", TENSOR_MXFP4, 38, ALL_ALIKE}, {"q4_k_m", TENSOR_Q4_K, 15, MIXTURE_K_M}, {"mxfp4_moe", TENSOR_MXFP4, 38, MIXTURE_EXPERTS},
};

enum { RECIPES = sizeof recipes / sizeof *recipes };

const char *const *recipe_names(void)
{
    static const char *names[RECIPES + 1]; // the same values whoever fills them
    for (size_t i = 0; i < RECIPES; i++)
        names[i] = recipes[i].name;
    return names;
}

const struct recipe *recipe_find(const char *name, struct error *err)
{
    struct text list = {0};
    for (size_t i = 0; i < RECIPES; i++) {
        if (strcasecmp(recipes[i].name, name) == 0) {
            text_free(&list);
            return &recipes[i];
        }
        text_format(&list, "%s%s", i ? ", " : "", recipes[i].name);
    }
    error_set(err, ERROR_INPUT, "no quantisation \"%.32s\"; there are: %s", name, list.bytes ? list.bytes : "");
    text_free(&list);
    return NULL;
}

/* The layers whose attn_v and ffn_down have more bits in the Q4_K_M mixture: the first and last eighth, and every third between. */
static bool more_bits(int layer, int n_layers)
{
    return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

enum tensor_type recipe_type(const struct recipe *recipe, const char *tensor, int n_layers)
{
    int layer = -1;
    if (strstr(tensor, "ffn_gate_inp"))
        return TENSOR_F32;
    if (recipe->mixture == MIXTURE_EXPERTS && !strstr(tensor, "_exps."))
        return TENSOR_Q8_0;
    if (recipe->mixture != MIXTURE_K_M)
        return recipe->type;
    if (strcmp(tensor, "output.weight") == 0)
        return TENSOR_Q6_K;
    bool candidate = strstr(tensor, "attn_v.") || strstr(tensor, "ffn_down");
    return candidate && sscanf(tensor, "blk.%d.", &layer) == 1 && more_bits(layer, n_layers) ? TENSOR_Q6_K : recipe->type;
}
