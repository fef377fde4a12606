/* GGUF files: mapping and validation (specification: ggml docs/gguf.md, versions 2 and 3, little endian).
 *
 *     "GGUF" | version u32 | tensor count u64 | metadata count u64 | metadata … | tensor infos … | padding | tensor data
 *
 * One cursor walks the file once; every length is checked against what is left before it is used, and counts are held against the least
 * bytes that so many entries would take before memory is allocated for them. Afterwards no access needs a check. A model may be split over
 * several files; the first has the metadata, each has tensors. */
#include "engine/gguf_file.h"

#include "base/checksum.h"
#include "base/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NAME = 256, MAX_DIMS = 4 };

struct cursor {
    const struct model_file *file;
    uint64_t at;
};

const int gguf_scalar_bytes[GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static bool bad(const struct model_file *file, struct error *err, uint64_t at, const char *what)
{
    return error_set(err, ERROR_INPUT, "%s: not a valid GGUF file: %s at byte %" PRIu64 " of %" PRIu64, file->path, what, at, file->size);
}

static bool take(struct cursor *c, uint64_t n, const uint8_t **out, const char *what, struct error *err)
{
    if (n > c->file->size - c->at)
        return error_set(err, ERROR_INPUT,
                         "%s: the file is truncated or damaged: %s at byte %" PRIu64 " needs %" PRIu64 " bytes, %" PRIu64 " are left",
                         c->file->path, what, c->at, n, c->file->size - c->at);
    *out = c->file->bytes + c->at;
    c->at += n;
    return true;
}

static bool take_u32(struct cursor *c, uint32_t *out, const char *what, struct error *err)
{
    const uint8_t *bytes;
    if (!take(c, 4, &bytes, what, err))
        return false;
    memcpy(out, bytes, 4);
    return true;
}

static bool take_u64(struct cursor *c, uint64_t *out, const char *what, struct error *err)
{
    const uint8_t *bytes;
    if (!take(c, 8, &bytes, what, err))
        return false;
    memcpy(out, bytes, 8);
    return true;
}

/* A key or tensor name: 1 … MAX_NAME bytes, no NUL, copied with one behind it. */
static bool take_name(struct cursor *c, struct arena *arena, const char **out, const char *what, struct error *err)
{
    uint64_t n, at = c->at;
    const uint8_t *bytes;
    if (!take_u64(c, &n, what, err))
        return false;
    if (n == 0 || n > MAX_NAME)
        return bad(c->file, err, at, "a name that is empty or longer than 256 bytes");
    if (!take(c, n, &bytes, what, err))
        return false;
    if (memchr(bytes, 0, n) || utf8_invalid_at((const char *)bytes, n) != n)
        return bad(c->file, err, at, "a name that is not UTF-8 text");
    *out = arena_copy(arena, (const char *)bytes, n, err);
    return *out != NULL;
}

static bool take_value(struct cursor *c, struct gguf_value *value, struct error *err)
{
    uint32_t type, element;
    uint64_t at = c->at;
    if (!take_u32(c, &type, "a metadata type", err))
        return false;
    if (type >= GGUF_TYPE_COUNT)
        return bad(c->file, err, at, "an unknown metadata type");
    value->type = (enum gguf_type)type;
    value->count = 1;
    if (value->type == GGUF_STRING)
        return take_u64(c, &value->count, "a string's length", err) && take(c, value->count, &value->data, "a string", err);
    if (value->type != GGUF_ARRAY) {
        if (!take(c, (uint64_t)gguf_scalar_bytes[type], &value->data, "a metadata value", err))
            return false;
        return value->type != GGUF_BOOL || value->data[0] <= 1 || bad(c->file, err, at, "a bool that is neither 0 nor 1");
    }
    at = c->at;
    if (!take_u32(c, &element, "an array's type", err) || !take_u64(c, &value->count, "an array's length", err))
        return false;
    if (element >= GGUF_TYPE_COUNT || element == GGUF_ARRAY)
        return bad(c->file, err, at, "an array of an unsupported element type");
    value->element = (enum gguf_type)element;
    uint64_t least = element == GGUF_STRING ? 8 : (uint64_t)gguf_scalar_bytes[element], bytes;
    if (__builtin_mul_overflow(value->count, least, &bytes) || bytes > c->file->size - c->at)
        return bad(c->file, err, at, "an array longer than the file");
    value->data = c->file->bytes + c->at;
    if (element != GGUF_STRING) {
        c->at += bytes;
        return true;
    }
    for (uint64_t i = 0; i < value->count; i++) {
        uint64_t n;
        const uint8_t *text;
        if (!take_u64(c, &n, "a string's length", err) || !take(c, n, &text, "a string in an array", err))
            return false;
    }
    return true;
}

int gguf_compare_keys(const void *a, const void *b)
{
    const struct gguf_value *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bool read_metadata(struct model_file *file, struct cursor *c, uint64_t count, struct error *err)
{
    if (count > (file->size - c->at) / (8 + 1 + 4 + 1))
        return bad(file, err, 16, "more metadata entries than the file has room for");
    file->values = memory_array(count, sizeof *file->values, "GGUF metadata", err);
    if (!file->values)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_name(c, &file->arena, &file->values[i].key, "a metadata key", err))
            return false;
        file->n_values = i + 1;
        if (!take_value(c, &file->values[i], err))
            return error_prefix(err, "key %s", file->values[i].key);
    }
    qsort(file->values, file->n_values, sizeof *file->values, gguf_compare_keys);
    for (size_t i = 1; i < file->n_values; i++)
        if (strcmp(file->values[i - 1].key, file->values[i].key) == 0)
            return error_set(err, ERROR_INPUT, "%s: not a valid GGUF file: the key %s stands twice", file->path, file->values[i].key);
    return true;
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return hash;
}

