/* The report of a run as a page. Every figure leads to its run and cell, or to the price book. */
#include "reports/page.h"

#include "base/file.h"
#include "base/json.h"
#include "reports/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *best_row(const struct page *p, const char *list, const char *key, const char *wanted, const char *interval)
{
    const cJSON *row, *best = NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, list)) {
        const cJSON *value = cJSON_GetObjectItem(row, interval);
        bool less = strcmp(list, "cost") == 0;
        if (strcmp(json_text(row, key), wanted) != 0 || !cJSON_IsObject(value))
            continue;
        double now = json_real(value, "value"), before = best ? json_real(cJSON_GetObjectItem(best, interval), "value") : 0;
        if (!best || (less ? now < before : now > before))
            best = row;
    }
    return best;
}

static void key_figure(struct page *p, const cJSON *row, const char *interval, double factor, const char *unit, const char *what,
                       bool assumed)
{
    text_add_string(&p->html, "<li>");
    if (row) {
        const cJSON *value = cJSON_GetObjectItem(row, interval);
        text_format(&p->html, "<b%s>", assumed ? " class=assumed" : "");
        words_number(&p->html, factor * json_real(value, "value"));
        text_format(&p->html, " %s</b><span>", unit);
        page_range(&p->html, value, factor);
        text_format(&p->html, "<br>%s (", what);
        page_escape(&p->html, json_text(row, "model"));
        text_add_string(&p->html, ")<sup>1</sup></span>");
    } else
        text_format(&p->html, "<b>–</b><span>%s: %s</span>", what, page_say(p, "잰 값이 없음", "not measured"));
    text_add_string(&p->html, "</li>\n");
}

static void section_answer(struct page *p)
{
    const cJSON *price = cJSON_GetObjectItem(p->figures, "price");
    bool assumed = cJSON_IsTrue(cJSON_GetObjectItem(price, "assumed"));
    page_heading(p, "1. 요약", "1. Summary");
    if (cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "random_weights")))
        text_format(
            &p->html, "<p class=warn>%s</p>\n",
            page_say(p, "이 보고서의 모델은 무작위 가중치를 쓴다. 속도와 비용은 실제 값이지만, 정확도는 구조상 찍기 수준이다.",
                     "The models of this report have random weights: speed and cost are real, accuracy is chance by construction."));
    text_add_string(&p->html, "<ul class=keys>");
    key_figure(p, best_row(p, "throughput", "phase", "decode", "tok_per_s"), "tok_per_s", 1, page_say(p, "토큰/초", "tok/s"),
               page_say(p, "가장 빠른 구성의 디코드 처리량", "decode throughput of the fastest configuration"), false);
    key_figure(p, best_row(p, "accuracy", "language", "ko", "acc"), "acc", 100, "%", page_say(p, "한국어 정확도", "accuracy in Korean"),
               false);
    key_figure(p, best_row(p, "cost", "kind", "ko_characters", "krw"), "krw", 1, page_say(p, "원", "won"),
               page_say(p, "출력 한국어 100만 글자당 비용", "per million Korean characters of output"), assumed);
    text_format(
        &p->html, "</ul>\n<p class=note>%s</p>\n",
        page_say(
            p, "작은 글씨의 범위는 95 % 신뢰구간이며, 비용은 가격의 범위까지 반영한다. 기울인 글씨와 † 표시는 가정한 가격에서 나온 값이다.",
            "Ranges in small type are 95 % intervals; those of costs include the range of prices. Italics with † come from an assumed "
            "price."));
}

static void system_row(struct page *p, const char *name, const char *value)
{
    text_format(&p->html, "<tr><td>%s</td>", name);
    page_cell_text(&p->html, value);
    text_add_string(&p->html, "</tr>\n");
}

