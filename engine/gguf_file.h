/* An open GGUF file, as its own files see it: gguf.c (mapping, validation, tensors), gguf_values.c (metadata). */
#ifndef JEOUL_ENGINE_GGUF_FILE_H
#define JEOUL_ENGINE_GGUF_FILE_H

#include "base/text.h"
#include "engine/gguf.h"

struct model_file {
    struct model_file *next; // the next part of a model that is split over several files; NULL: the last one
    char *path;
    const uint8_t *bytes;
    uint64_t size;
    uint64_t stamp; // of the file's size, inode and times at open: changes with every write through the file system
    struct gguf_value *values;
    size_t n_values;
    struct tensor *tensors;
    uint32_t *types; // GGUF numbers of the tensors
    size_t n_tensors;
    uint64_t alignment;
    struct arena arena;
    struct text shown;    // the value that model_file_meta gave last
    size_t *tensor_index; // hash table over names: index + 1, 0 empty
    size_t tensor_slots;
};

int gguf_compare_keys(const void *a, const void *b); // of struct gguf_value, as the values are sorted
extern const int gguf_scalar_bytes[GGUF_TYPE_COUNT]; // 0: strings and arrays

#endif
