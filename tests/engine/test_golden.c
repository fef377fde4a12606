/* Golden models: the logits of a reference engine, met at any thread count, cut and instruction set. */
#include "tests/golden.h"

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/tensor.h"

#include <string.h>

struct run {
    const char *model; // directory in tests/data/goldens
    const char *isa;
    int threads, chunk; // rows in a step
    bool exact;
    enum engine_kv kv;
};

static bool is_there(const char *model)
{
    return access(golden_path(model, "model.gguf"), R_OK) == 0;
}

/* A model of each architecture and of each of its forms; "" + "_q8_0" is the quantised one. */
static const char *const architectures[] = {"olmoe",   "qwen3moe",  "qwen2moe",   "mixtral",    "ds2lite", "ds3",   "ds2legacy", "gptoss",
                                            "glm4moe", "solaropen", "exaone_moe", "granitemoe", "llama",   "qwen3", "exaone4"};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

/* Runs the 40 tokens and returns [40][n_vocab]; free with free(). */
static float *run_logits(const struct run *run, size_t *count)
{
    struct error err = {0};
    struct model_file *file = model_file_open(golden_path(run->model, "model.gguf"), &err);
    cr_assert_not_null(file, "%s", err.message);
    struct engine_options options = {.threads = run->threads, .kv = run->kv, .exact = run->exact, .isa = run->isa, .kv_tokens = 256};
    struct engine *engine = engine_open(file, &options, &err);
    cr_assert_not_null(engine, "%s", err.message);
    size_t n_vocab = (size_t)engine_facts(engine).n_vocab;
    float *logits = malloc(TOKENS * n_vocab * sizeof *logits);
    memset(logits, 0xFF, TOKENS * n_vocab * sizeof *logits); // NaN
    int32_t tokens[TOKENS];
    read_tokens(run->model, tokens);
    int seq = engine_seq_new(engine, &err);
    for (int at = 0; at < TOKENS; at += run->chunk) {
        struct engine_row rows[TOKENS];
        int n = TOKENS - at < run->chunk ? TOKENS - at : run->chunk;
        for (int i = 0; i < n; i++)
            rows[i] = (struct engine_row){
                .seq = seq, .token = tokens[at + i], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)(at + i) * n_vocab};
        cr_assert(engine_step(engine, rows, n, &err), "%s", err.message);
    }
    engine_close(engine);
    model_file_close(file);
    *count = TOKENS * n_vocab;
    return logits;
}

enum measure { OVERALL, WORST_POSITION };

/* NMSE over all positions, or the greatest of a position's. */
static double distance(const struct run *run, const char *reference, enum measure measure)
{
    size_t count, bytes;
    float *logits = run_logits(run, &count);
    float *wanted = (float *)(void *)read_whole(golden_path(run->model, reference), &bytes);
    cr_assert_eq(bytes, count * sizeof *wanted);
    double result = measure == OVERALL ? nmse(logits, wanted, count) : 0;
    for (size_t i = 0, n = count / TOKENS; measure == WORST_POSITION && i < TOKENS; i++)
        result = fmax(result, nmse(logits + i * n, wanted + i * n, n));
    free(logits);
    free(wanted);
    return result;
}

Test(golden, float_models_meet_the_reference_logits_in_every_cut_thread_count_and_instruction_set)
{
    const char *models[ARCHITECTURES + 1] = {"exaone4_swa"};
    const int chunks[] = {40, 1, 7, 24};
    memcpy(models + 1, architectures, sizeof architectures);
    for (size_t m = 0; m < ARCHITECTURES + 1; m++) {
        if (!is_there(models[m])) {
            printf("skipped: the golden %s is not there\n", models[m]);
            continue;
        }
        for (const char *const *isa = engine_isas(); *isa; isa++)
            for (int c = 0; c < 4; c++) {
                struct run run = {models[m], *isa, 1 + c % 3, chunks[c], false, ENGINE_KV_F32};
                double d = distance(&run, "logits.f32", WORST_POSITION);
                cr_expect(d <= 1e-9, "%s %s %d threads, steps of %d: NMSE %g", run.model, *isa, run.threads, chunks[c], d);
            }
    }
}

