/* Checkpoints: everything that a training consists of, so that it goes on bit for bit.
 *
 *     "JEOULTRN"  u64 version  u64 identity  u64 values  u64 step  u64 tokens  u64 cursor
 *     f32[values] weights  f32[values] first moments  f32[values] second moments
 *     u64 checksum of all that stands before */
#include "engine/train/trainer.h"

#include "base/checksum.h"
#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { VERSION = 1, HEADER_WORDS = 7, ARRAYS = 3 };

static const char magic[8] = "JEOULTRN"; // without its NUL

struct arrays {
    float *at[ARRAYS];
};

static struct arrays arrays_of(const struct trainer *t)
{
    return (struct arrays){{t->net.values, t->first_moments, t->second_moments}};
}

static void header_of(const struct trainer *t, uint64_t words[HEADER_WORDS])
{
    memcpy(words, magic, sizeof magic);
    words[1] = VERSION;
    words[2] = t->identity;
    words[3] = t->net.n_values;
    words[4] = (uint64_t)t->step;
    words[5] = (uint64_t)t->tokens;
    words[6] = t->cursor;
}

static uint64_t sum_of(const uint64_t words[HEADER_WORDS], const struct arrays *arrays, size_t n)
{
    uint64_t sums[ARRAYS + 1] = {checksum(words, HEADER_WORDS * sizeof *words, 0)};
    for (int i = 0; i < ARRAYS; i++)
        sums[i + 1] = checksum(arrays->at[i], n * sizeof(float), (uint64_t)i + 1);
    return checksum(sums, sizeof sums, 0);
}

bool trainer_save(const struct trainer *t, const char *path, struct error *err)
{
    uint64_t words[HEADER_WORDS];
    struct arrays arrays = arrays_of(t);
    struct file_writer writer;
    header_of(t, words);
    uint64_t sum = sum_of(words, &arrays, t->net.n_values);
    if (!file_create(&writer, path, err))
        return false;
    bool ok = fwrite(words, sizeof words, 1, writer.stream) == 1;
    for (int i = 0; ok && i < ARRAYS; i++)
        ok = fwrite(arrays.at[i], sizeof(float), t->net.n_values, writer.stream) == t->net.n_values;
    ok = ok && fwrite(&sum, sizeof sum, 1, writer.stream) == 1;
    if (ok)
        return file_commit(&writer, err);
    error_set_errno(err, "%s cannot be written", path);
    file_abandon(&writer);
    return false;
}

/* Into the trainer's own arrays; on failure they are what they were. */
static bool take(struct trainer *t, const char *path, const char *bytes, size_t length, struct error *err)
{
    uint64_t words[HEADER_WORDS], sum;
    size_t n = t->net.n_values, array = n * sizeof(float), wanted = sizeof words + ARRAYS * array + sizeof sum;
    if (length < sizeof words || memcmp(bytes, magic, sizeof magic) != 0)
        return error_set(err, ERROR_INPUT, "%s is not a checkpoint", path);
    memcpy(words, bytes, sizeof words);
    if (words[1] != VERSION)
        return error_set(err, ERROR_INPUT, "%s: a checkpoint of version %llu, %d is read", path, (unsigned long long)words[1], VERSION);
    if (words[2] != t->identity || words[3] != n)
        return error_set(err, ERROR_INPUT,
                         "%s belongs to another training: the model, the settings or the data have changed since; remove it to begin anew",
                         path);
    if (length != wanted)
        return error_set(err, ERROR_INPUT, "%s has %zu bytes, %zu are wanted: it is damaged", path, length, wanted);
    struct arrays there;
    uint64_t sums[ARRAYS + 1] = {checksum(words, sizeof words, 0)};
    for (int i = 0; i < ARRAYS; i++) {
        there.at[i] = (float *)(void *)(uintptr_t)(bytes + sizeof words + (size_t)i * array); // only read; 56 bytes in: aligned for floats
        sums[i + 1] = checksum(there.at[i], array, (uint64_t)i + 1);
    }
    memcpy(&sum, bytes + length - sizeof sum, sizeof sum);
    if (sum != checksum(sums, sizeof sums, 0) || words[4] > (uint64_t)t->settings.steps || words[6] >= t->data.n_sequences)
        return error_set(err, ERROR_INPUT, "%s is damaged: its checksum is another", path);
    struct arrays own = arrays_of(t);
    for (int i = 0; i < ARRAYS; i++)
        memcpy(own.at[i], there.at[i], array);
    t->step = (int64_t)words[4];
    t->tokens = (int64_t)words[5];
    t->cursor = words[6];
    return true;
}

bool trainer_load(struct trainer *t, const char *path, struct error *err)
{
    enum { MORE = 4096 };
    struct text file = {0};
    bool ok = file_read(path, ARRAYS * t->net.n_values * sizeof(float) + MORE, &file, err) &&
              take(t, path, file.bytes ? file.bytes : "", file.length, err);
    text_free(&file);
    return ok;
}
