/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.c - functions of one number, or of two or three with broadcasting. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* ---- one input ---- */

static status shape_same(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return OK;
}

static value unary(graph *g, bk_op op, value x, double alpha, double beta)
{
    return graph_node(g, op, &(bk_attr){.alpha = alpha, .beta = beta}, &x, 1, NULL);
}

value op_affine(graph *g, value x, double alpha, double beta)
{
    return unary(g, BK_AFFINE, x, alpha, beta);
}

static void grad_affine(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_affine(g, dy[0], n->attr.alpha, 0);
}

OP_RULE(AFFINE, affine, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_affine,
        .traits = OP_IN_PLACE | OP_CHEAP);

value op_exp(graph *g, value x)
{
    return unary(g, BK_EXP, x, 0, 0);
}

static void grad_exp(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_mul(g, dy[0], n->out[0]);
}

OP_RULE(EXP, exp, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_exp, .traits = OP_IN_PLACE);

value op_log(graph *g, value x)
{
    return unary(g, BK_LOG, x, 0, 0);
}

static void grad_log(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_div(g, dy[0], n->in[0]);
}

OP_RULE(LOG, log, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_log, .traits = OP_IN_PLACE);

value op_sqrt(graph *g, value x)
{
    return unary(g, BK_SQRT, x, 0, 0);
}

static void grad_sqrt(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_div(g, op_affine(g, dy[0], 0.5, 0), n->out[0]);
}

OP_RULE(SQRT, sqrt, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_sqrt, .traits = OP_IN_PLACE);

value op_abs(graph *g, value x)
{
    return unary(g, BK_ABS, x, 0, 0);
}

static void grad_abs(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_mul(g, dy[0], op_sign(g, n->in[0]));
}

OP_RULE(ABS, abs, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_abs, .traits = OP_IN_PLACE);

value op_sign(graph *g, value x)
{
    return unary(g, BK_SIGN, x, 0, 0);
}

/* The function is piecewise constant, so its gradient is 0. */
static void grad_zero(graph *g, const node *n, const value *dy, value *dx)
{
    (void)g, (void)n, (void)dy, (void)dx;
}

OP_RULE(SIGN, sign, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_zero, .traits = OP_IN_PLACE);

value op_sigmoid(graph *g, value x)
{
    return unary(g, BK_SIGMOID, x, 0, 0);
}

static void grad_sigmoid(graph *g, const node *n, const value *dy, value *dx) /* y (1 - y) */
{
    value y = n->out[0];
    dx[0] = op_mul(g, op_mul(g, dy[0], y), op_affine(g, y, -1, 1));
}

OP_RULE(SIGMOID, sigmoid, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_sigmoid,
        .traits = OP_IN_PLACE | OP_CHEAP);

value op_tanh(graph *g, value x)
{
    return unary(g, BK_TANH, x, 0, 0);
}

static void grad_tanh(graph *g, const node *n, const value *dy, value *dx) /* 1 - y^2 */
{
    value y = n->out[0];
    dx[0] = op_mul(g, dy[0], op_affine(g, op_mul(g, y, y), -1, 1));
}

OP_RULE(TANH, tanh, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_tanh,
        .traits = OP_IN_PLACE | OP_CHEAP);

value op_leaky_relu(graph *g, value x, double slope)
{
    return unary(g, BK_LEAKY_RELU, x, slope, 0);
}

static void grad_leaky_relu(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_mul(g, dy[0], op_step(g, n->in[0], n->attr.alpha));
}

OP_RULE(LEAKY_RELU, leaky_relu, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_leaky_relu,
        .traits = OP_IN_PLACE | OP_CHEAP);

value op_step(graph *g, value x, double slope)
{
    return unary(g, BK_STEP, x, slope, 0);
}

OP_RULE(STEP, step, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_zero, .traits = OP_IN_PLACE);

value op_gelu(graph *g, value x)
{
    return unary(g, BK_GELU, x, 0, 0);
}

