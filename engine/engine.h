/* The engine: a reference Mixture-of-Experts inference engine, as a library. This header is its one door.
 *
 * It reads GGUF files as published, runs a step over any mix of prefill and decode rows from any sequences, and counts what it does. It
 * knows no plan, no database and no report; it prints nothing and never exits. Callers need not know how weights are packed, which
 * instruction set runs, or how the cache is paged.
 *
 * Exactness: a row's result depends on its own sequence only. What else is in the batch, the number of threads, how a prompt is cut into
 * steps, and whether a prefix was computed or forked do not change a bit of it (on one backend and instruction set).
 *
 * Threads: an engine is used from one thread at a time; it owns its pool of workers. A tokenizer may be used from several. */
#ifndef JEOUL_ENGINE_H
#define JEOUL_ENGINE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* --- A GGUF file, opened and validated, not loaded -------------------------------------------------------------------------------------
 */

struct model_file;

/* Maps the file and checks every count, offset and size in it. NULL on failure: a truncated, foreign, empty or inconsistent file is
 * ERROR_INPUT with the place named. */
struct model_file *model_file_open(const char *path, struct error *err) MUST_CHECK;
void model_file_close(struct model_file *file); // NULL is allowed

/* Metadata for people and programs: key, type name ("u32", "string", "array of f32[151936]") and the value as text (arrays shortened to
 * their first elements). Pointers live as long as the file. False when index is past the end. */
struct model_meta {
    const char *key, *type, *value;
};
bool model_file_meta(struct model_file *file, size_t index, struct model_meta *out);

struct model_tensor {
    const char *name, *type; // "blk.0.attn_q.weight", "Q4_K"
    int n_dims;
    int64_t shape[4]; // GGUF order: shape[0] is the contiguous one
    uint64_t offset;  // in the file
    uint64_t bytes;
};
bool model_file_tensor(struct model_file *file, size_t index, struct model_tensor *out);

/* What kind of model it is. Numbers that the file does not have are 0; `arch` is never NULL. */
struct model_info {
    const char *name, *arch;        // general.name (or the file's name), general.architecture
    char quantisation[16];          // the type that most of the weights' bytes have: "Q8_0"
    uint64_t file_bytes;            // of the tensors' data
    uint64_t parameters;            // all weights
    uint64_t active_parameters;     // those that one token's path uses: top-k experts, LM head, one embedding row
    uint64_t active_bytes;          // bytes of weights that decoding one token reads, as stored in the file
    uint64_t active_operations;     // multiply and add counted apart, per token, without attention scores
    uint64_t kv_elements_per_token; // K and V over all layers; × bytes of the cache type
    bool random_weights;            // written by synth_write: accuracy is chance by construction
    int n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_experts, top_k, n_ff, n_vocab;
    int context_length;
};

/* Fails when the architecture is not supported (named with the list of those that are) or its metadata is incomplete. A vocabulary-only
 * file (no tensors) is an error here, not in tokenizer_open. */
bool model_file_info(struct model_file *file, struct model_info *out, struct error *err) MUST_CHECK;

/* --- Tokenizer -------------------------------------------------------------------------------------------------------------------------
 */

struct tokenizer;

/* From the GGUF's own vocabulary (byte-level BPE or SentencePiece); a vocabulary-only file will do. Keeps nothing of the file. A damaged
 * vocabulary and a kind or pre-tokenizer that is not known are ERROR_INPUT. docs/tokenizers.md. */
struct tokenizer *tokenizer_open(struct model_file *file, struct error *err) MUST_CHECK;
void tokenizer_close(struct tokenizer *tokenizer);

struct token_list {
    int32_t *ids; // owned by the list; token_list_free
    size_t count, capacity;
};
void token_list_free(struct token_list *list);

enum tokenize_flags {
    TOKENIZE_BOS = 1,     // add the special tokens that the model's own tokenizer adds by default (BOS, EOS where it says so)
    TOKENIZE_SPECIAL = 2, // recognise control tokens ("<|im_end|>") in the text; without it they are plain text
};

