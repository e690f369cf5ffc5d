/* SPDX-License-Identifier: Apache-2.0 */
/* strided.h - walks over one shape with several operands, each with strides of its own: broadcasts,
 * transposes, boxes, reduced axes. */
#ifndef SLMT_CUDA_STRIDED_H
#define SLMT_CUDA_STRIDED_H

#include "backends/cuda/kernel.h"

/* OPERANDS sets of strides over the axes dim[0] to dim[rank - 1]. */
template <int OPERANDS> struct strided {
    int rank;
    int64_t dim[BK_MAX_RANK], stride[OPERANDS][BK_MAX_RANK];

    /* Sets at[k] to the place in operand k of row-major element i. */
    __device__ __forceinline__ void places(int64_t i, int64_t at[OPERANDS]) const
    {
        for (int k = 0; k < OPERANDS; k++)
            at[k] = 0;
        for (int axis = rank - 1; axis >= 0; axis--) {
            int64_t here = i % dim[axis];
            i /= dim[axis];
            for (int k = 0; k < OPERANDS; k++)
                at[k] += here * stride[k][axis];
        }
    }
};

static inline void dense_strides(const bk_shape *s, int64_t *stride)
{
    int64_t step = 1;
    for (int axis = s->rank - 1; axis >= 0; axis--) {
        stride[axis] = step;
        step *= s->dim[axis];
    }
}

/* Strides of x for a walk over y: 0 where x has length 1. */
static inline void broadcast_strides(const bk_shape *x, int64_t *stride)
{
    dense_strides(x, stride);
    for (int axis = 0; axis < x->rank; axis++)
        if (x->dim[axis] == 1)
            stride[axis] = 0;
}

/* Joins neighbouring axes that every operand walks as one, and drops those of length 1. */
template <int OPERANDS> void simplify(strided<OPERANDS> *w)
{
    int n = 0;
    for (int axis = 0; axis < w->rank; axis++) {
        int64_t length = w->dim[axis];
        if (length == 1)
            continue;
        bool joins = n > 0;
        for (int k = 0; k < OPERANDS && joins; k++)
            joins = w->stride[k][n - 1] == w->stride[k][axis] * length;
        if (!joins)
            w->dim[n++] = 1;
        w->dim[n - 1] *= length;
        for (int k = 0; k < OPERANDS; k++)
            w->stride[k][n - 1] = w->stride[k][axis];
    }
    w->rank = n;
}

#endif
