/* Reading a policy scenario: see scenario.h. */
#include "reports/policy/scenario.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SCENARIO_BYTES = 4 << 20 };

const struct input_name input_names[INPUTS] = {
    [INPUT_REQUESTS] = {"requests_per_device", "가속기 1장이 동시에 받는 요청", "requests at once per accelerator", "requests", 1, 4096},
    [INPUT_INPUT_TOKENS] = {"input_tokens", "요청의 입력 길이", "input of a request", "tokens", 1, 1e6},
    [INPUT_OUTPUT_TOKENS] = {"output_tokens", "요청의 출력 길이", "output of a request", "tokens", 1, 1e6},
    [INPUT_KOREAN_SHARE] = {"korean_share", "출력 글자 중 한국어의 비중", "Korean among the characters of the output", "share", 0, 1},
    [INPUT_BYTES_PER_PARAMETER] = {"bytes_per_parameter", "매개변수의 저장 크기", "stored size of a parameter", "bytes", 0.25, 4},
    [INPUT_KV_BYTES_RATIO] = {"kv_bytes_ratio", "KV 캐시 크기 ÷ F16일 때의 크기", "KV cache ÷ its size in F16", "ratio", 0.1, 2},
    [INPUT_BANDWIDTH_SHARE] = {"bandwidth_share", "디코드의 대역폭 이용률 (MBU)", "bandwidth reached in decode (MBU)", "share", 0.01, 1},
    [INPUT_COMPUTE_SHARE] = {"compute_share", "연산 이용률 (MFU)", "operations reached (MFU)", "share", 0.01, 1},
    [INPUT_UTILISATION] = {"utilisation", "제공 부하 ÷ 최대 처리량", "offered load ÷ peak throughput", "share", 0.001, 1},
    [INPUT_LIFE] = {"life_years", "수명", "life", "years", 1, 30},
    [INPUT_DISCOUNT_RATE] = {"discount_rate", "실질 할인율", "real discount rate", "per year", 0, 1},
    [INPUT_SALVAGE] = {"salvage_share", "수명 뒤 잔존 가치", "worth at the end of the life", "of price", 0, 1},
    [INPUT_VAT] = {"vat_not_recovered", "환급받지 못하는 부가세의 비중", "share of VAT not recovered", "share", 0, 1},
    [INPUT_FACILITY_CREDIT] = {"facility_credit", "시설 투자 세액공제율", "facility tax credit", "share", 0, 0.25},
    [INPUT_ELIGIBLE] = {"facility_eligible", "시설 공제 대상의 비중", "share of the price eligible for it", "of price", 0, 1},
    [INPUT_RND_CREDIT] = {"rnd_credit", "연구개발비 세액공제율", "R&D tax credit", "share", 0, 0.5},
    [INPUT_RND_SHARE] = {"rnd_share", "운영비 중 연구개발비의 비중", "research among operating expenses", "share", 0, 1},
    [INPUT_OPERATION] = {"operation_share", "연간 운영비 (인력, 유지보수, 소프트웨어)", "operation a year (staff, maintenance, software)",
                         "of price", 0, 1},
    [INPUT_FX] = {"fx", "원/달러 환율", "won per US dollar", "KRW/USD", 1, 1e5},
    [INPUT_FOREIGN_SHARE] = {"foreign_share", "원화 가격 중 달러로 정해지는 비중", "share of prices in won that follows the dollar",
                             "share", 0, 1},
    [INPUT_SERVER_POWER] = {"server_power_over_tdp", "서버 정격 전력 ÷ 가속기 TDP", "server's rated power ÷ accelerators' TDP", "ratio", 1,
                            5},
    [INPUT_POWER_DRAWN] = {"power_drawn", "최대 부하의 전력 ÷ 서버 정격 전력", "power at full load ÷ rated power", "ratio", 0.05, 1.2},
    [INPUT_IDLE] = {"idle_share", "유휴 전력 ÷ 최대 부하의 전력", "idle power ÷ power at full load", "ratio", 0, 1},
    [INPUT_PUE] = {"pue", "PUE", "PUE", "ratio", 1, 4},
    [INPUT_TARIFF_FACTOR] = {"tariff_factor", "전기요금 ÷ 현행 요금표", "electricity price ÷ present tariff", "ratio", 0.1, 10},
    [INPUT_CARBON] = {"carbon", "전력 배출계수", "grid emission factor", "tCO2e/MWh", 0, 3},
    [INPUT_BUILDING] = {"building_usd_per_w", "데이터센터 건설비", "cost of building a data centre", "USD/W", 0, 100},
    [INPUT_BUILDING_LIFE] = {"building_life_years", "건물의 수명", "life of the building", "years", 1, 60},
};

