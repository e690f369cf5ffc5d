/* SPDX-License-Identifier: Apache-2.0 */
/* norm.c - layer norm and softmax over the last axis, instance norm over space. */
#include "lib/ops.h"
#include "lib/ops/normal.h"
#include "lib/ops/rules.h"

static int is_vector(const bk_shape *s, int64_t n)
{
    return s->rank == 1 && s->dim[0] == n;
}

/* layer_norm: y = (x - mean) / sqrt(var + eps) * gain + bias. */
static status shape_layer_norm(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0];
    if (x->rank < 1 || !is_vector(a->in[1], x->dim[x->rank - 1]) || !is_vector(a->in[2], x->dim[x->rank - 1]))
        return shape_error(a, "expected x[...,C], gain[C], bias[C]");
    out[0] = *x;
    return OK;
}

static status shape_layer_norm_grad(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0];
    if (x->rank < 1 || !is_vector(a->in[1], x->dim[x->rank - 1]) || !shape_equal(x, a->in[2]))
        return shape_error(a, "expected x[...,C], gain[C], dy like x");
    out[0] = *x;
    out[1] = out[2] = *a->in[1];
    return OK;
}

static void grad_layer_norm(graph *g, const node *n, const value *dy, value *dx)
{
    bk_attr attr = {.eps = n->attr.eps};
    value d = graph_node(g, BK_LAYER_NORM_GRAD, &attr, (const value[]){n->in[0], n->in[1], dy[0]}, 3, NULL);
    if (d == NONE)
        return;
    const node *made = &g->nodes[g->values[d].node];
    for (int k = 0; k < 3; k++)
        dx[k] = made->out[k];
}

/* v[C] as [1...,C] of the rank; NONE stays NONE. */
static value like_row(graph *g, value v, int32_t rank)
{
    int64_t dim[BK_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    dim[rank - 1] = -1;
    return v == NONE ? NONE : op_reshape(g, v, rank, dim);
}

static void grad_layer_norm_grad(graph *g, const node *n, const value *d, value *dx)
{
    int32_t rank = graph_shape(g, n->in[0])->rank;
    norm_grad of = {.z = normal_of(g, n->in[0], 1u << (rank - 1), n->attr.eps),
                    .gain = like_row(g, n->in[1], rank),
                    .dy = n->in[2],
                    .slope = NONE};
    norm_grad_inputs at = norm_grad_again(g, &of, d[0], like_row(g, d[1], rank), like_row(g, d[2], rank));
    dx[0] = at.x;
    dx[1] = at.gain == NONE ? NONE : op_view(g, at.gain, 1, -1);
    dx[2] = at.dy;
}

OP_RULE(LAYER_NORM, layer_norm, .arity = {3, 3, 1}, .shape = shape_layer_norm, .gradient = grad_layer_norm,
        .traits = OP_CHEAP);
OP_RULE(LAYER_NORM_GRAD, layer_norm_grad, .arity = {3, 3, 3}, .shape = shape_layer_norm_grad,
        .gradient = grad_layer_norm_grad);

value op_layer_norm(graph *g, value x, value gain, value bias, double eps)
{
    return graph_node(g, BK_LAYER_NORM, &(bk_attr){.eps = eps}, (const value[]){x, gain, bias}, 3, NULL);
}

static status shape_softmax(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return out[0].rank >= 1 ? OK : shape_error(a, "expected at least one axis");
}

static void grad_softmax(graph *g, const node *n, const value *dy, value *dx) /* y (dy - sum(dy y)) */
{
    if (g->error != OK)
        return;
    value y = n->out[0];
    uint32_t last = 1u << (graph_shape(g, y)->rank - 1);
    dx[0] = op_mul(g, y, op_sub(g, dy[0], op_sum(g, op_mul(g, dy[0], y), last)));
}

OP_RULE(SOFTMAX, softmax, .arity = {1, 1, 1}, .shape = shape_softmax, .gradient = grad_softmax);

value op_softmax(graph *g, value x)
{
    return graph_node(g, BK_SOFTMAX, &(bk_attr){0}, &x, 1, NULL);
}

static void grad_log_softmax(graph *g, const node *n, const value *dy, value *dx) /* dy - e^y sum(dy) */
{
    if (g->error != OK)
        return;
    value y = n->out[0];
    uint32_t last = 1u << (graph_shape(g, y)->rank - 1);
    dx[0] = op_sub(g, dy[0], op_mul(g, op_exp(g, y), op_sum(g, dy[0], last)));
}

OP_RULE(LOG_SOFTMAX, log_softmax, .arity = {1, 1, 1}, .shape = shape_softmax, .gradient = grad_log_softmax);

value op_log_softmax(graph *g, value x)
{
    return graph_node(g, BK_LOG_SOFTMAX, &(bk_attr){0}, &x, 1, NULL);
}

/* instance_norm: y = leaky((x - mean) / sqrt(var + eps)), over S... of x[B,S...,C]. */
static status shape_instance_norm(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return out[0].rank >= 3 ? OK : shape_error(a, "expected x[B,S...,C]");
}

static status shape_instance_norm_grad(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return out[0].rank >= 3 && shape_equal(a->in[0], a->in[1])
               ? OK
               : shape_error(a, "expected x[B,S...,C], dy like x");
}

static void grad_instance_norm(graph *g, const node *n, const value *dy, value *dx)
{
    bk_attr attr = {.alpha = n->attr.alpha, .eps = n->attr.eps};
    dx[0] = graph_node(g, BK_INSTANCE_NORM_GRAD, &attr, (const value[]){n->in[0], dy[0]}, 2, NULL);
}

static void grad_instance_norm_grad(graph *g, const node *n, const value *d, value *dx)
{
    uint32_t space = (1u << (graph_shape(g, n->in[0])->rank - 1)) - 2u;
    norm_grad of = {
        .z = normal_of(g, n->in[0], space, n->attr.eps), .gain = NONE, .dy = n->in[1], .slope = NONE};
    if (n->attr.alpha != 1)
        of.slope = op_step(g, of.z.z, n->attr.alpha);
    norm_grad_inputs at = norm_grad_again(g, &of, d[0], NONE, NONE);
    dx[0] = at.x;
    dx[1] = at.dy;
}

OP_RULE(INSTANCE_NORM, instance_norm, .arity = {1, 1, 1}, .shape = shape_instance_norm,
        .gradient = grad_instance_norm, .traits = OP_CHEAP);
OP_RULE(INSTANCE_NORM_GRAD, instance_norm_grad, .arity = {2, 2, 1}, .shape = shape_instance_norm_grad,
        .gradient = grad_instance_norm_grad);

value op_instance_norm(graph *g, value x, double eps, double slope)
{
    return graph_node(g, BK_INSTANCE_NORM, &(bk_attr){.alpha = slope, .eps = eps}, &x, 1, NULL);
}
