/* The comparison as a page: the table, and cost against accuracy and speed with the Pareto front as measured points and steps. */
#include "reports/comparison.h"

#include "base/file.h"
#include "base/json.h"
#include "reports/chart.h"
#include "reports/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 26 }; // A … Z in a chart; the table has all

/* "A" … "Z", and numbers behind that. */
static void option_name(int index, char out[12])
{
    if (index < MAX_OPTIONS)
        snprintf(out, 12, "%c", 'A' + index);
    else
        snprintf(out, 12, "%d", index + 1);
}

static void put_cell(struct page *p, const cJSON *interval, double factor, int decimals)
{
    double value = factor * json_real(interval, "value"), low = factor * json_real(interval, "low"),
           high = factor * json_real(interval, "high");
    decimals = value >= 1000 ? 0 : decimals; // more digits than anybody measures
    if (isnan(value))
        text_add_string(&p->html, "<td>–");
    else if (isnan(high))
        text_format(&p->html, "<td>%.*f", decimals, value);
    else
        text_format(&p->html, "<td>%.*f<br><span class=note>%.*f … %.*f</span>", decimals, value, decimals, low, decimals, high);
}

/* What limits decode, and how near it is; what the process took of the memory. */
static void put_limit(struct page *p, const cJSON *option)
{
    double share = json_real(option, "of_limit"), memory = json_real(option, "peak_rss");
    if (isnan(share))
        text_add_string(&p->html, "<td>–");
    else
        text_format(&p->html, "<td>%.0f %%<br><span class=note>%s</span>", 100 * share,
                    strcmp(json_text(option, "limit"), "read_bandwidth") == 0 ? page_say(p, "읽기 대역폭", "read bandwidth")
                                                                              : page_say(p, "int8 연산", "int8 peak"));
    if (isnan(memory))
        text_add_string(&p->html, "<td>–");
    else
        text_format(&p->html, "<td>%.3g", memory / 1e9);
}

/* "A", the model and its configuration; what makes it another option than A is said here and nowhere hidden. */
static void put_option(struct page *p, const cJSON *option, int index)
{
    char name[12];
    option_name(index, name);
    text_format(&p->html, "<tr><td><strong>%s</strong><td class=t>", name);
    page_escape(&p->html, json_text(option, "model"));
    text_format(&p->html, " %s, %s %.0f, %s %.0f", json_text(option, "quantisation"), page_say(p, "배치", "batch"),
                json_real(option, "batch"), page_say(p, "스레드", "threads"), json_real(option, "threads"));
    if (*json_text(option, "placement")) {
        text_add_string(&p->html, ", ");
        page_escape(&p->html, json_text(option, "placement"));
    }
    if (!cJSON_IsTrue(cJSON_GetObjectItem(option, "same_model")))
        text_format(&p->html, "<br><em>%s</em>", page_say(p, "A와 다른 모델", "another model than A"));
    if (!cJSON_IsTrue(cJSON_GetObjectItem(option, "same_work")))
        text_format(&p->html, "<br><em>%s</em>", page_say(p, "A와 다른 길이로 쟀다", "measured on other lengths than A"));
}

static void put_speed_table(struct page *p)
{
    const cJSON *option;
    int index = 0;
    text_format(&p->html, "<div class=scroll><table><thead><tr><th><th class=t>%s<th>%s<th>%s<th>%s<th>%s<th>%s</tr></thead>\n",
                page_say(p, "모델, 구성, 실행", "model, configuration, run"), page_say(p, "프리필, 토큰/초", "prefill, tok/s"),
                page_say(p, "디코드, 토큰/초", "decode, tok/s"), page_say(p, "디코드 ÷ A", "decode ÷ A"),
                page_say(p, "디코드의 한계 대비", "decode of its limit"), page_say(p, "메모리, GB", "memory, GB"));
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(p->figures, "options")) {
        put_option(p, option, index++);
        text_add_string(&p->html, "<br><code>");
        page_escape(&p->html, json_text(option, "run_id"));
        text_add_string(&p->html, "</code>");
        put_cell(p, cJSON_GetObjectItem(option, "prefill"), 1, 1);
        put_cell(p, cJSON_GetObjectItem(option, "decode"), 1, 1);
        if (index == 1)
            text_add_string(&p->html, "<td>1");
        else
            put_cell(p, cJSON_GetObjectItem(option, "decode_ratio"), 1, 2);
        put_limit(p, option);
        text_add_string(&p->html, "</tr>\n");
    }
    text_add_string(&p->html, "</table></div>\n");
}

