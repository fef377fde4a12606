/* Expert load on a run's page: a heat map of experts and layers, Korean beside English, what they differ by, and a table. */
#include "reports/chart.h"
#include "reports/page.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const codes[] = {"ko", "en"};

/* A layer's row, NULL where it has no experts. */
static const cJSON *layer_row(const cJSON *load, int layer)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(load, "layers"))
        if (json_real(row, "layer") == layer)
            return row;
    return NULL;
}

/* Steps of tics so that there are nine or fewer. */
static int tics(int n)
{
    int step = 1;
    while (n / step > 8)
        step *= 2;
    return step;
}

/* A matrix of loads, 1 where it is even; the greatest is noted. A layer without experts is a row of NaN. */
static void put_matrix(struct text *s, const cJSON *load, const char *code, int first, int last, int experts, double *greatest)
{
    text_format(s, "$%s << EOD\n", code);
    for (int layer = first; layer <= last; layer++) {
        const cJSON *counts = cJSON_GetObjectItem(layer_row(load, layer), code), *value;
        double sum = 0;
        cJSON_ArrayForEach(value, counts)
            sum += value->valuedouble;
        if (sum <= 0)
            for (int e = 0; e < experts; e++)
                text_add_string(s, e ? " NaN" : "NaN");
        else
            cJSON_ArrayForEach(value, counts) {
                double even = value->valuedouble * experts / sum;
                *greatest = fmax(*greatest, even);
                text_format(s, "%s%.4g", value == counts->child ? "" : " ", even);
            }
        text_add_string(s, "\n");
    }
    text_add_string(s, "EOD\n");
}

static void put_divergence(struct text *s, const cJSON *load)
{
    const cJSON *row;
    text_add_string(s, "$js << EOD\n");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(load, "layers"))
        if (cJSON_IsNumber(cJSON_GetObjectItem(row, "bits")))
            text_format(s, "%.0f %.6g %.6g %.6g\n", json_real(row, "layer"), json_real(row, "bits"), json_real(row, "expected_bits"),
                        json_real(row, "p95_bits"));
    text_add_string(s, "EOD\n");
}

/* One language's panel, between two edges of the picture (shares of its width). */
static void heat_panel(struct page *p, struct text *s, int l, double left, double right, double bottom, int first, bool colours)
{
    text_format(s, "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen %.4f\nset title ", left, right, bottom);
    chart_quote(s, page_language(p, codes[l]));
    text_format(s, "\n%s colorbox\nset ylabel '%s'\nplot $%s matrix using 1:($2+%d):3 with image pixels notitle\n",
                colours ? "set" : "unset", l ? "" : page_say(p, "층", "layer"), codes[l], first);
}

/* From top to bottom, in pixels: title, heat maps, their axis, title, curve, its axis and key. */
enum { WIDTH = 960, ABOVE = 40, BETWEEN = 115, CURVE = 170, BELOW = 95 };

static int heat_pixels(int layers)
{
    return layers * 10 < 200 ? 200 : layers * 10 > 440 ? 440 : layers * 10;
}

/* The panel of the divergence below. */
static void curve_panel(struct page *p, struct text *s, int first, int last, int height)
{
    text_format(s,
                "set lmargin at screen 0.07\nset rmargin at screen 0.90\nset tmargin at screen %.4f\nset bmargin at screen %.4f\n"
                "set title '%s'\nset grid y lc rgb '#dddddd' lw 1 lt 1\nset xrange [%.1f:%.1f]\nset yrange [0:*]\nset xtics %d\n"
                "set ytics autofreq\nset format y '%%.3g'\nset xlabel '%s'\nunset ylabel\n"
                "set key at graph 0.5, screen %.4f center center horizontal maxrows 1 samplen 3\n",
                (double)(CURVE + BELOW) / height, (double)BELOW / height,
                page_say(p, "한국어와 영어의 차이: JS 발산 (비트)", "Difference between Korean and English: JS divergence (bits)"),
                first - 0.5, last + 0.5, tics(last - first + 1), page_say(p, "층", "layer"), 14.0 / height);
    text_format(s,
                "plot $js using 1:2 with linespoints lt 1 pt 7 ps 0.6 title '%s', $js using 1:3 with lines lt 6 dt 2 title '%s', "
                "$js using 1:4 with lines lc rgb '#555555' dt 3 lw 1.5 title '%s'\nunset multiplot\n",
                page_say(p, "잰 값", "measured"), page_say(p, "같은 분포일 때의 기대값", "expected if alike"),
                page_say(p, "그 95 % 분위수", "its 95th percentile"));
}

