/* Expert load by language: which experts the tokens of each language were routed to, by layer. */
#ifndef JEOUL_EXPERT_LOAD_H
#define JEOUL_EXPERT_LOAD_H

#include "engine/engine.h"

#include <cjson/cJSON.h>

enum { EXPERT_LOAD_LANGUAGES = 8 };

/* Zero-initialise but for the numbers of layers and experts; a dense model has 0 experts and no load. */
struct expert_load {
    int n_layers, n_experts, n_languages;
    uint64_t *before; // [n_layers][n_experts]: the engine's counts when the part under way began
    struct {
        char name[16];
        double *tokens; // [n_layers][n_experts]
    } languages[EXPERT_LOAD_LANGUAGES];
};

/* What the engine computes between the two is of `language`. */
bool expert_load_begin(struct expert_load *load, const struct engine *engine, struct error *err) MUST_CHECK;
bool expert_load_end(struct expert_load *load, const struct engine *engine, const char *language, struct error *err) MUST_CHECK;
void expert_load_free(struct expert_load *load);

/* {"layers", "experts", "languages": [{"language", "layers": [{"layer", "tokens": […], "imbalance": max ÷ mean, "entropy": ÷ log2
 * experts}]}], "divergence": […]};
 * layers without routed tokens (dense ones) are left out. The divergence is Jensen and Shannon's, in bits, between Korean and English, one
 * object a layer, beside what chance alone would give ("expected_bits", "p95_bits"); null with a reason where one of them was not
 * evaluated. *out is NULL for a dense model. */
bool expert_load_json(const struct expert_load *load, cJSON **out, struct error *err) MUST_CHECK;

/* That JSON in a few lines for people; nothing where it is null. */
void expert_load_print(const cJSON *load);

#endif
