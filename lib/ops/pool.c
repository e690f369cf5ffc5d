/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - pooling over the spatial axes of x[B,S...,C]. The maximum is an op that also outputs its index,
 * which its gradient and unpooling use to put values back. Averages are linear maps along each axis, made of
 * ordinary ops, which provide all derivatives. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static int is_space(const bk_shape *x)
{
    return x->rank >= 3 && x->rank <= 2 + BK_MAX_SPACE;
}

static int64_t pixels_of(const bk_shape *x)
{
    return bk_count(x) / (x->dim[0] * x->dim[x->rank - 1]);
}

/* ---- the maximum and its place ---- */

/* True if window i of n contains an element of the axis. */
static int has_element(const bk_attr *attr, int axis, int64_t i, int64_t n)
{
    int64_t first = i * attr->stride[axis] - attr->pad[axis], step = attr->dilation[axis];
    int64_t last = first + (attr->kernel[axis] - 1) * step;
    if (first < 0)
        first += (-first + step - 1) / step * step;
    return first <= last && first < n;
}

static int axis_fits(const bk_attr *attr, int axis, int64_t from, int64_t to)
{
    if (from < 1 || to < 1)
        return 0;
    if (attr->kernel[axis] == 0) /* adaptive */
        return 1;
    if (attr->kernel[axis] < 1 || attr->stride[axis] < 1 || attr->dilation[axis] < 1 || attr->pad[axis] < 0)
        return 0;
    for (int64_t i = 0; i < to; i++)
        if (!has_element(attr, axis, i, from))
            return 0;
    return 1;
}

static status shape_max_pool(const op_args *a, bk_shape *out)
{
    const bk_shape *x = a->in[0];
    int32_t last = x->rank - 1;
    out[0].dtype = x->dtype;
    if (!is_space(x) || out[0].rank != x->rank || out[0].dim[0] != x->dim[0] ||
        out[0].dim[last] != x->dim[last] || pixels_of(x) > INT32_MAX)
        return shape_error(a, "expected x[B,S...,C] and a shape that differs in S alone");
    for (int32_t i = 1; i < last; i++)
        if (!axis_fits(a->attr, i - 1, x->dim[i], out[0].dim[i]))
            return shape_error(a, "each window must hold an element of x: kernel, stride and dilation are at "
                                  "least 1, and a window is not all padding");
    out[1] = out[0];
    out[1].dtype = BK_I32;
    return OK;
}

/* [B,S...,C] as [B,N,C] */
static value in_rows(graph *g, value x)
{
    return op_view(g, x, 3, graph_dim(g, x, 0), -1, graph_dim(g, x, -1));
}

static void grad_max_pool(graph *g, const node *n, const value *dy, value *dx)
{
    if (g->error != OK || dy[0] == NONE)
        return;
    const bk_shape *s = graph_shape(g, n->in[0]);
    dx[0] = op_unpool(g, dy[0], n->out[1], s->dim + 1);
}

OP_RULE(MAX_POOL, max_pool, .arity = {1, 1, 2}, .shape = shape_max_pool, .gradient = grad_max_pool);

/* PyTorch's length: the last window must begin inside x or in the padding before x. */
static int64_t pooled_length(const pool_window *w, const bk_attr *attr, int axis, int64_t n)
{
    int64_t stride = attr->stride[axis], pad = attr->pad[axis];
    int64_t room = n + 2 * pad - (int64_t)attr->dilation[axis] * (attr->kernel[axis] - 1) - 1;
    if (room < 0 || stride < 1)
        return 0;
    int64_t length = (room + (w->ceil ? stride - 1 : 0)) / stride + 1;
    return w->ceil && (length - 1) * stride >= n + pad ? length - 1 : length;
}

