/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - convolution over 1 to 3 spatial axes, channels last. It is linear in both factors, so that it and
 * its two gradients are each other's gradients. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

#include <string.h>

/* S' of the i-th spatial axis, for a kernel of length k on it; 0 if the kernel is longer than the padded x.
 */
static int64_t length_of(const bk_attr *a, int32_t i, int64_t x, int64_t k)
{
    int64_t room = x + a->pad[i] + a->pad_end[i] - (a->dilation[i] * (k - 1) + 1);
    return room < 0 ? 0 : room / a->stride[i] + 1;
}

static int window_is_valid(const bk_attr *a, int32_t axes)
{
    int valid = axes >= 1 && axes <= BK_MAX_SPACE && a->groups >= 1;
    for (int32_t i = 0; valid && i < axes; i++)
        valid = a->stride[i] >= 1 && a->dilation[i] >= 1 && a->pad[i] >= 0 && a->pad_end[i] >= 0;
    return valid;
}

/* x[B,S...,C], w[O,C/groups,K...], y[B,S'...,O]. */
static int conv_fits(const bk_shape *x, const bk_shape *w, const bk_shape *y, const bk_attr *attr)
{
    int32_t last = x->rank - 1;
    if (!window_is_valid(attr, last - 1) || w->rank != x->rank || y->rank != x->rank ||
        w->dtype != x->dtype || y->dtype != x->dtype)
        return 0;
    if (y->dim[0] != x->dim[0] || w->dim[1] * attr->groups != x->dim[last] || y->dim[last] != w->dim[0] ||
        w->dim[0] % attr->groups != 0)
        return 0;
    for (int32_t i = 1; i < last; i++)
        if (x->dim[i] < 1 || w->dim[i + 1] < 1 || y->dim[i] < 1 ||
            y->dim[i] != length_of(attr, i - 1, x->dim[i], w->dim[i + 1]))
            return 0;
    return 1;
}

static status shape_conv(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0], *w = a->in[1];
    int32_t last = x->rank - 1;
    out[0] = *x;
    if (window_is_valid(a->attr, last - 1) && w->rank == x->rank) {
        for (int32_t i = 1; i < last; i++)
            out[0].dim[i] = length_of(a->attr, i - 1, x->dim[i], w->dim[i + 1]);
        out[0].dim[last] = w->dim[0];
    }
    if (!conv_fits(x, w, out, a->attr))
        return shape_error(a, "expected x[B,S...,C] and weight[O,C/groups,K...] no larger than the padded S");
    if (a->attr->has_bias != (a->n_in == 3) ||
        (a->n_in == 3 && (a->in[2]->rank != 1 || a->in[2]->dim[0] != w->dim[0])))
        return shape_error(a, "expected bias[O]");
    return OK;
}

static status shape_conv_grad_input(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    return conv_fits(&out[0], a->in[0], a->in[1], a->attr)
               ? OK
               : shape_error(a,
                             "expected weight[O,C/groups,K...] and dy of the convolution of the shape asked "
                             "for");
}

static status shape_conv_grad_weight(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    return conv_fits(a->in[0], &out[0], a->in[1], a->attr)
               ? OK
               : shape_error(a, "expected x[B,S...,C] and dy of the convolution with the shape asked for");
}

/* Returns the window of `of` without bias and activation, which gradients do not have. */
static bk_attr window_attr(const bk_attr *of)
{
    bk_attr a = {.groups = of->groups};
    memcpy(a.stride, of->stride, sizeof a.stride);
    memcpy(a.dilation, of->dilation, sizeof a.dilation);
    memcpy(a.pad, of->pad, sizeof a.pad);
    memcpy(a.pad_end, of->pad_end, sizeof a.pad_end);
    return a;
}

static value grad_input(graph *g, value w, value dy, const bk_attr *of, const bk_shape *to)
{
    const bk_attr attr = window_attr(of);
    return graph_node(g, BK_CONV_GRAD_INPUT, &attr, (const value[]){w, dy}, 2, to);
}

