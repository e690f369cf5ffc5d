/* SPDX-License-Identifier: Apache-2.0 */
/* space.h - places on three axes. Fewer spatial axes in a call are preceded by axes of length 1. */
#ifndef SLMT_CUDA_SPACE_H
#define SLMT_CUDA_SPACE_H

#include "backends/cuda/kernel.h"

enum { SPACE = 3 };

struct place {
    int at[SPACE];
};

__device__ __forceinline__ place place_of(int64_t number, const int size[SPACE])
{
    place p;
    p.at[2] = (int)(number % size[2]);
    p.at[1] = (int)(number / size[2] % size[1]);
    p.at[0] = (int)(number / size[2] / size[1]);
    return p;
}

__device__ __host__ __forceinline__ int64_t volume(const int size[SPACE])
{
    return (int64_t)size[0] * size[1] * size[2];
}

/* The sizes of x[B,S...,C], with axes of length 1 in front. */
static inline void read_sizes(const bk_shape *x, int size[SPACE])
{
    for (int i = 0; i < SPACE; i++) {
        int axis = i - SPACE + x->rank - 2;
        size[i] = axis < 0 ? 1 : (int)x->dim[axis + 1];
    }
}

static inline bool sizes_fit_int(const bk_shape *x)
{
    int64_t n = 1;
    for (int i = 1; i + 1 < x->rank; i++)
        if ((n *= x->dim[i]) > INT32_MAX)
            return false;
    return true;
}

#endif
