/* The catalogue: see catalog.h. */
#include "reports/policy/catalog.h"

#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 4 << 20 };
enum file { FACTS, DEVICES, MODELS, TARIFFS, FILES };

static const struct {
    const char *name, *schema, *list;
} files[FILES] = {[FACTS] = {"facts.json", "jeoul/facts/1", "facts"},
                  [DEVICES] = {"devices.json", "jeoul/devices/1", "devices"},
                  [MODELS] = {"models.json", "jeoul/models/1", "models"},
                  [TARIFFS] = {"tariffs.json", "jeoul/tariffs/1", "tariffs"}};

static const char *const fact_keys[] = {"id",   "name_ko", "name_en",    "value",   "low",     "high", "unit",
                                        "date", "source",  "confidence", "note_ko", "note_en", NULL};
static const char *const device_keys[] = {"id",          "name",       "vendor",     "kind",  "memory_gb", "read_bandwidth_gb_per_s",
                                          "bf16_tflops", "fp8_tflops", "fp4_tflops", "tdp_w", NULL};
static const char *const property_keys[] = {"value", "source", "date", "reason", NULL};
static const char *const model_keys[] = {"id",    "total_parameters_b", "active_parameters_b",        "d_model", "vocabulary", "experts",
                                         "top_k", "kv_bytes_per_token", "tokens_per_1000_characters", "source",  "date",       NULL};
static const char *const fertility_keys[] = {"ko", "ko_low", "ko_high", "en", "source", "date", "note_ko", "note_en", NULL};

struct catalog {
    cJSON *documents[FILES];
    char paths[FILES][4200];
};

void catalog_close(struct catalog *catalog)
{
    for (int i = 0; catalog && i < FILES; i++)
        cJSON_Delete(catalog->documents[i]);
    free(catalog);
}

static struct json_at list_of(const struct catalog *catalog, enum file file)
{
    struct json_at root = json_root(catalog->paths[file], catalog->documents[file]);
    return json_member(&root, files[file].list);
}

static bool read_fact(const struct json_at *at, struct quantity *out, struct error *err)
{
    struct json_at low = json_member(at, "low"), high = json_member(at, "high"), note = json_member(at, "note_ko");
    const char *name, *confidence;
    *out = (struct quantity){.basis = BASIS_FACT};
    if (!json_only(at, fact_keys, err) || !json_filled(at, "id", &out->fact, err) || !json_filled(at, "name_ko", &name, err) ||
        !json_filled(at, "name_en", &name, err) || !json_filled(at, "unit", &out->unit, err) ||
        !json_value(at, "value", -1e15, 1e15, &out->value, err) || !json_number_or(&low, -1e15, out->value, out->value, &out->low, err) ||
        !json_number_or(&high, out->value, 1e15, out->value, &out->high, err) || !json_date(at, "date", &out->date, err) ||
        !json_filled(at, "source", &out->source, err) || !json_filled(at, "confidence", &confidence, err))
        return false;
    if (strcmp(confidence, "read") != 0 && strcmp(confidence, "computed") != 0 && strcmp(confidence, "secondary") != 0)
        return json_error(at, err, "confidence \"%.20s\" is none of read, computed, secondary", confidence);
    out->secondary = strcmp(confidence, "secondary") == 0;
    return !note.value || (json_filled(at, "note_ko", &out->worked_ko, err) && json_filled(at, "note_en", &out->worked_en, err));
}

static bool read_property(const struct json_at *device, const char *key, const char *unit, struct quantity *out, struct error *err)
{
    struct json_at at = json_member(device, key), value = json_member(&at, "value");
    *out = (struct quantity){.basis = BASIS_FACT, .unit = unit, .value = NAN, .low = NAN, .high = NAN};
    if (!json_only(&at, property_keys, err))
        return false;
    if (cJSON_IsNull(value.value))
        return json_filled(&at, "reason", &out->note_en, err);
    if (!json_number(&value, 1e-9, 1e12, &out->value, err) || !json_filled(&at, "source", &out->source, err) ||
        !json_filled(&at, "date", &out->date, err))
        return false;
    out->low = out->high = out->value;
    return true;
}

