/* What the scenario is and what it would do: summary, scenario, accuracy, performance, energy. */
#include "reports/policy/page.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double total(const struct page *p, const char *key)
{
    const cJSON *value = cJSON_GetObjectItem(cJSON_GetObjectItem(p->figures, "totals"), key);
    return cJSON_IsNumber(value) ? value->valuedouble : json_real(value, "value");
}

static const cJSON *total_interval(const struct page *p, const char *key)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(p->figures, "totals"), key);
}

/* How far a lever's whole range moves the price of a token: 1 − high/low. */
static double fall(const struct page *p, const char *lever)
{
    const cJSON *row = json_find(cJSON_GetObjectItem(p->figures, "tornado"), "id", lever);
    return 1 - json_real(row, "at_high_krw") / json_real(row, "at_low_krw");
}

static void key_figure(struct page *p, enum word word, const char *key, const char *unit, const char *what, enum formula formula)
{
    const cJSON *interval = total_interval(p, key);
    text_add_string(&p->html, "<li><b>");
    put_value(p, "projected", word, json_real(interval, "value"));
    text_format(&p->html, "%s%s</b><span>", unit[0] ? " " : "", unit);
    words_add(&p->html, p->language, word, json_real(interval, "low"));
    text_add_string(&p->html, " … ");
    words_add(&p->html, p->language, word, json_real(interval, "high"));
    text_format(&p->html, "<br>%s", what);
    put_formula(p, formula);
    text_add_string(&p->html, "</span></li>\n");
}

static void put_lever_sentence(struct page *p, const char *lever, const char *ko, const char *en)
{
    const cJSON *row = json_find(cJSON_GetObjectItem(p->figures, "tornado"), "id", lever), *input = page_input(p, json_text(row, "input"));
    double change = fall(p, lever);
    if (!row || isnan(change) || fabs(change) < 0.0005)
        return;
    text_format(&p->html, "<li>%s ", page_say(p, ko, en));
    words_add_exact(&p->html, p->language, WORD_PERCENT, json_real(input, "low"));
    text_add_string(&p->html, " → ");
    words_add_exact(&p->html, p->language, WORD_PERCENT, json_real(input, "high"));
    put_source(p, json_text(row, "input"));
    text_add_string(&p->html, page_say(p, ": 토큰 값 ", ": price of a token "));
    put_value(p, "projected", WORD_PERCENT, fabs(change));
    text_format(&p->html, " %s", change > 0 ? page_say(p, "하락", "lower") : page_say(p, "상승", "higher"));
    put_formula(p, F_RANGE);
    text_add_string(&p->html, "</li>\n");
}

static void put_fleet_source(struct page *p, const cJSON *fleet, const char *kind)
{
    char id[160];
    snprintf(id, sizeof id, "%s/%.100s", kind, json_text(fleet, "id"));
    put_source(p, id);
}

static const char *fleet_basis(struct page *p, const cJSON *fleet, const char *kind)
{
    char id[160];
    snprintf(id, sizeof id, "%s/%.100s", kind, json_text(fleet, "id"));
    const char *basis = json_text(page_input(p, id), "basis");
    return basis[0] ? basis : "fact";
}

/* A sum is assumed as soon as one of its parts is. */
static const char *devices_basis(struct page *p)
{
    const cJSON *fleet;
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets"))
        if (strcmp(fleet_basis(p, fleet, "count"), "assumed") == 0)
            return "assumed";
    return "fact";
}