/* Architecture, quantisation and experts of a model that runs here; of a server, where it is. */
static void model_kind(const struct page *p, const cJSON *model, char *out, size_t size)
{
    const cJSON *endpoint = cJSON_GetObjectItem(model, "endpoint");
    const char *arch = json_text(model, "arch"), *quantisation = json_text(model, "quantisation");
    double experts = json_real(model, "n_experts");
    if (endpoint)
        snprintf(out, size, "%.100s, %s %.120s", json_text(model, "name"), page_say(p, "서버", "server"), json_text(endpoint, "url"));
    else if (experts > 0)
        snprintf(out, size, "%.40s, %.20s, %s %.0f/%.0f", arch, quantisation, page_say(p, "전문가", "experts"), json_real(model, "top_k"),
                 experts);
    else
        snprintf(out, size, "%.40s, %.20s%s", arch, quantisation, experts == 0 ? page_say(p, ", 전문가 없음", ", dense") : "");
}

static void section_system(struct page *p)
{
    const cJSON *s = cJSON_GetObjectItem(p->figures, "system"), *cpu = cJSON_GetObjectItem(s, "cpu"), *limit, *model;
    char line[256];
    page_heading(p, "2. 시스템과 모델", "2. System and models");
    text_add_string(&p->html, "<div class=scroll><table>");
    system_row(p, page_say(p, "식별자", "identifier"), json_text(s, "id"));
    snprintf(line, sizeof line, "%.120s, %.0f %s, %.0f %s, %.20s", json_text(cpu, "model"), json_real(cpu, "cores"),
             page_say(p, "코어", "cores"), json_real(cpu, "threads"), page_say(p, "스레드", "threads"), json_text(cpu, "isa"));
    system_row(p, page_say(p, "프로세서", "processor"), line);
    snprintf(line, sizeof line, "%.1f GB%s", json_real(s, "memory_bytes") / 1e9,
             cJSON_IsTrue(cJSON_GetObjectItem(s, "virtual_machine")) ? page_say(p, " (가상 머신)", " (virtual machine)") : "");
    system_row(p, page_say(p, "메모리", "memory"), line);
    snprintf(line, sizeof line, "%.100s, %.80s", json_text(s, "os"), json_text(s, "kernel"));
    system_row(p, page_say(p, "운영체제", "operating system"), line);
    cJSON_ArrayForEach(limit, cJSON_GetObjectItem(p->figures, "limits")) {
        const char *metric = json_text(limit, "metric");
        const char *name = strcmp(metric, "read_bandwidth") == 0 ? page_say(p, "읽기 대역폭", "read bandwidth")
                           : strcmp(metric, "int8_peak") == 0    ? page_say(p, "int8 최대 연산", "int8 peak")
                           : strcmp(metric, "f32_peak") == 0     ? page_say(p, "F32 최대 연산", "F32 peak")
                                                                 : page_say(p, "BF16 최대 연산", "BF16 peak");
        struct text value = {0};
        words_number(&value, json_real(limit, "value") / 1e9);
        text_format(&value, " %s (%s %.0f)", strcmp(json_text(limit, "unit"), "byte/s") == 0 ? "GB/s" : "Gop/s",
                    page_say(p, "스레드", "threads"), json_real(cJSON_GetObjectItem(limit, "labels"), "threads"));
        bool known = cJSON_IsNumber(cJSON_GetObjectItem(limit, "value")) && text_ok(&value, p->err);
        system_row(p, name, known ? value.bytes : json_text(limit, "reason"));
        text_free(&value);
    }
    text_add_string(&p->html, "</table></div>\n<div class=scroll><table><tr>");
    text_format(&p->html, "<th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th></tr>\n", page_say(p, "모델", "model"),
                page_say(p, "구조, 양자화", "architecture, quantisation"), page_say(p, "매개변수 (백만)", "parameters (M)"),
                page_say(p, "활성 (백만)", "active (M)"), page_say(p, "토큰당 읽는 양 (MB)", "bytes per token (MB)"));
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(p->figures, "models")) {
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(model, "id"));
        model_kind(p, model, line, sizeof line);
        page_cell_text(&p->html, line);
        page_cell_number(&p->html, json_real(model, "parameters") / 1e6);
        page_cell_number(&p->html, json_real(model, "active_parameters") / 1e6);
        page_cell_number(&p->html, json_real(model, "active_bytes") / 1e6);
        text_add_string(&p->html, "</tr>\n");
    }
    text_add_string(&p->html, "</table></div>\n");
}

