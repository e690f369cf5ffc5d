/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - reads a convolution from the shapes of a call and chooses the way to compute it. */
#include "backends/cpu/conv.h"

#include "backends/cpu/bf16.h"
#include "backends/cpu/library.h"
#include "backends/cpu/work.h"

/* ---- shapes ---- */

const bk_tensor *conv_x(const bk_call *call)
{
    return call->op == BK_CONV_GRAD_INPUT ? &call->out[0] : &call->in[0];
}

const bk_tensor *conv_w(const bk_call *call)
{
    return call->op == BK_CONV_GRAD_INPUT    ? &call->in[0]
           : call->op == BK_CONV_GRAD_WEIGHT ? &call->out[0]
                                             : &call->in[1];
}

const bk_tensor *conv_y(const bk_call *call)
{
    return call->op == BK_CONV ? &call->out[0] : &call->in[1];
}

static int has_bias(const bk_call *call)
{
    return call->op == BK_CONV && call->attr.has_bias != 0;
}

const float *conv_bias(const bk_call *call)
{
    return has_bias(call) ? call->in[2].data : NULL;
}

/* Reads the call's spatial axis i as axis `at`; returns 0 if its sizes do not fit each other. */
static int read_axis(const bk_attr *a, int i, int at, conv *c)
{
    if (a->stride[i] < 1 || a->dilation[i] < 1 || a->pad[i] < 0 || a->pad_end[i] < 0)
        return 0;
    c->stride[at] = a->stride[i];
    c->dilation[at] = a->dilation[i];
    c->pad[at] = a->pad[i];
    c->pad_end[at] = a->pad_end[i];
    c->taps *= c->kernel[at];
    int64_t room = c->x[at] + c->pad[at] + c->pad_end[at] - (c->dilation[at] * (c->kernel[at] - 1) + 1);
    return room >= 0 && c->y[at] == room / c->stride[at] + 1;
}

static int channels_fit(const bk_call *call, const conv *c)
{
    const bk_shape *w = &conv_w(call)->shape;
    return c->groups >= 1 && w->dim[0] == c->out && c->out % c->groups == 0 &&
           w->dim[1] * c->groups == c->in && (!has_bias(call) || bk_count(&call->in[2].shape) == c->out);
}

int conv_of(const bk_call *call, conv *c)
{
    if (call->n_in != 2 + has_bias(call) || call->n_out != 1 || call->attr.activation < BK_ACT_NONE ||
        call->attr.activation > BK_ACT_LEAKY_RELU)
        return 0;
    const bk_shape *x = &conv_x(call)->shape, *w = &conv_w(call)->shape, *y = &conv_y(call)->shape;
    int axes = x->rank - 2;
    if (axes < 1 || axes > SPACE || w->rank != x->rank || y->rank != x->rank || y->dim[0] != x->dim[0])
        return 0;
    *c = (conv){.axes = axes, .batch = x->dim[0], .groups = call->attr.groups, .taps = 1};
    c->in = x->dim[axes + 1];
    c->out = y->dim[axes + 1];
    if (!channels_fit(call, c))
        return 0;
    for (int at = 0; at < SPACE; at++) {
        int i = at - (SPACE - axes); /* the call's axis: after one axis in x and y, two in w */
        c->x[at] = c->y[at] = c->kernel[at] = c->stride[at] = c->dilation[at] = 1;
        if (i < 0)
            continue;
        c->x[at] = x->dim[i + 1];
        c->y[at] = y->dim[i + 1];
        c->kernel[at] = w->dim[i + 2];
        if (!read_axis(&call->attr, i, at, c))
            return 0;
    }
    return 1;
}

int conv_is_rounded(const cpu_device *dev, const conv *c)
{
    enum { FEW_CHANNELS = 16 };
    return dev->bf16_arithmetic && c->groups == 1 && c->in >= FEW_CHANNELS && c->out >= FEW_CHANNELS;
}

/* ---- phases ---- */

