/* SPDX-License-Identifier: Apache-2.0 */
/* vnet.c - V-Net. */
#include "methods/vnet/vnet.h"

enum { STAGES = 4 };

static int64_t width_of(const vnet_options *o, int stage)
{
    return (int64_t)o->segment.width << stage;
}

/* A convolution that keeps the size, and its norm. */
static value conv_norm(nn *n, const vnet_options *o, layer_name layer, value x, int64_t in, int64_t out)
{
    const conv_shape c = {.in = in, .out = out, .kernel = o->kernel, .axes = o->axes, .bias = 1};
    return nn_conv_norm_of(n, at("%s.conv", layer.text), at("%s.bn", layer.text), x, c, 1);
}

/* PReLU(f(x) + x), f of `count` convolutions. */
static value residual(nn *n, const vnet_options *o, layer_name layer, value x, int64_t channels, int count)
{
    value y = x;
    for (int j = 0; j < count; j++) {
        layer_name each = at("%s.ops.%d", layer.text, j);
        y = nn_prelu(n, at("%s.act", each.text), conv_norm(n, o, each, y, channels, channels), channels);
    }
    return nn_prelu(n, at("%s.act2", layer.text), op_add(n->g, y, x), channels);
}

/* The channels of x again and again, up to the width of the network. */
static value repeated(nn *n, const vnet_options *o, value x)
{
    int64_t times = o->segment.width / o->segment.channels;
    value all = x;
    for (int64_t i = 1; i < times; i++)
        all = nn_join(n->g, (const value[]){all, x}, 2);
    return all;
}

static value input_stage(nn *n, const vnet_options *o, value x)
{
    value y = conv_norm(n, o, at("inp"), x, o->segment.channels, o->segment.width);
    return nn_prelu(n, at("inp_act"), op_add(n->g, y, repeated(n, o, x)), o->segment.width);
}

static value down(nn *n, const vnet_options *o, value x, int stage)
{
    layer_name layer = at("down%d", stage);
    int64_t out = width_of(o, stage);
    const conv_shape c = {.in = out / 2, .out = out, .kernel = 2, .stride = 2, .axes = o->axes, .bias = 1};
    x = nn_conv_norm_of(n, at("%s.conv", layer.text), at("%s.bn", layer.text), x, c, 1);
    x = nn_prelu(n, at("%s.act", layer.text), x, out);
    return residual(n, o, layer, x, out, o->down_convs[stage - 1]);
}

static value up(nn *n, const vnet_options *o, value x, value skip, int stage)
{
    layer_name layer = at("up%d", stage), norm = at("up%d.bn", stage);
    int64_t in = stage == STAGES ? width_of(o, STAGES) : 2 * width_of(o, stage),
            half = width_of(o, stage - 1);
    const conv_shape c = {.in = in, .out = half, .kernel = 2, .stride = 2, .axes = o->axes, .bias = 1};
    x = nn_norm(n, norm, nn_up_convolution(n, at("up%d.conv", stage), x, c, INIT_HE), half, 1);
    x = nn_prelu(n, at("up%d.act", stage), x, half);
    x = nn_join(n->g, (const value[]){x, skip}, 2);
    return residual(n, o, layer, x, 2 * half, o->up_convs[STAGES - stage]);
}

value vnet_forward(nn *n, const vnet_options *o, value x)
{
    int64_t size[BK_MAX_SPACE], classes = segment_classes(&o->segment), w = o->segment.width;
    value stage[STAGES + 1];
    nn_size(n->g, x, size);
    stage[0] = input_stage(n, o, nn_pad_to_multiple(n->g, x, 1 << STAGES));
    for (int i = 1; i <= STAGES; i++)
        stage[i] = down(n, o, stage[i - 1], i);
    x = stage[STAGES];
    for (int i = STAGES; i >= 1; i--)
        x = up(n, o, x, stage[i - 1], i);
    x = nn_prelu(n, at("out.act"), conv_norm(n, o, at("out"), x, 2 * w, classes), classes);
    const conv_shape head = {.in = classes, .out = classes, .axes = o->axes, .bias = 1};
    return nn_crop(n->g, nn_convolution(n, at("head"), x, head), 0, size);
}
