/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - sum and maximum over any set of axes. The input is read once, in order; each output element has
 * a double accumulator in scratch. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/walk.h"

#include <math.h>

static bool fits_reduce(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    if (!has_arity(call, 1, 1) || x->rank != y->rank)
        return false;
    for (int32_t i = 0; i < x->rank; i++)
        if (y->dim[i] != (call->attr.axes[i] != 0 ? 1 : x->dim[i]))
            return false;
    return true;
}

static size_t scratch_reduce(const bk_call *call)
{
    return (size_t)bk_count(&call->out[0].shape) * sizeof(double);
}

static void sum_row(double *sum, int64_t step, const real *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i * step] += x[i];
}

static void max_row(double *max, int64_t step, const real *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] > max[i * step] || isnan(x[i]))
            max[i * step] = x[i];
}

static bk_status run_reduce(const bk_call *call)
{
    const bk_tensor *x = &call->in[0], *y = &call->out[0];
    bool sum = call->op == BK_SUM;
    double *total = call->scratch;
    int64_t n = bk_count(&y->shape);
    for (int64_t i = 0; i < n; i++)
        total[i] = sum ? 0 : -INFINITY;

    walk w = {0};
    dense_strides(&x->shape, w.stride[0]);
    broadcast_strides(&y->shape, w.stride[1]);
    walk_begin(&w, &x->shape);
    do {
        const real *row = (const real *)x->data + w.offset[0];
        (sum ? sum_row : max_row)(total + w.offset[1], w.step[1], row, w.length);
    } while (walk_next(&w));

    real *out = y->data;
    for (int64_t i = 0; i < n; i++)
        out[i] = (real)total[i];
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_sum) = {
    .fits = fits_reduce, .scratch = scratch_reduce, .run = run_reduce};
const reference_kernel REAL_NAME(reference_reduce_max) = {
    .fits = fits_reduce, .scratch = scratch_reduce, .run = run_reduce};
