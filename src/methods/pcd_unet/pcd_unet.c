/* SPDX-License-Identifier: Apache-2.0 */
/* pcd_unet.c - the U-Net of paced-curriculum distillation. */
#include "methods/pcd_unet/pcd_unet.h"

enum { LEVELS = 5 };

/* The last level does not widen. */
static int64_t width_of(const pcd_unet_options *o, int level)
{
    return (int64_t)o->segment.width << ((level < LEVELS ? level : LEVELS - 1) - 1);
}

static value half_block(nn *n, layer_name layer, int i, value x, int64_t in, int64_t out)
{
    const conv_shape c = {.in = in, .out = out, .kernel = 3, .bias = 1};
    return nn_conv_norm_of(n, at("%s.double_conv.%d", layer.text, i),
                           at("%s.double_conv.%d", layer.text, i + 1), x, c, 0);
}

static value block(nn *n, layer_name layer, value x, int64_t in, int64_t middle, int64_t out)
{
    return half_block(n, layer, 3, half_block(n, layer, 0, x, in, middle), middle, out);
}

/* x twice as large, with zeros behind it where the skip connection is larger by one. */
static value doubled(graph *g, value x, value skip)
{
    int64_t size[BK_MAX_SPACE];
    int axes = nn_size(g, x, size);
    for (int i = 0; i < axes; i++)
        size[i] *= 2;
    x = op_resize_nearest(g, x, size);
    nn_size(g, skip, size);
    return nn_pad_to(g, x, size);
}

value pcd_unet_forward(nn *n, const pcd_unet_options *o, value x)
{
    value skip[LEVELS + 1];
    x = skip[1] = block(n, at("inp"), x, o->segment.channels, width_of(o, 1), width_of(o, 1));
    for (int i = 2; i <= LEVELS; i++)
        x = skip[i] = block(n, at("down%d.maxpool_conv.1", i - 1), nn_pool(n->g, x, 0, NULL),
                            width_of(o, i - 1), width_of(o, i), width_of(o, i));
    for (int i = LEVELS - 1; i >= 1; i--) {
        x = nn_join(n->g, (const value[]){skip[i], doubled(n->g, x, skip[i])}, 2);
        x = block(n, at("up%d.conv", LEVELS - i), x, 2 * width_of(o, i), width_of(o, i),
                  i > 1 ? width_of(o, i - 1) : width_of(o, 1));
    }
    return nn_convolution(n, at("out"), x,
                          (conv_shape){.in = width_of(o, 1), .out = segment_classes(&o->segment), .bias = 1});
}
