/* Any bytes as a GGUF file: opened, described, its tokenizer made and two tokens computed, or refused. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A step of two tokens; models that only claim to be large are left out, since the fuzzer limits what may be asked for. */
static void compute(struct model_file *file, const struct model_info *info)
{
    enum { SMALL = 1 << 16 };
    struct error err = {0};
    struct engine_options options = {.threads = 1, .kv_tokens = 64, .max_rows = 2, .kv = ENGINE_KV_F32};
    int64_t widths[] = {info->n_embd,
                        info->n_layers,
                        (int64_t)info->n_heads * info->head_dim,
                        (int64_t)info->n_ff * info->top_k,
                        (int64_t)info->n_layers * info->n_experts,
                        info->n_vocab};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (widths[i] > SMALL)
            return;
    struct engine *engine = engine_open(file, &options, &err);
    if (!engine) {
        if (err.code == ERROR_NONE || !err.message[0])
            abort();
        return;
    }
    int seq = engine_seq_new(engine, &err);
    struct engine_row rows[2] = {{.seq = seq, .token = 0}, {.seq = seq, .token = info->n_vocab - 1, .want = ENGINE_WANT_SCORE}};
    if (seq >= 0 && !engine_step(engine, rows, info->context_length > 1 ? 2 : 1, &err) && err.code == ERROR_NONE)
        abort();
    engine_close(engine);
}

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
    if (model_file_info(file, &info, &err))
        compute(file, &info);
    else if (err.code == ERROR_NONE)
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
