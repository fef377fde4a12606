/* Quantising files: what is converted, what stays, and failures that leave nothing. */
#include "tests/support.h"

#include "base/random.h"
#include "engine/engine.h"
#include "engine/gguf.h"

#include <string.h>

static const char olmoe[] = "tests/data/goldens/olmoe/model.gguf"; // rows of 64 values, F32
static char directory[64], path[96];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/jeoul-test-convert-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/model.gguf", directory);
}

static void remove_directory(void)
{
    unlink(path);
    cr_expect_eq(rmdir(directory), 0, "something is left behind");
}

TestSuite(convert, .init = make_directory, .fini = remove_directory);

static struct model_file *open_file(const char *name)
{
    struct error err = {0};
    struct model_file *file = model_file_open(name, &err);
    cr_assert_not_null(file, "%s", err.message);
    return file;
}

static struct quantize_report quantize(const char *from, const char *quantisation, int threads)
{
    struct error err = {0};
    struct quantize_report report;
    struct model_file *file = open_file(from);
    struct quantize_options options = {.quantisation = quantisation, .threads = threads};
    cr_assert(quantize_write(file, path, &options, &report, &err), "%s: %s", quantisation, err.message);
    model_file_close(file);
    return report;
}

static void expect_refused(const char *from, const char *to, const char *quantisation, const char *words)
{
    struct error err = {0};
    struct quantize_report report;
    struct model_file *file = open_file(from);
    struct quantize_options options = {.quantisation = quantisation, .threads = 1};
    cr_expect_not(quantize_write(file, to, &options, &report, &err));
    cr_expect_eq(err.code, ERROR_INPUT, "%s", err.message);
    cr_expect(strstr(err.message, words), "%s", err.message);
    model_file_close(file);
}

Test(convert, matrices_are_converted_and_the_router_norms_and_metadata_stay)
{
    struct quantize_report report = quantize(olmoe, "q8_0", 2);
    struct model_file *from = open_file(olmoe), *to = open_file(path);
    const struct tensor *tensor, *other;
    size_t n = 0;
    for (; (tensor = gguf_tensor_at(from, n)); n++) {
        other = gguf_tensor_at(to, n);
        cr_assert(other && strcmp(tensor->name, other->name) == 0);
        cr_expect_arr_eq(tensor->shape, other->shape, sizeof tensor->shape);
        bool matrix = tensor->n_dims > 1 && !strstr(tensor->name, "ffn_gate_inp");
        cr_expect_eq(other->format->type, matrix ? TENSOR_Q8_0 : TENSOR_F32, "%s", tensor->name);
        if (!matrix)
            cr_expect_arr_eq(tensor->data, other->data, tensor->bytes, "%s", tensor->name);
    }
    cr_expect_null(gguf_tensor_at(to, n));
    cr_expect_eq(report.tensors, (int)n);
    cr_expect(report.converted > 0 && report.bytes_after < report.bytes_before / 3);
    cr_expect_eq(report.n_fallbacks, 0);
    const struct gguf_value *value, *same;
    for (size_t i = 0; (value = gguf_value_at(from, i)); i++) {
        cr_assert_not_null(same = gguf_find(to, value->key), "%s", value->key);
        if (strcmp(value->key, "general.file_type") == 0 || strcmp(value->key, "general.quantization_version") == 0)
            continue;
        cr_expect(value->type == same->type && value->element == same->element && value->count == same->count, "%s", value->key);
        cr_expect_arr_eq(value->data, same->data, gguf_value_bytes(value), "%s", value->key);
    }
    uint32_t type = 0, version = 0;
    struct error err = {0};
    cr_assert(gguf_need_u32(to, "general.file_type", &type, &err) && gguf_need_u32(to, "general.quantization_version", &version, &err));
    cr_expect_eq(type, 7);
    cr_expect_eq(version, 2);
    model_file_close(from);
    model_file_close(to);
}

Test(convert, every_type_opens_and_runs)
{
    for (const char *const *name = quantize_names(); *name; name++) {
        struct error err = {0};
        quantize(olmoe, *name, 1);
        struct model_file *file = open_file(path);
        struct engine *engine = engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64}, &err);
        cr_assert_not_null(engine, "%s: %s", *name, err.message);
        struct engine_row row = {.seq = engine_seq_new(engine, &err), .token = 65, .want = ENGINE_WANT_SCORE, .target = 66};
        cr_assert(engine_step(engine, &row, 1, &err), "%s", err.message);
        cr_expect(isfinite(row.log_probability));
        engine_close(engine);
        model_file_close(file);
    }
}

