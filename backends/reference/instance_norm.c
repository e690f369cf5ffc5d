/* SPDX-License-Identifier: Apache-2.0 */
/* instance_norm.c - normalisation of each channel of each sample over space, followed by a leaky ReLU, and
 * the gradient.
 *
 * With z = (x - mean) / s, s = sqrt(var + eps), f(z) = z > 0 ? z : alpha z, g = dy f'(z):
 *   y = f(z)
 *   dx = (g - mean(g) - z mean(g z)) / s
 * Means are over the pixels of a sample; a pass runs over its rows of channels. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

static bool fits_instance_norm(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 1, 1) && x->rank >= 3 && same_dims(x, &call->out[0].shape);
}

static bool fits_instance_norm_grad(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 2, 1) && x->rank >= 3 && same_dims(x, &call->in[1].shape) &&
           same_dims(x, &call->out[0].shape);
}

/* Statistics of each channel of one sample; pointers into scratch. */
typedef struct channels {
    int64_t n, pixels;
    double *mean, *inverse_deviation, *mean_g, *mean_gz;
} channels;

static size_t scratch_instance_norm(const bk_call *call)
{
    return 4 * (size_t)last_dim(&call->in[0].shape) * sizeof(double);
}

static channels channels_of(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    channels c = {.n = last_dim(x), .mean = call->scratch};
    c.pixels = bk_count(x) / x->dim[0] / c.n;
    c.inverse_deviation = c.mean + c.n;
    c.mean_g = c.inverse_deviation + c.n;
    c.mean_gz = c.mean_g + c.n;
    return c;
}

static void moments_of(const channels *c, const real *x, double eps)
{
    double *mean = c->mean, *square = c->inverse_deviation;
    for (int64_t i = 0; i < c->n; i++)
        mean[i] = square[i] = 0;
    for (int64_t p = 0; p < c->pixels; p++)
        for (int64_t i = 0; i < c->n; i++)
            mean[i] += x[p * c->n + i];
    for (int64_t i = 0; i < c->n; i++)
        mean[i] /= (double)c->pixels;
    for (int64_t p = 0; p < c->pixels; p++)
        for (int64_t i = 0; i < c->n; i++)
            square[i] += (x[p * c->n + i] - mean[i]) * (x[p * c->n + i] - mean[i]);
    for (int64_t i = 0; i < c->n; i++)
        c->inverse_deviation[i] = 1 / sqrt(square[i] / (double)c->pixels + eps);
}

static double normal(const channels *c, double x, int64_t channel)
{
    return (x - c->mean[channel]) * c->inverse_deviation[channel];
}

static bk_status run_instance_norm(const bk_call *call)
{
    channels c = channels_of(call);
    int64_t size = c.pixels * c.n;
    for (int64_t b = 0; b < call->in[0].shape.dim[0]; b++) {
        const real *x = (const real *)call->in[0].data + b * size;
        real *y = (real *)call->out[0].data + b * size;
        moments_of(&c, x, call->attr.eps);
        for (int64_t p = 0; p < c.pixels; p++)
            for (int64_t i = 0; i < c.n; i++) {
                double z = normal(&c, x[p * c.n + i], i);
                y[p * c.n + i] = (real)(z > 0 ? z : call->attr.alpha * z);
            }
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_instance_norm) = {
    .fits = fits_instance_norm, .scratch = scratch_instance_norm, .run = run_instance_norm};

static void gradient_of(const channels *c, const real *x, const real *dy, double alpha, real *dx)
{
    for (int64_t i = 0; i < c->n; i++)
        c->mean_g[i] = c->mean_gz[i] = 0;
    for (int64_t p = 0; p < c->pixels; p++)
        for (int64_t i = 0; i < c->n; i++) {
            double z = normal(c, x[p * c->n + i], i), g = dy[p * c->n + i] * (z > 0 ? 1 : alpha);
            c->mean_g[i] += g / (double)c->pixels;
            c->mean_gz[i] += g * z / (double)c->pixels;
        }
    for (int64_t p = 0; p < c->pixels; p++)
        for (int64_t i = 0; i < c->n; i++) {
            double z = normal(c, x[p * c->n + i], i), g = dy[p * c->n + i] * (z > 0 ? 1 : alpha);
            dx[p * c->n + i] = (real)((g - c->mean_g[i] - z * c->mean_gz[i]) * c->inverse_deviation[i]);
        }
}

static bk_status run_instance_norm_grad(const bk_call *call)
{
    channels c = channels_of(call);
    int64_t size = c.pixels * c.n;
    for (int64_t b = 0; b < call->in[0].shape.dim[0]; b++) {
        const real *x = (const real *)call->in[0].data + b * size;
        const real *dy = (const real *)call->in[1].data + b * size;
        moments_of(&c, x, call->attr.eps);
        gradient_of(&c, x, dy, call->attr.alpha, (real *)call->out[0].data + b * size);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_instance_norm_grad) = {
    .fits = fits_instance_norm_grad, .scratch = scratch_instance_norm, .run = run_instance_norm_grad};
