/* SPDX-License-Identifier: Apache-2.0 */
/* pyramid.c - parts that look at an image at several scales. */
#include "nn/pyramid.h"

/* ---- pooling ---- */

/* Returns 1 if a norm of the batch would see one number for each channel. */
static int is_alone(const nn *n, value x, int bins)
{
    return n->statistics != NORM_RUNNING && bins == 1 && graph_dim(n->g, x, 0) == 1;
}

static value pooled(nn *n, layer_name layer, value x, int64_t channels, int bins)
{
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE];
    const conv_shape c = {.in = channels, .out = channels / 4};
    nn_size(g, x, size);
    value cells = op_adaptive_average_pool(g, x, (const int64_t[]){bins, bins});
    if (!n->listing && is_alone(n, x, bins))
        cells = op_leaky_relu(g, nn_convolution(n, at("%s.conv", layer.text), cells, c), 0);
    else
        cells = nn_conv_norm_relu(n, layer, cells, c);
    return op_resize_corners(g, cells, size);
}

value nn_pyramid_pooling(nn *n, layer_name layer, value x, int64_t channels)
{
    static const int bins[4] = {1, 2, 3, 6};
    value all[5] = {x};
    for (int i = 0; i < 4; i++)
        all[1 + i] = pooled(n, at("%s.%d", layer.text, i), x, channels, bins[i]);
    return nn_join(n->g, all, 5);
}

/* ---- atrous convolutions ---- */

value nn_conv3_norm_relu(nn *n, layer_name layer, value x, conv_shape c, int separable)
{
    c.kernel = 3;
    if (!separable)
        return nn_conv_norm_relu(n, layer, x, c);
    const conv_shape each = {
        .in = c.in, .out = c.in, .kernel = 3, .dilation = c.dilation, .groups = (int)c.in};
    x = nn_conv_norm_relu(n, at("%s.depthwise", layer.text), x, each);
    return nn_conv_norm_relu(n, at("%s.pointwise", layer.text), x, (conv_shape){.in = c.in, .out = c.out});
}

value nn_atrous_pyramid(nn *n, value x, aspp_shape a)
{
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE];
    const conv_shape one = {.in = a.in, .out = a.out};
    value all[5] = {nn_conv_norm_relu(n, at("aspp.0"), x, one)};
    for (int i = 0; i < 3; i++) {
        const conv_shape c = {.in = a.in, .out = a.out, .dilation = a.rates[i]};
        all[1 + i] = nn_conv3_norm_relu(n, at("aspp.%d", 1 + i), x, c, a.separable);
    }
    nn_size(g, x, size);
    value mean = nn_conv_norm_relu(n, at("pool"), op_global_average_pool(g, x), one);
    all[4] = op_resize_nearest(g, mean, size);
    return nn_conv_norm_relu(n, at("project"), nn_join(g, all, 5),
                             (conv_shape){.in = 5 * a.out, .out = a.out});
}

/* ---- the feature pyramid ---- */

void nn_feature_pyramid(nn *n, value level[4], const int64_t channels[4], int64_t out)
{
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE];
    for (int i = 3; i >= 0; i--) {
        const conv_shape lateral = {.in = channels[i], .out = out, .bias = 1};
        level[i] = nn_convolution(n, at("lateral%d", i + 2), level[i], lateral);
        if (i == 3)
            continue;
        nn_size(g, level[i], size);
        level[i] = op_add(g, level[i], op_resize_nearest(g, level[i + 1], size));
    }
    for (int i = 0; i < 4; i++)
        level[i] = nn_convolution(n, at("output%d", i + 2), level[i],
                                  (conv_shape){.in = out, .out = out, .kernel = 3, .bias = 1});
}

/* ---- the attention gate ---- */

value nn_attention_gate(nn *n, layer_name layer, value x, value signal, gate_shape s, value *map)
{
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE], half[BK_MAX_SPACE], c = s.channels;
    const conv_shape one = {.in = c, .out = c, .axes = s.axes, .bias = 1};
    value theta = nn_convolution(
        n, at("%s.theta", layer.text), x,
        (conv_shape){.in = c, .out = c, .kernel = 2, .stride = 2, .pad = NO_PADDING, .axes = s.axes});
    value phi = nn_convolution(n, at("%s.phi", layer.text), signal,
                               (conv_shape){.in = s.signal, .out = c, .axes = s.axes, .bias = 1});
    nn_size(g, theta, half);
    nn_size(g, x, size);
    value both = op_leaky_relu(g, op_add(g, theta, op_resize_linear(g, phi, half)), 0);
    value a = op_sigmoid(g, nn_convolution(n, at("%s.psi", layer.text), both,
                                           (conv_shape){.in = c, .out = 1, .axes = s.axes, .bias = 1}));
    if (map)
        *map = a;
    value passed = op_mul(g, x, op_resize_linear(g, a, size));
    passed = nn_conv_norm_of(n, at("%s.w.conv", layer.text), at("%s.w.bn", layer.text), passed, one, 1);
    return nn_conv_norm_relu(n, at("%s.combine", layer.text), passed, one);
}
