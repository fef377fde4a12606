/* The end of a policy report: checks and exclusions, what isn't shown, formulas, and everything that it rests on. */
#include "reports/policy/page.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void section_checks(struct page *p)
{
    const cJSON *row;
    page_heading(p, "9. 검사와 제외", "9. Checks and exclusions");
    if (cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "checks"))) {
        begin_table(p, (const struct head[]){HEAD("남의 값", "somebody else's figure"),
                                             HEAD("그 범위", "its range"),
                                             HEAD("이 보고서의 값", "this report's"),
                                             HEAD("판정", "verdict"),
                                             {0}});
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "checks")) {
            const cJSON *theirs = cJSON_GetObjectItem(row, "theirs");
            double ours = json_real(row, "ours"), low = json_real(theirs, "low"), high = json_real(theirs, "high");
            const char *id = json_text(row, "fact");
            double apart = ours < low ? ours / low - 1 : ours > high ? ours / high - 1 : 0;
            text_add_string(&p->html, "<tr><td>");
            put_named(p, page_input(p, id), "name");
            put_source(p, id);
            text_add_string(&p->html, "<td>");
            put_value(p, "fact", WORD_PLAIN, low);
            if (high > low) {
                text_add_string(&p->html, " … ");
                put_value(p, "fact", WORD_PLAIN, high);
            }
            const char *unit = page_input_unit(p, page_input(p, id));
            text_format(&p->html, "%s<td>", unit);
            put_value(p, "projected", WORD_PLAIN, ours);
            text_add_string(&p->html, isnan(ours) ? "" : unit);
            put_formula(p, strcmp(json_text(row, "what"), "hour") == 0 ? F_HOUR : F_POWER);
            text_add_string(&p->html, "<td>");
            if (isnan(ours))
                text_add_string(&p->html, "–");
            else if (apart == 0)
                text_add_string(&p->html, page_say(p, "범위 안", "inside"));
            else {
                words_add(&p->html, p->language, WORD_PERCENT, fabs(apart));
                text_add_string(&p->html, apart > 0 ? page_say(p, " 높다", " above") : page_say(p, " 낮다", " below"));
            }
            text_add_string(&p->html, "</tr>\n");
        }
        end_table(p);
    }
    int without = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "fleets"))
        if (cJSON_IsNull(cJSON_GetObjectItem(row, "hour_krw"))) {
            text_format(&p->html, "<p>%s: ", page_say(p, "비용에서 뺀 물량", "Left out of all costs"));
            put_named(p, row, "name");
            text_add_string(&p->html, " (");
            put_named(p, row, "price_reason");
            text_add_string(&p->html, page_say(p, "). 토큰, 전력, 탄소에는 들어 있다.</p>\n",
                                               "). It is in the tokens, the power and the CO<sub>2</sub>.</p>\n"));
            without++;
        }
    if (!without)
        page_paragraph(p, "값이 없어서 뺀 물량은 없다.", "No fleet was left out for want of a price.");
}

void section_not_shown(struct page *p)
{
    static const struct {
        const char *ko, *en;
    } lines[] = {
        {"실제 장비에서 잰 처리량과 지연 시간. 부하가 오를 때 한 사용자가 느끼는 지연은 식에 없다.",
         "Throughput and latency measured on the hardware; how latency grows with load is not in the formulas."},
        {"FP8 양자화가 정확도에 미치는 영향과 모델 사이의 정확도 차이.",
         "What FP8 does to accuracy, and how the models differ in accuracy."},
        {"학습. 여기의 토큰은 모두 추론이다.", "Training: all tokens here are of inference."},
        {"세금을 내는 기업의 세후 손익, 공제의 이월, 감가상각의 시점.",
         "After-tax results of a firm, carried-over credits, the timing of depreciation."},
        {"해마다 떨어지는 장비 값과 나아지는 소프트웨어. 모든 값은 기준일의 것이다.",
         "Prices that fall and software that improves year by year: every figure is of its date."},
        {"전력망 접속 비용과 대기, 부지, 냉각수, 인력 수급.", "Grid connection and its queue, land, water, the supply of staff."},
        {"경제 전체의 효과. 토큰이 무엇에 쓰이는지는 묻지 않는다.", "Effects on the economy: what the tokens are for is not asked."},
    };
    page_heading(p, "10. 이 보고서가 보여 주지 않는 것", "10. What this does not show");
    text_add_string(&p->html, "<ul>");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        text_format(&p->html, "<li>%s</li>\n", page_say(p, lines[i].ko, lines[i].en));
    text_add_string(&p->html, "</ul>\n");
}