/* Appends the tokens of n bytes (any bytes: NUL and invalid UTF-8 too) to `out`. A byte that the vocabulary has no token for is
 * ERROR_INPUT. */
bool tokenize(const struct tokenizer *tokenizer, const char *bytes, size_t n, int flags, struct token_list *out,
              struct error *err) MUST_CHECK;

/* The bytes of one token, not NUL-terminated, *n of them; control tokens give their text. NULL when the id is out of range. The bytes of a
 * text's tokens together are the text; SentencePiece puts a space before it. */
const char *token_bytes(const struct tokenizer *tokenizer, int32_t id, size_t *n);

/* Whether the token is a control token ("<|im_end|>"), which is no part of a text that a model wrote. */
bool token_is_control(const struct tokenizer *tokenizer, int32_t id);

struct tokenizer_info {
    const char *model, *pre; // tokenizer.ggml.model, tokenizer.ggml.pre: "gpt2", "olmo"
    int n_vocab;
    int32_t bos, eos, eot; // -1: the file names none
    bool adds_bos, adds_eos;
};
struct tokenizer_info tokenizer_info(const struct tokenizer *tokenizer);

/* --- Chat templates --------------------------------------------------------------------------------------------------------------------
 */

struct chat_message {
    const char *role, *content; // "system", "user" or "assistant"; NUL-terminated
};

/* The names of the families that chat_render knows; NULL past the end. */
const char *chat_family_name(size_t index);

/* The family of a GGUF's own template (tokenizer.chat_template), told by its words. NULL with ERROR_INPUT, and the list of families, when
 * it has none or one of no known family. */
const char *chat_detect(const struct model_file *file, struct error *err) MUST_CHECK;

/* Appends to `out` what the family's published template makes of a conversation, up to where the answer begins: to be tokenized with
 * TOKENIZE_BOS | TOKENIZE_SPECIAL. `date` ("2026-11-24") stands in the system message of gpt-oss. An unknown family and messages out of
 * turn (a system message if any, then user and assistant by turns, the user last) are ERROR_INPUT with the message's number. */
struct text;
bool chat_render(const char *family, const struct chat_message *messages, size_t n, const char *date, struct text *out,
                 struct error *err) MUST_CHECK;

/* --- Engine ----------------------------------------------------------------------------------------------------------------------------
 */

struct engine;

enum engine_kv { ENGINE_KV_F16, ENGINE_KV_BF16, ENGINE_KV_F32 };

struct engine_options {
    int threads;         // 0: every online CPU
    enum engine_kv kv;   // type of the K and V cache
    size_t kv_tokens;    // room in the cache, in tokens over all sequences; 0: 4096 or the model's context, whichever is less
    int max_rows;        // rows that one step may hold; 0: 512
    int context;         // tokens that a sequence may have; 0: the model's context. More are for timing: no model has learned them
    const char *backend; // "cpu", "cuda", "hip" or "opencl"; NULL: cpu
    int device;          // of a GPU driver, counted from 0
    int experts_cpu;     // with a GPU: of so many layers the experts stay in memory and run on the CPU; −1: as few as make the rest fit
    bool exact;          // float activations (weights dequantised on the fly): the reference, slow
    const char *isa;     // "scalar", "avx2", "avx512"; NULL: $JEOUL_CPU, else the widest that this machine has
    bool no_pack;        // weights stay in the file and are packed at every use: starts at once, needs no memory of its own, is slower
    const char *pack_cache; // directory where the packed form is kept and found again (docs/loading.md); NULL: $JEOUL_PACK_CACHE; "": none.
                            // It lives as long as the engine. Not used with no_pack and exact
};

/* Loads and packs the model. The file may be closed afterwards only with the engine (the engine keeps using it). */
struct engine *engine_open(struct model_file *file, const struct engine_options *options, struct error *err) MUST_CHECK;
void engine_close(struct engine *engine);

