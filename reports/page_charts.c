/* The charts of a run's page: from figures to gnuplot scripts. Data stand in the script, error bars are 95 % intervals. */
#include "reports/chart.h"
#include "reports/page.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

static void put_interval(struct text *script, const cJSON *interval, double factor)
{
    text_format(script, "%.6g %.6g %.6g", factor * json_real(interval, "value"), factor * json_real(interval, "low"),
                factor * json_real(interval, "high"));
}

/* One panel for a phase: clusters by configuration, a colour for each model. */
static void throughput_panel(struct page *p, struct text *s, const char *phase, const char *title)
{
    const cJSON *model, *row, *models = cJSON_GetObjectItem(p->figures, "models");
    int index = 0, count = cJSON_GetArraySize(models);
    text_add_string(s, "set title ");
    chart_quote(s, title);
    text_format(s, "\nset ylabel '%s'\nset yrange [0:*]\nset key outside top center horizontal\nset xtics rotate by 0\n",
                page_say(p, "토큰/초", "tok/s"));
    cJSON_ArrayForEach(model, models) {
        int at = 0;
        text_format(s, "$%s%d << EOD\n", phase, index);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "throughput")) {
            if (strcmp(json_text(row, "phase"), phase) != 0 || strcmp(json_text(row, "model"), json_text(model, "id")) != 0)
                continue;
            text_format(s, "%.3f ", at++ + (index - (count - 1) / 2.0) * 0.8 / count);
            put_interval(s, cJSON_GetObjectItem(row, "tok_per_s"), 1);
            text_add_string(s, "\n");
        }
        text_add_string(s, "EOD\n");
        index++;
    }
    text_add_string(s, "set xtics (");
    int at = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "throughput")) {
        if (strcmp(json_text(row, "phase"), phase) == 0 &&
            strcmp(json_text(row, "model"), json_text(cJSON_GetArrayItem(models, 0), "id")) == 0) {
            text_format(s, "%s\"%s %.0f\\n%s %.0f%s%s\" %d", at ? ", " : "", page_say(p, "배치", "batch"), json_real(row, "batch"),
                        page_say(p, "스레드", "threads"), json_real(row, "threads"), *json_text(row, "placement") ? "\\n" : "",
                        json_text(row, "placement"), at);
            at++;
        }
    }
    text_format(s, ")\nset xrange [-0.6:%.1f]\nplot ", at - 0.4);
    index = 0;
    cJSON_ArrayForEach(model, models) {
        text_format(s, "%s$%s%d using 1:2:(%.3f) with boxes lt %d title ", index ? ", " : "", phase, index, 0.8 / count * 0.92,
                    index % CHART_COLOURS + 1);
        chart_quote(s, json_text(model, "id"));
        text_format(s, ", $%s%d using 1:2:3:4 with yerrorbars lc rgb '#222222' lw 1.2 ps 0 notitle", phase, index);
        index++;
    }
    text_add_string(s, "\n");
}

void page_throughput_chart(struct page *p)
{
    struct text s = {0};
    if (!p->ok || !cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "throughput")))
        return;
    chart_begin(&s, 960, 400);
    text_add_string(&s, "set boxwidth 0.3 absolute\nset bmargin 3.5\nset multiplot layout 1,2\n");
    throughput_panel(p, &s, "prefill", page_say(p, "프리필 처리량", "Prefill throughput"));
    throughput_panel(p, &s, "decode", page_say(p, "디코드 처리량", "Decode throughput"));
    text_add_string(&s, "unset multiplot\n");
    page_figure(
        p, &s, "throughput",
        page_say(p, "구성별 처리량: 중앙값과 부트스트랩 95 % 신뢰구간", "Throughput by configuration: median and bootstrap 95 % interval"));
    text_free(&s);
}

