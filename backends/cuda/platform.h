/* SPDX-License-Identifier: Apache-2.0 */
/* platform.h - what the kernels need of CUDA, for nvcc and for the emulation alike: launches, shared memory,
 * sums over a warp, and tensor-core products. */
#ifndef SLMT_CUDA_PLATFORM_H
#define SLMT_CUDA_PLATFORM_H

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "backends/cuda/emulation/emulation.h"
#endif

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define UNROLL _Pragma("unroll")
#define UNWATCHED
#else
#define UNROLL
#endif

/* Starts a kernel with the arguments converted to its parameters' types. */
template <class... P, class... A>
cudaError_t launch(cudaStream_t stream, void (*kernel)(P...), dim3 grid, unsigned block, size_t shared,
                   A... arguments)
{
#ifdef __CUDACC__
    return [&](P... p) {
        void *pointers[] = {(void *)&p...};
        if (shared > 48 * 1024)
            cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 (int)shared);
        return cudaLaunchKernel((const void *)kernel, grid, dim3(block), pointers, shared, stream);
    }(arguments...);
#else
    emulation::enqueue(stream, grid, dim3(block), shared, [=] { kernel(arguments...); });
    return cudaSuccess;
#endif
}

/* The block's shared memory, of the size that the launch asked for. */
template <class T> __device__ __forceinline__ T *shared_memory()
{
#ifdef __CUDACC__
    extern __shared__ __align__(16) unsigned char bytes[];
    return (T *)bytes;
#else
    return (T *)emulation::shared_bytes();
#endif
}

constexpr int WARP = 32;

/* The sum and the maximum over the lanes of a whole warp; every lane returns the same bits. */
template <class T> __device__ __forceinline__ T warp_sum(T v)
{
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2)
        v += __shfl_xor_sync(0xFFFFFFFFu, v, lanes);
    return v;
}

__device__ __forceinline__ float warp_max(float v)
{
    for (int lanes = WARP / 2; lanes > 0; lanes /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFFu, v, lanes));
    return v;
}

/* The bits of a float rounded to the nearest number with 10 bits of fraction, ties away from zero. */
__device__ __forceinline__ uint32_t to_tf32(float x)
{
    uint32_t bits;
#ifdef __CUDACC__
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#else
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7F800000u) != 0x7F800000u)
        bits += 0x1000u;
    bits &= 0xFFFFE000u;
#endif
    return bits;
}

/* Two floats as bfloat16, to the nearest, ties to even; the first one in the lower half. */
__device__ __forceinline__ uint32_t to_bf16_pair(float low, float high)
{
    uint32_t pair;
#ifdef __CUDACC__
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#else
    uint32_t bits[2];
    memcpy(&bits[0], &low, 4);
    memcpy(&bits[1], &high, 4);
    for (uint32_t &b : bits) {
        if ((b & 0x7FFFFFFFu) > 0x7F800000u)
            b = 0x7FFFFFFFu;
        else
            b += 0x7FFFu + (b >> 16 & 1);
    }
    pair = bits[0] >> 16 | (bits[1] & 0xFFFF0000u);
#endif
    return pair;
}

/* 2^x within two units in the last place; 2^-inf is 0. */
__device__ __forceinline__ float quick_exp2(float x)
{
#ifdef __CUDACC__
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2f(x);
#endif
}

/* d[16][8] += a[16][8] b[8][8] by the 32 lanes of a warp, each with its fragment of all three: see multiply()
 * in emulation.cc, or "mma.m16n8k8" of the PTX ISA. */
#ifdef __CUDACC__
__device__ __forceinline__ void multiply_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void multiply_bf16(float d[4], const uint32_t a[2], const uint32_t b[1])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
#else
inline void emulated_product(emulation::meeting kind, float d[4], const uint32_t *a, int n_a,
                             const uint32_t *b, int n_b, const char *file, int line)
{
    uint32_t *given = emulation::running->given;
    memcpy(given, d, 4 * sizeof *d);
    memcpy(given + 4, a, (size_t)n_a * sizeof *a);
    memcpy(given + 8, b, (size_t)n_b * sizeof *b);
    emulation::meet(kind, 0xFFFFFFFFu, file, line);
    memcpy(d, emulation::running->given, 4 * sizeof *d);
}

inline void multiply_tf32(float d[4], const uint32_t a[4], const uint32_t b[2],
                          const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    emulated_product(emulation::meeting::product_tf32, d, a, 4, b, 2, file, line);
}

inline void multiply_bf16(float d[4], const uint32_t a[2], const uint32_t b[1],
                          const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    emulated_product(emulation::meeting::product_bf16, d, a, 2, b, 1, file, line);
}
#endif

#endif
