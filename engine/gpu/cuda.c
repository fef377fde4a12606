/* CUDA's driver interface by dlopen, and NVRTC for its kernels. Numbers are those of NVIDIA's documented interface, version 12; _v2 names
 * are those that its header's macros stand for. */
#include "engine/gpu/twins.h"

#include <stdio.h>

enum {
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_STUB_LIBRARY = 34,
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
    ATTRIBUTE_UNITS = 16,
    ATTRIBUTE_MAJOR = 75,
    ATTRIBUTE_MINOR = 76,
};

static int (*primary_retain)(twin_handle *, int);
static int (*primary_release)(int);
static int (*set_current)(twin_handle);
static int (*get_attribute)(int *, int, int);
static int (*get_error_name)(int, const char **);
static int (*get_version)(int *);

static struct twin cuda;

static const char *error_name(int code)
{
    const char *name = NULL;
    return get_error_name && get_error_name(code, &name) == 0 ? name : NULL;
}

static const char *init_reason(int code)
{
    return code == CUDA_ERROR_STUB_LIBRARY             ? "libcuda.so.1 is the toolkit's stub for linking: install the GPU's driver"
           : code == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH ? "the library and the kernel's module are of different versions: reboot, or "
                                                         "install the one that belongs to the other"
                                                       : NULL;
}

static int enter(int device, twin_handle *context)
{
    int code = primary_retain(context, device);
    return code ? code : set_current(*context);
}

static int use(twin_handle context, int device)
{
    (void)device;
    return set_current(context);
}

static int leave(twin_handle context, int device)
{
    (void)context;
    return primary_release(device);
}

static bool details(int device, struct gpu_facts *facts, struct error *err)
{
    enum { AMPERE = 8 };
    int major = 0, minor = 0, driver = 0;
    if (get_attribute(&major, ATTRIBUTE_MAJOR, device) != 0 || get_attribute(&minor, ATTRIBUTE_MINOR, device) != 0 ||
        get_attribute(&facts->units, ATTRIBUTE_UNITS, device) != 0 || get_version(&driver) != 0)
        return error_set(err, ERROR_MACHINE, "CUDA: the device does not tell its attributes");
    facts->tensor_cores = major >= AMPERE;
    snprintf(facts->version, sizeof facts->version, "compute %d.%d, driver for CUDA %d.%d", major, minor, driver / 1000,
             driver % 1000 / 10);
    return true;
}

static size_t options(int device, char (*out)[32])
{
    int major = 0, minor = 0;
    (void)get_attribute(&major, ATTRIBUTE_MAJOR, device);
    (void)get_attribute(&minor, ATTRIBUTE_MINOR, device);
    snprintf(out[0], sizeof *out, "-arch=sm_%d%d", major, minor);
    snprintf(out[1], sizeof *out, "-fmad=false");
    snprintf(out[2], sizeof *out, "-std=c++17");
    return 3;
}

static const char *const driver_names[] = {"libcuda.so.1", NULL};
static const struct gpu_symbol driver_symbols[] = {
    {"cuInit", (void **)&cuda.f.init},
    {"cuDriverGetVersion", (void **)&get_version},
    {"cuGetErrorName", (void **)&get_error_name},
    {"cuDeviceGetCount", (void **)&cuda.f.device_count},
    {"cuDeviceGet", (void **)&cuda.f.device_get},
    {"cuDeviceGetName", (void **)&cuda.f.device_name},
    {"cuDeviceTotalMem_v2", (void **)&cuda.f.device_memory},
    {"cuDeviceGetPCIBusId", (void **)&cuda.f.device_bus},
    {"cuDeviceGetAttribute", (void **)&get_attribute},
    {"cuDevicePrimaryCtxRetain", (void **)&primary_retain},
    {"cuDevicePrimaryCtxRelease_v2", (void **)&primary_release},
    {"cuCtxSetCurrent", (void **)&set_current},
    {"cuMemGetInfo_v2", (void **)&cuda.f.memory_info},
    {"cuMemAlloc_v2", (void **)&cuda.f.memory_new},
    {"cuMemFree_v2", (void **)&cuda.f.memory_free},
    {"cuMemcpyHtoDAsync_v2", (void **)&cuda.f.write},
    {"cuMemcpyDtoHAsync_v2", (void **)&cuda.f.read},
    {"cuMemsetD32Async", (void **)&cuda.f.set_words},
    {"cuStreamCreate", (void **)&cuda.f.stream_new},
    {"cuStreamDestroy_v2", (void **)&cuda.f.stream_free},
    {"cuStreamSynchronize", (void **)&cuda.f.stream_wait},
    {"cuModuleLoadData", (void **)&cuda.f.module_load},
    {"cuModuleUnload", (void **)&cuda.f.module_unload},
    {"cuModuleGetFunction", (void **)&cuda.f.function_get},
    {"cuLaunchKernel", (void **)&cuda.f.launch},
    {"cuEventCreate", (void **)&cuda.f.event_new},
    {"cuEventDestroy_v2", (void **)&cuda.f.event_free},
    {"cuEventRecord", (void **)&cuda.f.event_record},
    {"cuEventElapsedTime", (void **)&cuda.f.event_between},
    {"cuStreamBeginCapture_v2", (void **)&cuda.f.capture_begin},
    {"cuStreamEndCapture", (void **)&cuda.f.capture_end},
    {"cuGraphInstantiateWithFlags", (void **)&cuda.f.graph_instantiate},
    {"cuGraphLaunch", (void **)&cuda.f.graph_launch},
    {"cuGraphExecDestroy", (void **)&cuda.f.graph_executable_free},
    {"cuGraphDestroy", (void **)&cuda.f.graph_free},
};

static const char *const compiler_names[] = {
    "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so", NULL};
static const struct gpu_symbol compiler_symbols[] = {
    {"nvrtcVersion", (void **)&cuda.f.compiler_version},       {"nvrtcCreateProgram", (void **)&cuda.f.program_new},
    {"nvrtcCompileProgram", (void **)&cuda.f.program_compile}, {"nvrtcGetProgramLogSize", (void **)&cuda.f.program_log_bytes},
    {"nvrtcGetProgramLog", (void **)&cuda.f.program_log},      {"nvrtcGetCUBINSize", (void **)&cuda.f.program_binary_bytes},
    {"nvrtcGetCUBIN", (void **)&cuda.f.program_binary},        {"nvrtcDestroyProgram", (void **)&cuda.f.program_free},
};

static struct twin cuda = {
    .name = "CUDA",
    .driver = {.names = driver_names, .symbols = driver_symbols, .n_symbols = sizeof driver_symbols / sizeof *driver_symbols},
    .compiler = {.names = compiler_names, .symbols = compiler_symbols, .n_symbols = sizeof compiler_symbols / sizeof *compiler_symbols},
    .error_name = error_name,
    .init_reason = init_reason,
    .no_device = CUDA_ERROR_NO_DEVICE,
    .enter = enter,
    .use = use,
    .leave = leave,
    .details = details,
    .options = options};

const struct gpu_driver gpu_cuda = {.name = "cuda",
                                    .libraries =
                                        "libcuda.so.1 (the driver's), and for kernels that are not built in libnvrtc.so.13, .12 or .11.2",
                                    .twin = &cuda,
                                    .images = gpu_images,
                                    TWIN_DRIVER};