void page_accuracy_chart(struct page *p)
{
    const cJSON *row, *model, *models = cJSON_GetObjectItem(p->figures, "models");
    static const char *const languages[] = {"ko", "en"};
    struct text s = {0};
    int index = 0;
    if (!p->ok || !cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "accuracy")))
        return;
    chart_begin(&s, cJSON_GetArraySize(models) > 4 ? 960 : 720, 380);
    text_add_string(&s, "set title ");
    chart_quote(&s, page_say(p, "언어별 정확도", "Accuracy by language"));
    text_format(&s, "\nset ylabel '%s'\nset yrange [0:100]\nset key outside top center horizontal\n",
                page_say(p, "정확도 (%)", "accuracy (%)"));
    for (int l = 0; l < 2; l++) {
        index = 0;
        text_format(&s, "$%s << EOD\n", languages[l]);
        cJSON_ArrayForEach(model, models) {
            cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "accuracy")) {
                if (strcmp(json_text(row, "language"), languages[l]) != 0 || strcmp(json_text(row, "model"), json_text(model, "id")) != 0)
                    continue;
                text_format(&s, "%.2f ", index + (l - 0.5) * 0.4);
                put_interval(&s, cJSON_GetObjectItem(row, "acc"), 100);
                text_format(&s, " %.6g\n", 100 * json_real(row, "chance"));
            }
            index++;
        }
        text_add_string(&s, "EOD\n");
    }
    text_add_string(&s, "set xtics (");
    index = 0;
    cJSON_ArrayForEach(model, models) {
        text_add_string(&s, index ? ", " : "");
        chart_quote(&s, json_text(model, "id"));
        text_format(&s, " %d", index++);
    }
    text_format(&s, ")\nset xrange [-0.6:%.1f]\nplot ", index - 0.4);
    for (int l = 0; l < 2; l++)
        text_format(
            &s,
            "%s$%s using 1:2:(0.36) with boxes lt %d title '%s', $%s using 1:2:3:4 with yerrorbars lc rgb '#222222' lw 1.2 ps 0 notitle, "
            "$%s using 1:5:(0.18) with xerrorbars lt 6 lw 2 dt 2 ps 0 %s",
            l ? ", " : "", languages[l], l + 1, l ? page_say(p, "영어", "English") : page_say(p, "한국어", "Korean"), languages[l],
            languages[l], l ? "notitle" : page_say(p, "title '찍을 때의 기대값'", "title 'chance'"));
    text_add_string(&s, "\n");
    page_figure(p, &s, "accuracy",
                page_say(p, "언어별 정확도와 윌슨 95 % 신뢰구간. 점선은 찍었을 때의 기대값",
                         "Accuracy by language with Wilson's 95 % interval; dashed: chance"));
    text_free(&s);
}

void page_cost_chart(struct page *p)
{
    const cJSON *row, *model, *models = cJSON_GetObjectItem(p->figures, "models");
    static const char *const kinds[] = {"input", "output", "ko_characters"};
    struct text s = {0};
    int index = 0, count = cJSON_GetArraySize(models), drawn = 0;
    if (!p->ok)
        return;
    chart_begin(&s, 820, 380);
    text_add_string(&s, "set title ");
    chart_quote(&s, page_say(p, "100만 단위당 비용", "Cost per million"));
    text_format(&s, "\nset ylabel '%s'\nset yrange [0:*]\nset key outside top center horizontal\n", page_say(p, "원", "won"));
    cJSON_ArrayForEach(model, models) {
        text_format(&s, "$m%d << EOD\n", index);
        for (int k = 0; k < 3; k++)
            cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "cost")) {
                const cJSON *krw = cJSON_GetObjectItem(row, "krw");
                if (strcmp(json_text(row, "kind"), kinds[k]) != 0 || strcmp(json_text(row, "model"), json_text(model, "id")) != 0 ||
                    !cJSON_IsObject(krw))
                    continue;
                text_format(&s, "%.3f ", k + (index - (count - 1) / 2.0) * 0.8 / count);
                put_interval(&s, krw, 1);
                text_add_string(&s, "\n");
                drawn++;
            }
        text_add_string(&s, "EOD\n");
        index++;
    }
    text_format(&s, "set xtics ('%s' 0, '%s' 1, '%s' 2)\nset xrange [-0.6:2.6]\nplot ", page_say(p, "입력 토큰", "input tokens"),
                page_say(p, "출력 토큰", "output tokens"), page_say(p, "출력 한국어 글자", "Korean characters of output"));
    index = 0;
    cJSON_ArrayForEach(model, models) {
        text_format(&s, "%s$m%d using 1:2:(%.3f) with boxes lt %d title ", index ? ", " : "", index, 0.8 / count * 0.92,
                    index % CHART_COLOURS + 1);
        chart_quote(&s, json_text(model, "id"));
        text_format(&s, ", $m%d using 1:2:3:4 with yerrorbars lc rgb '#222222' lw 1.2 ps 0 notitle", index);
        index++;
    }
    text_add_string(&s, "\n");
    if (drawn)
        page_figure(p, &s, "cost",
                    page_say(p, "가장 빠른 구성에서의 비용. 막대 위 구간은 처리량의 95 % 구간과 가격 범위를 함께 반영",
                             "Cost at the fastest configuration; the bars carry the throughput's 95 % interval and the price range"));
    text_free(&s);
}
