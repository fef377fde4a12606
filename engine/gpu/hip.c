/* HIP's module interface by dlopen, and hipRTC for its kernels: CUDA's interface under other names. Releases without graphs are used too:
 * launches are single there. */
#include "engine/gpu/twins.h"

#include <stdio.h>

enum { HIP_ERROR_NO_DEVICE = 100 };

static int (*set_device)(int);
static const char *(*get_error_name)(int);
static int (*runtime_version)(int *);

static struct twin hip;

static const char *error_name(int code)
{
    return get_error_name ? get_error_name(code) : NULL;
}

/* HIP's context is the current device of the thread: any non-NULL handle stands for it. */
static int enter(int device, twin_handle *context)
{
    static char stands_for_it;
    int code = set_device(device);
    *context = code ? NULL : &stands_for_it;
    return code;
}

static int use(twin_handle context, int device)
{
    (void)context;
    return set_device(device);
}

static int leave(twin_handle context, int device)
{
    (void)context, (void)device;
    return 0;
}

/* The numbers of HIP's attributes are others in each major version, so none is asked for. */
static bool details(int device, struct gpu_facts *facts, struct error *err)
{
    int version = 0;
    (void)device;
    if (runtime_version(&version) != 0)
        return error_set(err, ERROR_MACHINE, "HIP: the runtime does not tell its version");
    snprintf(facts->version, sizeof facts->version, "HIP %d.%d", version / 10000000, version / 100000 % 100);
    return true;
}

/* hipRTC compiles for the current device where no other is named. */
static size_t options(int device, char (*out)[32])
{
    (void)device;
    snprintf(out[0], sizeof *out, "-ffp-contract=off");
    snprintf(out[1], sizeof *out, "-std=c++17");
    return 2;
}

static const char *const driver_names[] = {
    "libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "/opt/rocm/lib/libamdhip64.so", NULL};
static const struct gpu_symbol driver_symbols[] = {
    {"hipInit", (void **)&hip.f.init},
    {"hipRuntimeGetVersion", (void **)&runtime_version},
    {"hipGetErrorName", (void **)&get_error_name},
    {"hipGetDeviceCount", (void **)&hip.f.device_count},
    {"hipDeviceGet", (void **)&hip.f.device_get},
    {"hipDeviceGetName", (void **)&hip.f.device_name},
    {"hipDeviceTotalMem", (void **)&hip.f.device_memory},
    {"hipDeviceGetPCIBusId", (void **)&hip.f.device_bus},
    {"hipSetDevice", (void **)&set_device},
    {"hipMemGetInfo", (void **)&hip.f.memory_info},
    {"hipMalloc", (void **)&hip.f.memory_new},
    {"hipFree", (void **)&hip.f.memory_free},
    {"hipMemcpyHtoDAsync", (void **)&hip.f.write},
    {"hipMemcpyDtoHAsync", (void **)&hip.f.read},
    {"hipMemsetD32Async", (void **)&hip.f.set_words},
    {"hipStreamCreateWithFlags", (void **)&hip.f.stream_new},
    {"hipStreamDestroy", (void **)&hip.f.stream_free},
    {"hipStreamSynchronize", (void **)&hip.f.stream_wait},
    {"hipEventCreateWithFlags", (void **)&hip.f.event_new},
    {"hipEventDestroy", (void **)&hip.f.event_free},
    {"hipEventRecord", (void **)&hip.f.event_record},
    {"hipEventElapsedTime", (void **)&hip.f.event_between},
    {"hipModuleLoadData", (void **)&hip.f.module_load},
    {"hipModuleUnload", (void **)&hip.f.module_unload},
    {"hipModuleGetFunction", (void **)&hip.f.function_get},
    {"hipModuleLaunchKernel", (void **)&hip.f.launch},
    {"?hipStreamBeginCapture", (void **)&hip.f.capture_begin},
    {"?hipStreamEndCapture", (void **)&hip.f.capture_end},
    {"?hipGraphInstantiateWithFlags", (void **)&hip.f.graph_instantiate}, // the youngest of them
    {"?hipGraphLaunch", (void **)&hip.f.graph_launch},
    {"?hipGraphExecDestroy", (void **)&hip.f.graph_executable_free},
    {"?hipGraphDestroy", (void **)&hip.f.graph_free},
};

static const char *const compiler_names[] = {"libhiprtc.so",
                                             "libhiprtc.so.7",
                                             "libhiprtc.so.6",
                                             "libhiprtc.so.5",
                                             "/opt/rocm/lib/libhiprtc.so",
                                             "libamdhip64.so",
                                             "libamdhip64.so.5",
                                             NULL};
static const struct gpu_symbol compiler_symbols[] = {
    {"hiprtcVersion", (void **)&hip.f.compiler_version},       {"hiprtcCreateProgram", (void **)&hip.f.program_new},
    {"hiprtcCompileProgram", (void **)&hip.f.program_compile}, {"hiprtcGetProgramLogSize", (void **)&hip.f.program_log_bytes},
    {"hiprtcGetProgramLog", (void **)&hip.f.program_log},      {"hiprtcGetCodeSize", (void **)&hip.f.program_binary_bytes},
    {"hiprtcGetCode", (void **)&hip.f.program_binary},         {"hiprtcDestroyProgram", (void **)&hip.f.program_free},
};

static struct twin hip = {
    .name = "HIP",
    .driver = {.names = driver_names, .symbols = driver_symbols, .n_symbols = sizeof driver_symbols / sizeof *driver_symbols},
    .compiler = {.names = compiler_names, .symbols = compiler_symbols, .n_symbols = sizeof compiler_symbols / sizeof *compiler_symbols},
    .error_name = error_name,
    .no_device = HIP_ERROR_NO_DEVICE,
    .enter = enter,
    .use = use,
    .leave = leave,
    .details = details,
    .options = options};

const struct gpu_driver gpu_hip = {.name = "hip", .libraries = "libamdhip64.so and libhiprtc.so (ROCm)", .twin = &hip, TWIN_DRIVER};
