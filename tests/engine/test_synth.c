/* Synthetic models: the same bytes on any number of threads, files that open, and failures that leave nothing. */
#include "tests/support.h"

#include "engine/engine.h"
#include "engine/synth.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

static char directory[64];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/jeoul-test-synth-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static const char *in_directory(const char *name)
{
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* Counts the files in the directory; removes them when told. */
static int count_files(bool removing)
{
    DIR *stream = opendir(directory);
    int n = 0;
    cr_assert_not_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            n++;
            if (removing)
                remove(in_directory(entry->d_name));
        }
    closedir(stream);
    return n;
}

static void remove_directory(void)
{
    count_files(true);
    rmdir(directory);
}

TestSuite(synth, .init = make_directory, .fini = remove_directory);

static void write_shape(const char *path, const char *shape, const char *quantisation, uint64_t seed, int threads)
{
    struct error err = {0};
    struct synth_options options = {.shape = shape, .quantisation = quantisation, .seed = seed, .threads = threads};
    cr_assert(synth_write(path, &options, &err), "%s", err.message);
}

Test(synth, the_bytes_do_not_depend_on_the_threads)
{
    size_t n[3];
    char *bytes[3];
    for (int i = 0; i < 3; i++) { // the third has another seed
        write_shape(in_directory("model.gguf"), "tiny", "q8_0", i == 2 ? 8 : 7, i == 1 ? 2 : 1);
        bytes[i] = read_whole(in_directory("model.gguf"), &n[i]);
    }
    cr_expect_eq(n[0], n[1]);
    cr_expect_eq(memcmp(bytes[0], bytes[1], n[0]), 0, "one and two threads write different bytes");
    cr_expect_eq(n[0], n[2]);
    cr_expect_neq(memcmp(bytes[0], bytes[2], n[0]), 0, "two seeds write the same bytes");
    cr_expect_eq(count_files(false), 1, "nothing else stays behind");
    for (int i = 0; i < 3; i++)
        free(bytes[i]);
}

static void files_open_and_run(const char *shape, const char *const *wanted)
{
    for (size_t i = 0; wanted[i]; i++) {
        struct error err = {0};
        write_shape(in_directory("model.gguf"), shape, wanted[i], 1, 2);
        struct model_file *file = model_file_open(in_directory("model.gguf"), &err);
        cr_assert_not_null(file, "%s: %s", wanted[i], err.message);
        struct model_info info;
        cr_assert(model_file_info(file, &info, &err), "%s", err.message);
        cr_expect(info.random_weights);
        cr_expect(strncasecmp(info.quantisation, wanted[i], strlen(info.quantisation)) == 0, "%s is described as %s", wanted[i],
                  info.quantisation);
        struct tokenizer *tokenizer = tokenizer_open(file, &err);
        cr_assert_not_null(tokenizer, "%s", err.message);
        cr_expect_eq(tokenizer_info(tokenizer).n_vocab, info.n_vocab);
        struct engine *engine = engine_open(file, &(struct engine_options){.threads = 2, .kv_tokens = 64}, &err);
        cr_assert_not_null(engine, "%s", err.message);
        struct engine_row row = {.seq = engine_seq_new(engine, &err), .token = 65, .want = ENGINE_WANT_SCORE, .target = 66};
        cr_assert(engine_step(engine, &row, 1, &err), "%s", err.message);
        cr_expect(isfinite(row.log_probability) && row.log_probability < 0);
        engine_close(engine);
        tokenizer_close(tokenizer);
        model_file_close(file);
    }
}

Test(synth, files_of_every_quantisation_open_and_run)
{
    files_open_and_run("tiny", synth_quantisations());
}

Test(synth, files_of_every_architecture_open_and_run)
{
    static const char *const shapes[] = {"tiny-qwen3", "tiny-llama", "tiny-gpt-oss"}, *const quantisations[] = {"q8_0", "q4_k_m", NULL};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        files_open_and_run(shapes[i], quantisations);
}

