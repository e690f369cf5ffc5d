/* SPDX-License-Identifier: Apache-2.0 */
/* space.c - linear maps over the spatial axes of x[B,S...,C]: reflect padding and linear resizing. Each map
 * and its transpose are each other's gradients. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* ---- reflect padding ---- */

/* `wide` is `x` with attr.axes[i] more elements on both sides of axis i. */
static int reflect_fits(const bk_shape *x, const bk_shape *wide, const bk_attr *attr)
{
    if (x->rank != wide->rank || x->dtype != wide->dtype)
        return 0;
    for (int32_t i = 0; i < x->rank; i++)
        if (attr->axes[i] < 0 || attr->axes[i] >= x->dim[i] || wide->dim[i] != x->dim[i] + 2 * attr->axes[i])
            return 0;
    return 1;
}

static status shape_reflect(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    for (int32_t i = 0; i < out[0].rank; i++)
        out[0].dim[i] += 2 * a->attr->axes[i];
    return reflect_fits(a->in[0], &out[0], a->attr)
               ? OK
               : shape_error(a, "a mirror must be shorter than its axis");
}

static status shape_reflect_grad(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    for (int32_t i = 0; i < out[0].rank; i++)
        out[0].dim[i] -= 2 * a->attr->axes[i];
    return reflect_fits(&out[0], a->in[0], a->attr)
               ? OK
               : shape_error(a, "a mirror must be shorter than its axis");
}

static void grad_reflect(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = graph_node(g, BK_REFLECT_GRAD, &n->attr, dy, 1, NULL);
}

static void grad_reflect_grad(graph *g, const node *n, const value *d, value *dx)
{
    dx[0] = graph_node(g, BK_REFLECT, &n->attr, d, 1, NULL);
}

OP_RULE(REFLECT, reflect, .arity = {1, 1, 1}, .shape = shape_reflect, .gradient = grad_reflect,
        .traits = OP_CHEAP);
OP_RULE(REFLECT_GRAD, reflect_grad, .arity = {1, 1, 1}, .shape = shape_reflect_grad,
        .gradient = grad_reflect_grad);

value op_reflect(graph *g, value x, int64_t pad)
{
    if (g->error != OK || x == NONE || pad == 0)
        return x;
    bk_attr attr = {0};
    for (int32_t i = 1; i < graph_shape(g, x)->rank - 1; i++)
        attr.axes[i] = pad;
    return graph_node(g, BK_REFLECT, &attr, &x, 1, NULL);
}

/* ---- linear resizing ---- */

static status shape_resize(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0];
    int32_t last = x->rank - 1;
    out[0].dtype = x->dtype;
    if (x->rank < 3 || x->rank > 5 || out[0].rank != x->rank || out[0].dim[0] != x->dim[0] ||
        out[0].dim[last] != x->dim[last])
        return shape_error(a, "expected x[B,S...,C] and a shape that differs in S alone");
    if (a->attr->mode < BK_RESIZE_HALF_PIXEL || a->attr->mode > BK_RESIZE_NEAREST)
        return shape_error(a, "expected a mode of enum bk_resize");
    for (int32_t i = 1; i < last; i++)
        if (out[0].dim[i] < 1)
            return shape_error(a, "a length must be at least 1");
    return OK;
}

static void grad_resize(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = graph_node(g, BK_RESIZE_LINEAR_GRAD, &n->attr, dy, 1, &to);
}

static void grad_resize_grad(graph *g, const node *n, const value *d, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = graph_node(g, BK_RESIZE_LINEAR, &n->attr, d, 1, &to);
}

OP_RULE(RESIZE_LINEAR, resize_linear, .arity = {1, 1, 1}, .shape = shape_resize, .gradient = grad_resize,
        .traits = OP_CHEAP);
OP_RULE(RESIZE_LINEAR_GRAD, resize_linear_grad, .arity = {1, 1, 1}, .shape = shape_resize,
        .gradient = grad_resize_grad);

static value resize(graph *g, value x, const int64_t *size, bk_resize mode)
{
    if (g->error != OK || x == NONE)
        return NONE;
    bk_shape to = *graph_shape(g, x);
    for (int32_t i = 1; i < to.rank - 1; i++)
        to.dim[i] = size[i - 1];
    return graph_node(g, BK_RESIZE_LINEAR, &(bk_attr){.mode = mode}, &x, 1, &to);
}

value op_resize_linear(graph *g, value x, const int64_t *size)
{
    return resize(g, x, size, BK_RESIZE_HALF_PIXEL);
}

value op_resize_corners(graph *g, value x, const int64_t *size)
{
    return resize(g, x, size, BK_RESIZE_CORNERS);
}

value op_resize_nearest(graph *g, value x, const int64_t *size)
{
    return resize(g, x, size, BK_RESIZE_NEAREST);
}
