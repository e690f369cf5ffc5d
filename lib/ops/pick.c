/* SPDX-License-Identifier: Apache-2.0 */
/* pick.c - reads numbers from, or adds them at, an index that each channel has of its own; the two ops are
 * each other's gradients. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static int index_fits(const bk_shape *x, const bk_shape *index)
{
    return x->rank == 3 && index->rank == 3 && index->dtype == BK_I32 && index->dim[0] == x->dim[0] &&
           index->dim[2] == x->dim[2];
}

static status shape_pick(const op_args *a, bk_shape *out)
{
    if (!index_fits(a->in[0], a->in[1]))
        return shape_error(a, "expected x[B,N,C] and an int32 index[B,K,C]");
    out[0] = *a->in[1];
    out[0].dtype = a->in[0]->dtype;
    return OK;
}

static status shape_put(const op_args *a, bk_shape *out)
{
    const bk_shape *y = a->in[0];
    out[0].dtype = y->dtype;
    if (!index_fits(y, a->in[1]) || a->in[1]->dim[1] != y->dim[1] || !index_fits(&out[0], a->in[1]))
        return shape_error(a, "expected y[B,K,C] and an int32 index[B,K,C] for x[B,N,C]");
    return OK;
}

static void grad_pick(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_put(g, dy[0], n->in[1], graph_dim(g, n->in[0], 1));
}

static void grad_put(graph *g, const node *n, const value *d, value *dx)
{
    dx[0] = op_pick(g, d[0], n->in[1]);
}

OP_RULE(PICK, pick, .arity = {2, 2, 1}, .shape = shape_pick, .gradient = grad_pick);
OP_RULE(PUT, put, .arity = {2, 2, 1}, .shape = shape_put, .gradient = grad_put);

value op_pick(graph *g, value x, value index)
{
    return graph_node(g, BK_PICK, &(bk_attr){0}, (const value[]){x, index}, 2, NULL);
}

value op_put(graph *g, value y, value index, int64_t length)
{
    if (g->error != OK || y == NONE)
        return NONE;
    bk_shape to = *graph_shape(g, y);
    to.dim[1] = length;
    return graph_node(g, BK_PUT, &(bk_attr){0}, (const value[]){y, index}, 2, &to);
}