Test(synth, gpt_oss_has_experts_in_mxfp4_and_biases_and_sinks)
{
    struct error err = {0};
    files_open_and_run("tiny-gpt-oss", (const char *const[]){"mxfp4_moe", NULL});
    struct model_file *file = model_file_open(in_directory("model.gguf"), &err);
    cr_assert_not_null(file, "%s", err.message);
    const struct {
        const char *name;
        enum tensor_type type;
    } there[] = {
        {"blk.0.ffn_down_exps.weight", TENSOR_MXFP4}, {"blk.0.attn_q.weight", TENSOR_Q8_0},     {"output.weight", TENSOR_Q8_0},
        {"blk.3.attn_sinks.weight", TENSOR_F32},      {"blk.3.ffn_up_exps.bias", TENSOR_F32},   {"blk.1.attn_output.bias", TENSOR_F32},
        {"blk.2.ffn_gate_inp.bias", TENSOR_F32},      {"blk.2.ffn_gate_inp.weight", TENSOR_F32}};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        const struct tensor *tensor = gguf_tensor(file, there[i].name);
        cr_assert_not_null(tensor, "%s", there[i].name);
        cr_expect_eq(tensor->format->type, there[i].type, "%s is %s", there[i].name, tensor->format->name);
    }
    cr_expect_null(gguf_tensor(file, "blk.0.exp_probs_b.bias"));
    model_file_close(file);
}

Test(synth, random_blocks_of_every_format_have_the_deviation_that_is_asked_for)
{
    enum { COUNT = 1 << 16 };
    static uint8_t blocks[COUNT * 4 + 8];
    static float values[COUNT];
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++) {
        struct random random = random_seed(3, f);
        double sum = 0, squares = 0;
        synth_blocks(format->type, &random, 0.05, COUNT, blocks);
        format->to_float(blocks, values, COUNT);
        for (int i = 0; i < COUNT; i++) {
            sum += (double)values[i];
            squares += (double)values[i] * (double)values[i];
        }
        cr_expect(fabs(sum / COUNT) < 0.003, "%s: mean %g", format->name, sum / COUNT);
        cr_expect(fabs(sqrt(squares / COUNT) / 0.05 - 1) < 0.1, "%s: deviation %g", format->name, sqrt(squares / COUNT));
    }
}

static void expect_error(const char *path, const char *shape, const char *quantisation, enum error_code code)
{
    struct error err = {0};
    struct synth_options options = {.shape = shape, .quantisation = quantisation, .seed = 1, .threads = 1};
    cr_expect_not(synth_write(path, &options, &err), "%s, %s, %s was written", path, shape, quantisation);
    cr_expect_eq(err.code, code, "%s: code %d: %s", path, (int)err.code, err.message);
    cr_expect_neq(err.message[0], '\0');
    cr_expect_eq(count_files(false), 0, "%s, %s, %s leaves something behind", path, shape, quantisation);
}

Test(synth, what_cannot_be_written_is_an_error_and_leaves_nothing)
{
    expect_error(in_directory("missing/model.gguf"), "tiny", "q8_0", ERROR_INPUT);
    expect_error(directory, "tiny", "q8_0", ERROR_INPUT);
    expect_error(in_directory("model.gguf"), "no such shape", "q8_0", ERROR_INPUT);
    expect_error(in_directory("model.gguf"), "tiny", "q9_9", ERROR_INPUT);
}

Test(synth, a_disk_that_fills_is_an_error_and_leaves_nothing)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_error(in_directory("model.gguf"), "tiny", "q8_0", ERROR_MACHINE);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

Test(synth, a_failure_leaves_the_file_that_was_there)
{
    write_shape(in_directory("model.gguf"), "tiny", "q8_0", 1, 1);
    size_t n, m;
    char *before = read_whole(in_directory("model.gguf"), &n);
    struct error err = {0};
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    struct synth_options options = {.shape = "tiny", .quantisation = "q8_0", .seed = 2, .threads = 1};
    cr_expect_not(synth_write(in_directory("model.gguf"), &options, &err));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    char *after = read_whole(in_directory("model.gguf"), &m);
    cr_expect(n == m && memcmp(before, after, n) == 0);
    cr_expect_eq(count_files(false), 1);
    free(before);
    free(after);
}