/* What became of the cache of packed weights. */
enum engine_pack_cache { ENGINE_PACK_CACHE_NONE, ENGINE_PACK_CACHE_USED, ENGINE_PACK_CACHE_BUILT, ENGINE_PACK_CACHE_FAILED };
extern const char *const engine_pack_cache_names[]; // "none", "used", "built", "failed"

struct engine_facts {
    const char *backend, *isa; // "cpu", "avx512"; of a GPU the driver and the device's name, which lives as long as the engine
    bool matrix_units;         // of a GPU: products run on them, in BF16
    int experts_cpu;           // of a GPU: layers whose experts run on the CPU
    int threads, max_rows, n_vocab, context_length;
    size_t kv_tokens;
    uint64_t packed_bytes;      // memory that the packed weights take
    uint64_t packed_from_bytes; // bytes of the file that were packed at load; 0 where they were found packed, or are not packed
    uint64_t pack_ns;           // the time that took, reading the file among it
    uint64_t memory_ns;         // the time that the first use of the packed weights' memory took besides
    enum engine_pack_cache pack_cache;
    const char *pack_note;    // one line on a cache that could not be used or written; "": nothing to say. Lives as long as the engine
    const char *kernels_note; // the same, of a GPU's kernels that are built in and could not be used
    uint64_t kv_bytes;        // memory of the cache
    uint64_t load_ns;
};
struct engine_facts engine_facts(const struct engine *engine);

/* Uses only the first `threads` workers (1 … as opened) from the next step on: configurations can be compared without packing again. */
void engine_use_threads(struct engine *engine, int threads);

/* Sequences. A sequence is a list of tokens already computed, in pages that forks share. Numbers are small, reused after free. */
int engine_seq_new(struct engine *engine, struct error *err) MUST_CHECK;           // -1 on failure
int engine_seq_fork(struct engine *engine, int seq, struct error *err) MUST_CHECK; // a copy that shares the pages; -1 on failure
void engine_seq_free(struct engine *engine, int seq);
int engine_seq_length(const struct engine *engine, int seq);          // tokens in it
void engine_seq_truncate(struct engine *engine, int seq, int length); // forgets the tokens from `length` on

/* What a row of a step asks for. */
enum engine_want {
    ENGINE_WANT_NOTHING, // only fill the cache
    ENGINE_WANT_LOGITS,  // the logits after this token, [n_vocab]
    ENGINE_WANT_SCORE,   // how likely `target` is after this token, without giving out the logits
};

/* One more target of a row that is scored: choices that differ in their next token alone share the row. */
struct engine_target {
    int32_t token;
    float log_probability; // out
    bool is_argmax;        // out
};

struct engine_row {
    int seq;
    int32_t token; // appended to its sequence, in the order of the rows
    enum engine_want want;
    int32_t target;               // for ENGINE_WANT_SCORE; -1: only the argmax
    float *logits;                // for ENGINE_WANT_LOGITS: the caller's [n_vocab]
    float log_probability;        // out, natural logarithm: of target (SCORE)
    int32_t argmax;               // out: the most likely next token, lowest id on a tie (SCORE)
    bool target_is_argmax;        // out: target's logit equals the greatest one
    struct engine_target *others; // the caller's [n_others]: more targets (SCORE, beside a target)
    int n_others;
};

/* Computes n rows (1 … max_rows). Fails with ERROR_INPUT, and computes nothing, when a token or target id is out of range, a sequence does
 * not exist, the cache has no room or a sequence would pass the model's context; each message names the limit and the way out. Fails with
 * ERROR_MACHINE when a GPU was lost on the way: the rows are then appended but not computed, and every later step fails too. */
bool engine_step(struct engine *engine, struct engine_row *rows, int n, struct error *err) MUST_CHECK;