static void put_money_table(struct page *p)
{
    const cJSON *option;
    int index = 0;
    bool demand = cJSON_IsObject(cJSON_GetObjectItem(p->figures, "demand"));
    text_format(&p->html, "<div class=scroll><table><thead><tr><th><th class=t>%s<th>%s<th>%s<th>%s<th>%s<th>%s%s%s</tr></thead>\n",
                page_say(p, "모델과 구성", "model and configuration"), page_say(p, "출력 100만 토큰, 원", "won per million output tokens"),
                page_say(p, "한국어 100만 글자, 원", "won per million Korean characters"),
                page_say(p, "A와 같아지는 시간당 가격, 원", "as dear as A at, won/h"), page_say(p, "한국어 정확도, %", "Korean, %"),
                page_say(p, "영어 정확도, %", "English, %"), demand ? "<th>" : "",
                demand ? page_say(p, "필요한 기계 수", "machines needed") : "");
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(p->figures, "options")) {
        put_option(p, option, index++);
        put_cell(p, cJSON_GetObjectItem(option, "cost_output"), 1, 1);
        put_cell(p, cJSON_GetObjectItem(option, "cost_ko_characters"), 1, 1);
        put_cell(p, index > 1 ? cJSON_GetObjectItem(option, "break_even_krw_per_hour") : NULL, 1, 1);
        put_cell(p, cJSON_GetObjectItem(option, "acc_ko"), 100, 1);
        put_cell(p, cJSON_GetObjectItem(option, "acc_en"), 100, 1);
        if (demand)
            put_cell(p, cJSON_GetObjectItem(option, "machines"), 1, 0);
        text_add_string(&p->html, "</tr>\n");
    }
    text_add_string(&p->html, "</table></div>\n");
}

/* Whether no other option is at least as cheap and at least as good, and better in one of the two. */
static bool on_front(const cJSON *options, const cJSON *option, const char *key)
{
    double cost = json_real(cJSON_GetObjectItem(option, "cost_output"), "value"),
           good = json_real(cJSON_GetObjectItem(option, key), "value");
    const cJSON *other;
    cJSON_ArrayForEach(other, options) {
        double c = json_real(cJSON_GetObjectItem(other, "cost_output"), "value"), g = json_real(cJSON_GetObjectItem(other, key), "value");
        if (c <= cost && g >= good && (c < cost || g > good))
            return false;
    }
    return true;
}

/* Cost on the x axis, the cheaper the further left; what is wanted on the y axis. */
static void pareto_chart(struct page *p, const char *id, const char *key, double factor, const char *axis, const char *caption)
{
    const cJSON *option, *options = cJSON_GetObjectItem(p->figures, "options");
    struct text points = {0}, front = {0}, s = {0};
    int index = 0, n = 0;
    cJSON_ArrayForEach(option, options) {
        const cJSON *cost = cJSON_GetObjectItem(option, "cost_output"), *good = cJSON_GetObjectItem(option, key);
        char name[12];
        option_name(index++, name);
        if (!cJSON_IsObject(cost) || !cJSON_IsObject(good))
            continue;
        n++;
        text_format(&points, "%.6g %.6g %.6g %.6g %.6g %.6g %s\n", json_real(cost, "value"), factor * json_real(good, "value"),
                    json_real(cost, "low"), json_real(cost, "high"), factor * json_real(good, "low"), factor * json_real(good, "high"),
                    name);
        if (on_front(options, option, key))
            text_format(&front, "%.6g %.6g\n", json_real(cost, "value"), factor * json_real(good, "value"));
    }
    if (n > 1) {
        chart_begin(&s, 960, 420);
        text_format(&s, "$points << EOD\n%sEOD\n$front << EOD\n%sEOD\n", points.bytes, front.bytes ? front.bytes : "");
        text_format(
            &s, "set logscale x\nset yrange [0:*]\nset offsets graph 0.05, graph 0.05, graph 0.05, 0\nset xlabel '%s'\nset ylabel '%s'\n",
            page_say(p, "출력 100만 토큰당 원 (로그 눈금)", "won per million output tokens (log scale)"), axis);
        text_format(
            &s,
            "set key outside top center horizontal\nplot $front using 1:2 smooth unique with steps lc rgb '#D55E00' lw 2 title '%s', "
            "$front using 1:2 with points pt 6 ps 2.4 lw 2 lc rgb '#D55E00' notitle, "
            "$points using 1:2:3:4:5:6 with xyerrorbars lc rgb '#0072B2' pt 7 title '%s', "
            "$points using 1:2:7 with labels offset character 1.2,0.8 notitle\n",
            page_say(p, "파레토 경계", "Pareto front"), page_say(p, "구성, 95 % 구간", "options, 95 % interval"));
        page_figure(p, &s, id, caption);
    }
    text_free(&points);
    text_free(&front);
    text_free(&s);
}