static bool index_tensor(struct model_file *file, size_t index, struct error *err)
{
    const char *name = file->tensors[index].name;
    size_t slot = hash_name(name) & (file->tensor_slots - 1);
    for (; file->tensor_index[slot]; slot = (slot + 1) & (file->tensor_slots - 1))
        if (strcmp(file->tensors[file->tensor_index[slot] - 1].name, name) == 0)
            return error_set(err, ERROR_INPUT, "%s: not a valid GGUF file: the tensor %s stands twice", file->path, name);
    file->tensor_index[slot] = index + 1;
    return true;
}

static const struct tensor *tensor_of(const struct model_file *file, const char *name)
{
    if (!file->n_tensors)
        return NULL;
    size_t slot = hash_name(name) & (file->tensor_slots - 1);
    for (; file->tensor_index[slot]; slot = (slot + 1) & (file->tensor_slots - 1))
        if (strcmp(file->tensors[file->tensor_index[slot] - 1].name, name) == 0)
            return &file->tensors[file->tensor_index[slot] - 1];
    return NULL;
}

/* Name, dimensions, type and offset of one tensor; its place in the file is checked when the data section's start is known. */
static bool read_tensor(struct model_file *file, struct cursor *c, size_t index, struct error *err)
{
    struct tensor *tensor = &file->tensors[index];
    uint64_t at = c->at;
    uint32_t dims;
    if (!take_name(c, &file->arena, &tensor->name, "a tensor's name", err) || !take_u32(c, &dims, "a tensor's dimensions", err))
        return false;
    if (dims < 1 || dims > MAX_DIMS)
        return bad(file, err, at, "a tensor with no or more than 4 dimensions");
    tensor->n_dims = (int)dims;
    uint64_t elements = 1;
    for (uint32_t d = 0; d < MAX_DIMS; d++) {
        uint64_t n = 1;
        if (d < dims && !take_u64(c, &n, "a tensor's dimensions", err))
            return false;
        if (n == 0 || n > INT32_MAX || __builtin_mul_overflow(elements, n, &elements) || elements > INT64_MAX / 8)
            return error_set(err, ERROR_INPUT, "%s: tensor %s: dimension %u is %" PRIu64 ": zero, or beyond what a file can hold",
                             file->path, tensor->name, d, n);
        tensor->shape[d] = (int64_t)n;
    }
    if (!take_u32(c, &file->types[index], "a tensor's type", err) || !take_u64(c, &tensor->offset, "a tensor's offset", err))
        return false;
    tensor->format = tensor_format(file->types[index]);
    if (tensor->format) {
        uint64_t values = (uint64_t)tensor->format->block_values;
        if ((uint64_t)tensor->shape[0] % values)
            return error_set(err, ERROR_INPUT, "%s: tensor %s: rows of %" PRId64 " values are no multiple of the %d in a block of %s",
                             file->path, tensor->name, tensor->shape[0], tensor->format->block_values, tensor->format->name);
        if (__builtin_mul_overflow(elements / values, (uint64_t)tensor->format->block_bytes, &tensor->bytes))
            return error_set(err, ERROR_INPUT, "%s: tensor %s: its size overflows", file->path, tensor->name);
    }
    return index_tensor(file, index, err);
}

