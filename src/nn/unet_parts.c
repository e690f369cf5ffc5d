/* SPDX-License-Identifier: Apache-2.0 */
/* unet_parts.c - the parts of a U-Net whose convolutions keep the size. */
#include "nn/unet_parts.h"

value nn_unet_block(nn *n, layer_name layer, value x, int64_t in, int64_t out, int axes)
{
    const conv_shape first = {.in = in, .out = out, .kernel = 3, .axes = axes};
    const conv_shape second = {.in = out, .out = out, .kernel = 3, .axes = axes};
    x = nn_conv_norm_of(n, at("%s.conv1", layer.text), at("%s.bn1", layer.text), x, first, 0);
    return nn_conv_norm_of(n, at("%s.conv2", layer.text), at("%s.bn2", layer.text), x, second, 0);
}

value nn_unet_up(nn *n, layer_name layer, value x, value skip, int64_t in, int64_t out, int axes)
{
    int64_t size[BK_MAX_SPACE];
    const conv_shape c = {.in = in, .out = out, .kernel = 2, .stride = 2, .axes = axes, .bias = 1};
    nn_size(n->g, skip, size);
    x = nn_pad_to(n->g, nn_up_convolution(n, layer, x, c, INIT_HE), size);
    return nn_join(n->g, (const value[]){skip, x}, 2);
}
