/* Opening models for the verbs: the options that they share, and everything that is closed together. */
#ifndef JEOUL_OPEN_H
#define JEOUL_OPEN_H

#include "engine/engine.h"
#include "harness/cli.h"

struct opened {
    struct model_file *file;
    struct model_info info;
    struct tokenizer *tokenizer; // NULL unless asked for
    struct engine *engine;       // NULL unless asked for
};

#define OPEN_OPTION_MODEL                                                                                                                  \
    {                                                                                                                                      \
        "model", 'm', "FILE", "GGUF file"                                                                                                  \
    }
#define OPEN_OPTION_THREADS                                                                                                                \
    {                                                                                                                                      \
        "threads", 't', "N", "threads (every online CPU)"                                                                                  \
    }
#define OPEN_OPTION_KV                                                                                                                     \
    {                                                                                                                                      \
        "kv", 0, "TYPE", "K and V cache: f16, bf16 or f32 (bf16)"                                                                          \
    }
#define OPEN_OPTION_ISA                                                                                                                    \
    {                                                                                                                                      \
        "isa", 0, "NAME", "scalar, avx2 or avx512 (the widest; $JEOUL_CPU)"                                                                \
    }
/* Where and how an engine computes: what open_options reads beside --kv. */
#define OPEN_OPTIONS_ENGINE                                                                                                                \
    {"backend", 0, "NAME", "cpu, cuda, hip or opencl (cpu)"}, {"device", 0, "N", "of that GPU driver; 'jeoul system' lists them (0)"},     \
        {"experts-cpu", 0, "N", "experts of N layers run on the CPU; auto: as few as fit (0)"}, OPEN_OPTION_ISA,                           \
        {"exact", 0, NULL, "float activations: the reference, slow"},                                                                      \
        {"no-pack", 0, NULL, "use weights from the file: starts at once, runs slower"},                                                    \
    {                                                                                                                                      \
        "pack-cache", 0, "DIR", "keep packed weights there ($JEOUL_PACK_CACHE; none)"                                                      \
    }

bool open_file(const struct cli *cli, struct opened *opened, struct error *err) MUST_CHECK; // file and info
bool open_tokenizer(struct opened *opened, struct error *err) MUST_CHECK;
/* Into options that hold the caller's numbers: what --backend, --device, --experts-cpu, --kv (else the caller's), --isa, --exact, --no-pack
 * and --pack-cache say. */
bool open_options(const struct cli *cli, struct engine_options *options, struct error *err) MUST_CHECK;
/* The engine by such options, which are filled. Says on stderr when the cache of packed weights is of no use. */
bool open_engine(const struct cli *cli, struct opened *opened, struct engine_options *options, struct error *err) MUST_CHECK;
bool open_kv_named(const char *name, enum engine_kv *out, struct error *err) MUST_CHECK;
const char *open_kv_name(enum engine_kv kv);
/* SHA-256 of a file's size, both ends and a thousand places between: tells files apart without reading hundreds of gigabytes. */
bool open_fingerprint(const char *path, char hex[65], struct error *err) MUST_CHECK;
void open_close(struct opened *opened);

#endif