static void draw(struct page *p, const cJSON *load, int index)
{
    const cJSON *layers = cJSON_GetObjectItem(load, "layers");
    int first = (int)json_real(layers->child, "layer"),
        last = (int)json_real(cJSON_GetArrayItem(layers, cJSON_GetArraySize(layers) - 1), "layer"),
        experts = (int)json_real(load, "experts"), heat = heat_pixels(last - first + 1), height = ABOVE + heat + BETWEEN + CURVE + BELOW;
    double greatest = 0;
    struct text s = {0}, caption = {0};
    char id[40];
    chart_begin(&s, WIDTH, height);
    put_matrix(&s, load, "ko", first, last, experts, &greatest);
    put_matrix(&s, load, "en", first, last, experts, &greatest);
    put_divergence(&s, load);
    /* one hue from light to dark: told apart in grey and by colour-blind readers alike */
    text_format(
        &s,
        "set palette defined (0 '#f7fbff', 0.25 '#b5d4ea', 0.5 '#5aa2cf', 0.75 '#0072B2', 1 '#00263f')\nset cbrange [0:%.4g]\n"
        "set cblabel '%s'\nunset grid\nset xrange [-0.5:%.1f]\nset yrange [%.1f:%.1f]\nset xtics %d\nset ytics %d\nset xlabel '%s'\n"
        "set multiplot\nset tmargin at screen %.4f\n",
        greatest, page_say(p, "부하 (1 = 고르게 나눔)", "load (1 = even)"), experts - 0.5, first - 0.5, last + 0.5, tics(experts),
        tics(last - first + 1), page_say(p, "전문가", "expert"), 1 - (double)ABOVE / height);
    double bottom = 1 - (double)(ABOVE + heat) / height;
    heat_panel(p, &s, 0, 0.07, 0.46, bottom, first, false);
    heat_panel(p, &s, 1, 0.51, 0.90, bottom, first, true);
    curve_panel(p, &s, first, last, height);
    snprintf(id, sizeof id, "experts%d", index);
    page_escape(&caption, json_text(load, "model"));
    text_format(&caption, ": %s",
                page_say(p, "층과 전문가마다 처리한 토큰의 몫(위)과, 층마다 두 언어의 분포가 다른 정도(아래)",
                         "share of the tokens by layer and expert (above), and what the two languages' distributions differ by (below)"));
    if ((p->ok = p->ok && text_ok(&caption, p->err)))
        page_figure(p, &s, id, caption.bytes);
    text_free(&caption);
    text_free(&s);
}

static double mean_bits(const cJSON *load, const char *key)
{
    double sum = 0;
    int n = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(load, "layers")) {
        sum += json_real(row, key);
        n++;
    }
    return sum / n;
}

static void table(struct page *p)
{
    const cJSON *load, *row;
    text_format(
        &p->html,
        "<div class=scroll><table><tr><th class=t>%s</th><th class=t>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th><th>%s</th></tr>\n",
        page_say(p, "모델", "model"), page_say(p, "언어", "language"), page_say(p, "층마다 보낸 수", "routed in a layer"),
        page_say(p, "쏠림 (최대 ÷ 평균)", "imbalance (max ÷ mean)"), page_say(p, "엔트로피 (1 = 고르게)", "entropy (1 = even)"),
        page_say(p, "두 언어의 차이 (비트)", "difference (bits)"), page_say(p, "우연의 몫 (비트)", "by chance (bits)"));
    cJSON_ArrayForEach(load, cJSON_GetObjectItem(p->figures, "expert_load"))
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(load, "languages")) {
            text_add_string(&p->html, "<tr>");
            page_cell_text(&p->html, json_text(load, "model"));
            text_format(&p->html, "<td class=t>%s<sup>1</sup></td>", page_language(p, json_text(row, "language")));
            page_cell_count(&p->html, json_real(row, "routed"));
            page_cell_number(&p->html, json_real(row, "imbalance"));
            page_cell_number(&p->html, json_real(row, "entropy"));
            page_cell_number(&p->html, mean_bits(load, "bits"));
            double chance = mean_bits(load, "expected_bits");
            text_format(&p->html, isfinite(chance) ? "<td>%.2g</td></tr>\n" : "<td>–</td></tr>\n", chance);
        }
    text_add_string(&p->html, "</table></div>\n");
}

void page_expert_load(struct page *p)
{
    const cJSON *load;
    int index = 0;
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(p->figures, "expert_load"))) {
        page_paragraph(p, "전문가 부하: 전문가가 있는 모델을 평가하지 않았다.", "Expert load: no model with experts was evaluated.");
        return;
    }
    text_format(&p->html, "<h3>%s</h3>\n", page_say(p, "전문가 부하", "Expert load"));
    cJSON_ArrayForEach(load, cJSON_GetObjectItem(p->figures, "expert_load")) {
        if (cJSON_GetArraySize(cJSON_GetObjectItem(load, "languages")) == 2)
            draw(p, load, index++);
        else {
            text_add_string(&p->html, "<p>");
            page_escape(&p->html, json_text(load, "model"));
            text_format(&p->html, ": %s</p>\n",
                        page_say(p, "두 언어를 모두 평가해야 비교할 수 있다.", "tasks of both languages are needed to compare them."));
        }
    }
    table(p);
    text_format(
        &p->html, "<p class=note>%s</p>\n",
        page_say(
            p,
            "평가에서 실제로 계산한 토큰을 세며, 여러 문항이 함께 쓰는 앞부분은 한 번만 센다. 차이는 옌센–섀넌 발산이다 (Lin 1991, 밑 "
            "2): JS = ½ Σ p log₂(p/m) + ½ Σ q log₂(q/m), m = (p + q)/2; 0이면 같고 1이면 겹치지 않는다. 센 수가 유한해서 분포가 같아도 0이 "
            "되지 않으므로, 두 언어를 합친 분포에서 같은 수만큼 1,000번 뽑은 평균과 95 % 분위수를 함께 그렸다. 토큰이 서로 독립이라고 "
            "보았으니 실제 우연은 이보다 조금 크다.",
            "Counted are the tokens that the evaluation computed; a beginning that items share counts once. The difference is Jensen and "
            "Shannon's divergence (Lin 1991, base 2): JS = ½ Σ p log₂(p/m) + ½ Σ q log₂(q/m), m = (p + q)/2; 0 is alike, 1 disjoint. "
            "Counts "
            "are finite, so that it is not 0 where distributions are alike: drawn beside it are mean and 95th percentile of 1,000 draws "
            "of as many counts from the pooled distribution. They take tokens as independent; real chance is somewhat larger."));
}
