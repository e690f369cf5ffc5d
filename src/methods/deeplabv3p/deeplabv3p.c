/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3p.c - DeepLabv3+. */
#include "methods/deeplabv3p/deeplabv3p.h"

#include "nn/pyramid.h"

/* `deep` at the size of stage 1, joined with it. */
static value decoder(nn *n, const deeplabv3p_options *o, value deep, value stage1, int64_t channels)
{
    int64_t size[BK_MAX_SPACE], a = o->atrous;
    nn_size(n->g, stage1, size);
    deep = op_resize_linear(n->g, deep, size);
    value low = nn_conv_norm_relu(n, at("low"), stage1, (conv_shape){.in = channels, .out = o->low});
    value x = nn_join(n->g, o->low_first ? (const value[]){low, deep} : (const value[]){deep, low}, 2);
    x = nn_conv3_norm_relu(n, at("dec1"), x, (conv_shape){.in = a + o->low, .out = a}, o->separable);
    if (!o->one_conv)
        x = nn_conv3_norm_relu(n, at("dec2"), x, (conv_shape){.in = a, .out = a}, o->separable);
    return x;
}

value deeplabv3p_forward(nn *n, const deeplabv3p_options *o, value x)
{
    const backbone_shape b = {.channels = o->segment.channels,
                              .width = o->segment.width,
                              .layers = {o->layers[0], o->layers[1], o->layers[2], o->layers[3]},
                              .bottleneck = o->bottleneck,
                              .output_stride = o->output_stride,
                              .tv_dilation = o->tv_dilation};
    int rate = 16 / o->output_stride;
    const aspp_shape a = {.in = backbone_channels(&b, 4),
                          .out = o->atrous,
                          .rates = {6 * rate, 12 * rate, 18 * rate},
                          .separable = o->separable};
    int64_t size[BK_MAX_SPACE];
    value stage[4];
    nn_size(n->g, x, size);
    nn_backbone(n, at("backbone"), x, &b, stage);
    x = nn_dropout(n, at("project"), nn_atrous_pyramid(n, stage[3], a), 0.1);
    x = decoder(n, o, x, stage[0], backbone_channels(&b, 1));
    const conv_shape head = {.in = o->atrous, .out = segment_classes(&o->segment), .bias = 1};
    return op_resize_linear(n->g, nn_convolution(n, at("head"), x, head), size);
}
