/* SPDX-License-Identifier: Apache-2.0 */
/* segnet.c - SegNet. */
#include "methods/segnet/segnet.h"

enum { STAGES = 5 };
static const int convolutions[STAGES + 1] = {0, 2, 2, 3, 3, 3};

static int64_t width_of(const segnet_options *o, int stage)
{
    return (int64_t)o->segment.width << (stage < 4 ? stage - 1 : 3);
}

static value encoder(nn *n, const segnet_options *o, value x, int stage)
{
    conv_shape c = {.in = stage == 1 ? o->segment.channels : width_of(o, stage - 1), .kernel = 3, .bias = 1};
    c.out = width_of(o, stage);
    for (int i = 1; i <= convolutions[stage]; i++, c.in = c.out)
        x = nn_conv_norm_relu(n, at("enc%d_%d", stage, i), x, c);
    return x;
}

/* The last convolution of a stage makes the width of the next one, that of the last stage the logits. */
static value decoder(nn *n, const segnet_options *o, value x, int stage)
{
    const conv_shape inner = {.in = width_of(o, stage), .out = width_of(o, stage), .kernel = 3, .bias = 1};
    conv_shape last = inner;
    int count = convolutions[stage];
    for (int i = 1; i < count; i++)
        x = nn_conv_norm_relu(n, at("dec%d_%d", stage, i), x, inner);
    last.out = stage > 1 ? width_of(o, stage - 1) : segment_classes(&o->segment);
    layer_name name = at("dec%d_%d", stage, count);
    return stage > 1 ? nn_conv_norm_relu(n, name, x, last) : nn_convolution(n, name, x, last);
}

value segnet_forward(nn *n, const segnet_options *o, value x)
{
    int64_t size[STAGES + 1][BK_MAX_SPACE];
    value index[STAGES + 1];
    for (int stage = 1; stage <= STAGES; stage++) {
        x = encoder(n, o, x, stage);
        nn_size(n->g, x, size[stage]);
        x = nn_pool(n->g, x, 0, &index[stage]);
    }
    for (int stage = STAGES; stage >= 1; stage--)
        x = decoder(n, o, nn_unpool(n->g, x, index[stage], size[stage]), stage);
    return x;
}
