/* SPDX-License-Identifier: Apache-2.0 */
/* channel_norm.cu - normalisation over space: instance norm and group norm, and their gradients.
 *
 * With z = (x - mean) / s, s = sqrt(var + eps), t = z gain + bias, f(t) = t > 0 ? t : alpha t, a = dy f'(t),
 * h = a gain, means over the pixels and channels of a group:
 *   y = f(t)
 *   dx = (h - mean(h) - z mean(h z)) / s,  dgain = sum a z,  dbias = sum a
 * Instance norm has one channel a group, gain 1 and bias 0.
 *
 * All sums begin as two numbers for each sample, part of its pixels and channel: a thread has a channel and
 * walks along the pixels in order. They are in double, in which x^2 - mean^2 is safe for floats. */
#include "backends/cuda/kernel.h"

struct grouping {
    int64_t batch, pixels, channels, groups, width, parts; /* width: channels of a group */
    float alpha;
    double eps;
    const float *gain, *bias; /* NULL: 1 and 0 */
};

static grouping grouping_of(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    grouping s = {};
    bool instance = call->op == BK_INSTANCE_NORM || call->op == BK_INSTANCE_NORM_GRAD;
    s.batch = x->dim[0];
    s.channels = last_dim(x);
    s.pixels = bk_count(x) / s.batch / s.channels;
    s.groups = instance ? s.channels : call->attr.groups;
    s.width = s.channels / s.groups;
    s.parts = parts_of(s.pixels, s.batch * s.channels);
    s.alpha = (float)call->attr.alpha;
    s.eps = call->attr.eps;
    s.gain = instance ? nullptr : input(call, 1);
    s.bias = instance ? nullptr : input(call, 2);
    return s;
}

/* Two sums of a channel, and what follows from them for a group. */
struct two {
    double a, b;
};

struct group_moments {
    double mean, variance, scale;
};

static __device__ __forceinline__ float gain_of(const grouping &s, int64_t channel)
{
    return s.gain ? s.gain[channel] : 1;
}

static __device__ __forceinline__ float bias_of(const grouping &s, int64_t channel)
{
    return s.bias ? s.bias[channel] : 0;
}

/* ---- sums over the pixels of a part ---- */

/* x, x^2 */
__global__ void sum_values(const float *x, two *sums, grouping s)
{
    EACH(i, s.batch * s.parts * s.channels)
    {
        int64_t channel = i % s.channels, part = i / s.channels % s.parts, image = i / s.channels / s.parts;
        const float *here = x + image * s.pixels * s.channels + channel;
        two sum = {0, 0};
        for (int64_t p = part * s.pixels / s.parts; p < (part + 1) * s.pixels / s.parts; p++) {
            double v = here[p * s.channels];
            sum.a += v;
            sum.b += v * v;
        }
        sums[i] = sum;
    }
}

/* a, a z */
__global__ void sum_slopes(const float *x, const float *dy, const group_moments *m, two *sums, grouping s)
{
    EACH(i, s.batch * s.parts * s.channels)
    {
        int64_t channel = i % s.channels, part = i / s.channels % s.parts, image = i / s.channels / s.parts;
        int64_t first = image * s.pixels * s.channels + channel;
        group_moments g = m[image * s.groups + channel / s.width];
        float gain = gain_of(s, channel), bias = bias_of(s, channel);
        two sum = {0, 0};
        for (int64_t p = part * s.pixels / s.parts; p < (part + 1) * s.pixels / s.parts; p++) {
            int64_t at = first + p * s.channels;
            double z = (x[at] - g.mean) * g.scale, a = dy[at];
            if (!(z * gain + bias > 0))
                a *= s.alpha;
            sum.a += a;
            sum.b += a * z;
        }
        sums[i] = sum;
    }
}

/* The parts of each channel, added in order, in the place of the first. */
__global__ void join_parts(two *sums, grouping s)
{
    EACH(i, s.batch * s.channels)
    {
        int64_t first = i / s.channels * s.parts * s.channels + i % s.channels;
        two sum = sums[first];
        for (int64_t part = 1; part < s.parts; part++) {
            sum.a += sums[first + part * s.channels].a;
            sum.b += sums[first + part * s.channels].b;
        }
        sums[first] = sum;
    }
}

/* ---- of a group ---- */

__global__ void find_moments(const two *sums, group_moments *m, float *mean, float *variance, grouping s)
{
    EACH(i, s.batch * s.groups)
    {
        const two *first = sums + i / s.groups * s.parts * s.channels + i % s.groups * s.width;
        double a = 0, b = 0, n = (double)(s.pixels * s.width);
        for (int64_t c = 0; c < s.width; c++) {
            a += first[c].a;
            b += first[c].b;
        }
        double v = b / n - a / n * (a / n);
        v = v < 0 ? 0 : v;
        m[i] = {a / n, v, 1 / sqrt(v + s.eps)};
        if (mean)
            mean[i] = (float)(a / n);
        if (variance)
            variance[i] = (float)v;
    }
}

