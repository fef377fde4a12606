/* Any text as a template, filled from a record whose one field is the text behind its first line. */
#include "eval/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

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
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "a", value ? value : "");
    cJSON_AddNumberToObject(record, "n", (double)n);
    cJSON_AddBoolToObject(record, "b", n & 1);
    struct error err = {0};
    struct text out = {0};
    bool ok = template_fill(source, record, "fuzz", &out, &err);
    if (ok ? !out.bytes || out.bytes[out.length] != '\0' : err.code == ERROR_NONE || !err.message[0])
        abort();
    text_free(&out);
    static const char *const filters[] = {"strip", "capitalise", "hellaswag"};
    for (size_t i = 0; i < 3; i++) {
        struct text text = {0};
        text_add_string(&text, value ? value : "");
        if (!template_filter(filters[i], strlen(filters[i]), "fuzz", &text, &err) || strlen(text.bytes) != text.length)
            abort();
        text_free(&text);
    }
    cJSON_Delete(record);
    free(source);
    return 0;
}
