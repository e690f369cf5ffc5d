/* SPDX-License-Identifier: Apache-2.0 */
/* fpn.c - the semantic branch of a feature pyramid network. */
#include "methods/fpn/fpn.h"

#include "nn/pyramid.h"

/* Twice as large, by bilinear interpolation. */
static value doubled(graph *g, value x)
{
    int64_t size[BK_MAX_SPACE];
    nn_size(g, x, size);
    return op_resize_linear(g, x, (const int64_t[]){2 * size[0], 2 * size[1]});
}

/* Level 2 to 5 of the pyramid at a quarter of the image's size. */
static value branch_of(nn *n, const fpn_options *o, value x, int level)
{
    int times = level > 2 ? level - 2 : 1;
    for (int j = 0; j < times; j++) {
        layer_name layer = at("branch%d.%d", level, j);
        const conv_shape c = {.in = j ? o->branch : o->pyramid, .out = o->branch, .kernel = 3};
        x = nn_convolution(n, at("%s.conv", layer.text), x, c);
        x = nn_group_norm_relu(n, at("%s.gn", layer.text), x, o->branch, o->groups);
        x = level > 2 ? doubled(n->g, x) : x;
    }
    return x;
}

value fpn_forward(nn *n, const fpn_options *o, value x)
{
    const backbone_shape b = {.channels = o->segment.channels,
                              .width = o->segment.width,
                              .layers = {o->layers[0], o->layers[1], o->layers[2], o->layers[3]},
                              .bottleneck = o->bottleneck,
                              .output_stride = 32};
    int64_t size[BK_MAX_SPACE], padded[BK_MAX_SPACE], channels[4];
    value level[4];
    nn_size(n->g, x, size);
    x = nn_pad_to_multiple(n->g, x, 32);
    nn_size(n->g, x, padded);
    nn_backbone(n, at("backbone"), x, &b, level);
    for (int i = 0; i < 4; i++)
        channels[i] = backbone_channels(&b, i + 1);
    nn_feature_pyramid(n, level, channels, o->pyramid);
    x = branch_of(n, o, level[0], 2);
    for (int i = 3; i <= 5; i++)
        x = op_add(n->g, x, branch_of(n, o, level[i - 2], i));
    const conv_shape predictor = {.in = o->branch, .out = segment_classes(&o->segment), .bias = 1};
    x = op_resize_linear(n->g, nn_convolution(n, at("predictor"), x, predictor), padded);
    return nn_crop(n->g, x, 0, size);
}
