/* A model that is split over several files is the same model; files that do not belong together are refused. */
#include "tests/support.h"

#include "base/file.h"
#include "base/text.h"
#include "engine/gguf.h"
#include "engine/gguf_write.h"

#include <string.h>

static const char golden[] = "tests/data/goldens/olmoe_q8_0/model.gguf";
enum { PARTS = 3, ALIGNMENT = 32 };
static char directory[64];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/jeoul-test-split-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static const char *part_name(int part, int parts)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/m-%05d-of-%05d.gguf", directory, part + 1, parts);
    return path;
}

static void remove_directory(void)
{
    for (int part = 0; part < PARTS; part++)
        unlink(part_name(part, PARTS));
    rmdir(directory);
}

TestSuite(split, .init = make_directory, .fini = remove_directory);

/* Every PARTS-th tensor from `part` on, and in the first part the metadata. */
static void write_part(struct model_file *file, int part, uint32_t claims)
{
    struct gguf_entries entries = {0};
    struct text out = {0}, data = {0};
    struct model_meta meta;
    const struct tensor *tensor;
    struct error err = {0};
    uint64_t n_tensors = 0;
    for (size_t i = 0; gguf_tensor_at(file, i); i++)
        n_tensors += i % PARTS == (size_t)part;
    gguf_put_number(&entries, "split.count", PARTS);
    gguf_put_number(&entries, "split.no", claims);
    for (size_t i = 0; part == 0 && model_file_meta(file, i, &meta); i++)
        gguf_put_entry(&entries, gguf_find(file, meta.key));
    gguf_put_head(&out, n_tensors, &entries);
    for (size_t i = 0; (tensor = gguf_tensor_at(file, i)) != NULL; i++) {
        if (i % PARTS != (size_t)part)
            continue;
        gguf_put_tensor(&out, tensor->name, tensor->n_dims, tensor->shape, gguf_tensor_type(file, tensor), data.length);
        text_add(&data, tensor->data, tensor->bytes);
        gguf_pad(&data, ALIGNMENT);
    }
    gguf_pad(&out, ALIGNMENT);
    text_add(&out, data.bytes, data.length);
    cr_assert(text_ok(&out, &err) && file_write(part_name(part, PARTS), out.bytes, out.length, &err), "%s", err.message);
    text_free(&entries.text);
    text_free(&out);
    text_free(&data);
}

static void write_parts(void)
{
    struct error err = {0};
    struct model_file *file = model_file_open(golden, &err);
    cr_assert_not_null(file, "%s", err.message);
    for (int part = 0; part < PARTS; part++)
        write_part(file, part, (uint32_t)part);
    model_file_close(file);
}

static void logits_of(const char *path, float *logits)
{
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    cr_assert_not_null(file, "%s", err.message);
    struct engine *engine = engine_open(file, &(struct engine_options){.threads = 1, .kv_tokens = 64}, &err);
    cr_assert_not_null(engine, "%s", err.message);
    struct engine_row row = {.seq = engine_seq_new(engine, &err), .token = 7, .want = ENGINE_WANT_LOGITS, .logits = logits};
    cr_assert(engine_step(engine, &row, 1, &err), "%s", err.message);
    engine_close(engine);
    model_file_close(file);
}

Test(split, parts_make_the_same_model_as_one_file)
{
    enum { VOCABULARY = 320 };
    static float whole[VOCABULARY], split[VOCABULARY];
    struct error err = {0};
    struct model_info one, three;
    write_parts();
    logits_of(golden, whole);
    logits_of(part_name(0, PARTS), split);
    cr_expect(memcmp(whole, split, sizeof whole) == 0);
    struct model_file *a = model_file_open(golden, &err), *b = model_file_open(part_name(0, PARTS), &err);
    cr_assert(model_file_info(a, &one, &err) && model_file_info(b, &three, &err), "%s", err.message);
    cr_expect_eq(one.parameters, three.parameters);
    cr_expect_eq(one.active_bytes, three.active_bytes);
    model_file_close(a);
    model_file_close(b);
}

static void expect_refused(const char *path, const char *words)
{
    struct error err = {0};
    struct model_file *file = model_file_open(path, &err);
    cr_expect_null(file);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, words), "%s", err.message);
    model_file_close(file);
}

Test(split, parts_that_do_not_belong_together_are_refused)
{
    struct error err = {0};
    char other[160];
    write_parts();
    expect_refused(part_name(1, PARTS), "give the first one");
    struct model_file *file = model_file_open(golden, &err);
    write_part(file, 2, 1);
    expect_refused(part_name(0, PARTS), "says that it is part 2 of 3, its name says 3 of 3");
    write_part(file, 1, 2); // the tensors of part 2 under part 3's number …
    model_file_close(file);
    rename(part_name(1, PARTS), strcpy(other, part_name(2, PARTS)));
    expect_refused(part_name(0, PARTS), "cannot be opened");
    snprintf(other, sizeof other, "%s/renamed.gguf", directory);
    rename(part_name(0, PARTS), other);
    expect_refused(other, "whose name has to end with -00001-of-00003.gguf");
    unlink(other);
}
