/* SPDX-License-Identifier: Apache-2.0 */
/* labels.cu - ops between numbers and int32 labels: cast, one-hot, argmax, cross-entropy and its gradient.
 *
 * With p = softmax(x) and w the weight of the label:
 *   loss = -w log p[label],  dx[k] = dloss w (p[k] - (k == label))
 * A thread has a row, whose classes are few. */
#include "backends/cuda/kernel.h"

__global__ void cast(const int *x, float *y, int64_t n)
{
    EACH(i, n)
    y[i] = (float)x[i];
}

static void run_cast(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    start(e, cast, blocks_for(n), BLOCK, 0, input<int>(call, 0), output(call, 0), n);
}

const cuda_kernel cuda_cast = {nullptr, run_cast, nullptr};

struct labelling {
    int64_t rows, classes;
    int ignored;
    const int *label;
    const float *weight; /* NULL: 1 */
    int *fault;

    __device__ __forceinline__ bool is_ignored(int64_t row) const
    {
        return label[row] == ignored;
    }
    __device__ __forceinline__ bool is_valid(int64_t row) const
    {
        if (is_ignored(row) || (label[row] >= 0 && label[row] < classes))
            return true;
        raise_flag(fault);
        return false;
    }
    __device__ __forceinline__ float weight_of(int64_t row) const
    {
        return is_ignored(row) ? 0 : weight ? weight[label[row]] : 1;
    }
};

__global__ void one_hot(labelling s, float *y)
{
    EACH(i, s.rows * s.classes)
    {
        int64_t row = i / s.classes;
        y[i] = s.is_valid(row) && !s.is_ignored(row) && s.label[row] == i % s.classes ? 1 : 0;
    }
}

static void run_one_hot(const bk_call *call, execution *e)
{
    labelling s = {elements(&call->in[0]),
                   last_dim(&call->out[0].shape),
                   call->attr.ignored,
                   input<int>(call, 0),
                   nullptr,
                   e->fault};
    start(e, one_hot, blocks_for(s.rows * s.classes), BLOCK, 0, s, output(call, 0));
}

const cuda_kernel cuda_one_hot = {nullptr, run_one_hot, nullptr};

/* ---- argmax ---- */

__global__ void argmax(const float *x, int *y, int64_t rows, int64_t n, int64_t inner)
{
    EACH(i, rows)
    {
        const float *here = x + i / inner * n * inner + i % inner;
        int64_t at = 0;
        for (int64_t k = 1; k < n && here[at * inner] == here[at * inner]; k++)
            if (here[k * inner] > here[at * inner] || here[k * inner] != here[k * inner])
                at = k;
        y[i] = (int)at;
    }
}

static void run_argmax(const bk_call *call, execution *e)
{
    const bk_shape *x = &call->in[0].shape;
    int64_t inner = 1, rows = elements(&call->out[0]);
    for (int axis = call->attr.axis + 1; axis < x->rank; axis++)
        inner *= x->dim[axis];
    start(e, argmax, blocks_for(rows), BLOCK, 0, input(call, 0), output<int>(call, 0), rows,
          x->dim[call->attr.axis], inner);
}

const cuda_kernel cuda_argmax = {nullptr, run_argmax, nullptr};

/* ---- cross-entropy ---- */

static __device__ __forceinline__ double log_sum_exp(const float *x, int64_t n)
{
    float max = x[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

__global__ void cross_entropy(const float *x, labelling s, float *loss, float *weight)
{
    EACH(row, s.rows)
    {
        const float *here = x + row * s.classes;
        if (!s.is_valid(row))
            continue;
        float w = s.weight_of(row);
        loss[row] =
            s.is_ignored(row) ? 0 : (float)(w * (log_sum_exp(here, s.classes) - (double)here[s.label[row]]));
        if (weight)
            weight[row] = w;
    }
}

__global__ void cross_entropy_grad(const float *x, labelling s, const float *dloss, float *dx)
{
    EACH(row, s.rows)
    {
        const float *here = x + row * s.classes;
        if (!s.is_valid(row))
            continue;
        double total = log_sum_exp(here, s.classes), factor = (double)dloss[row] * s.weight_of(row);
        for (int64_t k = 0; k < s.classes; k++) {
            double d = factor * (exp((double)here[k] - total) - (k == s.label[row]));
            dx[row * s.classes + k] = s.is_ignored(row) ? 0 : (float)d;
        }
    }
}

static labelling entropy_of(const bk_call *call, execution *e)
{
    return {elements(&call->in[1]),
            last_dim(&call->in[0].shape),
            call->attr.ignored,
            input<int>(call, 1),
            call->attr.has_weight ? input(call, 2) : nullptr,
            e->fault};
}

static void run_cross_entropy(const bk_call *call, execution *e)
{
    labelling s = entropy_of(call, e);
    start(e, cross_entropy, blocks_for(s.rows), BLOCK, 0, input(call, 0), s, output(call, 0),
          output(call, 1));
}

const cuda_kernel cuda_cross_entropy = {nullptr, run_cross_entropy, nullptr};

static void run_cross_entropy_grad(const bk_call *call, execution *e)
{
    labelling s = entropy_of(call, e);
    start(e, cross_entropy_grad, blocks_for(s.rows), BLOCK, 0, input(call, 0), s, input(call, call->n_in - 1),
          output(call, 0));
}

const cuda_kernel cuda_cross_entropy_grad = {nullptr, run_cross_entropy_grad, nullptr};
