/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - convolutional layers as papers name them. */
#include "nn/conv.h"

/* Convolves x, reflected by half the kernel's length, with a kernel [O,C,K...] whose K are odd and equal. */
static value conv_reflect(graph *g, value x, value kernel, value bias, int stride)
{
    return op_conv(g, op_reflect(g, x, graph_dim(g, kernel, -1) / 2), kernel, bias, stride, 0);
}

value nn_conv_reflect(nn *n, layer_name layer, value x, int stride)
{
    nn_enter(n, layer);
    return conv_reflect(n->g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"), stride);
}

value nn_instance_norm(graph *g, value x, double slope)
{
    return op_instance_norm(g, x, 1e-5, slope);
}

/* bank [..., k] times w [1,k] -> [...] */
static value mix(graph *g, value bank, value w)
{
    if (g->error != OK)
        return NONE;
    bk_shape s = *graph_shape(g, bank);
    return op_reshape(g, op_linear(g, bank, w, NONE), s.rank - 1, s.dim);
}

hyper_kernel nn_hyper_kernel(nn *n, layer_name layer, value code)
{
    hyper_kernel k;
    value w = nn_linear(n, at("%s.fc", layer.text), code);
    value u = nn_linear(n, at("%s.fc_bias", layer.text), code);
    nn_enter(n, layer);
    k.kernel = mix(n->g, nn_weight(n, layer, "param"), w);
    k.bias = mix(n->g, nn_weight(n, layer, "b"), u);
    return k;
}

value nn_hyper_conv_reflect(graph *g, hyper_kernel k, value x)
{
    return conv_reflect(g, x, k.kernel, k.bias, 1);
}

/* Returns gate `k` of `gates`, which is [B,S...,gates * H]. */
static value gate(graph *g, value all, int k, int gates)
{
    int64_t h = graph_dim(g, all, -1) / gates;
    return op_slice(g, all, g->error == OK ? graph_shape(g, all)->rank - 1 : 0, k * h, h);
}

/* The first step has a zero state, so the forget gate and the hidden half of the kernel are skipped. */
static lstm_state first_step(nn *n, layer_name layer, value x)
{
    graph *g = n->g;
    value w = nn_weight(n, layer, "conv.weight"), b = nn_weight(n, layer, "conv.bias");
    int64_t h = graph_dim(g, b, 0) / 4;
    value wx = op_slice(g, w, 1, 0, graph_dim(g, x, -1));
    value rows[2] = {op_slice(g, wx, 0, 0, h), op_slice(g, wx, 0, 2 * h, 2 * h)};
    value biases[2] = {op_slice(g, b, 0, 0, h), op_slice(g, b, 0, 2 * h, 2 * h)};
    wx = op_concat(g, 0, rows, 2);
    value all = op_conv(g, x, wx, op_concat(g, 0, biases, 2), 1, (int)(graph_dim(g, wx, -1) / 2));
    lstm_state s;
    s.c = op_mul(g, op_sigmoid(g, gate(g, all, 0, 3)), op_tanh(g, gate(g, all, 2, 3)));
    s.h = op_mul(g, op_sigmoid(g, gate(g, all, 1, 3)), op_tanh(g, s.c));
    return s;
}

lstm_state nn_conv_lstm(nn *n, layer_name layer, value x, lstm_state before)
{
    graph *g = n->g;
    nn_enter(n, layer);
    if (before.h == NONE)
        return first_step(n, layer, x);
    value w = nn_weight(n, layer, "conv.weight");
    value both =
        op_concat(g, g->error == OK ? graph_shape(g, x)->rank - 1 : 0, (const value[]){x, before.h}, 2);
    value all = op_conv(g, both, w, nn_weight(n, layer, "conv.bias"), 1, (int)(graph_dim(g, w, -1) / 2));
    value kept = op_mul(g, op_sigmoid(g, gate(g, all, 1, 4)), before.c);
    lstm_state s;
    s.c = op_add(g, kept, op_mul(g, op_sigmoid(g, gate(g, all, 0, 4)), op_tanh(g, gate(g, all, 3, 4))));
    s.h = op_mul(g, op_sigmoid(g, gate(g, all, 2, 4)), op_tanh(g, s.c));
    return s;
}
