/* SPDX-License-Identifier: Apache-2.0 */
/* segnet.h - SegNet.
 *
 * Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation",
 * IEEE TPAMI 39 (2017) 2481-2495: the 13 convolutions of VGG-16, and their mirror, which puts each value back
 * where the encoder's maximum was. */
#ifndef SLMT_METHODS_SEGNET_H
#define SLMT_METHODS_SEGNET_H

#include "methods/segmentation/segmentation.h"

typedef struct segnet_options {
    segment_options segment;
} segnet_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value segnet_forward(nn *n, const segnet_options *o, value x);

#endif
