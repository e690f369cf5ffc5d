/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - convolution, channels last, and its two gradients; d is the dilation:
 *
 *   y[s,o]    = sum over k, c of x[s stride + k d - pad, c] w[o,c,k] + bias[o]
 *   dx[i,c]   = sum over k, o of dy[(i + pad - k d) / stride, o] w[o,c,k], if that is a whole number
 *   dw[o,c,k] = sum over s    of x[s stride + k d - pad, c] dy[s,o]
 *
 * c and o are of one group; w counts the group's c from 0. The first two are one loop: each element gathers,
 * over the taps k, from the pixel that the tap reads. It runs a row of pixels at a time, with sums in double
 * for all channels of the row; weights are transposed to [K...][group][from][to], so that the innermost loop
 * is over contiguous channels. */
#include "backends/reference/activation.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/space.h"

/* ---- convolution and the gradient of its input ---- */

/* The operands and sizes of a gathering loop. */
typedef struct gathering {
    convolution c;
    bool back;                            /* from dy to dx */
    int64_t from, to;                     /* channels of all groups */
    int64_t source[SPACE], target[SPACE]; /* pixels */
    const real *in;
    const real *bias;    /* or NULL */
    const bk_attr *attr; /* has the activation; NULL: none */
    real *out;
    const double *w; /* [taps][groups][from][to], from and to of a group */
    double *sums;    /* [target[SPACE - 1]][to] */
} gathering;

/* Returns the pixel that tap k reads for target pixel i of one axis, or -1. */
static int64_t source_of(const gathering *g, int axis, int64_t i, int64_t k)
{
    int64_t stride = g->c.stride[axis], reach = k * g->c.dilation[axis],
            at = i * stride + reach - g->c.pad[axis];
    if (g->back) {
        at = i + g->c.pad[axis] - reach;
        if (at < 0 || at % stride != 0)
            return -1;
        at /= stride;
    }
    return at >= 0 && at < g->source[axis] ? at : -1;
}

static int64_t weights_of_tap(const convolution *c)
{
    return c->in_channels / c->groups * c->out_channels;
}

static void add_pixel(const gathering *g, const real *x, const double *w, double *sum)
{
    int64_t froms = g->from / g->c.groups, tos = g->to / g->c.groups;
    for (int64_t from = 0; from < g->from; from++, w += tos) {
        double value = x[from], *of = sum + from / froms * tos;
        for (int64_t to = 0; to < tos; to++)
            of[to] += value * w[to];
    }
}

/* Adds the contribution of one tap to a row of target pixels. */
static void add_tap(const gathering *g, int64_t batch, place row, int64_t tap)
{
    enum { LAST = SPACE - 1 };
    place k = place_of(tap, g->c.kernel);
    int64_t line = batch;
    for (int axis = 0; axis < LAST; axis++) {
        int64_t at = source_of(g, axis, row.at[axis], k.at[axis]);
        if (at < 0)
            return;
        line = line * g->source[axis] + at;
    }
    for (int64_t i = 0; i < g->target[LAST]; i++) {
        int64_t at = source_of(g, LAST, i, k.at[LAST]);
        if (at >= 0)
            add_pixel(g, g->in + (line * g->source[LAST] + at) * g->from, g->w + tap * weights_of_tap(&g->c),
                      g->sums + i * g->to);
    }
}

static void gather(const gathering *g)
{
    int64_t width = g->target[SPACE - 1] * g->to, lines = g->target[0] * g->target[1];
    for (int64_t row = 0; row < g->c.batch * lines; row++) {
        for (int64_t i = 0; i < width; i++)
            g->sums[i] = g->bias ? g->bias[i % g->to] : 0;
        for (int64_t tap = 0; tap < g->c.taps; tap++)
            add_tap(g, row / lines, place_of(row % lines * g->target[SPACE - 1], g->target), tap);
        for (int64_t i = 0; i < width; i++)
            g->out[row * width + i] = (real)(g->attr ? activate(g->attr, g->sums[i]) : g->sums[i]);
    }
}

/* [O][C][K...], C of a group, to [K...][group][C][O] or, back, to [K...][group][O][C], O of a group. */
static void transpose_weights(const convolution *c, const real *w, bool back, double *to)
{
    int64_t ins = c->in_channels / c->groups, outs = c->out_channels / c->groups;
    for (int64_t tap = 0; tap < c->taps; tap++, to += weights_of_tap(c))
        for (int64_t o = 0; o < c->out_channels; o++)
            for (int64_t i = 0; i < ins; i++) {
                int64_t group = o / outs * ins * outs, row = o % outs;
                int64_t at = group + (back ? row * ins + i : i * outs + row);
                to[at] = w[(o * ins + i) * c->taps + tap];
            }
}

static bool read_conv(const bk_call *call, convolution *c)
{
    int32_t bias = call->attr.has_bias != 0;
    return has_arity(call, 2 + bias, 1) && is_activation(call->attr.activation) &&
           read_convolution(&call->attr, &call->in[0].shape, &call->in[1].shape, &call->out[0].shape, c) &&
           (!bias || is_vector(&call->in[2].shape, c->out_channels));
}

static bool fits_conv(const bk_call *call)
{
    convolution c;
    return read_conv(call, &c);
}

static size_t gather_scratch(const convolution *c, int64_t row, int64_t to)
{
    return (size_t)(c->taps * weights_of_tap(c) + row * to) * sizeof(double);
}

static size_t scratch_conv(const bk_call *call)
{
    convolution c = {0};
    read_conv(call, &c);
    return gather_scratch(&c, c.y[SPACE - 1], c.out_channels);
}