struct extent {
    uint64_t begin, end;
    const char *name;
};

static int compare_extents(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Every tensor lies inside the data section, aligned, and no two share a byte. */
static bool place_tensors(struct model_file *file, uint64_t data, struct error *err)
{
    struct extent *extents = memory_array(file->n_tensors, sizeof *extents, "GGUF tensors", err);
    if (!extents)
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < file->n_tensors; i++) {
        struct tensor *tensor = &file->tensors[i];
        uint64_t begin, end;
        if (tensor->offset % file->alignment)
            ok = error_set(err, ERROR_INPUT, "%s: tensor %s: offset %" PRIu64 " is not aligned to %" PRIu64, file->path, tensor->name,
                           tensor->offset, file->alignment);
        else if (__builtin_add_overflow(data, tensor->offset, &begin) || __builtin_add_overflow(begin, tensor->bytes, &end) ||
                 end > file->size)
            ok = error_set(err, ERROR_INPUT,
                           "%s: the file is truncated or damaged: tensor %s (%" PRIu64 " bytes at offset %" PRIu64
                           ") lies beyond the end of the file (%" PRIu64 " bytes)",
                           file->path, tensor->name, tensor->bytes, tensor->offset, file->size);
        else {
            tensor->offset = begin;
            tensor->data = file->bytes + begin;
            extents[i] = (struct extent){begin, end, tensor->name};
        }
    }
    if (ok)
        qsort(extents, file->n_tensors, sizeof *extents, compare_extents);
    for (size_t i = 1; ok && i < file->n_tensors; i++)
        if (extents[i].begin < extents[i - 1].end)
            ok = error_set(err, ERROR_INPUT, "%s: not a valid GGUF file: the tensors %s and %s overlap", file->path, extents[i - 1].name,
                           extents[i].name);
    free(extents);
    return ok;
}

static bool parse(struct model_file *file, struct error *err)
{
    struct cursor cursor = {.file = file}, *c = &cursor;
    const uint8_t *magic;
    uint32_t version;
    uint64_t n_tensors, n_values;
    if (file->size < 24)
        return error_set(err, ERROR_INPUT, "%s: %s, not a GGUF file", file->path, file->size ? "too short" : "empty");
    if (!take(c, 4, &magic, "the magic", err))
        return false;
    if (memcmp(magic, "GGUF", 4) != 0)
        return error_set(err, ERROR_INPUT, "%s: not a GGUF file (it begins with %02x %02x %02x %02x, not with \"GGUF\")", file->path,
                         magic[0], magic[1], magic[2], magic[3]);
    if (!take_u32(c, &version, "the version", err))
        return false;
    if (version != 2 && version != 3)
        return error_set(err, ERROR_INPUT, "%s: GGUF version %" PRIu32 "%s; versions 2 and 3 are read", file->path, version,
                         version == 0x03000000u || version == 0x02000000u ? " (big endian)" : "");
    if (!take_u64(c, &n_tensors, "the tensor count", err) || !take_u64(c, &n_values, "the metadata count", err) ||
        !read_metadata(file, c, n_values, err))
        return false;

    uint32_t alignment = 32;
    if (!gguf_u32(file, "general.alignment", &alignment, err))
        return false;
    if (alignment == 0 || (alignment & (alignment - 1)) || alignment > 1 << 20)
        return error_set(err, ERROR_INPUT, "%s: general.alignment is %" PRIu32 ", a power of two is wanted", file->path, alignment);
    file->alignment = alignment;

    if (n_tensors > (file->size - c->at) / (8 + 1 + 4 + 8 + 4 + 8))
        return bad(file, err, 8, "more tensors than the file has room for");
    for (file->tensor_slots = 16; file->tensor_slots < 2 * n_tensors;)
        file->tensor_slots *= 2;
    file->tensors = memory_array(n_tensors, sizeof *file->tensors, "GGUF tensors", err);
    file->types = memory_array(n_tensors, sizeof *file->types, "GGUF tensors", err);
    file->tensor_index = memory_array(file->tensor_slots, sizeof *file->tensor_index, "GGUF tensors", err);
    if (!file->tensors || !file->types || !file->tensor_index)
        return false;
    for (file->n_tensors = 0; file->n_tensors < n_tensors; file->n_tensors++)
        if (!read_tensor(file, c, file->n_tensors, err))
            return false;
    return place_tensors(file, (c->at + alignment - 1) / alignment * alignment, err);
}

