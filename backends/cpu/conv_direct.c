/* SPDX-License-Identifier: Apache-2.0 */
/* conv_direct.c - convolution and its gradients with the kernels of direct.c and direct_grad.c, in float32 or
 * in bfloat16, which gather no columns. */
#include "backends/cpu/direct.h"

#include <string.h>

#include "backends/cpu/work.h"

typedef struct direct_call {
    cpu_way way;
    const cpu_direct_kernels *kernels;
    int64_t groups;        /* computed one after the other */
    cpu_direct direct;     /* both but for data */
    cpu_direct_grad grad;  /* of the gradient of the weights */
    const void *kept_data; /* the invariant weights that the call's kept memory holds packed, */
    uint64_t kept_version; /* and their version; 0: none yet */
} direct_call;

/* Packing costs about a nanosecond for each weight, the product a fraction of one for each weight and
 * pixel: with more pixels than this little is gained, which is not worth a second copy of the weights. */
static int is_worth_keeping(const conv *c, const bk_call *call)
{
    enum { FEW_PIXELS = 1024 };
    return conv_w(call)->version > 0 && c->batch * conv_count(c->y) <= FEW_PIXELS;
}

static bk_status run_direct(cpu_device *dev, bk_call *call)
{
    direct_call *p = call->state;
    cpu_direct d = p->direct;
    const bk_tensor *w = conv_w(call);
    int keeps = call->kept_bytes > 0;
    d.in = (d.back ? conv_y(call) : conv_x(call))->data;
    d.w = w->data;
    d.bias = conv_bias(call);
    d.out = call->out[0].data;
    d.packed = keeps ? call->kept : call->scratch;
    d.rooms = (float *)call->scratch + (keeps ? 0 : d.weights);
    d.is_packed = keeps && p->kept_version == w->version && p->kept_data == w->data;
    for (int64_t n = 0; n < p->groups; n++) {
        p->kernels->run(&d, dev->team);
        d.in += d.from;
        d.w += d.from * d.to * d.c.taps;
        d.bias = d.bias ? d.bias + d.to : NULL;
        d.out += d.to;
        d.packed += keeps ? d.weights : 0;
    }
    if (keeps) {
        p->kept_data = w->data;
        p->kept_version = w->version;
    }
    return BK_OK;
}

/* How many pixels of x beside each other each belong to one pixel of y and no two to the same tap: windows
 * that neither overlap nor leave anything out along the last axis. */
static int64_t pixels_beside(const conv *c, int64_t groups, int back)
{
    enum { LEAST_CHANNELS = 4 };
    int whole = c->kernel[LAST] == c->stride[LAST] && c->x[LAST] == c->y[LAST] * c->stride[LAST];
    return back && whole && groups == 1 && c->pad[LAST] == 0 && c->dilation[LAST] == 1 &&
                   c->in >= LEAST_CHANNELS
               ? c->stride[LAST]
               : 1;
}

/* Counts such pixels as one with all their channels: with fewer phases, and more channels in each. */
static void join_pixels(conv *c, int64_t beside)
{
    if (beside == 1)
        return;
    c->x[LAST] = c->y[LAST];
    c->kernel[LAST] = c->stride[LAST] = 1;
    c->taps /= beside;
    c->in *= beside;
}

static void plan_direct(const cpu_device *dev, const conv *c, bk_call *call, direct_call *p)
{
    cpu_direct *d = &p->direct;
    int64_t groups = p->groups;
    int back = call->op == BK_CONV_GRAD_INPUT;
    *d = (cpu_direct){
        .c = *c, .back = back, .threads = dev->threads, .beside = pixels_beside(c, groups, back)};
    join_pixels(&d->c, d->beside);
    c = &d->c;
    d->from_all = (back ? c->out : c->in) * groups;
    d->to_all = (back ? c->in : c->out) * groups;
    d->from = back ? c->out : c->in;
    d->to = back ? c->in : c->out;
    memcpy(d->source, back ? c->y : c->x, sizeof d->source);
    memcpy(d->target, back ? c->x : c->y, sizeof d->target);
    d->act = cpu_activation_of(&call->attr);
    d->epilogue = dev->kernels->epilogue;
    p->kernels->plan(d);
    size_t weights = (size_t)d->weights * sizeof(float);
    int keeps = is_worth_keeping(c, call);
    call->kept_bytes = keeps ? weights * (size_t)groups : 0;
    call->scratch_bytes = (keeps ? 0 : weights) + (size_t)(dev->threads * d->room) * sizeof(float);
}

static bk_status run_grad(cpu_device *dev, bk_call *call)
{
    const direct_call *p = call->state;
    cpu_direct_grad g = p->grad;
    g.x = conv_x(call)->data;
    g.x_end = g.x + bk_count(&conv_x(call)->shape);
    g.dy = conv_y(call)->data;
    g.dw = call->out[0].data;
    g.sums = call->scratch;
    g.rooms = g.sums + g.sums_floats;
    for (int64_t n = 0; n < p->groups; n++) {
        p->kernels->grad_run(&g, dev->team);
        g.x += g.c.in;
        g.dy += g.c.out;
        g.dw += g.c.out * g.c.in * g.c.taps;
    }
    return BK_OK;
}

static void plan_grad(const cpu_device *dev, const conv *c, bk_call *call, direct_call *p)
{
    cpu_direct_grad *g = &p->grad;
    *g = (cpu_direct_grad){.c = *c, .in_all = c->in * p->groups, .out_all = c->out * p->groups};
    g->threads = dev->threads;
    p->kernels->grad_plan(g);
    call->scratch_bytes = (size_t)(g->sums_floats + dev->threads * g->room) * sizeof(float);
}

bk_status direct_prepare(cpu_device *dev, const cpu_direct_kernels *kernels, const conv *c, bk_call *call)
{
    int grad = call->op == BK_CONV_GRAD_WEIGHT;
    bk_status taken = cpu_way_new(dev, call, sizeof(direct_call), grad ? run_grad : run_direct);
    if (taken != BK_OK)
        return taken;
    direct_call *d = call->state;
    conv one = *c;
    d->kernels = kernels;
    d->groups = c->groups;
    one.in /= c->groups;
    one.out /= c->groups;
    one.groups = 1;
    if (grad)
        plan_grad(dev, &one, call, d);
    else
        plan_direct(dev, &one, call, d);
    return BK_OK;
}
