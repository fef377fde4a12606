/* A CUDA driver, NVRTC and NVML that compute nothing, for tests of what lies between the engine and the driver: memory is the host's,
 * launches and graphs are counted, and the kernels that both have run. At the end the counts go to the file $MOCK_CUDA_LOG. $MOCK_CUDA says
 * how it fares:
 *
 *     ok          two devices
 *     stub        as the toolkit's library for linking: cuInit answers 34
 *     mismatch    library and kernel module of different versions: cuInit answers 803
 *     none        no devices
 *     crash       cuInit aborts
 *     untimed     one without events
 *     unwritten   all writes to the device's memory but the first forty fail
 *     lost        the device is lost at the fourth wait after the first launch
 *     fatbinless  no fatbin loads, as where it was made for other devices
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long long launches, captured, graphs, graph_launches, kernels, flash, waits, writes, allocated, freed, fatbins, cubins;
static unsigned long long capturing; // 1 + the launches of the graph under way; 0: none is

static int is(const char *mode)
{
    const char *set = getenv("MOCK_CUDA");
    return set && strcmp(set, mode) == 0;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("MOCK_CUDA_LOG");
    FILE *log = path && launches + captured ? fopen(path, "w") : NULL;
    if (!log)
        return;
    fprintf(
        log,
        "launches %llu\ncaptured %llu\ngraphs %llu\ngraph_launches %llu\nkernels %llu\nflash %llu\nleft %llu\nfatbins %llu\ncubins %llu\n",
        launches, captured, graphs, graph_launches, kernels, flash, allocated - freed, fatbins, cubins);
    fclose(log);
}

int cuInit(unsigned flags)
{
    (void)flags;
    if (is("crash"))
        abort();
    return is("stub") ? 34 : is("mismatch") ? 803 : is("none") ? 100 : 0;
}

int cuGetExportTable(const void **table, const void *which) // the real NVRTC looks for it, and does without
{
    (void)which;
    *table = NULL;
    return 500;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

int cuGetErrorName(int code, const char **name)
{
    *name = code == 34    ? "CUDA_ERROR_STUB_LIBRARY"
            : code == 100 ? "CUDA_ERROR_NO_DEVICE"
            : code == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
            : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : code == 719 ? "CUDA_ERROR_LAUNCH_FAILED"
                          : "CUDA_ERROR_UNKNOWN";
    return 0;
}

int cuDeviceGetCount(int *n)
{
    *n = 2;
    return is("none") ? 100 : 0;
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return 0;
}

int cuDeviceGetName(char *name, int n, int device)
{
    (void)device;
    snprintf(name, (size_t)n, "Mock GPU");
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    (void)device;
    *bytes = (size_t)1 << 30;
    return 0;
}

int cuMemGetInfo_v2(size_t *available, size_t *total)
{
    const char *set = getenv("MOCK_CUDA_FREE");
    *total = (size_t)1 << 30;
    *available = set ? strtoull(set, NULL, 10) : *total;
    return 0;
}

int cuDeviceGetPCIBusId(char *bus, int n, int device)
{
    snprintf(bus, (size_t)n, "0000:%02x:00.0", device + 1);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    *value = attribute == 75 ? 9 : attribute == 16 ? 132 : 0;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    static char it;
    (void)device;
    *context = &it;
    return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    return 0;
}

int cuCtxSetCurrent(void *context)
{
    (void)context;
    return 0;
}

int cuMemAlloc_v2(uint64_t *memory, size_t bytes)
{
    void *room = malloc(bytes);
    *memory = (uint64_t)(uintptr_t)room;
    allocated += room != NULL;
    return room ? 0 : 2;
}

int cuMemFree_v2(uint64_t memory)
{
    free((void *)(uintptr_t)memory);
    freed++;
    return 0;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream)
{
    (void)stream;
    if (is("unwritten") && ++writes > 40)
        return 719;
    memcpy((void *)(uintptr_t)to, from, bytes);
    return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream)
{
    (void)stream;
    memcpy(to, (const void *)(uintptr_t)from, bytes);
    return 0;
}

int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *stream)
{
    (void)stream;
    for (size_t i = 0; i < count; i++)
        ((uint32_t *)(uintptr_t)to)[i] = value;
    return 0;
}

int cuStreamCreate(void **stream, unsigned flags)
{
    static char it;
    (void)flags;
    *stream = &it;
    return 0;
}

int cuStreamDestroy_v2(void *stream)
{
    (void)stream;
    return 0;
}

int cuStreamSynchronize(void *stream)
{
    (void)stream;
    return is("lost") && launches + captured && ++waits > 3 ? 700 : 0;
}

int cuModuleLoadData(void **module, const void *image)
{
    const uint32_t fatbin = 0xBA55ED50;
    if (memcmp(image, &fatbin, sizeof fatbin) == 0) { // nvcc's
        if (is("fatbinless"))
            return 209;
        fatbins++;
    } else if (memcmp(image, "CUBIN", 5) == 0 || memcmp(image, "\177ELF", 4) == 0) // ours, or the real NVRTC's
        cubins++;
    else
        return 200;
    *module = strdup("module");
    return 0;
}

int cuModuleUnload(void *module)
{
    free(module);
    return 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
    static char other, of_flash[] = "flash"; // flash attention's kernels, whose launches are counted apart
    (void)module;
    *function = strncmp(name, "flash_", 6) == 0 ? of_flash : &other;
    return *name ? 0 : 500;
}

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned local, void *stream,
                   void **arguments, void **extra)
{
    (void)stream, (void)arguments, (void)extra, (void)local;
    if (!gx || !gy || !gz || gy > 65535 || gz > 65535 || !bx || bx > 1024 || by != 1 || bz != 1)
        return 1; // CUDA_ERROR_INVALID_VALUE
    flash += *(char *)f == 'f';
    if (capturing) {
        captured++;
        capturing++;
    } else {
        launches++;
        kernels++;
    }
    return 0;
}

int cuEventCreate(void **event, unsigned flags)
{
    *event = calloc(1, sizeof launches);
    return flags || is("untimed") ? 801 : 0;
}

int cuEventDestroy_v2(void *event)
{
    free(event);
    return 0;
}

int cuEventRecord(void *event, void *stream) // time is what has run
{
    (void)stream;
    *(unsigned long long *)event = kernels;
    return 0;
}

int cuEventElapsedTime(float *ms, void *from, void *to) // a millisecond each
{
    *ms = (float)(*(unsigned long long *)to - *(unsigned long long *)from);
    return 0;
}

int cuStreamBeginCapture_v2(void *stream, int mode)
{
    (void)stream, (void)mode;
    capturing = 1;
    return 0;
}

int cuStreamEndCapture(void *stream, void **graph)
{
    (void)stream;
    graphs++;
    *graph = malloc(sizeof capturing);
    *(unsigned long long *)*graph = capturing - 1;
    capturing = 0;
    return 0;
}

int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags)
{
    (void)flags;
    *executable = malloc(sizeof kernels);
    memcpy(*executable, graph, sizeof kernels);
    return 0;
}

int cuGraphLaunch(void *executable, void *stream)
{
    (void)stream;
    graph_launches++;
    kernels += *(unsigned long long *)executable;
    return 0;
}

int cuGraphExecDestroy(void *executable)
{
    free(executable);
    return 0;
}

int cuGraphDestroy(void *graph)
{
    free(graph);
    return 0;
}

int nvrtcVersion(int *major, int *minor)
{
    const char *set = getenv("MOCK_NVRTC_MINOR");
    *major = 13;
    *minor = set ? atoi(set) : 0;
    return 0;
}

int nvrtcCreateProgram(void **program, const char *source, const char *name, int n, const char *const *headers, const char *const *names)
{
    (void)name, (void)n, (void)headers, (void)names;
    *program = strdup(source);
    return 0;
}

int nvrtcCompileProgram(void *program, int n, const char *const *options)
{
    int architecture = 0;
    for (int i = 0; i < n; i++)
        architecture |= strcmp(options[i], "-arch=sm_90") == 0;
    return architecture && strstr(program, "__global__") ? 0 : 6;
}

int nvrtcGetProgramLogSize(void *program, size_t *bytes)
{
    (void)program;
    *bytes = 10;
    return 0;
}

int nvrtcGetProgramLog(void *program, char *log)
{
    (void)program;
    snprintf(log, 10, "mock log");
    return 0;
}

int nvrtcGetCUBINSize(void *program, size_t *bytes)
{
    (void)program;
    *bytes = 6;
    return 0;
}

int nvrtcGetCUBIN(void *program, char *out)
{
    (void)program;
    memcpy(out, "CUBIN", 6);
    return 0;
}

int nvrtcDestroyProgram(void **program)
{
    free(*program);
    *program = NULL;
    return 0;
}

int nvmlInit_v2(void)
{
    return 0;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device)
{
    static char it;
    *device = &it;
    return strcmp(bus, "0000:01:00.0") == 0 ? 0 : 6;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    static unsigned long long counter = 1000000;
    (void)device;
    *millijoules = counter += 2500; // with each look
    return 0;
}

int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz)
{
    (void)device;
    *mhz = type == 1 ? 1980 : 0;
    return 0;
}

const char *nvmlErrorString(int code)
{
    return code == 6 ? "Not Found" : "Unknown Error";
}
