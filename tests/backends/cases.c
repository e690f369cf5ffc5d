/* SPDX-License-Identifier: Apache-2.0 */
/* cases.c - cases of ops that more than one test needs, and one case of each op. */
#include "tests/backends/harness.h"

op_case layer_norm_case(const char *rows, int64_t width, domain from)
{
    op_case c = {.op = BK_LAYER_NORM, .n_in = 3, .n_out = 1, .from = {from}};
    c.in[0] = shape(rows);
    c.in[0].dim[c.in[0].rank++] = width;
    c.in[1] = c.in[2] = shape_of(1, width, 0, 0);
    c.out[0] = c.in[0];
    /* Of two numbers, normalised, only the order is left and dx is nearly 0: a larger eps keeps it. */
    c.attr.eps = width <= 4 ? 0.5 : 1e-5;
    /* The mean is found to u sqrt(C) of its size, and divided by the deviation. */
    c.tolerance = from == OFFSET ? sum_tolerance(width) / 4 * 100 / 0.58 : sum_tolerance(width);
    return c;
}

/* Sums over the pixels of a sample. */
op_case instance_norm_case(const char *x, double alpha, domain from)
{
    op_case c = {.op = BK_INSTANCE_NORM, .n_in = 1, .n_out = 1, .from = {from}};
    c.in[0] = c.out[0] = shape(x);
    c.attr.alpha = alpha;
    int64_t pixels = bk_count(&c.in[0]) / c.in[0].dim[0] / c.in[0].dim[c.in[0].rank - 1];
    /* Of two numbers, normalised, only the order is left and dx is nearly 0: a larger eps keeps it. */
    c.attr.eps = pixels <= 4 ? 0.5 : 1e-5;
    c.tolerance = sum_tolerance(pixels);
    return c;
}

op_case group_norm_case(const char *x, int32_t groups, double alpha, domain from)
{
    op_case c = {.op = BK_GROUP_NORM, .n_in = 3, .n_out = 3, .from = {from, ANY_VALUE, ANY_VALUE}};
    c.in[0] = c.out[0] = shape(x);
    int64_t channels = c.in[0].dim[c.in[0].rank - 1];
    int64_t n = bk_count(&c.in[0]) / c.in[0].dim[0] / groups;
    c.in[1] = c.in[2] = shape_of(1, channels, 0, 0);
    c.out[1] = c.out[2] = shape_of(2, c.in[0].dim[0], groups, 0);
    c.attr.alpha = alpha;
    c.attr.groups = groups;
    /* Of two numbers, normalised, only the order is left and dx is nearly 0: a larger eps keeps it. */
    c.attr.eps = n <= 4 ? 0.5 : 1e-5;
    c.tolerance = sum_tolerance(n);
    return c;
}

op_case pool_case(const pool_row *r)
{
    op_case c = {.op = BK_MAX_POOL, .n_in = 1, .n_out = 2, .tolerance = EXACT};
    c.in[0] = shape(r->x);
    c.out[0] = shape(r->y);
    c.out[1] = with_type(c.out[0], BK_I32);
    for (int i = 0; i < BK_MAX_SPACE; i++) {
        c.attr.kernel[i] = r->kernel[i];
        c.attr.stride[i] = r->stride[i];
        c.attr.pad[i] = r->pad[i];
        c.attr.dilation[i] = r->dilation[i];
    }
    return c;
}

/* The window is attr's; of more axes than x has, attr's entries are dropped, as the engine does. */
op_case windowed_case(const char *x, const char *kernel, int64_t out, const bk_attr *window, bool bias)
{
    op_case c = {.op = BK_CONV, .n_in = bias ? 3 : 2, .n_out = 1};
    bk_shape k = shape(kernel);
    c.attr.has_bias = bias;
    c.attr.groups = window->groups;
    c.in[0] = c.out[0] = shape(x);
    c.in[1] = shape_of(2, out, c.in[0].dim[c.in[0].rank - 1] / window->groups, 0);
    c.in[2] = shape_of(1, out, 0, 0);
    for (int32_t i = 0; i < k.rank; i++) {
        int64_t reach = window->dilation[i] * (k.dim[i] - 1) + 1;
        c.in[1].dim[c.in[1].rank++] = k.dim[i];
        c.attr.stride[i] = window->stride[i];
        c.attr.dilation[i] = window->dilation[i];
        c.attr.pad[i] = window->pad[i];
        c.attr.pad_end[i] = window->pad_end[i];
        c.out[0].dim[1 + i] =
            (c.in[0].dim[1 + i] + window->pad[i] + window->pad_end[i] - reach) / window->stride[i] + 1;
    }
    c.out[0].dim[k.rank + 1] = out;
    c.tolerance = sum_tolerance(bk_count(&c.in[1]) / out);
    return c;
}

