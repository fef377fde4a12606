/* Any bytes as what a reference's logits are kept in, or (a first byte that isn't 0) as a run document with expert load. */
#include "base/json.h"
#include "harness/kl_file.h"
#include "reports/expert_load.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void read_reference(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    struct kl_texts texts = {0};
    struct kl_reader reader;
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = kl_reader_open(&reader, path, &texts, &err);
    float *row = ok ? malloc(reader.n_vocab * sizeof *row) : NULL;
    for (size_t i = 0; ok && i < kl_texts_scored(&texts); i++)
        ok = kl_reader_rows(&reader, row, 1, &err);
    for (size_t i = 0; ok && i < texts.tokens.count; i++)
        if (texts.tokens.ids[i] < 0 || (size_t)texts.tokens.ids[i] >= reader.n_vocab)
            abort();
    if (!ok && (err.code == ERROR_NONE || !err.message[0]))
        abort();
    free(row);
    kl_reader_close(&reader);
    kl_texts_free(&texts);
    close(fd);
}

static void derive_load(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    cJSON *run = json_parse("fuzz", (const char *)bytes, n, &err), *figures = cJSON_CreateObject();
    if (run && !expert_load_derive(run, figures, &err) && !err.message[0])
        abort();
    cJSON_Delete(run);
    cJSON_Delete(figures);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n > 0)
        (bytes[0] ? derive_load : read_reference)(bytes + 1, n - 1);
    return 0;
}
