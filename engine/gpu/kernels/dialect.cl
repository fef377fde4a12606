/* The dialect: what differs between OpenCL C 1.2, CUDA C++ and HIP C++, behind one set of names. Kernels are written in what the three have
 * in common: C, no templates, no half-precision arithmetic, address spaces named, 48 KiB of local memory at most.
 *
 * Three rules keep a kernel right in all of them: a BARRIER is met by all threads of a group or by none; none returns before one; and LOCAL
 * memory is declared at the outermost scope of a kernel, as one array where helpers share it by several pointers (PoCL leaves some of several
 * arrays to all groups in common; tests/gpu-kernels/races looks for that). Multiplication and addition are never contracted by the compiler (the
 * build says so): FMA is where it is meant, so that two kernels which compute the same value compute the same bits. */
#if defined(__OPENCL_C_VERSION__)
#pragma OPENCL FP_CONTRACT OFF
#define KERNEL(THREADS) __kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void
#ifndef INLINE /* before anything is optimised: PoCL 3.1 goes wrong over pointers to local memory otherwise; Oclgrind can't */
#define INLINE inline __attribute__((always_inline))
#endif
#define DEVICE static INLINE
#define GLOBAL __global
#define LOCAL __local         /* of a declaration */
#define LOCAL_POINTER __local /* of what a pointer points to */
#define CONSTANT __constant
#define THREAD ((int)get_local_id(0))
#define GROUP(I) ((int)get_group_id(I))
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#define FMA(A, B, C) fma(A, B, C)
#define EXP(X) exp(X)
#define SQRT(X) sqrt(X)
#define MAX(A, B) fmax(A, B)
#define AS_FLOAT(BITS) as_float(BITS)
#define AS_UINT(VALUE) as_uint(VALUE)
#define LOCAL_INCREMENT(AT) atomic_inc(AT)
#define LOAD4(AT) vload4(0, AT)
#define LOAD4_WORDS(AT) vload4(0, (GLOBAL const uint *)(AT))
#define UNROLL
#define UNROLL_4
#define KEEP_LOOP
#define LEAVE_IF(CONDITION)
typedef char schar;

#else
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef signed char schar;
#define DEVICE static __device__ __forceinline__
#define GLOBAL
#define LOCAL __shared__
#define LOCAL_POINTER
#define CONSTANT static __device__ const
#define THREAD ((int)threadIdx.x)
#define GROUP(I) ((int)((I) == 0 ? blockIdx.x : (I) == 1 ? blockIdx.y : blockIdx.z))
#define BARRIER __syncthreads()
#define KERNEL(THREADS) extern "C" __global__ void __launch_bounds__(THREADS)
#define FMA(A, B, C) fmaf(A, B, C)
#define EXP(X) expf(X)
#define SQRT(X) sqrtf(X)
#define MAX(A, B) fmaxf(A, B)
#define AS_FLOAT(BITS) __uint_as_float(BITS)
#define AS_UINT(VALUE) __float_as_uint(VALUE)
#define LOCAL_INCREMENT(AT) atomicAdd(AT, 1)
#define LOAD4(AT) (*(const float4 *)(AT)) /* of an address that is a multiple of 16 bytes */
#define LOAD4_WORDS(AT) (*(const uint4 *)(AT)) /* the same */
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4") /* of loads: so many under way, and no more registers for them */
#define KEEP_LOOP _Pragma("unroll 1") /* of a body so large that twice of it takes registers */
#define LEAVE_IF(CONDITION) /* the whole group, which has nothing to do: sooner, where it can be said before a barrier */                 \
    if (CONDITION)                                                                                                                         \
        return;
#endif

#define NEGATIVE_INFINITY AS_FLOAT(0xFF800000u)
#define A_NAN AS_FLOAT(0x7FC00000u)
#define PAGE_TOKENS 64

/* --- half precision, by its bits: storage only ----------------------------------------------------------------------------------------- */

DEVICE float bf16_value(ushort bits)
{
    return AS_FLOAT((uint)bits << 16);
}

DEVICE ushort bf16_bits(float value)
{
    uint bits = AS_UINT(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (ushort)(bits >> 16 | 0x40u);
    return (ushort)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

DEVICE float f16_value(ushort bits)
{
#if defined(__OPENCL_C_VERSION__)
    return vload_half(0, (const half *)&bits);
#elif defined(__CUDACC__)
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    return (float)__builtin_bit_cast(_Float16, bits);
#endif
}

DEVICE ushort f16_bits(float value)
{
#if defined(__OPENCL_C_VERSION__)
    ushort bits;
    vstore_half_rte(value, 0, (half *)&bits);
    return bits;
#elif defined(__CUDACC__)
    ushort bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    return __builtin_bit_cast(ushort, (_Float16)value);
#endif
}

DEVICE int at_most(int a, int b)
{
    return a < b ? a : b;
}
