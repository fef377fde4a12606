/* Servers under load on a run's page: a table; nothing where a run loaded none. */
#include "reports/page.h"

#include "base/json.h"
#include "reports/words.h"

#include <stdio.h>

/* The value of an interval, or why there is none. */
static void cell(struct page *p, const cJSON *row, const char *key, double factor, bool range)
{
    const cJSON *value = cJSON_GetObjectItem(row, key);
    if (!cJSON_IsObject(value)) {
        char reason[64];
        snprintf(reason, sizeof reason, "%.40s_reason", key);
        text_add_string(&p->html, "<td class=t>");
        page_reason(p, json_text(row, reason));
        text_add_string(&p->html, "</td>");
        return;
    }
    text_add_string(&p->html, "<td>");
    words_number(&p->html, factor * json_real(value, "value"));
    if (range) {
        text_add_string(&p->html, " (");
        page_range(&p->html, value, factor);
        text_add_string(&p->html, ")");
    }
    text_add_string(&p->html, "</td>");
}

void page_served(struct page *p)
{
    const cJSON *row, *rows = cJSON_GetObjectItem(p->figures, "served");
    if (!cJSON_GetArraySize(rows))
        return;
    page_heading(p, "4.1. 서버 부하", "4.1. Servers under load");
    text_format(&p->html,
                "<div class=scroll><table><tr><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th>"
                "<th>%s</th><th>%s</th></tr>\n",
                page_say(p, "모델", "model"), page_say(p, "동시 요청", "at once"), page_say(p, "프롬프트 낱말", "words of prompt"),
                page_say(p, "요청/초", "requests/s"), page_say(p, "출력 토큰/초 (95 %)", "output tok/s (95 %)"),
                page_say(p, "TTFT ms, 중앙값", "TTFT ms, median"), page_say(p, "TTFT ms, 90 %", "TTFT ms, 90th percentile"),
                page_say(p, "TPOT ms, 중앙값", "TPOT ms, median"), page_say(p, "반복", "repeats"));
    cJSON_ArrayForEach(row, rows) {
        text_add_string(&p->html, "<tr>");
        page_cell_text(&p->html, json_text(row, "model"));
        page_cell_count(&p->html, json_real(row, "concurrency"));
        page_cell_count(&p->html, json_real(row, "words"));
        cell(p, row, "requests_per_s", 1, false);
        cell(p, row, "output_tok_per_s", 1, true);
        cell(p, row, "ttft_ns", 1e-6, false);
        cell(p, row, "ttft_p90_ns", 1e-6, false);
        cell(p, row, "tpot_ns", 1e-6, false);
        page_cell_count(&p->html, json_real(row, "repeats"));
        text_add_string(&p->html, "</tr>\n");
    }
    text_format(
        &p->html, "</table></div>\n<p class=note>%s</p>\n",
        page_say(
            p,
            "요청마다 서로 다른 글로 시작하며, 한 요청이 끝나면 그 자리에서 다음 요청을 보낸다. 값은 반복의 중앙값이고, 처리량은 첫 요청을 "
            "보낸 때부터 마지막 글이 온 때까지이다. 이 기계와 서버 사이의 길도 시간에 들어 있다.",
            "No two prompts begin alike; a request is sent when the one before it in its place is done. Figures are medians of the "
            "repeats, rates are from the first request's sending to the last text. The way between this machine and the server is "
            "in the times."));
}
