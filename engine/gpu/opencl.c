/* OpenCL 1.2 by dlopen. Types and constants are those of the Khronos specification, version 1.2, written down here so that no vendor header
 * is needed. Devices of all platforms are counted through. */
#include "engine/gpu/driver.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;
typedef void *cl_object; // a platform, device, context, queue, program, kernel, memory or event

enum {
    CL_SUCCESS = 0,
    CL_DEVICE_NOT_FOUND = -1,
    CL_PLATFORM_NOT_FOUND = -1001, // of the loader: no vendor is registered
    CL_DEVICE_MAX_COMPUTE_UNITS = 0x1002,
    CL_DEVICE_MAX_MEM_ALLOC_SIZE = 0x1010,
    CL_DEVICE_GLOBAL_MEM_SIZE = 0x101F,
    CL_DEVICE_NAME = 0x102B,
    CL_DRIVER_VERSION = 0x102D,
    CL_DEVICE_VERSION = 0x102F,
    CL_PROGRAM_BUILD_LOG = 0x1183,
    CL_MEM_READ_WRITE = 1,
    CL_QUEUE_PROFILING_ENABLE = 2,
    CL_PROFILING_COMMAND_END = 0x1283,
};
static const cl_ulong CL_DEVICE_TYPE_ALL = 0xFFFFFFFF;

static cl_int (*GetPlatformIDs)(cl_uint, cl_object *, cl_uint *);
static cl_int (*GetDeviceIDs)(cl_object, cl_ulong, cl_uint, cl_object *, cl_uint *);
static cl_int (*GetDeviceInfo)(cl_object, cl_uint, size_t, void *, size_t *);
static cl_object (*CreateContext)(const intptr_t *, cl_uint, const cl_object *, void *, void *, cl_int *);
static cl_object (*CreateCommandQueue)(cl_object, cl_object, cl_ulong, cl_int *);
static cl_object (*CreateBuffer)(cl_object, cl_ulong, size_t, void *, cl_int *);
static cl_object (*CreateProgramWithSource)(cl_object, cl_uint, const char **, const size_t *, cl_int *);
static cl_int (*BuildProgram)(cl_object, cl_uint, const cl_object *, const char *, void *, void *);
static cl_int (*GetProgramBuildInfo)(cl_object, cl_object, cl_uint, size_t, void *, size_t *);
static cl_object (*CreateKernel)(cl_object, const char *, cl_int *);
static cl_int (*SetKernelArg)(cl_object, cl_uint, size_t, const void *);
static cl_int (*EnqueueNDRangeKernel)(cl_object, cl_object, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
                                      const cl_object *, cl_object *);
static cl_int (*EnqueueReadBuffer)(cl_object, cl_object, cl_uint, size_t, size_t, void *, cl_uint, const cl_object *, cl_object *);
static cl_int (*EnqueueWriteBuffer)(cl_object, cl_object, cl_uint, size_t, size_t, const void *, cl_uint, const cl_object *, cl_object *);
static cl_int (*EnqueueFillBuffer)(cl_object, cl_object, const void *, size_t, size_t, size_t, cl_uint, const cl_object *, cl_object *);
static cl_int (*EnqueueMarkerWithWaitList)(cl_object, cl_uint, const cl_object *, cl_object *);
static cl_int (*GetEventProfilingInfo)(cl_object, cl_uint, size_t, void *, size_t *);
static cl_int (*ReleaseEvent)(cl_object);
static cl_int (*Finish)(cl_object);
static cl_int (*ReleaseMemObject)(cl_object);
static cl_int (*ReleaseKernel)(cl_object);
static cl_int (*ReleaseProgram)(cl_object);
static cl_int (*ReleaseCommandQueue)(cl_object);
static cl_int (*ReleaseContext)(cl_object);

