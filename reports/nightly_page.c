/* The nightly page: what changed, and every series' history. */
#include "reports/nightly.h"

#include "base/file.h"
#include "base/json.h"
#include "reports/chart.h"
#include "reports/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state_name(const struct page *p, const char *state)
{
    static const char *const names_ko[NIGHTLY_STATES] = {"정상", "의심", "확인된 저하", "향상", "잡음", "자료 부족"};
    static const char *const names_en[NIGHTLY_STATES] = {"ok", "suspect", "confirmed regression", "improved", "noisy", "no data"};
    for (int i = 0; i < NIGHTLY_STATES; i++)
        if (strcmp(nightly_state_names[i], state) == 0)
            return page_say(p, names_ko[i], names_en[i]);
    return state;
}

static const char *metric_name(const struct page *p, const char *metric)
{
    return strcmp(metric, "prefill_throughput") == 0  ? page_say(p, "프리필 처리량 (토큰/초)", "prefill throughput (tok/s)")
           : strcmp(metric, "decode_throughput") == 0 ? page_say(p, "디코드 처리량 (토큰/초)", "decode throughput (tok/s)")
                                                      : page_say(p, "정확도", "accuracy");
}

static void series_table(struct page *p)
{
    const cJSON *row;
    text_format(&p->html, "<div class=scroll><table><tr><th>%s<th class=t>%s<th class=t>%s<th>%s<th>%s<th>%s<th>%s</tr>\n",
                page_say(p, "계열", "series"), page_say(p, "지표", "metric"), page_say(p, "상태", "state"),
                page_say(p, "오늘 ÷ 이전", "tonight ÷ before"), page_say(p, "95 % 신뢰구간", "95 % interval"),
                page_say(p, "판정 기준", "least change"), page_say(p, "이전 실행", "runs before"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "series")) {
        const cJSON *ratio = cJSON_GetObjectItem(row, "ratio");
        const char *state = json_text(row, "state");
        bool loud = strcmp(state, "confirmed") == 0 || strcmp(state, "improved") == 0;
        text_add_string(&p->html, "<tr><td><code>");
        page_escape(&p->html, json_text(row, "cell"));
        text_format(&p->html, "</code><td class=t>%s<td class=t>%s%s%s", metric_name(p, json_text(row, "metric")), loud ? "<strong>" : "",
                    state_name(p, state), loud ? "</strong>" : "");
        if (!cJSON_IsObject(ratio))
            text_add_string(&p->html, "<td>–<td>–");
        else if (cJSON_IsNull(cJSON_GetObjectItem(ratio, "high"))) // one run against a few has no 95 % interval
            text_format(&p->html, "<td>%.3f<td>–", json_real(ratio, "value"));
        else
            text_format(&p->html, "<td>%.3f<td>%.3f … %.3f", json_real(ratio, "value"), json_real(ratio, "low"), json_real(ratio, "high"));
        text_format(&p->html, "<td>%.1f %%<td>%.0f</tr>\n", 100 * json_real(row, "effect"), json_real(row, "history"));
    }
    text_add_string(&p->html, "</table></div>\n");
}

/* Earlier nights' reruns decided about them and are not shown again. */
static bool is_shown(const cJSON *point)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(point, "tonight")) || !json_text(point, "rerun_of")[0];
}

/* A line and a word at each night from which a change was confirmed, and where the machine or compiler changed. */
static int mark_changes(struct text *s, const struct page *p, const cJSON *row)
{
    const cJSON *point;
    int at = 0;
    cJSON_ArrayForEach(point, cJSON_GetObjectItem(row, "points")) {
        const char *change = json_text(point, "change");
        at += is_shown(point);
        if (!change[0])
            continue;
        bool segment = strcmp(change, "segment") == 0;
        text_format(s,
                    "set arrow from %.1f, graph 0 to %.1f, graph 1 nohead dt 2 lc rgb '%s'\nset label '%s' at %.1f, graph 0.06 rotate by "
                    "90 left offset 0.8,0 tc rgb '%s'\n",
                    at - 0.5, at - 0.5, segment ? "#777777" : "#D55E00",
                    segment ? page_say(p, "기계·컴파일러 변경", "machine or compiler") : state_name(p, change), at - 0.5,
                    segment ? "#777777" : "#D55E00");
    }
    return at;
}

/* A block of points: other segments, this one, or tonight. */
static int put_points(struct text *s, const struct page *p, const cJSON *row, char name, bool tonight, bool own)
{
    const cJSON *point;
    int at = 0, n = 0;
    text_format(s, "$%c << EOD\n", name);
    cJSON_ArrayForEach(point, cJSON_GetObjectItem(row, "points")) {
        bool same = strcmp(json_text(point, "system_id"), json_text(p->figures, "system_id")) == 0;
        if (!is_shown(point))
            continue;
        at++;
        if (cJSON_IsTrue(cJSON_GetObjectItem(point, "tonight")) == tonight && (tonight || same == own)) {
            text_format(s, "%d %.6g %.6g %.6g\n", at, json_real(point, "value"), json_real(point, "low"), json_real(point, "high"));
            n++;
        }
    }
    text_add_string(s, "EOD\n");
    return n;
}

