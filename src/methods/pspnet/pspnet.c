/* SPDX-License-Identifier: Apache-2.0 */
/* pspnet.c - the pyramid scene parsing network. */
#include "methods/pspnet/pspnet.h"

#include "nn/pyramid.h"

/* A 3x3 convolution, channel dropout, and scores at the image's size. */
static value head(nn *n, const pspnet_options *o, layer_name layer, value x, conv_shape c,
                  const int64_t *size)
{
    x = nn_channel_dropout(n, layer, nn_conv_norm_relu(n, layer, x, c), 0.1);
    const conv_shape score = {.in = c.out, .out = segment_classes(&o->segment), .bias = 1};
    return op_resize_corners(n->g, nn_convolution(n, at("%s.head", layer.text), x, score), size);
}

value pspnet_forward(nn *n, const pspnet_options *o, value x, value *auxiliary)
{
    const backbone_shape b = {.channels = o->segment.channels,
                              .width = o->segment.width,
                              .layers = {o->layers[0], o->layers[1], o->layers[2], o->layers[3]},
                              .bottleneck = o->bottleneck,
                              .output_stride = 8,
                              .tv_dilation = o->tv_dilation};
    int64_t size[BK_MAX_SPACE], last = backbone_channels(&b, 4);
    value stage[4];
    nn_size(n->g, x, size);
    nn_backbone(n, at("backbone"), x, &b, stage);
    x = nn_pyramid_pooling(n, at("ppm"), stage[3], last);
    x = head(n, o, at("cls"), x, (conv_shape){.in = 2 * last, .out = o->hidden, .kernel = 3}, size);
    const conv_shape c = {.in = backbone_channels(&b, 3), .out = o->auxiliary, .kernel = 3};
    if (auxiliary)
        *auxiliary = head(n, o, at("aux"), stage[2], c, size);
    return x;
}
