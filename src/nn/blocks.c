/* SPDX-License-Identifier: Apache-2.0 */
/* blocks.c - blocks of encoder-decoder networks for two-dimensional images. */
#include "nn/blocks.h"

/* ---- a convolution and its norm ---- */

static layer_name conv_name(layer_name layer, int i)
{
    return at("%s.conv%d", layer.text, i);
}

static layer_name norm_name(layer_name layer, int i, block_norm norm)
{
    return at(norm == BLOCK_BATCH ? "%s.bn%d" : "%s.in%d", layer.text, i);
}

static void add_part(params *p, param_role role, param_init init, layer_name layer, const char *part,
                     int64_t n)
{
    params_add_role(p, role, init, 1, &n, at("%s.%s", layer.text, part).text);
}

void nn_conv_norm_tensors(params *p, layer_name layer, int i, int64_t out, int64_t in, block_norm norm)
{
    layer_name conv = conv_name(layer, i), after = norm_name(layer, i, norm);
    params_add(p, INIT_HE, 1, 4, (const int64_t[]){out, in, 3, 3}, at("%s.weight", conv.text).text);
    if (norm == BLOCK_PLAIN) {
        add_part(p, ROLE_WEIGHT, INIT_ZERO, conv, "bias", out);
        return;
    }
    add_part(p, ROLE_WEIGHT, INIT_ONE, after, "weight", out);
    add_part(p, ROLE_WEIGHT, INIT_ZERO, after, "bias", out);
    if (norm == BLOCK_BATCH) {
        add_part(p, ROLE_BUFFER, INIT_ZERO, after, "running_mean", out);
        add_part(p, ROLE_BUFFER, INIT_ONE, after, "running_var", out);
    }
}

value nn_conv_norm(nn *n, layer_name layer, int i, value x, block_style style)
{
    layer_name conv = conv_name(layer, i), after = norm_name(layer, i, style.norm);
    nn_enter(n, conv);
    value bias = style.norm == BLOCK_PLAIN ? nn_weight(n, conv, "bias") : NONE;
    x = op_conv(n->g, x, nn_weight(n, conv, "weight"), bias, 1, 1);
    if (style.norm == BLOCK_PLAIN)
        return op_leaky_relu(n->g, x, 0);
    if (style.norm == BLOCK_BATCH)
        return nn_batch_norm(n, after, x, batch_norm_of(style.from, 0));
    return nn_group_norm(n, after, x, (int)graph_dim(n->g, x, -1), 0);
}

void nn_double_conv_tensors(params *p, layer_name layer, int64_t out, int64_t in, block_norm norm)
{
    nn_conv_norm_tensors(p, layer, 1, out, in, norm);
    nn_conv_norm_tensors(p, layer, 2, out, out, norm);
}

value nn_double_conv(nn *n, layer_name layer, value x, block_style style)
{
    return nn_conv_norm(n, layer, 2, nn_conv_norm(n, layer, 1, x, style), style);
}

/* ---- down and up ---- */

value nn_halve(nn *n, layer_name layer, value x)
{
    nn_enter(n, layer);
    return op_max_pool(n->g, x, &(pool_window){.kernel = {2, 2}}, NULL);
}

void nn_up_tensors(params *p, layer_name layer, int64_t out, int64_t in, block_up how)
{
    const int64_t transposed[] = {in, out, 2, 2}, linear[] = {out, in, 1, 1};
    params_add(p, INIT_HE, 1, 4, how == UP_LINEAR ? linear : transposed, at("%s.weight", layer.text).text);
    add_part(p, ROLE_WEIGHT, INIT_ZERO, layer, "bias", out);
}

/* Zeros behind x along an axis, up to `size`, which is at most one more. */
static value padded(graph *g, value x, int axis, int64_t size)
{
    if (g->error != OK || graph_dim(g, x, axis) == size)
        return x;
    bk_shape zeros = *graph_shape(g, x);
    zeros.dim[axis] = size - graph_dim(g, x, axis);
    return op_concat(g, axis, (const value[]){x, op_broadcast(g, op_fill(g, 4, 0), &zeros)}, 2);
}

static value doubled(nn *n, layer_name layer, value x, const int64_t size[2], block_up how)
{
    graph *g = n->g;
    value weight = nn_weight(n, layer, "weight"), bias = nn_weight(n, layer, "bias");
    if (how == UP_LINEAR)
        return op_resize_linear(g, op_conv(g, x, weight, bias, 1, 0), size);
    op_window window = op_window_of(2, 0);
    x = op_conv_transpose(g, x, weight, bias, &window, NULL);
    return padded(g, padded(g, x, 1, size[0]), 2, size[1]);
}

value nn_up_join(nn *n, layer_name layer, value x, value skip, block_up how)
{
    graph *g = n->g;
    nn_enter(n, layer);
    if (g->error != OK)
        return NONE;
    const int64_t size[] = {graph_dim(g, skip, 1), graph_dim(g, skip, 2)};
    return op_concat(g, 3, (const value[]){skip, doubled(n, layer, x, size, how)}, 2);
}
