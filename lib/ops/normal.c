/* SPDX-License-Identifier: Apache-2.0 */
/* normal.c - normalisation as ordinary nodes, and its first and second derivatives. */
#include "lib/ops/normal.h"

#include "lib/ops.h"

normal normal_of(graph *g, value x, uint32_t axes, double eps)
{
    normal n = {.axes = axes};
    value centred = op_sub(g, x, op_mean(g, x, axes));
    value variance = op_mean(g, op_mul(g, centred, centred), axes);
    double one = 1;
    value unit = graph_constant(g, shape_of(g->real, 0, NULL), &one);
    n.inverse = op_div(g, unit, op_sqrt(g, op_affine(g, variance, 1, eps)));
    n.z = op_mul(g, centred, n.inverse);
    return n;
}

static value mean_with(graph *g, const normal *n, value h, value factor)
{
    return op_mean(g, op_mul(g, h, factor), n->axes);
}

/* D(h) */
static value gradient(graph *g, const normal *n, value h)
{
    value along = op_mul(g, n->z, mean_with(g, n, h, n->z));
    value rest = op_sub(g, op_sub(g, h, op_mean(g, h, n->axes)), along);
    return op_mul(g, rest, n->inverse);
}

/* The gradient at x through D(h), if the gradient at D(h) is u and du = D(u). */
static value gradient_again(graph *g, const normal *n, value u, value du, value h)
{
    value dh = gradient(g, n, h);
    value sum = op_mul(g, n->z, mean_with(g, n, u, dh));
    sum = op_add(g, sum, op_mul(g, du, mean_with(g, n, h, n->z)));
    sum = op_add(g, sum, op_mul(g, dh, mean_with(g, n, u, n->z)));
    return op_affine(g, op_mul(g, sum, n->inverse), -1, 0);
}

value add_if_any(graph *g, value a, value b)
{
    return a == NONE ? b : b == NONE ? a : op_add(g, a, b);
}

/* a times factor, which may be NONE: 1. */
static value scaled(graph *g, value a, value factor)
{
    return factor == NONE ? a : op_mul(g, a, factor);
}

norm_grad_inputs norm_grad_again(graph *g, const norm_grad *n, value u, value v, value w)
{
    norm_grad_inputs at = {NONE, NONE, NONE};
    if (g->error != OK)
        return at;
    bk_shape whole = *graph_shape(g, n->dy);
    value a = scaled(g, n->dy, n->slope), at_a = NONE;
    if (u != NONE) {
        value du = gradient(g, &n->z, u);
        at.x = gradient_again(g, &n->z, u, du, scaled(g, a, n->gain));
        at_a = scaled(g, du, n->gain);
        if (n->gain != NONE && g->error == OK) {
            bk_shape to = *graph_shape(g, n->gain);
            at.gain = op_sum_to(g, op_mul(g, a, du), &to);
        }
    }
    if (v != NONE) {
        at.x = add_if_any(g, at.x, gradient(g, &n->z, op_mul(g, v, a)));
        at_a = add_if_any(g, at_a, op_mul(g, v, n->z.z));
    }
    if (w != NONE)
        at_a = add_if_any(g, at_a, op_broadcast(g, w, &whole));
    at.dy = at_a == NONE ? NONE : scaled(g, at_a, n->slope);
    return at;
}
