/* Hostile GGUF files: refused as bad input with a message, or opened; never a crash. */
#include "tests/support.h"

#include "engine/engine.h"

#include <string.h>

static const char golden[] = "tests/data/goldens/olmoe/model.gguf";
static char directory[64], path[96];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/jeoul-test-gguf-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/model.gguf", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

TestSuite(gguf, .init = make_directory, .fini = remove_directory);

static void put_file(const void *bytes, size_t n)
{
    FILE *stream = fopen(path, "wb");
    cr_assert_not_null(stream);
    cr_assert_eq(fwrite(bytes, 1, n, stream), n);
    cr_assert_eq(fclose(stream), 0);
}

static void expect_refused(const char *what)
{
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    cr_expect_null(file, "%s was opened", what);
    cr_expect_eq(err.code, ERROR_INPUT, "%s: code %d: %s", what, (int)err.code, err.message);
    cr_expect(strstr(err.message, path) != NULL, "%s: the message doesn't name the file: %s", what, err.message);
    model_file_close(file);
}

static void expect_input_error(bool ok, const struct error *err, const char *what)
{
    cr_expect(ok || (err->code == ERROR_INPUT && err->message[0]), "%s: code %d: %s", what, (int)err->code, err->message);
}

/* Everything that opening a model touches; each part may fail, as bad input. `load`: the weights too. */
static void visit(const char *what, bool load)
{
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    expect_input_error(file, &err, what);
    if (!file)
        return;
    struct model_info info;
    struct model_meta meta;
    struct model_tensor tensor;
    for (size_t i = 0; model_file_meta(file, i, &meta); i++)
        cr_assert(meta.key && meta.type && meta.value);
    for (size_t i = 0; model_file_tensor(file, i, &tensor); i++)
        cr_assert(tensor.name && tensor.type);
    err = (struct error){0};
    bool described = model_file_info(file, &info, &err);
    expect_input_error(described, &err, what);
    err = (struct error){0};
    struct tokenizer *tokenizer = tokenizer_open(file, &err);
    expect_input_error(tokenizer, &err, what);
    tokenizer_close(tokenizer);
    if (load) {
        err = (struct error){0};
        struct engine *engine = engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64, .max_rows = 8}, &err);
        /* a shape that is valid and too large for this machine is not the file's fault */
        cr_expect(engine || err.message[0], "%s: no message", what);
        engine_close(engine);
    }
    model_file_close(file);
}

/* Where the tensors' data begin: the least offset of a tensor. */
static size_t header_bytes(void)
{
    struct error err = {0};
    struct model_file *file = model_file_open(golden, &err);
    cr_assert_not_null(file, "%s", err.message);
    struct model_tensor tensor;
    size_t least = SIZE_MAX;
    for (size_t i = 0; model_file_tensor(file, i, &tensor); i++)
        least = tensor.offset < least ? (size_t)tensor.offset : least;
    model_file_close(file);
    return least;
}

Test(gguf, a_truncated_file_is_refused_wherever_it_ends)
{
    size_t n, header = header_bytes();
    char *bytes = read_whole(golden, &n), what[64];
    for (size_t length = 0; length < n; length += length < 300 ? 1 : length < header ? 97 : 4099) {
        put_file(bytes, length);
        snprintf(what, sizeof what, "a file cut at %zu of %zu", length, n);
        expect_refused(what);
    }
    free(bytes);
}

Test(gguf, flipped_bits_in_the_header_never_crash, .timeout = 300)
{
    size_t n, header = header_bytes(), step = header / 1500 + 1, round = 0;
    char *bytes = read_whole(golden, &n), what[64];
    for (size_t at = 0; at < header; at += at < 1024 ? 1 : step, round++) {
        char kept = bytes[at];
        bytes[at] ^= (char)(1 << (at * 5 + at / 8) % 8);
        put_file(bytes, n);
        snprintf(what, sizeof what, "a flipped bit in byte %zu", at);
        visit(what, round % 8 == 0);
        bytes[at] = kept;
    }
    free(bytes);
}