static void fertility_table(struct page *p)
{
    const cJSON *row;
    text_format(
        &p->html,
        "<h3>%s</h3>\n<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th>"
        "</tr>\n",
        page_say(p, "토크나이저가 글을 나누는 방식", "What the tokenizer makes of text"), page_say(p, "모델", "model"),
        page_say(p, "언어", "language"), page_say(p, "토큰", "tokens"), page_say(p, "토큰/천 글자", "tok/1,000 characters"),
        page_say(p, "토큰/어절", "tok/word"), page_say(p, "토큰/UTF-8 바이트", "tok/UTF-8 byte"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "accuracy")) {
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(row, "model"));
        text_format(&p->html, "<td class=t>%s<sup>1</sup></td>", page_language(p, json_text(row, "language")));
        page_cell_count(&p->html, json_real(row, "tokens"));
        page_cell_number(&p->html, json_real(row, "fertility"));
        page_cell_number(&p->html, json_real(row, "fertility_words"));
        page_cell_number(&p->html, json_real(row, "fertility_bytes"));
        text_add_string(&p->html, "</tr>\n");
    }
    text_format(
        &p->html, "</table></div>\n<p class=note>%s</p>\n",
        page_say(p, "평가한 질문과 답의 글자를 센다. 어절은 띄어쓰기로 나뉜 덩어리이다. 같은 언어를 토크나이저끼리 견줄 때만 뜻이 있다.",
                 "Over the texts of questions and answers. A word is what white space parts. Compare tokenizers on one language, not "
                 "languages with each other."));
}

static void section_accuracy(struct page *p)
{
    const cJSON *row, *task;
    page_heading(p, "3. 한국어와 영어 정확도", "3. Accuracy in Korean and English");
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "accuracy"))) {
        page_paragraph(p, "이 실행에는 정확도 평가가 없다.", "This run evaluated no accuracy.");
        return;
    }
    page_accuracy_chart(p);
    text_format(&p->html,
                "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>95 "
                "%%</th><th>%s</th></tr>\n",
                page_say(p, "모델", "model"), page_say(p, "과제", "task"), page_say(p, "문항", "items"),
                page_say(p, "정확도 %", "accuracy %"), page_say(p, "찍기 %", "chance %"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "accuracy")) {
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(row, "model"));
        text_format(&p->html, "<td class=t><b>%s</b><sup>1</sup></td>", page_language(p, json_text(row, "language")));
        page_cell_count(&p->html, json_real(row, "n"));
        page_cell_number(&p->html, 100 * json_real(cJSON_GetObjectItem(row, "acc"), "value"));
        text_add_string(&p->html, "<td>");
        page_range(&p->html, cJSON_GetObjectItem(row, "acc"), 100);
        text_add_string(&p->html, "</td>");
        page_cell_number(&p->html, 100 * json_real(row, "chance"));
        text_add_string(&p->html, "</tr>\n");
        cJSON_ArrayForEach(task, cJSON_GetObjectItem(row, "tasks")) {
            text_add_string(&p->html, "<tr><td></td>");
            page_cell_text(&p->html, json_text(task, page_say(p, "summary_ko", "summary_en")));
            page_cell_count(&p->html, json_real(task, "n"));
            page_cell_number(&p->html, 100 * json_real(cJSON_GetObjectItem(task, "acc"), "value"));
            text_add_string(&p->html, "<td>");
            page_range(&p->html, cJSON_GetObjectItem(task, "acc"), 100);
            text_add_string(&p->html, "</td>");
            page_cell_number(&p->html, 100 * json_real(task, "chance"));
            text_add_string(&p->html, "</tr>\n");
        }
    }
    text_add_string(&p->html, "</table></div>\n");
    fertility_table(p);
}

