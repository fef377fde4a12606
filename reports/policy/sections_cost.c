/* What it costs and what else could be done: cost, make or buy, procurement, tax and tariff, supply. */
#include "reports/policy/page.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cJSON *totals(const struct page *p, const char *key)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(p->figures, "totals"), key);
}

static void put_cell(struct page *p, enum word word, double value)
{
    text_add_string(&p->html, "<td>");
    put_value(p, "projected", word, value);
}

static void put_interval_cell(struct page *p, enum word word, const cJSON *interval)
{
    text_add_string(&p->html, "<td>");
    if (cJSON_IsObject(interval))
        put_interval_value(p, "projected", word, interval);
    else
        text_add_string(&p->html, "–");
}

static void put_fleet_name(struct page *p, const cJSON *fleet)
{
    text_add_string(&p->html, "<tr><td>");
    put_named(p, fleet, "name");
}

static void put_cost_table(struct page *p)
{
    const cJSON *fleet;
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD_BY("1장·시간, 원", "won per device-hour", F_HOUR),
                                         HEAD_BY("입력 100만 토큰", "million input tokens", F_TOKENS_COST),
                                         HEAD_BY("출력 100만 토큰", "million output tokens", F_TOKENS_COST),
                                         HEAD_BY("섞어서 100만 토큰", "million tokens of the mix", F_TOKENS_COST),
                                         HEAD_BY("한국어 100만 글자", "million Korean characters", F_KOREAN),
                                         {0}});
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        put_fleet_name(p, fleet);
        for (const char *const *key = (const char *const[]){"hour_krw", "input_krw", "output_krw", "blended_krw", "korean_krw", NULL}; *key;
             key++)
            put_interval_cell(p, WORD_PLAIN, cJSON_GetObjectItem(fleet, *key));
        text_add_string(&p->html, "</tr>\n");
    }
    text_format(&p->html, "<tr><td><strong>%s</strong><td><td>", page_say(p, "값을 아는 물량 전체", "all with a price"));
    for (const char *const *key = (const char *const[]){"output_krw", "blended_krw", "korean_krw", NULL}; *key; key++)
        put_interval_cell(p, WORD_PLAIN, totals(p, *key));
    text_add_string(&p->html, "</tr>\n");
    end_table(p);
    put_note(
        p,
        "단위는 원이고, 제공 부하에서의 비용이다. 입력과 출력의 비용은 프리필과 디코드가 차지하는 시간으로 나눈 몫이다. 작은 글씨는 "
        "처리량, 가격, 요금이 함께 유리한 끝과 불리한 끝에 있을 때이다.",
        "In won, at the offered load. Input and output share the cost by the time that prefill and decode take. Small type: throughput, "
        "price and tariff together at their favourable and their other ends.");
}

