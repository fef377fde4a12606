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

static const char *const kv_names[] = {[ENGINE_KV_F16] = "f16", [ENGINE_KV_BF16] = "bf16", [ENGINE_KV_F32] = "f32"};

bool open_kv_named(const char *name, enum engine_kv *out, struct error *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(kv_names[i], name) == 0) {
            *out = (enum engine_kv)i;
            return true;
        }
    return error_set(err, ERROR_INPUT, "no cache type \"%.32s\": f16, bf16 and f32 are there", name);
}

const char *open_kv_name(enum engine_kv kv)
{
    return kv_names[kv];
}

bool open_options(const struct cli *cli, struct engine_options *options, struct error *err)
{
    int64_t device, experts_cpu = -1;
    bool automatic = strcmp(cli_text(cli, "experts-cpu", "0"), "auto") == 0;
    const char *kv = cli_text(cli, "kv", NULL);
    if ((kv && !open_kv_named(kv, &options->kv, err)) || !cli_number(cli, "device", 0, 1023, 0, &device, err) ||
        (!automatic && !cli_number(cli, "experts-cpu", 0, 1 << 20, 0, &experts_cpu, err)))
        return false;
    options->backend = cli_text(cli, "backend", "cpu");
    options->device = (int)device;
    options->experts_cpu = (int)experts_cpu;
    options->exact = cli_flag(cli, "exact");
    options->isa = cli_text(cli, "isa", NULL);
    options->no_pack = cli_flag(cli, "no-pack");
    options->pack_cache = cli_text(cli, "pack-cache", NULL);
    return true;
}

bool open_engine(const struct cli *cli, struct opened *opened, struct engine_options *options, struct error *err)
{
    if (!open_options(cli, options, err) || !(opened->engine = engine_open(opened->file, options, err)))
        return false;
    struct engine_facts facts = engine_facts(opened->engine);
    if (*facts.pack_note)
        fprintf(stderr, "jeoul: packed weights: %s\n", facts.pack_note);
    if (*facts.kernels_note)
        fprintf(stderr, "jeoul: %s\n", facts.kernels_note);
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
