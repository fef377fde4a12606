/* Golden models on OpenCL: logits of the reference engine, for every architecture and format. On a machine without an OpenCL device they
 * are skipped, saying so. */
#include "tests/golden.h"
#include "tests/gpu.h"

#include <string.h>

/* The logits of the 40 tokens in steps of the given rows, one after the other and over again; free with free(). */
static float *run_logits(const char *model, enum engine_kv kv, bool exact, const int *steps, size_t n_steps, size_t *count)
{
    struct error err = {0};
    struct model_file *file = model_file_open(golden_path(model, "model.gguf"), &err);
    cr_assert_not_null(file, "%s", err.message);
    struct engine_options options = {.backend = "opencl", .device = GPU_TEST_DEVICE, .kv = kv, .kv_tokens = 256, .exact = exact};
    struct engine *engine = engine_open(file, &options, &err);
    cr_assert_not_null(engine, "%s: %s", model, err.message);
    size_t n_vocab = (size_t)engine_facts(engine).n_vocab;
    float *logits = malloc(TOKENS * n_vocab * sizeof *logits);
    memset(logits, 0xFF, TOKENS * n_vocab * sizeof *logits); // NaN
    int32_t tokens[TOKENS];
    read_tokens(model, tokens);
    int seq = engine_seq_new(engine, &err);
    for (int at = 0, step = 0; at < TOKENS; step++) {
        struct engine_row rows[TOKENS];
        int n = steps[step % (int)n_steps];
        n = TOKENS - at < n ? TOKENS - at : n;
        for (int i = 0; i < n; i++, at++)
            rows[i] =
                (struct engine_row){.seq = seq, .token = tokens[at], .want = ENGINE_WANT_LOGITS, .logits = logits + (size_t)at * n_vocab};
        cr_assert(engine_step(engine, rows, n, &err), "%s: %s", model, err.message);
    }
    engine_close(engine);
    model_file_close(file);
    *count = TOKENS * n_vocab;
    return logits;
}

/* The greatest NMSE of a position. */
static double distance(const char *model, const char *reference, bool exact, const int *steps, size_t n_steps)
{
    size_t count, bytes;
    float *logits = run_logits(model, ENGINE_KV_F32, exact, steps, n_steps, &count);
    float *wanted = (float *)(void *)read_whole(golden_path(model, reference), &bytes);
    cr_assert_eq(bytes, count * sizeof *wanted);
    double result = 0;
    for (size_t i = 0, n = count / TOKENS; i < TOKENS; i++)
        result = fmax(result, nmse(logits + i * n, wanted + i * n, n));
    free(logits);
    free(wanted);
    return result;
}

Test(gpu_golden, float_models_meet_the_reference_logits)
{
    static const char *const models[] = {"olmoe",     "qwen3moe", "qwen2moe", "mixtral",    "ds2lite",    "ds3",
                                         "ds2legacy", "gptoss",   "glm4moe",  "solaropen",  "exaone_moe", "granitemoe",
                                         "llama",     "qwen3",    "exaone4",  "exaone4_swa"};
    static const int steps[] = {24, 1, 3, 1, 9};
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (access(golden_path(models[i], "model.gguf"), R_OK) != 0) {
            printf("skipped: the golden %s is not there\n", models[i]);
            continue;
        }
        double d = distance(models[i], "logits.f32", true, steps, sizeof steps / sizeof *steps);
        cr_expect(d <= 1e-9, "%s: NMSE %g", models[i], d);
    }
}

Test(gpu_golden, quantised_models_meet_the_logits_of_their_dequantised_weights)
{
    static const char *const models[] = {"q256_f16",    "q256_bf16",   "q256_q8_0",  "q256_q4_0",    "q256_q4_1", "q256_q5_0",
                                         "q256_q5_1",   "q256_q2_k",   "q256_q3_k",  "q256_q4_k",    "q256_q5_k", "q256_q6_k",
                                         "q256_iq4_nl", "q256_iq4_xs", "q256_mxfp4", "gptoss_mxfp4", "ds3_q8_0",  "qwen3moe_q8_0"};
    static const int steps[] = {40};
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        double d = distance(models[i], "logits_dq.f32", true, steps, 1);
        cr_expect(d <= 1e-9, "%s: NMSE %g", models[i], d);
    }
}

Test(gpu_golden, the_same_bits_whatever_the_cut)
{
    static const char *const models[] = {"olmoe", "qwen3moe_q8_0", "q256_q4_k", "ds3_q8_0", "gptoss_mxfp4"};
    static const int whole[] = {40}, ones[] = {1}, parts[] = {7, 1, 13};
    NEEDS_OPENCL();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        size_t count;
        float *first = run_logits(models[i], ENGINE_KV_F16, true, whole, 1, &count);
        float *others[] = {run_logits(models[i], ENGINE_KV_F16, true, ones, 1, &count),
                           run_logits(models[i], ENGINE_KV_F16, true, parts, 3, &count)};
        for (int k = 0; k < 2; k++) {
            cr_expect(memcmp(first, others[k], count * sizeof *first) == 0, "%s: cut %d differs from one step of 40", models[i], k);
            free(others[k]);
        }
        free(first);
    }
}

/* Weights and activations rounded to BF16: about 2^-9 each. */
Test(gpu_golden, emulated_matrix_units_stay_within_their_rounding_and_give_the_same_bits_whatever_the_cut)
{
    static const char *const models[] = {"qwen3moe_q8_0", "ds3_q8_0", "gptoss_mxfp4"};
    static const int whole[] = {40}, parts[] = {7, 1, 13};
    NEEDS_OPENCL();
    setenv("JEOUL_GPU", "mma", 1);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        size_t count, bytes;
        float *first = run_logits(models[i], ENGINE_KV_BF16, false, whole, 1, &count),
              *other = run_logits(models[i], ENGINE_KV_BF16, false, parts, 3, &count),
              *wanted = (float *)(void *)read_whole(golden_path(models[i], "logits_dq.f32"), &bytes);
        double d = nmse(first, wanted, count);
        cr_expect(d <= 1e-3, "%s: NMSE %g", models[i], d);
        cr_expect(d >= 1e-8, "%s: NMSE %g: nothing was rounded", models[i], d);
        cr_expect(memcmp(first, other, count * sizeof *first) == 0, "%s: another cut gives other bits", models[i]);
        free(first), free(other), free(wanted);
    }
}
