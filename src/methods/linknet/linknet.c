/* SPDX-License-Identifier: Apache-2.0 */
/* linknet.c - LinkNet. */
#include "methods/linknet/linknet.h"

#include "nn/residual.h"

enum { STAGES = 4, MULTIPLE = 32 /* of whose sides an image is a multiple */ };

static int64_t width_of(const linknet_options *o, int stage)
{
    return (int64_t)o->segment.width << (stage - 1);
}

/* ---- the encoder ---- */

static value stem(nn *n, const linknet_options *o, value x)
{
    const conv_shape c = {.in = o->segment.channels, .out = o->segment.width, .kernel = 7, .stride = 2};
    x = nn_conv_norm_of(n, at("in_block.0"), at("in_block.1"), x, c, 0);
    return op_max_pool(n->g, x, &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}}, NULL);
}

static value stage_of(nn *n, const linknet_options *o, int stage, value x)
{
    int64_t out = width_of(o, stage);
    for (int j = 0; j < o->layers[stage - 1]; j++) {
        int widens = stage > 1 && j == 0;
        const residual_block block = {
            .in = widens ? out / 2 : out, .out = out, .stride = widens ? 2 : 1, .dilation = 1};
        x = nn_basic_block(n, at("encoder%d.%d", stage, j), x, block);
    }
    return x;
}

/* ---- the decoder ---- */

/* A 3x3 transposed convolution, norm, ReLU. */
static value enlarged(nn *n, layer_name layer, value x, conv_shape c)
{
    c.kernel = 3;
    c.pad = 1;
    c.more = c.stride == 2;
    x = nn_up_convolution(n, at("%s.0", layer.text), x, c, n->listing ? n->listing->init : INIT_ZERO);
    return nn_norm(n, at("%s.1", layer.text), x, c.out, 0);
}

static value convolved(nn *n, layer_name layer, value x, conv_shape c)
{
    return nn_conv_norm_of(n, at("%s.0", layer.text), at("%s.1", layer.text), x, c, 0);
}

/* Decoder `stage`: from the width of its stage to that of the one before. */
static value decoded(nn *n, const linknet_options *o, int stage, value x)
{
    int64_t in = width_of(o, stage), out = stage > 1 ? in / 2 : in;
    layer_name layer = at("decoder%d", stage);
    x = convolved(n, at("%s.conv1", layer.text), x, (conv_shape){.in = in, .out = in / 4});
    x = enlarged(n, at("%s.tp_conv", layer.text), x,
                 (conv_shape){.in = in / 4, .out = in / 4, .stride = stage > 1 ? 2 : 1});
    return convolved(n, at("%s.conv2", layer.text), x, (conv_shape){.in = in / 4, .out = out});
}

static value head(nn *n, const linknet_options *o, value x)
{
    int64_t width = o->segment.width, half = width / 2;
    x = enlarged(n, at("tp_conv1"), x, (conv_shape){.in = width, .out = half, .stride = 2, .bias = 1});
    x = convolved(n, at("conv2"), x, (conv_shape){.in = half, .out = half, .kernel = 3, .bias = 1});
    const conv_shape last = {
        .in = half, .out = segment_classes(&o->segment), .kernel = 2, .stride = 2, .bias = 1};
    return nn_up_convolution(n, at("tp_conv2"), x, last, n->listing ? n->listing->init : INIT_ZERO);
}

value linknet_forward(nn *n, const linknet_options *o, value x)
{
    value stage[STAGES + 1];
    int64_t size[BK_MAX_SPACE];
    nn_size(n->g, x, size);
    x = stage[0] = stem(n, o, nn_pad_to_multiple(n->g, x, MULTIPLE));
    for (int i = 1; i <= STAGES; i++)
        x = stage[i] = stage_of(n, o, i, x);
    for (int i = STAGES; i >= 1; i--)
        x = op_add(n->g, stage[i - 1], decoded(n, o, i, x));
    return nn_crop(n->g, head(n, o, x), 0, size);
}