op_case conv_case(const conv_row *r, bool bias)
{
    bk_attr window = {.groups = 1};
    for (int i = 0; i < BK_MAX_SPACE; i++) {
        window.stride[i] = r->stride;
        window.dilation[i] = 1;
        window.pad[i] = window.pad_end[i] = r->pad;
    }
    return windowed_case(r->x, r->kernel, r->out, &window, bias);
}

op_case attention_case(int64_t images, int64_t tokens, int64_t heads, int64_t width)
{
    op_case c = {.op = BK_ATTENTION, .n_in = 1, .n_out = 2};
    c.attr.heads = (int32_t)heads;
    c.attr.alpha = 1 / sqrt((double)width);
    c.in[0] = shape_of(3, images, tokens, 3 * heads * width);
    c.out[0] = shape_of(3, images, tokens, heads * width);
    c.out[1] = shape_of(3, images, heads, tokens);
    c.tolerance = attention_tolerance(tokens, width, c.attr.alpha);
    return c;
}

op_case window_case(const int64_t d[7])
{
    op_case c = {.op = BK_WINDOW_ATTENTION, .n_in = 2, .n_out = 2};
    int64_t images = d[0], tokens = d[1] * d[2], side = 2 * d[3] - 1, heads = d[5], width = d[6];
    c.attr.grid_h = (int32_t)d[1];
    c.attr.grid_w = (int32_t)d[2];
    c.attr.window = (int32_t)d[3];
    c.attr.shift = (int32_t)d[4];
    c.attr.heads = (int32_t)heads;
    c.attr.alpha = 1 / sqrt((double)width);
    c.in[0] = shape_of(3, images, tokens, 3 * heads * width);
    c.in[1] = shape_of(2, side * side, heads, 0);
    c.out[0] = shape_of(3, images, tokens, heads * width);
    c.out[1] = shape_of(3, images, heads, tokens);
    /* dtable sums over all windows; the forward op over the tokens of one. */
    c.tolerance = attention_tolerance(d[3] * d[3], width, c.attr.alpha);
    return c;
}

static op_case one_label_case_of(bk_op op)
{
    op_case c = {
        .op = op, .n_in = 1, .n_out = 1, .attr.ignored = -1, .index_limit = 6, .from = {INDEX, INDEX}};
    bk_shape rows = shape("4x8"), x = shape("4x8x6"), label = with_type(rows, BK_I32);
    c.in[0] = c.out[0] = x;
    if (op == BK_ONE_HOT)
        c.in[0] = label;
    if (op == BK_CAST)
        c.in[0] = with_type(x, BK_I32);
    if (op == BK_UNIFORM || op == BK_NORMAL)
        c.in[0] = with_type(shape("4"), BK_I32);
    if (op == BK_ARGMAX)
        c.out[0] = with_type(shape("1x8x6"), BK_I32);
    if (op == BK_SORT) {
        c.n_out = 2;
        c.out[1] = with_type(x, BK_I32);
    }
    if (op == BK_CROSS_ENTROPY || op == BK_CROSS_ENTROPY_GRAD) {
        c.in[1] = label;
        c.in[2] = rows;
        c.n_in = op == BK_CROSS_ENTROPY ? 2 : 3;
    }
    if (op == BK_CROSS_ENTROPY) {
        c.n_out = 2;
        c.out[0] = c.out[1] = rows;
    }
    return c;
}

