/* What all pages share: self-contained HTML for the screen (1280 px, a phone) and for A4, one style, numbers and dates in two languages.
 * Measured figures are upright, assumed ones in italics with a mark. Everything from outside is escaped. */
#include "reports/page.h"

#include "base/json.h"
#include "reports/chart.h"
#include "reports/reasons.h"
#include "reports/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A rule a line. */
// clang-format off
static const char style[] =
    ":root{--ink:#1a1a1a;--soft:#555;--line:#ccc;--mark:#0072B2}"
    "*{box-sizing:border-box}"
    "body{font:16px/1.6 'Noto Sans KR','Noto Sans CJK KR',NanumGothic,'Malgun Gothic',system-ui,sans-serif;color:var(--ink);max-width:60rem;"
    "margin:0 auto;padding:2rem 1.25rem;word-break:keep-all;overflow-wrap:break-word}"
    "h1{font-size:1.7rem;line-height:1.3;margin:0 0 .3rem}"
    "h2{font-size:1.2rem;margin:2.4rem 0 .6rem;border-bottom:2px solid var(--ink);padding-bottom:.2rem}"
    "h3{font-size:1rem;margin:1.6rem 0 .4rem}"
    ".sub,figcaption,.note{color:var(--soft);font-size:.9rem}"
    ".warn{border-left:4px solid #D55E00;background:#fdf3ec;padding:.6rem .9rem;margin:1rem 0}"
    ".keys{display:flex;flex-wrap:wrap;gap:1rem;margin:1.2rem 0;padding:0;list-style:none}"
    ".keys li{flex:1 1 15rem;border:1px solid var(--line);padding:.8rem 1rem}"
    ".keys b{display:block;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}"
    ".keys span{font-size:.9rem;color:var(--soft)}"
    ".keys b span{font-size:inherit;color:inherit}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums;margin:.6rem 0}"
    "th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}"
    "th{border-bottom:2px solid var(--ink);font-weight:600}"
    "th:first-child,td:first-child,td.t,th.t{text-align:left}"
    "td.d{white-space:nowrap}"
    ".inputs{font-size:.82rem}"
    ".inputs td:last-child{overflow-wrap:anywhere}"
    "figure{margin:1rem 0}"
    "svg{max-width:100%;height:auto}"
    ".measured{font-weight:700}"
    ".projected{border-bottom:1px dotted var(--soft)}"
    ".projected::after{content:'\\2021'}"
    ".assumed{font-style:italic}"
    ".assumed::after{content:'\\2020'}"
    "sup{font-size:.7em;line-height:0;color:var(--mark)}"
    "sub{font-size:.75em;line-height:0}"
    "sup a{color:inherit;text-decoration:none}"
    "code{font-size:.85em;overflow-wrap:anywhere}"
    "dl{display:grid;grid-template-columns:2.4rem 1fr;gap:.4rem .6rem;font-size:.92rem}"
    "dd{margin:0}"
    "ol.src{font-size:.9rem;padding-left:1.4rem}"
    "@page{size:A4;margin:16mm}"
    "@media print{html{font-size:12.5px}body{font-size:1rem;padding:0;max-width:none}"
    "h2,h3,thead tr{break-after:avoid}"
    "figure,tr,.keys{break-inside:avoid}"
    ".scroll{overflow:visible}}";
// clang-format on

const char *page_say(const struct page *page, const char *ko, const char *en)
{
    return page->language == REPORT_KO ? ko : en;
}

const char *page_language(const struct page *p, const char *code)
{
    return strcmp(code, "ko") == 0 ? page_say(p, "한국어", "Korean") : strcmp(code, "en") == 0 ? page_say(p, "영어", "English") : code;
}

const char *page_phase(const struct page *p, const char *phase)
{
    return strcmp(phase, "prefill") == 0 ? page_say(p, "프리필", "prefill") : page_say(p, "디코드", "decode");
}

void page_escape(struct text *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            text_add_string(out, "&amp;");
            break;
        case '<':
            text_add_string(out, "&lt;");
            break;
        case '>':
            text_add_string(out, "&gt;");
            break;
        case '"':
            text_add_string(out, "&quot;");
            break;
        case '\'':
            text_add_string(out, "&#39;");
            break;
        default:
            text_add(out, text, 1);
        }
}