static const struct gpu_symbol symbols[] = {
    {"clGetPlatformIDs", (void **)&GetPlatformIDs},
    {"clGetDeviceIDs", (void **)&GetDeviceIDs},
    {"clGetDeviceInfo", (void **)&GetDeviceInfo},
    {"clCreateContext", (void **)&CreateContext},
    {"clCreateCommandQueue", (void **)&CreateCommandQueue},
    {"clCreateBuffer", (void **)&CreateBuffer},
    {"clCreateProgramWithSource", (void **)&CreateProgramWithSource},
    {"clBuildProgram", (void **)&BuildProgram},
    {"clGetProgramBuildInfo", (void **)&GetProgramBuildInfo},
    {"clCreateKernel", (void **)&CreateKernel},
    {"clSetKernelArg", (void **)&SetKernelArg},
    {"clEnqueueNDRangeKernel", (void **)&EnqueueNDRangeKernel},
    {"clEnqueueReadBuffer", (void **)&EnqueueReadBuffer},
    {"clEnqueueWriteBuffer", (void **)&EnqueueWriteBuffer},
    {"clEnqueueFillBuffer", (void **)&EnqueueFillBuffer},
    {"clEnqueueMarkerWithWaitList", (void **)&EnqueueMarkerWithWaitList},
    {"clGetEventProfilingInfo", (void **)&GetEventProfilingInfo},
    {"clReleaseEvent", (void **)&ReleaseEvent},
    {"clFinish", (void **)&Finish},
    {"clReleaseMemObject", (void **)&ReleaseMemObject},
    {"clReleaseKernel", (void **)&ReleaseKernel},
    {"clReleaseProgram", (void **)&ReleaseProgram},
    {"clReleaseCommandQueue", (void **)&ReleaseCommandQueue},
    {"clReleaseContext", (void **)&ReleaseContext},
};

struct gpu_context {
    cl_object device, context, queue;
    cl_object stamps[GPU_STAMPS]; // events; NULL until they are needed
};

static bool failed(const char *call, cl_int code, struct error *err)
{
    return error_set(err, ERROR_MACHINE, "OpenCL: %s answers %d", call, code);
}

static bool load(const struct gpu_driver *self, struct error *err)
{
    (void)self;
    static void *library;
    static const char *const names[] = {"libOpenCL.so.1", NULL};
    if (!library)
        library = gpu_library_open(names, symbols, sizeof symbols / sizeof *symbols, err);
    return library != NULL;
}

enum { MOST_PLATFORMS = 16, MOST_DEVICES = 64 };

/* All devices of all platforms; −1 on failure. A platform that fails hides no other's devices. */
static int devices(cl_object out[MOST_DEVICES], struct error *err)
{
    cl_object platforms[MOST_PLATFORMS];
    cl_uint n_platforms = 0;
    cl_int failure = CL_SUCCESS;
    int n = 0;
    cl_int code = GetPlatformIDs(MOST_PLATFORMS, platforms, &n_platforms);
    if (code == CL_PLATFORM_NOT_FOUND)
        return 0;
    if (code != CL_SUCCESS) {
        failed("clGetPlatformIDs", code, err);
        return -1;
    }
    for (cl_uint i = 0; i < n_platforms && i < MOST_PLATFORMS && n < MOST_DEVICES; i++) {
        cl_uint found = 0;
        code = GetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, (cl_uint)(MOST_DEVICES - n), out + n, &found);
        if (code == CL_SUCCESS)
            n += (int)found < MOST_DEVICES - n ? (int)found : MOST_DEVICES - n;
        else if (code != CL_DEVICE_NOT_FOUND)
            failure = code;
    }
    if (!n && failure != CL_SUCCESS) {
        failed("clGetDeviceIDs", failure, err);
        return -1;
    }
    return n;
}

static int count(const struct gpu_driver *self, struct error *err)
{
    cl_object all[MOST_DEVICES];
    return load(self, err) ? devices(all, err) : -1;
}

static bool device_at(const struct gpu_driver *self, int device, cl_object *out, struct error *err)
{
    cl_object all[MOST_DEVICES];
    int n = load(self, err) ? devices(all, err) : -1;
    if (n < 0)
        return false;
    if (device < 0 || device >= n)
        return error_set(err, ERROR_INPUT, "OpenCL has no device %d: there are %d, counted from 0", device, n);
    *out = all[device];
    return true;
}

static cl_ulong number(cl_object device, cl_uint what)
{
    cl_ulong value = 0; // little-endian: 4-byte answers fill the low half
    (void)GetDeviceInfo(device, what, sizeof value, &value, NULL);
    return value;
}

