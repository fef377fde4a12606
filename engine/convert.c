/* Quantising a model file: see engine.h.
 *
 * Tensors and metadata go over in the order of the input. A tensor is a stream of blocks; pieces of a fixed number of values, a multiple of
 * every block, are converted side by side and written in order: memory is a few pieces, and the bytes do not depend on the threads. */
#include "base/file.h"
#include "base/processors.h"
#include "engine/cpu/pool.h"
#include "engine/gguf_write.h"
#include "engine/quantize.h"
#include "engine/recipe.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE_VALUES = 1 << 16, BATCH_PIECES = 32, MAX_THREADS = 64, ZEROS = 4096 };

struct target {
    const struct tensor *from;
    const struct tensor_format *format;
    uint64_t bytes, offset;
};

struct conversion {
    struct model_file *file;
    const struct quantize_options *options;
    const struct recipe *recipe;
    struct quantize_report *report;
    struct target *targets;
    size_t n_targets;
    uint64_t alignment, total_bytes, done;
    struct file_writer writer;
    struct pool *pool;
    uint8_t *batch;               // [BATCH_PIECES][PIECE_VALUES] in the format of the tensor under way
    float *values;                // [threads][PIECE_VALUES]
    float greatest[BATCH_PIECES]; // magnitude in a piece; infinity where a value is not finite
};

/* --- which type
 * ---------------------------------------------------------------------------------------------------------------------------- */

/* Matrices that multiply activations. What has one dimension, biases, norms and small tables that other engines read as float are not. */
static bool is_weight_matrix(const struct tensor *tensor)
{
    static const char *const parts[] = {"_norm",       "ffn_gate_inp", "rope_",      "pos_embd",
                                        "token_types", "rel_b",        "ssm_conv1d", "shortconv.conv"};
    size_t n = strlen(tensor->name), suffix = strlen(".weight");
    if (n < suffix || strcmp(tensor->name + n - suffix, ".weight") != 0 || tensor->n_dims < 2)
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(tensor->name, parts[i]))
            return false;
    return true;
}

/* The type that rows have instead which are no multiple of a block. */
static enum tensor_type fallback_type(enum tensor_type type, int64_t row)
{
    static const struct {
        enum tensor_type type, instead;
    } of_32[] = {{TENSOR_Q2_K, TENSOR_IQ4_NL}, {TENSOR_Q3_K, TENSOR_IQ4_NL}, {TENSOR_IQ4_XS, TENSOR_IQ4_NL},
                 {TENSOR_Q4_K, TENSOR_Q5_0},   {TENSOR_Q5_K, TENSOR_Q5_1},   {TENSOR_Q6_K, TENSOR_Q8_0}};
    for (size_t i = 0; i < sizeof of_32 / sizeof *of_32; i++)
        if (of_32[i].type == type && row % 32 == 0)
            return of_32[i].instead;
    return TENSOR_F16;
}

static void report_fallback(struct quantize_report *report, const struct tensor *tensor, const char *wanted, const char *instead)
{
    int at = 0;
    while (at < report->n_fallbacks && strcmp(report->fallbacks[at].instead, instead) != 0)
        at++;
    if (at == report->n_fallbacks) // so few types are fallbacks that all have room
        report->fallbacks[report->n_fallbacks++] =
            (struct quantize_fallback){.wanted = wanted, .instead = instead, .tensor = tensor->name, .row = tensor->shape[0]};
    report->fallbacks[at].count++;
}

static enum tensor_type choose_type(struct conversion *c, const struct tensor *tensor, int n_layers)
{
    if (!is_weight_matrix(tensor))
        return TENSOR_F32;
    /* token_embd is the output too where there is no other */
    bool output = strcmp(tensor->name, "token_embd.weight") == 0 && !gguf_tensor(c->file, "output.weight");
    enum tensor_type type = recipe_type(c->recipe, output ? "output.weight" : tensor->name, n_layers);
    const struct tensor_format *wanted = tensor_format((uint32_t)type);
    if (tensor->shape[0] % wanted->block_values == 0)
        return type;
    type = fallback_type(type, tensor->shape[0]);
    report_fallback(c->report, tensor, wanted->name, tensor_format((uint32_t)type)->name);
    return type;
}

static uint64_t padding(const struct conversion *c, uint64_t at)
{
    return (c->alignment - at % c->alignment) % c->alignment;
}

static uint64_t values_of(const struct tensor *tensor) // its product was checked at open
{
    return (uint64_t)(tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3]);
}

