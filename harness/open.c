/* Opening models for the verbs: see open.h. */
#include "harness/open.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
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
                                     .backend = cli_text(cli, "backend", "cpu"),
                                     .exact = cli_flag(cli, "exact"),
                                     .isa = cli_text(cli, "isa", NULL),
                                     .no_pack = cli_flag(cli, "no-pack"),
                                     .pack_cache = cli_text(cli, "pack-cache", NULL)};
    int64_t device, experts_cpu = -1;
    bool automatic = strcmp(cli_text(cli, "experts-cpu", "0"), "auto") == 0;
    bool exactly = strcmp(cli->verb->name, "logits") == 0 || strcmp(cli->verb->name, "verify") == 0; // as references are made
    const char *kv = cli_text(cli, "kv", exactly ? "f32" : "bf16");
    if (!open_kv_named(kv, &options.kv, err) || !cli_number(cli, "device", 0, 1023, 0, &device, err) ||
        (!automatic && !cli_number(cli, "experts-cpu", 0, 1 << 20, 0, &experts_cpu, err)))
        return false;
    options.experts_cpu = (int)experts_cpu;
    options.device = (int)device;
    if (!(opened->engine = engine_open(opened->file, &options, err)))
        return false;
    struct engine_facts facts = engine_facts(opened->engine);
    if (*facts.pack_note)
        fprintf(stderr, "jeoul: packed weights: %s\n", facts.pack_note);
    return true;
}

bool open_fingerprint(const char *path, char hex[65], struct error *err)
{
    enum { PIECE = 4096, ENDS = 1 << 20, PLACES = 1000 };
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = memory_array(2 * ENDS + PLACES * PIECE + sizeof(long), 1, "fingerprint", err);
    bool ok = file && bytes && fseek(file, 0, SEEK_END) == 0;
    long size = ok ? ftell(file) : 0;
    size_t n = sizeof size;
    for (int i = 0; ok && i < PLACES + 2; i++) {
        long at = i == 0 ? 0 : i == 1 ? (size > ENDS ? size - ENDS : 0) : (long)((double)size / PLACES * (i - 2));
        ok = fseek(file, at, SEEK_SET) == 0;
        n += ok ? fread(bytes + n, 1, i < 2 ? ENDS : PIECE, file) : 0;
    }
    ok = ok && !ferror(file);
    if (ok)
        memcpy(bytes, &size, sizeof size);
    else if (bytes)
        error_record_errno(err, "%s: cannot be read", path);
    ok = ok && hash_bytes(bytes, n, hex, err);
    if (file)
        fclose(file);
    free(bytes);
    return ok;
}

void open_close(struct opened *opened)
{
    engine_close(opened->engine);
    tokenizer_close(opened->tokenizer);
    model_file_close(opened->file);
    *opened = (struct opened){0};
}