/* Counts since engine_open or the last reset. */
enum engine_op {
    ENGINE_OP_EMBED,
    ENGINE_OP_NORM,
    ENGINE_OP_PROJECT,
    ENGINE_OP_ROPE,
    ENGINE_OP_KV,
    ENGINE_OP_ATTENTION,
    ENGINE_OP_ROUTE,
    ENGINE_OP_EXPERTS,
    ENGINE_OP_LOGITS,
    ENGINE_OP_OTHER,
    ENGINE_OP_COUNT
};
extern const char *const engine_op_names[ENGINE_OP_COUNT];

struct engine_counts {
    uint64_t steps;
    uint64_t rows;                   // tokens computed
    uint64_t operations;             // multiply and add counted apart, of the weights' products
    uint64_t weight_bytes;           // bytes of weights read, each distinct expert once a step
    uint64_t kv_bytes;               // bytes of the cache read by attention
    uint64_t op_ns[ENGINE_OP_COUNT]; // wall-clock time by operation
    uint64_t device_ns;              // that a GPU computed, by its own clock, if device_reason is NULL
    const char *device_reason;       // why there is no such time; lives as long as the engine
};
void engine_read_counts(const struct engine *engine, struct engine_counts *out);
void engine_reset_counts(struct engine *engine); // expert load too

/* Tokens routed to each expert: [n_layers][n_experts], NULL for a dense model. Valid until the next step. */
const uint64_t *engine_expert_load(const struct engine *engine);

/* Runs fn once on every worker thread (the caller's included, as number 0) and waits: for counters that belong to a thread. */
void engine_each_thread(struct engine *engine, void (*fn)(void *context, int thread), void *context);

/* --- Machine limits, by the engine's own kernels ---------------------------------------------------------------------------------------
 */

enum engine_probe {
    ENGINE_PROBE_READ,  // bytes/s read
    ENGINE_PROBE_COPY,  // bytes/s, read and written together
    ENGINE_PROBE_WRITE, // bytes/s written
    ENGINE_PROBE_INT8,  // operations/s, multiply and add counted apart, of u8 × s8 → s32
    ENGINE_PROBE_BF16,  // of BF16 pairs → F32
    ENGINE_PROBE_F32,   // of F32 multiply-add
    ENGINE_PROBE_COUNT
};

/* Where the bytes lie. In a cache every thread has its own part, half of what the cache gives each; memory is far beyond the caches and on
 * huge pages where the system has them. Operations have one operand there, each vector of which is used once. */
enum engine_probe_place {
    ENGINE_PROBE_REGISTERS, // operations only
    ENGINE_PROBE_L2,
    ENGINE_PROBE_L3,
    ENGINE_PROBE_MEMORY,
    ENGINE_PROBE_PLACE_COUNT
};

struct engine_probing {
    enum engine_probe probe;
    enum engine_probe_place place;
    const char *isa; // as in engine_options; of a GPU neither this nor threads is looked at
    int threads;     // 1 … as the prober was opened
};

/* Keeps the threads and the memory that probes need (memory that L3 holds 8 times, at least 256 MiB), so that a probe costs its own time
 * only and can be taken beside every sample of a measurement. */
struct engine_prober;
struct engine_prober *engine_prober_open(int threads, struct error *err) MUST_CHECK;
void engine_prober_close(struct engine_prober *prober); // NULL is allowed

/* The same of a GPU: memory (1 GiB of it or so, less where that is not free) and the units that products run on, BF16 where they are matrix
 * units. Time is the device's own clock's; a probe is at most a quarter of a second. Where such a device can be used but not be probed, all
 * probes are missing, with that reason. */
struct engine_prober *engine_prober_open_gpu(const char *backend, int device, struct error *err) MUST_CHECK;

/* NULL where the machine can be probed so, else why not, in words for people: it lives as long as the prober. An instruction set that this
 * machine does not have at all is an error of engine_probe, not a reason. prober may be NULL for ENGINE_PROBE_REGISTERS. */
const char *engine_probe_missing(const struct engine_prober *prober, const struct engine_probing *what);

/* Runs the probe for about `seconds` (and at least one piece of 1 MiB a thread) and stores its rate, the sum of the threads' own rates.
 * What is missing, and an unknown instruction set, is ERROR_INPUT. */