op_case one_case_of(bk_op op)
{
    op_case c = {.op = op, .n_in = 1, .n_out = 1};
    c.in[0] = c.in[1] = c.out[0] = shape("4x8x6");
    if ((op >= BK_ADD && op <= BK_GELU_GRAD) || op == BK_CONCAT)
        c.n_in = 2;
    if (op == BK_CONCAT)
        c.out[0] = shape("8x8x6");
    if (op == BK_TRANSPOSE)
        memcpy(c.attr.axes, (const int64_t[BK_MAX_RANK]){0, 1, 2}, sizeof c.attr.axes);
    if (op == BK_SUM || op == BK_REDUCE_MAX) {
        c.attr.axes[1] = 1;
        c.out[0] = shape("4x1x6");
    }
    if (op == BK_GATHER || op == BK_SCATTER) {
        c.n_in = 2;
        c.in[1] = with_type(shape("4x8"), BK_I32);
        c.index_limit = 8;
        c.from[1] = INDEX;
    }
    if (op == BK_PICK || op == BK_PUT) {
        c.n_in = 2;
        c.in[1] = with_type(shape("4x8x6"), BK_I32);
        c.index_limit = 8;
        c.from[1] = INDEX;
    }
    if (op == BK_MAX_POOL)
        return pool_case(&(pool_row){"2x9x17", "2x4x17", {2}, {2}, {0}, {1}});
    if (op == BK_WHERE) {
        c.n_in = 3;
        c.in[2] = c.in[0];
    }
    if (op >= BK_SORT && op <= BK_NORMAL)
        return one_label_case_of(op);
    if (op == BK_MATMUL) {
        c.n_in = 2;
        c.attr.trans_b = 1;
        c.out[0] = shape("4x8x8");
    }
    if (op == BK_LINEAR) {
        c.n_in = 3;
        c.attr.has_bias = 1;
        c.in[1] = shape("5x6");
        c.in[2] = shape("5");
        c.out[0] = shape("4x8x5");
    }
    if (op == BK_REFLECT || op == BK_REFLECT_GRAD) {
        c.attr.axes[1] = 2;
        *(op == BK_REFLECT ? &c.out[0] : &c.in[0]) = shape("4x12x6");
    }
    if (op == BK_RESIZE_LINEAR || op == BK_RESIZE_LINEAR_GRAD)
        c.out[0] = shape("4x5x6");
    if (op == BK_ADAM) {
        c.n_in = 5;
        c.n_out = 3;
        c.in[2] = c.in[3] = c.out[1] = c.out[2] = c.in[0];
        c.in[4] = with_type(shape("3"), BK_F64);
        return c;
    }
    op_case forward =
        op == BK_LAYER_NORM || op == BK_LAYER_NORM_GRAD         ? layer_norm_case("9", 16, ANY_VALUE)
        : op == BK_INSTANCE_NORM || op == BK_INSTANCE_NORM_GRAD ? instance_norm_case("1x9x16", 1, ANY_VALUE)
        : op == BK_GROUP_NORM || op == BK_GROUP_NORM_GRAD       ? group_norm_case("2x9x16", 4, 1, ANY_VALUE)
        : op >= BK_CONV && op <= BK_CONV_GRAD_WEIGHT
            ? conv_case(&(conv_row){"1x9x8x3", "3x3", 16, 2, 1}, op == BK_CONV)
        : op == BK_ATTENTION || op == BK_ATTENTION_GRAD ? attention_case(1, 17, 2, 8)
                                                        : window_case((const int64_t[]){1, 4, 8, 4, 2, 2, 8});
    if (op == forward.op)
        return forward;
    if (op == BK_LAYER_NORM_GRAD || op == BK_ATTENTION_GRAD || op == BK_WINDOW_ATTENTION_GRAD ||
        op == BK_INSTANCE_NORM_GRAD || op == BK_GROUP_NORM_GRAD || op == BK_CONV_GRAD_INPUT ||
        op == BK_CONV_GRAD_WEIGHT) {
        c = gradient_case(op, &forward, round_to_float);
        free_case(&forward);
    }
    return c;
}
