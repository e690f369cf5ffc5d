/* SPDX-License-Identifier: Apache-2.0 */
/* linknet.h - LinkNet.
 *
 * Chaurasia and Culurciello, "LinkNet: Exploiting Encoder Representations for Efficient Semantic
 * Segmentation", VCIP 2017: a residual encoder of four stages, whose maps are added to what the decoder
 * makes.
 */
#ifndef SLMT_METHODS_LINKNET_H
#define SLMT_METHODS_LINKNET_H

#include "methods/segmentation/segmentation.h"

typedef struct linknet_options {
    segment_options segment;
    int32_t layers[4]; /* blocks of the encoder's stages */
} linknet_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value linknet_forward(nn *n, const linknet_options *o, value x);

#endif
