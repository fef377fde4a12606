/* The golden models on whatever machine this runs on, without a test library: every instruction set meets the references, and the vector
 * paths' bits do not depend on threads or steps. For processors that only an emulator has. Prints what fails; exit code 1. */
#include "engine/engine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char goldens[] = "tests/data/goldens";
enum { TOKENS = 40 };
static int failures, checks;

static void check(bool ok, const char *model, const char *isa, const char *what, double value)
{
    checks++;
    if (ok)
        return;
    failures++;
    printf("FAIL %s %s: %s %g\n", model, isa, what, value);
}

static float *read_floats(const char *model, const char *name, size_t *n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%.200s/%.100s", goldens, model, name);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return NULL;
    fseek(stream, 0, SEEK_END);
    *n = (size_t)ftell(stream) / sizeof(float);
    rewind(stream);
    float *values = malloc(*n * sizeof *values);
    if (values && fread(values, sizeof *values, *n, stream) != *n) {
        free(values);
        values = NULL;
    }
    fclose(stream);
    return values;
}

static bool read_tokens(const char *model, int32_t tokens[TOKENS])
{
    char path[512];
    snprintf(path, sizeof path, "%s/%.200s/tokens.txt", goldens, model);
    FILE *stream = fopen(path, "r");
    bool ok = stream != NULL;
    for (int i = 0; ok && i < TOKENS; i++)
        ok = fscanf(stream, "%d", &tokens[i]) == 1;
    if (stream)
        fclose(stream);
    return ok;
}

/* [TOKENS][n_vocab], or NULL where the model cannot be run. */
static float *run(const char *model, const struct engine_options *options, int step)
{
    char path[512];
    struct error err = {0};
    int32_t tokens[TOKENS];
    snprintf(path, sizeof path, "%s/%.200s/model.gguf", goldens, model);
    struct model_file *file = read_tokens(model, tokens) ? model_file_open(path, &err) : NULL;
    struct engine *engine = file ? engine_open(file, options, &err) : NULL;
    size_t n_vocab = engine ? (size_t)engine_facts(engine).n_vocab : 0;
    float *logits = engine ? malloc(TOKENS * n_vocab * sizeof *logits) : NULL;
    int seq = logits ? engine_seq_new(engine, &err) : -1;
    for (int at = 0; seq >= 0 && at < TOKENS; at += step) {
        struct engine_row rows[TOKENS];
        int n = TOKENS - at < step ? TOKENS - at : step;
        for (int i = 0; i < n; i++)
            rows[i] = (struct engine_row){
                .seq = seq, .token = tokens[at + i], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)(at + i) * n_vocab};
        if (!engine_step(engine, rows, n, &err))
            seq = -1;
    }
    engine_close(engine);
    model_file_close(file);
    if (seq >= 0)
        return logits;
    printf("FAIL %s: %s\n", model, err.message);
    failures++;
    free(logits);
    return NULL;
}

static double nmse(const float *a, const float *b, size_t n)
{
    double error = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        all += (double)b[i] * (double)b[i];
    }
    return error / all;
}

/* Quantised models as far from their dequantised reference as the reference engine's own logits are, others at float precision. */
static void check_model(const char *model, const char *isa)
{
    size_t n, n_own;
    float *dequantised = read_floats(model, "logits_dq.f32", &n), *own = read_floats(model, "logits.f32", &n_own);
    struct engine_options options = {.threads = 2, .kv = ENGINE_KV_F32, .kv_tokens = 64, .isa = isa};
    float *whole = own ? run(model, &options, TOKENS) : NULL;
    options.threads = 1;
    float *single = whole ? run(model, &options, 7) : NULL;
    if (single) {
        double limit = dequantised ? 1.2 * nmse(own, dequantised, n) : 1e-9, distance = nmse(whole, dequantised ? dequantised : own, n_own);
        check(distance <= limit, model, isa, "NMSE", distance);
        check(memcmp(whole, single, n_own * sizeof *whole) == 0, model, isa, "bits differ between steps of 40 and of", 7);
    }
    float *arrays[] = {dequantised, own, whole, single};
    for (int i = 0; i < 4; i++)
        free(arrays[i]);
}

int main(void)
{
    DIR *directory = opendir(goldens);
    const struct dirent *entry;
    if (!directory) {
        printf("%s is not there: run this from the repository's root\n", goldens);
        return 1;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.') || strcmp(entry->d_name, "quants") == 0)
            continue;
        for (const char *const *isa = engine_isas(); *isa; isa++)
            check_model(entry->d_name, *isa);
    }
    closedir(directory);
    printf("%d checks, %d failed, on %s\n", checks, failures, engine_isas()[0]);
    return failures || !checks;
}
