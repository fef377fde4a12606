/* The table of what a policy report rests on: every input once, with its origin. */
#include "reports/policy/figures.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_input(cJSON *inputs, const char *id, const char *ko, const char *en, const char *unit, const struct quantity *q)
{
    const cJSON *other;
    cJSON_ArrayForEach(other, inputs)
        if (strcmp(json_text(other, "id"), id) == 0)
            return;
    cJSON *row = cJSON_CreateObject();
    put_text(row, "id", id);
    put_text(row, "name_ko", ko);
    put_text(row, "name_en", en);
    put_number(row, "value", q->value);
    put_number(row, "low", q->low);
    put_number(row, "high", q->high);
    put_text(row, "unit", unit);
    put_text(row, "basis", basis_names[q->basis]);
    cJSON_AddBoolToObject(row, "secondary", q->secondary);
    put_text(row, "date", q->date);
    put_text(row, "source", q->source);
    put_text(row, "worked_ko", q->worked_ko);
    put_text(row, "worked_en", q->worked_en);
    put_text(row, "note_ko", q->note_ko);
    put_text(row, "note_en", q->note_en);
    cJSON_AddItemToArray(inputs, row);
}

static void add_device_inputs(cJSON *inputs, const struct device *d)
{
    const struct {
        const char *key, *ko, *en;
        const struct quantity *q;
    } rows[] = {{"memory_gb", "메모리", "memory", &d->memory_gb},
                {"bandwidth", "메모리 대역폭", "memory bandwidth", &d->read_bandwidth_gb_per_s},
                {"fp8", "FP8 최대 연산 (밀집)", "FP8 peak, dense", &d->fp8_tflops},
                {"bf16", "BF16 최대 연산 (밀집)", "BF16 peak, dense", &d->bf16_tflops},
                {"tdp", "TDP", "TDP", &d->tdp_w}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char id[160], ko[200], en[200];
        snprintf(id, sizeof id, "device/%.80s/%s", d->id, rows[i].key);
        snprintf(ko, sizeof ko, "%.100s %s", d->name, rows[i].ko);
        snprintf(en, sizeof en, "%.100s: %s", d->name, rows[i].en);
        if (!isnan(rows[i].q->value))
            add_input(inputs, id, ko, en, rows[i].q->unit, rows[i].q);
    }
}

static void add_model_inputs(cJSON *inputs, const struct model_shape *m)
{
    char id[160], ko[200], en[200];
    const struct quantity *fertilities[2] = {&m->fertility_ko, &m->fertility_en};
    const struct {
        const char *key, *ko, *en, *unit;
        double value;
    } rows[] = {{"total", "전체 매개변수", "parameters", "10⁹", m->total_parameters_b},
                {"active", "활성 매개변수", "active parameters", "10⁹", m->active_parameters_b},
                {"kv", "토큰당 KV 캐시 (F16)", "KV cache of a token (F16)", "bytes", m->kv_bytes_per_token}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct quantity q = {
            .value = rows[i].value, .low = rows[i].value, .high = rows[i].value, .basis = BASIS_FACT, .source = m->source, .date = m->date};
        snprintf(id, sizeof id, "model/%.100s/%s", m->id, rows[i].key);
        snprintf(ko, sizeof ko, "%.100s %s", m->id, rows[i].ko);
        snprintf(en, sizeof en, "%.100s: %s", m->id, rows[i].en);
        add_input(inputs, id, ko, en, rows[i].unit, &q);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(id, sizeof id, "model/%.100s/fertility_%s", m->id, i ? "en" : "ko");
        snprintf(ko, sizeof ko, "%.100s %s 1,000글자당 토큰", m->id, i ? "영어" : "한국어");
        snprintf(en, sizeof en, "%.100s: tokens in 1,000 %s characters", m->id, i ? "English" : "Korean");
        if (!isnan(fertilities[i]->value))
            add_input(inputs, id, ko, en, "tokens", fertilities[i]);
    }
}

