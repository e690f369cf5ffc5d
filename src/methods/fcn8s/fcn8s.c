/* SPDX-License-Identifier: Apache-2.0 */
/* fcn8s.c - the fully convolutional network with strides of 8. */
#include "methods/fcn8s/fcn8s.h"

/* ---- VGG-16 ---- */

static int64_t width_of(const fcn8s_options *o, int stage)
{
    return (int64_t)o->segment.width << (stage < 4 ? stage - 1 : 3);
}

static value stage_of(nn *n, const fcn8s_options *o, value x, int stage)
{
    static const int convolutions[] = {0, 2, 2, 3, 3, 3};
    conv_shape c = {.in = stage == 1 ? o->segment.channels : width_of(o, stage - 1), .kernel = 3, .bias = 1};
    c.out = width_of(o, stage);
    c.pad = stage == 1 && o->paper ? 100 : 1;
    for (int i = 1; i <= convolutions[stage]; i++) {
        x = op_leaky_relu(n->g, nn_convolution(n, at("conv%d_%d", stage, i), x, c), 0);
        c.in = c.out;
        c.pad = 1;
    }
    return nn_pool(n->g, x, o->paper, NULL);
}

static value classifier(nn *n, const fcn8s_options *o, value x)
{
    conv_shape fc6 = {.in = width_of(o, 5), .out = o->fc, .kernel = 7, .bias = 1};
    fc6.pad = o->paper ? NO_PADDING : 3;
    x = nn_dropout(n, at("fc6"), op_leaky_relu(n->g, nn_convolution(n, at("fc6"), x, fc6), 0), 0.5);
    x = nn_convolution(n, at("fc7"), x, (conv_shape){.in = o->fc, .out = o->fc, .bias = 1});
    return nn_dropout(n, at("fc7"), op_leaky_relu(n->g, x, 0), 0.5);
}

/* ---- scores ---- */

static value score(nn *n, const fcn8s_options *o, layer_name layer, value x, int64_t channels, double scale)
{
    if (o->at_once && scale != 1)
        x = op_affine(n->g, x, scale, 0);
    const conv_shape c = {.in = channels, .out = segment_classes(&o->segment), .bias = 1};
    return nn_convolution(n, layer, x, c);
}

static value enlarged(nn *n, const fcn8s_options *o, layer_name layer, value x, int times)
{
    int64_t k = segment_classes(&o->segment);
    conv_shape c = {.in = k, .out = k, .kernel = 2 * times, .stride = times};
    c.pad = o->paper ? 0 : times / 2;
    return nn_up_convolution(n, layer, x, c, INIT_BILINEAR);
}

/* x and a finer score, of which the paper takes what lies `first` pixels from its corner. */
static value added(nn *n, const fcn8s_options *o, value x, value finer, int64_t first)
{
    int64_t size[BK_MAX_SPACE];
    nn_size(n->g, x, size);
    return op_add(n->g, x, o->paper ? nn_crop(n->g, finer, first, size) : finer);
}

value fcn8s_forward(nn *n, const fcn8s_options *o, value x)
{
    int64_t size[BK_MAX_SPACE];
    value pool[6];
    nn_size(n->g, x, size);
    pool[0] = o->paper ? x : nn_pad_to_multiple(n->g, x, 32);
    for (int stage = 1; stage <= 5; stage++)
        pool[stage] = stage_of(n, o, pool[stage - 1], stage);
    x = score(n, o, at("score_fr"), classifier(n, o, pool[5]), o->fc, 1);
    x = enlarged(n, o, at("upscore2"), x, 2);
    x = added(n, o, x, score(n, o, at("score_pool4"), pool[4], width_of(o, 4), 0.01), 5);
    x = enlarged(n, o, at("upscore_pool4"), x, 2);
    x = added(n, o, x, score(n, o, at("score_pool3"), pool[3], width_of(o, 3), 1e-4), 9);
    return nn_crop(n->g, enlarged(n, o, at("upscore8"), x, 8), o->paper ? 31 : 0, size);
}