static bool read_device(const struct json_at *at, struct device *out, struct error *err)
{
    *out = (struct device){0};
    return json_only(at, device_keys, err) && json_filled(at, "id", &out->id, err) && json_filled(at, "name", &out->name, err) &&
           json_filled(at, "vendor", &out->vendor, err) && json_filled(at, "kind", &out->kind, err) &&
           read_property(at, "memory_gb", "GB", &out->memory_gb, err) &&
           read_property(at, "read_bandwidth_gb_per_s", "GB/s", &out->read_bandwidth_gb_per_s, err) &&
           read_property(at, "bf16_tflops", "TFLOP/s", &out->bf16_tflops, err) &&
           read_property(at, "fp8_tflops", "TFLOP/s", &out->fp8_tflops, err) &&
           read_property(at, "fp4_tflops", "TFLOP/s", &out->fp4_tflops, err) && read_property(at, "tdp_w", "W", &out->tdp_w, err);
}

static bool read_fertility(const struct json_at *model, struct model_shape *out, struct error *err)
{
    struct json_at at = json_member(model, "tokens_per_1000_characters"), low = json_member(&at, "ko_low"),
                   high = json_member(&at, "ko_high");
    struct quantity *ko = &out->fertility_ko, *en = &out->fertility_en;
    *ko = *en = (struct quantity){.basis = BASIS_MEASURED, .value = NAN, .low = NAN, .high = NAN};
    if (cJSON_IsNull(at.value))
        return true;
    if (!json_only(&at, fertility_keys, err) || !json_value(&at, "ko", 1, 1e4, &ko->value, err) ||
        !json_number_or(&low, 1, ko->value, ko->value, &ko->low, err) ||
        !json_number_or(&high, ko->value, 1e4, ko->value, &ko->high, err) || !json_value(&at, "en", 1, 1e4, &en->value, err) ||
        !json_filled(&at, "source", &ko->source, err) || !json_date(&at, "date", &ko->date, err) ||
        !json_filled(&at, "note_ko", &ko->worked_ko, err) || !json_filled(&at, "note_en", &ko->worked_en, err))
        return false;
    ko->unit = en->unit = "tok/1000 characters";
    en->low = en->high = en->value;
    en->source = ko->source;
    en->date = ko->date;
    en->worked_ko = ko->worked_ko;
    en->worked_en = ko->worked_en;
    return true;
}

static bool read_model(const struct json_at *at, struct model_shape *out, struct error *err)
{
    *out = (struct model_shape){0};
    if (!json_only(at, model_keys, err) || !json_filled(at, "id", &out->id, err) ||
        !json_value(at, "total_parameters_b", 1e-6, 1e6, &out->total_parameters_b, err) ||
        !json_value(at, "active_parameters_b", 1e-6, out->total_parameters_b, &out->active_parameters_b, err) ||
        !json_value(at, "d_model", 1, 1e6, &out->d_model, err) || !json_value(at, "vocabulary", 1, 1e7, &out->vocabulary, err) ||
        !json_value(at, "experts", 0, 1e5, &out->experts, err) || !json_value(at, "top_k", 0, out->experts, &out->top_k, err) ||
        !json_value(at, "kv_bytes_per_token", 1, 1e8, &out->kv_bytes_per_token, err) || !read_fertility(at, out, err) ||
        !json_filled(at, "source", &out->source, err) || !json_date(at, "date", &out->date, err))
        return false;
    if (out->experts > 0 && (out->top_k < 1 || out->top_k >= out->experts))
        return json_error(at, err, "top_k %.0f of %.0f experts: a MoE model has 1 ≤ top_k < experts; a dense one has experts 0", out->top_k,
                          out->experts);
    return true;
}

