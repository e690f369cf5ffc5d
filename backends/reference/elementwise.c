/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.c - element-wise ops of one and of two inputs, and the gradient of GELU. One line for each op;
 * the loops around them depend only on shapes. out[0] may be an input's memory. */
#include "backends/reference/activation.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/walk.h"

#include <math.h>

/* ---- one input ---- */

typedef double (*unary_function)(double x, const bk_attr *attr);

static bool fits_unary(const bk_call *call)
{
    return has_arity(call, 1, 1) && same_dims(&call->in[0].shape, &call->out[0].shape);
}

static bk_status run_unary(const bk_call *call, unary_function f)
{
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)f(x[i], &call->attr);
    return BK_OK;
}

/* The kernel of an op: y = formula, of x and attr. */
#define UNARY(name, formula)                                                                                 \
    static double f_##name(double x, const bk_attr *attr)                                                    \
    {                                                                                                        \
        (void)attr;                                                                                          \
        return formula;                                                                                      \
    }                                                                                                        \
    static bk_status run_##name(const bk_call *call)                                                         \
    {                                                                                                        \
        return run_unary(call, f_##name);                                                                    \
    }                                                                                                        \
    const reference_kernel REAL_NAME(reference_##name) = {.fits = fits_unary, .run = run_##name};

UNARY(affine, attr->alpha *x + attr->beta)
UNARY(exp, exp(x))
UNARY(log, log(x))
UNARY(sqrt, sqrt(x))
UNARY(abs, fabs(x))
UNARY(sign, (x > 0) - (x < 0))
UNARY(sigmoid, 1 / (1 + exp(-x)))
UNARY(tanh, tanh(x))
UNARY(leaky_relu, x > 0 ? x : attr->alpha * x)
UNARY(step, x > 0 ? 1 : attr->alpha)
UNARY(gelu, gelu(x))
UNARY(softplus, fmax(x, 0) + log1p(exp(-fabs(x))))

/* ---- two inputs, each broadcast to the other ---- */

typedef double (*binary_function)(double a, double b);

static bool fits_binary(const bk_call *call)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    if (!has_arity(call, 2, 1) || a->rank != y->rank || b->rank != y->rank)
        return false;
    for (int32_t i = 0; i < y->rank; i++) {
        bool wide_a = a->dim[i] == y->dim[i], wide_b = b->dim[i] == y->dim[i];
        if (!(wide_a && (wide_b || b->dim[i] == 1)) && !(wide_b && a->dim[i] == 1))
            return false;
    }
    return true;
}

static bk_status run_binary(const bk_call *call, binary_function f)
{
    const bk_tensor *y = &call->out[0];
    walk w = {0};
    dense_strides(&y->shape, w.stride[0]);
    broadcast_strides(&call->in[0].shape, w.stride[1]);
    broadcast_strides(&call->in[1].shape, w.stride[2]);
    walk_begin(&w, &y->shape);
    do {
        real *out = (real *)y->data + w.offset[0];
        const real *a = (const real *)call->in[0].data + w.offset[1];
        const real *b = (const real *)call->in[1].data + w.offset[2];
        for (int64_t i = 0; i < w.length; i++)
            out[i] = (real)f(a[i * w.step[1]], b[i * w.step[2]]);
    } while (walk_next(&w));
    return BK_OK;
}

/* The kernel of an op: y = formula, of a and b. */
#define BINARY(name, formula)                                                                                \
    static double f_##name(double a, double b)                                                               \
    {                                                                                                        \
        return formula;                                                                                      \
    }                                                                                                        \
    static bk_status run_##name(const bk_call *call)                                                         \
    {                                                                                                        \
        return run_binary(call, f_##name);                                                                   \
    }                                                                                                        \
    const reference_kernel REAL_NAME(reference_##name) = {.fits = fits_binary, .run = run_##name};

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(div, a / b)
BINARY(less, a < b)
BINARY(equal, a == b)
BINARY(maximum, a > b || isnan(a) ? a : b) /* not fmax(), which would hide a NaN */

/* ---- gradient of GELU ---- */

static bool fits_gelu_grad(const bk_call *call)
{
    return has_arity(call, 2, 1) && same_dims(&call->in[0].shape, &call->out[0].shape) &&
           same_dims(&call->in[1].shape, &call->out[0].shape);
}

static bk_status run_gelu_grad(const bk_call *call)
{
    const real *x = call->in[0].data, *dy = call->in[1].data;
    real *dx = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    for (int64_t i = 0; i < n; i++)
        dx[i] = (real)(dy[i] * gelu_derivative(x[i]));
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_gelu_grad) = {.fits = fits_gelu_grad, .run = run_gelu_grad};