static bk_status run_conv(const bk_call *call)
{
    gathering g = {0};
    if (!read_conv(call, &g.c))
        return BK_ERR_FAILED;
    double *w = call->scratch;
    transpose_weights(&g.c, call->in[1].data, false, w);
    g.from = g.c.in_channels;
    g.to = g.c.out_channels;
    for (int axis = 0; axis < SPACE; axis++) {
        g.source[axis] = g.c.x[axis];
        g.target[axis] = g.c.y[axis];
    }
    g.in = call->in[0].data;
    g.bias = call->attr.has_bias ? call->in[2].data : NULL;
    g.attr = &call->attr;
    g.out = call->out[0].data;
    g.w = w;
    g.sums = w + g.c.taps * weights_of_tap(&g.c);
    gather(&g);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_conv) = {
    .fits = fits_conv, .scratch = scratch_conv, .run = run_conv};

static bool read_grad_input(const bk_call *call, convolution *c)
{
    return has_arity(call, 2, 1) &&
           read_convolution(&call->attr, &call->out[0].shape, &call->in[0].shape, &call->in[1].shape, c);
}

static bool fits_grad_input(const bk_call *call)
{
    convolution c;
    return read_grad_input(call, &c);
}

static size_t scratch_grad_input(const bk_call *call)
{
    convolution c = {0};
    read_grad_input(call, &c);
    return gather_scratch(&c, c.x[SPACE - 1], c.in_channels);
}

static bk_status run_grad_input(const bk_call *call)
{
    gathering g = {.back = true};
    if (!read_grad_input(call, &g.c))
        return BK_ERR_FAILED;
    double *w = call->scratch;
    transpose_weights(&g.c, call->in[0].data, true, w);
    g.from = g.c.out_channels;
    g.to = g.c.in_channels;
    for (int axis = 0; axis < SPACE; axis++) {
        g.source[axis] = g.c.y[axis];
        g.target[axis] = g.c.x[axis];
    }
    g.in = call->in[1].data;
    g.out = call->out[0].data;
    g.w = w;
    g.sums = w + g.c.taps * weights_of_tap(&g.c);
    gather(&g);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_conv_grad_input) = {
    .fits = fits_grad_input, .scratch = scratch_grad_input, .run = run_grad_input};

/* ---- the gradient of the weights ---- */

static bool read_grad_weight(const bk_call *call, convolution *c)
{
    return has_arity(call, 2, 1) &&
           read_convolution(&call->attr, &call->in[0].shape, &call->out[0].shape, &call->in[1].shape, c);
}

static bool fits_grad_weight(const bk_call *call)
{
    convolution c;
    return read_grad_weight(call, &c);
}

static size_t scratch_grad_weight(const bk_call *call)
{
    convolution c = {0};
    read_grad_weight(call, &c);
    return (size_t)weights_of_tap(&c) * sizeof(double);
}

/* sums[C][O], O of C's group, += the contribution of one row of dy's pixels; x and dy begin at the row's
 * first pixel that counts. */
static void add_outer(const convolution *c, const real *x, const real *dy, int64_t pixels, double *sums)
{
    int64_t ins = c->in_channels / c->groups, outs = c->out_channels / c->groups;
    int64_t step = c->stride[SPACE - 1] * c->in_channels;
    for (int64_t i = 0; i < c->in_channels; i++)
        for (int64_t p = 0; p < pixels; p++) {
            double value = x[p * step + i], *sum = sums + i * outs;
            const real *row = dy + p * c->out_channels + i / ins * outs;
            for (int64_t o = 0; o < outs; o++)
                sum[o] += value * row[o];
        }
}

static void add_weight_row(const convolution *c, const real *x, const real *dy, int64_t row, place k,
                           double *sums)
{
    enum { LAST = SPACE - 1 };
    int64_t lines = c->y[0] * c->y[1], line = row / lines;
    place s = place_of(row % lines * c->y[LAST], c->y);
    for (int axis = 0; axis < LAST; axis++) {
        int64_t at = s.at[axis] * c->stride[axis] + k.at[axis] * c->dilation[axis] - c->pad[axis];
        if (at < 0 || at >= c->x[axis])
            return;
        line = line * c->x[axis] + at;
    }
    int64_t stride = c->stride[LAST], move = k.at[LAST] * c->dilation[LAST] - c->pad[LAST];
    int64_t first = 0, end = c->y[LAST];
    while (first < end && first * stride + move < 0)
        first++;
    while (first < end && (end - 1) * stride + move >= c->x[LAST])
        end--;
    if (first < end)
        add_outer(c, x + (line * c->x[LAST] + first * stride + move) * c->in_channels,
                  dy + (row * c->y[LAST] + first) * c->out_channels, end - first, sums);
}

static bk_status run_grad_weight(const bk_call *call)
{
    convolution c;
    if (!read_grad_weight(call, &c))
        return BK_ERR_FAILED;
    const real *x = call->in[0].data, *dy = call->in[1].data;
    real *dw = call->out[0].data;
    double *sums = call->scratch;
    int64_t n = weights_of_tap(&c), ins = c.in_channels / c.groups, outs = c.out_channels / c.groups;
    for (int64_t tap = 0; tap < c.taps; tap++) {
        for (int64_t i = 0; i < n; i++)
            sums[i] = 0;
        for (int64_t row = 0; row < c.batch * c.y[0] * c.y[1]; row++)
            add_weight_row(&c, x, dy, row, place_of(tap, c.kernel), sums);
        for (int64_t o = 0; o < c.out_channels; o++)
            for (int64_t i = 0; i < ins; i++)
                dw[(o * ins + i) * c.taps + tap] = (real)sums[(o / outs * ins + i) * outs + o % outs];
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_conv_grad_weight) = {
    .fits = fits_grad_weight, .scratch = scratch_grad_weight, .run = run_grad_weight};
