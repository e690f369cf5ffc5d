/* SPDX-License-Identifier: Apache-2.0 */
/* unet_seg.c - the U-Net that labels pixels. */
#include "methods/unet_seg/unet_seg.h"

#include "nn/unet_parts.h"

enum { LEVELS = 5 };

static int64_t width_of(const unet_seg_options *o, int level)
{
    return (int64_t)o->segment.width << (level - 1);
}

/* As published: no padding, no norm. */
static value plain_block(nn *n, layer_name layer, value x, int64_t in, int64_t out)
{
    conv_shape c = {.in = in, .out = out, .kernel = 3, .pad = NO_PADDING, .bias = 1};
    for (int i = 1; i <= 2; i++, c.in = out)
        x = op_leaky_relu(n->g, nn_convolution(n, at("%s.conv%d", layer.text, i), x, c), 0);
    return x;
}

static value block(nn *n, const unet_seg_options *o, layer_name layer, value x, int64_t in, int64_t out)
{
    return o->valid ? plain_block(n, layer, x, in, out) : nn_unet_block(n, layer, x, in, out, o->axes);
}

/* The middle of a skip connection, as large as x becomes. */
static value cropped(graph *g, value skip, value x)
{
    int64_t large[BK_MAX_SPACE], size[BK_MAX_SPACE];
    int axes = nn_size(g, skip, large);
    nn_size(g, x, size);
    for (int i = 0; i < axes; i++)
        skip = op_slice(g, skip, 1 + i, (large[i] - 2 * size[i]) / 2, 2 * size[i]);
    return skip;
}

value unet_seg_forward(nn *n, const unet_seg_options *o, value x)
{
    value skip[LEVELS + 1];
    for (int i = 1; i <= LEVELS; i++) {
        x = i > 1 ? nn_pool(n->g, x, 0, NULL) : x;
        x = skip[i] =
            block(n, o, at("enc%d", i), x, i > 1 ? width_of(o, i - 1) : o->segment.channels, width_of(o, i));
    }
    if (o->valid)
        x = nn_dropout(n, at("enc5"), x, 0.5);
    for (int i = LEVELS - 1; i >= 1; i--) {
        value finer = o->valid ? cropped(n->g, skip[i], x) : skip[i];
        x = nn_unet_up(n, at("up%d", i), x, finer, width_of(o, i + 1), width_of(o, i), o->axes);
        x = block(n, o, at("dec%d", i), x, 2 * width_of(o, i), width_of(o, i));
    }
    return nn_convolution(
        n, at("head"), x,
        (conv_shape){
            .in = o->segment.width, .out = segment_classes(&o->segment), .axes = o->axes, .bias = 1});
}