void section_summary(struct page *p)
{
    page_heading(p, "1. 요약", "1. Summary");
    text_add_string(&p->html, "<p><strong>");
    put_named(p, p->figures, "question");
    text_format(&p->html, "</strong></p>\n<p class=warn>%s</p>\n<ul class=keys>",
                page_say(p,
                         "처리량은 그 하드웨어에서 잰 값이 아니라 사양과 모델 구조에서 루프라인 식으로 추정한 값이다. 표기: <span "
                         "class=measured>굵은 글씨</span>는 잰 값, 보통 글씨는 출처가 있는 사실, <span class=projected>점선 밑줄</span>은 "
                         "식으로 추정한 값, <span class=assumed>기울임</span>은 가정한 값이다.",
                         "Throughputs are not measured on that hardware: they are projected by a roofline from data sheets and the model's "
                         "shape. <span class=measured>Bold</span> figures are measured, plain ones facts with a source, those <span "
                         "class=projected>underlined with dots</span> projected by a formula, those in <span class=assumed>italics</span> "
                         "assumed."));
    key_figure(p, WORD_COUNT, "tokens_per_day", page_say(p, "토큰/일", "tokens a day"),
               page_say(p, "하루 처리량 (입력과 출력)", "served in a day (input and output)"), F_VOLUME);
    key_figure(p, WORD_WON, "blended_krw", "", page_say(p, "100만 토큰당 비용", "per million tokens"), F_TOKENS_COST);
    key_figure(p, WORD_WON, "year_krw", "",
               page_say(p, "연간 비용 (장비의 연간 몫 포함)", "cost of a year (with the year's share of equipment)"), F_HOUR);
    text_format(&p->html, "</ul>\n<p>%s ", page_say(p, "가속기", "The"));
    put_value(p, devices_basis(p), WORD_PLAIN, total(p, "devices"));
    text_add_string(&p->html, page_say(p, "장에는 최대 ", " accelerators need "));
    put_value(p, "projected", WORD_PLAIN, total(p, "mw"));
    text_add_string(&p->html, " MW");
    put_formula(p, F_POWER);
    text_add_string(&p->html, page_say(p, "의 전력과 ", " of power and "));
    put_value(p, "projected", WORD_WON, total(p, "investment_krw"));
    put_formula(p, F_HOUR);
    text_add_string(
        &p->html, page_say(p, "의 투자가 들고, 한국어 답변 100만 글자는 ", " of investment; a million Korean characters of answers cost "));
    put_value(p, "projected", WORD_WON, total(p, "korean_krw"));
    put_formula(p, F_KOREAN);
    text_format(&p->html, "%s</p>\n<ul>", page_say(p, "이다. 한 번에 하나씩 바꾸면 다음과 같다.", ". One lever at a time:"));
    put_lever_sentence(p, "utilisation", "제공 부하", "offered load");
    put_lever_sentence(p, "facility_credit", "시설 투자 세액공제", "facility tax credit");
    put_lever_sentence(p, "rnd_credit", "연구개발비 세액공제", "R&amp;D tax credit");
    put_lever_sentence(p, "tariff", "전기요금, 현행 요금표 대비", "electricity, against the present tariff");
    text_add_string(&p->html, "</ul>\n");
    put_note(
        p, "작은 글씨의 범위는 처리량, 장비 가격, 전기요금이 함께 유리한 끝이나 불리한 끝에 있을 때이다.",
        "Ranges in small type: throughput, price of equipment and electricity tariff together at their favourable or their other ends.");
}

