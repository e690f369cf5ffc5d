/* SPDX-License-Identifier: Apache-2.0 */
/* movement.c - ops that move numbers without changing them, and are each other's gradients. */
#include <string.h>

#include "lib/ops.h"
#include "lib/ops/rules.h"

/* ---- reshape ---- */

static status shape_reshape(const op_args *a, bk_shape *out)
{
    if (bk_count(a->in[0]) != bk_count(&out[0]))
        return shape_error(a, "the number of elements must stay");
    out[0].dtype = a->in[0]->dtype;
    return OK;
}

static value reshape_to(graph *g, value x, const bk_shape *to)
{
    return graph_node(g, BK_RESHAPE, &(bk_attr){0}, &x, 1, to);
}

static void grad_reshape(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = reshape_to(g, dy[0], &to);
}

OP_RULE(RESHAPE, reshape, .arity = {1, 1, 1}, .shape = shape_reshape, .gradient = grad_reshape,
        .traits = OP_VIEW | OP_CHEAP);

static status shape_detach(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    return OK;
}

static void grad_detach(graph *g, const node *n, const value *dy, value *dx)
{
    (void)g, (void)n, (void)dy, (void)dx;
}

OP_RULE(DETACH, detach, .arity = {1, 1, 1}, .shape = shape_detach, .gradient = grad_detach,
        .traits = OP_VIEW | OP_CHEAP);

value op_detach(graph *g, value x)
{
    return graph_node(g, BK_DETACH, &(bk_attr){0}, &x, 1, NULL);
}

value op_reshape(graph *g, value x, int32_t rank, const int64_t *dim)
{
    if (g->error != OK || x == NONE)
        return NONE;
    bk_shape to = shape_of((bk_dtype)graph_shape(g, x)->dtype, rank, dim);
    int64_t known = 1, total = bk_count(graph_shape(g, x));
    int32_t free_axis = -1;
    for (int32_t i = 0; i < rank; i++) {
        if (dim[i] < 0)
            free_axis = i;
        else
            known *= dim[i];
    }
    if (free_axis >= 0)
        to.dim[free_axis] = known ? total / known : 0;
    if (shape_equal(&to, graph_shape(g, x)))
        return x;
    return reshape_to(g, x, &to);
}

/* ---- transpose ---- */

static status shape_transpose(const op_args *a, bk_shape *out)
{
    out[0] = *a->in[0];
    unsigned seen = 0;
    for (int32_t i = 0; i < out[0].rank; i++) {
        int64_t from = a->attr->axes[i];
        if (from < 0 || from >= out[0].rank || (seen >> from & 1))
            return shape_error(a, "axes must be a permutation");
        seen |= 1u << from;
        out[0].dim[i] = a->in[0]->dim[from];
    }
    return OK;
}

value op_transpose(graph *g, value x, const int *axes)
{
    if (g->error != OK || x == NONE)
        return NONE;
    bk_attr attr = {0};
    for (int32_t i = 0; i < graph_shape(g, x)->rank; i++)
        attr.axes[i] = axes[i];
    return graph_node(g, BK_TRANSPOSE, &attr, &x, 1, NULL);
}

static void grad_transpose(graph *g, const node *n, const value *dy, value *dx)
{
    int inverse[BK_MAX_RANK];
    for (int32_t i = 0; i < graph_shape(g, dy[0])->rank; i++)
        inverse[n->attr.axes[i]] = i;
    dx[0] = op_transpose(g, dy[0], inverse);
}

OP_RULE(TRANSPOSE, transpose, .arity = {1, 1, 1}, .shape = shape_transpose, .gradient = grad_transpose,
        .traits = OP_CHEAP);

/* ---- slice and pad ---- */

/* `part` lies inside `whole` at offset axes. */
static int fits(const bk_shape *part, const bk_shape *whole, const int64_t *axes)
{
    if (part->rank != whole->rank)
        return 0;
    for (int32_t i = 0; i < part->rank; i++)
        if (axes[i] < 0 || part->dim[i] < 0 || axes[i] > whole->dim[i] - part->dim[i])
            return 0;
    return 1;
}

static status shape_slice(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    return fits(&out[0], a->in[0], a->attr->axes) ? OK : shape_error(a, "the slice must lie inside");
}

static status shape_pad(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    return fits(a->in[0], &out[0], a->attr->axes) ? OK
                                                  : shape_error(a, "the padded shape must contain the input");
}

static void grad_slice(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape whole = *graph_shape(g, n->in[0]);
    dx[0] = graph_node(g, BK_PAD, &n->attr, &dy[0], 1, &whole);
}

static void grad_pad(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape part = *graph_shape(g, n->in[0]);
    dx[0] = graph_node(g, BK_SLICE, &n->attr, &dy[0], 1, &part);
}

OP_RULE(SLICE, slice, .arity = {1, 1, 1}, .shape = shape_slice, .gradient = grad_slice, .traits = OP_CHEAP);
OP_RULE(PAD, pad, .arity = {1, 1, 1}, .shape = shape_pad, .gradient = grad_pad);

