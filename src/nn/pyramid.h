/* SPDX-License-Identifier: Apache-2.0 */
/* pyramid.h - parts that look at an image at several scales: pooling pyramids, atrous pyramids, feature
 * pyramids, and the attention gate of a skip connection. Parts as in network.h. */
#ifndef SLMT_NN_PYRAMID_H
#define SLMT_NN_PYRAMID_H

#include "nn/network.h"

/* Pyramid pooling (Zhao et al. 2017): x joined with its means over 1, 4, 9 and 36 cells, each after a 1x1
 * convolution to a quarter of the channels (.0 to .3, each .conv, .bn) and enlarged with the corners aligned.
 * Returns twice as many channels. Where a training batch is one image, the single cell has no norm. */
value nn_pyramid_pooling(nn *n, layer_name layer, value x, int64_t channels);

/* Atrous spatial pyramid pooling (Chen et al. 2018). */
typedef struct aspp_shape {
    int64_t in, out;   /* channels; of each branch and of the result */
    int rates[3];      /* of the 3x3 convolutions */
    int32_t separable; /* 1: these are depthwise, then pointwise */
} aspp_shape;

/* aspp.0 (1x1) to aspp.3, pool (the image's mean), joined, and project to `out` channels. */
value nn_atrous_pyramid(nn *n, value x, aspp_shape a);

/* Returns a 3x3 convolution with norm and ReLU: .conv, .bn; separable: .depthwise.* of each channel and then
 * .pointwise.* */
value nn_conv3_norm_relu(nn *n, layer_name layer, value x, conv_shape c, int separable);

/* A feature pyramid (Lin et al. 2017): lateral<i> (1x1) of each level, from level 5 down each enlarged twice
 * and added to the next, then output<i> (3x3), for i = 2 to 5. level[0] is level 2. Sizes halve exactly. */
void nn_feature_pyramid(nn *n, value level[4], const int64_t channels[4], int64_t out);

/* Attention gate (Oktay et al. 2018) of a skip connection x by a coarser signal, in additive form:
 * a = sigmoid(.psi(relu(.theta(x) + .phi(signal)))), and of a * x .w, .combine. map (NULL: not wanted) is a.
 */
typedef struct gate_shape {
    int64_t channels, signal; /* of x and of the signal */
    int axes;                 /* of space */
} gate_shape;
value nn_attention_gate(nn *n, layer_name layer, value x, value signal, gate_shape s, value *map);

#endif