static bk_attr attr_of(const pool_window *w, int axes)
{
    bk_attr attr = {0};
    for (int i = 0; i < axes; i++) {
        attr.kernel[i] = w->kernel[i];
        attr.stride[i] = w->stride[i] ? w->stride[i] : w->kernel[i];
        attr.dilation[i] = w->dilation[i] ? w->dilation[i] : 1;
        attr.pad[i] = w->pad[i];
    }
    return attr;
}

static value max_pool(graph *g, value x, const bk_attr *attr, const bk_shape *to, value *index)
{
    value y = graph_node(g, BK_MAX_POOL, attr, &x, 1, to);
    if (y != NONE && index)
        *index = g->nodes[g->values[y].node].out[1];
    return y;
}

/* Checks that x is an image of 1 to 3 axes; the graph fails if it is not. */
static int check_image(graph *g, value x, const char *op)
{
    char text[128];
    if (g->error != OK || x == NONE)
        return 0;
    if (is_space(graph_shape(g, x)))
        return 1;
    graph_fail(g, fail(ERR_INTERNAL, "op %s got %s: expected x[B,S...,C] with 1 to 3 axes S", op,
                       shape_text(graph_shape(g, x), text)));
    return 0;
}

value op_max_pool(graph *g, value x, const pool_window *window, value *index)
{
    if (index)
        *index = NONE;
    if (!check_image(g, x, "max_pool"))
        return NONE;
    bk_shape to = *graph_shape(g, x);
    bk_attr attr = attr_of(window, to.rank - 2);
    for (int32_t i = 1; i < to.rank - 1; i++)
        to.dim[i] = pooled_length(window, &attr, i - 1, to.dim[i]);
    return max_pool(g, x, &attr, &to, index);
}

value op_adaptive_max_pool(graph *g, value x, const int64_t *size, value *index)
{
    if (index)
        *index = NONE;
    if (!check_image(g, x, "max_pool"))
        return NONE;
    bk_shape to = *graph_shape(g, x);
    for (int32_t i = 1; i < to.rank - 1; i++)
        to.dim[i] = size[i - 1];
    return max_pool(g, x, &(bk_attr){0}, &to, index);
}

value op_unpool(graph *g, value y, value index, const int64_t *size)
{
    if (!check_image(g, y, "unpool") || index == NONE)
        return NONE;
    bk_shape to = *graph_shape(g, y);
    for (int32_t i = 1; i < to.rank - 1; i++)
        to.dim[i] = size[i - 1];
    value rows = op_put(g, in_rows(g, y), in_rows(g, index), pixels_of(&to));
    return op_reshape(g, rows, to.rank, to.dim);
}

/* ---- averages ---- */

/* One axis of an average: element i of `to` is the sum of elements [first, end) over `count`. */
typedef struct range {
    int64_t first, end, count;
} range;

typedef range (*range_fn)(const pool_window *w, int axis, int64_t i, int64_t from, int64_t to);

static range sliding(const pool_window *w, int axis, int64_t i, int64_t from, int64_t to)
{
    (void)to;
    int64_t stride = w->stride[axis] ? w->stride[axis] : w->kernel[axis], pad = w->pad[axis];
    range r = {.first = i * stride - pad};
    r.end = r.first + w->kernel[axis];
    if (r.end > from + pad)
        r.end = from + pad;
    r.count = r.end - r.first;
    r.first = r.first < 0 ? 0 : r.first;
    r.end = r.end > from ? from : r.end;
    if (w->skip_padding)
        r.count = r.end - r.first;
    return r;
}

static range adaptive(const pool_window *w, int axis, int64_t i, int64_t from, int64_t to)
{
    (void)w, (void)axis;
    range r = {.first = i * from / to, .end = ((i + 1) * from + to - 1) / to};
    r.count = r.end - r.first;
    return r;
}

