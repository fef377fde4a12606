/* Money: see cost.h. */
#include "reports/cost.h"

#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BOOK_BYTES = 4 << 20 };

static const char *const book_keys[] = {"schema", "as_of", "stale_after_days", "currency", "fx", "systems", NULL};
static const char *const fx_keys[] = {"from", "krw", "date", "source", NULL};
static const char *const system_keys[] = {"id", "name_ko", "name_en", "per_hour", "date", "source", "assumed", "note_ko", "note_en", NULL};
static const char *const price_keys[] = {"value", "low", "high", "currency", NULL};

/* Won for one unit of a currency; where it comes from, NULL for won. */
static bool rate_of(const cJSON *book, const char *path, const struct json_at *where, const char *currency, double *rate,
                    const char **source, struct error *err)
{
    struct json_at root = json_root(path, book), list = json_member(&root, "fx");
    *rate = 1;
    *source = NULL;
    if (strcmp(currency, "KRW") == 0)
        return true;
    for (int i = 0; i < cJSON_GetArraySize(list.value); i++) {
        struct json_at entry = json_element(&list, i);
        const char *from = cJSON_GetStringValue(cJSON_GetObjectItem(entry.value, "from"));
        if (from && strcmp(from, currency) == 0) {
            *rate = cJSON_GetObjectItem(entry.value, "krw")->valuedouble;
            *source = cJSON_GetStringValue(cJSON_GetObjectItem(entry.value, "source"));
            return true;
        }
    }
    return json_error(where, err, "there is no rate from %.8s to KRW in \"fx\"", currency);
}

static bool read_system(const cJSON *book, const char *path, const struct json_at *at, struct price *out, struct error *err)
{
    struct json_at price = json_member(at, "per_hour"), low = json_member(&price, "low"), high = json_member(&price, "high"),
                   assumed = json_member(at, "assumed");
    const char *currency;
    double v, l, h;
    *out = (struct price){0};
    if (!json_only(at, system_keys, err) || !json_filled(at, "id", &out->id, err) || !json_filled(at, "name_ko", &out->name_ko, err) ||
        !json_filled(at, "name_en", &out->name_en, err) || !json_filled(at, "source", &out->source, err) ||
        !json_day(at, "date", &out->date, err) || !json_filled(at, "note_ko", &out->note_ko, err) ||
        !json_filled(at, "note_en", &out->note_en, err) || !json_bool_or(&assumed, false, &out->assumed, err) ||
        !json_only(&price, price_keys, err) || !json_value(&price, "value", 1e-9, 1e12, &v, err) ||
        !json_number_or(&low, 1e-9, v, v, &l, err) || !json_number_or(&high, v, 1e12, v, &h, err) ||
        !json_filled(&price, "currency", &currency, err) || !rate_of(book, path, &price, currency, &out->fx, &out->fx_source, err))
        return false;
    out->krw_per_hour = (struct interval){v * out->fx, l * out->fx, h * out->fx};
    return true;
}

static bool check_book(const cJSON *book, const char *path, struct error *err)
{
    struct json_at root = json_root(path, book), schema = json_member(&root, "schema"), fx = json_member(&root, "fx"),
                   systems = json_member(&root, "systems"), days = json_member(&root, "stale_after_days");
    const char *version, *text;
    int64_t stale;
    int count = 0;
    if (!json_only(&root, book_keys, err) || !json_string(&schema, &version, err))
        return false;
    if (strcmp(version, "jeoul/prices/1") != 0)
        return json_error(&schema, err, "\"%.32s\" is not a price book that this version reads; it is \"jeoul/prices/1\"", version);
    if (!json_filled(&root, "as_of", &text, err) || !json_integer_or(&days, 1, 36500, 180, &stale, err) ||
        (fx.value && !json_array(&fx, &count, err)))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at entry = json_element(&fx, i);
        double rate;
        if (!json_only(&entry, fx_keys, err) || !json_filled(&entry, "from", &text, err) ||
            !json_value(&entry, "krw", 1e-9, 1e9, &rate, err) || !json_day(&entry, "date", &text, err) ||
            !json_filled(&entry, "source", &text, err))
            return false;
    }
    if (!json_array(&systems, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at entry = json_element(&systems, i);
        struct price price;
        if (!read_system(book, path, &entry, &price, err))
            return false;
    }
    return true;
}

cJSON *price_book_read(const char *path, struct error *err)
{
    cJSON *book = json_read(path, MAX_BOOK_BYTES, err);
    if (book && !check_book(book, path, err)) {
        cJSON_Delete(book);
        return NULL;
    }
    return book;
}

bool price_find(const cJSON *book, const char *path, const char *system, struct price *out, struct error *err)
{
    struct json_at root = json_root(path, book), systems = json_member(&root, "systems");
    struct text list = {0};
    for (int i = 0; i < cJSON_GetArraySize(systems.value); i++) {
        struct json_at entry = json_element(&systems, i);
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(entry.value, "id"));
        text_format(&list, "%s%s", i ? ", " : "", id);
        if (strcmp(id, system) == 0) {
            struct json_at days = json_member(&root, "stale_after_days");
            text_free(&list);
            return read_system(book, path, &entry, out, err) && json_integer_or(&days, 1, 36500, 180, &out->stale_after_days, err);
        }
    }
    json_record(&systems, err, "there is no price of \"%.64s\"; there are: %s", system, list.bytes ? list.bytes : "none");
    text_free(&list);
    return false;
}

struct interval cost_per_million_tokens(struct interval krw, struct interval speed)
{
    const double scale = 1e6 / 3600;
    return (struct interval){krw.value / speed.value * scale, krw.low / speed.high * scale, krw.high / speed.low * scale};
}

struct interval cost_per_1000_correct(struct interval per_million_tokens, double tokens, uint64_t correct, uint64_t n)
{
    struct interval share = statistics_wilson(correct, n);
    double per_item = tokens / (double)n * 1e-6 * 1000;
    return (struct interval){per_million_tokens.value * per_item / share.value, per_million_tokens.low * per_item / share.high,
                             per_million_tokens.high * per_item / share.low};
}

double cost_crf(double rate, double years)
{
    return rate == 0 ? 1 / years : rate / (1 - pow(1 + rate, -years));
}
