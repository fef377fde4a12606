/* Any bytes as what a training reads: its file, a grammar, a checkpoint, a text that a vocabulary is learnt from (the first byte chooses).
 */
#include "base/random.h"
#include "datasets/corpus/grammar.h"
#include "engine/train.h"
#include "harness/training.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VOCABULARY = 300, DOCUMENTS = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char path[64], written[80];

static void remove_all(void)
{
    unlink(path);
    unlink(written);
}

static bool put(const uint8_t *bytes, size_t n)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/fuzz_training.XXXXXX");
        int file = mkstemp(path);
        if (file < 0 || close(file) != 0)
            abort();
        snprintf(written, sizeof written, "%s.out", path);
        atexit(remove_all);
    }
    FILE *file = fopen(path, "w");
    bool ok = file && fwrite(bytes, 1, n, file) == n;
    return file && fclose(file) == 0 && ok;
}

/* What is refused is explained. */
static void must_explain(bool ok, const struct error *err)
{
    if (!ok && (err->code == ERROR_NONE || !err->message[0]))
        abort();
}

static void try_grammar(struct error *err)
{
    struct hold_out held = {0};
    struct grammar *grammar = grammar_open(path, &held, err);
    must_explain(grammar != NULL, err);
    for (uint64_t i = 0; grammar && i < DOCUMENTS; i++) {
        struct random random = random_seed(1, i);
        struct text out = {0};
        int document = grammar_document(grammar, &random);
        if (grammar_document_name(grammar, document)[0] != '@')
            must_explain(grammar_expand(grammar, document, &random, &out, err), err);
        text_free(&out);
    }
    grammar_close(grammar);
}

static void try_checkpoint(struct error *err)
{
    static struct trainer *trainer;
    static const int32_t tokens[] = {1, 2, 3};
    static const size_t starts[] = {0, 3};
    struct train_data data = {.tokens = tokens, .starts = starts, .n_sequences = 1};
    struct train_shape shape = {.name = "x",
                                .arch = "qwen3",
                                .n_layers = 1,
                                .n_embd = 8,
                                .n_heads = 1,
                                .n_kv_heads = 1,
                                .head_dim = 8,
                                .n_vocab = 8,
                                .context_length = 8,
                                .n_ff = 8,
                                .tied = true,
                                .rope_base = 10000,
                                .deviation = 0.1};
    struct train_settings settings = {.seed = 1, .steps = 4, .tokens_per_step = 16, .rate = 1e-3, .threads = 1};
    if (!trainer && !(trainer = trainer_open(&shape, &settings, &data, NULL, err)))
        abort();
    must_explain(trainer_load(trainer, path, err), err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct error err = {0};
    if (!n || !put(bytes + 1, n - 1))
        return 0;
    switch (bytes[0] & 3) {
    case 0: {
        struct training_config config;
        must_explain(training_config_read(path, &config, &err), &err);
        training_config_free(&config);
        break;
    }
    case 1:
        try_grammar(&err);
        break;
    case 2:
        try_checkpoint(&err);
        break;
    default: {
        struct vocabulary_options options = {.pre = "qwen2", .tokens = VOCABULARY, .longest_bytes = bytes[0] >> 2 & 7};
        must_explain(vocabulary_train((const char *)bytes + 1, n - 1, &options, written, &err), &err);
    }
    }
    return 0;
}
