/* The report's section on Mixture-of-Experts and distillation: what each model's answers take in bytes and won, and what the pairs differ
 * by, item by item. Absent where a run compares no models. */
#include "reports/chart.h"
#include "reports/page.h"

#include "base/json.h"
#include "reports/words.h"

#include <math.h>
#include <string.h>

/* --- charts ------------------------------------------------------------------------------------------------------------------------------
 */

/* How many distinct values of a key stand before a row: the same model has one colour and shape in all formats. */
static int order_of(const cJSON *rows, const cJSON *wanted, const char *key)
{
    const cJSON *row, *other;
    int order = 0;
    cJSON_ArrayForEach(row, rows) {
        if (strcmp(json_text(row, key), json_text(wanted, key)) == 0)
            break;
        bool first = true;
        for (other = rows->child; other != row; other = other->next)
            first = first && strcmp(json_text(other, key), json_text(row, key)) != 0;
        order += first;
    }
    return order;
}

/* Where a model stands on the horizontal axis: bytes in MB, or won with their interval. False: it has no such place. */
static bool across(const cJSON *row, bool cost, double out[3])
{
    const cJSON *krw = cJSON_GetObjectItem(row, "krw_per_1000_correct");
    if (!row || (cost && !cJSON_IsObject(krw)))
        return false;
    static const char *const keys[] = {"value", "low", "high"};
    for (int i = 0; i < 3; i++)
        out[i] = cost ? json_real(krw, keys[i]) : json_real(row, "active_bytes") / 1e6;
    return isfinite(out[0]);
}

/* Lines from what each pair's model is compared with to the model. */
static void put_lines(const struct page *p, struct text *s, bool cost)
{
    const cJSON *pair, *weighed = cJSON_GetObjectItem(p->figures, "weighed");
    text_format(s, "$lines%d << EOD\n", cost);
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(p->figures, "pairs")) {
        const cJSON *ends[] = {json_find(weighed, "model", json_text(pair, "against")),
                               json_find(weighed, "model", json_text(pair, "model"))};
        double from[3], to[3];
        if (!across(ends[0], cost, from) || !across(ends[1], cost, to))
            continue;
        text_format(s, "%.6g %.6g\n%.6g %.6g\n\n", from[0], 100 * json_real(cJSON_GetObjectItem(ends[0], "acc"), "value"), to[0],
                    100 * json_real(cJSON_GetObjectItem(ends[1], "acc"), "value"));
    }
    text_add_string(s, "EOD\n");
}

/* Accuracy over one of the two, a point for each model with the intervals of both. Returns how many points there are. */
static int panel(const struct page *p, struct text *s, bool cost)
{
    static const int filled[] = {7, 5, 9, 13, 11, 15, 7, 5}, open[] = {6, 4, 8, 12, 10, 14, 6, 4}; // gnuplot's shapes, in pairs
    const cJSON *row, *weighed = cJSON_GetObjectItem(p->figures, "weighed");
    int points = 0;
    put_lines(p, s, cost);
    cJSON_ArrayForEach(row, weighed) {
        const cJSON *acc = cJSON_GetObjectItem(row, "acc");
        double x[3];
        if (!across(row, cost, x))
            continue;
        text_format(s, "$p%d_%d << EOD\n%.6g %.6g %.6g %.6g %.6g %.6g\nEOD\n", cost, points++, x[0], 100 * json_real(acc, "value"), x[1],
                    x[2], 100 * json_real(acc, "low"), 100 * json_real(acc, "high"));
    }
    text_add_string(s, "set title ");
    chart_quote(s, cost ? page_say(p, "정확도와 비용", "Accuracy and cost")
                        : page_say(p, "정확도와 토큰당 읽는 가중치", "Accuracy and weights read for a token"));
    text_format(s, "\nset ylabel '%s'\nset xlabel '%s'\nset xrange [0:*]\nset grid x y lc rgb '#dddddd' lw 1 lt 1\n",
                page_say(p, "정확도 (%)", "accuracy (%)"),
                cost ? page_say(p, "정답 1,000개당 비용 (원)", "cost of a thousand correct answers (won)")
                     : page_say(p, "활성 바이트 (MB/토큰)", "active bytes (MB/token)"));
    text_format(s, "plot $lines%d using 1:2 with lines lc rgb '#999999' lw 1 dt 2 notitle", cost);
    points = 0;
    cJSON_ArrayForEach(row, weighed) {
        double x[3];
        if (!across(row, cost, x))
            continue;
        int model = order_of(weighed, row, "name"), shape = (order_of(weighed, row, "quantisation") ? open : filled)[model % CHART_COLOURS];
        text_format(s,
                    ", $p%d_%d using 1:2:3:4:5:6 with xyerrorbars lt %d lw 1 ps 0 notitle, $p%d_%d using 1:2 with points lt %d "
                    "pt %d ps 1.1 title ",
                    cost, points, model % CHART_COLOURS + 1, cost, points, model % CHART_COLOURS + 1, shape);
        chart_quote(s, json_text(row, "model"));
        points++;
    }
    text_add_string(s, "\n");
    return points;
}