static value grad_weight(graph *g, value x, value dy, const bk_attr *of, value w)
{
    const bk_attr attr = window_attr(of);
    bk_shape to = *graph_shape(g, w);
    return graph_node(g, BK_CONV_GRAD_WEIGHT, &attr, (const value[]){x, dy}, 2, &to);
}

/* A convolution without bias, because the gradient ops are linear in dy and in the other factor. */
static value forward(graph *g, value x, value w, const bk_attr *of)
{
    const bk_attr attr = window_attr(of);
    return graph_node(g, BK_CONV, &attr, (const value[]){x, w}, 2, NULL);
}

static void grad_conv(graph *g, const node *n, const value *dy, value *dx)
{
    value x = n->in[0], w = n->in[1];
    bk_shape to = *graph_shape(g, x);
    dx[0] = grad_input(g, w, dy[0], &n->attr, &to);
    dx[1] = grad_weight(g, x, dy[0], &n->attr, w);
    if (n->attr.has_bias) {
        value rows = op_view(g, dy[0], 2, -1, graph_dim(g, dy[0], -1));
        dx[2] = op_view(g, op_sum(g, rows, 1), 1, -1);
    }
}

static void grad_conv_grad_input(graph *g, const node *n, const value *d, value *dx)
{
    if (g->error != OK)
        return;
    value w = n->in[0], dy = n->in[1];
    dx[0] = grad_weight(g, d[0], dy, &n->attr, w);
    dx[1] = forward(g, d[0], w, &n->attr);
}

static void grad_conv_grad_weight(graph *g, const node *n, const value *d, value *dx)
{
    value x = n->in[0], dy = n->in[1];
    bk_shape to = *graph_shape(g, x);
    dx[0] = grad_input(g, d[0], dy, &n->attr, &to);
    dx[1] = forward(g, x, d[0], &n->attr);
}

/* The work for weights w[O,C,K...] and an output, or its gradient, y[B,S...,O]: the same for all three ops.
 */
static double flops_of(const bk_shape *w, const bk_shape *y)
{
    return 2 * (double)bk_count(y) * (double)bk_count(w) / (double)w->dim[0];
}

static double flops_conv(const bk_call *c)
{
    return flops_of(&c->in[1].shape, &c->out[0].shape);
}

static double flops_conv_grad_input(const bk_call *c)
{
    return flops_of(&c->in[0].shape, &c->in[1].shape);
}

static double flops_conv_grad_weight(const bk_call *c)
{
    return flops_of(&c->out[0].shape, &c->in[1].shape);
}

OP_RULE(CONV, conv, .arity = {2, 3, 1}, .shape = shape_conv, .gradient = grad_conv, .flops = flops_conv);
OP_RULE(CONV_GRAD_INPUT, conv_grad_input, .arity = {2, 2, 1}, .shape = shape_conv_grad_input,
        .gradient = grad_conv_grad_input, .flops = flops_conv_grad_input);
OP_RULE(CONV_GRAD_WEIGHT, conv_grad_weight, .arity = {2, 2, 1}, .shape = shape_conv_grad_weight,
        .gradient = grad_conv_grad_weight, .flops = flops_conv_grad_weight);

/* ---- constructors ---- */

op_window op_window_of(int stride, int pad)
{
    op_window w = {.groups = 1};
    for (int i = 0; i < BK_MAX_SPACE; i++) {
        w.stride[i] = stride;
        w.dilation[i] = 1;
        w.pad[i] = w.pad_end[i] = pad;
    }
    return w;
}

/* Entries for axes that x does not have stay 0, like all unused attributes. */
static bk_attr attr_of(const op_window *window, int32_t axes)
{
    bk_attr a = {.groups = window->groups};
    for (int32_t i = 0; i < axes && i < BK_MAX_SPACE; i++) {
        a.stride[i] = window->stride[i];
        a.dilation[i] = window->dilation[i];
        a.pad[i] = window->pad[i];
        a.pad_end[i] = window->pad_end[i];
    }
    return a;
}

