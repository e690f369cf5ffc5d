/* SPDX-License-Identifier: Apache-2.0 */
/* norm.c - normalisation over the last axis: layer norm, its gradient, softmax.
 *
 * With xhat = (x - mean) / s, s = sqrt(var + eps), g = dy * gain:
 *   y = xhat * gain + bias
 *   dx = (g - mean(g) - xhat * mean(g * xhat)) / s,  dgain = sum dy * xhat,  dbias = sum dy */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

typedef struct moments {
    double mean, inverse_deviation;
} moments;

static moments row_moments(const real *x, int64_t n, double eps)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    return (moments){mean, 1 / sqrt(square / (double)n + eps)};
}

/* ---- layer norm ---- */

static bool fits_layer_norm(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 3, 1) && x->rank >= 1 && same_dims(x, &call->out[0].shape) &&
           is_vector(&call->in[1].shape, last_dim(x)) && is_vector(&call->in[2].shape, last_dim(x));
}

static bk_status run_layer_norm(const bk_call *call)
{
    const real *x = call->in[0].data, *gain = call->in[1].data, *bias = call->in[2].data;
    real *y = call->out[0].data;
    int64_t width = last_dim(&call->in[0].shape), n = bk_count(&call->in[0].shape);
    for (int64_t row = 0; row < n; row += width) {
        moments m = row_moments(x + row, width, call->attr.eps);
        for (int64_t i = 0; i < width; i++)
            y[row + i] = (real)((x[row + i] - m.mean) * m.inverse_deviation * gain[i] + bias[i]);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_layer_norm) = {.fits = fits_layer_norm, .run = run_layer_norm};

/* ---- gradient of layer norm ---- */

static bool fits_layer_norm_grad(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    int64_t width = last_dim(x);
    return has_arity(call, 3, 3) && x->rank >= 1 && is_vector(&call->in[1].shape, width) &&
           same_dims(&call->in[2].shape, x) && same_dims(&call->out[0].shape, x) &&
           is_vector(&call->out[1].shape, width) && is_vector(&call->out[2].shape, width);
}

static size_t scratch_layer_norm_grad(const bk_call *call)
{
    return 2 * (size_t)last_dim(&call->in[0].shape) * sizeof(double);
}

static void grad_row(const real *x, const real *gain, const real *dy, int64_t n, double eps, real *dx,
                     double *dgain, double *dbias)
{
    moments m = row_moments(x, n, eps);
    double mean_g = 0, mean_gx = 0;
    for (int64_t i = 0; i < n; i++) {
        double xhat = (x[i] - m.mean) * m.inverse_deviation, g = (double)dy[i] * gain[i];
        mean_g += g / (double)n;
        mean_gx += g * xhat / (double)n;
        dgain[i] += dy[i] * xhat;
        dbias[i] += dy[i];
    }
    for (int64_t i = 0; i < n; i++) {
        double xhat = (x[i] - m.mean) * m.inverse_deviation, g = (double)dy[i] * gain[i];
        dx[i] = (real)((g - mean_g - xhat * mean_gx) * m.inverse_deviation);
    }
}

static void store(real *to, const double *from, int64_t n)
{
    for (int64_t i = 0; to && i < n; i++)
        to[i] = (real)from[i];
}

static bk_status run_layer_norm_grad(const bk_call *call)
{
    const real *x = call->in[0].data, *gain = call->in[1].data, *dy = call->in[2].data;
    real *dx = call->out[0].data;
    int64_t width = last_dim(&call->in[0].shape), n = bk_count(&call->in[0].shape);
    double *dgain = call->scratch, *dbias = dgain + width;
    for (int64_t i = 0; i < width; i++)
        dgain[i] = dbias[i] = 0;
    for (int64_t row = 0; row < n; row += width)
        grad_row(x + row, gain, dy + row, width, call->attr.eps, dx + row, dgain, dbias);
    store(call->out[1].data, dgain, width);
    store(call->out[2].data, dbias, width);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_layer_norm_grad) = {
    .fits = fits_layer_norm_grad, .scratch = scratch_layer_norm_grad, .run = run_layer_norm_grad};

/* ---- softmax ---- */

static bool fits_softmax(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 1, 1) && x->rank >= 1 && same_dims(x, &call->out[0].shape);
}

static size_t scratch_softmax(const bk_call *call)
{
    return (size_t)last_dim(&call->in[0].shape) * sizeof(double);
}

static void softmax_row(const real *x, int64_t n, double *e, real *y)
{
    double max = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++)
        sum += e[i] = exp(x[i] - max);
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)(e[i] / sum);
}

static bk_status run_softmax(const bk_call *call)
{
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int64_t width = last_dim(&call->in[0].shape), n = bk_count(&call->in[0].shape);
    for (int64_t row = 0; row < n; row += width)
        softmax_row(x + row, width, call->scratch, y + row);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_softmax) = {
    .fits = fits_softmax, .scratch = scratch_softmax, .run = run_softmax};

/* ---- logarithm of softmax ---- */

static void log_softmax_row(const real *x, int64_t n, real *y)
{
    double max = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)(x[i] - max - log(sum));
}

static bk_status run_log_softmax(const bk_call *call)
{
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int64_t width = last_dim(&call->in[0].shape), n = bk_count(&call->in[0].shape);
    for (int64_t row = 0; row < n; row += width)
        log_softmax_row(x + row, width, y + row);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_log_softmax) = {.fits = fits_softmax, .run = run_log_softmax};
