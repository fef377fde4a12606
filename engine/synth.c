/* Writing a synthetic model: see engine.h.
 *
 * Tensors are cut into pieces of a fixed number of values; a piece's random numbers depend on the seed, its tensor and its number only.
 * Threads fill pieces side by side, one writer puts them down in order: the bytes do not depend on the number of threads, and memory is a
 * few pieces. */
#include "engine/synth.h"

#include "base/file.h"
#include "base/processors.h"
#include "engine/gguf_write.h"
#include "engine/recipe.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_VALUES = 1 << 21, ALIGNMENT = 32, MAX_THREADS = 64 };

/* --- random blocks
 * --------------------------------------------------------------------------------------------------------------------------- */

static void fill_bytes(struct random *random, uint8_t *out, size_t n)
{
    for (; n >= 8; n -= 8, out += 8) {
        uint64_t word = random_u64(random);
        memcpy(out, &word, 8);
    }
    uint64_t word = random_u64(random);
    memcpy(out, &word, n);
}

static void put_f16(uint8_t *out, double value)
{
    uint16_t half = f32_to_f16((float)value);
    memcpy(out, &half, 2);
}

/* The sign of a block's scale is a coin's, so that values whose mean isn't 0 are centred over many blocks. */
static double either_sign(uint8_t random_byte)
{
    return random_byte & 1 ? 1 : -1;
}

/* The 8 scales of Q4_K and Q5_K, 32 … 63 (47.5 in the mean), and minimums that equal them. */
static void equal_scales(uint8_t packed[12])
{
    for (int j = 0; j < 4; j++) {
        int low = 32 | (packed[j] & 31), high = 32 | (packed[4 + j] & 31);
        packed[j] = (uint8_t)(low | (high >> 4) << 6);
        packed[4 + j] = packed[j];
        packed[8 + j] = (uint8_t)((high & 15) | (high & 15) << 4);
    }
}

/* A block's scale varies by a quarter up and down, as real ones do. */
static double vary(struct random *random)
{
    return 0.75 + 0.5 * random_unit(random);
}

/* Nearly normal, deviation 1: the sum of four uniform bytes. */
static float rough_normal(uint32_t word)
{
    int sum = (int)(word & 255) + (int)(word >> 8 & 255) + (int)(word >> 16 & 255) + (int)(word >> 24);
    return (float)(sum - 510) * (1.0f / 147.8f);
}

static void float_values(enum tensor_type type, struct random *random, double deviation, int64_t count, uint8_t *out)
{
    for (int64_t i = 0; i < count; i += 2) {
        uint64_t word = random_u64(random);
        for (int64_t j = i; j < i + 2 && j < count; j++, word >>= 32) {
            float value = rough_normal((uint32_t)word) * (float)deviation;
            uint16_t half = type == TENSOR_F16 ? f32_to_f16(value) : f32_to_bf16(value);
            if (type == TENSOR_F32)
                memcpy(out + 4 * j, &value, 4);
            else
                memcpy(out + 2 * j, &half, 2);
        }
    }
}

