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
#define OPEN_OPTION_BACKEND                                                                                                                \
    {                                                                                                                                      \
        "backend", 0, "NAME", "cpu, cuda, hip or opencl (cpu)"                                                                             \
    }
#define OPEN_OPTION_DEVICE                                                                                                                 \
    {                                                                                                                                      \
        "device", 0, "N", "of that GPU driver; 'jeoul system' lists them (0)"                                                              \
    }
#define OPEN_OPTION_EXPERTS_CPU                                                                                                            \
    {                                                                                                                                      \
        "experts-cpu", 0, "N", "experts of N layers run on the CPU; auto: as few as fit (0)"                                               \
    }
#define OPEN_OPTION_KV                                                                                                                     \
    {                                                                                                                                      \
        "kv", 0, "TYPE", "K and V cache: f16, bf16 or f32 (bf16)"                                                                          \
    }
#define OPEN_OPTION_ISA                                                                                                                    \
    {                                                                                                                                      \
        "isa", 0, "NAME", "scalar, avx2 or avx512 (the widest; $JEOUL_CPU)"                                                                \
    }
#define OPEN_OPTION_EXACT                                                                                                                  \
    {                                                                                                                                      \
        "exact", 0, NULL, "float activations: the reference, slow"                                                                         \
    }
#define OPEN_OPTION_NO_PACK                                                                                                                \
    {                                                                                                                                      \
        "no-pack", 0, NULL, "use weights from the file: starts at once, runs slower"                                                       \
    }
#define OPEN_OPTION_PACK_CACHE                                                                                                             \
    {                                                                                                                                      \
        "pack-cache", 0, "DIR", "keep packed weights there ($JEOUL_PACK_CACHE; none)"                                                      \
    }

bool open_file(const struct cli *cli, struct opened *opened, struct error *err) MUST_CHECK; // file and info
bool open_tokenizer(struct opened *opened, struct error *err) MUST_CHECK;
/* The engine by --backend, --device, --kv, --isa, --exact, --no-pack, --pack-cache and the given numbers (0: the engine's defaults;
 * context: tokens that a sequence may have). Says on stderr when the cache of packed weights is of no use. */
bool open_engine(const struct cli *cli, struct opened *opened, int threads, size_t kv_tokens, int max_rows, struct error *err) MUST_CHECK;
bool open_engine_for(const struct cli *cli, struct opened *opened, int threads, size_t kv_tokens, int max_rows, int context,
                     struct error *err) MUST_CHECK;
bool open_kv_named(const char *name, enum engine_kv *out, struct error *err) MUST_CHECK;
/* SHA-256 of a file's size, both ends and a thousand places between: tells files apart without reading hundreds of gigabytes. */
bool open_fingerprint(const char *path, char hex[65], struct error *err) MUST_CHECK;
void open_close(struct opened *opened);

#endif
