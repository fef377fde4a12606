/* Synthetic models: shapes, vocabularies and random weights. Private to the engine; engine.h has the door, synth_write. */
#ifndef JEOUL_ENGINE_SYNTH_H
#define JEOUL_ENGINE_SYNTH_H

#include "base/random.h"
#include "engine/gguf_write.h"
#include "engine/model.h"

struct synth_shape {
    const char *name, *summary;
    const char *arch; // "olmoe", "qwen3moe", "gpt-oss", or "llama": dense, n_experts and top_k are 0
    int n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_experts, top_k, n_ff, n_vocab, context_length;
    double rope_base;
};

/* A built-in shape by name, or one read from a JSON file; the name of a file's shape lives in the arena. */
bool synth_shape_find(const char *name, struct arena *arena, struct synth_shape *out, struct error *err) MUST_CHECK;

/* tokenizer.ggml.* entries of a deterministic byte-level vocabulary of exactly n tokens (at least 320): every byte, letter pairs, Hangul
 * syllables, letter triples and quadruples, each reachable by merges, and two control tokens at the end. */
bool synth_vocabulary(struct gguf_entries *out, int n, const char *pre, struct error *err) MUST_CHECK;

/* Random blocks of a format: `count` values (a multiple of the block) of the given standard deviation and mean near 0. */
void synth_blocks(enum tensor_type type, struct random *random, double deviation, int64_t count, uint8_t *out);

#endif