void section_scenario(struct page *p)
{
    const cJSON *fleet;
    page_heading(p, "2. 시나리오와 정책 수단", "2. Scenario and its levers");
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD_TEXT("장치", "device"),
                                         HEAD("수", "number"),
                                         HEAD("도착", "arrives"),
                                         HEAD("1장 가격", "price of one"),
                                         {0}});
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        text_add_string(&p->html, "<tr><td>");
        put_named(p, fleet, "name");
        text_add_string(&p->html, "<br><span class=note>");
        put_named(p, fleet, "note");
        text_add_string(&p->html, "</span>");
        page_cell_text(&p->html, json_text(fleet, "device_name"));
        text_add_string(&p->html, "<td>");
        put_value(p, fleet_basis(p, fleet, "count"), WORD_PLAIN, json_real(fleet, "count"));
        put_fleet_source(p, fleet, "count");
        text_add_string(&p->html, "<td class=d>");
        put_month(p, json_text(fleet, "arrives"));
        text_add_string(&p->html, "<td>");
        if (cJSON_IsTrue(cJSON_GetObjectItem(fleet, "rented")))
            text_add_string(&p->html, page_say(p, "임차", "rented"));
        else if (cJSON_IsObject(cJSON_GetObjectItem(fleet, "price_krw"))) {
            put_interval_value(p, fleet_basis(p, fleet, "price"), WORD_WON, cJSON_GetObjectItem(fleet, "price_krw"));
        } else {
            text_add_string(&p->html, "–<br><span class=note>");
            put_named(p, fleet, "price_reason");
            text_add_string(&p->html, "</span>");
        }
        put_fleet_source(p, fleet, "price");
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
    text_format(&p->html, "<p>%s ", page_say(p, "모델은", "The model is"));
    page_escape(&p->html, json_text(p->figures, "model"));
    text_add_string(&p->html, page_say(p, "이며 요청 하나는 입력 ", "; a request has "));
    put_input(p, "input_tokens", WORD_PLAIN);
    text_add_string(&p->html, page_say(p, "토큰, 출력 ", " tokens of input and "));
    put_input(p, "output_tokens", WORD_PLAIN);
    text_add_string(&p->html, page_say(p, "토큰이다. 가속기 한 장이 동시에 ", " of output; a device serves "));
    put_input(p, "requests_per_device", WORD_PLAIN);
    text_add_string(&p->html, page_say(p, "건을 받고, 연평균 부하는 최대 처리량의 ", " at once; over the year the load is "));
    put_input(p, "utilisation", WORD_PERCENT);
    text_add_string(&p->html, page_say(p, "이다.</p>\n", " of the peak throughput.</p>\n"));
    begin_table(p, (const struct head[]){
                       HEAD("정책 수단", "lever"), HEAD("기준", "base"), HEAD("낮은 끝", "low end"), HEAD("높은 끝", "high end"), {0}});
    static const char *const ids[] = {"facility_credit", "rnd_credit", "utilisation",   "life_years",
                                      "discount_rate",   "pue",        "tariff_factor", "fx"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const cJSON *input = page_input(p, ids[i]);
        text_add_string(&p->html, "<tr><td>");
        put_named(p, input, "name");
        for (const char *const *at = (const char *const[]){"value", "low", "high", NULL}; *at; at++) {
            text_add_string(&p->html, "<td>");
            put_value(p, json_text(input, "basis"), page_input_word(input), json_real(input, *at));
            text_add_string(&p->html, page_input_unit(p, input));
            if (strcmp(*at, "value") == 0)
                put_source(p, ids[i]);
        }
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_run_accuracy(struct page *p)
{
    const cJSON *run, *row;
    begin_table(p, (const struct head[]){HEAD("실행", "run"),
                                         HEAD_TEXT("모델", "model"),
                                         HEAD_TEXT("언어", "language"),
                                         HEAD("문항", "items"),
                                         HEAD("정확도와 95 % 구간", "accuracy and 95 % interval"),
                                         HEAD("찍기", "chance"),
                                         {0}});
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(p->figures, "runs"))
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(run, "accuracy")) {
            text_add_string(&p->html, "<tr><td><code>");
            page_escape(&p->html, json_text(run, "run_id"));
            text_add_string(&p->html, "</code>");
            page_cell_text(&p->html, json_text(row, "model"));
            page_cell_text(&p->html, page_language(p, json_text(row, "language")));
            page_cell_count(&p->html, json_real(row, "n"));
            text_add_string(&p->html, "<td>");
            put_interval_value(p, "measured", WORD_PERCENT, cJSON_GetObjectItem(row, "acc"));
            text_add_string(&p->html, "<td>");
            words_add(&p->html, p->language, WORD_PERCENT, json_real(row, "chance"));
            text_add_string(&p->html, "</tr>\n");
        }
    end_table(p);
}