value op_convolve(graph *g, value x, value weight, value bias, const op_window *window)
{
    if (g->error != OK)
        return NONE;
    bk_attr attr = attr_of(window, x == NONE ? 0 : graph_shape(g, x)->rank - 2);
    attr.has_bias = bias != NONE;
    return graph_node(g, BK_CONV, &attr, (const value[]){x, weight, bias}, bias != NONE ? 3 : 2, NULL);
}

value op_conv(graph *g, value x, value weight, value bias, int stride, int pad)
{
    const op_window window = op_window_of(stride, pad);
    return op_convolve(g, x, weight, bias, &window);
}

/* ---- the transposed convolution ---- */

/* S' of one axis of the transposed convolution; the attributes become those of the convolution that would go
 * from S' to S. Additional positions reduce the padding at the end. The last tap may not reach all of them;
 * those that a convolution with this stride would not skip are returned as a number of zeros to append. */
static int64_t transposed_length(bk_attr *a, int32_t i, int64_t x, int64_t k, int32_t more, int64_t *zeros)
{
    int64_t full = (x - 1) * a->stride[i] + a->dilation[i] * (k - 1) + 1;
    int64_t length = full - a->pad[i] - a->pad_end[i] + more;
    int32_t inside = more < a->pad_end[i] ? more : a->pad_end[i];
    a->pad_end[i] -= inside;
    *zeros = more - inside < a->stride[i] ? 0 : more - inside;
    return length - *zeros;
}

static value add_bias(graph *g, value y, value bias)
{
    return bias == NONE ? y : op_add(g, y, bias);
}

/* Appends zeros to y: [B,S'...,O] of the shape `to`. */
static value append_zeros(graph *g, value y, const bk_shape *to)
{
    if (g->error != OK || shape_equal(graph_shape(g, y), to))
        return y;
    const bk_attr attr = {0};
    return graph_node(g, BK_PAD, &attr, &y, 1, to);
}

static int transposed_is_valid(const bk_shape *x, const bk_shape *w, const bk_attr *a, const int32_t *more)
{
    int valid = window_is_valid(a, x->rank - 2) && w->rank == x->rank;
    for (int32_t i = 0; valid && i < x->rank - 2; i++)
        valid = more[i] >= 0 && (more[i] < a->stride[i] || more[i] < a->dilation[i]);
    return valid;
}

static value refuse_transposed(graph *g, const bk_shape *x, const bk_shape *w)
{
    char text[2][128];
    return graph_fail(g,
                      fail(ERR_INTERNAL,
                           "op_conv_transpose got %s, %s: expected x[B,S...,C] and weight[C,O/groups,K...], "
                           "and `more` below the stride or the dilation of its axis",
                           shape_text(x, text[0]), shape_text(w, text[1])));
}

value op_conv_transpose(graph *g, value x, value weight, value bias, const op_window *window,
                        const int32_t *more)
{
    static const int32_t none[BK_MAX_SPACE] = {0};
    if (g->error != OK || x == NONE || weight == NONE)
        return NONE;
    const bk_shape from = *graph_shape(g, x), w = *graph_shape(g, weight);
    bk_attr attr = attr_of(window, from.rank - 2);
    more = more ? more : none;
    if (!transposed_is_valid(&from, &w, &attr, more))
        return refuse_transposed(g, &from, &w);
    bk_shape to = from, padded;
    to.dim[from.rank - 1] = w.dim[1] * attr.groups;
    padded = to;
    for (int32_t i = 1; i < from.rank - 1; i++) {
        int64_t zeros;
        to.dim[i] = transposed_length(&attr, i - 1, from.dim[i], w.dim[i + 1], more[i - 1], &zeros);
        padded.dim[i] = to.dim[i] + zeros;
    }
    return add_bias(g, append_zeros(g, grad_input(g, weight, x, &attr, &to), &padded), bias);
}
