/* SPDX-License-Identifier: Apache-2.0 */
/* residual.c - residual blocks and the backbone made of them. */
#include "nn/residual.h"

/* ---- blocks ---- */

/* Convolution `i` of a block, its norm, and ReLU (slope 0) or nothing (1). */
static value part(nn *n, layer_name layer, int i, value x, conv_shape c, double slope)
{
    return nn_conv_norm_of(n, at("%s.conv%d", layer.text, i), at("%s.bn%d", layer.text, i), x, c, slope);
}

/* x as the block adds it: itself, or fitted by a 1x1 convolution. */
static value shortcut(nn *n, layer_name layer, value x, residual_block b)
{
    if (b.stride == 1 && b.in == b.out)
        return x;
    return nn_conv_norm_of(n, at("%s.downsample.0", layer.text), at("%s.downsample.1", layer.text), x,
                           (conv_shape){.in = b.in, .out = b.out, .stride = b.stride}, 1);
}

value nn_basic_block(nn *n, layer_name layer, value x, residual_block b)
{
    const conv_shape first = {
        .in = b.in, .out = b.out, .kernel = 3, .stride = b.stride, .dilation = b.dilation};
    const conv_shape second = {.in = b.out, .out = b.out, .kernel = 3, .dilation = b.dilation};
    value y = part(n, layer, 2, part(n, layer, 1, x, first, 0), second, 1);
    return op_leaky_relu(n->g, op_add(n->g, y, shortcut(n, layer, x, b)), 0);
}

value nn_bottleneck(nn *n, layer_name layer, value x, residual_block b)
{
    int64_t inner = b.out / 4;
    value y = part(n, layer, 1, x, (conv_shape){.in = b.in, .out = inner}, 0);
    y = part(n, layer, 2, y,
             (conv_shape){.in = inner, .out = inner, .kernel = 3, .stride = b.stride, .dilation = b.dilation},
             0);
    y = part(n, layer, 3, y, (conv_shape){.in = inner, .out = b.out}, 1);
    return op_leaky_relu(n->g, op_add(n->g, y, shortcut(n, layer, x, b)), 0);
}

/* ---- the backbone ---- */

int64_t backbone_channels(const backbone_shape *b, int stage)
{
    return ((int64_t)b->width << (stage - 1)) * (b->bottleneck ? 4 : 1);
}

/* What a stage does to the size, and the dilation of its 3x3 convolutions. */
typedef struct stage_rate {
    int stride, dilation;
} stage_rate;

static stage_rate rate_of(const backbone_shape *b, int stage)
{
    int full = stage == 1 ? 4 : 2 << stage; /* the stride of the input without dilation: 4, 8, 16, 32 */
    if (full <= b->output_stride)
        return (stage_rate){stage == 1 ? 1 : 2, 1};
    return (stage_rate){1, full / b->output_stride};
}

static value stage_of(nn *n, layer_name layer, value x, const backbone_shape *b, int stage)
{
    stage_rate rate = rate_of(b, stage);
    int before = stage > 1 ? rate_of(b, stage - 1).dilation : 1;
    int64_t out = backbone_channels(b, stage);
    for (int j = 0; j < b->layers[stage - 1]; j++) {
        residual_block block = {.in = out, .out = out, .stride = 1, .dilation = rate.dilation};
        if (j == 0) {
            block.in = stage == 1 ? b->width : backbone_channels(b, stage - 1);
            block.stride = rate.stride;
            if (b->bottleneck && b->tv_dilation)
                block.dilation = before;
        }
        layer_name name = at("%s.layer%d.%d", layer.text, stage, j);
        x = b->bottleneck ? nn_bottleneck(n, name, x, block) : nn_basic_block(n, name, x, block);
    }
    return x;
}

void nn_backbone(nn *n, layer_name layer, value x, const backbone_shape *b, value stage[4])
{
    const conv_shape stem = {.in = b->channels, .out = b->width, .kernel = 7, .stride = 2};
    x = nn_conv_norm_of(n, at("%s.conv1", layer.text), at("%s.bn1", layer.text), x, stem, 0);
    x = op_max_pool(n->g, x, &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}}, NULL);
    for (int i = 0; i < 4; i++)
        x = stage[i] = stage_of(n, layer, x, b, i + 1);
}
