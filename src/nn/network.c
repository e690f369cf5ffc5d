/* SPDX-License-Identifier: Apache-2.0 */
/* network.c - parts of convolutional networks that know their tensors. */
#include "nn/network.h"

#include "core/method.h"
#include "lib/random.h"

/* ---- listing ---- */

nn nn_list(nn_listing *l, params *p, param_init init)
{
    *l = (nn_listing){.p = p, .init = init, .none = {.mem = p->mem, .real = p->real, .error = ERR_STATE}};
    return (nn){.g = &l->none, .params = p, .prefix = "", .listing = l, .statistics = NORM_RUNNING};
}

static void list(nn *n, param_role role, param_init init, layer_name layer, const char *part, int32_t rank,
                 const int64_t *dim)
{
    if (n->listing)
        params_add_role(n->listing->p, role, init, rank, dim,
                        at("%s%s.%s", n->prefix, layer.text, part).text);
}

static void list_row(nn *n, param_init init, layer_name layer, const char *part, int64_t channels)
{
    list(n, ROLE_WEIGHT, init, layer, part, 1, &channels);
}

/* ---- convolutions ---- */

static int or_else(int number, int otherwise)
{
    return number ? number : otherwise;
}

static conv_shape completed(conv_shape c, int pad)
{
    c.kernel = or_else(c.kernel, 1);
    c.stride = or_else(c.stride, 1);
    c.dilation = or_else(c.dilation, 1);
    c.groups = or_else(c.groups, 1);
    c.axes = or_else(c.axes, 2);
    c.pad = c.pad == NO_PADDING ? 0 : c.pad == SAME_PADDING ? pad : or_else(c.pad, pad);
    return c;
}

static void list_kernel(nn *n, param_init init, layer_name layer, int64_t first, int64_t second, conv_shape c)
{
    const int64_t dim[5] = {first, second, c.kernel, c.kernel, c.kernel};
    list(n, ROLE_WEIGHT, init, layer, "weight", 2 + c.axes, dim);
    if (c.bias)
        list_row(n, INIT_ZERO, layer, "bias", c.out);
}

static op_window window_of(conv_shape c)
{
    op_window w = op_window_of(c.stride, c.pad);
    for (int i = 0; i < BK_MAX_SPACE; i++)
        w.dilation[i] = c.dilation;
    w.groups = c.groups;
    return w;
}

value nn_convolution(nn *n, layer_name layer, value x, conv_shape c)
{
    int same = c.pad == SAME_PADDING;
    c = completed(c, or_else(c.dilation, 1) * (or_else(c.kernel, 1) - 1) / 2);
    if (n->listing)
        list_kernel(n, n->listing->init, layer, c.out, c.in / c.groups, c);
    nn_enter(n, layer);
    op_window w = window_of(c);
    for (int i = 0; same && i < BK_MAX_SPACE; i++)
        w.pad_end[i] = c.dilation * (c.kernel - 1) - c.pad;
    return op_convolve(n->g, x, nn_weight(n, layer, "weight"), c.bias ? nn_weight(n, layer, "bias") : NONE,
                       &w);
}

value nn_up_convolution(nn *n, layer_name layer, value x, conv_shape c, param_init init)
{
    c = completed(c, 0);
    list_kernel(n, init, layer, c.in, c.out / c.groups, c);
    nn_enter(n, layer);
    op_window w = window_of(c);
    value bias = c.bias ? nn_weight(n, layer, "bias") : NONE;
    const int32_t more[BK_MAX_SPACE] = {c.more, c.more, c.more};
    return op_conv_transpose(n->g, x, nn_weight(n, layer, "weight"), bias, &w, c.more ? more : NULL);
}

value nn_norm_by(nn *n, layer_name layer, value x, int64_t channels, batch_norm how)
{
    list_row(n, INIT_ONE, layer, "weight", channels);
    list_row(n, INIT_ZERO, layer, "bias", channels);
    list(n, ROLE_BUFFER, INIT_ZERO, layer, "running_mean", 1, &channels);
    list(n, ROLE_BUFFER, INIT_ONE, layer, "running_var", 1, &channels);
    how.from = (norm_statistics)n->statistics;
    return nn_batch_norm(n, layer, x, how);
}

value nn_norm(nn *n, layer_name layer, value x, int64_t channels, double slope)
{
    return nn_norm_by(n, layer, x, channels, batch_norm_of(NORM_RUNNING, slope));
}

value nn_group_norm_relu(nn *n, layer_name layer, value x, int64_t channels, int groups)
{
    list_row(n, INIT_ONE, layer, "weight", channels);
    list_row(n, INIT_ZERO, layer, "bias", channels);
    return nn_group_norm(n, layer, x, groups, 0);
}