void section_accuracy(struct page *p)
{
    const cJSON *run;
    int rows = 0, random = 0;
    char ko_id[160], en_id[160];
    page_heading(p, "3. 정확도 기준과 한국어·영어 격차", "3. Accuracy gate and the Korean–English gap");
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(p->figures, "runs")) {
        rows += cJSON_GetArraySize(cJSON_GetObjectItem(run, "accuracy"));
        random += cJSON_GetArraySize(cJSON_GetObjectItem(run, "random_weights"));
    }
    if (rows)
        put_run_accuracy(p);
    else
        page_paragraph(p,
                       "정확도는 추정하지 않는다. 이 보고서에는 정확도를 잰 실행이 없으므로 보일 값이 없고, 모델 사이의 비용 비교는 "
                       "정확도가 같다는 뜻이 아니다. 평가한 실행을 명령에 더하면 여기에 나타난다.",
                       "Accuracy is never projected. No run of this report measured it, so there is none to show, and costs of two models "
                       "side by side do not mean that they are equally good. Runs that are named on the command line appear here.");
    if (random)
        put_note(p, "무작위 가중치로 잰 실행이 있다. 그 정확도는 구조상 찍기 수준이다.",
                 "Some runs have random weights: their accuracy is chance by construction.");
    snprintf(ko_id, sizeof ko_id, "model/%.100s/fertility_ko", json_text(p->figures, "model"));
    snprintf(en_id, sizeof en_id, "model/%.100s/fertility_en", json_text(p->figures, "model"));
    double ko = json_real(page_input(p, ko_id), "value"), en = json_real(page_input(p, en_id), "value");
    if (isnan(ko)) {
        page_paragraph(p, "이 모델의 토크나이저로 한국어 글자당 토큰을 센 사람이 없어, 한국어 글자당 비용은 비워 둔다.",
                       "Nobody has counted this model's tokens per Korean character: costs per Korean character are left empty.");
        return;
    }
    text_format(&p->html, "<p>%s ",
                page_say(p, "같은 글자 수에 한국어는 토큰이 더 든다. 1,000글자에 한국어",
                         "Korean takes more tokens for as many characters: 1,000 characters are"));
    put_input(p, ko_id, WORD_PLAIN);
    text_add_string(&p->html, page_say(p, "토큰, 영어 ", " tokens in Korean and "));
    put_input(p, en_id, WORD_PLAIN);
    text_add_string(&p->html, page_say(p, "토큰으로 ", " in English, a ratio of "));
    put_value(p, "measured", WORD_PLAIN, ko / en);
    text_format(&p->html, "%s",
                page_say(p,
                         "배이다. 한글 한 글자는 영어 알파벳 한 글자보다 많은 뜻을 담으므로 이 비가 곧 내용당 비용의 비는 아니다. 100만 "
                         "글자의 답변은 한국어 ",
                         ". A Hangul character holds more meaning than a Latin letter, so this is not the ratio of cost by "
                         "content. A million characters of answers cost "));
    put_value(p, "projected", WORD_WON, total(p, "korean_krw"));
    put_formula(p, F_KOREAN);
    text_add_string(&p->html, page_say(p, ", 영어 ", " in Korean and "));
    put_value(p, "projected", WORD_WON, total(p, "output_krw") * en / 1000);
    put_formula(p, F_KOREAN);
    text_add_string(&p->html, page_say(p, "이다.</p>\n", " in English.</p>\n"));
}

static void put_measured_runs(struct page *p)
{
    const cJSON *run, *row;
    begin_table(p, (const struct head[]){HEAD("실행과 기계", "run and machine"),
                                         HEAD_TEXT("모델", "model"),
                                         HEAD_TEXT("단계", "phase"),
                                         HEAD("배치", "batch"),
                                         HEAD("스레드", "threads"),
                                         HEAD("토큰/초와 95 % 구간", "tok/s and 95 % interval"),
                                         {0}});
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(p->figures, "runs"))
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(run, "throughput")) {
            if (row != report_fastest(run, json_text(row, "model"), json_text(row, "phase")))
                continue;
            text_add_string(&p->html, "<tr><td><code>");
            page_escape(&p->html, json_text(run, "run_id"));
            text_add_string(&p->html, "</code><br><span class=note>");
            page_escape(&p->html, json_text(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "system"), "cpu"), "model"));
            text_add_string(&p->html, "</span>");
            page_cell_text(&p->html, json_text(row, "model"));
            page_cell_text(&p->html, page_phase(p, json_text(row, "phase")));
            page_cell_count(&p->html, json_real(row, "batch"));
            page_cell_count(&p->html, json_real(row, "threads"));
            text_add_string(&p->html, "<td>");
            put_interval_value(p, "measured", WORD_PLAIN, cJSON_GetObjectItem(row, "tok_per_s"));
            text_add_string(&p->html, "</tr>\n");
        }
    end_table(p);
    put_note(p, "잰 값. 실행마다 모델과 단계별로 가장 빠른 구성이다. 아래는 시나리오의 장치에 대한 추정이다.",
             "Measured: of each run the fastest configuration by model and phase. Below: projections for the scenario's devices.");
}

/* A count that a formula gives, without decimals. */
static void put_count(struct page *p, double value)
{
    if (value > 0)
        text_format(&p->html, "<span class=projected>%.0f</span>", value);
    else
        text_add_string(&p->html, "–");
}

