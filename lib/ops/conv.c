/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - convolution over 1 to 3 spatial axes, channels last. It is linear in both factors, so that it and
 * its two gradients are each other's gradients. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* x[B,S...,C], w[O,C,K...], y[B,S'...,O] with S' = (S + 2 pad - K) / stride + 1. */
static int conv_fits(const bk_shape *x, const bk_shape *w, const bk_shape *y, const bk_attr *attr)
{
    int32_t last = x->rank - 1;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank || y->rank != x->rank || attr->stride < 1 ||
        attr->pad < 0 || w->dtype != x->dtype || y->dtype != x->dtype)
        return 0;
    if (y->dim[0] != x->dim[0] || w->dim[1] != x->dim[last] || y->dim[last] != w->dim[0])
        return 0;
    for (int32_t i = 1; i < last; i++) {
        int64_t room = x->dim[i] + 2 * attr->pad - w->dim[i + 1];
        if (w->dim[i + 1] < 1 || room < 0 || y->dim[i] != room / attr->stride + 1)
            return 0;
    }
    return 1;
}

static status shape_conv(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0], *w = a->in[1];
    int32_t last = x->rank - 1;
    out[0] = *x;
    if (a->attr->stride >= 1 && w->rank == x->rank && last >= 2) {
        for (int32_t i = 1; i < last; i++)
            out[0].dim[i] = (x->dim[i] + 2 * a->attr->pad - w->dim[i + 1]) / a->attr->stride + 1;
        out[0].dim[last] = w->dim[0];
    }
    if (!conv_fits(x, w, out, a->attr))
        return shape_error(a, "expected x[B,S...,C] and weight[O,C,K...] no larger than the padded S");
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
               : shape_error(a, "expected weight[O,C,K...] and dy of the convolution of the shape asked for");
}

static status shape_conv_grad_weight(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    return conv_fits(a->in[0], &out[0], a->in[1], a->attr)
               ? OK
               : shape_error(a, "expected x[B,S...,C] and dy of the convolution with the shape asked for");
}

static value grad_input(graph *g, value w, value dy, const bk_attr *of, value x)
{
    bk_attr attr = {.stride = of->stride, .pad = of->pad};
    bk_shape to = *graph_shape(g, x);
    return graph_node(g, BK_CONV_GRAD_INPUT, &attr, (const value[]){w, dy}, 2, &to);
}

static value grad_weight(graph *g, value x, value dy, const bk_attr *of, value w)
{
    bk_attr attr = {.stride = of->stride, .pad = of->pad};
    bk_shape to = *graph_shape(g, w);
    return graph_node(g, BK_CONV_GRAD_WEIGHT, &attr, (const value[]){x, dy}, 2, &to);
}

static void grad_conv(graph *g, const node *n, const value *dy, value *dx)
{
    if (g->error != OK)
        return;
    value x = n->in[0], w = n->in[1];
    dx[0] = grad_input(g, w, dy[0], &n->attr, x);
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
    dx[1] = op_conv(g, d[0], w, NONE, n->attr.stride, n->attr.pad);
}

static void grad_conv_grad_weight(graph *g, const node *n, const value *d, value *dx)
{
    if (g->error != OK)
        return;
    value x = n->in[0], dy = n->in[1];
    dx[0] = grad_input(g, d[0], dy, &n->attr, x);
    dx[1] = op_conv(g, x, d[0], NONE, n->attr.stride, n->attr.pad);
}

/* Of weights w[O,C,K...] and an output, or its gradient, y[B,S...,O]: the same for all three. */
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

value op_conv(graph *g, value x, value weight, value bias, int stride, int pad)
{
    bk_attr attr = {.has_bias = bias != NONE, .stride = stride, .pad = pad};
    return graph_node(g, BK_CONV, &attr, (const value[]){x, weight, bias}, bias != NONE ? 3 : 2, NULL);
}
