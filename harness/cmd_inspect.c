/* jeoul inspect: what is in a GGUF file, and what a token of it costs. */
#include "harness/verbs.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_json(struct opened *o)
{
    const struct model_info *i = &o->info;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", i->name);
    cJSON_AddStringToObject(root, "arch", i->arch);
    cJSON_AddStringToObject(root, "quantisation", i->quantisation);
    cJSON_AddBoolToObject(root, "random_weights", i->random_weights);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"file_bytes", (double)i->file_bytes},
                   {"parameters", (double)i->parameters},
                   {"active_parameters", (double)i->active_parameters},
                   {"active_bytes", (double)i->active_bytes},
                   {"active_operations", (double)i->active_operations},
                   {"kv_elements_per_token", (double)i->kv_elements_per_token},
                   {"n_layers", i->n_layers},
                   {"n_embd", i->n_embd},
                   {"n_heads", i->n_heads},
                   {"n_kv_heads", i->n_kv_heads},
                   {"head_dim", i->head_dim},
                   {"n_experts", i->n_experts},
                   {"top_k", i->top_k},
                   {"n_ff", i->n_ff},
                   {"n_vocab", i->n_vocab},
                   {"context_length", i->context_length}};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        cJSON_AddNumberToObject(root, numbers[n].name, numbers[n].value);
    cJSON *meta = cJSON_AddObjectToObject(root, "metadata"), *tensors = cJSON_AddArrayToObject(root, "tensors");
    struct model_meta m;
    for (size_t n = 0; model_file_meta(o->file, n, &m); n++)
        cJSON_AddStringToObject(meta, m.key, m.value);
    struct model_tensor t;
    for (size_t n = 0; model_file_tensor(o->file, n, &t); n++) {
        cJSON *tensor = cJSON_CreateObject(), *shape = cJSON_AddArrayToObject(tensor, "shape");
        cJSON_AddStringToObject(tensor, "name", t.name);
        cJSON_AddStringToObject(tensor, "type", t.type);
        cJSON_AddNumberToObject(tensor, "bytes", (double)t.bytes);
        for (int d = 0; d < t.n_dims; d++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t.shape[d]));
        cJSON_AddItemToArray(tensors, tensor);
    }
    char *text = cJSON_Print(root);
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
}

static void print_types(struct opened *o)
{
    struct {
        const char *type;
        uint64_t bytes;
        int count;
    } types[64];
    int n = 0;
    struct model_tensor t;
    for (size_t i = 0; model_file_tensor(o->file, i, &t); i++) {
        int at = 0;
        while (at < n && strcmp(types[at].type, t.type) != 0)
            at++;
        if (at == n) {
            if (n == 64)
                continue;
            types[n].type = t.type;
            types[n].bytes = 0;
            types[n++].count = 0;
        }
        types[at].bytes += t.bytes;
        types[at].count++;
    }
    for (int i = 0; i < n; i++)
        printf("  %-8s %5d tensors  %s\n", types[i].type, types[i].count, bytes_for_people((double)types[i].bytes));
}

static void print_text(struct opened *o, bool tensors)
{
    const struct model_info *i = &o->info;
    printf("%s: %s, %s%s\n\n", i->name, i->arch, i->quantisation, i->random_weights ? ", random weights" : "");
    printf("  parameters        %s M, %s M active\n", number_for_people((double)i->parameters / 1e6),
           number_for_people((double)i->active_parameters / 1e6));
    printf("  weights           %s, %s read for a token\n", bytes_for_people((double)i->file_bytes),
           bytes_for_people((double)i->active_bytes));
    printf("  operations        %s M a token\n", number_for_people((double)i->active_operations / 1e6));
    printf("  KV cache          %s a token in F16\n", bytes_for_people(2 * (double)i->kv_elements_per_token));
    printf("  layers            %d of width %d; %d heads of %d, %d for K and V\n", i->n_layers, i->n_embd, i->n_heads, i->head_dim,
           i->n_kv_heads);
    if (i->n_experts)
        printf("  experts           %d of width %d, %d a token\n", i->n_experts, i->n_ff, i->top_k);
    else
        puts("  experts           none: a dense model");
    printf("  vocabulary        %d\n  context           %d\n\nTypes:\n", i->n_vocab, i->context_length);
    print_types(o);
    puts("\nMetadata:");
    struct model_meta m;
    for (size_t n = 0; model_file_meta(o->file, n, &m); n++)
        printf("  %s = %s (%s)\n", m.key, m.value, m.type);
    struct model_tensor t;
    if (tensors)
        puts("\nTensors:");
    for (size_t n = 0; tensors && model_file_tensor(o->file, n, &t); n++)
        printf("  %-32s %-5s [%" PRId64 ", %" PRId64 ", %" PRId64 "] %s\n", t.name, t.type, t.shape[0], t.shape[1], t.shape[2],
               bytes_for_people((double)t.bytes));
}

static int run(struct cli *cli, struct error *err)
{
    struct opened o = {0};
    if ((o.file = model_file_open(cli->arguments[0], err)) && model_file_info(o.file, &o.info, err)) {
        if (cli_flag(cli, "json"))
            print_json(&o);
        else
            print_text(&o, cli_flag(cli, "tensors"));
    }
    open_close(&o);
    return 0;
}

const struct cli_verb verb_inspect = {
    .name = "inspect",
    .arguments = "MODEL",
    .least = 1,
    .most = 1,
    .summary = "Show a model's metadata, shapes, and what one token of it costs",
    .example = "jeoul inspect model.gguf",
    .run = run,
    .options = {{"tensors", 0, NULL, "list every tensor"}, {"json", 0, NULL, "everything as JSON"}},
};