static bool write_page(struct page *p)
{
    page_open(p, "저울 비교", "jeoul comparison", "저울 비교: 어느 구성이 값을 하는가", "jeoul comparison: which option for the money");
    page_heading(p, "속도와 메모리", "Speed and memory");
    put_speed_table(p);
    page_heading(p, "비용과 정확도", "Cost and accuracy");
    put_money_table(p);
    text_format(
        &p->html, "<p class=note>%s</p>\n",
        page_say(p,
                 "아래 줄의 범위는 95 % 구간이며, 비용의 범위는 가격의 범위까지 더한 것이다. 비율은 반복 사이의 호지스–레만 추정값이다. "
                 "디코드 속도로 "
                 "출력 비용을 셈하고, 가격은 각 실행의 계획이 가리키는 가격표에서 왔다.",
                 "Ranges in the second line are 95 % intervals; those of costs include the range of the price. Ratios are Hodges–Lehmann "
                 "estimates over the repeats. Output tokens cost by the speed of decode; prices are those of the book entry that each "
                 "run's plan names."));
    const cJSON *option;
    bool random = false, assumed = false;
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(p->figures, "options")) {
        random = random || cJSON_IsTrue(cJSON_GetObjectItem(option, "random_weights"));
        assumed = assumed || cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(option, "price"), "assumed"));
    }
    if (random)
        text_format(&p->html, "<p class=warn>%s</p>\n",
                    page_say(p, "무작위 가중치로 잰 구성이 있다. 그 정확도는 구조상 찍기 수준이다.",
                             "Some options have random weights: their accuracy is chance by construction."));
    if (assumed)
        text_format(&p->html, "<p class=warn>%s</p>\n",
                    page_say(p, "가정한 가격이 들어 있다. 실제 요금으로 바꾸어 다시 견주어야 한다.",
                             "Some prices are assumed; put in real ones before deciding."));
    const cJSON *before = NULL;
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(p->figures, "options")) {
        const cJSON *price = cJSON_GetObjectItem(option, "price");
        if (!before || strcmp(json_text(before, "id"), json_text(price, "id")) != 0)
            page_stale_price(p, price);
        before = price;
    }
    pareto_chart(p, "ko", "acc_ko", 100, page_say(p, "한국어 정확도, %", "Korean accuracy, %"),
                 page_say(p, "비용과 한국어 정확도", "Cost against Korean accuracy"));
    pareto_chart(p, "en", "acc_en", 100, page_say(p, "영어 정확도, %", "English accuracy, %"),
                 page_say(p, "비용과 영어 정확도", "Cost against English accuracy"));
    pareto_chart(p, "speed", "decode", 1, page_say(p, "디코드, 토큰/초", "decode, tok/s"),
                 page_say(p, "비용과 디코드 속도", "Cost against decode speed"));
    return page_finish(p);
}

bool comparison_write(const cJSON *figures, const char *directory, struct error *err)
{
    char path[4096], *json = cJSON_Print(figures);
    snprintf(path, sizeof path, "%.4000s/compare.json", directory);
    bool ok = json && file_make_directory(directory, err) && file_write(path, json, strlen(json), err);
    free(json);
    for (int language = 0; ok && language < 2; language++) {
        struct page page = {.language = (enum report_language)language, .figures = figures, .err = err};
        snprintf(path, sizeof path, "%.4000s/compare.%s.html", directory, language == REPORT_KO ? "ko" : "en");
        ok = write_page(&page) && file_write(path, page.html.bytes, page.html.length, err);
        text_free(&page.html);
    }
    return ok;
}
