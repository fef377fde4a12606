/* Golden models with one thing changed: what would change the result and isn't understood or doesn't fit is refused by name. */
#include "tests/support.h"

#include "engine/engine.h"

#include <string.h>

static char path[] = "/tmp/jeoul-test-config-XXXXXX";

static void make_file(void)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

TestSuite(config, .init = make_file, .fini = remove_file);

/* The place of a string that is not NUL-terminated. */
static char *find(char *bytes, size_t n, const char *what)
{
    size_t length = strlen(what);
    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(bytes + i, what, length) == 0)
            return bytes + i;
    cr_assert_fail("%s is not in the golden", what);
    return NULL;
}

static void expect_refused(const char *words)
{
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    struct engine *engine = file ? engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64}, &err) : NULL;
    cr_expect_null(engine, "taken, though %s", words);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, words), "wanted \"%s\", got \"%s\"", words, err.message);
    engine_close(engine);
    model_file_close(file);
}

static void write_file(const char *bytes, size_t n)
{
    FILE *stream = fopen(path, "wb");
    cr_assert(stream && fwrite(bytes, 1, n, stream) == n && fclose(stream) == 0);
}

static char *read_golden(const char *model, size_t *n)
{
    char golden[256];
    snprintf(golden, sizeof golden, "tests/data/goldens/%s/model.gguf", model);
    return read_whole(golden, n);
}

Test(config, names_that_are_not_understood_are_refused)
{
    static const struct {
        const char *model, *from, *to, *words;
    } cases[] = {
        {"ds3_q8_0", "expert_group_count", "expert_group_xount", "the key deepseek2.expert_group_xount (3) is not understood"},
        {"gptoss_q8_0", "blk.0.attn_q.bias", "blk.0.attn_q.bixs", "the tensor blk.0.attn_q.bixs is not understood"},
        {"exaone4_q8_0", "blk.1.post_ffw_norm", "blk.1.post_fxw_norm", "the tensor blk.1.post_ffw_norm.weight is missing"},
        {"ds3_q8_0", "yarn_log_multiplier", "yarn_log_multiplixr", "yarn_log_multiplixr"},
        {"llama_q8_0", "rope_freqs.weight", "rope_fxeqs.weight", "the tensor rope_fxeqs.weight is not understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *bytes = read_golden(cases[i].model, &n);
        memcpy(find(bytes, n, cases[i].from), cases[i].to, strlen(cases[i].to));
        write_file(bytes, n);
        expect_refused(cases[i].words);
        free(bytes);
    }
}

Test(config, an_architecture_that_is_not_supported_is_named_with_those_that_are)
{
    size_t n;
    char *bytes = read_golden("mixtral_q8_0", &n), *key = find(bytes, n, "general.architecture");
    key[strlen("general.architecture") + 4 + 8] = 'L'; // behind the key: type and length
    write_file(bytes, n);
    expect_refused("the architecture \"Llama\" is not supported; supported are: olmoe, qwen3moe, qwen2moe, llama, deepseek2, gpt-oss");
    free(bytes);
}

/* A number that is 32 bits wide, behind its key and its type. */
Test(config, values_that_do_not_fit_are_refused)
{
    static const struct {
        const char *model, *key;
        uint32_t value;
        const char *words;
    } cases[] = {
        {"ds3_q8_0", "deepseek2.expert_group_used_count", 9, "do not fit together"},
        {"ds3_q8_0", "deepseek2.expert_group_count", 5, "do not fit together"},
        {"ds3_q8_0", "deepseek2.rope.scaling.yarn_beta_fast", 0x41F80000, "other bounds than 32 and 1"},
        {"ds3_q8_0", "deepseek2.attention.kv_lora_rank", 0, "key deepseek2.attention.kv_lora_rank is 0"},
        {"ds3_q8_0", "deepseek2.attention.kv_lora_rank", 16, "attn_kv_a_mqa.weight has the shape"},
        {"ds3_q8_0", "deepseek2.expert_gating_func", 7, "key deepseek2.expert_gating_func is 7"},
        {"qwen2moe_q8_0", "qwen2moe.expert_shared_feed_forward_length", 0, "_shexp.weight is not understood"},
        {"qwen2moe_q8_0", "qwen2moe.attention.head_count_kv", 3, "cannot share 3 KV heads"},
        {"granitemoe_q8_0", "granitemoe.residual_scale", 0x7F800000, "a finite number is wanted"},
        {"exaone_moe_q8_0", "exaone-moe.nextn_predict_layers", 5, "nextn_predict_layers is 5"},
        {"exaone_moe_q8_0", "exaone-moe.leading_dense_block_count", 2, "blk.1.exp_probs_b.bias is not understood"},
        {"llama_q8_0", "llama.rope.dimension_count", 15, "an even number is wanted"},
        {"llama_q8_0", "llama.rope.freq_base", 0, "a positive number is wanted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *bytes = read_golden(cases[i].model, &n), *key = find(bytes, n, cases[i].key);
        memcpy(key + strlen(cases[i].key) + 4, &cases[i].value, sizeof cases[i].value);
        write_file(bytes, n);
        expect_refused(cases[i].words);
        free(bytes);
    }
}

Test(config, the_cost_of_a_token_counts_what_its_path_reads)
{
    struct error err = {0};
    struct model_info info;
    struct model_file *file = model_file_open("tests/data/goldens/ds3_q8_0/model.gguf", &err);
    cr_assert(file && model_file_info(file, &info, &err), "%s", err.message);
    cr_expect_eq(info.kv_elements_per_token, 3u * (32 + 16)); // three layers' latent and rotary key
    /* of 12 experts of 3 · 32 · 64 values in two layers 3 are active */
    uint64_t expert = 3 * 32 * 64;
    cr_expect_eq(info.parameters - info.active_parameters, 2 * (12 - 3) * expert + (320 - 1) * 64u);
    model_file_close(file);
    file = model_file_open("tests/data/goldens/llama_q8_0/model.gguf", &err);
    cr_assert(file && model_file_info(file, &info, &err), "%s", err.message);
    cr_expect_eq(info.n_experts, 0);
    cr_expect_eq(info.parameters - info.active_parameters, (320 - 1) * 64u);
    model_file_close(file);
}