/* The map along an axis as a matrix [to,from]. */
static value average_matrix(graph *g, const pool_window *w, int axis, range_fn range_of, int64_t from,
                            int64_t to)
{
    void *block;
    status s = mem_zeros(g->mem, (size_t)(to * from), sizeof(double), &block);
    if (s != OK)
        return graph_fail(g, s);
    double *matrix = block;
    for (int64_t i = 0; i < to; i++) {
        range r = range_of(w, axis, i, from, to);
        for (int64_t k = r.first; k < r.end; k++)
            matrix[i * from + k] = 1.0 / (double)r.count;
    }
    value made = graph_constant(g, shape_of(g->real, 2, (const int64_t[]){to, from}), matrix);
    mem_give(g->mem, block);
    return made;
}

/* Each element of `to` averages `from / to` elements that no other one reads. */
static int is_split(const pool_window *w, int axis, range_fn range_of, int64_t from, int64_t to)
{
    int64_t part = from / to;
    for (int64_t i = 0; i < to; i++) {
        range r = range_of(w, axis, i, from, to);
        if (r.first != i * part || r.end != (i + 1) * part || r.count != part)
            return 0;
    }
    return part * to == from;
}

/* The average along spatial axis `axis` alone. */
static value average_axis(graph *g, value x, const pool_window *w, int axis, range_fn range_of, int64_t to)
{
    if (g->error != OK)
        return NONE;
    bk_shape s = *graph_shape(g, x);
    int64_t from = s.dim[axis + 1], outer = 1, inner = 1;
    for (int32_t i = 0; i <= axis; i++)
        outer *= s.dim[i];
    for (int32_t i = axis + 2; i < s.rank; i++)
        inner *= s.dim[i];
    value y;
    if (is_split(w, axis, range_of, from, to)) {
        y = from == to ? x : op_mean(g, op_view(g, x, 4, outer, to, from / to, inner), 1 << 2);
    } else {
        value matrix = average_matrix(g, w, axis, range_of, from, to);
        y = op_matmul(g, matrix, op_view(g, x, 3, outer, from, inner), 0, 0);
    }
    s.dim[axis + 1] = to;
    return op_reshape(g, y, s.rank, s.dim);
}

value op_average_pool(graph *g, value x, const pool_window *window)
{
    if (!check_image(g, x, "average_pool"))
        return NONE;
    bk_shape s = *graph_shape(g, x);
    bk_attr attr = attr_of(window, s.rank - 2);
    for (int axis = 0; axis < s.rank - 2; axis++) {
        int64_t from = s.dim[axis + 1], to = pooled_length(window, &attr, axis, from);
        if (attr.dilation[axis] != 1 || attr.pad[axis] < 0 || 2 * attr.pad[axis] > attr.kernel[axis] ||
            to < 1)
            return graph_fail(g, fail(ERR_INTERNAL,
                                      "op average_pool: a window of %d with padding %d does not fit an axis "
                                      "of %lld: padding is at most half of it, and there is no dilation",
                                      (int)attr.kernel[axis], (int)attr.pad[axis], (long long)from));
        x = average_axis(g, x, window, axis, sliding, to);
    }
    return x;
}

value op_adaptive_average_pool(graph *g, value x, const int64_t *size)
{
    if (!check_image(g, x, "adaptive_average_pool"))
        return NONE;
    int axes = graph_shape(g, x)->rank - 2;
    for (int axis = 0; axis < axes; axis++) {
        if (size[axis] < 1)
            return graph_fail(g, fail(ERR_INTERNAL, "op adaptive_average_pool: a size must be at least 1"));
        x = average_axis(g, x, NULL, axis, adaptive, size[axis]);
    }
    return x;
}

/* All axes S of x[B,S...,C], as a mask. */
static uint32_t space_of(const graph *g, value x)
{
    return (1u << (graph_shape(g, x)->rank - 1)) - 2u;
}

value op_global_average_pool(graph *g, value x)
{
    return check_image(g, x, "global_average_pool") ? op_mean(g, x, space_of(g, x)) : NONE;
}

value op_global_max_pool(graph *g, value x)
{
    return check_image(g, x, "global_max_pool") ? op_reduce_max(g, x, space_of(g, x)) : NONE;
}
