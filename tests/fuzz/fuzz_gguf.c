/* Any bytes as a GGUF file: opened, described and its tokenizer made, or refused. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz.gguf", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t)n)
        return 0;
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    if (!file) {
        if (err.code == ERROR_NONE || !err.message[0])
            abort();
        return 0;
    }
    struct model_info info;
    struct model_meta meta;
    struct model_tensor tensor;
    for (size_t i = 0; model_file_meta(file, i, &meta); i++)
        if (!meta.key || !meta.type || !meta.value)
            abort();
    for (size_t i = 0; model_file_tensor(file, i, &tensor); i++)
        if (tensor.offset > n || tensor.bytes > n - tensor.offset)
            abort();
    if (!model_file_info(file, &info, &err) && err.code == ERROR_NONE)
        abort();
    struct tokenizer *tokenizer = tokenizer_open(file, &err);
    if (tokenizer) {
        struct token_list tokens = {0};
        if (tokenize(tokenizer, (const char *)bytes, n < 256 ? n : 256, TOKENIZE_BOS | TOKENIZE_SPECIAL, &tokens, &err))
            for (size_t i = 0; i < tokens.count; i++) {
                size_t length;
                if (!token_bytes(tokenizer, tokens.ids[i], &length))
                    abort();
            }
        token_list_free(&tokens);
    }
    tokenizer_close(tokenizer);
    model_file_close(file);
    return 0;
}