void page_reason(struct page *p, const char *reason)
{
    const char *rest = reason, *korean = p->language == REPORT_KO ? reason_korean(reason, &rest) : NULL;
    text_add_string(&p->html, korean ? korean : "");
    page_escape(&p->html, korean ? rest : reason);
}

void page_range(struct text *out, const cJSON *interval, double factor)
{
    words_number(out, factor * json_real(interval, "low"));
    text_add_string(out, " … ");
    words_number(out, factor * json_real(interval, "high"));
}

void page_cell_text(struct text *out, const char *value)
{
    text_add_string(out, "<td class=t>");
    page_escape(out, value);
    text_add_string(out, "</td>");
}

void page_cell_number(struct text *out, double value)
{
    text_add_string(out, "<td>");
    words_number(out, value);
    text_add_string(out, "</td>");
}

void page_cell_count(struct text *out, double value)
{
    text_add_string(out, "<td>");
    words_count(out, value);
    text_add_string(out, "</td>");
}

void page_heading(struct page *p, const char *ko, const char *en)
{
    text_format(&p->html, "<h2>%s</h2>\n", page_say(p, ko, en));
}

void page_paragraph(struct page *p, const char *ko, const char *en)
{
    text_format(&p->html, "<p>%s</p>\n", page_say(p, ko, en));
}

/* "2026년 11월 23일" or as it is. */
void page_date(struct page *p, const char *iso)
{
    int year, month, day;
    if (p->language == REPORT_KO && sscanf(iso, "%4d-%2d-%2d", &year, &month, &day) == 3)
        text_format(&p->html, "%d년 %d월 %d일", year, month, day);
    else
        text_format(&p->html, "%.10s", iso);
}

void page_stale_price(struct page *p, const cJSON *price)
{
    if (!cJSON_IsTrue(cJSON_GetObjectItem(price, "stale")))
        return;
    text_format(&p->html, page_say(p, "<p class=warn>가격이 오래되었다: %.0f일 전 (", "<p class=warn>The price is stale: %.0f days old ("),
                json_real(price, "age_days"));
    page_escape(&p->html, json_text(price, "id"));
    text_add_string(&p->html, ").</p>\n");
}

void page_figure(struct page *p, const struct text *script, const char *id, const char *caption)
{
    if (!p->ok)
        return;
    text_add_string(&p->html, "<figure>");
    p->ok = text_ok(script, p->err) && chart_draw(script->bytes, id, caption, &p->html, p->err);
    text_format(&p->html, "<figcaption>%s</figcaption></figure>\n", caption);
}

void page_open(struct page *p, const char *ko, const char *en, const char *heading_ko, const char *heading_en)
{
    p->ok = true;
    text_format(&p->html,
                "<!DOCTYPE html>\n<html lang=%s>\n<head>\n<meta charset=utf-8>\n<meta name=viewport "
                "content=\"width=device-width,initial-scale=1\">\n<title>%s: ",
                page_say(p, "ko", "en"), page_say(p, ko, en));
    page_escape(&p->html, json_text(p->figures, "plan"));
    text_format(&p->html, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    page_escape(&p->html, page_say(p, heading_ko, heading_en));
    text_add_string(&p->html, "</h1>\n<p class=sub>");
    page_escape(&p->html, json_text(p->figures, "plan"));
    text_add_string(&p->html, " · ");
    page_date(p, json_text(p->figures, "started"));
    const char *run = json_text(p->figures, "run_id"), *scenario = json_text(p->figures, "sha256");
    text_format(&p->html, " · %s <code>", run[0] ? page_say(p, "실행", "run") : page_say(p, "시나리오 SHA-256", "scenario SHA-256"));
    page_escape(&p->html, run[0] ? run : scenario);
    text_add_string(&p->html, "</code></p>\n");
}

bool page_finish(struct page *p)
{
    text_add_string(&p->html, "</body>\n</html>\n");
    return p->ok && text_ok(&p->html, p->err);
}