void synth_blocks(enum tensor_type type, struct random *random, double deviation, int64_t count, uint8_t *out)
{
    const struct tensor_format *format = tensor_format((uint32_t)type);
    if (format->block_values == 1) {
        float_values(type, random, deviation, count, out);
        return;
    }
    for (int64_t i = 0; i < count; i += format->block_values, out += format->block_bytes) {
        fill_bytes(random, out, (size_t)format->block_bytes);
        double scale = deviation * vary(random);
        switch (type) {
        case TENSOR_Q8_0: // uniform −128 … 127: deviation 73.9
            put_f16(out, scale / 73.9);
            for (int j = 2; j < 34; j++)
                out[j] = out[j] == 0x80 ? 0 : out[j];
            break;
        case TENSOR_Q4_0: // −7 … 7 and another 0: deviation 4.18
            put_f16(out, scale / 4.18);
            for (int j = 2; j < 18; j++) {
                out[j] |= out[j] & 0x0F ? 0 : 0x08;
                out[j] |= out[j] & 0xF0 ? 0 : 0x80;
            }
            break;
        case TENSOR_Q4_1: // 0 … 15 around 7.5
            put_f16(out, scale / 4.61);
            put_f16(out + 2, -7.5 * scale / 4.61);
            break;
        case TENSOR_Q5_0: // −16 … 15, the nibble 0 taken for 8: mean 0
            put_f16(out, scale / 9.1);
            for (int j = 6; j < 22; j++) {
                out[j] |= out[j] & 0x0F ? 0 : 0x08;
                out[j] |= out[j] & 0xF0 ? 0 : 0x80;
            }
            break;
        case TENSOR_Q5_1: // 0 … 31 around 15.5
            put_f16(out, scale / 9.23);
            put_f16(out + 2, -15.5 * scale / 9.23);
            break;
        case TENSOR_IQ4_NL: // deviation of the 16 values: 67.4
            put_f16(out, either_sign(out[0]) * scale / 67.4);
            break;
        case TENSOR_IQ4_XS: // scales −32 … 31: deviation 18.5
            put_f16(out, scale / (67.4 * 18.5));
            break;
        case TENSOR_MXFP4: // the doubled values have 5.85; the scale is a power of two
            out[0] = (uint8_t)(128 + lrint(log2(scale / 5.85)));
            break;
        case TENSOR_Q2_K: // minimum = scale, 8 … 15, dmin = 1.5 d: the values are centred
            for (int j = 0; j < 16; j++)
                out[j] = (uint8_t)(0x88 | (out[j] & 7) | (out[j] & 7) << 4);
            put_f16(out + 80, scale / (1.118 * 11.5));
            put_f16(out + 82, 1.5 * scale / (1.118 * 11.5));
            break;
        case TENSOR_Q3_K: // −4 … 3, scales −32 … 31
            put_f16(out + 108, scale / (2.35 * 18.5));
            break;
        case TENSOR_Q4_K: // scale = minimum, dmin = 7.5 d: the values are centred
            put_f16(out, scale / (4.61 * 47.5));
            put_f16(out + 2, 7.5 * scale / (4.61 * 47.5));
            equal_scales(out + 4);
            break;
        case TENSOR_Q5_K: // as Q4_K
            put_f16(out, scale / (9.23 * 47.5));
            put_f16(out + 2, 15.5 * scale / (9.23 * 47.5));
            equal_scales(out + 4);
            break;
        case TENSOR_Q6_K: // scales 64 … 127
            for (int j = 192; j < 208; j++)
                out[j] = (uint8_t)(64 | (out[j] & 63));
            put_f16(out + 208, scale / (18.5 * 95.5));
            break;
        default:
            break;
        }
    }
}

const char *const *synth_quantisations(void)
{
    return recipe_names();
}

/* --- the plan of a file
 * ---------------------------------------------------------------------------------------------------------------------- */

struct planned {
    char name[64];
    enum tensor_type type;
    enum weight_use use;
    int64_t shape[3]; // cols, rows, experts
    int64_t values;
    uint64_t bytes, offset;
    double deviation; // 0: all values are 1 (norms)
};

struct plan {
    const struct recipe *recipe;
    struct model model; // only its configuration and empty layers, to go over the list of weights
    struct planned *tensors;
    size_t n_tensors, capacity;
    uint64_t total_bytes;
};

/* What a model of this architecture has of that which the format leaves open: gpt-oss has biases everywhere, and sinks. */
static bool has_optional(const struct plan *plan, const char *name)
{
    size_t n = strlen(name), bias = strlen(".bias");
    bool is_bias = n > bias && strcmp(name + n - bias, ".bias") == 0 && !strstr(name, "exp_probs_b");
    return strcmp(plan->model.config.architecture->name, "gpt-oss") == 0 && (is_bias || strstr(name, "attn_sinks"));
}