static bool describe(const struct gpu_driver *self, int device, struct gpu_facts *facts, struct error *err)
{
    cl_object id;
    char driver[64] = "", version[128] = "";
    if (!device_at(self, device, &id, err))
        return false;
    *facts = (struct gpu_facts){.memory_bytes = number(id, CL_DEVICE_GLOBAL_MEM_SIZE),
                                .largest_bytes = number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
                                .units = (int)number(id, CL_DEVICE_MAX_COMPUTE_UNITS)};
    cl_int code = GetDeviceInfo(id, CL_DEVICE_NAME, sizeof facts->name, facts->name, NULL);
    if (code != CL_SUCCESS)
        return failed("clGetDeviceInfo", code, err);
    (void)GetDeviceInfo(id, CL_DRIVER_VERSION, sizeof driver, driver, NULL);
    (void)GetDeviceInfo(id, CL_DEVICE_VERSION, sizeof version, version, NULL);
    snprintf(facts->version, sizeof facts->version, "%s, driver %s", version, driver);
    return true;
}

static void close_context(struct gpu_context *c)
{
    for (size_t i = 0; i < GPU_STAMPS; i++)
        if (c->stamps[i])
            ReleaseEvent(c->stamps[i]);
    if (c->queue)
        ReleaseCommandQueue(c->queue);
    if (c->context)
        ReleaseContext(c->context);
    free(c);
}