Test(convert, rows_that_fit_no_block_get_a_type_that_fits_and_are_told)
{
    struct quantize_report report = quantize(olmoe, "Q4_K", 1); // rows of 64 values: no multiple of 256
    cr_assert_eq(report.n_fallbacks, 1);
    cr_expect_str_eq(report.fallbacks[0].wanted, "Q4_K");
    cr_expect_str_eq(report.fallbacks[0].instead, "Q5_0");
    cr_expect_eq(report.fallbacks[0].count, report.converted);
    struct model_file *file = open_file(path);
    cr_expect_eq(gguf_tensor(file, "blk.0.attn_q.weight")->format->type, TENSOR_Q5_0);
    model_file_close(file);
}

Test(convert, the_bytes_do_not_depend_on_the_threads)
{
    size_t n, m;
    quantize("tests/data/goldens/q256_f16/model.gguf", "q4_k_m", 1);
    char *one = read_whole(path, &n);
    quantize("tests/data/goldens/q256_f16/model.gguf", "q4_k_m", 3);
    char *three = read_whole(path, &m);
    cr_expect(n == m && memcmp(one, three, n) == 0);
    free(one);
    free(three);
}

Test(convert, a_type_that_is_there_already_is_copied)
{
    size_t n, m;
    struct quantize_report report = quantize("tests/data/goldens/q256_q4_k/model.gguf", "q4_k", 1);
    cr_expect_eq(report.converted, 0);
    struct model_file *from = open_file("tests/data/goldens/q256_q4_k/model.gguf"), *to = open_file(path);
    const struct tensor *a = gguf_tensor(from, "token_embd.weight"), *b = gguf_tensor(to, "token_embd.weight");
    n = a->bytes;
    m = b->bytes;
    cr_expect(n == m && memcmp(a->data, b->data, n) == 0);
    model_file_close(from);
    model_file_close(to);
}

Test(convert, what_cannot_be_quantised_is_refused_and_leaves_nothing)
{
    char bad[128];
    size_t n;
    expect_refused(olmoe, path, "q9", "no quantisation \"q9\"");
    expect_refused(olmoe, olmoe, "q8_0", "is the input itself");
    expect_refused(olmoe, "/nowhere/model.gguf", "q8_0", "cannot be written");
    expect_refused("tests/data/goldens/quants/quants.gguf", path, "q8_0", "(IQ1_S) is not supported");
    snprintf(bad, sizeof bad, "%s/bad.gguf", directory);
    const float values[] = {NAN, INFINITY, -INFINITY, 1e6f};
    for (int i = 0; i < 4; i++) {
        struct model_file *file = open_file(olmoe);
        size_t at = gguf_tensor(file, "blk.0.attn_q.weight")->offset + 4000;
        model_file_close(file);
        char *bytes = read_whole(olmoe, &n);
        memcpy(bytes + at, &values[i], 4);
        FILE *stream = fopen(bad, "wb");
        cr_assert(stream && fwrite(bytes, 1, n, stream) == n && fclose(stream) == 0);
        free(bytes);
        expect_refused(bad, path, "q8_0", i < 3 ? "not finite" : "magnitude 1e+06");
        cr_expect_neq(access(path, F_OK), 0, "a failure leaves a file");
    }
    unlink(bad);
}

/* Damaged files: converted or refused as bad input, never a crash. */
Test(convert, flipped_bits_never_crash, .timeout = 300)
{
    size_t n;
    char bad[128], *bytes = read_whole("tests/data/goldens/q256_q2_k/model.gguf", &n);
    struct random random = random_seed(1, 1);
    snprintf(bad, sizeof bad, "%s/bad.gguf", directory);
    for (int round = 0; round < 300; round++) {
        size_t at = (size_t)(random_unit(&random) * (round % 3 ? 14000 : (double)n)); // most in the header
        char bit = (char)(1 << round % 8);
        bytes[at] ^= bit;
        FILE *stream = fopen(bad, "wb");
        cr_assert(stream && fwrite(bytes, 1, n, stream) == n && fclose(stream) == 0);
        bytes[at] ^= bit;
        struct error err = {0};
        struct quantize_report report;
        struct model_file *file = model_file_open(bad, &err);
        bool ok = file && quantize_write(file, path, &(struct quantize_options){.quantisation = "mxfp4", .threads = 1}, &report, &err);
        cr_expect(ok || (err.code == ERROR_INPUT && err.message[0]), "byte %zu: code %d: %s", at, (int)err.code, err.message);
        model_file_close(file);
    }
    free(bytes);
    unlink(bad);
}