static void grad_gelu(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_gelu_grad(g, n->in[0], dy[0]);
}

OP_RULE(GELU, gelu, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_gelu,
        .traits = OP_IN_PLACE | OP_CHEAP);

value op_softplus(graph *g, value x)
{
    return unary(g, BK_SOFTPLUS, x, 0, 0);
}

static void grad_softplus(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_mul(g, dy[0], op_sigmoid(g, n->in[0]));
}

OP_RULE(SOFTPLUS, softplus, .arity = {1, 1, 1}, .shape = shape_same, .gradient = grad_softplus,
        .traits = OP_IN_PLACE);

/* ---- two inputs ---- */

static status shape_broadcast_pair(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0], *y = a->in[1];
    if (x->rank != y->rank || x->dtype != y->dtype)
        return shape_error(a, "ranks and types must be equal");
    out[0] = *x;
    for (int32_t i = 0; i < x->rank; i++) {
        if (x->dim[i] != y->dim[i] && x->dim[i] != 1 && y->dim[i] != 1)
            return shape_error(a, "each axis must be equal, or 1 in one of them");
        out[0].dim[i] = x->dim[i] == 1 ? y->dim[i] : x->dim[i];
    }
    return OK;
}

/* Gives x leading axes of length 1 up to rank. */
static value lift(graph *g, value x, int32_t rank)
{
    bk_shape s = *graph_shape(g, x);
    int64_t dim[BK_MAX_RANK];
    if (s.rank >= rank)
        return x;
    for (int32_t i = 0; i < rank; i++)
        dim[i] = i < rank - s.rank ? 1 : s.dim[i - (rank - s.rank)];
    return op_reshape(g, x, rank, dim);
}

static value binary(graph *g, bk_op op, value a, value b)
{
    if (g->error != OK || a == NONE || b == NONE)
        return NONE;
    int32_t ra = graph_shape(g, a)->rank, rb = graph_shape(g, b)->rank;
    value in[2] = {lift(g, a, rb), lift(g, b, ra)};
    return graph_node(g, op, &(bk_attr){0}, in, 2, NULL);
}

/* The gradient of one side of a broadcast pair. */
static value side(graph *g, const node *n, int i, value d)
{
    if (g->error != OK)
        return NONE;
    bk_shape to = *graph_shape(g, n->in[i]);
    return op_sum_to(g, d, &to);
}

value op_add(graph *g, value a, value b)
{
    return binary(g, BK_ADD, a, b);
}

static void grad_add(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = side(g, n, 0, dy[0]);
    dx[1] = side(g, n, 1, dy[0]);
}

OP_RULE(ADD, add, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_add,
        .traits = OP_IN_PLACE);

value op_sub(graph *g, value a, value b)
{
    return binary(g, BK_SUB, a, b);
}

static void grad_sub(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = side(g, n, 0, dy[0]);
    dx[1] = op_affine(g, side(g, n, 1, dy[0]), -1, 0);
}

OP_RULE(SUB, sub, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_sub,
        .traits = OP_IN_PLACE);

value op_mul(graph *g, value a, value b)
{
    return binary(g, BK_MUL, a, b);
}

static void grad_mul(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = side(g, n, 0, op_mul(g, dy[0], n->in[1]));
    dx[1] = side(g, n, 1, op_mul(g, dy[0], n->in[0]));
}

OP_RULE(MUL, mul, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_mul,
        .traits = OP_IN_PLACE);

value op_div(graph *g, value a, value b)
{
    return binary(g, BK_DIV, a, b);
}

static void grad_div(graph *g, const node *n, const value *dy, value *dx) /* dy/b, -dy y/b */
{
    value q = op_div(g, dy[0], n->in[1]);
    dx[0] = side(g, n, 0, q);
    dx[1] = op_affine(g, side(g, n, 1, op_mul(g, q, n->out[0])), -1, 0);
}

OP_RULE(DIV, div, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_div,
        .traits = OP_IN_PLACE);

