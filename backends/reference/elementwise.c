/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise ops of one and of two inputs, and the gradient of GELU. One double function for each
 * op, found in a table; the loops around them know only shapes. out[0] may be an input's memory. */
#include "backends/reference/gelu.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/walk.h"

#include <math.h>

/* ---- one input ---- */

typedef double (*unary_function)(double x, const bk_attr *attr);

static double f_affine(double x, const bk_attr *attr)
{
    return attr->alpha * x + attr->beta;
}

static double f_exp(double x, const bk_attr *attr)
{
    (void)attr;
    return exp(x);
}

static double f_log(double x, const bk_attr *attr)
{
    (void)attr;
    return log(x);
}

static double f_sqrt(double x, const bk_attr *attr)
{
    (void)attr;
    return sqrt(x);
}

static double f_abs(double x, const bk_attr *attr)
{
    (void)attr;
    return fabs(x);
}

static double f_sign(double x, const bk_attr *attr)
{
    (void)attr;
    return (x > 0) - (x < 0);
}

static double f_sigmoid(double x, const bk_attr *attr)
{
    (void)attr;
    return 1 / (1 + exp(-x));
}

static double f_tanh(double x, const bk_attr *attr)
{
    (void)attr;
    return tanh(x);
}

static double f_leaky_relu(double x, const bk_attr *attr)
{
    return x > 0 ? x : attr->alpha * x;
}

static double f_step(double x, const bk_attr *attr)
{
    return x > 0 ? 1 : attr->alpha;
}

static double f_gelu(double x, const bk_attr *attr)
{
    (void)attr;
    return gelu(x);
}

static const unary_function unary[BK_OP_COUNT] = {
    [BK_AFFINE] = f_affine,   [BK_EXP] = f_exp,   [BK_LOG] = f_log,
    [BK_SQRT] = f_sqrt,       [BK_ABS] = f_abs,   [BK_SIGN] = f_sign,
    [BK_SIGMOID] = f_sigmoid, [BK_TANH] = f_tanh, [BK_LEAKY_RELU] = f_leaky_relu,
    [BK_STEP] = f_step,       [BK_GELU] = f_gelu,
};

static bool fits_unary(const bk_call *call)
{
    return has_arity(call, 1, 1) && same_dims(&call->in[0].shape, &call->out[0].shape);
}

static bk_status run_unary(const bk_call *call)
{
    unary_function f = unary[call->op];
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)f(x[i], &call->attr);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_unary) = {fits_unary, NULL, run_unary};

/* ---- two inputs, each broadcast to the other ---- */

typedef double (*binary_function)(double a, double b);

static double f_add(double a, double b)
{
    return a + b;
}

static double f_sub(double a, double b)
{
    return a - b;
}

static double f_mul(double a, double b)
{
    return a * b;
}

static double f_div(double a, double b)
{
    return a / b;
}

/* Not fmax(), which would hide a NaN. */
static double f_maximum(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static const binary_function binary[BK_OP_COUNT] = {
    [BK_ADD] = f_add, [BK_SUB] = f_sub, [BK_MUL] = f_mul, [BK_DIV] = f_div, [BK_MAXIMUM] = f_maximum,
};

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

static bk_status run_binary(const bk_call *call)
{
    binary_function f = binary[call->op];
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

const reference_kernel REAL_NAME(reference_binary) = {fits_binary, NULL, run_binary};

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

const reference_kernel REAL_NAME(reference_gelu_grad) = {fits_gelu_grad, NULL, run_gelu_grad};
