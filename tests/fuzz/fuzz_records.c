/* Any bytes as records: the first byte chooses the format. */
#include "datasets/datasets.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    if (n)
        cJSON_Delete(records_parse("fuzz", (const char *)bytes + 1, n - 1,
                                   &(struct record_options){.format = (enum record_format)(bytes[0] & 3)}, 0, &err));
    return 0;
}
