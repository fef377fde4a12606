/* Quantisations by name: which type each tensor of a model has. Private to the engine; synth.c and convert.c write files by them. */
#ifndef JEOUL_ENGINE_RECIPE_H
#define JEOUL_ENGINE_RECIPE_H

#include "engine/tensor.h"

struct recipe {
    const char *name; // "q4_k_m"
    enum tensor_type type;
    uint32_t file_type; // general.file_type
    enum {
        ALL_ALIKE,
        MIXTURE_K_M,     // Q6_K for the output and half of attn_v and ffn_down
        MIXTURE_EXPERTS, // that type for the experts, Q8_0 for the rest
    } mixture;
};

/* NULL with the list of names for one that isn't known; capitals are as good as small letters. */
const struct recipe *recipe_find(const char *name, struct error *err) MUST_CHECK;
const char *const *recipe_names(void); // NULL-terminated

/* The type of a weight matrix. The router is F32: a choice of experts is sooner upset than a product. */
enum tensor_type recipe_type(const struct recipe *recipe, const char *tensor, int n_layers);

#endif