static void put_tornado_table(struct page *p)
{
    const cJSON *lever;
    chart_tornado(p);
    begin_table(p, (const struct head[]){HEAD("수단 또는 조건", "lever or condition"),
                                         HEAD("낮은 끝 → 높은 끝", "low end → high end"),
                                         HEAD_BY("낮은 끝에서, 원", "won at the low end", F_RANGE),
                                         HEAD_BY("높은 끝에서, 원", "won at the high end", F_RANGE),
                                         {0}});
    cJSON_ArrayForEach(lever, cJSON_GetObjectItem(p->figures, "tornado")) {
        const char *id = json_text(lever, "input");
        const cJSON *input = page_input(p, id);
        text_add_string(&p->html, "<tr><td>");
        put_named(p, lever, "name");
        put_source(p, id);
        text_add_string(&p->html, "<td>");
        if (input) {
            enum word word = page_input_word(input);
            put_value(p, json_text(input, "basis"), word, json_real(input, "low"));
            text_add_string(&p->html, " → ");
            put_value(p, json_text(input, "basis"), word, json_real(input, "high"));
            text_add_string(&p->html, page_input_unit(p, input));
        } else
            text_add_string(&p->html, page_say(p, "물량마다 다름 (2절)", "by fleet (section 2)"));
        put_cell(p, WORD_PLAIN, json_real(lever, "at_low_krw"));
        put_cell(p, WORD_PLAIN, json_real(lever, "at_high_krw"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_flips(struct page *p)
{
    const cJSON *flip;
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "flips")))
        return;
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "순위가 뒤집히는 가격", "Prices at which the ranking flips"));
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD("지금 1장 가격", "price of one now"),
                                         HEAD_BY("토큰 값이 같아지는 가격", "price at which a token costs the same", F_FLIP),
                                         HEAD("견준 물량", "compared with"),
                                         {0}});
    cJSON_ArrayForEach(flip, cJSON_GetObjectItem(p->figures, "flips")) {
        char id[160];
        snprintf(id, sizeof id, "price/%.100s", json_text(flip, "fleet"));
        put_fleet_name(p, page_fleet(p, json_text(flip, "fleet")));
        text_add_string(&p->html, "<td>");
        put_value(p, json_text(page_input(p, id), "basis"), WORD_WON, json_real(flip, "price_krw"));
        put_source(p, id);
        put_cell(p, WORD_WON, json_real(flip, "flip_price_krw"));
        text_add_string(&p->html, "<td>");
        put_named(p, page_fleet(p, json_text(flip, "reference")), "name");
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_make_or_buy(struct page *p)
{
    const cJSON *api;
    int index = 0;
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "직접 운영할 것인가, API를 살 것인가", "Make or buy"));
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "apis"))) {
        page_paragraph(p, "시나리오에 API 가격이 없다.", "The scenario names no price of an API.");
        return;
    }
    begin_table(p, (const struct head[]){HEAD("API", "API"),
                                         HEAD_BY("API, 100만 토큰", "API, million tokens", F_BREAK_EVEN),
                                         HEAD_BY("직접, 100만 토큰", "own, million tokens", F_TOKENS_COST),
                                         HEAD_BY("손익분기 토큰/월 (이용률)", "break-even tokens a month (load)", F_BREAK_EVEN),
                                         HEAD_BY("뒤집히는 1장 가격", "price of one at which it flips", F_FLIP),
                                         {0}});
    cJSON_ArrayForEach(api, cJSON_GetObjectItem(p->figures, "apis")) {
        char id[32];
        text_add_string(&p->html, "<tr><td>");
        put_named(p, api, "name");
        snprintf(id, sizeof id, "api/%d/input", index);
        put_source(p, id);
        snprintf(id, sizeof id, "api/%d/output", index++);
        put_source(p, id);
        if (!cJSON_IsTrue(cJSON_GetObjectItem(api, "same_model")))
            text_format(&p->html, "<br><em>%s</em>",
                        page_say(p, "다른 모델이다. 정확도가 같다는 뜻이 아니다", "another model: not said to be equally good"));
        put_cell(p, WORD_WON, json_real(api, "api_krw"));
        put_cell(p, WORD_WON, json_real(api, "own_krw"));
        text_add_string(&p->html, "<td>");
        if (cJSON_IsNumber(cJSON_GetObjectItem(api, "break_even_tokens_per_month"))) {
            put_value(p, "projected", WORD_COUNT, json_real(api, "break_even_tokens_per_month"));
            text_add_string(&p->html, " (");
            put_value(p, "projected", WORD_PERCENT, json_real(api, "break_even_utilisation"));
            text_add_string(&p->html, ")");
        } else
            text_add_string(&p->html, page_say(p, "어느 부하에서도 API가 싸다", "the API is cheaper at any load"));
        put_cell(p, WORD_WON, json_real(api, "flip_price_krw"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(p->figures, "apis"), 0);
    text_format(&p->html, page_say(p, "<p class=note>모델 사본 하나(%.0f장, ", "<p class=note>For one copy of the model (%.0f devices, "),
                json_real(first, "devices_per_copy"));
    put_named(p, page_fleet(p, json_text(first, "fleet")), "name");
    text_format(&p->html, ")%s</p>\n",
                page_say(p, "를 기준으로 셈했다. API의 값은 같은 요청의 입력과 출력 토큰 수로 가중했다.",
                         "; API prices are weighted by the same requests' tokens of input and output."));
}

void section_cost(struct page *p)
{
    page_heading(p, "6. 비용과 민감도", "6. Cost and sensitivity");
    chart_hour(p);
    put_cost_table(p);
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "무엇이 토큰 값을 움직이는가", "What moves the price of a token"));
    put_tornado_table(p);
    put_flips(p);
    put_make_or_buy(p);
}