static void put_fleet_speeds(struct page *p)
{
    const cJSON *fleet;
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD_BY("사본 하나의 장치 수", "devices of a copy", F_MODEL_SPEED),
                                         HEAD_BY("프리필, 토큰/초·장", "prefill, tok/s each", F_MODEL_SPEED),
                                         HEAD_BY("디코드, 토큰/초·장", "decode, tok/s each", F_MODEL_SPEED),
                                         HEAD_BY("섞어서, 토큰/초·장", "the mix, tok/s each", F_MIX),
                                         HEAD_BY("한 사용자, 토큰/초", "one user, tok/s", F_MODEL_SPEED),
                                         {0}});
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        const char *basis = json_text(fleet, "basis");
        text_add_string(&p->html, "<tr><td>");
        put_named(p, fleet, "name");
        if (json_text(fleet, "run")[0]) {
            text_add_string(&p->html, "<br><code>");
            page_escape(&p->html, json_text(fleet, "run"));
            text_add_string(&p->html, "</code>");
        }
        text_add_string(&p->html, "<td>");
        put_count(p, json_real(fleet, "devices_per_copy"));
        for (const char *const *key = (const char *const[]){"prefill_tok_per_s", "decode_tok_per_s", "tok_per_s", NULL}; *key; key++) {
            text_add_string(&p->html, "<td>");
            put_interval_value(p, basis, WORD_PLAIN, cJSON_GetObjectItem(fleet, *key));
        }
        text_add_string(&p->html, "<td>");
        put_value(p, "projected", WORD_PLAIN, json_real(fleet, "interactivity_tok_per_s"));
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}

static void put_models(struct page *p)
{
    const cJSON *model;
    chart_models(p);
    begin_table(p, (const struct head[]){HEAD("모델", "model"),
                                         HEAD("전체·활성 (10억)", "total, active (10⁹)"),
                                         HEAD("디코드, 토큰/초·장", "decode, tok/s each"),
                                         HEAD("한 사용자, 토큰/초", "one user, tok/s"),
                                         HEAD("100만 토큰, 원", "won per million tokens"),
                                         HEAD("한국어 100만 글자, 원", "won per million Korean characters"),
                                         {0}});
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(p->figures, "models")) {
        char id[160];
        snprintf(id, sizeof id, "model/%.100s/total", json_text(model, "id"));
        text_add_string(&p->html, "<tr><td>");
        page_escape(&p->html, json_text(model, "id"));
        put_source(p, id);
        if (cJSON_IsTrue(cJSON_GetObjectItem(model, "dense")))
            text_format(&p->html, "<br><em>%s</em>",
                        page_say(p, "모든 매개변수가 활성인 밀집 모델이라면", "as if it were dense: every parameter active"));
        text_format(&p->html, "<td>%.3g · %.3g", json_real(model, "total_parameters_b"), json_real(model, "active_parameters_b"));
        if (json_text(model, "reason")[0]) {
            text_add_string(&p->html, "<td class=t colspan=4>");
            page_escape(&p->html, json_text(model, "reason"));
            text_add_string(&p->html, "</tr>\n");
            continue;
        }
        for (const char *const *key =
                 (const char *const[]){"decode_tok_per_s", "interactivity_tok_per_s", "blended_krw", "korean_krw", NULL};
             *key; key++) {
            text_add_string(&p->html, "<td>");
            put_value(p, "projected", WORD_PLAIN, json_real(model, *key));
        }
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
    text_format(&p->html, "<p class=note>%s ",
                page_say(p, "처리량은 다음 장치의 것이고 비용은 모든 물량을 합친 것이다:",
                         "Throughputs of one device, costs over all fleets; device:"));
    page_escape(&p->html, json_text(p->figures, "models_device"));
    put_formula(p, F_MODEL_SPEED);
    put_formula(p, F_TOKENS_COST);
    text_format(&p->html, ". %s</p>\n",
                page_say(p,
                         "한국어 글자당 비용이 –인 모델은 그 토크나이저로 센 값이 없다. 목록에 밀집 모델과 증류 모델의 사양이 없어, 밀집 "
                         "모델은 가상의 행으로만 견준다.",
                         "A – per Korean character: nobody has counted with that tokenizer. The catalogue has no dense and no distilled "
                         "model: dense ones are compared by the hypothetical row only."));
}