void section_method(struct page *p)
{
    static const struct {
        const char *ko, *en;
    } formulas[FORMULAS] = {
        [F_MODEL_SPEED] =
            {"루프라인: 디코드 한 걸음의 시간 = max(읽는 바이트 ÷ (MBU·대역폭), 2·활성 매개변수·요청 수 ÷ (MFU·최대 연산)), 프리필 토큰/초 "
             "= "
             "MFU·최대 연산 ÷ (2·활성 매개변수). 읽는 바이트 = 모든 토큰이 지나는 가중치 + 전문가 가중치·[1 − (1 − k/E)^요청 수] + KV "
             "캐시. "
             "사본 하나는 가중치와 캐시가 메모리의 90 %에 드는 최소의 2의 거듭제곱 장치에 놓는다. 한 사용자의 속도 = 1 ÷ 한 걸음의 시간.",
             "Roofline: time of a decode step = max(bytes read ÷ (MBU · bandwidth), 2 · active parameters · requests ÷ (MFU · peak)); "
             "prefill "
             "tok/s = MFU · peak ÷ (2 · active parameters). Bytes read = weights that every token passes + experts' weights · [1 − (1 − "
             "k/E)^requests] + KV cache. A copy lies on the least power of two of devices that holds weights and cache in 90 % of their "
             "memory. One user's speed = 1 ÷ time of a step."},
        [F_MIX] =
            {"한 요청의 장치 시간 = 입력 ÷ 프리필 속도 + 출력 ÷ 디코드 속도, 섞은 처리량 = (입력 + 출력) ÷ 그 시간.",
             "A request's device time = input ÷ prefill speed + output ÷ decode speed; throughput of the mix = (input + output) ÷ it."},
        [F_OWNER] =
            {"장비의 연간 몫 = CRF(r, L)·[P·(1 + 0.1·v)·(1 − c·ε) − s·P·(1 + r)^−L], CRF = r ÷ (1 − (1 + r)^−L). 건물의 연간 몫 = CRF(r, "
             "건물 수명)·건설비·수전 kW. 운영비 = o·P, 여기서 연구개발비 공제 c_R·ρ·o·P를 뺀다. 세전, 실질 가격이다.",
             "Equipment in a year = CRF(r, L) · [P·(1 + 0.1·v)·(1 − c·ε) − s·P·(1 + r)^−L], CRF = r ÷ (1 − (1 + r)^−L). Building in a "
             "year = CRF(r, its life) · cost · kW. Operation = o·P, less the R&amp;D credit c_R·ρ·o·P. Before tax, in constant money."},
        [F_ELECTRICITY] =
            {"연간 전기요금 = [기본요금·최대 수요 kW·12 + kWh·(시간대별 단가의 연평균 + 기후환경 + 연료비 조정)]·(1 + 전력기금), "
             "부가세 제외. 부하는 뒤의 항만 바꾼다.",
             "Electricity of a year = [base · peak kW · 12 + kWh · (year's mean over seasons and bands + climate + fuel adders)] · (1 "
             "+ fund), without VAT. Load changes the second term only."},
        [F_HOUR] =
            {"1장·시간 = (장비 + 건물 + 운영 − 연구개발 공제 + 전기) ÷ 8760. 투자 = 수·(가격 + 건물), 공제 전. 연간 비용은 이 몫들의 "
             "합이다.",
             "Device-hour = (equipment + building + operation − R&amp;D credit + electricity) ÷ 8760. Investment = number · (price + "
             "building), before credits. The cost of a year is the sum of these shares."},
        [F_TOKENS_COST] =
            {"100만 토큰당 비용 = 1장·시간 ÷ (제공 부하에서의 토큰/초·3600 ÷ 10⁶). 여러 물량은 비용의 합 ÷ 토큰의 합이다.",
             "Cost per million tokens = device-hour ÷ (tok/s at the offered load · 3600 ÷ 10⁶); of several fleets: sum of costs ÷ "
             "sum of tokens."},
        [F_KOREAN] = {"100만 글자당 비용 = 출력 100만 토큰당 비용 · 1,000글자당 토큰 ÷ 1000.",
                      "Per million characters = cost per million output tokens · tokens in 1,000 characters ÷ 1000."},
        [F_VOLUME] = {"하루의 토큰 = 수·제공 부하·섞은 처리량·86,400초.",
                      "Tokens of a day = number · offered load · throughput of the mix · 86,400 s."},
        [F_POWER] = {"수전 kW = TDP·(서버 ÷ 칩)·(최대 부하 ÷ 정격)·PUE. kWh = 수전 kW·[유휴 + (1 − 유휴)·부하]·8760. tCO<sub>2</sub>e = "
                     "MWh·배출계수. "
                     "지표의 비중은 장치 수로 센다.",
                     "kW from the grid = TDP · (server ÷ chip) · (full load ÷ rated) · PUE. kWh = kW · [idle + (1 − idle) · load] · 8760. "
                     "tCO<sub>2</sub>e = "
                     "MWh · emission factor. Shares among the indicators are by number of devices."},
        [F_BREAK_EVEN] =
            {"손익분기 물량 = 한 달 고정비 ÷ (API 값 − 변동비), 변동비는 부하에 따라 늘어나는 전기요금이다. API 값은 입력과 출력 토큰으로 "
             "가중한다.",
             "Break-even volume = fixed cost of a month ÷ (API's price − variable cost); variable is the electricity that load adds. "
             "API prices are weighted by tokens of input and output."},
        [F_FLIP] = {"뒤집히는 가격 P* = 두 비용이 같아지는 1장 가격. 비용은 가격의 일차식이다.",
                    "Flip price P*: the price of one device at which two costs are equal; cost is linear in it."},
        [F_RANGE] =
            {"민감도: 한 번에 하나의 입력을 범위의 두 끝에 놓고 모두 다시 셈한다. 요약의 범위는 처리량, 가격, 요금을 함께 움직인다.",
             "Sensitivity: one input at a time at both ends of its range, everything else recomputed. Ranges of the summary move "
             "throughput, price and tariff together."},
    };
    page_heading(p, "11. 방법과 공식", "11. Method and formulas");
    text_add_string(&p->html, "<dl>");
    for (int i = 1; i < FORMULAS; i++)
        text_format(&p->html, "<dt id=F%d>F%d</dt><dd>%s</dd>\n", i, i, page_say(p, formulas[i].ko, formulas[i].en));
    text_format(&p->html, "</dl>\n<p class=note>%s <code>jeoul policy plans/", page_say(p, "다시 만들기:", "To make it again:"));
    page_escape(&p->html, json_text(p->figures, "plan"));
    text_format(&p->html, ".json</code>. %s <code>policy.json</code>%s</p>\n",
                page_say(p, "두 언어의 보고서는 한 자료 파일에서 나온다:", "Both languages come from one data file:"),
                page_say(p, ". 목록의 Epoch AI 자료는 CC-BY로 쓸 수 있다.", ". Data of Epoch AI in the list are under CC-BY."));
}

