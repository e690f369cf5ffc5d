/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3.c - DeepLabv3. */
#include "methods/deeplabv3/deeplabv3.h"

#include "nn/residual.h"

/* ---- the backbone ---- */

/* The port keeps stem and two stages in one list, where ReLU and maxima have numbers too. */
static layer_name stage_name(int stage)
{
    return stage <= 2 ? at("resnet.resnet.%d", 3 + stage) : at("resnet.layer%d", 1 + stage);
}

static value stage_of(nn *n, const deeplabv3_options *o, int stage, value x)
{
    int64_t out = (int64_t)o->segment.width << (stage - 1);
    for (int j = 0; j < o->layers[stage - 1]; j++) {
        residual_block block = {
            .in = out, .out = out, .stride = 1, .dilation = stage <= 2 ? 1 : 2 * (stage - 2)};
        if (stage > 1 && j == 0)
            block.in = out / 2;
        if (stage == 2 && j == 0)
            block.stride = 2;
        x = nn_basic_block(n, at("%s.%d", stage_name(stage).text, j), x, block);
    }
    return x;
}

static value backbone(nn *n, const deeplabv3_options *o, value x)
{
    const conv_shape c = {.in = o->segment.channels, .out = o->segment.width, .kernel = 7, .stride = 2};
    x = nn_conv_norm_of(n, at("resnet.resnet.0"), at("resnet.resnet.1"), x, c, 0);
    x = op_max_pool(n->g, x, &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}}, NULL);
    for (int stage = 1; stage <= 4; stage++)
        x = stage_of(n, o, stage, x);
    return x;
}

/* ---- the pyramid ---- */

static value convolved(nn *n, const char *name, value x, conv_shape c)
{
    c.bias = 1;
    return nn_conv_norm_of(n, at("aspp.conv_%s", name), at("aspp.bn_conv_%s", name), x, c, 0);
}

/* The image's mean, at every pixel. A norm of the batch would see a single number of a batch of one image. */
static value mean_of(nn *n, value x, conv_shape c)
{
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE];
    nn_size(g, x, size);
    int is_alone = !n->listing && n->statistics != NORM_RUNNING && graph_dim(g, x, 0) == 1;
    value mean = op_global_average_pool(g, x);
    c.bias = 1;
    mean = is_alone ? op_leaky_relu(g, nn_convolution(n, at("aspp.conv_1x1_2"), mean, c), 0)
                    : convolved(n, "1x1_2", mean, c);
    return op_resize_nearest(g, mean, size);
}

static value pyramid(nn *n, const deeplabv3_options *o, value x)
{
    const conv_shape one = {.in = (int64_t)o->segment.width << 3, .out = o->atrous};
    conv_shape three = one;
    value all[5] = {convolved(n, "1x1_1", x, one)};
    three.kernel = 3;
    for (int i = 1; i <= 3; i++) {
        three.dilation = 6 * i;
        all[i] = convolved(n, at("3x3_%d", i).text, x, three);
    }
    all[4] = mean_of(n, x, one);
    x = convolved(n, "1x1_3", nn_join(n->g, all, 5), (conv_shape){.in = 5 * one.out, .out = one.out});
    return nn_convolution(n, at("aspp.conv_1x1_4"), x,
                          (conv_shape){.in = one.out, .out = segment_classes(&o->segment), .bias = 1});
}

value deeplabv3_forward(nn *n, const deeplabv3_options *o, value x)
{
    int64_t size[BK_MAX_SPACE];
    nn_size(n->g, x, size);
    return op_resize_nearest(n->g, pyramid(n, o, backbone(n, o, x)), size);
}