Test(gguf, what_is_no_gguf_file_is_refused)
{
    size_t n;
    char *bytes = read_whole(golden, &n);
    put_file("", 0);
    expect_refused("an empty file");
    memcpy(bytes, "GGML", 4);
    put_file(bytes, n);
    expect_refused("another magic");
    memcpy(bytes,
           "\x7F"
           "ELF",
           4);
    put_file(bytes, n);
    expect_refused("a program");
    memcpy(bytes, "GGUF", 4);
    const uint32_t versions[] = {0, 1, 4, 0x03000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        memcpy(bytes + 4, &versions[i], 4);
        put_file(bytes, n);
        expect_refused("another version");
    }
    free(bytes);
    unlink(path);
    expect_refused("a missing file");
    snprintf(path, sizeof path, "%s", directory);
    expect_refused("a directory");
    snprintf(path, sizeof path, "%s/model.gguf", directory);
}

Test(gguf, absurd_counts_are_refused_before_memory_is_taken)
{
    size_t n;
    char *bytes = read_whole(golden, &n), what[64];
    const uint64_t counts[] = {UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 48 + 2, 1ULL << 32, n};
    for (size_t at = 8; at <= 16; at += 8) {
        char kept[8];
        memcpy(kept, bytes + at, 8);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            memcpy(bytes + at, &counts[i], 8);
            put_file(bytes, n);
            snprintf(what, sizeof what, "%llu at byte %zu", (unsigned long long)counts[i], at);
            expect_refused(what);
        }
        memcpy(bytes + at, kept, 8);
    }
    free(bytes);
}

/* --- files made from nothing -----------------------------------------------------------------------------------------------------------
 */

struct bytes {
    char at[4096];
    size_t n;
};

static void put(struct bytes *b, const void *bytes, size_t n)
{
    memcpy(b->at + b->n, bytes, n);
    b->n += n;
}

static void put_u32(struct bytes *b, uint32_t value)
{
    put(b, &value, 4);
}

static void put_u64(struct bytes *b, uint64_t value)
{
    put(b, &value, 8);
}

static void put_string(struct bytes *b, const char *text)
{
    put_u64(b, strlen(text));
    put(b, text, strlen(text));
}

static struct bytes new_file(uint64_t tensors, uint64_t values)
{
    struct bytes b = {.n = 0};
    put(&b, "GGUF", 4);
    put_u32(&b, 3);
    put_u64(&b, tensors);
    put_u64(&b, values);
    return b;
}