static void put_origin(struct page *p, const cJSON *row)
{
    static const char *const parts[] = {"worked", "note"};
    page_escape(&p->html, json_text(row, "source"));
    bool before = json_text(row, "source")[0] != '\0';
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%s", parts[i], page_say(p, "ko", "en"));
        if (!json_text(row, name)[0])
            continue;
        text_add_string(&p->html, before ? "<br>" : "");
        page_escape(&p->html, json_text(row, name));
        before = true;
    }
}

void section_inputs(struct page *p)
{
    static const struct {
        const char *id, *ko;
    } bases[] = {{"measured", "실측"}, {"fact", "사실"}, {"projected", "추정"}, {"assumed", "가정"}};
    const cJSON *row;
    int number = 0;
    page_heading(p, "12. 가정과 출처", "12. Assumptions and sources");
    text_format(&p->html,
                "<div class=scroll><table class=inputs><thead><tr><th>#<th class=t>%s<th>%s<th class=t>%s<th class=t>%s</tr></thead>\n",
                page_say(p, "항목", "item"), page_say(p, "값과 범위", "value and range"), page_say(p, "성격, 날짜", "kind, date"),
                page_say(p, "출처, 계산, 가정의 까닭", "source, how it was worked out, why it is assumed"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "inputs")) {
        const char *basis = json_text(row, "basis"), *name = basis;
        double low = json_real(row, "low"), high = json_real(row, "high");
        enum word word = page_input_word(row);
        for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
            if (p->language == REPORT_KO && strcmp(bases[i].id, basis) == 0)
                name = bases[i].ko;
        number++;
        text_format(&p->html, "<tr id=A%d><td>%d<td class=t>", number, number);
        put_named(p, row, "name");
        text_add_string(&p->html, "<td>");
        put_value(p, basis, word, json_real(row, "value"));
        text_add_string(&p->html, page_input_unit(p, row));
        if (low < high) {
            text_add_string(&p->html, "<br><span class=note>");
            put_ends(p, basis, word, low, high);
            text_add_string(&p->html, "</span>");
        }
        text_format(&p->html, "<td class=\"t d\">%s%s<br>%s<td class=t>", name,
                    cJSON_IsTrue(cJSON_GetObjectItem(row, "secondary")) ? page_say(p, " (2차)", " (second hand)") : "",
                    json_text(row, "date"));
        put_origin(p, row);
        text_add_string(&p->html, "</tr>\n");
    }
    end_table(p);
}
