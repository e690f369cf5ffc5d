/* SPDX-License-Identifier: Apache-2.0 */
/* activation.h - what follows a product, and the exact GELU with its derivative:
 *
 *   gelu(x) = x Phi(x),   gelu'(x) = Phi(x) + x phi(x)
 *
 * Phi is computed by erfc, which keeps its relative precision in the left tail. */
#ifndef SLMT_CUDA_ACTIVATION_H
#define SLMT_CUDA_ACTIVATION_H

#include "backends/cuda/kernel.h"

__device__ __forceinline__ float normal_distribution(float x)
{
    return 0.5f * erfcf(x * -0.70710678f);
}

__device__ __forceinline__ float gelu(float x)
{
    return x * normal_distribution(x);
}

__device__ __forceinline__ float gelu_derivative(float x)
{
    return normal_distribution(x) + x * 0.39894228f * expf(-0.5f * x * x);
}

struct activation {
    int kind; /* bk_activation */
    float alpha;
};

static inline activation activation_of(const bk_call *call)
{
    return {call->attr.activation, (float)call->attr.alpha};
}

__device__ __forceinline__ float activate(activation f, float x)
{
    if (f.kind == BK_ACT_GELU)
        return gelu(x);
    return f.kind == BK_ACT_LEAKY_RELU && !(x > 0) ? f.alpha * x : x;
}

#endif