value nn_conv_norm_of(nn *n, layer_name conv, layer_name norm, value x, conv_shape c, double slope)
{
    return nn_norm(n, norm, nn_convolution(n, conv, x, c), c.out, slope);
}

value nn_conv_norm_relu(nn *n, layer_name layer, value x, conv_shape c)
{
    return nn_conv_norm_of(n, at("%s.conv", layer.text), at("%s.bn", layer.text), x, c, 0);
}

value nn_prelu(nn *n, layer_name layer, value x, int64_t channels)
{
    list_row(n, INIT_QUARTER, layer, "weight", channels);
    nn_enter(n, layer);
    return op_prelu(n->g, x, nn_weight(n, layer, "weight"));
}

/* ---- dropout ---- */

static uint64_t purpose_of(const nn *n, layer_name layer)
{
    return random_purpose(at("%s%s.dropout", n->prefix, layer.text).text, 0);
}

value nn_dropout(nn *n, layer_name layer, value x, double rate)
{
    if (!n->dropout || rate == 0)
        return x;
    nn_enter(n, layer);
    return op_dropout(n->g, x, task_key(n->dropout), purpose_of(n, layer), rate);
}

value nn_channel_dropout(nn *n, layer_name layer, value x, double rate)
{
    graph *g = n->g;
    if (!n->dropout || rate == 0 || g->error != OK)
        return x;
    bk_shape one = *graph_shape(g, x);
    for (int i = 1; i < one.rank - 1; i++)
        one.dim[i] = 1;
    nn_enter(n, layer);
    value kept = op_bernoulli(g, task_key(n->dropout), purpose_of(n, layer), &one, 1 - rate);
    return op_mul(g, x, op_affine(g, kept, 1 / (1 - rate), 0));
}

/* ---- sizes ---- */

int nn_size(const graph *g, value x, int64_t size[BK_MAX_SPACE])
{
    int axes = g->error == OK && x != NONE ? graph_shape(g, x)->rank - 2 : 0;
    for (int i = 0; i < BK_MAX_SPACE; i++)
        size[i] = i < axes ? graph_dim(g, x, 1 + i) : 1;
    return axes;
}

static value padded(graph *g, value x, int axis, int64_t size)
{
    if (g->error != OK || graph_dim(g, x, axis) >= size)
        return x;
    bk_shape zeros = *graph_shape(g, x);
    zeros.dim[axis] = size - graph_dim(g, x, axis);
    return op_concat(g, axis, (const value[]){x, op_broadcast(g, op_fill(g, zeros.rank, 0), &zeros)}, 2);
}

value nn_pad_to(graph *g, value x, const int64_t *size)
{
    int64_t now[BK_MAX_SPACE];
    int axes = nn_size(g, x, now);
    for (int i = 0; i < axes; i++)
        x = padded(g, x, 1 + i, size[i]);
    return x;
}

value nn_pad_to_multiple(graph *g, value x, int64_t m)
{
    int64_t size[BK_MAX_SPACE];
    nn_size(g, x, size);
    for (int i = 0; i < BK_MAX_SPACE; i++)
        size[i] = (size[i] + m - 1) / m * m;
    return nn_pad_to(g, x, size);
}

value nn_crop(graph *g, value x, int64_t first, const int64_t *size)
{
    int64_t now[BK_MAX_SPACE];
    int axes = nn_size(g, x, now);
    for (int i = 0; i < axes; i++)
        if (first > 0 || size[i] < now[i])
            x = op_slice(g, x, 1 + i, first, size[i]);
    return x;
}

value nn_join(graph *g, const value *x, int32_t count)
{
    return g->error == OK ? op_concat(g, graph_shape(g, x[0])->rank - 1, x, count) : NONE;
}

/* ---- pooling by twos ---- */

/* An axis of one pixel cannot be halved. */
static status check_halves(const graph *g, value x)
{
    int64_t size[BK_MAX_SPACE];
    int axes = nn_size(g, x, size);
    for (int i = 0; i < axes; i++)
        if (size[i] < 2 && g->error == OK)
            return fail(
                ERR_ARGUMENT,
                "the network halves the image until one of its sides has a single pixel, and then once "
                "more: give it more rows, columns or slices");
    return OK;
}

value nn_pool(graph *g, value x, int ceil, value *index)
{
    status s = check_halves(g, x);
    if (index)
        *index = NONE;
    if (s != OK)
        return graph_fail(g, s);
    return op_max_pool(g, x, &(pool_window){.kernel = {2, 2, 2}, .ceil = ceil}, index);
}

value nn_unpool(graph *g, value x, value index, const int64_t *size)
{
    return op_unpool(g, x, index, size);
}
