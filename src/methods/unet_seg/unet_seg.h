/* SPDX-License-Identifier: Apache-2.0 */
/* unet_seg.h - the U-Net that labels pixels.
 *
 * Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015: five
 * levels. Either as published, without padding, or with convolutions that keep the size and batch norm, then
 * in three dimensions too (Cicek et al., MICCAI 2016). */
#ifndef SLMT_METHODS_UNET_SEG_H
#define SLMT_METHODS_UNET_SEG_H

#include "methods/segmentation/segmentation.h"

typedef struct unet_seg_options {
    segment_options segment;
    int32_t axes;  /* 2: slices; 3: volumes */
    int32_t valid; /* 1: as published, of slices alone */
} unet_seg_options;

/* x [B,S...,channels] -> logits [B,S...,classes]; valid: of an image whose sides are n = 12 modulo 16 pixels,
 * at least 188, the n - 184 pixels in the middle. */
value unet_seg_forward(nn *n, const unet_seg_options *o, value x);

#endif
