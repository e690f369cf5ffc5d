/* SPDX-License-Identifier: Apache-2.0 */
/* labels.c - ops between numbers and int32 labels: cast, one-hot, argmax, cross-entropy and its gradient. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* Labels, and functions of labels alone, have no derivative. */
static void grad_none(graph *g, const node *n, const value *dy, value *dx)
{
    (void)g, (void)n, (void)dy, (void)dx;
}

static int is_real(const bk_shape *s)
{
    return s->dtype == BK_F32 || s->dtype == BK_F64;
}

/* An int32 label[...] for each row of x[...,K]. */
static int labels_fit(const bk_shape *label, const bk_shape *x)
{
    if (label->dtype != BK_I32 || !is_real(x) || x->rank != label->rank + 1)
        return 0;
    for (int32_t i = 0; i < label->rank; i++)
        if (label->dim[i] != x->dim[i])
            return 0;
    return 1;
}

/* ---- cast ---- */

static status shape_cast(const op_args *a, bk_shape *out)
{
    int fits = a->in[0]->dtype == BK_I32 && is_real(&out[0]);
    int32_t real = out[0].dtype;
    out[0] = *a->in[0];
    out[0].dtype = real;
    return fits ? OK : shape_error(a, "expected int32 numbers");
}

OP_RULE(CAST, cast, .arity = {1, 1, 1}, .shape = shape_cast, .gradient = grad_none, .traits = OP_CHEAP);

value op_cast(graph *g, value x)
{
    bk_shape real = {.dtype = g->real};
    return graph_node(g, BK_CAST, &(bk_attr){0}, &x, 1, &real);
}

/* ---- one-hot ---- */

static status shape_one_hot(const op_args *a, bk_shape *out)
{
    return labels_fit(a->in[0], &out[0]) ? OK : shape_error(a, "expected an int32 label[...] for y[...,K]");
}

OP_RULE(ONE_HOT, one_hot, .arity = {1, 1, 1}, .shape = shape_one_hot, .gradient = grad_none,
        .traits = OP_CHEAP);

value op_one_hot(graph *g, value label, int64_t classes, int32_t ignored)
{
    if (g->error != OK || label == NONE)
        return NONE;
    bk_shape y = *graph_shape(g, label);
    if (y.rank == BK_MAX_RANK || classes < 1)
        return graph_fail(g, fail(ERR_INTERNAL, "op one_hot: an axis of %lld classes does not fit the shape",
                                  (long long)classes));
    y.dtype = g->real;
    y.dim[y.rank++] = classes;
    return graph_node(g, BK_ONE_HOT, &(bk_attr){.ignored = ignored}, &label, 1, &y);
}

/* ---- argmax ---- */

static status shape_argmax(const op_args *a, bk_shape *out)
{
    int32_t axis = a->attr->axis;
    out[0] = *a->in[0];
    if (!is_real(&out[0]) || axis < 0 || axis >= out[0].rank)
        return shape_error(a, "expected real x and one of its axes");
    out[0].dtype = BK_I32;
    out[0].dim[axis] = 1;
    return OK;
}

OP_RULE(ARGMAX, argmax, .arity = {1, 1, 1}, .shape = shape_argmax, .gradient = grad_none);

value op_argmax(graph *g, value x, int axis)
{
    if (g->error != OK || x == NONE)
        return NONE;
    int32_t rank = graph_shape(g, x)->rank, at = axis < 0 ? rank + axis : axis;
    value place = graph_node(g, BK_ARGMAX, &(bk_attr){.axis = at}, &x, 1, NULL);
    if (place == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, place);
    for (int32_t i = at + 1; i < rank; i++)
        s.dim[i - 1] = s.dim[i];
    return op_reshape(g, place, rank - 1, s.dim);
}

/* ---- cross-entropy ---- */

static int entropy_fits(const op_args *a)
{
    const bk_shape *x = a->in[0], *w = a->attr->has_weight ? a->in[2] : NULL;
    return labels_fit(a->in[1], x) &&
           (!w || (w->dtype == x->dtype && w->rank == 1 && w->dim[0] == x->dim[x->rank - 1]));
}

static status shape_cross_entropy(const op_args *a, bk_shape *out)
{
    if (a->n_in != 2 + (a->attr->has_weight != 0) || !entropy_fits(a))
        return shape_error(a, "expected x[...,K], an int32 label[...], and as weights w[K]");
    out[0] = *a->in[1];
    out[0].dtype = a->in[0]->dtype;
    out[1] = out[0];
    return OK;
}

