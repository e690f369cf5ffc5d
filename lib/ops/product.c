/* SPDX-License-Identifier: Apache-2.0 */
/* product.c - matrix products: the general one, and the linear layer that backends fuse with its neighbours.
 */
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* ---- matmul ---- */

static status shape_matmul(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0], *y = a->in[1];
    if (x->rank < 2 || y->rank < 2 || x->dtype != y->dtype ||
        (x->rank != y->rank && x->rank != 2 && y->rank != 2))
        return shape_error(a, "expected two matrices, or equal ranks, or one of rank 2");
    int64_t m = x->dim[x->rank - (a->attr->trans_a ? 1 : 2)],
            kx = x->dim[x->rank - (a->attr->trans_a ? 2 : 1)];
    int64_t n = y->dim[y->rank - (a->attr->trans_b ? 2 : 1)],
            ky = y->dim[y->rank - (a->attr->trans_b ? 1 : 2)];
    if (kx != ky)
        return shape_error(a, "inner dimensions differ");
    const bk_shape *batch = x->rank > y->rank ? x : y;
    if (x->rank == y->rank)
        for (int32_t i = 0; i < x->rank - 2; i++)
            if (x->dim[i] != y->dim[i])
                return shape_error(a, "leading axes differ");
    out[0] = *batch;
    out[0].dim[batch->rank - 2] = m;
    out[0].dim[batch->rank - 1] = n;
    return OK;
}

static value matmul(graph *g, value a, value b, int trans_a, int trans_b)
{
    bk_attr attr = {.trans_a = trans_a, .trans_b = trans_b};
    return graph_node(g, BK_MATMUL, &attr, (const value[]){a, b}, 2, NULL);
}

/* [..., M, K] -> [prod, K] */
static value rows(graph *g, value x)
{
    return op_view(g, x, 2, -1, graph_dim(g, x, -1));
}

value op_matmul(graph *g, value a, value b, int trans_a, int trans_b)
{
    if (g->error != OK || a == NONE || b == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, a);
    if (s.rank <= 2 || graph_shape(g, b)->rank != 2 || trans_a)
        return matmul(g, a, b, trans_a, trans_b);
    value y = matmul(g, rows(g, a), b, 0, trans_b); /* all share one b: computed as one large product */
    s.dim[s.rank - 1] = graph_dim(g, y, -1);
    return op_reshape(g, y, s.rank, s.dim);
}

/* A gradient that has more leading axes than its input sums over them. */
static value sum_batches(graph *g, value d, value like)
{
    if (g->error != OK)
        return NONE;
    bk_shape have = *graph_shape(g, d), want = *graph_shape(g, like);
    if (have.rank == want.rank)
        return d;
    value s = op_sum(g, d, (1u << (have.rank - want.rank)) - 1);
    return op_reshape(g, s, want.rank, want.dim);
}

static void grad_matmul(graph *g, const node *n, const value *dy, value *dx)
{
    value a = n->in[0], b = n->in[1];
    int ta = n->attr.trans_a, tb = n->attr.trans_b;
    dx[0] = sum_batches(g, ta ? op_matmul(g, b, dy[0], tb, 1) : op_matmul(g, dy[0], b, 0, !tb), a);
    dx[1] = sum_batches(g, tb ? op_matmul(g, dy[0], a, 1, ta) : op_matmul(g, a, dy[0], !ta, 0), b);
}

static double flops_matmul(const bk_call *c)
{
    const bk_shape *a = &c->in[0].shape;
    return 2 * (double)bk_count(&c->out[0].shape) * (double)a->dim[a->rank - (c->attr.trans_a ? 2 : 1)];
}

OP_RULE(MATMUL, matmul, .arity = {2, 2, 1}, .shape = shape_matmul, .gradient = grad_matmul,
        .flops = flops_matmul);

/* ---- linear ---- */

static status shape_linear(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0], *w = a->in[1];
    if (x->rank < 1 || w->rank != 2 || x->dim[x->rank - 1] != w->dim[1])
        return shape_error(a, "expected x[...,K], weight[N,K]");
    if (w->dtype != x->dtype && !bk_is_half(w->dtype))
        return shape_error(a, "expected a weight of the input's type, or of 16-bit floats");
    out[0] = *x;
    out[0].dim[x->rank - 1] = w->dim[0];
    int next = 2;
    if (a->attr->has_bias) {
        if (a->in[next]->rank != 1 || a->in[next]->dim[0] != w->dim[0])
            return shape_error(a, "expected bias[N]");
        next++;
    }
    if (a->attr->has_residual && !shape_equal(a->in[next], &out[0]))
        return shape_error(a, "the residual must have the result's shape");
    return OK;
}

value op_linear(graph *g, value x, value weight, value bias)
{
    bk_attr attr = {.has_bias = bias != NONE};
    return graph_node(g, BK_LINEAR, &attr, (const value[]){x, weight, bias}, bias != NONE ? 3 : 2, NULL);
}

/* Only plain linear nodes are ever differentiated: fusion happens afterwards, in the plan. */
static void grad_linear(graph *g, const node *n, const value *dy, value *dx)
{
    if (g->error != OK)
        return;
    if (bk_is_half(graph_shape(g, n->in[1])->dtype)) {
        graph_fail(g, fail(ERR_UNSUPPORTED, "op linear has no gradient if its weight is stored as 16-bit "
                                            "floats"));
        return;
    }
    value x = rows(g, n->in[0]), w = n->in[1], d = rows(g, dy[0]);
    bk_shape s = *graph_shape(g, n->in[0]);
    dx[0] = op_reshape(g, matmul(g, d, w, 0, 0), s.rank, s.dim);
    dx[1] = matmul(g, d, x, 1, 0);
    if (n->attr.has_bias)
        dx[2] = op_view(g, op_sum(g, d, 1), 1, -1);
}

static double flops_linear(const bk_call *c)
{
    const bk_shape *x = &c->in[0].shape;
    return 2 * (double)bk_count(&c->out[0].shape) * (double)x->dim[x->rank - 1];
}

OP_RULE(LINEAR, linear, .arity = {2, 4, 1}, .shape = shape_linear, .gradient = grad_linear,
        .flops = flops_linear, .traits = OP_LINEAR | OP_HALF_WEIGHT | OP_RESIDUAL_IN_PLACE);