conv_phase conv_forward(const conv *c)
{
    conv_phase f;
    for (int i = 0; i < SPACE; i++) {
        f.first[i] = f.tap[i] = 0;
        f.step[i] = f.tap_step[i] = 1;
        f.size[i] = c->y[i];
        f.move[i] = c->stride[i];
        f.origin[i] = -c->pad[i];
        f.gap[i] = c->dilation[i];
        f.taps[i] = c->kernel[i];
    }
    return f;
}

static void phases_of(const conv *c, int64_t *phases)
{
    for (int i = 0; i < SPACE; i++)
        phases[i] = work_min(c->stride[i], c->x[i]);
}

int64_t conv_phases(const conv *c)
{
    int64_t phases[SPACE];
    phases_of(c, phases);
    return conv_count(phases);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The lowest tap k < end of those with k dilation = place (mod stride), which are `every` apart; end: none.
 */
static int64_t lowest_tap(int64_t place, int64_t stride, int64_t dilation, int64_t every, int64_t end)
{
    for (int64_t k = 0; k < every && k < end; k++)
        if ((place - k * dilation) % stride == 0)
            return k;
    return end;
}

/* Taps run backwards, so that the pixels of y that they read run forwards, as those of x do in
 * conv_forward(). */
conv_phase conv_backward(const conv *c, int64_t phase)
{
    conv_phase f;
    int64_t phases[SPACE];
    phases_of(c, phases);
    conv_place(phase, phases, f.first);
    for (int i = 0; i < SPACE; i++) {
        int64_t stride = c->stride[i], dilation = c->dilation[i], place = f.first[i] + c->pad[i];
        int64_t divisor = common_divisor(stride, dilation), every = stride / divisor;
        int64_t lowest = lowest_tap(place, stride, dilation, every, c->kernel[i]);
        f.step[i] = stride;
        f.size[i] = work_pieces(c->x[i] - f.first[i], stride);
        f.taps[i] = work_pieces(c->kernel[i] - lowest, every);
        f.tap[i] = lowest + (f.taps[i] - 1) * every;
        f.tap_step[i] = -every;
        f.move[i] = 1;
        f.gap[i] = dilation / divisor;
        f.origin[i] = (place - lowest * dilation) / stride - (f.taps[i] - 1) * f.gap[i];
    }
    return f;
}

int64_t conv_tap(const conv *c, const conv_phase *f, int64_t number)
{
    int64_t m[SPACE], at = 0;
    conv_place(number, f->taps, m);
    for (int i = 0; i < SPACE; i++)
        at = at * c->kernel[i] + f->tap[i] + m[i] * f->tap_step[i];
    return at;
}

/* ---- the way ---- */

/* Returns the kernels of direct.c that are best for a convolution, or NULL: groups of few channels leave most
 * lanes of their vectors empty. */
static const cpu_direct_kernels *direct_of(const cpu_device *dev, const conv *c)
{
    enum { LEAST_CHANNELS = 16 };
    if (!dev->own_products || (c->groups > 1 && work_min(c->in, c->out) / c->groups < LEAST_CHANNELS))
        return NULL;
    if (!conv_is_rounded(dev, c))
        return dev->kernels->direct;
    int slow = !dev->bf16 || (dev->bf16->has_slow_direct && dev->library->prepare_conv);
    return slow ? NULL : dev->bf16->direct;
}

bk_status conv_prepare(cpu_device *dev, bk_call *call)
{
    conv c;
    if (!conv_of(call, &c)) {
        cpu_log(dev, 0, "cpu: a convolution with these shapes is not supported");
        return BK_ERR_UNSUPPORTED;
    }
    const cpu_direct_kernels *direct = direct_of(dev, &c);
    if (direct)
        return direct_prepare(dev, direct, &c, call);
    bk_status status = BK_ERR_UNSUPPORTED;
    if (dev->library->prepare_conv)
        status = dev->library->prepare_conv(dev, &c, call);
    if (status == BK_ERR_UNSUPPORTED)
        status = depthwise_prepare(dev, &c, call);
    return status == BK_ERR_UNSUPPORTED ? columns_prepare(dev, &c, call) : status;
}
