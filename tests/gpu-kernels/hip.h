/* What HIP's own headers define, as far as the kernels use it: so that clang alone, without ROCm, compiles them for AMD's GPUs. Nothing
 * here is run; exp is only near. */
#define __global__                 __attribute__((global))
#define __device__                 __attribute__((device))
#define __shared__                 __attribute__((shared))
#define __forceinline__            inline __attribute__((always_inline))
#define __launch_bounds__(THREADS) __attribute__((amdgpu_flat_work_group_size(1, THREADS)))
struct triple {
    unsigned x, y, z;
};
struct float4 {
    float x, y, z, w;
};
struct uint4 {
    unsigned x, y, z, w;
};
#define threadIdx              (triple{__builtin_amdgcn_workitem_id_x(), 0, 0})
#define blockIdx               (triple{__builtin_amdgcn_workgroup_id_x(), __builtin_amdgcn_workgroup_id_y(), __builtin_amdgcn_workgroup_id_z()})
#define __syncthreads()        __builtin_amdgcn_s_barrier()
#define fmaf(A, B, C)          __builtin_fmaf(A, B, C)
#define fmaxf(A, B)            __builtin_fmaxf(A, B)
#define sqrtf(X)               __builtin_sqrtf(X)
#define expf(X)                __builtin_exp2f((X)*1.4426950408889634f)
#define atomicAdd(AT, N)       __atomic_fetch_add(AT, N, __ATOMIC_RELAXED)
#define __uint_as_float(BITS)  __builtin_bit_cast(float, (unsigned)(BITS))
#define __float_as_uint(VALUE) __builtin_bit_cast(unsigned, (float)(VALUE))