static void section_throughput(struct page *p)
{
    const cJSON *row;
    page_heading(p, "4. 처리량", "4. Throughput");
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "throughput"))) {
        page_paragraph(p, "이 실행에는 처리량 측정이 없다.", "This run measured no throughput.");
        return;
    }
    page_throughput_chart(p);
    text_format(&p->html,
                "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>95 "
                "%%</th><th>CV "
                "%%</th><th>n</th><th>%s</th></tr>\n",
                page_say(p, "모델", "model"), page_say(p, "단계", "phase"), page_say(p, "토큰", "tokens"), page_say(p, "배치", "batch"),
                page_say(p, "스레드", "threads"), page_say(p, "토큰/초", "tok/s"), page_say(p, "한계 대비 %", "of limit %"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "throughput")) {
        const cJSON *speed = cJSON_GetObjectItem(row, "tok_per_s");
        text_add_string(&p->html, "<tr><td class=t>");
        page_escape(&p->html, json_text(row, "model"));
        text_add_string(&p->html, *json_text(row, "placement") ? " " : "");
        page_escape(&p->html, json_text(row, "placement"));
        text_format(&p->html, "</td><td class=t>%s<sup>1</sup></td>", page_phase(p, json_text(row, "phase")));
        page_cell_count(&p->html, json_real(row, "tokens"));
        page_cell_count(&p->html, json_real(row, "batch"));
        page_cell_count(&p->html, json_real(row, "threads"));
        page_cell_number(&p->html, json_real(speed, "value"));
        text_add_string(&p->html, "<td>");
        page_range(&p->html, speed, 1);
        text_add_string(&p->html, "</td>");
        page_cell_number(&p->html, 100 * json_real(speed, "cv"));
        page_cell_count(&p->html, json_real(speed, "n"));
        page_cell_number(&p->html, 100 * json_real(row, "of_limit"));
        text_add_string(&p->html, "</tr>\n");
    }
    text_format(&p->html, "</table></div>\n<p class=note>%s</p>\n",
                page_say(p, "한계: 프리필은 잰 int8 최대 연산, 디코드는 잰 읽기 대역폭. 캐시에 들어가는 작은 모델은 100 %를 넘을 수 있다.",
                         "Limits: the measured int8 peak in prefill, the measured read bandwidth in decode; a small model that fits a "
                         "cache may pass 100 %."));
}

static void section_energy(struct page *p)
{
    const cJSON *m;
    page_heading(p, "5. 전력량", "5. Energy");
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(p->figures, "counters")) {
        if (strcmp(json_text(m, "metric"), "energy") != 0)
            continue;
        text_format(&p->html, "<p>%s: ", page_phase(p, json_text(cJSON_GetObjectItem(m, "labels"), "phase")));
        if (cJSON_IsNumber(cJSON_GetObjectItem(m, "value"))) {
            words_number(&p->html, json_real(m, "value"));
            text_add_string(&p->html, " J (");
            page_escape(&p->html, json_text(cJSON_GetObjectItem(m, "labels"), "scope"));
            text_add_string(&p->html, ")<sup>1</sup></p>\n");
        } else {
            text_format(&p->html, "%s (", page_say(p, "잴 수 없음", "not measured"));
            page_reason(p, json_text(m, "reason"));
            text_add_string(&p->html, ")</p>\n");
        }
    }
}

