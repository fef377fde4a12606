/* Policy on hand-computed values: tariff, owner's cost, roofline, and a whole scenario whose figures have to fit together. */
#include "tests/support.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "reports/cost.h"
#include "reports/policy/evaluation.h"
#include "reports/policy/policy.h"
#include "reports/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char catalog_directory[] = "reports/catalog";

static struct tariff read_kepco(const char *class, const char *voltage, const char *option)
{
    struct error err = {0};
    struct tariff tariff;
    struct json_at where = {.file = "test"}, found;
    struct catalog *catalog = catalog_open(catalog_directory, &err);
    cr_assert_not_null(catalog, "%s", err.message);
    cr_assert(catalog_tariff(catalog, &where, "kepco-2026-06-01", &found, &err) &&
                  tariff_read(&found, class, voltage, option, &tariff, &err),
              "%s", err.message);
    catalog_close(catalog);
    return tariff; // its strings are gone; the numbers stay
}

Test(tariff, a_load_that_never_changes_pays_the_hand_computed_price)
{
    static const struct {
        const char *class, *voltage;
        double energy, with_demand, all;
    } cases[] = {{"general_b", "high_a", 117.97, 129.37, 147.24},
                 {"general_b", "high_b", 122.37, 132.48, 150.44},
                 {"industrial_b", "high_a", 140.43, 151.83, 170.31},
                 {"industrial_b", "high_b", 151.55, 161.66, 180.40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tariff t = read_kepco(cases[i].class, cases[i].voltage, "II");
        cr_assert_float_eq(t.energy_krw_per_kwh, cases[i].energy, 0.005);
        cr_assert_float_eq(t.energy_krw_per_kwh + t.base_krw_per_kw_year / 8760, cases[i].with_demand, 0.006);
        cr_assert_float_eq(tariff_flat(&t), cases[i].all, 0.006);
    }
}

Test(tariff, load_changes_the_energy_and_leaves_the_demand)
{
    struct tariff t = read_kepco("general_b", "high_b", "II");
    double full = tariff_year(&t, 2, 2 * 8760), half = tariff_year(&t, 2, 8760);
    cr_assert_float_eq(half - tariff_year(&t, 2, 0), (full - tariff_year(&t, 2, 0)) / 2, 1e-6);
    cr_assert_float_eq(tariff_year(&t, 2, 0), 2 * 12 * 7380 * 1.027, 1e-6);
}

Test(tariff, an_hour_without_a_band_or_with_two_is_refused)
{
    static const struct {
        const char *light, *words;
    } cases[] = {{"[[0, 8]]", "hour 20 is in no band"}, {"[[20, 9]]", "hour 8 is in two bands"}};
    for (int i = 0; i < 2; i++) {
        char text[2048];
        struct error err = {0};
        struct tariff tariff;
        snprintf(
            text, sizeof text,
            "{\"id\": \"t\", \"name_ko\": \"t\", \"name_en\": \"t\", \"date\": \"2026-01-01\", \"source\": \"s\", \"seasons\": "
            "{\"summer\": [6, 7, 8], "
            "\"spring_fall\": [3, 4, 5, 9, 10], \"winter\": [11, 12, 1, 2]}, \"bands\": {\"summer\": {\"light\": %s, \"mid\": [[8, 12]], "
            "\"peak\": [[12, 20]]}, \"spring_fall\": {}, \"winter\": {}}, \"adders\": {}, \"classes\": []}",
            cases[i].light);
        cJSON *document = json_parse("t.json", text, strlen(text), &err);
        struct json_at at = json_root("t.json", document);
        cr_assert(!tariff_read(&at, "a", "b", "c", &tariff, &err));
        cr_assert(strstr(err.message, cases[i].words), "%s", err.message);
        cJSON_Delete(document);
    }
}

/* The check of the cost method: 86 million won, 2.17 kW with everything, 150.44 won/kWh. */
Test(ownership, a_device_hour_costs_what_was_computed_by_hand)
{
    static const struct {
        double rate, years, credit, hour;
    } cases[] = {{0.045, 5, 0, 2563}, {0.045, 5, 0.15, 2227}, {0.045, 5, 0.25, 2004}, {0.08, 4, 0, 3291}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ownership o = {.price_krw = 86e6,
                              .life_years = cases[i].years,
                              .discount_rate = cases[i].rate,
                              .facility_credit = cases[i].credit,
                              .eligible = 1,
                              .it_kw = 2.17,
                              .utilisation = 1,
                              .pue = 1,
                              .tariff_factor = 1,
                              .tariff = read_kepco("general_b", "high_b", "II")};
        struct outlay outlay = ownership_year(&o);
        cr_assert_float_eq(outlay_total(&outlay) / 8760, cases[i].hour, 0.6);
        cr_assert_float_eq(outlay.kwh, 2.17 * 8760, 1e-6);
    }
}

Test(ownership, each_part_by_hand)
{
    struct ownership o = {.price_krw = 1000,
                          .life_years = 2,
                          .discount_rate = 0,
                          .salvage_share = 0.1,
                          .vat_share = 1,
                          .facility_credit = 0.2,
                          .eligible = 0.5,
                          .operation_share = 0.1,
                          .rnd_credit = 0.5,
                          .rnd_share = 0.3,
                          .building_krw_per_kw = 100,
                          .building_life_years = 10,
                          .it_kw = 2,
                          .idle_share = 0.25,
                          .utilisation = 0.5,
                          .pue = 1.5,
                          .tariff_factor = 2,
                          .tariff = {.energy_krw_per_kwh = 10, .base_krw_per_kw_year = 7, .adders_krw_per_kwh = 2, .fund_rate = 0.5}};
    struct outlay out = ownership_year(&o);
    cr_assert_float_eq(out.equipment, (1000 * 1.1 * 0.9 - 100) / 2, 1e-9);
    cr_assert_float_eq(out.operation, 100, 1e-9);
    cr_assert_float_eq(out.rnd_credit, 15, 1e-9);
    cr_assert_float_eq(out.peak_kw, 3, 1e-12);
    cr_assert_float_eq(out.building, 100 * 3 / 10.0, 1e-9);
    cr_assert_float_eq(out.kwh, 3 * (0.25 + 0.75 * 0.5) * 8760, 1e-6);
    cr_assert_float_eq(out.demand, 2 * 7 * 3 * 1.5, 1e-9);
    cr_assert_float_eq(out.energy, 2 * out.kwh * 12 * 1.5, 1e-6);
    cr_assert_float_eq(outlay_total(&out), out.equipment + 30 + 100 - 15 + out.demand + out.energy, 1e-6);
}

static struct device a_device(double memory_gb)
{
    return (struct device){
        .name = "d", .memory_gb.value = memory_gb, .read_bandwidth_gb_per_s.value = 1000, .fp8_tflops.value = 100, .bf16_tflops.value = 50};
}

Test(projection, a_dense_model_by_hand)
{
    struct device device = a_device(80);
    struct model_shape model = {
        .id = "m", .total_parameters_b = 1, .active_parameters_b = 1, .d_model = 1000, .vocabulary = 1000, .kv_bytes_per_token = 1000};
    struct serving serving = {.requests_per_device = 2,
                              .input_tokens = 100,
                              .output_tokens = 10,
                              .bytes_per_parameter = 1,
                              .kv_bytes_ratio = 1,
                              .bandwidth_share = 1,
                              .compute_share = 1};
    struct projection p;
    struct error err = {0};
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    double step = (1e9 + 2 * 105 * 1000.0) / 1e12; // bandwidth: the operations would take 0.04 ms
    cr_assert_eq(p.devices, 1);
    cr_assert(p.decode_by_bandwidth);
    cr_assert_float_eq(p.prefill_tok_per_s, 1e14 / 2e9, 1e-6);
    cr_assert_float_eq(p.decode_tok_per_s, 2 / step, 1e-6);
    cr_assert_float_eq(p.interactivity_tok_per_s, 1 / step, 1e-6);
    cr_assert_float_eq(p.tok_per_s, 110 / (100 / 5e4 + 10 * step / 2), 1e-6);
    cr_assert_float_eq(p.output_tok_per_s, p.tok_per_s / 11, 1e-6);
    serving.bytes_per_parameter = 2; // BF16: half the peak, twice the bytes
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_float_eq(p.prefill_tok_per_s, 5e13 / 2e9, 1e-6);
    cr_assert_float_eq(p.weights_read_bytes, 2e9, 1);
}

Test(projection, one_token_reads_its_own_experts_and_many_read_all)
{
    /* 4 experts of 10⁹ each, one chosen; 10⁹ that every token passes; no embedding to speak of */
    struct model_shape model = {.id = "m",
                                .total_parameters_b = 5,
                                .active_parameters_b = 2,
                                .d_model = 1,
                                .vocabulary = 1,
                                .experts = 4,
                                .top_k = 1,
                                .kv_bytes_per_token = 1};
    struct serving serving = {.requests_per_device = 1,
                              .input_tokens = 1,
                              .output_tokens = 1,
                              .bytes_per_parameter = 1,
                              .kv_bytes_ratio = 1,
                              .bandwidth_share = 1,
                              .compute_share = 1};
    struct device device = a_device(80);
    struct projection p;
    struct error err = {0};
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_float_eq(p.weights_read_bytes, 2e9, 10);
    serving.requests_per_device = 2;
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_float_eq(p.weights_read_bytes, 1e9 + 4e9 * (1 - 0.75 * 0.75), 10);
    serving.requests_per_device = 4096;
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_float_eq(p.weights_read_bytes, 5e9, 10);
    serving.dense = true;
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_float_eq(p.prefill_tok_per_s, 1e14 / 1e10, 1e-6);
}

Test(projection, a_copy_takes_as_many_devices_as_it_needs_and_what_never_fits_says_so)
{
    struct model_shape model = {
        .id = "m", .total_parameters_b = 100, .active_parameters_b = 100, .d_model = 1, .vocabulary = 1, .kv_bytes_per_token = 1e5};
    struct serving serving = {.requests_per_device = 10,
                              .input_tokens = 900,
                              .output_tokens = 100,
                              .bytes_per_parameter = 1,
                              .kv_bytes_ratio = 1,
                              .bandwidth_share = 1,
                              .compute_share = 1};
    struct device device = a_device(50); // 45 GB usable, 1 GB of cache: 44 GB for weights, so 3 devices, so 4
    struct projection p;
    struct error err = {0};
    cr_assert(projection_make(&device, &model, &serving, &p, &err), "%s", err.message);
    cr_assert_eq(p.devices, 4);
    serving.requests_per_device = 1000; // 100 GB of cache each
    cr_assert(!projection_make(&device, &model, &serving, &p, &err));
    cr_assert(strstr(err.message, "does not fit"), "%s", err.message);
    device.fp8_tflops.value = NAN;
    cr_assert(!projection_make(&device, &model, &serving, &p, &err));
    cr_assert(strstr(err.message, "does not know"), "%s", err.message);
}

static void check_words(enum report_language language, enum word word, double value, bool exact, const char *wanted)
{
    struct text out = {0};
    (exact ? words_add_exact : words_add)(&out, language, word, value);
    cr_assert_str_eq(out.bytes, wanted);
    text_free(&out);
}

Test(words, large_numbers_as_people_read_them)
{
    check_words(REPORT_KO, WORD_WON, 2584561234567, false, "2조 5,800억 원");
    check_words(REPORT_KO, WORD_WON, 878467350297, false, "8,780억 원");
    check_words(REPORT_KO, WORD_WON, 111070000, true, "1억 1,107만 원");
    check_words(REPORT_KO, WORD_WON, 103000000, true, "1억 300만 원");
    check_words(REPORT_KO, WORD_WON, 455.94, false, "456원");
    check_words(REPORT_KO, WORD_COUNT, 1.92670663e15, false, "1,930조");
    check_words(REPORT_KO, WORD_COUNT, 5e12, false, "5조");
    check_words(REPORT_KO, WORD_COUNT, -3.5e8, false, "−3억 5,000만");
    check_words(REPORT_EN, WORD_WON, 2584561234567, false, "2.58 trillion won");
    check_words(REPORT_EN, WORD_WON, 86000000, true, "86 million won");
    check_words(REPORT_EN, WORD_PLAIN, 1422.16, true, "1,422.16");
    check_words(REPORT_EN, WORD_PLAIN, 0.4173, true, "0.4173");
    check_words(REPORT_EN, WORD_PLAIN, 135459.3, false, "135,000");
    check_words(REPORT_EN, WORD_PERCENT, 0.045, true, "4.5 %");
    check_words(REPORT_EN, WORD_PERCENT, 0.1518, false, "15.2 %");
    check_words(REPORT_EN, WORD_PLAIN, 0, false, "0");
    check_words(REPORT_EN, WORD_PLAIN, 999.7, false, "1,000");
    check_words(REPORT_EN, WORD_PLAIN, NAN, false, "–");
}

static struct scenario *open_plan(const char *path)
{
    struct error err = {0};
    struct scenario *scenario = scenario_open(path, catalog_directory, &err);
    cr_assert_not_null(scenario, "%s", err.message);
    return scenario;
}

static cJSON *figures_of(const struct scenario *scenario)
{
    struct error err = {0};
    cJSON *none = cJSON_CreateArray(), *figures = policy_figures(scenario, none, none, "reports/prices/default.json", &err);
    cr_assert_not_null(figures, "%s", err.message);
    cJSON_Delete(none);
    return figures;
}

static struct result evaluated(const struct scenario *scenario, const struct stance *stance)
{
    static struct measured nothing[SCENARIO_MOST];
    struct result result;
    struct error err = {0};
    for (int i = 0; i < SCENARIO_MOST; i++)
        nothing[i] = (struct measured){{NAN, NAN, NAN}, {NAN, NAN, NAN}};
    cr_assert(evaluate(scenario, nothing, stance, &result, &err), "%s", err.message);
    return result;
}

Test(policy, totals_are_the_sums_and_costs_the_ratios_of_sums)
{
    struct scenario *s = open_plan("plans/policy-national.json");
    struct result r = evaluated(s, &(struct stance){0});
    double tokens = 0, priced = 0, year = 0, devices = 0;
    for (int i = 0; i < s->n_fleets; i++) {
        tokens += r.fleets[i].tokens_per_day;
        devices += s->fleets[i].count.value;
        if (!s->fleets[i].priced) {
            cr_assert(isnan(r.fleets[i].hour_krw) && isnan(r.fleets[i].blended_krw) && r.fleets[i].mw > 0);
            continue;
        }
        priced += r.fleets[i].tokens_per_day;
        year += s->fleets[i].count.value * 8760 * r.fleets[i].hour_krw;
    }
    cr_assert_eq(devices, 10080 + 3056 + 9000 + 15000 + 15000);
    cr_assert_float_eq(r.tokens_per_day / tokens, 1, 1e-12);
    cr_assert_lt(r.priced_tokens_per_day, r.tokens_per_day);
    cr_assert_float_eq(r.blended_krw / (year / (365 * priced) * 1e6), 1, 1e-12);
    /* input and output together cost what the whole costs */
    const struct fleet_result *f = &r.fleets[0];
    double in = s->inputs[INPUT_INPUT_TOKENS].value, out = s->inputs[INPUT_OUTPUT_TOKENS].value;
    cr_assert_float_eq((in * f->input_krw + out * f->output_krw) / (in + out) / f->blended_krw, 1, 1e-12);
    scenario_close(s);
}

Test(policy, each_device_serves_its_life_and_no_longer)
{
    struct scenario *s = open_plan("plans/policy-national.json");
    struct result r = evaluated(s, &(struct stance){0});
    double years = 0, invested = 0, devices = 0;
    for (int y = 2024; y <= 2040; y++) {
        struct year_result year;
        evaluate_year(s, &r, y, &year);
        years += year.device_years;
        invested += year.investment_krw;
    }
    for (int i = 0; i < s->n_fleets; i++)
        devices += s->fleets[i].count.value;
    cr_assert_float_eq(years, devices * s->inputs[INPUT_LIFE].value, 1e-6);
    cr_assert_float_eq(invested / r.investment_krw, 1, 1e-12);
    scenario_close(s);
}

Test(policy, break_even_and_flip_prices_are_where_the_costs_meet)
{
    struct scenario *s = open_plan("plans/policy-30k.json");
    cJSON *figures = figures_of(s);
    const cJSON *api = cJSON_GetArrayItem(cJSON_GetObjectItem(figures, "apis"), 0);
    int fleet = 0;
    while (strcmp(s->fleets[fleet].id, json_text(api, "fleet")) != 0)
        fleet++;
    struct scenario altered = *s;
    altered.inputs[INPUT_UTILISATION].value = json_real(api, "break_even_utilisation");
    struct result r = evaluated(&altered, &(struct stance){0});
    cr_assert_float_eq(r.fleets[fleet].blended_krw, json_real(api, "api_krw"), 1e-6 * json_real(api, "api_krw"));
    altered = *s;
    altered.fleets[fleet].price.value = json_real(api, "flip_price_krw");
    r = evaluated(&altered, &(struct stance){0});
    cr_assert_float_eq(r.fleets[fleet].blended_krw, json_real(api, "api_krw"), 1e-6 * json_real(api, "api_krw"));
    /* 1,500 tokens of input at 0.27 and 500 of output at 1.10 USD per million */
    cr_assert_float_eq(json_real(api, "api_krw"), (0.75 * 0.27 + 0.25 * 1.10) * 1422.16, 1e-6);
    cJSON_Delete(figures);
    scenario_close(s);
}

Test(policy, levers_pull_the_way_they_should)
{
    static const struct {
        const char *id;
        int dearer; // at its high end: +1 dearer, −1 cheaper
    } wanted[] = {{"speed", -1},      {"price", 1},     {"utilisation", -1}, {"life", -1},  {"rate", 1}, {"facility_credit", -1},
                  {"rnd_credit", -1}, {"operation", 1}, {"fx", 1},           {"tariff", 1}, {"pue", 1},  {"building", 1}};
    struct scenario *s = open_plan("plans/policy-30k.json");
    cJSON *figures = figures_of(s);
    const cJSON *row;
    double before = INFINITY, base = json_real(cJSON_GetObjectItem(cJSON_GetObjectItem(figures, "totals"), "blended_krw"), "value");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        bool found = false;
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "tornado"))
            if (strcmp(json_text(row, "id"), wanted[i].id) == 0) {
                found = true;
                double change = json_real(row, "at_high_krw") - json_real(row, "at_low_krw");
                cr_assert_gt(wanted[i].dearer * change, 0, "%s", wanted[i].id);
                cr_assert_leq(fmin(json_real(row, "at_high_krw"), json_real(row, "at_low_krw")), base * (1 + 1e-12));
            }
        cr_assert(found, "%s", wanted[i].id);
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "tornado")) {
        double swing = fabs(json_real(row, "at_high_krw") - json_real(row, "at_low_krw"));
        cr_assert_leq(swing, before);
        before = swing;
    }
    cJSON_Delete(figures);
    scenario_close(s);
}

