/* SPDX-License-Identifier: Apache-2.0 */
/* attn_unet.h - the U-Net with attention gates.
 *
 * Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018: a U-Net whose skip
 * connections, but for the finest, are weighted by what the decoder already knows. Here in two or three
 * dimensions, with transposed convolutions on the way up, and heads on all levels as an option. */
#ifndef SLMT_METHODS_ATTN_UNET_H
#define SLMT_METHODS_ATTN_UNET_H

#include "methods/segmentation/segmentation.h"

typedef struct attn_unet_options {
    segment_options segment;
    int32_t axes; /* 2: slices; 3: volumes */
    int32_t deep; /* 1: a head on each level of the decoder, joined for the logits (deep supervision) */
} attn_unet_options;

/* x [B,S...,channels] -> logits [B,S...,classes]. maps (NULL: not wanted): the gates' weights of level 2 to
 * 4, at half their level's size. */
value attn_unet_forward(nn *n, const attn_unet_options *o, value x, value maps[5]);

#endif
