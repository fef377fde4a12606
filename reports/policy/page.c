/* A policy report as a page: the frame, and the typesetting by which measured, projected and assumed figures are told apart. */
#include "reports/policy/page.h"

#include "base/file.h"
#include "base/json.h"
#include "reports/policy/policy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What somebody wrote down keeps its digits; what was measured or projected has three. */
static void put_words(struct page *p, const char *basis, enum word word, double value)
{
    bool given = strcmp(basis, "fact") == 0 || strcmp(basis, "assumed") == 0;
    (given ? words_add_exact : words_add)(&p->html, p->language, word, value);
}

void put_value(struct page *p, const char *basis, enum word word, double value)
{
    if (!isfinite(value)) {
        text_add_string(&p->html, "–");
        return;
    }
    text_format(&p->html, "<span class=%s>", basis);
    put_words(p, basis, word, value);
    text_add_string(&p->html, "</span>");
}

void put_ends(struct page *p, const char *basis, enum word word, double low, double high)
{
    put_words(p, basis, word, low);
    text_add_string(&p->html, " … ");
    put_words(p, basis, word, high);
}

void put_interval_value(struct page *p, const char *basis, enum word word, const cJSON *interval)
{
    double value = json_real(interval, "value"), low = json_real(interval, "low"), high = json_real(interval, "high");
    put_value(p, basis, word, value);
    if (low < high) {
        text_add_string(&p->html, "<br><span class=note>");
        put_ends(p, basis, word, low, high);
        text_add_string(&p->html, "</span>");
    }
}

/* Footnotes in a row are kept apart. */
static void part_footnotes(struct page *p)
{
    static const char end[] = "</a></sup>";
    size_t n = sizeof end - 1;
    if (p->html.length > n && memcmp(p->html.bytes + p->html.length - n, end, n) == 0)
        text_add_string(&p->html, "<sup>, </sup>");
}

void put_formula(struct page *p, enum formula formula)
{
    part_footnotes(p);
    text_format(&p->html, "<sup><a href=\"#F%d\">F%d</a></sup>", (int)formula, (int)formula);
}

static int input_row(const struct page *p, const char *id)
{
    const cJSON *row;
    int number = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(p->figures, "inputs")) {
        number++;
        if (strcmp(json_text(row, "id"), id) == 0)
            return number;
    }
    return 0;
}

const cJSON *page_input(const struct page *p, const char *id)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItem(p->figures, "inputs"), input_row(p, id) - 1);
}

void put_source(struct page *p, const char *input)
{
    int row = input_row(p, input);
    if (!row)
        return;
    part_footnotes(p);
    text_format(&p->html, "<sup><a href=\"#A%d\">%d</a></sup>", row, row);
}

void put_month(struct page *p, const char *month)
{
    int year, number;
    if (p->language == REPORT_KO && sscanf(month, "%4d-%2d", &year, &number) == 2)
        text_format(&p->html, "%d년 %d월", year, number);
    else
        page_escape(&p->html, month);
}

enum word page_input_word(const cJSON *input)
{
    const char *unit = json_text(input, "unit");
    bool share = strcmp(unit, "share") == 0 || strcmp(unit, "of price") == 0 || strcmp(unit, "per year") == 0;
    return share ? WORD_PERCENT : strcmp(unit, "KRW") == 0 ? WORD_WON : WORD_PLAIN;
}

const char *page_input_unit(const struct page *p, const cJSON *input)
{
    static const struct {
        const char *unit, *ko, *en;
    } units[] = {{"devices", "장", ""},
                 {"requests", "건", " requests"},
                 {"tokens", " 토큰", " tokens"},
                 {"bytes", "바이트", " bytes"},
                 {"years", "년", " years"},
                 {"GPUs", "장", " GPUs"},
                 {"10⁹", "×10⁹", "×10⁹"},
                 {"KRW/kWh", "원/kWh", " won/kWh"},
                 {"KRW/USD", "원/달러", " won/USD"},
                 {"KRW/h", "원/시간", " won/h"},
                 {"USD", "달러", " USD"},
                 {"USD/h", "달러/시간", " USD/h"},
                 {"USD/W", "달러/W", " USD/W"},
                 {"USD/M tokens", "달러/100만 토큰", " USD per million tokens"},
                 {"GB", " GB", " GB"},
                 {"GB/s", " GB/s", " GB/s"},
                 {"TFLOP/s", " TFLOP/s", " TFLOP/s"},
                 {"W", " W", " W"},
                 {"kW", " kW", " kW"},
                 {"GW", " GW", " GW"},
                 {"tCO2e/MWh", " tCO<sub>2</sub>e/MWh", " tCO<sub>2</sub>e/MWh"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].unit, json_text(input, "unit")) == 0)
            return page_say(p, units[i].ko, units[i].en);
    return "";
}

void put_input(struct page *p, const char *id, enum word word)
{
    const cJSON *input = page_input(p, id);
    put_value(p, input ? json_text(input, "basis") : "fact", word, json_real(input, "value"));
    put_source(p, id);
}

void begin_table(struct page *p, const struct head *heads)
{
    text_add_string(&p->html, "<div class=scroll><table><thead><tr>");
    for (; heads->ko; heads++) {
        text_format(&p->html, "<th%s>%s", heads->text ? " class=t" : "", page_say(p, heads->ko, heads->en));
        if (heads->formula)
            put_formula(p, heads->formula);
    }
    text_add_string(&p->html, "</tr></thead>\n");
}

void end_table(struct page *p)
{
    text_add_string(&p->html, "</table></div>\n");
}

void put_note(struct page *p, const char *ko, const char *en)
{
    text_format(&p->html, "<p class=note>%s</p>\n", page_say(p, ko, en));
}

void put_named(struct page *p, const cJSON *object, const char *key)
{
    char name[64];
    snprintf(name, sizeof name, "%.50s_%s", key, page_say(p, "ko", "en"));
    page_escape(&p->html, json_text(object, name));
}

const cJSON *page_fleet(const struct page *p, const char *id)
{
    const cJSON *fleet;
    cJSON_ArrayForEach(fleet, cJSON_GetObjectItem(p->figures, "fleets"))
        if (strcmp(json_text(fleet, "id"), id) == 0)
            return fleet;
    return NULL;
}

static bool write_page(struct page *p)
{
    page_open(p, "저울 정책 보고서", "jeoul policy report", json_text(p->figures, "title_ko"), json_text(p->figures, "title_en"));
    section_summary(p);
    section_scenario(p);
    section_accuracy(p);
    section_performance(p);
    section_energy(p);
    section_cost(p);
    section_procurement(p);
    section_supply(p);
    section_checks(p);
    section_not_shown(p);
    section_method(p);
    section_inputs(p);
    return page_finish(p);
}

bool policy_write(const cJSON *figures, const char *directory, bool korean, bool english, struct error *err)
{
    char path[4096], *json = cJSON_Print(figures);
    snprintf(path, sizeof path, "%.4000s/policy.json", directory);
    bool ok = json && file_make_directory(directory, err) && file_write(path, json, strlen(json), err);
    free(json);
    for (int language = 0; ok && language < 2; language++) {
        if (!(language == REPORT_KO ? korean : english))
            continue;
        struct page page = {.language = (enum report_language)language, .figures = figures, .err = err};
        snprintf(path, sizeof path, "%.4000s/policy.%s.html", directory, language == REPORT_KO ? "ko" : "en");
        ok = write_page(&page) && file_write(path, page.html.bytes, page.html.length, err);
        text_free(&page.html);
    }
    return ok;
}
