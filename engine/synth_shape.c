/* Shapes of synthetic models: those that are built in, and files.
 *
 *     {"name": "mine", "arch": "qwen3moe", "layers": 4, "embedding": 512, "heads": 8, "kv_heads": 2, "head_dim": 64,
 *      "experts": 16, "top_k": 4, "expert_width": 256, "vocabulary": 4096, "context": 2048}
 *
 * Without experts ("experts": 0, "top_k": 0) expert_width is the width of the one feed-forward network that every layer has. */
#include "engine/synth.h"

#include "base/json.h"

#include <string.h>

static const struct synth_shape shapes[] = {
    {"tiny", "OLMoE in small, 15 M parameters, for demonstrations", "olmoe", 4, 256, 4, 4, 64, 16, 4, 256, 4096, 2048, 10000},
    {"tiny-qwen3", "Qwen3-MoE in small, 14 M parameters", "qwen3moe", 4, 256, 4, 2, 128, 16, 4, 256, 4096, 2048, 1000000},
    {"olmoe-1b-7b", "OLMoE-1B-7B: 6.9 B parameters, 1.3 B active", "olmoe", 16, 2048, 16, 16, 128, 64, 8, 1024, 50304, 4096, 10000},
    {"qwen3-moe-7b", "Qwen3-MoE architecture with OLMoE's experts, 6.9 B", "qwen3moe", 16, 2048, 32, 4, 128, 64, 8, 1024, 50304, 32768,
     1000000},
    {"qwen3-30b-a3b", "Qwen3-30B-A3B: 30.5 B parameters, 3.3 B active", "qwen3moe", 48, 2048, 32, 4, 128, 128, 8, 768, 151936, 40960,
     1000000},
    {"tiny-llama", "a dense Llama in small, 5 M parameters", "llama", 4, 256, 4, 2, 64, 0, 0, 768, 4096, 2048, 500000},
    {"tiny-gpt-oss", "gpt-oss in small, 8 M parameters", "gpt-oss", 4, 256, 4, 2, 64, 8, 2, 256, 4096, 2048, 150000},
    {"gpt-oss-20b", "gpt-oss-20b: 20.9 B parameters, 3.6 B active", "gpt-oss", 24, 2880, 64, 8, 64, 32, 4, 2880, 201088, 131072, 150000},
    {"llama-8b", "Llama-3-8B, dense: 8.0 B parameters", "llama", 32, 4096, 32, 8, 128, 0, 0, 14336, 128256, 8192, 500000},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

const char *const *synth_shapes(void)
{
    static const char *names[SHAPES + 1]; // the same values whoever fills them
    for (size_t i = 0; i < SHAPES; i++)
        names[i] = shapes[i].name;
    return names;
}

const char *synth_shape_summary(const char *name)
{
    for (size_t i = 0; i < SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return shapes[i].summary;
    return NULL;
}

static bool read_shape(const char *path, const cJSON *document, struct arena *arena, struct synth_shape *out, struct error *err)
{
    static const char *const keys[] = {"name",    "arch",  "layers",       "embedding",  "heads",   "kv_heads",  "head_dim",
                                       "experts", "top_k", "expert_width", "vocabulary", "context", "rope_base", NULL};
    struct json_at root = json_root(path, document), at;
    struct {
        const char *key;
        int *value;
        int64_t low, high;
    } numbers[] = {{"layers", &out->n_layers, 1, 1024},
                   {"embedding", &out->n_embd, 32, 65536},
                   {"heads", &out->n_heads, 1, 1024},
                   {"kv_heads", &out->n_kv_heads, 1, 1024},
                   {"head_dim", &out->head_dim, 2, 1024},
                   {"experts", &out->n_experts, 0, 4096},
                   {"top_k", &out->top_k, 0, 256},
                   {"expert_width", &out->n_ff, 32, 1 << 20},
                   {"vocabulary", &out->n_vocab, 320, 1 << 20},
                   {"context", &out->context_length, 1, 1 << 24}};
    const char *name, *arch;
    if (!json_only(&root, keys, err))
        return false;
    at = json_member(&root, "name");
    if (!json_string(&at, &name, err))
        return false;
    at = json_member(&root, "arch");
    if (!json_string(&at, &arch, err))
        return false;
    bool dense = strcmp(arch, "llama") == 0;
    bool own_heads = strcmp(arch, "qwen3moe") == 0 || strcmp(arch, "gpt-oss") == 0;
    if (!dense && !own_heads && strcmp(arch, "olmoe") != 0)
        return json_error(&at, err, "\"%.32s\" is not an architecture that can be made up; olmoe, qwen3moe, gpt-oss and llama can", arch);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value;
        at = json_member(&root, numbers[i].key);
        if (!json_integer(&at, numbers[i].low, numbers[i].high, &value, err))
            return false;
        *numbers[i].value = (int)value;
    }
    at = json_member(&root, "rope_base");
    if (!json_number_or(&at, 1, 1e12, 10000, &out->rope_base, err))
        return false;
    if (out->n_heads % out->n_kv_heads || out->head_dim % 2 || out->top_k > out->n_experts)
        return json_error(&root, err, "heads must be a multiple of kv_heads, head_dim even, and top_k at most experts");
    if (out->head_dim * out->n_heads != out->n_embd && !own_heads)
        return json_error(&root, err, "%s needs heads × head_dim = embedding", arch);
    if (dense ? out->n_experts || out->top_k : !out->n_experts || !out->top_k)
        return json_error(&root, err, dense ? "llama has no experts here: experts and top_k must be 0" : "%s needs experts and top_k",
                          arch);
    out->name = arena_copy(arena, name, strlen(name), err);
    out->arch = arena_copy(arena, arch, strlen(arch), err);
    out->summary = "from a file";
    return out->name && out->arch;
}

bool synth_shape_find(const char *name, struct arena *arena, struct synth_shape *out, struct error *err)
{
    for (size_t i = 0; i < SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0) {
            *out = shapes[i];
            return true;
        }
    if (!strchr(name, '/') && !strchr(name, '.')) {
        struct text list = {0};
        for (size_t i = 0; i < SHAPES; i++)
            text_format(&list, "%s%s", i ? ", " : "", shapes[i].name);
        error_set(err, ERROR_INPUT, "no shape \"%.64s\"; there are: %s; or name a shape file (JSON)", name, list.bytes ? list.bytes : "");
        text_free(&list);
        return false;
    }
    cJSON *document = json_read(name, 1 << 20, err);
    *out = (struct synth_shape){0};
    bool ok = document && read_shape(name, document, arena, out, err);
    cJSON_Delete(document);
    return ok;
}