void section_performance(struct page *p)
{
    page_heading(p, "4. 하드웨어와 모델별 성능", "4. Performance by hardware and model");
    if (cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "runs")))
        put_measured_runs(p);
    else
        page_paragraph(p, "이 보고서에는 잰 실행이 없다. 아래의 처리량은 모두 추정한 값이다.",
                       "No measured runs are in this report; all throughputs below are projected.");
    put_fleet_speeds(p);
    put_models(p);
}

/* What the runs measured, or why they could not. */
static void put_measured_energy(struct page *p)
{
    const cJSON *run, *m;
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "runs"))) {
        page_paragraph(p, "이 보고서에는 전력량을 잰 실행이 없다.", "No run of this report measured energy.");
        return;
    }
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(p->figures, "runs"))
        cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "counters")) {
            if (strcmp(json_text(m, "metric"), "energy") != 0)
                continue;
            text_add_string(&p->html, "<p><code>");
            page_escape(&p->html, json_text(run, "run_id"));
            text_format(&p->html, "</code>, %s: ", page_phase(p, json_text(cJSON_GetObjectItem(m, "labels"), "phase")));
            if (cJSON_IsNumber(cJSON_GetObjectItem(m, "value"))) {
                put_value(p, "measured", WORD_PLAIN, json_real(m, "value"));
                text_add_string(&p->html, " J (package)");
            } else {
                text_format(&p->html, "%s (", page_say(p, "잴 수 없음", "not measured"));
                page_escape(&p->html, json_text(m, "reason"));
                text_add_string(&p->html, ")");
            }
            text_add_string(&p->html, "</p>\n");
        }
}

void section_energy(struct page *p)
{
    const cJSON *fleet;
    page_heading(p, "5. 에너지, 전력, 탄소", "5. Energy, power and CO<sub>2</sub>");
    begin_table(p, (const struct head[]){HEAD("물량", "fleet"),
                                         HEAD_BY("kW", "kW each", F_POWER),
                                         HEAD_BY("MW", "MW", F_POWER),
                                         HEAD_BY("GWh/년", "GWh a year", F_POWER),
                                         HEAD_BY("tCO<sub>2</sub>e/년", "tCO<sub>2</sub>e a year", F_POWER),
                                         {0}});
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        text_add_string(&p->html, "<tr><td>");
        put_named(p, fleet, "name");
        for (const char *const *key = (const char *const[]){"kw_each", "mw", "gwh_per_year", "tco2_per_year", NULL}; *key; key++) {
            text_add_string(&p->html, "<td>");
            put_value(p, "projected", WORD_PLAIN, json_real(fleet, *key));
        }
        text_add_string(&p->html, "</tr>\n");
    }
    text_format(&p->html, "<tr><td><strong>%s</strong><td>", page_say(p, "합계", "all"));
    for (const char *const *key = (const char *const[]){"mw", "gwh_per_year", "tco2_per_year", NULL}; *key; key++) {
        text_add_string(&p->html, "<td>");
        put_value(p, "projected", WORD_PLAIN, total(p, *key));
    }
    text_add_string(&p->html, "</tr>\n");
    end_table(p);
    double million_tokens_a_year = 365 * total(p, "tokens_per_day") / 1e6;
    text_format(&p->html, "<p>%s ", page_say(p, "100만 토큰에", "A million tokens take"));
    put_value(p, "projected", WORD_PLAIN, total(p, "gwh_per_year") * 1e6 / million_tokens_a_year);
    put_formula(p, F_POWER);
    text_add_string(&p->html, page_say(p, "kWh를 쓰고 ", " kWh and emit "));
    put_value(p, "projected", WORD_PLAIN, total(p, "tco2_per_year") * 1e6 / million_tokens_a_year);
    put_formula(p, F_POWER);
    text_add_string(&p->html, page_say(p, "gCO<sub>2</sub>e를 낸다. PUE ", " gCO<sub>2</sub>e. PUE "));
    put_input(p, "pue", WORD_PLAIN);
    text_add_string(&p->html, page_say(p, ", 배출계수 ", ", emission factor "));
    put_input(p, "carbon", WORD_PLAIN);
    text_add_string(&p->html, " tCO<sub>2</sub>e/MWh.</p>\n");
    put_note(p, "MW는 냉각을 포함한 최대 부하의 수전 전력, GWh는 제공 부하에서의 한 해 사용량이다.",
             "MW: drawn from the grid at full load, cooling included; GWh: in a year at the offered load.");
    put_measured_energy(p);
}