static bool plan_targets(struct conversion *c, struct error *err)
{
    struct gguf_string arch = {"", 0};
    char key[128];
    uint32_t n_layers = 0;
    if (!gguf_text(c->file, "general.architecture", &arch, err))
        return false;
    snprintf(key, sizeof key, "%.*s.block_count", (int)(arch.n > 64 ? 64 : arch.n), arch.bytes);
    if (!gguf_u32(c->file, key, &n_layers, err))
        return false;
    while (gguf_tensor_at(c->file, c->n_targets))
        c->n_targets++;
    if (!c->n_targets)
        return error_set(err, ERROR_INPUT, "%s: has no tensors: the file holds a vocabulary only", gguf_path(c->file));
    if (!(c->targets = memory_array(c->n_targets, sizeof *c->targets, "tensors", err)))
        return false;
    for (size_t i = 0; i < c->n_targets; i++) {
        const struct tensor *tensor = gguf_tensor_at(c->file, i);
        struct target *target = &c->targets[i];
        if (!tensor->format)
            return gguf_refuse_type(c->file, tensor, err);
        target->from = tensor;
        target->format = tensor_format((uint32_t)choose_type(c, tensor, n_layers > INT32_MAX ? 0 : (int)n_layers));
        target->offset = c->total_bytes;
        if (__builtin_mul_overflow(values_of(tensor) / (uint64_t)target->format->block_values, (uint64_t)target->format->block_bytes,
                                   &target->bytes) ||
            __builtin_add_overflow(target->offset, target->bytes, &c->total_bytes) ||
            __builtin_add_overflow(c->total_bytes, padding(c, c->total_bytes), &c->total_bytes))
            return error_set(err, ERROR_INPUT, "%s: tensor %s: its size in %s overflows", gguf_path(c->file), tensor->name,
                             target->format->name);
    }
    return true;
}

/* --- header
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const struct gguf_value *const *x = a, *const *y = b;
    return (*x)->data < (*y)->data ? -1 : (*x)->data > (*y)->data;
}

/* The entries of the input, in its order, without those that are ours and those that say how it was split over files. */
static bool put_metadata(const struct conversion *c, const char *const ours[2], struct gguf_entries *out, struct error *err)
{
    size_t count = 0, kept = 0;
    while (gguf_value_at(c->file, count))
        count++;
    const struct gguf_value **values = memory_array(count, sizeof *values, "metadata", err);
    if (!values)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct gguf_value *value = gguf_value_at(c->file, i);
        if (strcmp(value->key, ours[0]) != 0 && strcmp(value->key, ours[1]) != 0 && strncmp(value->key, "split.", 6) != 0)
            values[kept++] = value;
    }
    qsort(values, kept, sizeof *values, compare_places);
    for (size_t i = 0; i < kept; i++)
        gguf_put_entry(out, values[i]);
    free(values);
    return true;
}

static bool make_header(const struct conversion *c, struct text *out, struct error *err)
{
    static const char *const keys[2] = {"general.file_type", "general.quantization_version"};
    const uint32_t values[2] = {c->recipe->file_type, 2};
    struct gguf_entries entries = {0};
    bool ok = put_metadata(c, keys, &entries, err);
    for (int i = 0; i < 2; i++)
        gguf_put_number(&entries, keys[i], values[i]);
    gguf_put_head(out, c->n_targets, &entries);
    for (size_t i = 0; i < c->n_targets; i++) {
        const struct target *target = &c->targets[i];
        gguf_put_tensor(out, target->from->name, target->from->n_dims, target->from->shape, (uint32_t)target->format->type, target->offset);
    }
    gguf_pad(out, c->alignment);
    ok = ok && text_ok(&entries.text, err) && text_ok(out, err);
    text_free(&entries.text);
    return ok;
}

/* --- data
 * ------------------------------------------------------------------------------------------------------------------------------------ */

struct batch_work {
    struct conversion *c;
    const struct target *target;
    uint64_t first, values; // of the tensor: where the batch begins, how many there are
    int pieces;
};

static size_t block_bytes(const struct tensor_format *format, uint64_t values)
{
    return (size_t)(values / (uint64_t)format->block_values) * (size_t)format->block_bytes;
}

static float greatest_magnitude(const float *values, int64_t count)
{
    float greatest = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return INFINITY;
        greatest = fmaxf(greatest, fabsf(values[i]));
    }
    return greatest;
}

static void convert_thread(void *context, int thread, int threads)
{
    const struct batch_work *w = context;
    struct conversion *c = w->c;
    const struct tensor_format *from = w->target->from->format, *to = w->target->format;
    float *values = c->values + (size_t)thread * PIECE_VALUES;
    (void)threads;
    for (int64_t piece; (piece = pool_next(c->pool, w->pieces)) >= 0;) {
        uint64_t at = w->first + (uint64_t)piece * PIECE_VALUES;
        int64_t count = (int64_t)(w->values - at < PIECE_VALUES ? w->values - at : PIECE_VALUES);
        from->to_float((const uint8_t *)w->target->from->data + block_bytes(from, at), values, count);
        c->greatest[piece] = greatest_magnitude(values, count);
        if (c->greatest[piece] <= (quantize_has_limit(to->type) ? QUANTIZE_LIMIT : FLT_MAX))
            quantize_values(to->type, values, count, c->batch + (size_t)piece * block_bytes(to, PIECE_VALUES));
    }
}

