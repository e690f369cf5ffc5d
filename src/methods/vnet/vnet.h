/* SPDX-License-Identifier: Apache-2.0 */
/* vnet.h - V-Net.
 *
 * Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
 * 3DV 2016: a residual encoder-decoder for volumes, whose convolutions also do what pooling does elsewhere.
 * With axes = 2 it takes single slices. */
#ifndef SLMT_METHODS_VNET_H
#define SLMT_METHODS_VNET_H

#include "methods/segmentation/segmentation.h"

typedef struct vnet_options {
    segment_options segment;
    int32_t axes;          /* 3: volumes; 2: slices */
    int32_t kernel;        /* length of the convolutions, odd */
    int32_t down_convs[4]; /* convolutions of stages 2 to 5; the first has one */
    int32_t up_convs[4];   /* of the stages on the way up, the coarsest first */
} vnet_options;

/* x [B,S...,channels] -> logits [B,S...,classes], with as many S as axes. The width is a multiple of the
 * channels. */
value vnet_forward(nn *n, const vnet_options *o, value x);

#endif
