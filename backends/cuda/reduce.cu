/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.cu - sum and maximum over any set of axes.
 *
 * A block makes `wide` outputs, with BLOCK / wide threads for each: 32 outputs where the last axis stays, so
 * that neighbours read neighbours, else 1. Each thread adds its elements in order, in double; then the
 * threads' sums are added as a tree. Long sums are split over several blocks, and a second kernel adds their
 * parts in order. */
#include "backends/cuda/strided.h"

struct reduction {
    strided<1> kept, reduced;
    int64_t outputs, terms, parts; /* terms of each output */
    int wide;
};

static reduction reduction_of(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    reduction r = {};
    int64_t stride[BK_MAX_RANK];
    dense_strides(x, stride);
    r.outputs = r.terms = 1;
    for (int axis = 0; axis < x->rank; axis++) {
        strided<1> *w = call->attr.axes[axis] != 0 ? &r.reduced : &r.kept;
        w->dim[w->rank] = x->dim[axis];
        w->stride[0][w->rank++] = stride[axis];
        *(w == &r.reduced ? &r.terms : &r.outputs) *= x->dim[axis];
    }
    simplify(&r.kept);
    simplify(&r.reduced);
    r.wide = r.kept.rank > 0 && r.kept.stride[0][r.kept.rank - 1] == 1 ? 32 : 1;
    r.parts = parts_of(r.terms, r.outputs);
    return r;
}

struct add {
    static __device__ __forceinline__ double first()
    {
        return 0;
    }
    static __device__ __forceinline__ double of(double a, double b)
    {
        return a + b;
    }
};

struct most {
    static __device__ __forceinline__ double first()
    {
        return -INFINITY;
    }
    static __device__ __forceinline__ double of(double a, double b)
    {
        return a > b || a != a ? a : b;
    }
};

/* parts[part][output] */
template <class F> __global__ void reduce(const float *x, double *parts, reduction r)
{
    double *sums = shared_memory<double>();
    int me = (int)threadIdx.x, lanes = BLOCK / r.wide, lane = me / r.wide;
    int64_t output = (int64_t)blockIdx.x * r.wide + me % r.wide, part = blockIdx.y;
    int64_t end = (part + 1) * r.terms / r.parts, place, offset;
    double sum = F::first();
    if (output < r.outputs) {
        r.kept.places(output, &place);
        for (int64_t i = part * r.terms / r.parts + lane; i < end; i += lanes) {
            r.reduced.places(i, &offset);
            sum = F::of(sum, x[place + offset]);
        }
    }
    sums[me] = sum;
    for (int half = BLOCK / 2; half >= r.wide; half /= 2) {
        __syncthreads();
        if (me < half)
            sums[me] = F::of(sums[me], sums[me + half]);
    }
    if (lane == 0 && output < r.outputs)
        parts[part * r.outputs + output] = sums[me];
}

template <class F> __global__ void join_parts(const double *parts, float *y, int64_t outputs, int64_t n)
{
    EACH(i, outputs)
    {
        double sum = parts[i];
        for (int64_t part = 1; part < n; part++)
            sum = F::of(sum, parts[part * outputs + i]);
        y[i] = (float)sum;
    }
}

static size_t scratch_reduce(const bk_call *call)
{
    reduction r = reduction_of(call);
    return (size_t)(r.outputs * r.parts) * sizeof(double);
}

template <class F> static void run_reduce(const bk_call *call, execution *e)
{
    reduction r = reduction_of(call);
    double *parts = (double *)call->scratch;
    dim3 grid((unsigned)divide_up(r.outputs, r.wide), (unsigned)r.parts);
    start(e, reduce<F>, grid, BLOCK, BLOCK * sizeof(double), input(call, 0), parts, r);
    start(e, join_parts<F>, blocks_for(r.outputs), BLOCK, 0, (const double *)parts, output(call, 0),
          r.outputs, r.parts);
}

const cuda_kernel cuda_sum = {scratch_reduce, run_reduce<add>, nullptr};
const cuda_kernel cuda_reduce_max = {scratch_reduce, run_reduce<most>, nullptr};