static bool put(struct conversion *c, const void *bytes, size_t n, struct error *err)
{
    if (n && fwrite(bytes, 1, n, c->writer.stream) != n)
        return error_set_errno(err, "%s: cannot be written", c->writer.path);
    c->done += n;
    if (c->options->progress)
        c->options->progress(c->options->context, c->done, c->total_bytes);
    return true;
}

static bool check_batch(const struct batch_work *w, struct error *err)
{
    const struct target *target = w->target;
    for (int i = 0; i < w->pieces; i++) {
        float greatest = w->c->greatest[i];
        if (!isfinite(greatest))
            return error_set(err, ERROR_INPUT, "%s: tensor %s has values that are not finite: such weights have no quantised form",
                             gguf_path(w->c->file), target->from->name);
        if (quantize_has_limit(target->format->type) && greatest > QUANTIZE_LIMIT)
            return error_set(err, ERROR_INPUT,
                             "%s: tensor %s has a value of magnitude %g, %s holds at most %g: f32, bf16 and mxfp4 hold it",
                             gguf_path(w->c->file), target->from->name, (double)greatest, target->format->name, (double)QUANTIZE_LIMIT);
    }
    return true;
}

static bool convert_tensor(struct conversion *c, const struct target *target, struct error *err)
{
    const struct tensor *tensor = target->from;
    if (tensor->format == target->format) // as it is
        return put(c, tensor->data, tensor->bytes, err);
    struct batch_work work = {.c = c, .target = target, .values = values_of(tensor)};
    for (; work.first < work.values; work.first += (uint64_t)work.pieces * PIECE_VALUES) {
        uint64_t left = (work.values - work.first + PIECE_VALUES - 1) / PIECE_VALUES;
        work.pieces = left < BATCH_PIECES ? (int)left : BATCH_PIECES;
        pool_run(c->pool, convert_thread, &work);
        uint64_t end = work.first + (uint64_t)work.pieces * PIECE_VALUES, count = (end < work.values ? end : work.values) - work.first;
        if (!check_batch(&work, err) || !put(c, c->batch, block_bytes(target->format, count), err))
            return false;
    }
    return true;
}

static bool write_file(struct conversion *c, const struct text *header, struct error *err)
{
    if (fwrite(header->bytes, 1, header->length, c->writer.stream) != header->length)
        return error_set_errno(err, "%s: cannot be written", c->writer.path);
    for (size_t i = 0; i < c->n_targets; i++) {
        const struct target *target = &c->targets[i];
        if (!convert_tensor(c, target, err))
            return false;
        for (uint64_t n = padding(c, c->done), part; n; n -= part) {
            static const char zeros[ZEROS];
            part = n < ZEROS ? n : ZEROS;
            if (!put(c, zeros, part, err))
                return false;
        }
        gguf_drop(c->file, target->from);
        c->report->tensors++;
        c->report->converted += target->from->format != target->format;
        c->report->bytes_before += target->from->bytes;
        c->report->bytes_after += target->bytes;
    }
    return true;
}

/* The input is read while the output is written: under another name, and not even by way of a link. */
static bool check_paths(const struct model_file *file, const char *path, struct error *err)
{
    struct stat in, out;
    if (stat(gguf_path(file), &in) == 0 && stat(path, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return error_set(err, ERROR_INPUT, "%s: is the input itself: name another file to write", path);
    return true;
}

bool quantize_write(struct model_file *file, const char *path, const struct quantize_options *options, struct quantize_report *report,
                    struct error *err)
{
    int threads = options->threads ? options->threads : processors_available();
    threads = threads > MAX_THREADS ? MAX_THREADS : threads < 1 ? 1 : threads;
    *report = (struct quantize_report){0};
    struct conversion conversion = {.file = file,
                                    .options = options,
                                    .recipe = recipe_find(options->quantisation, err),
                                    .report = report,
                                    .alignment = gguf_alignment(file)},
                      *c = &conversion;
    struct text header = {0};
    bool ok = c->recipe && check_paths(file, path, err) && plan_targets(c, err) && make_header(c, &header, err) &&
              (c->pool = pool_open(threads, err)) && (c->batch = memory_array(BATCH_PIECES * PIECE_VALUES, 4, "converted values", err)) &&
              (c->values = memory_array((size_t)threads * PIECE_VALUES, sizeof *c->values, "values", err)) &&
              file_create(&c->writer, path, err);
    if (ok) {
        ok = write_file(c, &header, err);
        if (ok)
            ok = file_commit(&c->writer, err);
        else
            file_abandon(&c->writer);
    }
    text_free(&header);
    pool_close(c->pool);
    free(c->batch);
    free(c->values);
    free(c->targets);
    return ok;
}

const char *const *quantize_names(void)
{
    return recipe_names();
}
