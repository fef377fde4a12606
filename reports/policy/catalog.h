/* The catalogue: dated facts, devices, models and electricity tariffs with their sources, as they come with jeoul (reports/catalog).
 * Private to reports. Files of a user's own are read by the same strict rules. */
#ifndef JEOUL_POLICY_CATALOG_H
#define JEOUL_POLICY_CATALOG_H

#include "reports/policy/quantity.h"

/* An accelerator. A property that is not known is NaN in `value` and has its reason in note_en. */
struct device {
    const char *id, *name, *vendor, *kind;               // "gpu", "npu"
    struct quantity memory_gb, read_bandwidth_gb_per_s;  // 10⁹ bytes, 10⁹ bytes/s
    struct quantity bf16_tflops, fp8_tflops, fp4_tflops; // dense, 10¹² operations/s
    struct quantity tdp_w;
};

/* A model by its shape. Parameters in 10⁹; active: every matrix that a token passes, the LM head included, the embedding look-up not. */
struct model_shape {
    const char *id;
    double total_parameters_b, active_parameters_b, d_model, vocabulary, kv_bytes_per_token;
    double experts, top_k;                      // 0: a dense model
    struct quantity fertility_ko, fertility_en; // tokens per 1,000 characters; value NaN: nobody has counted
    const char *source, *date;
};

struct catalog;

/* Reads facts.json, devices.json, models.json and tariffs.json of a directory. */
struct catalog *catalog_open(const char *directory, struct error *err) MUST_CHECK;
void catalog_close(struct catalog *catalog);

/* Each names what there is when there is no such entry; `where` is the place that asked. Strings belong to the catalogue. */
bool catalog_fact(const struct catalog *catalog, const struct json_at *where, const char *id, struct quantity *out,
                  struct error *err) MUST_CHECK;
bool catalog_device(const struct catalog *catalog, const struct json_at *where, const char *id, struct device *out,
                    struct error *err) MUST_CHECK;
bool catalog_model(const struct catalog *catalog, const struct json_at *where, const char *id, struct model_shape *out,
                   struct error *err) MUST_CHECK;
/* The tariff as it stands in the file, for tariff_read. */
bool catalog_tariff(const struct catalog *catalog, const struct json_at *where, const char *id, struct json_at *out,
                    struct error *err) MUST_CHECK;

/* Names of a fact. */
const char *catalog_fact_name(const struct catalog *catalog, const char *id, bool korean);

#endif
