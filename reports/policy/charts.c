/* Charts of a policy report. */
#include "reports/policy/page.h"

#include "base/json.h"
#include "reports/chart.h"

#include <math.h>
#include <string.h>

static void quote_named(struct page *p, struct text *s, const cJSON *object)
{
    chart_quote(s, json_text(object, page_say(p, "name_ko", "name_en")));
}

/* Bars to both sides of the base, the longest at the top. */
void chart_tornado(struct page *p)
{
    const cJSON *lever, *list = cJSON_GetObjectItem(p->figures, "tornado");
    double base = json_real(cJSON_GetObjectItem(cJSON_GetObjectItem(p->figures, "totals"), "blended_krw"), "value");
    struct text s = {0};
    int row = 0, count = cJSON_GetArraySize(list);
    if (isnan(base))
        return;
    chart_begin(&s, 960, 80 + 30 * count);
    text_add_string(&s, "unset grid\nset grid x lc rgb '#dddddd' lw 1 lt 1\nset ytics (");
    cJSON_ArrayForEach(lever, list) {
        text_add_string(&s, row ? ", " : "");
        quote_named(p, &s, lever);
        text_format(&s, " %d", count - row++);
    }
    text_format(&s, ") scale 0\nset yrange [0.4:%.1f]\nset xlabel '%s'\nset key outside top center horizontal\n$bars << EOD\n", count + 0.6,
                page_say(p, "100만 토큰당 원", "won per million tokens"));
    row = 0;
    cJSON_ArrayForEach(lever, list)
        text_format(&s, "%d %.6g %.6g\n", count - row++, json_real(lever, "at_low_krw"), json_real(lever, "at_high_krw"));
    text_format(&s,
                "EOD\nset arrow from %.6g, graph 0 to %.6g, graph 1 nohead lc rgb '#222222' lw 1.5 front\n"
                "plot $bars using (%.6g):1:(%.6g):2:($1-0.36):($1+0.36) with boxxyerror lc rgb '#0072B2' title '%s', "
                "$bars using (%.6g):1:(%.6g):3:($1-0.36):($1+0.36) with boxxyerror lc rgb '#E69F00' title '%s'\n",
                base, base, base, base, page_say(p, "입력이 낮은 끝일 때", "input at its low end"), base, base,
                page_say(p, "입력이 높은 끝일 때", "input at its high end"));
    page_figure(p, &s, "tornado",
                page_say(p, "하나씩 바꾸었을 때의 토큰 값 (세로줄은 기준, 추정)",
                         "Price of a token, one lever at a time (line: the base; projected)"));
    text_free(&s);
}

/* What a device-hour is made of, stacked. */
void chart_hour(struct page *p)
{
    const struct {
        const char *key, *ko, *en;
    } parts[] = {{"equipment", "장비", "equipment"},
                 {"building", "건물", "building"},
                 {"operation", "운영 (연구개발 공제 뒤)", "operation (after R\\&D credit)"},
                 {"electricity", "전기", "electricity"}};
    const cJSON *fleet;
    struct text s = {0}, names = {0};
    int count = 0;
    chart_begin(&s, 960, 320);
    text_add_string(&s, "$hours << EOD\n");
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets")) {
        if (cJSON_IsNull(cJSON_GetObjectItem(fleet, "hour_krw")))
            continue;
        const cJSON *hour = cJSON_GetObjectItem(fleet, "hour_parts_krw");
        text_format(&names, "%s", count ? ", " : "");
        quote_named(p, &names, fleet);
        text_format(&names, " %d", count);
        text_format(&s, "%d", count++);
        double sum = 0;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            double below = sum;
            sum += json_real(hour, parts[i].key);
            text_format(&s, " %.6g %.6g", below, sum);
        }
        text_add_string(&s, "\n");
    }
    text_format(&s,
                "EOD\nunset grid\nset grid x lc rgb '#dddddd' lw 1 lt 1\nset ytics (%s) scale 0\nset yrange [%.1f:-0.6]\nset xrange "
                "[0:*]\nset xlabel '%s'\nset key outside top center horizontal\nplot ",
                names.bytes ? names.bytes : "", count - 0.4, page_say(p, "1장·시간당 원", "won per device-hour"));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        text_format(&s, "%s$hours using %d:1:%d:%d:($1-0.3):($1+0.3) with boxxyerror lt %d title '%s'", i ? ", " : "", (int)(2 * i + 2),
                    (int)(2 * i + 2), (int)(2 * i + 3), (int)i + 1, page_say(p, parts[i].ko, parts[i].en));
    text_add_string(&s, "\n");
    if (count)
        page_figure(p, &s, "hour", page_say(p, "가속기 1장·시간의 비용 구성 (추정)", "What a device-hour is made of (projected)"));
    text_free(&s);
    text_free(&names);
}