bool engine_probe(struct engine_prober *prober, const struct engine_probing *what, double seconds, double *rate_per_s,
                  struct error *err) MUST_CHECK;

/* Instruction sets compiled in and usable on this machine, widest first, NULL-terminated: {"avx512", "avx2", "scalar", NULL}. */
const char *const *engine_isas(void);

/* --- GPUs ------------------------------------------------------------------------------------------------------------------------------
 */

bool engine_backend_exists(const char *name); // one that engine_options.backend can name, whether this machine has it or not

/* A driver that engine_options.backend can name, and whether this machine has it. False past the end. */
struct engine_gpu_driver {
    const char *name;                        // "cuda"
    int devices;                             // numbered from 0; 0: none can be used
    char reason[512];                        // why it cannot be used, with what is missing by name; "": it can
    char compiler[32], compiler_reason[512]; // the version of the run-time compiler of kernels, or why there is none
};
size_t engine_gpu_driver_built_in(size_t index);  // programs of kernels that were compiled with this program, for it
const char *engine_gpu_driver_name(size_t index); // without opening it; NULL past the end
bool engine_gpu_driver(size_t index, struct engine_gpu_driver *out);

struct engine_gpu_device {
    char name[128], version[256]; // of the device; of driver and device
    char bus[20];                 // its place on the PCI bus, "0000:3b:00.0"; "": the driver doesn't tell
    uint64_t memory_bytes;        // 0: the driver does not tell
    int units;                    // multiprocessors; 0: the driver doesn't tell
    bool tensor_cores;            // used by kernels
};
bool engine_gpu_device(size_t driver, int device, struct engine_gpu_device *out, struct error *err) MUST_CHECK;

/* --- Quantising ------------------------------------------------------------------------------------------------------------------------
 */

const char *const *quantize_names(void); // "f16", "q4_0", "q4_k_m" …, NULL-terminated

struct quantize_options {
    const char *quantisation;
    int threads; // 0: every online CPU; the bytes written do not depend on it
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); // may be NULL
    void *context;
};

/* Tensors whose rows are no multiple of the wanted type's block, by the type that they have instead. */
struct quantize_fallback {
    const char *wanted, *instead;
    const char *tensor; // the first of them; lives as long as the file
    int64_t row;        // values in a row of it
    int count;
};

struct quantize_report {
    uint64_t bytes_before, bytes_after; // of the tensors' data
    int tensors, converted;             // the rest had the wanted type already
    int n_fallbacks;
    struct quantize_fallback fallbacks[4];
};

/* Writes the model with its weight matrices in the given quantisation; the router, norms, biases and what has one dimension become F32.
 * Metadata are kept, but general.file_type and general.quantization_version are those of the new file. Atomic, and streaming: memory stays
 * small whatever the size. ERROR_INPUT for an unsupported type, values that are not finite or too large for the type, or a path that is the
 * input itself. */
bool quantize_write(struct model_file *file, const char *path, const struct quantize_options *options, struct quantize_report *report,
                    struct error *err) MUST_CHECK;

/* --- Synthetic models ------------------------------------------------------------------------------------------------------------------
 */

/* Names of the built-in shapes and of the quantisations, NULL-terminated; a one-line description of a shape, NULL when unknown. */
const char *const *synth_shapes(void);
const char *synth_shape_summary(const char *name);
const char *const *synth_quantisations(void);

struct synth_options {
    const char *shape;        // a built-in name, or the path of a shape file (JSON)
    const char *quantisation; // "f32", "bf16", "q8_0", "q4_0", "q4_k_m" …
    uint64_t seed;
    int threads; // 0: every online CPU; the bytes written do not depend on it
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); // may be NULL
    void *context;
};

/* Writes a GGUF file with seeded random weights, streaming: memory stays small whatever the size. Atomic: a failure leaves nothing under
 * the final name. */
bool synth_write(const char *path, const struct synth_options *options, struct error *err) MUST_CHECK;

#endif