static void put_procurement(struct page *p)
{
    const cJSON *fleet;
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD("수", "number"),
                                         HEAD("도착", "arrives"),
                                         HEAD("MW", "MW"),
                                         HEAD_BY("투자, 원", "investment, won", F_HOUR),
                                         HEAD_BY("토큰/일", "tokens a day", F_VOLUME),
                                         HEAD_BY("100만 토큰, 원", "won per million tokens", F_TOKENS_COST),
                                         {0}});
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        char id[160];
        snprintf(id, sizeof id, "count/%.100s", json_text(fleet, "id"));
        put_fleet_name(p, fleet);
        text_add_string(&p->html, "<td>");
        put_value(p, json_text(page_input(p, id), "basis"), WORD_PLAIN, json_real(fleet, "count"));
        put_source(p, id);
        text_add_string(&p->html, "<td class=d>");
        put_month(p, json_text(fleet, "arrives"));
        put_cell(p, WORD_PLAIN, json_real(fleet, "mw"));
        put_interval_cell(p, WORD_COUNT, cJSON_GetObjectItem(fleet, "investment_krw"));
        put_interval_cell(p, WORD_COUNT, cJSON_GetObjectItem(fleet, "tokens_per_day"));
        put_interval_cell(p, WORD_PLAIN, cJSON_GetObjectItem(fleet, "blended_krw"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_years(struct page *p)
{
    const cJSON *year;
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "해마다", "Year by year"));
    chart_years(p);
    begin_table(p, (const struct head[]){HEAD("해", "year"),
                                         HEAD("연말 가속기", "devices at its end"),
                                         HEAD_BY("투자", "investment", F_HOUR),
                                         HEAD_BY("연간 비용", "cost of the year", F_HOUR),
                                         HEAD_BY("토큰", "tokens", F_VOLUME),
                                         HEAD_BY("GWh", "GWh", F_POWER),
                                         HEAD_BY("tCO<sub>2</sub>e", "tCO<sub>2</sub>e", F_POWER),
                                         {0}});
    cJSON_ArrayForEach(year, cJSON_GetObjectItem(p->figures, "years")) {
        text_format(&p->html, "<tr><td>%.0f%s", json_real(year, "year"), page_say(p, "년", ""));
        put_cell(p, WORD_PLAIN, json_real(year, "devices_at_end"));
        put_cell(p, WORD_WON, json_real(year, "investment_krw"));
        put_cell(p, WORD_WON, json_real(year, "year_krw"));
        put_cell(p, WORD_COUNT, json_real(year, "tokens"));
        put_cell(p, WORD_PLAIN, json_real(year, "gwh"));
        put_cell(p, WORD_PLAIN, json_real(year, "tco2"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_credits(struct page *p)
{
    const cJSON *row;
    double before = NAN;
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "세액공제: 100만 토큰당 원", "Tax credits: won per million tokens"));
    text_format(&p->html, "<div class=scroll><table><tr><th>%s", page_say(p, "시설 공제 ＼ 연구개발 공제", "facility \\ R&amp;D credit"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "credits")) {
        if (json_real(row, "facility") > 0)
            break;
        text_add_string(&p->html, "<th>");
        words_add_exact(&p->html, p->language, WORD_PERCENT, json_real(row, "rnd"));
    }
    text_format(&p->html, "<th>%s</tr>", page_say(p, "시설 공제액", "facility credit in won"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "credits")) {
        double facility = json_real(row, "facility");
        if (facility != before) {
            text_add_string(&p->html, "<tr><td>");
            words_add_exact(&p->html, p->language, WORD_PERCENT, facility);
        }
        before = facility;
        put_cell(p, WORD_PLAIN, json_real(row, "blended_krw"));
        if (!row->next || json_real(row->next, "facility") != facility) {
            put_cell(p, WORD_WON, json_real(row, "credit_krw"));
            text_add_string(&p->html, "</tr>\n");
        }
    }
    end_table(p);
    text_format(
        &p->html, "<p class=note>%s",
        page_say(p,
                 "공제는 낼 세금이 있을 때만 액면만큼의 가치가 있다. 공공기관이 직접 사면 공제는 없다. 연구개발비 공제는 운영비 중 "
                 "연구개발비에만 붙고 GPU 가격에는 붙지 않는다.",
                 "A credit is worth its face only where tax is due; a public body that buys for itself has none. The R&amp;D credit "
                 "is given on research expenses, never on the price of GPUs."));
    put_formula(p, F_OWNER);
    put_source(p, "facility_credit");
    put_source(p, "rnd_credit");
    text_add_string(&p->html, "</p>\n");
}

static void put_tariffs(struct page *p)
{
    const cJSON *row;
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "전기요금", "Electricity tariff"));
    begin_table(p, (const struct head[]){HEAD("계약종별, 전압, 선택", "class, voltage, option"),
                                         HEAD_BY("평균 단가, 원/kWh", "mean price, won/kWh", F_ELECTRICITY),
                                         HEAD_BY("100만 토큰, 원", "won per million tokens", F_TOKENS_COST),
                                         HEAD("연간 비용", "cost of a year"),
                                         {0}});
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "tariffs")) {
        char id[100];
        snprintf(id, sizeof id, "tariff/%.80s", json_text(row, "label"));
        text_add_string(&p->html, "<tr><td>");
        put_named(p, row, "class");
        text_add_string(&p->html, ", ");
        put_named(p, row, "terms");
        put_source(p, id);
        text_add_string(&p->html, "<td>");
        words_add(&p->html, p->language, WORD_PLAIN, json_real(row, "flat_krw_per_kwh"));
        put_cell(p, WORD_PLAIN, json_real(row, "blended_krw"));
        put_cell(p, WORD_WON, json_real(row, "year_krw"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
    put_note(p, "데이터센터는 산업용이 아니라 일반용(을) 요금을 낸다. 첫 행이 이 시나리오의 요금이다.",
             "Data centres pay the general tariff, not the industrial one. The first row is this scenario's.");
}

void section_procurement(struct page *p)
{
    page_heading(p, "7. 조달, 세제, 요금", "7. Procurement, tax and tariff");
    put_procurement(p);
    put_years(p);
    put_credits(p);
    put_tariffs(p);
}

void section_supply(struct page *p)
{
    const cJSON *row;
    page_heading(p, "8. 공급 위험과 주권 지표", "8. Supply risk and sovereignty");
    begin_table(p, (const struct head[]){HEAD("지표", "indicator"), HEAD("값", "value"), {0}});
    const struct {
        const char *name, *key, *unit;
        enum word word;
    } own[] = {{page_say(p, "FP8 최대 연산 (밀집)", "FP8 peak, dense"), "fp8_eflops", " EFLOP/s", WORD_PLAIN},
               {page_say(p, "가장 큰 공급사의 비중", "share of the largest vendor"), "largest_vendor_share", "", WORD_PERCENT},
               {page_say(p, "NPU의 비중", "share of NPUs"), "npu_share", "", WORD_PERCENT}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        text_format(&p->html, "<tr><td>%s", own[i].name);
        put_cell(p, own[i].word, json_real(p->figures, own[i].key));
        text_add_string(&p->html, own[i].unit);
        put_formula(p, F_POWER);
        text_add_string(&p->html, "</tr>\n");
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "indicators")) {
        text_add_string(&p->html, "<tr><td>");
        put_named(p, row, "name");
        text_add_string(&p->html, "<td>");
        words_add(&p->html, p->language, strcmp(json_text(row, "unit"), "share") == 0 ? WORD_PERCENT : WORD_PLAIN, json_real(row, "value"));
        put_source(p, json_text(row, "fact"));
        put_source(p, json_text(row, "divisor"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
    put_note(p, "소유와 운영 주체, 대기 시간, 납기, 국산화율의 추이는 나라 밖과 안의 공개 자료에서 확인되는 값이 생길 때 더한다.",
             "Ownership, queue times, delivery times and the trend of domestic supply are added when sources give them.");
}