value op_slice(graph *g, value x, int axis, int64_t first, int64_t length)
{
    if (g->error != OK || x == NONE)
        return NONE;
    bk_shape part = *graph_shape(g, x);
    bk_attr attr = {0};
    char text[128];
    if (axis < 0 || axis >= part.rank)
        return graph_fail(g, fail(ERR_INTERNAL, "op slice got %s: no such axis", shape_text(&part, text)));
    attr.axes[axis] = first;
    part.dim[axis] = length;
    return graph_node(g, BK_SLICE, &attr, &x, 1, &part);
}

/* ---- concat ---- */

static status shape_concat(const op_args *a, bk_shape *out)
{
    int32_t axis = a->attr->axis;
    out[0] = *a->in[0];
    if (axis < 0 || axis >= out[0].rank)
        return shape_error(a, "no such axis");
    for (int32_t k = 1; k < a->n_in; k++) {
        bk_shape s = *a->in[k];
        int64_t length = s.rank == out[0].rank ? s.dim[axis] : 0;
        s.dim[axis] = a->in[0]->dim[axis];
        if (!shape_equal(&s, a->in[0]))
            return shape_error(a, "shapes must be equal on all other axes");
        out[0].dim[axis] += length;
    }
    return OK;
}

static void grad_concat(graph *g, const node *n, const value *dy, value *dx)
{
    int64_t first = 0;
    for (int32_t k = 0; k < n->n_in; k++) {
        int64_t length = graph_dim(g, n->in[k], n->attr.axis);
        dx[k] = op_slice(g, dy[0], n->attr.axis, first, length);
        first += length;
    }
}

OP_RULE(CONCAT, concat, .arity = {2, BK_MAX_IN, 1}, .shape = shape_concat, .gradient = grad_concat,
        .traits = OP_CHEAP);

value op_concat(graph *g, int axis, const value *x, int32_t n)
{
    if (g->error != OK)
        return NONE;
    return graph_node(g, BK_CONCAT, &(bk_attr){.axis = axis}, x, n, NULL);
}

/* ---- broadcast ---- */

static status shape_broadcast(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    if (a->in[0]->rank != out[0].rank)
        return shape_error(a, "ranks must be equal");
    for (int32_t i = 0; i < out[0].rank; i++)
        if (a->in[0]->dim[i] != 1 && a->in[0]->dim[i] != out[0].dim[i])
            return shape_error(a, "each axis must be 1 or the target's");
    return OK;
}

static void grad_broadcast(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = op_sum_to(g, dy[0], &to);
}

OP_RULE(BROADCAST, broadcast, .arity = {1, 1, 1}, .shape = shape_broadcast, .gradient = grad_broadcast,
        .traits = OP_CHEAP);

value op_broadcast(graph *g, value x, const bk_shape *to)
{
    if (g->error != OK || x == NONE || shape_equal(graph_shape(g, x), to))
        return x;
    return graph_node(g, BK_BROADCAST, &(bk_attr){0}, &x, 1, to);
}

/* ---- gather and scatter ---- */

static int index_fits(const bk_shape *x, const bk_shape *index)
{
    return x->rank == 3 && index->rank == 2 && index->dtype == BK_I32 && index->dim[0] == x->dim[0];
}

static status shape_gather(const op_args *a, bk_shape *out)
{
    if (!index_fits(a->in[0], a->in[1]))
        return shape_error(a, "expected x[B,N,C] and an int32 index[B,K]");
    out[0] = *a->in[0];
    out[0].dim[1] = a->in[1]->dim[1];
    return OK;
}

static status shape_scatter(const op_args *a, bk_shape *out)
{
    out[0].dtype = a->in[0]->dtype;
    if (!index_fits(a->in[0], a->in[1]) || a->in[0]->dim[1] != a->in[1]->dim[1] || out[0].rank != 3 ||
        out[0].dim[0] != a->in[0]->dim[0] || out[0].dim[2] != a->in[0]->dim[2])
        return shape_error(a, "expected y[B,K,C] and an int32 index[B,K] for x[B,N,C]");
    return OK;
}

static void grad_gather(graph *g, const node *n, const value *dy, value *dx)
{
    bk_shape to = *graph_shape(g, n->in[0]);
    dx[0] = graph_node(g, BK_SCATTER, &(bk_attr){0}, (const value[]){dy[0], n->in[1]}, 2, &to);
}

static void grad_scatter(graph *g, const node *n, const value *dy, value *dx)
{
    dx[0] = op_gather(g, dy[0], n->in[1]);
}

OP_RULE(GATHER, gather, .arity = {2, 2, 1}, .shape = shape_gather, .gradient = grad_gather);
OP_RULE(SCATTER, scatter, .arity = {2, 2, 1}, .shape = shape_scatter, .gradient = grad_scatter);

value op_gather(graph *g, value x, value index)
{
    return graph_node(g, BK_GATHER, &(bk_attr){0}, (const value[]){x, index}, 2, NULL);
}