static void put_tensor(struct bytes *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_string(b, name);
    put_u32(b, 2);
    put_u64(b, cols);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

/* Pads and adds `data` bytes, then writes the file. */
static void finish(struct bytes *b, size_t data)
{
    b->n = (b->n + 31) / 32 * 32 + data;
    cr_assert_leq(b->n, sizeof b->at);
    put_file(b->at, b->n);
}

/* A file with the tensors a (8 × 8 floats at 0) and this one, and 512 bytes of data. */
static void two_tensors(const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    struct bytes b = new_file(2, 0);
    put_tensor(&b, "a", 8, 8, 0, 0);
    put_tensor(&b, name, cols, rows, type, offset);
    finish(&b, 512);
}

Test(gguf, tensors_lie_in_the_file_apart_and_aligned)
{
    two_tensors("b", 8, 8, 0, 256);
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    cr_assert_not_null(file, "a good file: %s", err.message);
    model_file_close(file);
    visit("a file without an architecture", true);

    two_tensors("b", 8, 8, 0, 0);
    expect_refused("two tensors in one place");
    two_tensors("b", 8, 8, 0, 224);
    expect_refused("overlapping tensors");
    two_tensors("b", 8, 4, 0, 257);
    expect_refused("an offset that is not aligned");
    two_tensors("b", 8, 8, 0, 288);
    expect_refused("a tensor beyond the end");
    two_tensors("b", 8, 8, 0, UINT64_MAX - 31);
    expect_refused("an offset that overflows");
    two_tensors("b", 8, 8, 0, 1ULL << 63);
    expect_refused("an offset far beyond the end");
    two_tensors("a", 8, 8, 0, 256);
    expect_refused("a name that stands twice");
    two_tensors("", 8, 8, 0, 256);
    expect_refused("a tensor without a name");
    two_tensors("b", 0, 8, 0, 256);
    expect_refused("a dimension of zero");
    two_tensors("b", UINT64_MAX, 8, 0, 256);
    expect_refused("an absurd dimension");
    two_tensors("b", 1u << 31, 1u << 31, 0, 256);
    expect_refused("dimensions that overflow");
    two_tensors("b", 33, 1, 8, 256);
    expect_refused("rows that are no multiple of a block");
    two_tensors("b", 8, 8, 255, 256);
    visit("a tensor of an unknown type", true);
}

Test(gguf, metadata_is_checked)
{
    struct bytes b = new_file(0, 2);
    for (int i = 0; i < 2; i++) {
        put_string(&b, "key");
        put_u32(&b, 4);
        put_u32(&b, 1);
    }
    finish(&b, 0);
    expect_refused("a key that stands twice");

    const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, 1ULL << 40, 4097};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        b = new_file(0, 1);
        put_u64(&b, lengths[i]);
        finish(&b, 64);
        expect_refused("a key of absurd length");
        b = new_file(0, 1);
        put_string(&b, "key");
        put_u32(&b, 8);
        put_u64(&b, lengths[i]);
        finish(&b, 64);
        expect_refused("a string of absurd length");
        for (uint32_t element = 0; element < 13; element++) {
            b = new_file(0, 1);
            put_string(&b, "key");
            put_u32(&b, 9);
            put_u32(&b, element);
            put_u64(&b, lengths[i]);
            finish(&b, 64);
            expect_refused("an array of absurd length");
        }
    }
    b = new_file(0, 1);
    put_string(&b, "key");
    put_u32(&b, 13);
    finish(&b, 64);
    expect_refused("an unknown type");
    b = new_file(0, 1);
    put_string(&b, "k\xFFy");
    put_u32(&b, 4);
    finish(&b, 64);
    expect_refused("a key that is not UTF-8");
    const uint32_t alignments[] = {0, 3, 1u << 31};
    for (size_t i = 0; i < 3; i++) {
        b = new_file(0, 1);
        put_string(&b, "general.alignment");
        put_u32(&b, 4);
        put_u32(&b, alignments[i]);
        finish(&b, 64);
        expect_refused("an alignment that is none");
    }
    b = new_file(0, 0);
    finish(&b, 0);
    visit("a file of nothing", true);
}

/* GGUF's number, its name in the message. */
Test(gguf, a_type_that_is_not_supported_is_refused_by_name_when_the_model_is_loaded)
{
    static const struct {
        uint32_t type;
        const char *name;
    } types[] = {{17, "(IQ2_XS)"}, {9, "(Q8_1)"}, {35, "(TQ2_0)"}, {4, "type 4 (unknown)"}, {4000000000u, "(unknown)"}};
    static const char tensor[] = "blk.0.attn_q.weight";
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct error err = {0};
        size_t n;
        char *bytes = read_whole(golden, &n), *at = memmem(bytes, n, tensor, sizeof tensor - 1);
        cr_assert_not_null(at);
        memcpy(at + sizeof tensor - 1 + 4 + 16, &types[i].type, 4); // behind two dimensions
        put_file(bytes, n);
        free(bytes);
        struct model_file *file = model_file_open(path, &err);
        cr_assert_not_null(file, "%s", err.message);
        cr_expect_null(engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64}, &err));
        cr_expect_eq(err.code, ERROR_INPUT);
        cr_expect(strstr(err.message, types[i].name) && strstr(err.message, tensor) && strstr(err.message, "IQ4_XS"), "%s", err.message);
        model_file_close(file);
    }
}