void chart_models(struct page *p)
{
    const cJSON *model;
    struct text s = {0}, names = {0};
    int count = 0;
    chart_begin(&s, 960, 340);
    text_add_string(&s, "$models << EOD\n");
    cJSON_ArrayForEach(model, cJSON_GetObjectItem(p->figures, "models")) {
        double krw = json_real(model, "blended_krw");
        if (isnan(krw))
            continue;
        const char *id = json_text(model, "id"), *slash = strchr(id, '/');
        bool dense = cJSON_IsTrue(cJSON_GetObjectItem(model, "dense"));
        struct text name = {0};
        text_format(&name, "%s%s", slash ? slash + 1 : id, dense ? page_say(p, " (밀집이라면)", " (if dense)") : "");
        text_add_string(&names, count ? ", " : "");
        chart_quote(&names, name.bytes ? name.bytes : "");
        text_format(&names, " %d", count);
        text_free(&name);
        text_format(&s, "%d %.6g %d\n", count++, krw, dense ? 2 : 1);
    }
    text_format(&s,
                "EOD\nunset grid\nset grid x lc rgb '#dddddd' lw 1 lt 1\nset ytics (%s) scale 0\nset yrange [%.1f:-0.6]\nset xrange "
                "[0:*]\nset xlabel '%s'\nunset key\n"
                "plot $models using (0):1:(0):2:($1-0.34):($1+0.34):($3==2?0xE69F00:0x0072B2) with boxxyerror lc rgb variable, "
                "$models using 2:1:(sprintf('%%.0f', $2)) with labels left offset 0.6,0\n",
                names.bytes ? names.bytes : "", count - 0.4, page_say(p, "100만 토큰당 원", "won per million tokens"));
    if (count)
        page_figure(
            p, &s, "models",
            page_say(p, "모델별 토큰 값, 같은 물량과 조건 (추정)", "Price of a token by model, same fleets and conditions (projected)"));
    text_free(&s);
    text_free(&names);
}

void chart_years(struct page *p)
{
    const cJSON *year;
    struct text s = {0};
    chart_begin(&s, 960, 320);
    text_add_string(&s, "$years << EOD\n");
    cJSON_ArrayForEach(year, cJSON_GetObjectItem(p->figures, "years"))
        text_format(&s, "%.0f %.6g %.6g\n", json_real(year, "year"), json_real(year, "investment_krw") / 1e12,
                    json_real(year, "year_krw") / 1e12);
    text_format(
        &s,
        "EOD\nset ylabel '%s'\nset yrange [0:*]\nset xrange [%.0f.4:%.0f.6]\nset xtics 1\nset key outside top center horizontal\n"
        "plot $years using ($1-0.2):2:(0.38) with boxes lt 1 title '%s', $years using ($1+0.2):3:(0.38) with boxes lt 2 title '%s'\n",
        page_say(p, "조 원", "trillion won"), json_real(p->figures, "from_year") - 1, json_real(p->figures, "to_year"),
        page_say(p, "투자 (장비와 건물)", "investment (equipment and building)"), page_say(p, "연간 비용", "cost of the year"));
    page_figure(p, &s, "years", page_say(p, "해마다의 투자와 비용 (추정)", "Investment and cost by year (projected)"));
    text_free(&s);
}