static void charts(struct page *p)
{
    struct text bytes = {0}, cost = {0};
    chart_begin(&bytes, 720, 420);
    text_add_string(&bytes, "set key outside right top vertical\n");
    if (panel(p, &bytes, false))
        page_figure(
            p, &bytes, "active-bytes",
            page_say(p,
                     "정확도(모든 문항, 윌슨 95 % 신뢰구간)와 토큰 하나를 계산할 때 읽는 가중치. 점선은 비교한 쌍, 속이 빈 점은 다른 "
                     "양자화 형식",
                     "Accuracy (all items, Wilson's 95 % interval) against the weights read for a token; dashes join the pairs, open "
                     "points are another format"));
    chart_begin(&cost, 720, 420);
    text_add_string(&cost, "set key outside right top vertical\n");
    if (panel(p, &cost, true))
        page_figure(p, &cost, "correct-answers",
                    page_say(p, "정확도와 정답 1,000개당 비용. 가로 구간은 처리량, 가격, 정확도의 구간을 함께 반영",
                             "Accuracy against the cost of a thousand correct answers; the horizontal bars carry the intervals of "
                             "throughput, price and accuracy"));
    text_free(&bytes);
    text_free(&cost);
}

/* --- words -------------------------------------------------------------------------------------------------------------------------------
 */

/* "+1.2": points of a share. */
static void add_points(struct text *out, double share)
{
    double points = 100 * share;
    text_format(out, "%s%.1f", points < 0 ? "−" : "+", fabs(points));
}

static void add_difference(struct text *out, const cJSON *row)
{
    const cJSON *d = cJSON_GetObjectItem(row, "difference");
    add_points(out, json_real(d, "value"));
    text_add_string(out, " (");
    add_points(out, json_real(d, "low"));
    text_add_string(out, " … ");
    add_points(out, json_real(d, "high"));
    text_add_string(out, ")");
}

/* What an interval says: 1 better, −1 worse, 0 neither. */
static int verdict(const cJSON *row)
{
    const cJSON *d = cJSON_GetObjectItem(row, "difference");
    return (json_real(d, "low") > 0) - (json_real(d, "high") < 0);
}

static const char *verdict_words(const struct page *p, const cJSON *row)
{
    int v = verdict(row);
    return v > 0   ? page_say(p, "더 높음이 확인됨", "shown to be higher")
           : v < 0 ? page_say(p, "더 낮음이 확인됨", "shown to be lower")
                   : page_say(p, "차이가 확인되지 않음", "no difference shown");
}

/* Our own sets by a word, others as they are called. */
static const char *set_words(const struct page *p, const cJSON *row)
{
    const char *set = cJSON_GetStringValue(cJSON_GetObjectItem(row, "set"));
    return !set                          ? page_say(p, "모든 문항", "all items")
           : strcmp(set, "builtin") == 0 ? page_say(p, "내장 문항", "built-in items")
           : strcmp(set, "confirm") == 0 ? page_say(p, "새 문항", "fresh items")
                                         : set;
}

static bool has_set(const struct page *p, const char *set)
{
    const cJSON *pair, *row;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(p->figures, "pairs"))
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(pair, "rows"))
            if (strcmp(json_text(row, "set"), set) == 0)
                return true;
    return false;
}

