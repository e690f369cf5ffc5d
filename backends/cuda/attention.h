/* SPDX-License-Identifier: Apache-2.0 */
/* attention.h - what the kernels of attention.cu and those by tensor cores (attention_tensor.cu) share. */
#ifndef SLMT_CUDA_ATTENTION_H
#define SLMT_CUDA_ATTENTION_H

#include "backends/cuda/kernel.h"

struct tokens {
    int64_t images, n, heads, width;
    float scale;
};

/* Part 0, 1, 2 (q, k, v) of qkv[B,N,3,H,D], or the only one of out[B,N,H,D]. */
static __device__ __forceinline__ int64_t place_of_head(const tokens &t, int parts, int64_t image,
                                                        int64_t token, int part, int64_t head)
{
    return (((image * t.n + token) * parts + part) * t.heads + head) * t.width;
}

/* What an attention and its gradient read and write; delta[B,H,N] = do.o. */
struct attention_arrays {
    const float *qkv;
    float *out, *lse;
    const float *dout, *delta;
    float *dqkv;
};

/* Whether there are kernels by tensor cores for these heads, in the arithmetic of the execution. */
bool attention_has_tensor_kernel(const execution *e, const tokens &t);
void start_attention_tensor(execution *e, const attention_arrays &a, const tokens &t);
void start_attention_tensor_grad(execution *e, const attention_arrays &a, const tokens &t);

#endif
