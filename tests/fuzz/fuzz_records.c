/* Any bytes as a data file, an archive of one, or a source: the first byte chooses the format, its options and the limit. */
#include "base/json.h"
#include "datasets/datasets.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { FORMAT = 7, COLUMNS = 8, LIMIT = 16, ARRAY = 32, MEMBER = 64, SOURCE = 128 };

static void parse_source(const char *bytes, size_t n)
{
    struct error err = {0};
    cJSON *document = json_parse("fuzz", bytes, n, &err);
    struct source *source = document ? source_parse("fuzz", document, &err) : NULL;
    if (!source && (err.code == ERROR_NONE || !err.message[0]))
        abort();
    for (int i = 0; source && i < source->n_files; i++)
        if (source->files[i].path[0] == '/' || (!source->files[i].url && !source->files[i].url_reason))
            abort();
    source_free(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const columns[] = {"a", "b", NULL};
    if (n == 0)
        return 0;
    int choice = bytes[0];
    const char *text = (const char *)bytes + 1;
    if (choice & SOURCE) {
        parse_source(text, n - 1);
        return 0;
    }
    struct record_options options = {.format = (enum record_format)(choice & FORMAT),
                                     .columns = choice & COLUMNS ? columns : NULL,
                                     .array = choice & ARRAY ? "examples" : NULL,
                                     .member = choice & MEMBER ? "a" : NULL};
    size_t limit = choice & LIMIT ? 2 : 0;
    struct error err = {0};
    cJSON *records = records_parse("fuzz", text, n - 1, &options, limit, &err);
    if (records ? !cJSON_IsArray(records) || (limit && cJSON_GetArraySize(records) > 2) : err.code == ERROR_NONE || !err.message[0])
        abort();
    const cJSON *record;
    cJSON_ArrayForEach(record, records)
        if (!cJSON_IsObject(record))
            abort();
    cJSON_Delete(records);
    return 0;
}