static void section_cost(struct page *p)
{
    const cJSON *row, *price = cJSON_GetObjectItem(p->figures, "price");
    const char *mark = cJSON_IsTrue(cJSON_GetObjectItem(price, "assumed")) ? " class=assumed" : "";
    page_heading(p, "6. 비용", "6. Cost");
    page_cost_chart(p);
    if (cJSON_IsObject(price)) {
        text_format(&p->html, "<p>%s: ", page_say(p, "시간당 가격", "Price an hour"));
        text_format(&p->html, "<span%s>", mark);
        words_number(&p->html, json_real(cJSON_GetObjectItem(price, "krw_per_hour"), "value"));
        text_format(&p->html, " %s</span> (", page_say(p, "원", "won"));
        page_range(&p->html, cJSON_GetObjectItem(price, "krw_per_hour"), 1);
        text_add_string(&p->html, ")<sup>2</sup>, ");
        page_escape(&p->html, json_text(price, page_say(p, "name_ko", "name_en")));
        text_add_string(&p->html, ". ");
        page_escape(&p->html, json_text(price, page_say(p, "note_ko", "note_en")));
        text_add_string(&p->html, ".</p>\n");
        page_stale_price(p, price);
    }
    text_format(&p->html, "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th></tr>\n",
                page_say(p, "모델", "model"), page_say(p, "단위", "unit"), page_say(p, "원", "won"), page_say(p, "범위", "range"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "cost")) {
        const cJSON *krw = cJSON_GetObjectItem(row, "krw");
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(row, "model"));
        page_cell_text(&p->html, json_text(row, page_say(p, "label_ko", "label_en")));
        if (cJSON_IsObject(krw)) {
            text_format(&p->html, "<td><span%s>", mark);
            words_number(&p->html, json_real(krw, "value"));
            text_add_string(&p->html, "</span></td><td>");
            page_range(&p->html, krw, 1);
            text_add_string(&p->html, "</td></tr>\n");
        } else {
            text_add_string(&p->html, "<td>–</td><td class=t>");
            page_reason(p, json_text(row, "reason"));
            text_add_string(&p->html, "</td></tr>\n");
        }
    }
    text_format(&p->html, "</table></div>\n<p class=note>%s</p>\n",
                page_say(p, "가장 빠른 구성에서 쉬지 않고 쓸 때의 최저 비용이다.",
                         "Peak, best case: the fastest configuration, used without a pause."));
}

static bool has_counters(const struct page *p)
{
    const cJSON *m;
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(p->figures, "counters"))
        if (strncmp(json_text(m, "metric"), "counter:", 8) == 0)
            return true;
    return false;
}

static void counters_table(struct page *p)
{
    const cJSON *m;
    if (!has_counters(p)) {
        page_paragraph(p, "이 실행에는 카운터를 읽은 처리량 측정이 없다.",
                       "This run measured no throughput, with which counters are read.");
        return;
    }
    text_format(&p->html, "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th class=t>%s</th></tr>\n",
                page_say(p, "카운터", "counter"), page_say(p, "단계", "phase"), page_say(p, "값", "value"),
                page_say(p, "값이 없는 까닭", "why there is none"));
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(p->figures, "counters")) {
        if (strncmp(json_text(m, "metric"), "counter:", 8) != 0)
            continue;
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(m, "metric") + 8);
        page_cell_text(&p->html, page_phase(p, json_text(cJSON_GetObjectItem(m, "labels"), "phase")));
        page_cell_number(&p->html, json_real(m, "value"));
        text_add_string(&p->html, "<td class=t>");
        page_reason(p, json_text(m, "reason"));
        text_add_string(&p->html, "</td></tr>\n");
    }
    text_format(
        &p->html, "</table></div>\n<p class=note>%s</p>\n",
        page_say(p, "마지막 처리량 칸 하나의 값이며, 모든 스레드를 더했다.", "Of the last throughput cell alone, all threads together."));
}

static void section_why(struct page *p)
{
    page_heading(p, "7. 원인: 카운터와 전문가 부하", "7. Why: counters and expert load");
    counters_table(p);
    page_expert_load(p);
}

/* Tasks that could not be asked. */
static void left_out(struct page *p)
{
    const cJSON *m, *list = cJSON_GetObjectItem(p->figures, "left_out");
    if (!cJSON_GetArraySize(list))
        return;
    text_format(&p->html, "<p>%s</p>\n<ul>", page_say(p, "값이 없는 점수:", "Scores that are missing:"));
    cJSON_ArrayForEach(m, list) {
        text_add_string(&p->html, "<li><code>");
        page_escape(&p->html, json_text(m, "cell"));
        text_add_string(&p->html, "</code>, ");
        page_escape(&p->html, json_text(m, "metric"));
        text_add_string(&p->html, ": ");
        page_reason(p, json_text(m, "reason"));
        text_add_string(&p->html, "</li>\n");
    }
    text_add_string(&p->html, "</ul>\n");
}

