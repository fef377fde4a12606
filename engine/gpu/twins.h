/* What the driver interfaces of CUDA and HIP have in common: nearly all of it, under other names. twins.c implements the driver table over
 * this list of functions; cuda.c and hip.c fill it in. All functions answer 0 when all is well. Types are those of the vendors' documented
 * interfaces, written down here so that no vendor header is needed. */
#ifndef JEOUL_GPU_TWINS_H
#define JEOUL_GPU_TWINS_H

#include "engine/gpu/driver.h"

typedef void *twin_handle; // a context, module, function, stream, graph or program

struct twin_functions {
    int (*init)(unsigned flags);
    int (*device_count)(int *);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *, int length, int device);
    int (*device_memory)(size_t *, int device);
    int (*device_bus)(char *, int length, int device);
    int (*memory_info)(size_t *free, size_t *total);
    int (*memory_new)(uint64_t *, size_t);
    int (*memory_free)(uint64_t);
    int (*write)(uint64_t to, const void *from, size_t, twin_handle stream);
    int (*read)(void *to, uint64_t from, size_t, twin_handle stream);
    int (*set_words)(uint64_t to, unsigned value, size_t count, twin_handle stream);
    int (*stream_new)(twin_handle *, unsigned flags);
    int (*stream_free)(twin_handle);
    int (*stream_wait)(twin_handle);
    int (*module_load)(twin_handle *, const void *image);
    int (*module_unload)(twin_handle);
    int (*function_get)(twin_handle *, twin_handle module, const char *name);
    int (*launch)(twin_handle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned local_bytes,
                  twin_handle stream, void **arguments, void **extra);
    int (*event_new)(twin_handle *, unsigned flags);
    int (*event_free)(twin_handle);
    int (*event_record)(twin_handle, twin_handle stream);
    int (*event_between)(float *ms, twin_handle from, twin_handle to);
    /* graphs: all of these, or none is used */
    int (*capture_begin)(twin_handle stream, int mode);
    int (*capture_end)(twin_handle stream, twin_handle *graph);
    int (*graph_instantiate)(twin_handle *executable, twin_handle graph, unsigned long long flags);
    int (*graph_launch)(twin_handle executable, twin_handle stream);
    int (*graph_executable_free)(twin_handle);
    int (*graph_free)(twin_handle);

    /* the run-time compiler, a library of its own */
    int (*compiler_version)(int *major, int *minor);
    int (*program_new)(twin_handle *, const char *source, const char *name, int n_headers, const char *const *headers,
                       const char *const *names);
    int (*program_compile)(twin_handle, int n_options, const char *const *options);
    int (*program_log_bytes)(twin_handle, size_t *);
    int (*program_log)(twin_handle, char *);
    int (*program_binary_bytes)(twin_handle, size_t *);
    int (*program_binary)(twin_handle, char *);
    int (*program_free)(twin_handle *);
};

/* A library under the names that it may have, and which of its functions go where; opened once for a process. */
struct twin_library {
    const char *const *names; // NULL-terminated
    const struct gpu_symbol *symbols;
    size_t n_symbols;
    void *handle;
};

struct twin {
    struct twin_functions f;
    const char *name; // "CUDA"
    struct twin_library driver, compiler;
    const char *(*error_name)(int code);
    const char *(*init_reason)(int code);           // why init failed, in words, or NULL; may be NULL itself
    int no_device;                                  // what init or device_count answers when there is no device
    int (*enter)(int device, twin_handle *context); // makes a context that `use` makes current
    int (*use)(twin_handle context, int device);
    int (*leave)(twin_handle context, int device);
    bool (*details)(int device, struct gpu_facts *, struct error *); // units, version, tensor cores
    size_t (*options)(int device, char (*out)[32]);                  // of the compiler; at most 4
};

/* The whole table but names, since a driver knows its twin, and a context too. */

#define TWIN_DRIVER                                                                                                                        \
    .load = twin_load, .load_compiler = twin_load_compiler, .compiler_version = twin_compiler_version, .count = twin_count,                \
    .describe = twin_describe, .open = twin_open, .close = twin_close, .compile = twin_compile, .program_load = twin_program_load,         \
    .program_free = twin_program_free, .kernel = twin_kernel, .kernel_free = twin_kernel_free, .free_bytes = twin_free_bytes,              \
    .memory_new = twin_memory_new, .memory_free = twin_memory_free, .write = twin_write, .read = twin_read, .clear = twin_clear,           \
    .launch = twin_launch, .finish = twin_finish, .stamp = twin_stamp, .between = twin_between, .graph_new = twin_graph_new,               \
    .graph_run = twin_graph_run, .graph_free = twin_graph_free

bool twin_load(const struct gpu_driver *, struct error *);
bool twin_load_compiler(const struct gpu_driver *, struct error *);
bool twin_compiler_version(const struct gpu_driver *, char out[32], struct error *);
int twin_count(const struct gpu_driver *, struct error *);
bool twin_describe(const struct gpu_driver *, int device, struct gpu_facts *, struct error *);
struct gpu_context *twin_open(const struct gpu_driver *, int device, struct error *);
void twin_close(struct gpu_context *);
bool twin_compile(struct gpu_context *, const char *source, const char *const *options, size_t n_options, struct text *binary,
                  struct error *);
uint64_t twin_program_load(struct gpu_context *, const void *binary, size_t bytes, struct error *);
void twin_program_free(struct gpu_context *, uint64_t program);
uint64_t twin_kernel(struct gpu_context *, uint64_t program, const char *name, struct error *);
void twin_kernel_free(struct gpu_context *, uint64_t kernel);
uint64_t twin_free_bytes(struct gpu_context *);
uint64_t twin_memory_new(struct gpu_context *, size_t bytes, struct error *);
void twin_memory_free(struct gpu_context *, uint64_t memory);
bool twin_write(struct gpu_context *, uint64_t to, size_t at, const void *from, size_t bytes, struct error *);
bool twin_read(struct gpu_context *, uint64_t from, size_t at, void *to, size_t bytes, struct error *);
bool twin_clear(struct gpu_context *, uint64_t memory, size_t bytes, struct error *);
bool twin_launch(struct gpu_context *, const struct gpu_launch *, struct error *);
bool twin_finish(struct gpu_context *, struct error *);
bool twin_stamp(struct gpu_context *, size_t number, struct error *);
bool twin_between(struct gpu_context *, size_t from, size_t to, double *ns, struct error *);
uint64_t twin_graph_new(struct gpu_context *, const struct gpu_launch *, size_t n, struct error *);
bool twin_graph_run(struct gpu_context *, uint64_t graph, struct error *);
void twin_graph_free(struct gpu_context *, uint64_t graph);

#endif
