/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.cu - ops of one, two and three inputs, element by element: one kernel for each number of inputs
 * over a table of functors.
 *
 * Where all shapes are equal and the memory allows it, a thread reads and writes 16 bytes at a time. */
#include "backends/cuda/activation.h"
#include "backends/cuda/strided.h"

/* ---- functors: the attributes they need, and the formula ---- */

struct parameters {
    float alpha, beta;
};

#define FUNCTOR1(name, formula)                                                                              \
    struct name {                                                                                            \
        static __device__ __forceinline__ float of(float x, parameters p)                                    \
        {                                                                                                    \
            (void)p;                                                                                         \
            return formula;                                                                                  \
        }                                                                                                    \
    };
#define FUNCTOR2(name, formula)                                                                              \
    struct name {                                                                                            \
        static __device__ __forceinline__ float of(float a, float b)                                         \
        {                                                                                                    \
            return formula;                                                                                  \
        }                                                                                                    \
    };

namespace functor
{
FUNCTOR1(affine, p.alpha *x + p.beta)
FUNCTOR1(exponential, expf(x))
FUNCTOR1(logarithm, logf(x))
FUNCTOR1(root, sqrtf(x))
FUNCTOR1(magnitude, fabsf(x))
FUNCTOR1(sign_of, (float)((x > 0) - (x < 0)))
FUNCTOR1(sigmoid_of, 1.0f / (1.0f + expf(-x)))
FUNCTOR1(tanh_of, tanhf(x))
FUNCTOR1(leaky, x > 0 ? x : p.alpha * x)
FUNCTOR1(step_of, x > 0 ? 1.0f : p.alpha)
FUNCTOR1(gelu_of, gelu(x))
FUNCTOR1(softplus_of, fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))))

FUNCTOR2(sum_of, a + b)
FUNCTOR2(difference, a - b)
FUNCTOR2(product_of, a *b)
FUNCTOR2(quotient, a / b)
FUNCTOR2(larger, a > b || a != a ? a : b)
FUNCTOR2(is_less, a < b ? 1.0f : 0.0f)
FUNCTOR2(is_equal, a == b ? 1.0f : 0.0f)
FUNCTOR2(gelu_slope, b *gelu_derivative(a))
} // namespace functor

static bool is_wide(const void *p)
{
    return (uintptr_t)p % sizeof(float4) == 0;
}

/* ---- one input ---- */

template <class F> __global__ void map_wide(const float4 *x, float4 *y, int64_t n, parameters p)
{
    EACH(i, n)
    {
        float4 v = x[i];
        y[i] = {F::of(v.x, p), F::of(v.y, p), F::of(v.z, p), F::of(v.w, p)};
    }
}

template <class F> __global__ void map(const float *x, float *y, int64_t n, parameters p)
{
    EACH(i, n)
    y[i] = F::of(x[i], p);
}

template <class F> static void run_map(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    const float *x = input(call, 0);
    float *y = output(call, 0);
    parameters p = {(float)call->attr.alpha, (float)call->attr.beta};
    if (n % 4 == 0 && is_wide(x) && is_wide(y))
        start(e, map_wide<F>, blocks_for(n / 4), BLOCK, 0, (const float4 *)x, (float4 *)y, n / 4, p);
    else
        start(e, map<F>, blocks_for(n), BLOCK, 0, x, y, n, p);
}

/* ---- two inputs ---- */

template <class F> __global__ void pair_wide(const float4 *a, const float4 *b, float4 *y, int64_t n)
{
    EACH(i, n)
    {
        float4 u = a[i], v = b[i];
        y[i] = {F::of(u.x, v.x), F::of(u.y, v.y), F::of(u.z, v.z), F::of(u.w, v.w)};
    }
}

template <class F> __global__ void pair(const float *a, const float *b, float *y, int64_t n, strided<2> walk)
{
    EACH(i, n)
    {
        int64_t at[2];
        walk.places(i, at);
        y[i] = F::of(a[at[0]], b[at[1]]);
    }
}

template <class F> static void run_pair(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    const float *a = input(call, 0), *b = input(call, 1);
    float *y = output(call, 0);
    bool equal = elements(&call->in[0]) == n && elements(&call->in[1]) == n;
    if (equal && n % 4 == 0 && is_wide(a) && is_wide(b) && is_wide(y)) {
        start(e, pair_wide<F>, blocks_for(n / 4), BLOCK, 0, (const float4 *)a, (const float4 *)b, (float4 *)y,
              n / 4);
        return;
    }
    strided<2> walk = {call->out[0].shape.rank, {}, {}};
    memcpy(walk.dim, call->out[0].shape.dim, sizeof walk.dim);
    for (int k = 0; k < 2; k++)
        broadcast_strides(&call->in[k].shape, walk.stride[k]);
    simplify(&walk);
    start(e, pair<F>, blocks_for(n), BLOCK, 0, a, b, y, n, walk);
}

/* ---- three inputs ---- */

__global__ void choose(const float *mask, const float *a, const float *b, float *y, int64_t n,
                       strided<3> walk)
{
    EACH(i, n)
    {
        int64_t at[3];
        walk.places(i, at);
        y[i] = mask[at[0]] != 0 ? a[at[1]] : b[at[2]];
    }
}

static void run_where(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    strided<3> walk = {call->out[0].shape.rank, {}, {}};
    memcpy(walk.dim, call->out[0].shape.dim, sizeof walk.dim);
    for (int k = 0; k < 3; k++)
        broadcast_strides(&call->in[k].shape, walk.stride[k]);
    simplify(&walk);
    start(e, choose, blocks_for(n), BLOCK, 0, input(call, 0), input(call, 1), input(call, 2), output(call, 0),
          n, walk);
}

/* ---- the table ---- */

#define MAP(op, f)  const cuda_kernel cuda_##op = {nullptr, run_map<functor::f>, nullptr};
#define PAIR(op, f) const cuda_kernel cuda_##op = {nullptr, run_pair<functor::f>, nullptr};

MAP(affine, affine)
MAP(exp, exponential)
MAP(log, logarithm)
MAP(sqrt, root)
MAP(abs, magnitude)
MAP(sign, sign_of)
MAP(sigmoid, sigmoid_of)
MAP(tanh, tanh_of)
MAP(leaky_relu, leaky)
MAP(step, step_of)
MAP(gelu, gelu_of)
MAP(softplus, softplus_of)
PAIR(add, sum_of)
PAIR(sub, difference)
PAIR(mul, product_of)
PAIR(div, quotient)
PAIR(maximum, larger)
PAIR(less, is_less)
PAIR(equal, is_equal)
PAIR(gelu_grad, gelu_slope)
const cuda_kernel cuda_where = {nullptr, run_where, nullptr};
