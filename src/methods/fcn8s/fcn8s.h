/* SPDX-License-Identifier: Apache-2.0 */
/* fcn8s.h - the fully convolutional network with strides of 8.
 *
 * Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015: the 16 layers of VGG
 * (Simonyan and Zisserman 2015) as convolutions, and scores of three depths, each enlarged and added to the
 * next. Tensor names are those of the authors' layers. */
#ifndef SLMT_METHODS_FCN8S_H
#define SLMT_METHODS_FCN8S_H

#include "methods/segmentation/segmentation.h"

typedef struct fcn8s_options {
    segment_options segment;
    int32_t fc;      /* channels of fc6 and fc7 */
    int32_t paper;   /* 1: 100 zeros around the image and crops, as the authors have it; 0: all sizes kept */
    int32_t at_once; /* 1: pool4 and pool3 are scaled before they are scored, to train all scores at once */
} fcn8s_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value fcn8s_forward(nn *n, const fcn8s_options *o, value x);

#endif
