/* Any bytes as a data file: the first byte chooses the format and the limit. */
#include "datasets/datasets.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const columns[] = {"a", "b", NULL};
    if (n == 0)
        return 0;
    struct record_options options = {.format = (enum record_format)(bytes[0] & 3), .columns = bytes[0] & 4 ? columns : NULL};
    size_t limit = bytes[0] & 8 ? 2 : 0;
    struct error err = {0};
    cJSON *records = records_parse("fuzz", (const char *)bytes + 1, n - 1, &options, limit, &err);
    if (records ? !cJSON_IsArray(records) || (limit && cJSON_GetArraySize(records) > 2) : err.code == ERROR_NONE || !err.message[0])
        abort();
    cJSON_Delete(records);
    return 0;
}
