/* The mock of cuda.c as HIP's runtime and hipRTC: the same behaviour under HIP's names. With -DWITHOUT_GRAPHS as one that is too old for
 * them. */
#define cuInit               hipInit
#define cuDeviceGetCount     hipGetDeviceCount
#define cuDeviceGet          hipDeviceGet
#define cuDeviceGetName      hipDeviceGetName
#define cuDeviceTotalMem_v2  hipDeviceTotalMem
#define cuDeviceGetPCIBusId  hipDeviceGetPCIBusId
#define cuMemGetInfo_v2      hipMemGetInfo
#define cuMemAlloc_v2        hipMalloc
#define cuMemFree_v2         hipFree
#define cuMemcpyHtoDAsync_v2 hipMemcpyHtoDAsync
#define cuMemcpyDtoHAsync_v2 hipMemcpyDtoHAsync
#define cuMemsetD32Async     hipMemsetD32Async
#define cuStreamCreate       hipStreamCreateWithFlags
#define cuStreamDestroy_v2   hipStreamDestroy
#define cuStreamSynchronize  hipStreamSynchronize
#define cuEventCreate        hipEventCreateWithFlags
#define cuEventDestroy_v2    hipEventDestroy
#define cuEventRecord        hipEventRecord
#define cuEventElapsedTime   hipEventElapsedTime
#define cuModuleLoadData     hipModuleLoadData
#define cuModuleUnload       hipModuleUnload
#define cuModuleGetFunction  hipModuleGetFunction
#define cuLaunchKernel       hipModuleLaunchKernel
#ifndef WITHOUT_GRAPHS
#define cuStreamBeginCapture_v2     hipStreamBeginCapture
#define cuStreamEndCapture          hipStreamEndCapture
#define cuGraphInstantiateWithFlags hipGraphInstantiateWithFlags
#define cuGraphLaunch               hipGraphLaunch
#define cuGraphExecDestroy          hipGraphExecDestroy
#define cuGraphDestroy              hipGraphDestroy
#endif
#define nvrtcVersion           hiprtcVersion
#define nvrtcCreateProgram     hiprtcCreateProgram
#define nvrtcGetProgramLogSize hiprtcGetProgramLogSize
#define nvrtcGetProgramLog     hiprtcGetProgramLog
#define nvrtcGetCUBINSize      hiprtcGetCodeSize
#define nvrtcGetCUBIN          hiprtcGetCode
#define nvrtcDestroyProgram    hiprtcDestroyProgram
#include "cuda.c"

int hipSetDevice(int device)
{
    return device < 0 || device > 1 ? 101 : 0;
}

const char *hipGetErrorName(int code)
{
    return code == 100 ? "hipErrorNoDevice" : "hipErrorUnknown";
}

int hipRuntimeGetVersion(int *version)
{
    *version = 60342133;
    return 0;
}

int hiprtcCompileProgram(void *program, int n, const char *const *options)
{
    int own = 0;
    for (int i = 0; i < n; i++)
        own |= strcmp(options[i], "-ffp-contract=off") == 0;
    return own && strstr(program, "__global__") ? 0 : 6;
}
