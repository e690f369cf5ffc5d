/* SPDX-License-Identifier: Apache-2.0 */
/* residual.h - residual blocks and the backbone made of them (He et al. 2016), with torchvision's names.
 * Parts as in network.h. */
#ifndef SLMT_NN_RESIDUAL_H
#define SLMT_NN_RESIDUAL_H

#include "nn/network.h"

typedef struct residual_block {
    int64_t in, out; /* channels; a bottleneck's inner width is a quarter of `out` */
    int stride, dilation;
} residual_block;

/* Two 3x3 convolutions: .conv1, .bn1, .conv2, .bn2, and .downsample.0, .1 where size or channels change. */
value nn_basic_block(nn *n, layer_name layer, value x, residual_block b);

/* 1x1, 3x3, 1x1: .conv1, .bn1 and so on; the 3x3 has the stride and the dilation. */
value nn_bottleneck(nn *n, layer_name layer, value x, residual_block b);

/* A backbone that makes images 32, 16 or 8 times smaller: in the last stages dilation stands for stride. */
typedef struct backbone_shape {
    int32_t channels, width; /* of the input; of the stem and the first stage */
    int32_t layers[4];       /* blocks of each stage */
    int32_t bottleneck;    /* 1: of 1x1, 3x3, 1x1 convolutions with four times as many channels at the end */
    int32_t output_stride; /* 32, 16 or 8 */
    int32_t tv_dilation; /* 1: the first bottleneck of a dilated stage keeps the rate of the stage before, as
                            torchvision has it */
} backbone_shape;

/* Channels of stage 1 to 4. */
int64_t backbone_channels(const backbone_shape *b, int stage);

/* conv1, bn1, ReLU, 3x3/2 maxima, then layer1 to layer4 under `layer`: stage[0] is layer1's output. */
void nn_backbone(nn *n, layer_name layer, value x, const backbone_shape *b, value stage[4]);

#endif