static void section_checks(struct page *p)
{
    const cJSON *cell;
    page_heading(p, "8. 검사와 제외", "8. Checks and exclusions");
    left_out(p);
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "failed"))) {
        page_paragraph(p, "모든 칸이 정상으로 끝났다. 제외한 칸은 없다.", "Every cell ended well; no cell was excluded.");
        return;
    }
    text_add_string(&p->html, "<ul>");
    cJSON_ArrayForEach(cell, cJSON_GetObjectItem(p->figures, "failed")) {
        text_add_string(&p->html, "<li><code>");
        page_escape(&p->html, json_text(cell, "id"));
        text_add_string(&p->html, "</code>: ");
        page_escape(&p->html, json_text(cell, "state"));
        text_add_string(&p->html, ", ");
        page_escape(&p->html, json_text(cell, "reason"));
        text_add_string(&p->html, "</li>\n");
    }
    text_add_string(&p->html, "</ul>\n");
}

static void section_limits_and_method(struct page *p)
{
    const cJSON *price = cJSON_GetObjectItem(p->figures, "price");
    page_heading(p, "9. 이 보고서가 보여 주지 않는 것", "9. What this does not show");
    bool loaded = cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "served")) > 0;
    text_format(&p->html, "<p>%s%s</p>\n",
                loaded ? page_say(p, "정해진 속도로 들어오는 요청의 지연 시간, 여러 사용자가 함께 쓸 때의 비용",
                                  "Latency of requests that arrive at a rate, cost under the load of many users")
                       : page_say(p, "여러 사용자가 함께 쓸 때의 지연 시간과 비용", "Latency and cost under the load of many users"),
                page_say(p, ", 다른 기계의 성능, 내장 문제 밖의 능력은 보여 주지 않는다. 비용은 시간당 가격만 담으며 인건비와 부지는 뺐다.",
                         ", other machines, and abilities beyond the tasks above. Cost holds the price of an hour only, no staff and no "
                         "building."));
    page_heading(p, "10. 방법과 출처", "10. Method and sources");
    page_paragraph(
        p,
        "처리량은 반복마다 새 프로세스에서 재고, 구성을 번갈아 실행해 중앙값과 부트스트랩 95 % 구간을 구했다. 정확도는 선택지의 로그 "
        "가능도 합이 가장 큰 것을 답으로 보고, "
        "윌슨 95 % 구간을 붙였다. 100만 토큰당 비용 = 시간당 가격 ÷ (토큰/초 × 3600 ÷ 10⁶), 글자당 비용은 여기에 천 글자당 토큰 수 ÷ "
        "1000을 곱한다.",
        "Each repeat ran in a process of its own, configurations in turn; the median and its bootstrap 95 % interval are given. A "
        "choice with the greatest sum of log-likelihoods "
        "is the answer; intervals of accuracy are Wilson's. Cost per million tokens = price of an hour ÷ (tok/s × 3600 ÷ 10⁶); per "
        "character: × tokens in 1,000 characters ÷ 1000.");
    text_format(&p->html, "<ol class=src><li>%s <code>", page_say(p, "측정: 실행", "Measured: run"));
    page_escape(&p->html, json_text(p->figures, "run_id"));
    text_format(&p->html, "</code>, %s <code>", page_say(p, "계획", "plan"));
    page_escape(&p->html, json_text(p->figures, "plan"));
    text_add_string(&p->html, "</code> (SHA-256 <code>");
    page_escape(&p->html, json_text(p->figures, "plan_sha256"));
    text_format(&p->html, "</code>), jeoul %s, %s</li>\n<li>", json_text(cJSON_GetObjectItem(p->figures, "jeoul"), "version"),
                json_text(cJSON_GetObjectItem(p->figures, "jeoul"), "compiler"));
    if (cJSON_IsObject(price)) {
        text_format(&p->html, "%s <code>", page_say(p, "가격표 항목", "Price book entry"));
        page_escape(&p->html, json_text(price, "id"));
        text_add_string(&p->html, "</code>, ");
        page_date(p, json_text(price, "date"));
        text_add_string(&p->html, ": ");
        page_escape(&p->html, json_text(price, "source"));
        text_format(&p->html, ". %s %.2f: ", page_say(p, "환율 KRW/USD", "KRW/USD"), json_real(price, "fx"));
        page_escape(&p->html, json_text(price, "fx_source"));
    } else
        text_add_string(&p->html, page_say(p, "이 시스템의 가격을 계획이 정하지 않았다.", "The plan names no price of this system."));
    text_format(&p->html, "</li></ol>\n<p class=note>%s <code>jeoul report ", page_say(p, "다시 만들기:", "To make it again:"));
    page_escape(&p->html, json_text(p->figures, "run_id"));
    text_add_string(&p->html, "</code></p>\n");
}

