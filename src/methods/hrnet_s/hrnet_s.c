/* SPDX-License-Identifier: Apache-2.0 */
/* hrnet_s.c - the high-resolution network. */
#include "methods/hrnet_s/hrnet_s.h"

#include "nn/residual.h"

enum { BRANCHES = 4 };

static int64_t width_of(const hrnet_s_options *o, int branch)
{
    return (int64_t)o->segment.width << branch;
}

/* A convolution .0 and its norm .1. */
static value pair(nn *n, layer_name layer, value x, conv_shape c, double slope)
{
    return nn_conv_norm_of(n, at("%s.0", layer.text), at("%s.1", layer.text), x, c, slope);
}

/* ---- a module: blocks of each branch, then all branches into each ---- */

static value branch_of(nn *n, const hrnet_s_options *o, layer_name module, value x, int branch)
{
    int64_t w = width_of(o, branch);
    for (int j = 0; j < o->blocks; j++)
        x = nn_basic_block(n, at("%s.branches.%d.%d", module.text, branch, j), x,
                           (residual_block){.in = w, .out = w, .stride = 1, .dilation = 1});
    return x;
}

/* Brings x to a finer grid: a 1x1 convolution, whose result is enlarged. */
static value refined(nn *n, const hrnet_s_options *o, layer_name layer, value x, int from, int to,
                     const int64_t *size)
{
    const conv_shape c = {.in = width_of(o, from), .out = width_of(o, to)};
    return op_resize_linear(n->g, pair(n, layer, x, c, 1), size);
}

/* Brings x to a coarser grid by 3x3 convolutions of stride 2. The last one changes the width, without ReLU.
 */
static value coarsened(nn *n, const hrnet_s_options *o, layer_name layer, value x, int from, int to)
{
    for (int k = 0; k < to - from; k++) {
        int last = k == to - from - 1;
        const conv_shape c = {
            .in = width_of(o, from), .out = width_of(o, last ? to : from), .kernel = 3, .stride = 2};
        x = pair(n, at("%s.%d", layer.text, k), x, c, last);
    }
    return x;
}

static value fused(nn *n, const hrnet_s_options *o, layer_name module, const value *branch, int count, int to)
{
    int64_t size[BK_MAX_SPACE];
    value sum = NONE;
    nn_size(n->g, branch[to], size);
    for (int from = 0; from < count; from++) {
        layer_name layer = at("%s.fuse_layers.%d.%d", module.text, to, from);
        value x = branch[from];
        if (from > to)
            x = refined(n, o, layer, x, from, to, size);
        else if (from < to)
            x = coarsened(n, o, layer, x, from, to);
        sum = from == 0 ? x : op_add(n->g, sum, x);
    }
    return op_leaky_relu(n->g, sum, 0);
}

static void module_of(nn *n, const hrnet_s_options *o, layer_name module, value *branch, int count)
{
    value before[BRANCHES];
    for (int i = 0; i < count; i++)
        before[i] = branch_of(n, o, module, branch[i], i);
    for (int i = 0; i < count; i++)
        branch[i] = fused(n, o, module, before, count, i);
}

/* ---- stages ---- */

/* Stage 2 to 4, of as many branches; the new one is made from the coarsest. */
static void stage_of(nn *n, const hrnet_s_options *o, value *branch, int stage)
{
    int64_t first = 4 * (int64_t)o->first;
    conv_shape c = {.in = stage == 2 ? first : width_of(o, stage - 2), .kernel = 3, .stride = 2};
    c.out = width_of(o, stage - 1);
    branch[stage - 1] = pair(n, at("transition%d.%d.0", stage - 1, stage - 1), branch[stage - 2], c, 0);
    if (stage == 2 && first != width_of(o, 0))
        branch[0] = pair(n, at("transition1.0"), branch[0],
                         (conv_shape){.in = first, .out = width_of(o, 0), .kernel = 3}, 0);
    for (int m = 0; m < o->modules[stage - 2]; m++)
        module_of(n, o, at("stage%d.%d", stage, m), branch, stage);
}

static value first_stage(nn *n, const hrnet_s_options *o, value x)
{
    const conv_shape one = {.in = o->segment.channels, .out = o->stem, .kernel = 3, .stride = 2};
    const conv_shape two = {.in = o->stem, .out = o->stem, .kernel = 3, .stride = 2};
    int64_t out = 4 * (int64_t)o->first;
    x = nn_conv_norm_of(n, at("conv1"), at("bn1"), x, one, 0);
    x = nn_conv_norm_of(n, at("conv2"), at("bn2"), x, two, 0);
    for (int j = 0; j < o->first_blocks; j++)
        x = nn_bottleneck(n, at("layer1.%d", j), x,
                          (residual_block){.in = j ? out : o->stem, .out = out, .stride = 1, .dilation = 1});
    return x;
}

/* All branches at the size of the finest, joined. */
static value head(nn *n, const hrnet_s_options *o, const value *branch)
{
    int64_t size[BK_MAX_SPACE], all = 15 * (int64_t)o->segment.width;
    value joined[BRANCHES];
    nn_size(n->g, branch[0], size);
    for (int i = 0; i < BRANCHES; i++)
        joined[i] = i ? op_resize_linear(n->g, branch[i], size) : branch[0];
    value x = pair(n, at("last_layer"), nn_join(n->g, joined, BRANCHES),
                   (conv_shape){.in = all, .out = all, .bias = 1}, 0);
    return nn_convolution(n, at("last_layer.3"), x,
                          (conv_shape){.in = all, .out = segment_classes(&o->segment), .bias = 1});
}

value hrnet_s_forward(nn *n, const hrnet_s_options *o, value x)
{
    int64_t size[BK_MAX_SPACE];
    value branch[BRANCHES];
    nn_size(n->g, x, size);
    branch[0] = first_stage(n, o, x);
    for (int stage = 2; stage <= BRANCHES; stage++)
        stage_of(n, o, branch, stage);
    return op_resize_linear(n->g, head(n, o, branch), size);
}