static uint64_t stamp_of(const struct stat *status)
{
    int64_t facts[] = {(int64_t)status->st_size,         (int64_t)status->st_ino,         (int64_t)status->st_mtim.tv_sec,
                       (int64_t)status->st_mtim.tv_nsec, (int64_t)status->st_ctim.tv_sec, (int64_t)status->st_ctim.tv_nsec};
    return checksum(facts, sizeof facts, 0);
}

static struct model_file *open_one(const char *path, struct error *err)
{
    struct model_file *file = calloc(1, sizeof *file);
    int fd = -1;
    struct stat status;
    if (!file || !(file->path = strdup(path))) {
        error_set(err, ERROR_MACHINE, "%s: out of memory", path);
        goto fail;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set_errno(err, "%s: cannot be opened", path);
        goto fail;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(err, ERROR_INPUT, "%s: is %s, a GGUF file is wanted here", path,
                  S_ISDIR(status.st_mode) ? "a directory" : "no regular file");
        goto fail;
    }
    file->size = (uint64_t)status.st_size;
    file->stamp = stamp_of(&status);
    if (file->size) {
        void *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            error_set_errno(err, "%s: cannot be mapped", path);
            goto fail;
        }
        file->bytes = map;
    }
    close(fd);
    fd = -1;
    if (!parse(file, err))
        goto fail;
    return file;
fail:
    if (fd >= 0)
        close(fd);
    model_file_close(file);
    return NULL;
}

/* "…-00001-of-00003.gguf" with the number of another part, in memory of the file; NULL: no such name. */
static const char *part_path(struct model_file *file, unsigned part, unsigned parts, struct error *err)
{
    enum { NUMBERED = sizeof "-00001-of-00001.gguf" - 1 };
    char first[40], wanted[40]; // five digits each, as open_parts has seen
    size_t n = strlen(file->path);
    snprintf(first, sizeof first, "-%05u-of-%05u.gguf", 1u, parts);
    snprintf(wanted, sizeof wanted, "-%05u-of-%05u.gguf", part + 1, parts);
    if (n < NUMBERED || strcmp(file->path + n - NUMBERED, first) != 0) {
        error_set(err, ERROR_INPUT, "%s: is the first of %u files (split.count), whose name has to end with %s", file->path, parts, first);
        return NULL;
    }
    char *path = arena_copy(&file->arena, file->path, n, err);
    if (path)
        memcpy(path + n - NUMBERED, wanted, NUMBERED);
    return path;
}

/* Opens the other files of a split model behind the first. Every part says which it is and of how many; a tensor stands in one of them. */
static bool open_parts(struct model_file *file, struct error *err)
{
    enum { MOST = 9999 };
    uint32_t parts = 1, number = 0;
    if (!gguf_u32(file, "split.count", &parts, err) || !gguf_u32(file, "split.no", &number, err))
        return false;
    if (parts <= 1)
        return true;
    if (parts > MOST)
        return error_set(err, ERROR_INPUT, "%s: split.count is %" PRIu32 ", at most %d files are read", file->path, parts, MOST);
    if (number != 0)
        return error_set(err, ERROR_INPUT, "%s: is part %" PRIu32 " of %" PRIu32 ": give the first one, …-00001-of-%05" PRIu32 ".gguf",
                         file->path, number + 1, parts, parts);
    struct model_file *last = file;
    for (uint32_t i = 1; i < parts; i++, last = last->next) {
        uint32_t count = 0, no = 0;
        const char *path = part_path(file, i, parts, err);
        if (!path || !(last->next = open_one(path, err)) || !gguf_u32(last->next, "split.count", &count, err) ||
            !gguf_u32(last->next, "split.no", &no, err))
            return false;
        if (count != parts || no != i)
            return error_set(err, ERROR_INPUT, "%s: says that it is part %" PRIu32 " of %" PRIu32 ", its name says %" PRIu32 " of %" PRIu32,
                             path, no + 1, count, i + 1, parts);
        for (size_t t = 0; t < last->next->n_tensors; t++)
            for (const struct model_file *before = file; before != last->next; before = before->next)
                if (tensor_of(before, last->next->tensors[t].name))
                    return error_set(err, ERROR_INPUT, "%s: the tensor %s stands in %s too", path, last->next->tensors[t].name,
                                     before->path);
    }
    return true;
}