static bool write_page(struct page *p)
{
    page_open(p, "저울 보고서", "jeoul report", "저울 보고서: 속도, 정확도, 비용", "jeoul report: speed, accuracy, cost");
    section_answer(p);
    section_system(p);
    section_accuracy(p);
    section_throughput(p);
    page_served(p);
    section_energy(p);
    section_cost(p);
    page_pairs(p);
    section_why(p);
    section_checks(p);
    section_limits_and_method(p);
    return page_finish(p);
}

static void csv_cell(struct text *out, const char *value, char end)
{
    bool quote = strpbrk(value, ",\"\r\n") != NULL;
    text_add_string(out, quote ? "\"" : "");
    for (; *value; value++) {
        text_add_string(out, *value == '"' ? "\"" : "");
        text_add(out, value, 1);
    }
    text_format(out, "%s%c", quote ? "\"" : "", end);
}

/* measurements.csv by RFC 4180. */
static bool write_csv(const cJSON *run, const char *path, struct error *err)
{
    struct text out = {0};
    const cJSON *m;
    text_add_string(&out, "cell,metric,unit,value,reason,labels\r\n");
    cJSON_ArrayForEach(m, cJSON_GetObjectItem(run, "measurements")) {
        char value[40] = "";
        char *labels = cJSON_PrintUnformatted(cJSON_GetObjectItem(m, "labels"));
        if (cJSON_IsNumber(cJSON_GetObjectItem(m, "value")))
            snprintf(value, sizeof value, "%.17g", json_real(m, "value"));
        for (const char *const *key = (const char *const[]){"cell", "metric", "unit", NULL}; *key; key++)
            csv_cell(&out, json_text(m, *key), ',');
        csv_cell(&out, value, ',');
        csv_cell(&out, json_text(m, "reason"), ',');
        csv_cell(&out, labels ? labels : "", '\r');
        text_add_string(&out, "\n");
        free(labels);
    }
    bool ok = text_ok(&out, err) && file_write(path, out.bytes, out.length, err);
    text_free(&out);
    return ok;
}

bool report_write(const cJSON *run, const struct report_options *options, struct error *err)
{
    char path[4096];
    cJSON *figures = report_figures(run, options->prices, err);
    bool ok = figures && file_make_directory(options->directory, err);
    for (int language = 0; ok && language < 2; language++) {
        struct page page = {.language = (enum report_language)language, .figures = figures, .err = err};
        snprintf(path, sizeof path, "%.4000s/report.%s.html", options->directory, language == REPORT_KO ? "ko" : "en");
        ok = write_page(&page) && file_write(path, page.html.bytes, page.html.length, err);
        text_free(&page.html);
    }
    char *text_of_figures = ok ? cJSON_Print(figures) : NULL;
    snprintf(path, sizeof path, "%.4000s/figures.json", options->directory);
    ok = text_of_figures && file_write(path, text_of_figures, strlen(text_of_figures), err);
    free(text_of_figures);
    cJSON_Delete(figures);
    snprintf(path, sizeof path, "%.4000s/measurements.csv", options->directory);
    return ok && write_csv(run, path, err);
}
