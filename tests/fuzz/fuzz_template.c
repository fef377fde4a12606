/* Any text as a template over a fixed record. */
#include "eval/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    struct text out = {0};
    char *source = malloc(n + 1);
    memcpy(source, bytes, n);
    source[n] = '\0';
    cJSON *record = cJSON_Parse("{\"a\": \" Ab [x] [title] c\", \"n\": 3, \"list\": [1]}");
    (void)!template_fill(source, record, "fuzz", &out, &err);
    text_free(&out);
    cJSON_Delete(record);
    free(source);
    return 0;
}
