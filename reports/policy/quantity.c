/* A number with its origin: see quantity.h. */
#include "reports/policy/quantity.h"

#include "reports/policy/catalog.h"

#include <math.h>
#include <string.h>

const char *const basis_names[4] = {"measured", "fact", "projected", "assumed"};

static const char *const own_keys[] = {"value", "low", "high", "date", "source", "note_ko", "note_en", NULL};
static const char *const fact_keys[] = {"fact", "low", "high", "note_ko", "note_en", NULL};

static bool read_range(const struct json_at *at, double low, double high, struct quantity *q, struct error *err)
{
    struct json_at lower = json_member(at, "low"), upper = json_member(at, "high");
    return json_number_or(&lower, low, q->value, q->low, &q->low, err) && json_number_or(&upper, q->value, high, q->high, &q->high, err);
}

static bool read_notes(const struct json_at *at, struct quantity *q, struct error *err)
{
    return json_filled(at, "note_ko", &q->note_ko, err) && json_filled(at, "note_en", &q->note_en, err);
}

static bool read_fact(const struct json_at *at, const struct catalog *catalog, double low, double high, struct quantity *q,
                      struct error *err)
{
    struct json_at fact = json_member(at, "fact"), notes = json_member(at, "note_ko");
    const char *id;
    if (!json_only(at, fact_keys, err) || !json_string(&fact, &id, err) || !catalog_fact(catalog, &fact, id, q, err))
        return false;
    if (!(q->value >= low && q->value <= high))
        return json_error(&fact, err, "%.17g is outside %.17g … %.17g", q->value, low, high);
    return read_range(at, low, high, q, err) && (!notes.value || read_notes(at, q, err));
}

bool quantity_read(const struct json_at *at, const struct catalog *catalog, double low, double high, struct quantity *q, struct error *err)
{
    *q = (struct quantity){0};
    if (!json_object(at, err))
        return false;
    if (json_member(at, "fact").value)
        return read_fact(at, catalog, low, high, q, err);
    struct json_at source = json_member(at, "source"), note = json_member(at, "note_ko");
    if (!json_only(at, own_keys, err) || !json_value(at, "value", low, high, &q->value, err))
        return false;
    q->low = q->high = q->value;
    if (!read_range(at, low, high, q, err) || !json_date(at, "date", &q->date, err))
        return false;
    if (!source.value && !note.value)
        return json_error(at, err, "has neither a \"source\" nor, as an assumption, a \"note_ko\" and a \"note_en\" that say why");
    q->basis = source.value ? BASIS_FACT : BASIS_ASSUMED;
    return (!source.value || json_filled(at, "source", &q->source, err)) && (!note.value || read_notes(at, q, err));
}

double quantity_at(const struct quantity *q, int end)
{
    return end < 0 ? q->low : end > 0 ? q->high : q->value;
}
