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

/* Division by a number that is known before a launch, of numbers below 2^31: a product, a sum and a shift,
 * instead of the tens of instructions that a card needs for a division (Granlund & Montgomery, PLDI 1994). */
struct divisor {
    uint32_t by, factor;
    int shift;

    __device__ __forceinline__ uint32_t quotient(uint32_t n) const
    {
        return ((uint32_t)((uint64_t)n * factor >> 32) + n) >> shift;
    }
};

/* Of 1 to 2^31 - 1; what is larger is not served, and gives any divisor. */
static inline divisor divisor_of(int64_t by)
{
    divisor d = {by < 1 || by > INT32_MAX ? 1 : (uint32_t)by, 0, 0};
    by = d.by;
    while ((int64_t)1 << d.shift < by)
        d.shift++;
    d.factor = (uint32_t)((((uint64_t)1 << 32) * (((uint64_t)1 << d.shift) - d.by)) / d.by + 1);
    return d;
}

/* place_of() by divisors. */
struct divisor_of_places {
    divisor last, middle;

    __device__ __forceinline__ place place_of(uint32_t number) const
    {
        uint32_t row = last.quotient(number), plane = middle.quotient(row);
        return {{(int)plane, (int)(row - plane * middle.by), (int)(number - row * last.by)}};
    }
};

static inline divisor_of_places divisor_of_sizes(const int size[SPACE])
{
    return {divisor_of(size[2]), divisor_of(size[1])};
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