static const char *const root_keys[] = {"schema",      "name",    "as_of",  "title_ko",   "title_en", "question_ko",
                                        "question_en", "years",   "serves", "also",       "inputs",   "fleets",
                                        "tariff",      "tariffs", "apis",   "indicators", "checks",   NULL};
static const char *const years_keys[] = {"from", "to", NULL};
static const char *const fleet_keys[] = {
    "id",    "name_ko",       "name_en",  "note_ko",        "note_en", "device",          "count",           "arrives",
    "price", "rent_per_hour", "currency", "price_includes", "run",     "price_reason_ko", "price_reason_en", NULL};
static const char *const tariff_keys[] = {"class", "voltage", "option", NULL};
static const char *const api_keys[] = {"model", "name_ko", "name_en", "input", "output", NULL};
static const char *const indicator_keys[] = {"fact", "ratio", "name_ko", "name_en", NULL};
static const char *const check_keys[] = {"fact", "fleet", "what", NULL};

/* An array's elements, at least `least`, each read by a function. */
typedef bool read_element(struct scenario *s, const struct json_at *at, int index, struct error *err);

static bool read_list(struct scenario *s, const char *key, int least, int *count, read_element *read, struct error *err)
{
    struct json_at root = json_root(s->path, s->document), list = json_member(&root, key);
    *count = 0;
    if (!list.value && !least)
        return true;
    if (!json_array(&list, count, err))
        return false;
    if (*count < least || *count > SCENARIO_MOST)
        return json_error(&list, err, "has %d elements; %d … %d are allowed", *count, least, SCENARIO_MOST);
    for (int i = 0; i < *count; i++) {
        struct json_at at = json_element(&list, i);
        if (!read(s, &at, i, err))
            return false;
    }
    return true;
}

static bool read_inputs(struct scenario *s, const struct json_at *root, struct error *err)
{
    struct json_at all = json_member(root, "inputs");
    const char *keys[INPUTS + 1];
    for (int i = 0; i <= INPUTS; i++)
        keys[i] = i < INPUTS ? input_names[i].key : NULL;
    if (!json_only(&all, keys, err))
        return false;
    for (int i = 0; i < INPUTS; i++) {
        struct json_at at = json_member(&all, input_names[i].key);
        if (!quantity_read(&at, s->catalog, input_names[i].low, input_names[i].high, &s->inputs[i], err))
            return false;
    }
    return true;
}

static bool read_arrival(const struct json_at *at, struct fleet *f, struct error *err)
{
    struct json_at arrives = json_member(at, "arrives");
    const char *date;
    if (!json_date(at, "arrives", &date, err))
        return false;
    return (strlen(date) == 7 && sscanf(date, "%4d-%2d", &f->year, &f->month) == 2) ||
           json_error(&arrives, err, "\"%.20s\" is not a month like 2026-12", date);
}

static bool read_currency(const struct json_at *at, struct fleet *f, struct error *err)
{
    struct json_at currency = json_member(at, "currency");
    const char *name;
    if (!json_string_or(&currency, "KRW", &name, err))
        return false;
    f->in_dollars = strcmp(name, "USD") == 0;
    return f->in_dollars || strcmp(name, "KRW") == 0 ||
           json_error(&currency, err, "there is no rate from %.8s to KRW; allowed: KRW, and USD by the input \"fx\"", name);
}