/* mean(h), mean(h z) */
__global__ void find_slopes(const two *sums, two *means, grouping s)
{
    EACH(i, s.batch * s.groups)
    {
        int64_t channel = i % s.groups * s.width;
        const two *first = sums + i / s.groups * s.parts * s.channels + channel;
        double n = (double)(s.pixels * s.width);
        two mean = {0, 0};
        for (int64_t c = 0; c < s.width; c++) {
            mean.a += first[c].a * gain_of(s, channel + c) / n;
            mean.b += first[c].b * gain_of(s, channel + c) / n;
        }
        means[i] = mean;
    }
}

__global__ void sum_samples(const two *sums, float *dgain, float *dbias, grouping s)
{
    EACH(c, s.channels)
    {
        two sum = {0, 0};
        for (int64_t image = 0; image < s.batch; image++) {
            sum.a += sums[image * s.parts * s.channels + c].a;
            sum.b += sums[image * s.parts * s.channels + c].b;
        }
        if (dgain)
            dgain[c] = (float)sum.b;
        if (dbias)
            dbias[c] = (float)sum.a;
    }
}

/* ---- of every element ---- */

__global__ void normalise(const float *x, const group_moments *m, float *y, grouping s)
{
    EACH(i, s.batch * s.pixels * s.channels)
    {
        int64_t channel = i % s.channels, image = i / s.channels / s.pixels;
        group_moments g = m[image * s.groups + channel / s.width];
        float t = (float)((x[i] - g.mean) * g.scale) * gain_of(s, channel) + bias_of(s, channel);
        y[i] = t > 0 ? t : s.alpha * t;
    }
}

__global__ void normalise_dx(const float *x, const float *dy, const group_moments *m, const two *means,
                             float *dx, grouping s)
{
    EACH(i, s.batch * s.pixels * s.channels)
    {
        int64_t channel = i % s.channels, at = i / s.channels / s.pixels * s.groups + channel / s.width;
        double z = (x[i] - m[at].mean) * m[at].scale, h = (double)dy[i] * gain_of(s, channel);
        if (!(z * gain_of(s, channel) + bias_of(s, channel) > 0))
            h *= s.alpha;
        dx[i] = (float)((h - means[at].a - z * means[at].b) * m[at].scale);
    }
}

/* ---- calls ---- */

static size_t scratch_channel_norm(const bk_call *call)
{
    grouping s = grouping_of(call);
    return (size_t)(s.batch * s.parts * s.channels) * sizeof(two) +
           (size_t)(s.batch * s.groups) * (sizeof(group_moments) + sizeof(two));
}

struct places {
    two *sums, *means;
    group_moments *m;
};

static places places_of(const bk_call *call, const grouping *s)
{
    two *sums = (two *)call->scratch, *means = sums + s->batch * s->parts * s->channels;
    return {sums, means, (group_moments *)(means + s->batch * s->groups)};
}

static void start_moments(const bk_call *call, execution *e, const grouping *s, const places *p, float *mean,
                          float *variance)
{
    start(e, sum_values, blocks_for(s->batch * s->parts * s->channels), BLOCK, 0, input(call, 0), p->sums,
          *s);
    start(e, join_parts, blocks_for(s->batch * s->channels), BLOCK, 0, p->sums, *s);
    start(e, find_moments, blocks_for(s->batch * s->groups), BLOCK, 0, (const two *)p->sums, p->m, mean,
          variance, *s);
}

static void run_channel_norm(const bk_call *call, execution *e)
{
    grouping s = grouping_of(call);
    places p = places_of(call, &s);
    bool statistics = call->op == BK_GROUP_NORM;
    start_moments(call, e, &s, &p, statistics ? output(call, 1) : nullptr,
                  statistics ? output(call, 2) : nullptr);
    start(e, normalise, blocks_for(elements(&call->in[0])), BLOCK, 0, input(call, 0),
          (const group_moments *)p.m, output(call, 0), s);
}

const cuda_kernel cuda_instance_norm = {scratch_channel_norm, run_channel_norm, nullptr};
const cuda_kernel cuda_group_norm = {scratch_channel_norm, run_channel_norm, nullptr};

static void run_channel_norm_grad(const bk_call *call, execution *e)
{
    grouping s = grouping_of(call);
    places p = places_of(call, &s);
    const float *x = input(call, 0), *dy = input(call, call->n_in - 1);
    start_moments(call, e, &s, &p, nullptr, nullptr);
    start(e, sum_slopes, blocks_for(s.batch * s.parts * s.channels), BLOCK, 0, x, dy,
          (const group_moments *)p.m, p.sums, s);
    start(e, join_parts, blocks_for(s.batch * s.channels), BLOCK, 0, p.sums, s);
    start(e, find_slopes, blocks_for(s.batch * s.groups), BLOCK, 0, (const two *)p.sums, p.means, s);
    start(e, normalise_dx, blocks_for(elements(&call->in[0])), BLOCK, 0, x, dy, (const group_moments *)p.m,
          (const two *)p.means, output(call, 0), s);
    if (call->n_out == 3)
        start(e, sum_samples, blocks_for(s.channels), BLOCK, 0, (const two *)p.sums, output(call, 1),
              output(call, 2), s);
}

const cuda_kernel cuda_instance_norm_grad = {scratch_channel_norm, run_channel_norm_grad, nullptr};
const cuda_kernel cuda_group_norm_grad = {scratch_channel_norm, run_channel_norm_grad, nullptr};
