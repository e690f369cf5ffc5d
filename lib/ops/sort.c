/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c - ops along the last axis that depend on the order of its elements: sort, cumulative sum, and
 * choices by an index. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static status shape_rows(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return out[0].rank >= 1 && out[0].dtype != BK_I32 ? OK : shape_error(a, "expected real x[...,N]");
}

/* ---- sort ---- */

static status shape_sort(const op_args *a, bk_shape *out)
{
    TRY(shape_rows(a, out));
    out[1] = out[0];
    out[1].dtype = BK_I32;
    return OK;
}

/* x[...,N] as [rows,N,1]: the shape for gather and scatter, in which each row has an index of its own. */
static value as_rows(graph *g, value x)
{
    return op_view(g, x, 3, -1, graph_dim(g, x, -1), 1);
}

static value as_index(graph *g, value index)
{
    return op_view(g, index, 2, -1, graph_dim(g, index, -1));
}

/* The gradient of y[n] is added to that of x[index[n]]. */
static void grad_sort(graph *g, const node *n, const value *dout, value *dx)
{
    if (g->error != OK || dout[0] == NONE)
        return;
    bk_shape whole = *graph_shape(g, n->in[0]);
    value index = as_index(g, n->out[1]), picked = as_rows(g, dout[0]);
    if (g->error != OK)
        return;
    bk_shape rows = *graph_shape(g, picked);
    value d = graph_node(g, BK_SCATTER, &(bk_attr){0}, (const value[]){picked, index}, 2, &rows);
    dx[0] = op_reshape(g, d, whole.rank, whole.dim);
}

OP_RULE(SORT, sort, .arity = {1, 1, 2}, .shape = shape_sort, .gradient = grad_sort);

value op_sort(graph *g, value x, value *index)
{
    value y = graph_node(g, BK_SORT, &(bk_attr){0}, &x, 1, NULL);
    *index = y == NONE ? NONE : g->nodes[g->values[y].node].out[1];
    return y;
}

value op_top_k(graph *g, value x, int64_t k, value *index)
{
    value y = op_sort(g, x, index);
    if (y == NONE)
        return NONE;
    int last = graph_shape(g, y)->rank - 1;
    *index = op_slice(g, *index, last, 0, k);
    return op_slice(g, y, last, 0, k);
}

value op_take(graph *g, value x, value index)
{
    if (g->error != OK || x == NONE || index == NONE)
        return NONE;
    bk_shape to = *graph_shape(g, index);
    value picked = op_gather(g, as_rows(g, x), as_index(g, index));
    return op_reshape(g, picked, to.rank, to.dim);
}

/* ---- cumulative sum ---- */

static value sum_along(graph *g, value x, int32_t reverse)
{
    return graph_node(g, BK_CUMSUM, &(bk_attr){.reverse = reverse}, &x, 1, NULL);
}

static void grad_cumsum(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = sum_along(g, dy[0], !n->attr.reverse);
}

OP_RULE(CUMSUM, cumsum, .arity = {1, 1, 1}, .shape = shape_rows, .gradient = grad_cumsum);

value op_cumsum(graph *g, value x)
{
    return sum_along(g, x, 0);
}
