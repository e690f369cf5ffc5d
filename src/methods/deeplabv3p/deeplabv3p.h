/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3p.h - DeepLabv3+.
 *
 * Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV
 * 2018: a dilated residual backbone, an atrous pyramid, and a small decoder that adds the edges of stage 1.
 */
#ifndef SLMT_METHODS_DEEPLABV3P_H
#define SLMT_METHODS_DEEPLABV3P_H

#include "methods/segmentation/segmentation.h"
#include "nn/residual.h"

typedef struct deeplabv3p_options {
    segment_options segment;
    int32_t layers[4], bottleneck; /* of the backbone */
    int32_t output_stride;         /* 16 or 8 */
    int32_t tv_dilation;           /* as torchvision dilates: backbone_shape */
    int32_t atrous, low;           /* channels of the pyramid, and of stage 1 in the decoder */
    int32_t low_first;             /* 1: stage 1 stands first in the decoder */
    int32_t one_conv;              /* 1: the decoder has one 3x3 convolution, else two */
    int32_t separable;             /* 1: 3x3 convolutions of pyramid and decoder are depthwise separable */
} deeplabv3p_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value deeplabv3p_forward(nn *n, const deeplabv3p_options *o, value x);

#endif