struct model_file *model_file_open(const char *path, struct error *err)
{
    struct model_file *file = open_one(path, err);
    if (file && !open_parts(file, err)) {
        model_file_close(file);
        return NULL;
    }
    return file;
}

void model_file_close(struct model_file *file)
{
    if (!file)
        return;
    model_file_close(file->next);
    if (file->bytes)
        munmap((void *)(uintptr_t)file->bytes, file->size);
    free(file->values);
    free(file->tensors);
    free(file->types);
    free(file->tensor_index);
    free(file->path);
    text_free(&file->shown);
    arena_free(&file->arena);
    free(file);
}

/* --- access ----------------------------------------------------------------------------------------------------------------------------
 */

struct arena *gguf_arena(struct model_file *file)
{
    return &file->arena;
}

const char *gguf_path(const struct model_file *file)
{
    return file->path;
}

const struct tensor *gguf_tensor(const struct model_file *file, const char *name)
{
    const struct tensor *found = NULL;
    for (; file && !found; file = file->next)
        found = tensor_of(file, name);
    return found;
}

const struct tensor *gguf_tensor_at(const struct model_file *file, size_t index)
{
    for (; file && index >= file->n_tensors; file = file->next)
        index -= file->n_tensors;
    return file ? &file->tensors[index] : NULL;
}

uint32_t gguf_tensor_type(const struct model_file *file, const struct tensor *tensor)
{
    while (tensor < file->tensors || tensor >= file->tensors + file->n_tensors)
        file = file->next;
    return file->types[tensor - file->tensors];
}

bool gguf_refuse_type(const struct model_file *file, const struct tensor *tensor, struct error *err)
{
    uint32_t type = gguf_tensor_type(file, tensor);
    const char *name = tensor_type_name(type);
    struct text list = {0};
    for (size_t i = 0; tensor_format_at(i); i++)
        text_format(&list, "%s%s", i ? ", " : "", tensor_format_at(i)->name);
    error_set(err, ERROR_INPUT, "%s: tensor %s: GGUF type %" PRIu32 " (%s) is not supported; supported are: %s", file->path, tensor->name,
              type, name ? name : "unknown", list.bytes ? list.bytes : "");
    text_free(&list);
    return false;
}

void gguf_drop(const struct model_file *file, const struct tensor *tensor)
{
    (void)file;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)tensor->data, end = begin + tensor->bytes;
    begin = (begin + page - 1) / page * page, end = end / page * page;
    if (tensor->data && end > begin)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED); // advice only: nothing depends on it
}

uint64_t gguf_identity(const struct model_file *file)
{
    uint64_t identity = 0;
    for (; file; file = file->next) {
        uint64_t head = file->size; // up to the first tensor
        for (size_t i = 0; i < file->n_tensors; i++)
            head = file->tensors[i].data && file->tensors[i].offset < head ? file->tensors[i].offset : head;
        uint64_t facts[] = {identity, file->stamp, checksum(file->bytes, head, 0)};
        identity = checksum(facts, sizeof facts, 0);
    }
    return identity;
}

bool model_file_tensor(struct model_file *file, size_t index, struct model_tensor *out)
{
    const struct tensor *tensor = gguf_tensor_at(file, index);
    if (!tensor)
        return false;
    const char *type = tensor_type_name(gguf_tensor_type(file, tensor));
    *out = (struct model_tensor){.name = tensor->name,
                                 .type = type ? type : "unsupported",
                                 .n_dims = tensor->n_dims,
                                 .offset = tensor->offset,
                                 .bytes = tensor->bytes};
    memcpy(out->shape, tensor->shape, sizeof out->shape);
    return true;
}