static void add_tariff_input(cJSON *inputs, const struct tariff *t)
{
    char id[100], ko[240], en[240];
    struct quantity q = {.value = tariff_flat(t),
                         .basis = BASIS_FACT,
                         .source = t->source,
                         .date = t->date,
                         .secondary = true,
                         .worked_ko = "1년 내내 같은 부하의 평균. 기본요금, 기후환경요금, 연료비조정요금, 전력기금을 더하고 부가세를 뺐다",
                         .worked_en =
                             "mean of a load that never changes; with base charge, climate and fuel adders and the fund, without VAT"};
    q.low = q.high = q.value;
    snprintf(id, sizeof id, "tariff/%s", t->label);
    snprintf(ko, sizeof ko, "%.80s %.80s", t->class_ko, t->terms_ko);
    snprintf(en, sizeof en, "KEPCO %.80s, %.80s", t->class_en, t->terms_en);
    add_input(inputs, id, ko, en, "KRW/kWh", &q);
}

void policy_add_inputs(struct policy *p)
{
    const struct scenario *s = p->scenario;
    cJSON *inputs = cJSON_AddArrayToObject(p->root, "inputs");
    char id[160], ko[240], en[240];
    for (int i = 0; i < s->n_fleets; i++) {
        const struct fleet *f = &s->fleets[i];
        snprintf(id, sizeof id, "count/%.100s", f->id);
        snprintf(ko, sizeof ko, "%.160s 수", f->name_ko);
        snprintf(en, sizeof en, "%.160s: number", f->name_en);
        add_input(inputs, id, ko, en, "devices", &f->count);
        snprintf(id, sizeof id, "price/%.100s", f->id);
        snprintf(ko, sizeof ko, "%.160s %s", f->name_ko, f->rented ? "임차료" : "1장 가격");
        snprintf(en, sizeof en, "%.160s: %s", f->name_en, f->rented ? "rent" : "price of one");
        const char *unit = f->rented ? f->in_dollars ? "USD/h" : "KRW/h" : f->in_dollars ? "USD" : "KRW";
        if (f->priced)
            add_input(inputs, id, ko, en, unit, &f->price);
    }
    for (int i = 0; i < INPUTS; i++)
        add_input(inputs, input_names[i].key, input_names[i].name_ko, input_names[i].name_en, input_names[i].unit, &s->inputs[i]);
    for (int i = 0; i < s->n_tariffs; i++)
        add_tariff_input(inputs, &s->tariffs[i]);
    for (int i = 0; i < s->n_fleets; i++)
        add_device_inputs(inputs, &s->fleets[i].device);
    for (int i = 0; i < s->n_models; i++)
        add_model_inputs(inputs, &s->models[i]);
    for (int i = 0; i < s->n_apis; i++)
        for (int output = 0; output < 2; output++) {
            const struct api *api = &s->apis[i];
            snprintf(id, sizeof id, "api/%d/%s", i, output ? "output" : "input");
            snprintf(ko, sizeof ko, "%.160s %s", api->name_ko, output ? "출력" : "입력");
            snprintf(en, sizeof en, "%.160s, %s", api->name_en, output ? "output" : "input");
            add_input(inputs, id, ko, en, "USD/M tokens", output ? &api->output : &api->input);
        }
    for (int i = 0; i < s->n_indicators; i++)
        for (int part = 0; part < (s->indicators[i].ratio ? 2 : 1); part++) {
            const struct quantity *q = part ? &s->indicators[i].divisor : &s->indicators[i].fact;
            add_input(inputs, q->fact, catalog_fact_name(s->catalog, q->fact, true), catalog_fact_name(s->catalog, q->fact, false), q->unit,
                      q);
        }
    for (int i = 0; i < s->n_checks; i++) {
        const struct quantity *q = &s->checks[i].fact;
        add_input(inputs, q->fact, catalog_fact_name(s->catalog, q->fact, true), catalog_fact_name(s->catalog, q->fact, false), q->unit, q);
    }
}
