/* The drivers of GPUs behind one table: OpenCL, CUDA and HIP, each opened with dlopen, so that one binary starts everywhere and says by
 * name what is missing.
 *
 * A context is one device with one queue, in which everything runs in order. Any thread may use it, but one at a time. Memory, programs,
 * kernels and graphs are numbers that only their driver understands; 0 is none. A call that fails says which call it was and what the
 * driver answered: ERROR_MACHINE, but ERROR_INPUT where the user can mend it (no driver, no such device). */
#ifndef JEOUL_GPU_DRIVER_H
#define JEOUL_GPU_DRIVER_H

#include "base/text.h"
#include "engine/gpu/images.h"

#include <stddef.h>
#include <stdint.h>

struct gpu_context; // each driver defines its own

struct gpu_facts {
    char name[128];                       // "NVIDIA H100 80GB HBM3"
    char version[256];                    // of driver and device: programs that were compiled for one are not used with another
    char bus[20];                         // its place on the PCI bus, "0000:3b:00.0"; "": the driver doesn't tell
    uint64_t memory_bytes, largest_bytes; // of all, of one allocation
    int units;                            // multiprocessors
    bool tensor_cores;                    // the driver's dialect has a hardware MMA for this device
};

enum { GPU_MAX_ARGS = 28, GPU_STAMPS = 128 };

/* One argument: memory, or a number of 4 or 8 bytes. */
struct gpu_arg {
    uint64_t bits;
    uint32_t bytes;
    bool is_memory;
};

/* One kernel over groups[0] × groups[1] × groups[2] groups of `threads` threads. */
struct gpu_launch {
    uint64_t kernel;
    uint32_t groups[3], threads;
    uint32_t n_args;
    struct gpu_arg args[GPU_MAX_ARGS];
};

struct gpu_driver {
    const char *name;               // "cuda": what --backend takes
    const char *libraries;          // "libcuda.so.1, libnvrtc.so.13": what has to be installed, for messages
    struct twin *twin;              // CUDA's and HIP's functions: see twins.h
    const struct gpu_image *images; // programs that are built in, for program_load; NULL: never any for this driver

    bool (*load)(const struct gpu_driver *, struct error *);          // opens the driver's library; may be called again
    bool (*load_compiler)(const struct gpu_driver *, struct error *); // the run-time compiler's, where that is another; NULL: it is not
    bool (*compiler_version)(const struct gpu_driver *, char out[32], struct error *); // where there is compile
    int (*count)(const struct gpu_driver *, struct error *);                           // devices; −1 on failure, 0 when there are none
    bool (*describe)(const struct gpu_driver *, int device, struct gpu_facts *, struct error *); // device: 0 … count − 1
    struct gpu_context *(*open)(const struct gpu_driver *, int device, struct error *);          // NULL on failure
    void (*close)(struct gpu_context *);                                                         // what was made in it has been freed

    /* A program of a source: `options` are the compiler's definitions, "-DNAME=VALUE" each. Either at once, by a driver that keeps what it
     * compiled (program_build; NULL: this one doesn't), or in two steps, of which the first is left out where its result was kept. */
    uint64_t (*program_build)(struct gpu_context *, const char *source, const char *const *options, size_t n_options, struct error *);
    bool (*compile)(struct gpu_context *, const char *source, const char *const *options, size_t n_options, struct text *binary,
                    struct error *);
    uint64_t (*program_load)(struct gpu_context *, const void *binary, size_t bytes, struct error *);
    void (*program_free)(struct gpu_context *, uint64_t program);
    uint64_t (*kernel)(struct gpu_context *, uint64_t program, const char *name, struct error *);
    void (*kernel_free)(struct gpu_context *, uint64_t kernel);

    uint64_t (*free_bytes)(struct gpu_context *); // of the device; NULL: the driver doesn't tell
    uint64_t (*memory_new)(struct gpu_context *, size_t bytes, struct error *);
    void (*memory_free)(struct gpu_context *, uint64_t memory);
    bool (*write)(struct gpu_context *, uint64_t to, size_t at, const void *from, size_t bytes,
                  struct error *);                                                                        // from may change afterwards
    bool (*read)(struct gpu_context *, uint64_t from, size_t at, void *to, size_t bytes, struct error *); // waits
    bool (*clear)(struct gpu_context *, uint64_t memory, size_t bytes, struct error *);                   // to zero bytes; a multiple of 4

    bool (*launch)(struct gpu_context *, const struct gpu_launch *, struct error *);
    bool (*finish)(struct gpu_context *, struct error *); // waits, and tells of launches that failed

    /* The device's own clock; NULL where the driver has none. stamp puts a point of time into the queue, as number 0 … GPU_STAMPS − 1, in
     * place of an earlier one; between tells what lies between two that have passed: after finish. */
    bool (*stamp)(struct gpu_context *, size_t number, struct error *);
    bool (*between)(struct gpu_context *, size_t from, size_t to, double *ns, struct error *);

    /* A list of launches as one graph; NULL where the driver has none. graph_new is 0 without an error where this release of it has none.
     */
    uint64_t (*graph_new)(struct gpu_context *, const struct gpu_launch *, size_t n, struct error *);
    bool (*graph_run)(struct gpu_context *, uint64_t graph, struct error *);
    void (*graph_free)(struct gpu_context *, uint64_t graph);
};

extern const struct gpu_driver gpu_opencl, gpu_cuda, gpu_hip;

const struct gpu_driver *gpu_driver_named(const char *name); // NULL: no such driver
const struct gpu_driver *gpu_driver_at(size_t index);        // NULL past the end

/* The functions of a library by name; "?name": NULL where the library doesn't have it. */
struct gpu_symbol {
    const char *name;
    void **function;
};

/* Opens the first of the libraries (a NULL-terminated list) that is there and finds the symbols in it. NULL with ERROR_INPUT: the message
 * names the library and what the loader said, or the symbol that is missing. */
void *gpu_library_open(const char *const *names, const struct gpu_symbol *symbols, size_t n_symbols, struct error *err) MUST_CHECK;

#endif