Test(policy, a_measured_run_takes_the_place_of_the_projection)
{
    struct scenario *s = open_plan("plans/policy-30k.json");
    struct measured measured[SCENARIO_MOST];
    struct result r;
    struct error err = {0};
    for (int i = 0; i < SCENARIO_MOST; i++)
        measured[i] = (struct measured){{NAN, NAN, NAN}, {NAN, NAN, NAN}};
    measured[0] = (struct measured){{3000, 2900, 3100}, {1000, 900, 1100}};
    cr_assert(evaluate(s, measured, &(struct stance){0}, &r, &err), "%s", err.message);
    cr_assert_float_eq(r.fleets[0].speed.tok_per_s, 2000 / (1500 / 3000.0 + 500 / 1000.0), 1e-9);
    cr_assert(evaluate(s, measured, &(struct stance){.speed = -1}, &r, &err), "%s", err.message);
    cr_assert_float_eq(r.fleets[0].speed.decode_tok_per_s, 900, 1e-9);
    scenario_close(s);
}

/* The scenario that comes with jeoul, with one thing wrong at a time. */
Test(policy, bad_scenarios_are_refused_and_say_why)
{
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"\"price\": {\"fact\": \"gpu-price-plan-2025\"", "\"cost\": {\"fact\": \"gpu-price-plan-2025\"", "unknown key \"cost\""},
        {"\"price\": {\"fact\": \"gpu-price-plan-2025\", \"low\": 69000000",
         "\"price\": {\"value\": 86000000, \"low\": 69000000, \"date\": \"2025-05-14\"", "price is never assumed"},
        {"\"price\": {\"fact\": \"gpu-price-plan-2025\", \"low\": 69000000",
         "\"price\": {\"value\": 86000000, \"low\": 69000000, \"source\": \"s\"", "price.date: is missing"},
        {"\"price\": {\"fact\": \"gpu-price-plan-2025\", \"low\": 69000000", "\"price\": {\"value\": -1, \"low\": 69000000", "is outside"},
        {"\"price\": {\"fact\": \"gpu-price-plan-2025\", \"low\": 69000000", "\"price\": {\"value\": 1e999, \"low\": 69000000",
         "is outside"},
        {"\"arrives\": \"2025-12\"", "\"currency\": \"EUR\", \"arrives\": \"2025-12\"", "no rate from EUR"},
        {"\"arrives\": \"2025-12\"", "\"arrives\": \"soon\"", "is not a date"},
        {"\"arrives\": \"2025-12\"", "\"rent_per_hour\": {\"fact\": \"gpu-price-plan-2025\"}, \"arrives\": \"2025-12\"",
         "bought or rented"},
        {"\"gpu-price-plan-2025\"", "\"no-such-fact\"", "is not in facts.json"},
        {"\"h200-sxm\"", "\"h900\"", "is not in devices.json"},
        {"\"deepseek-ai/DeepSeek-V3\"", "\"deepseek-ai/DeepSeek-V9\"", "is not in models.json"},
        {"\"id\": \"b200-2025\"", "\"id\": \"h200-2025\"", "two fleets"},
        {"{\"fact\": \"facility-credit-large\"", "{\"value\": 0.3, \"date\": \"2026-01-01\", \"source\": \"s\"", "facility_credit.value"},
        {"\"utilisation\": {\"value\": 0.5", "\"utilisation\": {\"value\": 0", "utilisation.value"},
        {"\"utilisation\": {\"value\": 0.5, \"low\": 0.2", "\"utilisation\": {\"value\": 0.5, \"low\": 0.6", "utilisation.low"},
        {"jeoul/policy/1", "jeoul/policy/9", "not a scenario that this version reads"},
        {"\"schema\"", "\"shema\"", "did you mean \"schema\""},
    };
    struct text plan = {0};
    struct error err = {0};
    cr_assert(file_read("plans/policy-30k.json", 1 << 20, &plan, &err), "%s", err.message);
    char path[] = "/tmp/test_policy.XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(plan.bytes, cases[i].from);
        cr_assert_not_null(at, "%s", cases[i].from);
        struct text altered = {0};
        text_add(&altered, plan.bytes, (size_t)(at - plan.bytes));
        text_add_string(&altered, cases[i].to);
        text_add_string(&altered, at + strlen(cases[i].from));
        err = (struct error){0};
        cr_assert(file_write(path, altered.bytes, altered.length, &err), "%s", err.message);
        struct scenario *s = scenario_open(path, catalog_directory, &err);
        cr_assert_null(s, "%s was taken", cases[i].to);
        cr_assert_eq(err.code, ERROR_INPUT);
        cr_assert(strstr(err.message, cases[i].words), "%s: %s", cases[i].to, err.message);
        text_free(&altered);
    }
    unlink(path);
    text_free(&plan);
}

Test(catalog, every_device_model_and_fact_can_be_had)
{
    struct error err = {0};
    struct catalog *catalog = catalog_open(catalog_directory, &err);
    cr_assert_not_null(catalog, "%s", err.message);
    struct json_at where = {.file = "test"};
    struct device b200;
    struct model_shape model;
    struct quantity fact;
    cr_assert(catalog_device(catalog, &where, "b200-sxm", &b200, &err) && b200.read_bandwidth_gb_per_s.value == 7700);
    cr_assert(catalog_model(catalog, &where, "deepseek-ai/DeepSeek-V3", &model, &err) && model.experts == 256);
    cr_assert(catalog_fact(catalog, &where, "grid-carbon-2023", &fact, &err) && fact.value == 0.4173 && fact.source[0]);
    cr_assert(!catalog_fact(catalog, &where, "nothing", &fact, &err));
    catalog_close(catalog);
    cr_assert_null(catalog_open("reports/nowhere", &err));
}