static const char *what_words(const struct page *p, const cJSON *pair)
{
    return strcmp(json_text(pair, "what"), "experts") == 0 ? page_say(p, "전문가 혼합", "Mixture-of-Experts")
                                                           : page_say(p, "증류", "Distillation");
}

static void add_pair_names(struct page *p, const cJSON *pair)
{
    page_escape(&p->html, json_text(pair, "model"));
    text_add_string(&p->html, " − ");
    page_escape(&p->html, json_text(pair, "against"));
}

/* A sentence a pair: what was shown by which items, and what wasn't. */
static void sentences(struct page *p)
{
    const cJSON *pair, *row;
    text_add_string(&p->html, "<ul>\n");
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(p->figures, "pairs")) {
        text_format(&p->html, "<li>%s, ", what_words(p, pair));
        add_pair_names(p, pair);
        text_add_string(&p->html, ": ");
        int n = 0;
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(pair, "rows")) {
            text_add_string(&p->html, n++ ? "; " : "");
            page_escape(&p->html, set_words(p, row));
            text_format(&p->html, page_say(p, " %.0f개에서 <b>", " (%.0f) <b>"), json_real(row, "n"));
            text_format(&p->html, "%s</b>", verdict_words(p, row));
        }
        if (!n)
            page_reason(p, json_text(pair, "reason"));
        text_add_string(&p->html, ".</li>\n");
    }
    text_add_string(&p->html, "</ul>\n");
}

static void table(struct page *p)
{
    const cJSON *pair, *row;
    text_format(&p->html,
                "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th>"
                "</tr>\n",
                page_say(p, "비교", "comparison"), page_say(p, "문항", "items"), page_say(p, "문항 수", "n"),
                page_say(p, "정확도 %", "accuracy %"), page_say(p, "기준 %", "against %"),
                page_say(p, "차이, %p (95 %)", "difference, points (95 %)"), page_say(p, "맥니머 p", "McNemar p"));
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(p->figures, "pairs"))
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(pair, "rows")) {
            text_add_string(&p->html, "<tr><td class=t>");
            add_pair_names(p, pair);
            text_add_string(&p->html, "<sup>1</sup></td>");
            page_cell_text(&p->html, set_words(p, row));
            page_cell_count(&p->html, json_real(row, "n"));
            page_cell_number(&p->html, 100 * json_real(row, "b"));
            page_cell_number(&p->html, 100 * json_real(row, "a"));
            text_add_string(&p->html, verdict(row) ? "<td><b>" : "<td>");
            add_difference(&p->html, row);
            text_add_string(&p->html, verdict(row) ? "</b></td>" : "</td>");
            page_cell_number(&p->html, json_real(row, "mcnemar_p"));
            text_add_string(&p->html, "</tr>\n");
        }
    text_add_string(&p->html, "</table></div>\n");
}

void page_pairs(struct page *p)
{
    if (!p->ok || !cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "pairs")))
        return;
    page_heading(p, "6.1. 전문가 혼합(MoE)과 증류", "6.1. MoE and distillation");
    charts(p);
    sentences(p);
    table(p);
    text_format(&p->html, "<p class=note>%s</p>\n",
                page_say(p,
                         "같은 문항끼리 짝지은 차이이며, 구간은 짝지은 부트스트랩이다. 구간은 문항에 대한 것뿐이다. 모델마다 한 번만 "
                         "훈련했으므로, 시드를 바꿔 다시 훈련하면 이보다 더 달라질 수 있다.",
                         "Differences on the same items with the interval of a paired bootstrap. It is over items only: each model was "
                         "trained once, and another seed may differ by more."));
    if (has_set(p, "builtin") && has_set(p, "confirm"))
        text_format(
            &p->html, "<p class=note>%s</p>\n",
            page_say(p,
                     "저울에 딸린 모델의 훈련 말뭉치는 내장 문항의 갈래별 정확도를 보고 손질했다. 새 문항은 훈련이 끝난 뒤에 "
                     "썼으므로, 그 모델에 대해서는 새 문항의 결과가 더 믿을 만하다.",
                     "The training corpus of jeoul's own models was adjusted with the accuracy by category of the built-in items in "
                     "view. The fresh items were written after the training: for these models theirs are the figures to believe."));
}