static bool check(const struct catalog *catalog, enum file file, struct error *err)
{
    struct json_at root = json_root(catalog->paths[file], catalog->documents[file]), list = list_of(catalog, file);
    const char *const keys[] = {"schema", "as_of", files[file].list, NULL};
    const char *schema, *as_of, *id;
    int count;
    if (!json_only(&root, keys, err) || !json_filled(&root, "schema", &schema, err) || !json_day(&root, "as_of", &as_of, err) ||
        !json_array(&list, &count, err))
        return false;
    if (strcmp(schema, files[file].schema) != 0)
        return json_error(&root, err, "schema \"%.40s\" is not \"%s\"", schema, files[file].schema);
    for (int i = 0; i < count; i++) {
        struct json_at at = json_element(&list, i);
        struct quantity fact;
        struct device device;
        struct model_shape model;
        if (!(file == FACTS     ? read_fact(&at, &fact, err)
              : file == DEVICES ? read_device(&at, &device, err)
              : file == MODELS  ? read_model(&at, &model, err)
                                : json_filled(&at, "id", &id, err)))
            return false;
    }
    return true;
}

struct catalog *catalog_open(const char *directory, struct error *err)
{
    struct catalog *catalog = memory_array(1, sizeof *catalog, "catalogue", err);
    if (!catalog)
        return NULL;
    memset(catalog, 0, sizeof *catalog);
    for (int i = 0; i < FILES; i++) {
        snprintf(catalog->paths[i], sizeof catalog->paths[i], "%.4000s/%s", directory, files[i].name);
        catalog->documents[i] = json_read(catalog->paths[i], MAX_FILE_BYTES, err);
        if (!catalog->documents[i] || !check(catalog, (enum file)i, err)) {
            catalog_close(catalog);
            return NULL;
        }
    }
    return catalog;
}

static bool find(const struct catalog *catalog, enum file file, const struct json_at *where, const char *id, struct json_at *out,
                 struct error *err)
{
    struct json_at list = list_of(catalog, file);
    struct text names = {0};
    for (int i = 0; i < cJSON_GetArraySize(list.value); i++) {
        *out = json_element(&list, i);
        const char *name = json_text(out->value, "id");
        if (strcmp(name, id) == 0) {
            text_free(&names);
            return true;
        }
        text_format(&names, "%s%s", i ? ", " : "", name);
    }
    json_record(where, err, "\"%.64s\" is not in %.100s; there are: %.300s", id, files[file].name, names.bytes ? names.bytes : "none");
    text_free(&names);
    return false;
}

bool catalog_fact(const struct catalog *catalog, const struct json_at *where, const char *id, struct quantity *out, struct error *err)
{
    struct json_at at;
    return find(catalog, FACTS, where, id, &at, err) && read_fact(&at, out, err);
}

bool catalog_device(const struct catalog *catalog, const struct json_at *where, const char *id, struct device *out, struct error *err)
{
    struct json_at at;
    return find(catalog, DEVICES, where, id, &at, err) && read_device(&at, out, err);
}

bool catalog_model(const struct catalog *catalog, const struct json_at *where, const char *id, struct model_shape *out, struct error *err)
{
    struct json_at at;
    return find(catalog, MODELS, where, id, &at, err) && read_model(&at, out, err);
}

bool catalog_tariff(const struct catalog *catalog, const struct json_at *where, const char *id, struct json_at *out, struct error *err)
{
    return find(catalog, TARIFFS, where, id, out, err);
}

const char *catalog_fact_name(const struct catalog *catalog, const char *id, bool korean)
{
    struct json_at at;
    struct error ignored = {0};
    struct json_at nowhere = {.file = "catalogue"};
    return find(catalog, FACTS, &nowhere, id, &at, &ignored) ? json_text(at.value, korean ? "name_ko" : "name_en") : "";
}