static status shape_cross_entropy_grad(const op_args *a, bk_shape *out)
{
    bk_shape loss = *a->in[1];
    loss.dtype = a->in[0]->dtype;
    if (a->n_in != 3 + (a->attr->has_weight != 0) || !entropy_fits(a) ||
        !shape_equal(&loss, a->in[a->n_in - 1]))
        return shape_error(a, "expected x[...,K], an int32 label[...], as weights w[K], and dloss[...]");
    out[0] = *a->in[0];
    return OK;
}

static value entropy_gradient(graph *g, const node *n, value dloss)
{
    value in[4] = {n->in[0], n->in[1], n->in[2]};
    int32_t inputs = 2 + (n->attr.has_weight != 0);
    bk_attr attr = {.ignored = n->attr.ignored, .has_weight = n->attr.has_weight};
    in[inputs++] = dloss;
    return graph_node(g, BK_CROSS_ENTROPY_GRAD, &attr, in, inputs, NULL);
}

/* x[...] with one more axis, of length 1. */
static value column(graph *g, value x)
{
    if (g->error != OK || x == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, x);
    s.dim[s.rank] = 1;
    return op_reshape(g, x, s.rank + 1, s.dim);
}

/* Sums v[...] over the labels' classes: [K]. */
static value by_class(graph *g, const node *n, value v)
{
    int64_t classes = graph_dim(g, n->in[0], -1);
    value chosen = op_mul(g, op_one_hot(g, n->in[1], classes, n->attr.ignored), column(g, v));
    return op_view(g, op_sum(g, op_view(g, chosen, 2, -1, classes), 1), 1, classes);
}

/* The losses (and in *weight the weights) of the same labels. */
static value entropy_of(graph *g, const node *n, int weighted, value *weight)
{
    bk_attr attr = {.ignored = n->attr.ignored, .has_weight = weighted};
    value loss = graph_node(g, BK_CROSS_ENTROPY, &attr, n->in, 2 + (weighted != 0), NULL);
    *weight = loss == NONE ? NONE : g->nodes[g->values[loss].node].out[1];
    return loss;
}

/* loss = w[label] l and weight = w[label]: dw sums dloss l + dweight over the pixels of each class. */
static void grad_cross_entropy(graph *g, const node *n, const value *dout, value *dx)
{
    value sum = dout[1], weight;
    if (dout[0] != NONE) {
        dx[0] = entropy_gradient(g, n, dout[0]);
        if (n->attr.has_weight) {
            value part = op_mul(g, dout[0], entropy_of(g, n, 0, &weight));
            sum = sum == NONE ? part : op_add(g, sum, part);
        }
    }
    if (n->attr.has_weight)
        dx[2] = by_class(g, n, sum);
}

OP_RULE(CROSS_ENTROPY, cross_entropy, .arity = {2, 3, 2}, .shape = shape_cross_entropy,
        .gradient = grad_cross_entropy);

/* With p = softmax(x), u = p - one_hot(label), and v the gradient of dx = w dloss u:
 *   d/dx = w dloss p (v - sum(v p)),  d/ddloss = w sum(v u),  d/dw sums dloss sum(v u) over each class. */
static void grad_cross_entropy_grad(graph *g, const node *n, const value *v, value *d)
{
    int32_t rank = graph_shape(g, n->in[0])->rank, last = n->n_in - 1;
    uint32_t classes = 1u << (rank - 1);
    value weight, dloss = n->in[last], p = op_softmax(g, n->in[0]);
    entropy_of(g, n, n->attr.has_weight, &weight);
    node plain = *n;
    plain.attr.has_weight = 0;
    bk_shape loss = *graph_shape(g, dloss);
    value u = entropy_gradient(g, &plain, op_broadcast(g, op_fill(g, loss.rank, 1), &loss));
    value slope = op_reshape(g, op_sum(g, op_mul(g, v[0], u), classes), loss.rank, loss.dim);
    value curve = op_mul(g, p, op_sub(g, v[0], op_sum(g, op_mul(g, v[0], p), classes)));
    d[0] = op_mul(g, column(g, op_mul(g, weight, dloss)), curve);
    d[last] = op_mul(g, weight, slope);
    if (n->attr.has_weight)
        d[2] = by_class(g, n, op_mul(g, dloss, slope));
}

OP_RULE(CROSS_ENTROPY_GRAD, cross_entropy_grad, .arity = {3, 4, 1}, .shape = shape_cross_entropy_grad,
        .gradient = grad_cross_entropy_grad);

value op_cross_entropy(graph *g, value x, value label, value class_weight, int32_t ignored, value *weight)
{
    bk_attr attr = {.ignored = ignored, .has_weight = class_weight != NONE};
    value loss = graph_node(g, BK_CROSS_ENTROPY, &attr, (const value[]){x, label, class_weight},
                            2 + attr.has_weight, NULL);
    *weight = loss == NONE ? NONE : g->nodes[g->values[loss].node].out[1];
    return loss;
}
