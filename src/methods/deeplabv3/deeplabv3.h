/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3.h - DeepLabv3.
 *
 * Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017: a dilated residual
 * backbone that makes an image eight times smaller, and an atrous pyramid, without a decoder. In the form of
 * a common port: a ResNet-18 whose last two stages have dilations of 2 and 4, and an enlargement that repeats
 * pixels. */
#ifndef SLMT_METHODS_DEEPLABV3_H
#define SLMT_METHODS_DEEPLABV3_H

#include "methods/segmentation/segmentation.h"

typedef struct deeplabv3_options {
    segment_options segment;
    int32_t layers[4]; /* blocks of the backbone's stages */
    int32_t atrous;    /* channels of the pyramid */
} deeplabv3_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value deeplabv3_forward(nn *n, const deeplabv3_options *o, value x);

#endif