value op_maximum(graph *g, value a, value b)
{
    return binary(g, BK_MAXIMUM, a, b);
}

static void grad_maximum(graph *g, const node *n, const value *dy, value *dx) /* ties go to b */
{
    value first = op_step(g, op_sub(g, n->in[0], n->in[1]), 0);
    dx[0] = side(g, n, 0, op_mul(g, dy[0], first));
    dx[1] = side(g, n, 1, op_mul(g, dy[0], op_affine(g, first, -1, 1)));
}

OP_RULE(MAXIMUM, maximum, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_maximum,
        .traits = OP_IN_PLACE);

value op_less(graph *g, value a, value b)
{
    return binary(g, BK_LESS, a, b);
}

OP_RULE(LESS, less, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_zero,
        .traits = OP_IN_PLACE);

value op_equal(graph *g, value a, value b)
{
    return binary(g, BK_EQUAL, a, b);
}

OP_RULE(EQUAL, equal, .arity = {2, 2, 1}, .shape = shape_broadcast_pair, .gradient = grad_zero,
        .traits = OP_IN_PLACE);

value op_gelu_grad(graph *g, value x, value dy)
{
    return binary(g, BK_GELU_GRAD, x, dy);
}

static status shape_equal_pair(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return shape_equal(a->in[0], a->in[1]) ? OK : shape_error(a, "shapes must be equal");
}

/* d/dx of e (Phi(x) + x phi(x)) = e (2 - x^2) phi(x). */
static void grad_gelu_grad(graph *g, const node *n, const value *dy, value *dx)
{
    value x = n->in[0], square = op_mul(g, x, x);
    value phi = op_affine(g, op_exp(g, op_affine(g, square, -0.5, 0)), 0.39894228040143267794, 0);
    value curve = op_mul(g, op_affine(g, square, -1, 2), phi);
    dx[0] = op_mul(g, dy[0], op_mul(g, n->in[1], curve));
    dx[1] = op_gelu_grad(g, x, dy[0]);
}

OP_RULE(GELU_GRAD, gelu_grad, .arity = {2, 2, 1}, .shape = shape_equal_pair, .gradient = grad_gelu_grad,
        .traits = OP_IN_PLACE);

/* ---- three inputs ---- */

static status shape_where(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    for (int k = 1; k < 3; k++) {
        if (a->in[k]->rank != out[0].rank || a->in[k]->dtype != out[0].dtype)
            return shape_error(a, "ranks and types must be equal");
        for (int32_t i = 0; i < out[0].rank; i++)
            if (out[0].dim[i] == 1)
                out[0].dim[i] = a->in[k]->dim[i];
    }
    for (int k = 0; k < 3; k++)
        for (int32_t i = 0; i < out[0].rank; i++)
            if (a->in[k]->dim[i] != 1 && a->in[k]->dim[i] != out[0].dim[i])
                return shape_error(a, "each axis must be equal, or 1");
    return OK;
}

value op_where(graph *g, value mask, value a, value b)
{
    if (g->error != OK || mask == NONE || a == NONE || b == NONE)
        return NONE;
    value in[3] = {mask, a, b};
    int32_t rank = 0;
    for (int k = 0; k < 3; k++)
        rank = graph_shape(g, in[k])->rank > rank ? graph_shape(g, in[k])->rank : rank;
    for (int k = 0; k < 3; k++)
        in[k] = lift(g, in[k], rank);
    return graph_node(g, BK_WHERE, &(bk_attr){0}, in, 3, NULL);
}

static void grad_where(graph *g, const node *n, const value *dy, value *dx)
{
    value zero = op_number(g, 0);
    dx[1] = side(g, n, 1, op_where(g, n->in[0], dy[0], zero));
    dx[2] = side(g, n, 2, op_where(g, n->in[0], zero, dy[0]));
}

OP_RULE(WHERE, where, .arity = {3, 3, 1}, .shape = shape_where, .gradient = grad_where);
