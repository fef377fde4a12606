/* Opening models for the verbs: see open.h. */
#include "harness/open.h"

#include <stdio.h>
#include <string.h>

bool open_file(const struct cli *cli, struct opened *opened, struct error *err)
{
    const char *path;
    *opened = (struct opened){0};
    return cli_need(cli, "model", &path, err) && (opened->file = model_file_open(path, err)) &&
           model_file_info(opened->file, &opened->info, err);
}

bool open_tokenizer(struct opened *opened, struct error *err)
{
    return (opened->tokenizer = tokenizer_open(opened->file, err)) != NULL;
}

bool open_kv_named(const char *name, enum engine_kv *out, struct error *err)
{
    static const char *const names[] = {"f16", "bf16", "f32"};
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum engine_kv)i;
            return true;
        }
    return error_set(err, ERROR_INPUT, "no cache type \"%.32s\": f16, bf16 and f32 are there", name);
}

bool open_engine(const struct cli *cli, struct opened *opened, int threads, size_t kv_tokens, int max_rows, struct error *err)
{
    return open_engine_for(cli, opened, threads, kv_tokens, max_rows, 0, err);
}

bool open_engine_for(const struct cli *cli, struct opened *opened, int threads, size_t kv_tokens, int max_rows, int context,
                     struct error *err)
{
    struct engine_options options = {.threads = threads,
                                     .kv_tokens = kv_tokens,
                                     .max_rows = max_rows,
                                     .context = context,
                                     .exact = cli_flag(cli, "exact"),
                                     .isa = cli_text(cli, "isa", NULL),
                                     .no_pack = cli_flag(cli, "no-pack"),
                                     .pack_cache = cli_text(cli, "pack-cache", NULL)};
    bool exactly = strcmp(cli->verb->name, "logits") == 0 || strcmp(cli->verb->name, "verify") == 0; // as references are made
    const char *kv = cli_text(cli, "kv", exactly ? "f32" : "bf16");
    if (!open_kv_named(kv, &options.kv, err) || !(opened->engine = engine_open(opened->file, &options, err)))
        return false;
    struct engine_facts facts = engine_facts(opened->engine);
    if (*facts.pack_note)
        fprintf(stderr, "jeoul: packed weights: %s\n", facts.pack_note);
    return true;
}

void open_close(struct opened *opened)
{
    engine_close(opened->engine);
    tokenizer_close(opened->tokenizer);
    model_file_close(opened->file);
    *opened = (struct opened){0};
}
