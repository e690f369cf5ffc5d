/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - sums and maxima over axes, which stay with length 1. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static status shape_reduce(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    for (int32_t i = 0; i < out[0].rank; i++)
        if (a->attr->axes[i])
            out[0].dim[i] = 1;
    return OK;
}

static value reduce(graph *g, bk_op op, value x, uint32_t axes)
{
    bk_attr attr = {0};
    for (int32_t i = 0; i < BK_MAX_RANK; i++)
        attr.axes[i] = axes >> i & 1;
    return graph_node(g, op, &attr, &x, 1, NULL);
}

static void grad_sum(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = op_broadcast(g, dy[0], &to);
}

OP_RULE(SUM, sum, .arity = {1, 1, 1}, .shape = shape_reduce, .gradient = grad_sum);

/* Equal maxima share the gradient, as in PyTorch's amax. */
static void grad_reduce_max(graph *g, const node *n, const value *dy, value *dx)
{
    uint32_t axes = 0;
    for (int32_t i = 0; i < BK_MAX_RANK; i++)
        axes |= (uint32_t)(n->attr.axes[i] != 0) << i;
    value below = op_step(g, op_sub(g, n->out[0], n->in[0]), 0); /* 1 if x is less than the maximum */
    value maxima = op_affine(g, below, -1, 1);
    dx[0] = op_mul(g, maxima, op_div(g, dy[0], op_sum(g, maxima, axes)));
}

OP_RULE(REDUCE_MAX, reduce_max, .arity = {1, 1, 1}, .shape = shape_reduce, .gradient = grad_reduce_max);

value op_sum(graph *g, value x, uint32_t axes)
{
    return reduce(g, BK_SUM, x, axes);
}

value op_reduce_max(graph *g, value x, uint32_t axes)
{
    return reduce(g, BK_REDUCE_MAX, x, axes);
}

value op_mean(graph *g, value x, uint32_t axes)
{
    if (g->error != OK || x == NONE)
        return NONE;
    int64_t n = 1;
    for (int32_t i = 0; i < graph_shape(g, x)->rank; i++)
        if (axes >> i & 1)
            n *= graph_dim(g, x, i);
    return op_affine(g, op_sum(g, x, axes), 1.0 / (double)n, 0);
}

value op_sum_all(graph *g, value x)
{
    return op_reshape(g, op_sum(g, x, ~0u), 0, NULL);
}

value op_mean_all(graph *g, value x)
{
    return op_reshape(g, op_mean(g, x, ~0u), 0, NULL);
}

value op_sum_to(graph *g, value x, const bk_shape *to)
{
    if (g->error != OK || x == NONE)
        return NONE;
    const bk_shape *s = graph_shape(g, x);
    uint32_t axes = 0;
    for (int32_t i = 0; i < s->rank; i++)
        if (to->dim[i] == 1 && s->dim[i] != 1)
            axes |= 1u << i;
    return axes ? op_sum(g, x, axes) : x;
}
