/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - the choice between two inputs by a mask, all three broadcast. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/walk.h"

enum { OPERANDS = 3 };

static bool fits_where(const bk_call *call)
{
    const bk_shape *y = &call->out[0].shape;
    if (!has_arity(call, OPERANDS, 1))
        return false;
    for (int k = 0; k < OPERANDS; k++) {
        const bk_shape *x = &call->in[k].shape;
        if (x->rank != y->rank)
            return false;
        for (int32_t i = 0; i < y->rank; i++)
            if (x->dim[i] != y->dim[i] && x->dim[i] != 1)
                return false;
    }
    return true;
}

static bk_status run_where(const bk_call *call)
{
    const bk_tensor *y = &call->out[0];
    walk w = {0};
    for (int k = 0; k < OPERANDS; k++)
        broadcast_strides(&call->in[k].shape, w.stride[k]);
    walk_begin(&w, &y->shape);
    real *out = y->data;
    do {
        const real *x[OPERANDS];
        for (int k = 0; k < OPERANDS; k++)
            x[k] = (const real *)call->in[k].data + w.offset[k];
        for (int64_t i = 0; i < w.length; i++)
            *out++ = x[0][i * w.step[0]] != 0 ? x[1][i * w.step[1]] : x[2][i * w.step[2]];
    } while (walk_next(&w));
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_where) = {.fits = fits_where, .run = run_where};
