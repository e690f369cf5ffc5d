/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c - convolution and its gradients if each channel is a group, with the kernels of
 * depthwise.c. */

#include "backends/cpu/depthwise.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum { PARTS = 16 }; /* the most parts of the pixels with separate sums for the gradient of the weights */

typedef struct depthwise_call {
    cpu_way way;
    conv c;
    int64_t parts; /* gradient of the weights */
} depthwise_call;

/* ---- convolution and the gradient of its input ---- */

/* [C][K...] to the taps of a phase, [taps][C]; returns their end. */
static float *transpose_weights(const conv *c, const conv_phase *f, const float *w, float *to)
{
    for (int64_t m = 0; m < conv_count(f->taps); m++, to += c->in) {
        int64_t tap = conv_tap(c, f, m);
        for (int64_t i = 0; i < c->in; i++)
            to[i] = w[i * c->taps + tap];
    }
    return to;
}

static bk_status run_forward(cpu_device *dev, bk_call *call)
{
    const conv *c = &((const depthwise_call *)call->state)->c;
    cpu_depthwise d = {.phase = conv_forward(c), .batch = c->batch, .channels = c->in, .w = call->scratch};
    transpose_weights(c, &d.phase, conv_w(call)->data, call->scratch);
    for (int i = 0; i < SPACE; i++) {
        d.source[i] = c->x[i];
        d.target[i] = c->y[i];
    }
    d.in = conv_x(call)->data;
    d.bias = conv_bias(call);
    d.act = cpu_activation_of(&call->attr);
    d.out = call->out[0].data;
    dev->kernels->depthwise(&d, dev->team);
    return BK_OK;
}

static bk_status run_grad_input(cpu_device *dev, bk_call *call)
{
    const conv *c = &((const depthwise_call *)call->state)->c;
    cpu_depthwise d = {.batch = c->batch, .channels = c->in};
    float *w = call->scratch;
    for (int i = 0; i < SPACE; i++) {
        d.source[i] = c->y[i];
        d.target[i] = c->x[i];
    }
    d.in = conv_y(call)->data;
    d.out = call->out[0].data;
    for (int64_t n = 0; n < conv_phases(c); n++) {
        d.phase = conv_backward(c, n);
        d.w = w;
        w = transpose_weights(c, &d.phase, conv_w(call)->data, w);
        dev->kernels->depthwise(&d, dev->team);
    }
    return BK_OK;
}

/* ---- the gradient of the weights ---- */

/* dw[C][K...] from the parts' sums [taps][C], added up in order. */
static void finish(const depthwise_call *d, const float *sums, float *dw)
{
    const conv *c = &d->c;
    for (int64_t i = 0; i < c->in; i++)
        for (int64_t tap = 0; tap < c->taps; tap++) {
            float sum = 0;
            for (int64_t n = 0; n < d->parts; n++)
                sum += sums[(n * c->taps + tap) * c->in + i];
            dw[i * c->taps + tap] = sum;
        }
}

typedef struct sums_job {
    const cpu_device *dev;
    const bk_call *call;
} sums_job;

static void sum_parts(const void *job, int64_t first, int64_t end, int thread)
{
    const sums_job *j = job;
    const depthwise_call *d = j->call->state;
    const conv *c = &d->c;
    int64_t lines = c->batch * c->y[0] * c->y[1];
    (void)thread;
    for (int64_t n = first; n < end; n++) {
        cpu_depthwise_sums s = {.c = c, .x = conv_x(j->call)->data, .dy = conv_y(j->call)->data};
        s.line = lines * n / d->parts;
        s.line_end = lines * (n + 1) / d->parts;
        s.sums = (float *)j->call->scratch + n * c->taps * c->in;
        j->dev->kernels->depthwise_sum(&s);
    }
}

/* The parts do not depend on the number of threads. */
static bk_status run_grad_weight(cpu_device *dev, bk_call *call)
{
    const depthwise_call *d = call->state;
    const conv *c = &d->c;
    cpu_team_share(dev->team, d->parts, c->batch * conv_count(c->y) * c->in, sum_parts,
                   &(sums_job){dev, call});
    finish(d, call->scratch, call->out[0].data);
    return BK_OK;
}

/* ---- prepare ---- */

bk_status depthwise_prepare(cpu_device *dev, const conv *c, bk_call *call)
{
    cpu_run run = call->op == BK_CONV              ? run_forward
                  : call->op == BK_CONV_GRAD_INPUT ? run_grad_input
                                                   : run_grad_weight;
    if (c->groups == 1 || c->groups != c->in || c->groups != c->out)
        return BK_ERR_UNSUPPORTED;
    bk_status taken = cpu_way_new(dev, call, sizeof(depthwise_call), run);
    if (taken != BK_OK)
        return taken;
    depthwise_call *d = call->state;
    d->c = *c;
    d->parts = call->op == BK_CONV_GRAD_WEIGHT ? work_min(PARTS, c->batch * c->y[0] * c->y[1]) : 1;
    call->scratch_bytes = (size_t)(d->parts * c->taps * c->in) * sizeof(float);
    return BK_OK;
}