static bool plan_weight(void *context, struct weight *w, const char *name, enum weight_use use, bool needed, struct error *err)
{
    struct plan *plan = context;
    if (!needed && !has_optional(plan, name))
        return true;
    if (!memory_grow((void **)&plan->tensors, &plan->capacity, plan->n_tensors + 1, sizeof *plan->tensors, "tensors", err))
        return false;
    struct planned *tensor = &plan->tensors[plan->n_tensors++];
    *tensor = (struct planned){.use = use, .shape = {w->cols, w->rows, w->experts}, .values = w->cols * w->rows * w->experts};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->type = use == WEIGHT_VECTOR ? TENSOR_F32 : recipe_type(plan->recipe, name, plan->model.config.n_layers);
    tensor->deviation = !needed ? 0.02 : use == WEIGHT_VECTOR ? 0 : use == WEIGHT_LOOKUP ? 1 : 1 / sqrt((double)w->cols);
    const struct tensor_format *format = tensor_format((uint32_t)tensor->type);
    if (w->cols % format->block_values)
        return error_set(err, ERROR_INPUT, "%s has rows of %lld values, %s wants multiples of %d: choose another quantisation or shape",
                         name, (long long)w->cols, format->name, format->block_values);
    tensor->bytes = (uint64_t)(tensor->values / format->block_values) * (uint64_t)format->block_bytes;
    tensor->offset = plan->total_bytes;
    plan->total_bytes = (tensor->offset + tensor->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return true;
}

static bool make_plan(struct plan *plan, const struct synth_shape *s, struct error *err)
{
    struct model_config *c = &plan->model.config;
    c->architecture = architecture_named((struct gguf_string){s->arch, strlen(s->arch)});
    c->n_layers = s->n_layers;
    c->n_embd = s->n_embd;
    c->n_heads = s->n_heads;
    c->n_kv_heads = s->n_kv_heads;
    c->head_dim = s->head_dim;
    c->n_experts = s->n_experts;
    *(s->n_experts ? &c->n_ff : &c->n_ff_dense) = s->n_ff;
    c->n_dense_layers = s->n_experts ? 0 : s->n_layers;
    c->n_vocab = s->n_vocab;
    plan->model.layers = memory_array((size_t)s->n_layers, sizeof *plan->model.layers, "layers", err);
    return plan->model.layers && model_each_weight(&plan->model, plan_weight, plan, err);
}

/* --- header
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static bool make_header(struct text *out, const struct plan *plan, const struct synth_shape *s, uint64_t seed, struct error *err)
{
    struct gguf_entries entries = {.arch = s->arch}, *h = &entries;
    char name[128];
    bool qwen = strcmp(s->arch, "qwen3moe") == 0, oss = strcmp(s->arch, "gpt-oss") == 0;
    enum { OSS_WINDOW = 128 };
    snprintf(name, sizeof name, "jeoul %s", s->name);
    gguf_put_text(h, "general.architecture", s->arch);
    gguf_put_text(h, "general.name", name);
    gguf_put_number(h, "general.file_type", plan->recipe->file_type);
    gguf_put_number(h, "general.quantization_version", 2);
    gguf_put_number(h, "general.alignment", ALIGNMENT);
    gguf_put_bool(h, "jeoul.random_weights", true);
    gguf_put_key(h, "jeoul.seed", GGUF_U64);
    gguf_put_u64(&h->text, seed);
    gguf_put_number(h, ".context_length", (uint32_t)s->context_length);
    gguf_put_number(h, ".embedding_length", (uint32_t)s->n_embd);
    gguf_put_number(h, ".block_count", (uint32_t)s->n_layers);
    gguf_put_number(h, ".feed_forward_length", (uint32_t)s->n_ff);
    gguf_put_number(h, ".attention.head_count", (uint32_t)s->n_heads);
    gguf_put_number(h, ".attention.head_count_kv", (uint32_t)s->n_kv_heads);
    if (s->n_experts) {
        gguf_put_number(h, ".expert_count", (uint32_t)s->n_experts);
        gguf_put_number(h, ".expert_used_count", (uint32_t)s->top_k);
    }
    gguf_put_float(h, ".attention.layer_norm_rms_epsilon", qwen ? 1e-6f : 1e-5f);
    gguf_put_float(h, ".rope.freq_base", (float)s->rope_base);
    if (oss)
        gguf_put_number(h, ".attention.sliding_window", OSS_WINDOW);
    if (qwen || oss) {
        gguf_put_number(h, ".expert_feed_forward_length", (uint32_t)s->n_ff);
        gguf_put_number(h, ".attention.key_length", (uint32_t)s->head_dim);
        gguf_put_number(h, ".attention.value_length", (uint32_t)s->head_dim);
    }
    bool ok = synth_vocabulary(h, s->n_vocab, qwen ? "qwen2" : oss ? "gpt-4o" : s->n_experts ? "olmo" : "llama-bpe", err);
    gguf_put_head(out, plan->n_tensors, h);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct planned *tensor = &plan->tensors[i];
        int n_dims = tensor->use == WEIGHT_VECTOR && tensor->shape[1] == 1 ? 1 : tensor->shape[2] > 1 ? 3 : 2;
        gguf_put_tensor(out, tensor->name, n_dims, tensor->shape, (uint32_t)tensor->type, tensor->offset);
    }
    gguf_pad(out, ALIGNMENT);
    ok = ok && text_ok(&h->text, err) && text_ok(out, err);
    text_free(&h->text);
    return ok;
}

/* --- data
 * ------------------------------------------------------------------------------------------------------------------------------------ */

struct piece {
    const struct planned *tensor;
    uint64_t seed, stream;
    int64_t count;
    uint8_t *bytes;
    pthread_t thread;
};

static void *fill_piece(void *argument)
{
    struct piece *piece = argument;
    struct random random = random_seed(piece->seed, piece->stream);
    if (piece->tensor->deviation > 0)
        synth_blocks(piece->tensor->type, &random, piece->tensor->deviation, piece->count, piece->bytes);
    else
        for (int64_t i = 0; i < piece->count; i++) {
            float one = 1.0f;
            memcpy(piece->bytes + 4 * i, &one, 4);
        }
    return NULL;
}

struct writing {
    const struct plan *plan;
    const struct synth_options *options;
    struct file_writer *writer;
    struct piece pieces[MAX_THREADS];
    int threads;
    uint64_t done;
};

static bool write_tensor(struct writing *w, size_t index, struct error *err)
{
    const struct planned *tensor = &w->plan->tensors[index];
    const struct tensor_format *format = tensor_format((uint32_t)tensor->type);
    for (int64_t at = 0; at < tensor->values;) {
        int n = 0;
        for (; n < w->threads && at < tensor->values; n++) {
            struct piece *piece = &w->pieces[n];
            piece->tensor = tensor;
            piece->seed = w->options->seed;
            piece->stream = (uint64_t)index << 32 | (uint64_t)(at / PIECE_VALUES);
            piece->count = tensor->values - at < PIECE_VALUES ? tensor->values - at : PIECE_VALUES;
            at += piece->count;
            if (n && pthread_create(&piece->thread, NULL, fill_piece, piece) != 0) {
                for (int i = 1; i < n; i++)
                    pthread_join(w->pieces[i].thread, NULL);
                return error_set(err, ERROR_MACHINE, "a thread could not be started");
            }
        }
        fill_piece(&w->pieces[0]);
        for (int i = 1; i < n; i++)
            pthread_join(w->pieces[i].thread, NULL);
        for (int i = 0; i < n; i++) {
            size_t bytes = (size_t)(w->pieces[i].count / format->block_values) * (size_t)format->block_bytes;
            if (fwrite(w->pieces[i].bytes, 1, bytes, w->writer->stream) != bytes)
                return error_set_errno(err, "%s: cannot be written", w->writer->path);
            w->done += bytes;
        }
        if (w->options->progress)
            w->options->progress(w->options->context, w->done, w->plan->total_bytes);
    }
    static const char zeros[ALIGNMENT];
    uint64_t end = tensor->offset + tensor->bytes, padding = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - end;
    w->done += padding;
    return fwrite(zeros, 1, padding, w->writer->stream) == padding || error_set_errno(err, "%s: cannot be written", w->writer->path);
}

static bool write_all(struct writing *w, const struct text *header, struct error *err)
{
    bool ok = fwrite(header->bytes, 1, header->length, w->writer->stream) == header->length ||
              error_set_errno(err, "%s: cannot be written", w->writer->path);
    for (int i = 0; ok && i < w->threads; i++)
        ok = (w->pieces[i].bytes = memory_array(PIECE_VALUES, 4, "a piece of a tensor", err)) != NULL;
    for (size_t i = 0; ok && i < w->plan->n_tensors; i++)
        ok = write_tensor(w, i, err);
    for (int i = 0; i < w->threads; i++)
        free(w->pieces[i].bytes);
    return ok;
}

bool synth_write(const char *path, const struct synth_options *options, struct error *err)
{
    struct arena arena = {0};
    struct synth_shape shape;
    struct plan plan = {.recipe = recipe_find(options->quantisation, err)};
    struct text header = {0};
    struct file_writer writer;
    int threads = options->threads ? options->threads : processors_available();
    struct writing writing = {
        .plan = &plan, .options = options, .writer = &writer, .threads = threads > MAX_THREADS ? MAX_THREADS : threads};
    bool ok = plan.recipe && synth_shape_find(options->shape, &arena, &shape, err) && make_plan(&plan, &shape, err) &&
              make_header(&header, &plan, &shape, options->seed, err) && file_create(&writer, path, err);
    if (ok) {
        ok = write_all(&writing, &header, err);
        if (ok)
            ok = file_commit(&writer, err);
        else
            file_abandon(&writer);
    }
    text_free(&header);
    free(plan.tensors);
    free(plan.model.layers);
    arena_free(&arena);
    return ok;
}
