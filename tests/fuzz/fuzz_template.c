/* Any text as a template, filled from a record that has the text behind its first line as a field; the same text as a list, as a condition,
 * and as a filter that a task defines. */
#include "eval/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static cJSON *make_record(const char *value, size_t n)
{
    cJSON *record = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(record, "l"), *object = cJSON_AddObjectToObject(record, "o");
    cJSON_AddStringToObject(record, "a", value);
    cJSON_AddNumberToObject(record, "n", (double)n);
    cJSON_AddBoolToObject(record, "b", n & 1);
    cJSON_AddNumberToObject(record, "h", (double)n / 7);
    cJSON_AddStringToObject(record, "p", "['x', \"y\", 'z\\'']");
    cJSON_AddNullToObject(record, "z");
    for (int i = 0; i < 3; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "t", value);
        cJSON_AddItemToArray(list, one);
    }
    cJSON_AddNumberToObject(object, "yes", 1);
    cJSON_AddStringToObject(object, "no", value);
    return record;
}

static void must_explain(bool ok, const struct error *err)
{
    if (!ok && (err->code == ERROR_NONE || !err->message[0]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *source = malloc(n + 1);
    if (!source)
        return 0;
    if (n)
        memcpy(source, bytes, n);
    source[n] = '\0';
    char *value = strchr(source, '\n');
    if (value)
        *value++ = '\0';
    cJSON *record = make_record(value ? value : "", n), *filters = cJSON_CreateObject();
    cJSON_AddStringToObject(filters, "own", source);
    struct template_patterns patterns = {0};
    struct template_scope scope = {.record = record, .filters = filters, .patterns = &patterns, .where = "fuzz"};
    struct error err = {0};
    struct text out = {0};
    struct template_list list = {0};
    bool holds, ok = template_fill(&scope, source, &out, &err);
    must_explain(ok, &err);
    if (ok && (!out.bytes || out.bytes[out.length] != '\0'))
        abort();
    text_clear(&out);
    err = (struct error){0};
    must_explain(template_fill(&scope, "{a|own}", &out, &err), &err);
    err = (struct error){0};
    ok = template_list(&scope, source, &list, &err);
    must_explain(ok, &err);
    for (size_t i = 0; ok && i < list.n; i++)
        if (!list.texts[i].bytes || strlen(list.texts[i].bytes) != list.texts[i].length)
            abort();
    err = (struct error){0};
    must_explain(template_holds(&scope, source, &holds, &err), &err);
    template_list_free(&list);
    text_free(&out);
    template_patterns_free(&patterns);
    cJSON_Delete(record);
    cJSON_Delete(filters);
    free(source);
    return 0;
}
