/* Any bytes as a GGUF file: open, read everything, load and run what opens. */
#include "engine/engine.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static int fd = -1;
    char path[64];
    struct error err = {0};
    if (fd < 0)
        fd = memfd_create("fuzz", 0);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t)n)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct model_file *file = model_file_open(path, &err);
    if (!file)
        return 0;
    struct model_meta meta;
    struct model_tensor tensor;
    struct model_info info;
    for (size_t i = 0; model_file_meta(file, i, &meta); i++)
        ;
    for (size_t i = 0; model_file_tensor(file, i, &tensor); i++)
        ;
    struct tokenizer *tokenizer = tokenizer_open(file, &err);
    struct token_list list = {0};
    if (tokenizer)
        (void)tokenize(tokenizer, "저울 weighs 12", 16, TOKENIZE_BOS | TOKENIZE_SPECIAL, &list, &err);
    token_list_free(&list);
    tokenizer_close(tokenizer);
    if (model_file_info(file, &info, &err) && info.n_vocab < 10000 && info.n_embd < 1024 && info.n_ff < 1024 && info.n_experts < 256) {
        struct engine *engine =
            engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64, .max_rows = 2, .isa = "scalar"}, &err);
        int seq = engine ? engine_seq_new(engine, &err) : -1;
        struct engine_row rows[2] = {{.seq = seq, .token = 1}, {.seq = seq, .token = 2, .want = ENGINE_WANT_SCORE, .target = 0}};
        if (seq >= 0)
            (void)engine_step(engine, rows, 2, &err);
        engine_close(engine);
    }
    model_file_close(file);
    return 0;
}
