/* SPDX-License-Identifier: Apache-2.0 */
/* group_norm.c - normalisation of groups of channels over space, gain, bias and a leaky ReLU in one op. Batch
 * norm is the same op over one sample that holds all pixels of the batch, with a group for each channel. */
#include "lib/ops.h"
#include "lib/ops/normal.h"
#include "lib/ops/rules.h"

static int groups_fit(const op_args *a)
{
    const bk_shape *x = a->in[0];
    int64_t groups = a->attr->groups;
    if (x->rank < 3 || groups < 1 || x->dim[x->rank - 1] % groups != 0)
        return 0;
    for (int i = 1; i < 3; i++)
        if (a->in[i]->rank != 1 || a->in[i]->dim[0] != x->dim[x->rank - 1] || a->in[i]->dtype != x->dtype)
            return 0;
    return 1;
}

static status shape_group_norm(const op_args *a, bk_shape *out)
{
    if (!groups_fit(a))
        return shape_error(a, "expected x[B,S...,C], gain[C], bias[C], and groups that divide C");
    out[0] = *a->in[0];
    out[1] = out[2] = (bk_shape){.dtype = a->in[0]->dtype, .rank = 2};
    out[1].dim[0] = out[2].dim[0] = a->in[0]->dim[0];
    out[1].dim[1] = out[2].dim[1] = a->attr->groups;
    return OK;
}

static status shape_group_norm_grad(const op_args *a, bk_shape *out)
{
    if (!groups_fit(a) || !shape_equal(a->in[0], a->in[3]))
        return shape_error(a, "expected x[B,S...,C], gain[C], bias[C], dy like x, and groups that divide C");
    out[0] = *a->in[0];
    out[1] = out[2] = *a->in[1];
    return OK;
}

/* Both rules view tensors as [B,S,G,C/G] and statistics as [B,1,G,1]. */
enum { GROUP_AXES = 1 << 1 | 1 << 3 };

static value in_groups(graph *g, value like_x, const node *n)
{
    int64_t groups = n->attr.groups;
    return op_view(g, like_x, 4, graph_dim(g, n->in[0], 0), -1, groups, graph_dim(g, n->in[0], -1) / groups);
}

static value by_channel(graph *g, value like_gain, const node *n)
{
    return op_view(g, like_gain, 4, 1, 1, n->attr.groups, -1);
}

static value back(graph *g, value grouped, value like)
{
    if (g->error != OK || grouped == NONE)
        return NONE;
    const bk_shape *s = graph_shape(g, like);
    return op_reshape(g, grouped, s->rank, s->dim);
}

/* Statistics are functions of x alone: d mean / dx = 1/n, d var / dx = 2 (x - mean)/n. */
static value through_statistics(graph *g, const node *n, value dmean, value dvar)
{
    value x = in_groups(g, n->in[0], n), sum = NONE;
    double part = 1.0 / (double)(graph_dim(g, x, 1) * graph_dim(g, x, 3));
    int64_t batch = graph_dim(g, x, 0);
    if (dmean != NONE)
        sum = op_affine(g, op_view(g, dmean, 4, batch, 1, -1, 1), part, 0);
    if (dvar != NONE) {
        value off = op_sub(g, x, op_view(g, n->out[1], 4, batch, 1, -1, 1));
        value rate = op_affine(g, op_view(g, dvar, 4, batch, 1, -1, 1), 2 * part, 0);
        sum = add_if_any(g, sum, op_mul(g, off, rate));
    }
    if (g->error != OK || sum == NONE)
        return NONE;
    bk_shape whole = *graph_shape(g, x);
    return back(g, op_broadcast(g, sum, &whole), n->in[0]);
}

static void grad_group_norm(graph *g, const node *n, const value *dout, value *dx)
{
    bk_attr attr = {.alpha = n->attr.alpha, .eps = n->attr.eps, .groups = n->attr.groups};
    if (dout[0] != NONE) {
        const value in[] = {n->in[0], n->in[1], n->in[2], dout[0]};
        value d = graph_node(g, BK_GROUP_NORM_GRAD, &attr, in, 4, NULL);
        for (int k = 0; d != NONE && k < 3; k++)
            dx[k] = g->nodes[g->values[d].node].out[k];
    }
    dx[0] = add_if_any(g, dx[0], through_statistics(g, n, dout[1], dout[2]));
}

OP_RULE(GROUP_NORM, group_norm, .arity = {3, 3, 3}, .shape = shape_group_norm, .gradient = grad_group_norm,
        .traits = OP_CHEAP);

static void grad_group_norm_grad(graph *g, const node *n, const value *d, value *dx)
{
    norm_grad of = {.z = normal_of(g, in_groups(g, n->in[0], n), GROUP_AXES, n->attr.eps), .slope = NONE};
    of.gain = by_channel(g, n->in[1], n);
    of.dy = in_groups(g, n->in[3], n);
    if (n->attr.alpha != 1) {
        value before = op_add(g, op_mul(g, of.z.z, of.gain), by_channel(g, n->in[2], n));
        of.slope = op_step(g, before, n->attr.alpha);
    }
    value u = d[0] == NONE ? NONE : in_groups(g, d[0], n);
    value v = d[1] == NONE ? NONE : by_channel(g, d[1], n);
    value w = d[2] == NONE ? NONE : by_channel(g, d[2], n);
    norm_grad_inputs at = norm_grad_again(g, &of, u, v, w);
    dx[0] = back(g, at.x, n->in[0]);
    dx[1] = back(g, at.gain, n->in[1]);
    dx[3] = back(g, at.dy, n->in[3]);
}

OP_RULE(GROUP_NORM_GRAD, group_norm_grad, .arity = {4, 4, 3}, .shape = shape_group_norm_grad,
        .gradient = grad_group_norm_grad);

value op_group_norm(graph *g, value x, value gain, value bias, int groups, double eps, double slope)
{
    bk_attr attr = {.alpha = slope, .eps = eps, .groups = groups};
    return graph_node(g, BK_GROUP_NORM, &attr, (const value[]){x, gain, bias}, 3, NULL);
}