static bool read_includes(const struct json_at *at, struct fleet *f, struct error *err)
{
    struct json_at list = json_member(at, "price_includes");
    int count = 0;
    if (list.value && !json_array(&list, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        struct json_at element = json_element(&list, i);
        const char *name;
        if (!json_string(&element, &name, err))
            return false;
        if (strcmp(name, "operation") == 0)
            f->with_operation = true;
        else if (strcmp(name, "building") == 0)
            f->with_building = true;
        else
            return json_error(&element, err, "\"%.32s\" is neither \"operation\" nor \"building\"", name);
    }
    return true;
}

static bool read_price(struct scenario *s, const struct json_at *at, struct fleet *f, struct error *err)
{
    struct json_at price = json_member(at, "price"), rent = json_member(at, "rent_per_hour");
    if (price.value && rent.value)
        return json_error(at, err, "has a price and a rent: a device is bought or rented");
    if (!price.value && !rent.value)
        return json_error(at, err,
                          "has neither \"price\" nor \"rent_per_hour\"; where none is known, \"price\" is null and "
                          "\"price_reason_ko\" and \"price_reason_en\" say why");
    f->rented = rent.value != NULL;
    if (cJSON_IsNull(price.value))
        return json_filled(at, "price_reason_ko", &f->reason_ko, err) && json_filled(at, "price_reason_en", &f->reason_en, err);
    f->priced = true;
    const struct json_at *given = f->rented ? &rent : &price;
    if (!quantity_read(given, s->catalog, 1e-6, 1e12, &f->price, err))
        return false;
    return f->price.source || json_error(given, err, "has no \"source\": a price is never assumed");
}

static bool read_fleet(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    struct fleet *f = &s->fleets[index];
    struct json_at device = json_member(at, "device"), count = json_member(at, "count"), note = json_member(at, "note_ko"),
                   run = json_member(at, "run");
    const char *id;
    if (!json_only(at, fleet_keys, err) || !json_filled(at, "id", &f->id, err) || !json_filled(at, "name_ko", &f->name_ko, err) ||
        !json_filled(at, "name_en", &f->name_en, err) || !json_string(&device, &id, err) ||
        !catalog_device(s->catalog, &device, id, &f->device, err) || !quantity_read(&count, s->catalog, 1, 1e8, &f->count, err) ||
        !read_arrival(at, f, err) || !read_currency(at, f, err) || !read_includes(at, f, err) || !read_price(s, at, f, err) ||
        !json_string_or(&run, NULL, &f->run, err))
        return false;
    if (isnan(f->device.tdp_w.value))
        return json_error(&device, err, "the catalogue does not know its TDP: its power cannot be computed");
    for (int i = 0; i < index; i++)
        if (strcmp(s->fleets[i].id, f->id) == 0)
            return json_error(at, err, "there are two fleets \"%.64s\"", f->id);
    return !note.value || (json_filled(at, "note_ko", &f->note_ko, err) && json_filled(at, "note_en", &f->note_en, err));
}

static bool read_model(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    const char *id;
    return json_string(at, &id, err) && catalog_model(s->catalog, at, id, &s->models[index + 1], err);
}

static bool read_tariff(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    struct json_at root = json_root(s->path, s->document), tariff = json_member(&root, "tariff"), found;
    const char *id, *class, *voltage, *option;
    return json_string(&tariff, &id, err) && catalog_tariff(s->catalog, &tariff, id, &found, err) && json_only(at, tariff_keys, err) &&
           json_filled(at, "class", &class, err) && json_filled(at, "voltage", &voltage, err) && json_filled(at, "option", &option, err) &&
           tariff_read(&found, class, voltage, option, &s->tariffs[index], err);
}

static bool read_api(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    struct api *api = &s->apis[index];
    struct json_at input = json_member(at, "input"), output = json_member(at, "output");
    return json_only(at, api_keys, err) && json_filled(at, "model", &api->model, err) && json_filled(at, "name_ko", &api->name_ko, err) &&
           json_filled(at, "name_en", &api->name_en, err) && quantity_read(&input, s->catalog, 0, 1e6, &api->input, err) &&
           quantity_read(&output, s->catalog, 0, 1e6, &api->output, err);
}

static bool read_indicator(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    struct indicator *indicator = &s->indicators[index];
    struct json_at fact = json_member(at, "fact"), ratio = json_member(at, "ratio"), of = json_element(&ratio, 0),
                   to = json_element(&ratio, 1);
    const char *id, *divisor;
    if (!json_only(at, indicator_keys, err))
        return false;
    if (!ratio.value) {
        if (!json_string(&fact, &id, err) || !catalog_fact(s->catalog, &fact, id, &indicator->fact, err))
            return false;
        indicator->name_ko = catalog_fact_name(s->catalog, id, true);
        indicator->name_en = catalog_fact_name(s->catalog, id, false);
        return true;
    }
    indicator->ratio = true;
    return json_string(&of, &id, err) && json_string(&to, &divisor, err) && catalog_fact(s->catalog, &of, id, &indicator->fact, err) &&
           catalog_fact(s->catalog, &to, divisor, &indicator->divisor, err) && json_filled(at, "name_ko", &indicator->name_ko, err) &&
           json_filled(at, "name_en", &indicator->name_en, err);
}

static bool read_check(struct scenario *s, const struct json_at *at, int index, struct error *err)
{
    struct check *check = &s->checks[index];
    struct json_at fact = json_member(at, "fact"), what = json_member(at, "what"), fleet = json_member(at, "fleet");
    const char *id;
    if (!json_only(at, check_keys, err) || !json_string(&fact, &id, err) || !catalog_fact(s->catalog, &fact, id, &check->fact, err) ||
        !json_string(&fleet, &check->fleet, err) || !json_string(&what, &check->what, err))
        return false;
    bool known = false;
    for (int i = 0; i < s->n_fleets; i++)
        known = known || strcmp(s->fleets[i].id, check->fleet) == 0;
    return (known || json_error(&fleet, err, "there is no fleet \"%.64s\"", check->fleet)) &&
           (strcmp(check->what, "hour") == 0 || strcmp(check->what, "kw") == 0 ||
            json_error(&what, err, "\"%.32s\" is neither \"hour\" nor \"kw\"", check->what));
}

static bool read_all(struct scenario *s, struct error *err)
{
    struct json_at root = json_root(s->path, s->document), schema = json_member(&root, "schema"), years = json_member(&root, "years"),
                   from = json_member(&years, "from"), to = json_member(&years, "to"), serves = json_member(&root, "serves");
    const char *version, *model;
    int64_t first, last;
    if (!json_only(&root, root_keys, err) || !json_string(&schema, &version, err))
        return false;
    if (strcmp(version, "jeoul/policy/1") != 0)
        return json_error(&schema, err, "\"%.32s\" is not a scenario that this version reads; it is \"jeoul/policy/1\"", version);
    if (!json_filled(&root, "name", &s->name, err) || !json_day(&root, "as_of", &s->as_of, err) ||
        !json_filled(&root, "title_ko", &s->title_ko, err) || !json_filled(&root, "title_en", &s->title_en, err) ||
        !json_filled(&root, "question_ko", &s->question_ko, err) || !json_filled(&root, "question_en", &s->question_en, err) ||
        !json_only(&years, years_keys, err) || !json_integer(&from, 1990, 2200, &first, err) ||
        !json_integer(&to, first, first + 40, &last, err) || !read_inputs(s, &root, err) || !json_string(&serves, &model, err) ||
        !catalog_model(s->catalog, &serves, model, &s->models[0], err))
        return false;
    s->from_year = (int)first;
    s->to_year = (int)last;
    if (!read_list(s, "fleets", 1, &s->n_fleets, read_fleet, err) || !read_list(s, "tariffs", 1, &s->n_tariffs, read_tariff, err) ||
        !read_list(s, "apis", 0, &s->n_apis, read_api, err) || !read_list(s, "indicators", 0, &s->n_indicators, read_indicator, err) ||
        !read_list(s, "checks", 0, &s->n_checks, read_check, err) || !read_list(s, "also", 0, &s->n_models, read_model, err))
        return false;
    s->n_models++; // and the one that is served
    return true;
}

struct scenario *scenario_open(const char *path, const char *catalog_directory, struct error *err)
{
    struct scenario *s = memory_array(1, sizeof *s, "scenario", err);
    struct text bytes = {0};
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    s->path = strdup(path);
    bool ok = (s->path || error_set(err, ERROR_MACHINE, "no memory for a path")) && file_read(path, MAX_SCENARIO_BYTES, &bytes, err) &&
              (s->document = json_parse(path, bytes.bytes, bytes.length, err)) != NULL &&
              (s->catalog = catalog_open(catalog_directory, err)) != NULL && read_all(s, err) &&
              hash_bytes(bytes.bytes, bytes.length, s->sha256, err);
    text_free(&bytes);
    if (ok)
        return s;
    scenario_close(s);
    return NULL;
}

void scenario_close(struct scenario *s)
{
    if (!s)
        return;
    catalog_close(s->catalog);
    cJSON_Delete(s->document);
    free(s->path);
    free(s);
}