static void series_chart(struct page *p, const cJSON *row, int index)
{
    struct text s = {0}, caption = {0};
    char id[24];
    snprintf(id, sizeof id, "series%d", index);
    chart_begin(&s, 960, 300);
    int shown = mark_changes(&s, p, row);
    int others = put_points(&s, p, row, 'a', false, false), before = put_points(&s, p, row, 'b', false, true);
    (void)put_points(&s, p, row, 'c', true, true);
    text_format(&s,
                "set yrange [0:*]\nset xrange [0.5:%.1f]\nset key outside top center horizontal\nset xlabel '%s'\nset ylabel '%s'\nplot ",
                shown + 0.5, page_say(p, "실행 순서", "run, in order"),
                strcmp(json_text(row, "metric"), "acc") == 0 ? page_say(p, "정확도", "accuracy") : page_say(p, "토큰/초", "tok/s"));
    if (others)
        text_format(&s, "$a using 1:2:3:4 with yerrorbars lc rgb '#999999' pt 6 title '%s', ",
                    page_say(p, "다른 기계나 컴파일러", "other machine or compiler"));
    if (before)
        text_format(&s, "$b using 1:2:3:4 with yerrorbars lc rgb '#0072B2' pt 7 title '%s', ", page_say(p, "이전", "before"));
    text_format(&s, "$c using 1:2:3:4 with yerrorbars lc rgb '#D55E00' pt 5 ps 1.2 title '%s'\n",
                page_say(p, "오늘과 재실행", "tonight and reruns"));
    page_escape(&caption, json_text(row, "cell"));
    text_format(&caption, ": %s. %s: %s", metric_name(p, json_text(row, "metric")), page_say(p, "상태", "state"),
                state_name(p, json_text(row, "state")));
    if (text_ok(&caption, p->err))
        page_figure(p, &s, id, caption.bytes);
    else
        p->ok = false;
    text_free(&s);
    text_free(&caption);
}

static bool write_page(struct page *p)
{
    const cJSON *row;
    int index = 0, confirmed = nightly_count(p->figures, NIGHTLY_CONFIRMED), improved = nightly_count(p->figures, NIGHTLY_IMPROVED);
    page_open(p, "저울 야간 점검", "jeoul nightly", "저울 야간 점검", "jeoul nightly");
    if (confirmed)
        text_format(&p->html,
                    page_say(p, "<p class=warn>저하가 확인된 계열: <strong>%d</strong></p>\n",
                             "<p class=warn>Series with a confirmed regression: <strong>%d</strong></p>\n"),
                    confirmed);
    else
        text_format(&p->html, "<p>%s</p>\n", page_say(p, "확인된 저하가 없다.", "No regression is confirmed."));
    if (improved)
        text_format(&p->html, page_say(p, "<p>향상된 계열: %d</p>\n", "<p>Series that improved: %d</p>\n"), improved);
    text_format(&p->html, "<h2>%s</h2>\n", page_say(p, "계열별 판정", "Each series"));
    series_table(p);
    text_format(
        &p->html, "<p class=note>%s</p>\n",
        page_say(
            p,
            "비율은 이전 실행에 대한 호지스–레만 추정값이고, 구간은 분포 가정이 없는 95 % 구간이다. 판정 기준은 계획에 적힌 최소 변화와 "
            "그 계열에서 알아볼 수 있는 최소 변화 가운데 큰 쪽이다. 의심되는 계열은 세 번 다시 잰 뒤에만 확인된다. 기계나 컴파일러가 "
            "바뀌면 새 구간이 시작되며, 다른 구간과는 비교하지 않는다. 이전 실행이 다섯 번이 안 되면 판정하지 않는다.",
            "Ratios are Hodges–Lehmann estimates against the runs before, with their distribution-free 95 % interval. The least "
            "change is the greater of the plan's and of what the series' own spread lets one detect. A suspect is measured three "
            "times more before it is confirmed. A changed machine or compiler begins a new segment, which is not compared with "
            "others. With fewer than five runs before there is no verdict."));
    text_format(&p->html, "<h2>%s</h2>\n", page_say(p, "기록", "History"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "series"))
        series_chart(p, row, index++);
    text_format(&p->html, "<p class=note>%s</p>\n",
                page_say(p, "점은 실행마다 반복의 중앙값, 막대는 부트스트랩 95 % 구간이다.",
                         "Points are each run's median over its repeats, bars its bootstrap 95 % interval."));
    return page_finish(p);
}

bool nightly_write(const cJSON *figures, const char *directory, struct error *err)
{
    char path[4096], *json = cJSON_Print(figures);
    snprintf(path, sizeof path, "%.4000s/nightly.json", directory);
    bool ok = json && file_write(path, json, strlen(json), err);
    free(json);
    for (int language = 0; ok && language < 2; language++) {
        struct page page = {.language = (enum report_language)language, .figures = figures, .err = err};
        snprintf(path, sizeof path, "%.4000s/nightly.%s.html", directory, language == REPORT_KO ? "ko" : "en");
        ok = write_page(&page) && file_write(path, page.html.bytes, page.html.length, err);
        text_free(&page.html);
    }
    return ok;
}
