/* SPDX-License-Identifier: Apache-2.0 */
/* group_norm.c - normalisation of groups of channels over space, with gain, bias and a leaky ReLU, and the
 * gradient.
 *
 * With z = (x - mean) / s, s = sqrt(var + eps), a = dy f'(z gain + bias), f(t) = t > 0 ? t : alpha t:
 *   y = f(z gain + bias)
 *   dx = (h - mean(h) - z mean(h z)) / s,  h = a gain,  dgain = sum a z,  dbias = sum a
 * Means are over the pixels and channels of a group of a sample, sums over the pixels of all samples. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

/* A group of a sample: its element (p, i) is x[p * channels + i], i < width. */
typedef struct grouping {
    int64_t batch, pixels, channels, groups, width;
} grouping;

static bool read_grouping(const bk_call *call, grouping *s)
{
    const bk_shape *x = &call->in[0].shape;
    int64_t groups = call->attr.groups;
    if (x->rank < 3 || groups < 1 || last_dim(x) % groups != 0)
        return false;
    *s = (grouping){.batch = x->dim[0], .channels = last_dim(x), .groups = groups};
    s->pixels = bk_count(x) / s->batch / s->channels;
    s->width = s->channels / groups;
    return is_vector(&call->in[1].shape, s->channels) && is_vector(&call->in[2].shape, s->channels);
}

typedef struct moments {
    double mean, variance, inverse_deviation;
} moments;

static moments moments_of(const grouping *s, const real *x, double eps)
{
    double n = (double)(s->pixels * s->width), sum = 0, square = 0;
    for (int64_t p = 0; p < s->pixels; p++)
        for (int64_t i = 0; i < s->width; i++)
            sum += x[p * s->channels + i];
    double mean = sum / n;
    for (int64_t p = 0; p < s->pixels; p++)
        for (int64_t i = 0; i < s->width; i++)
            square += (x[p * s->channels + i] - mean) * (x[p * s->channels + i] - mean);
    return (moments){mean, square / n, 1 / sqrt(square / n + eps)};
}

static double normal(const moments *m, double x)
{
    return (x - m->mean) * m->inverse_deviation;
}

/* ---- forward ---- */

static bool fits_group_norm(const bk_call *call)
{
    grouping s;
    return has_arity(call, 3, 3) && read_grouping(call, &s) &&
           same_dims(&call->in[0].shape, &call->out[0].shape) &&
           is_matrix(&call->out[1].shape, s.batch, s.groups) &&
           is_matrix(&call->out[2].shape, s.batch, s.groups);
}

static void write_group(const grouping *s, const moments *m, const real *x, const real *gain,
                        const real *bias, double alpha, real *y)
{
    for (int64_t p = 0; p < s->pixels; p++)
        for (int64_t i = 0; i < s->width; i++) {
            double t = normal(m, x[p * s->channels + i]) * gain[i] + bias[i];
            y[p * s->channels + i] = (real)(t > 0 ? t : alpha * t);
        }
}

static bk_status run_group_norm(const bk_call *call)
{
    grouping s;
    if (!read_grouping(call, &s))
        return BK_ERR_FAILED;
    const real *gain = call->in[1].data, *bias = call->in[2].data;
    real *mean = call->out[1].data, *variance = call->out[2].data;
    for (int64_t k = 0; k < s.batch * s.groups; k++) {
        int64_t channel = k % s.groups * s.width, at = k / s.groups * s.pixels * s.channels + channel;
        const real *x = (const real *)call->in[0].data + at;
        moments m = moments_of(&s, x, call->attr.eps);
        write_group(&s, &m, x, gain + channel, bias + channel, call->attr.alpha,
                    (real *)call->out[0].data + at);
        if (mean)
            mean[k] = (real)m.mean;
        if (variance)
            variance[k] = (real)m.variance;
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_group_norm) = {.fits = fits_group_norm, .run = run_group_norm};

/* ---- gradient ---- */

static bool fits_group_norm_grad(const bk_call *call)
{
    grouping s;
    return has_arity(call, 4, 3) && read_grouping(call, &s) &&
           same_dims(&call->in[0].shape, &call->in[3].shape) &&
           same_dims(&call->in[0].shape, &call->out[0].shape) && is_vector(&call->out[1].shape, s.channels) &&
           is_vector(&call->out[2].shape, s.channels);
}

static size_t scratch_group_norm_grad(const bk_call *call)
{
    return 2 * (size_t)last_dim(&call->in[0].shape) * sizeof(double);
}

/* One group of one sample; pointers are at its first channel. dgain and dbias are accumulated. */
typedef struct group_gradient {
    const real *x, *gain, *bias, *dy;
    real *dx;
    double *dgain, *dbias, alpha;
    moments m;
} group_gradient;

/* dy f'(z gain + bias) */
static double before_slope(const group_gradient *g, double z, double dy, int64_t i)
{
    return z * g->gain[i] + g->bias[i] > 0 ? dy : g->alpha * dy;
}

static void gradient_of(const grouping *s, const group_gradient *g)
{
    double n = (double)(s->pixels * s->width), mean_h = 0, mean_hz = 0;
    for (int64_t p = 0; p < s->pixels; p++)
        for (int64_t i = 0; i < s->width; i++) {
            double z = normal(&g->m, g->x[p * s->channels + i]);
            double a = before_slope(g, z, g->dy[p * s->channels + i], i);
            mean_h += a * g->gain[i] / n;
            mean_hz += a * g->gain[i] * z / n;
            g->dgain[i] += a * z;
            g->dbias[i] += a;
        }
    for (int64_t p = 0; p < s->pixels; p++)
        for (int64_t i = 0; i < s->width; i++) {
            double z = normal(&g->m, g->x[p * s->channels + i]);
            double h = before_slope(g, z, g->dy[p * s->channels + i], i) * g->gain[i];
            g->dx[p * s->channels + i] = (real)((h - mean_h - z * mean_hz) * g->m.inverse_deviation);
        }
}

static void store(real *to, const double *from, int64_t n)
{
    for (int64_t i = 0; to && i < n; i++)
        to[i] = (real)from[i];
}

static bk_status run_group_norm_grad(const bk_call *call)
{
    grouping s;
    if (!read_grouping(call, &s))
        return BK_ERR_FAILED;
    double *dgain = call->scratch, *dbias = dgain + s.channels;
    for (int64_t i = 0; i < s.channels; i++)
        dgain[i] = dbias[i] = 0;
    for (int64_t k = 0; k < s.batch * s.groups; k++) {
        int64_t channel = k % s.groups * s.width, at = k / s.groups * s.pixels * s.channels + channel;
        group_gradient g = {.x = (const real *)call->in[0].data + at,
                            .gain = (const real *)call->in[1].data + channel,
                            .bias = (const real *)call->in[2].data + channel,
                            .dy = (const real *)call->in[3].data + at,
                            .dx = (real *)call->out[0].data + at,
                            .dgain = dgain + channel,
                            .dbias = dbias + channel,
                            .alpha = call->attr.alpha};
        g.m = moments_of(&s, g.x, call->attr.eps);
        gradient_of(&s, &g);
    }
    store(call->out[1].data, dgain, s.channels);
    store(call->out[2].data, dbias, s.channels);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_group_norm_grad) = {
    .fits = fits_group_norm_grad, .scratch = scratch_group_norm_grad, .run = run_group_norm_grad};
