/* GGUF files: the mapped bytes, checked, and their metadata and tensors by name. Private to the engine; others see struct model_file.
 *
 * Everything is validated at open (gguf.c): a pointer that these functions return lies inside the file. Strings are not NUL-terminated and
 * may hold any bytes. */
#ifndef JEOUL_ENGINE_GGUF_H
#define JEOUL_ENGINE_GGUF_H

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/tensor.h"

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
};

struct gguf_value {
    const char *key; // NUL-terminated copy
    enum gguf_type type;
    enum gguf_type element; // of an array
    uint64_t count;         // elements of an array, bytes of a string
    const uint8_t *data;    // the value's bytes; of an array its first element; of a string its text
};

struct gguf_string {
    const char *bytes;
    uint64_t n;
};

struct arena *gguf_arena(struct model_file *file); // memory with the file's life
const char *gguf_path(const struct model_file *file);
uint64_t gguf_alignment(const struct model_file *file);                              // of tensors
const struct gguf_value *gguf_value_at(const struct model_file *file, size_t index); // by key; NULL past the end
uint64_t gguf_value_bytes(const struct gguf_value *value);                           // that its data take, with all strings of an array
const struct gguf_value *gguf_find(const struct model_file *file, const char *key);  // NULL: absent

/* Scalars. Absent keys leave *out alone and return true: set it to the default before. A value of another kind, or an integer that doesn't
 * fit, is ERROR_INPUT. gguf_need_u32 fails on absence too. */
bool gguf_u32(const struct model_file *file, const char *key, uint32_t *out, struct error *err) MUST_CHECK;
bool gguf_need_u32(const struct model_file *file, const char *key, uint32_t *out, struct error *err) MUST_CHECK;
bool gguf_f32(const struct model_file *file, const char *key, float *out, struct error *err) MUST_CHECK;
bool gguf_bool(const struct model_file *file, const char *key, bool *out, struct error *err) MUST_CHECK;
bool gguf_text(const struct model_file *file, const char *key, struct gguf_string *out, struct error *err) MUST_CHECK;

/* The array under a key, of the wanted element type; NULL with ERROR_INPUT when it is absent or of another type. */
const struct gguf_value *gguf_array(const struct model_file *file, const char *key, enum gguf_type element, struct error *err) MUST_CHECK;

/* Elements of an array of strings in order: *cursor starts at 0 and is advanced. */
struct gguf_string gguf_next_string(const struct gguf_value *array, uint64_t *cursor);
int32_t gguf_i32_at(const struct gguf_value *array, uint64_t index); // of an array of I32 or U32
float gguf_f32_at(const struct gguf_value *array, uint64_t index);

/* The tensor of that name; NULL when there is none. Tensors of unsupported types have format NULL (refused when a model is loaded). */
const struct tensor *gguf_tensor(const struct model_file *file, const char *name);
const struct tensor *gguf_tensor_at(const struct model_file *file, size_t index);      // NULL past the end
uint32_t gguf_tensor_type(const struct model_file *file, const struct tensor *tensor); // GGUF's number, for messages
bool gguf_refuse_type(const struct model_file *file, const struct tensor *tensor, struct error *err) MUST_CHECK; // false: its type

/* Tells the kernel that a tensor's pages are no longer needed (they were packed elsewhere). */
void gguf_drop(const struct model_file *file, const struct tensor *tensor);

/* A number that is the same for the same file only, over all parts: of metadata and the list of tensors, byte by byte, of sizes, inodes and
 * the times of the last changes of content and of inode. The latter cannot be set back by a program: a copy over the file under its old
 * date is another file. */
uint64_t gguf_identity(const struct model_file *file);

#endif