Test(golden, the_same_bits_whatever_the_cut_and_the_threads)
{
    const char *models[] = {"olmoe",           "qwen3moe_q8_0", "q256_q4_0",    "q256_q4_1",   "q256_q5_0",    "q256_q5_1",
                            "q256_q2_k",       "q256_q3_k",     "q256_q4_k",    "q256_q5_k",   "q256_q6_k",    "q256_iq4_nl",
                            "q256_iq4_xs",     "q256_mxfp4",    "ds3_q8_0",     "gptoss_q8_0", "gptoss_mxfp4", "exaone_moe_q8_0",
                            "granitemoe_q8_0", "exaone4_q8_0",  "qwen2moe_q8_0"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (const char *const *isa = engine_isas(); *isa; isa++) {
            size_t count;
            float *first = run_logits(&(struct run){models[m], *isa, 1, 40, false, ENGINE_KV_F16}, &count);
            for (int chunk = 1; chunk <= 13; chunk += 6) {
                float *other = run_logits(&(struct run){models[m], *isa, 2, chunk, false, ENGINE_KV_F16}, &count);
                cr_expect(memcmp(first, other, count * sizeof *first) == 0, "%s %s: steps of %d differ from one step of 40", models[m],
                          *isa, chunk);
                free(other);
            }
            free(first);
        }
}

/* The quantised models: of each architecture, and of each format. */
static const char *quantised(size_t index)
{
    static const char *const formats[] = {"q256_f16",    "q256_bf16",   "q256_q8_0",  "q256_q4_0",   "q256_q4_1", "q256_q5_0",
                                          "q256_q5_1",   "q256_q2_k",   "q256_q3_k",  "q256_q4_k",   "q256_q5_k", "q256_q6_k",
                                          "q256_iq4_nl", "q256_iq4_xs", "q256_mxfp4", "gptoss_mxfp4"};
    static char name[64];
    if (index >= ARCHITECTURES)
        return index - ARCHITECTURES < sizeof formats / sizeof *formats ? formats[index - ARCHITECTURES] : NULL;
    snprintf(name, sizeof name, "%s_q8_0", architectures[index]);
    return name;
}

Test(golden, exact_mode_meets_the_dequantised_reference)
{
    for (size_t i = 0; quantised(i); i++) {
        double d = distance(&(struct run){quantised(i), NULL, 2, 40, true, ENGINE_KV_F32}, "logits_dq.f32", WORST_POSITION);
        cr_expect(d <= 1e-9, "%s: NMSE %g", quantised(i), d);
    }
}

/* How far the reference engine's own logits are off those of its dequantised weights. */
static double reference_distance(const char *model)
{
    size_t bytes;
    float *own = (float *)(void *)read_whole(golden_path(model, "logits.f32"), &bytes);
    float *dequantised = (float *)(void *)read_whole(golden_path(model, "logits_dq.f32"), &bytes);
    double result = nmse(own, dequantised, bytes / sizeof *own);
    free(own);
    free(dequantised);
    return result;
}

/* Both round activations to 8 bits, each in its own way: the distances scatter around each other. */
Test(golden, integer_activations_are_no_farther_off_than_the_reference_engine_s)
{
    const double scatter = 1.1;
    for (size_t i = 0; quantised(i); i++)
        for (const char *const *isa = engine_isas(); *isa; isa++) {
            double d = distance(&(struct run){quantised(i), *isa, 2, 40, false, ENGINE_KV_F32}, "logits_dq.f32", OVERALL),
                   reference = reference_distance(quantised(i));
            cr_expect(d <= scatter * reference, "%s %s: NMSE %g, the reference has %g", quantised(i), *isa, d, reference);
        }
}

Test(tensor, dequantised_values_are_met_bit_for_bit)
{
    const struct tensor_format *format;
    struct error err = {0};
    struct model_file *file = model_file_open(golden_path("quants", "quants.gguf"), &err);
    cr_assert_not_null(file, "%s", err.message);
    for (size_t i = 0; (format = tensor_format_at(i)); i++) {
        if (format->type == TENSOR_F32) // its own definition
            continue;
        char name[64];
        float values[16 * 256];
        size_t bytes;
        snprintf(name, sizeof name, "q.%s", format->name);
        const struct tensor *tensor = gguf_tensor(file, name);
        cr_assert_not_null(tensor, "%s", name);
        cr_assert_eq(tensor->format, format);
        format->to_float(tensor->data, values, 16 * 256);
        snprintf(name, sizeof name, "%s.f32", format->name);
        char *wanted = read_whole(golden_path("quants", name), &bytes);
        cr_assert_eq(bytes, sizeof values);
        cr_expect(memcmp(wanted, values, bytes) == 0, "%s", format->name);
        free(wanted);
    }
    model_file_close(file);
}

Test(tensor, half_precision_round_trips_and_rounds_to_even)
{
    for (uint32_t half = 0; half < 0x10000; half++) {
        float value = f16_to_f32((uint16_t)half);
        if (value == value)
            cr_assert_eq(f32_to_f16(value), half);
        value = bf16_to_f32((uint16_t)half);
        if (value == value)
            cr_assert_eq(f32_to_bf16(value), half);
    }
    cr_assert_eq(f32_to_f16(1.0f + 0x1p-11f), 0x3C00);
    cr_assert_eq(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3C02);
    cr_assert_eq(f32_to_f16(65520.0f), 0x7C00);
    cr_assert_eq(f32_to_f16(65519.0f), 0x7BFF);
}
