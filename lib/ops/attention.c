/* SPDX-License-Identifier: Apache-2.0 */
/* attention.c - softmax attention over all tokens, or inside the windows of a (rolled) grid. Fused: the
 * scores are never stored; the gradient recomputes them from the log-sum-exp. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static status shape_heads(const op_args *a, bk_shape *out)
{
    const bk_shape *qkv = a->in[0];
    int64_t heads = a->attr->heads;
    if (qkv->rank != 3 || heads < 1 || qkv->dim[2] % (3 * heads) != 0)
        return shape_error(a, "expected qkv[B,N,3*heads*width]");
    out[0] = *qkv;
    out[0].dim[2] = qkv->dim[2] / 3;
    out[1] = *qkv;
    out[1].dim[1] = heads;
    out[1].dim[2] = qkv->dim[1];
    return OK;
}

static status shape_window(const op_args *a, bk_shape *out)
{
    const bk_attr *t = a->attr;
    const bk_shape *qkv = a->in[0], *table = a->in[1];
    int64_t side = 2 * (int64_t)t->window - 1;
    TRY(shape_heads(a, out));
    if (t->window < 1 || t->grid_h % t->window || t->grid_w % t->window ||
        qkv->dim[1] != (int64_t)t->grid_h * t->grid_w)
        return shape_error(a, "the grid must have as many cells as tokens, and the window must divide it");
    if (t->shift < 0 || t->shift >= t->window)
        return shape_error(a, "the shift must be less than the window");
    if (table->rank != 2 || table->dim[0] != side * side || table->dim[1] != t->heads)
        return shape_error(a, "expected a bias table [(2*window-1)^2, heads]");
    return OK;
}

static status shape_attention_grad(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return OK;
}

static status shape_window_attention_grad(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    out[1] = *a->in[1];
    return OK;
}

static void grad_attention(graph *g, const node *n, const value *dy, value *dx)
{
    value in[4] = {n->in[0], n->out[0], n->out[1], dy[0]};
    dx[0] = graph_node(g, BK_ATTENTION_GRAD, &n->attr, in, 4, NULL);
}

static void grad_window_attention(graph *g, const node *n, const value *dy, value *dx)
{
    value in[5] = {n->in[0], n->in[1], n->out[0], n->out[1], dy[0]};
    dx[0] = graph_node(g, BK_WINDOW_ATTENTION_GRAD, &n->attr, in, 5, NULL);
    if (dx[0] != NONE)
        dx[1] = g->nodes[g->values[dx[0]].node].out[1];
}

/* The work of one product of scores with rows, over all heads: 2 * pairs * width. A token attends to `reach`
 * tokens. */
static double product_flops(const bk_call *c, int64_t reach)
{
    const bk_shape *qkv = &c->in[0].shape;
    return 2 * (double)qkv->dim[0] * (double)qkv->dim[1] * (double)reach * ((double)qkv->dim[2] / 3);
}

static double flops_attention(const bk_call *c)
{
    return 2 * product_flops(c, c->in[0].shape.dim[1]);
}

static double flops_attention_grad(const bk_call *c)
{
    return 2 * flops_attention(c);
}

static double flops_window_attention(const bk_call *c)
{
    return 2 * product_flops(c, (int64_t)c->attr.window * c->attr.window);
}

static double flops_window_attention_grad(const bk_call *c)
{
    return 2 * flops_window_attention(c);
}

OP_RULE(ATTENTION, attention, .arity = {1, 1, 2}, .shape = shape_heads, .gradient = grad_attention,
        .flops = flops_attention);
OP_RULE(ATTENTION_GRAD, attention_grad, .arity = {4, 4, 1}, .shape = shape_attention_grad,
        .flops = flops_attention_grad);
OP_RULE(WINDOW_ATTENTION, window_attention, .arity = {2, 2, 2}, .shape = shape_window,
        .gradient = grad_window_attention, .flops = flops_window_attention);
OP_RULE(WINDOW_ATTENTION_GRAD, window_attention_grad, .arity = {5, 5, 2},
        .shape = shape_window_attention_grad, .flops = flops_window_attention_grad);

value op_attention(graph *g, value qkv, int heads, double scale)
{
    return graph_node(g, BK_ATTENTION, &(bk_attr){.alpha = scale, .heads = heads}, &qkv, 1, NULL);
}

value op_window_attention(graph *g, value qkv, value table, window_grid grid, int heads, double scale)
{
    bk_attr attr = {.alpha = scale,
                    .heads = heads,
                    .grid_h = grid.grid_h,
                    .grid_w = grid.grid_w,
                    .window = grid.window,
                    .shift = grid.shift};
    return graph_node(g, BK_WINDOW_ATTENTION, &attr, (const value[]){qkv, table}, 2, NULL);
}