static struct gpu_context *open_context(const struct gpu_driver *self, int device, struct error *err)
{
    cl_object id;
    cl_int code;
    struct gpu_context *c = device_at(self, device, &id, err) ? memory_array(1, sizeof *c, "OpenCL", err) : NULL;
    if (!c)
        return NULL;
    c->device = id;
    c->context = CreateContext(NULL, 1, &id, NULL, NULL, &code);
    if (!c->context) {
        failed("clCreateContext", code, err);
        close_context(c);
        return NULL;
    }
    c->queue = CreateCommandQueue(c->context, id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (!c->queue) {
        failed("clCreateCommandQueue", code, err);
        close_context(c);
        return NULL;
    }
    return c;
}

/* --- programs --------------------------------------------------------------------------------------------------------------------------
 */

static bool build(struct gpu_context *c, cl_object program, const char *options, struct error *err)
{
    char log[800] = "";
    cl_int code = BuildProgram(program, 1, &c->device, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return true;
    size_t n = 0;
    (void)GetProgramBuildInfo(program, c->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &n);
    char *whole = n ? malloc(n + 1) : NULL;
    if (whole && GetProgramBuildInfo(program, c->device, CL_PROGRAM_BUILD_LOG, n, whole, NULL) == CL_SUCCESS) {
        whole[n] = '\0';
        snprintf(log, sizeof log, "%s", whole);
    }
    free(whole);
    return error_set(err, ERROR_MACHINE, "OpenCL: clBuildProgram answers %d: %s", code, log);
}

/* The driver keeps what it compiled itself, as all vendors' do; to ask for the binary would have PoCL compile every kernel once more. */
static uint64_t program_build(struct gpu_context *c, const char *source, const char *const *options, size_t n_options, struct error *err)
{
    struct text all = {0};
    cl_int code = CL_SUCCESS;
    text_add_string(&all, "-cl-std=CL1.2");
    for (size_t i = 0; i < n_options; i++)
        text_format(&all, " %s", options[i]);
    bool ok = text_ok(&all, err);
    cl_object program = ok ? CreateProgramWithSource(c->context, 1, &source, NULL, &code) : NULL;
    if (ok && !program)
        failed("clCreateProgramWithSource", code, err);
    if (program && !build(c, program, all.bytes, err)) {
        ReleaseProgram(program);
        program = NULL;
    }
    text_free(&all);
    return (uint64_t)(uintptr_t)program;
}

static cl_object object(uint64_t number_of)
{
    return (cl_object)(uintptr_t)number_of;
}

static void program_free(struct gpu_context *c, uint64_t program)
{
    (void)c;
    ReleaseProgram(object(program));
}

static uint64_t kernel_of(struct gpu_context *c, uint64_t program, const char *name, struct error *err)
{
    (void)c;
    cl_int code;
    cl_object kernel = CreateKernel(object(program), name, &code);
    if (!kernel)
        error_set(err, ERROR_MACHINE, "OpenCL: clCreateKernel(%s) answers %d", name, code);
    return (uint64_t)(uintptr_t)kernel;
}

static void kernel_free(struct gpu_context *c, uint64_t kernel)
{
    (void)c;
    ReleaseKernel(object(kernel));
}

/* --- memory and launches ---------------------------------------------------------------------------------------------------------------
 */

static uint64_t memory_new(struct gpu_context *c, size_t bytes, struct error *err)
{
    cl_int code;
    cl_object memory = CreateBuffer(c->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (!memory)
        error_set(err, ERROR_MACHINE, "OpenCL: no memory for %zu bytes on the device (clCreateBuffer answers %d)", bytes, code);
    return (uint64_t)(uintptr_t)memory;
}

static void memory_free(struct gpu_context *c, uint64_t memory)
{
    (void)c;
    ReleaseMemObject(object(memory));
}

static bool write_memory(struct gpu_context *c, uint64_t to, size_t at, const void *from, size_t bytes, struct error *err)
{
    cl_int code = EnqueueWriteBuffer(c->queue, object(to), 1, at, bytes, from, 0, NULL, NULL);
    return code == CL_SUCCESS || failed("clEnqueueWriteBuffer", code, err);
}

static bool read_memory(struct gpu_context *c, uint64_t from, size_t at, void *to, size_t bytes, struct error *err)
{
    cl_int code = EnqueueReadBuffer(c->queue, object(from), 1, at, bytes, to, 0, NULL, NULL);
    return code == CL_SUCCESS || failed("clEnqueueReadBuffer", code, err);
}

static bool clear_memory(struct gpu_context *c, uint64_t memory, size_t bytes, struct error *err)
{
    const cl_uint zero = 0;
    cl_int code = EnqueueFillBuffer(c->queue, object(memory), &zero, sizeof zero, 0, bytes, 0, NULL, NULL);
    return code == CL_SUCCESS || failed("clEnqueueFillBuffer", code, err);
}

static bool launch(struct gpu_context *c, const struct gpu_launch *l, struct error *err)
{
    size_t global[3] = {(size_t)l->groups[0] * l->threads, l->groups[1], l->groups[2]}, local[3] = {l->threads, 1, 1};
    for (uint32_t i = 0; i < l->n_args; i++) {
        const struct gpu_arg *arg = &l->args[i];
        cl_object memory = object(arg->bits);
        cl_int code = arg->is_memory ? SetKernelArg(object(l->kernel), i, sizeof memory, &memory)
                                     : SetKernelArg(object(l->kernel), i, arg->bytes, &arg->bits);
        if (code != CL_SUCCESS)
            return error_set(err, ERROR_MACHINE, "OpenCL: clSetKernelArg(%u) answers %d", i, code);
    }
    cl_int code = EnqueueNDRangeKernel(c->queue, object(l->kernel), 3, NULL, global, local, 0, NULL, NULL);
    return code == CL_SUCCESS || failed("clEnqueueNDRangeKernel", code, err);
}

static bool finish(struct gpu_context *c, struct error *err)
{
    cl_int code = Finish(c->queue);
    return code == CL_SUCCESS || failed("clFinish", code, err);
}

/* A marker in an in-order queue ends when everything before it has. */
static bool stamp(struct gpu_context *c, size_t number_of, struct error *err)
{
    if (c->stamps[number_of])
        ReleaseEvent(c->stamps[number_of]);
    c->stamps[number_of] = NULL;
    cl_int code = EnqueueMarkerWithWaitList(c->queue, 0, NULL, &c->stamps[number_of]);
    return code == CL_SUCCESS || failed("clEnqueueMarkerWithWaitList", code, err);
}

static bool between(struct gpu_context *c, size_t from, size_t to, double *ns, struct error *err)
{
    cl_ulong began = 0, ended = 0;
    cl_int code = GetEventProfilingInfo(c->stamps[from], CL_PROFILING_COMMAND_END, sizeof began, &began, NULL);
    code = code == CL_SUCCESS ? GetEventProfilingInfo(c->stamps[to], CL_PROFILING_COMMAND_END, sizeof ended, &ended, NULL) : code;
    *ns = (double)(ended - began);
    return code == CL_SUCCESS || failed("clGetEventProfilingInfo", code, err);
}

const struct gpu_driver gpu_opencl = {.name = "opencl",
                                      .libraries = "libOpenCL.so.1 and a vendor's entry in /etc/OpenCL/vendors",
                                      .load = load,
                                      .count = count,
                                      .describe = describe,
                                      .open = open_context,
                                      .close = close_context,
                                      .program_build = program_build,
                                      .program_free = program_free,
                                      .kernel = kernel_of,
                                      .kernel_free = kernel_free,
                                      .memory_new = memory_new,
                                      .memory_free = memory_free,
                                      .write = write_memory,
                                      .read = read_memory,
                                      .clear = clear_memory,
                                      .launch = launch,
                                      .finish = finish,
                                      .stamp = stamp,
                                      .between = between};
