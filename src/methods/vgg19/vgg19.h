/* SPDX-License-Identifier: Apache-2.0 */
/* vgg19.h - the perceptual distance of two images: VGG19 processes both, and the outputs of its layers are
 * compared.
 *
 * Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015
 * (arXiv 1409.1556); as a loss, Johnson et al., ECCV 2016 (arXiv 1603.08155). Layers and names are
 * torchvision's `features` 0 to 29; every max pool is an average pool, as in Han et al. 2024. */
#ifndef SLMT_METHODS_VGG19_H
#define SLMT_METHODS_VGG19_H

#include "nn/layers.h"

enum { VGG19_LEAST_SIDE = 16 }; /* of an image: four pools leave one pixel */

/* Lists every tensor, `prefix` in front of its name: values that a file provides and that are not trained.
 * Widths are width times 1, 2, 4, 8, 8; torchvision's width is 64. */
void vgg19_params(params *p, const char *prefix, int32_t width);

/* Grey images a, b [M,H,W] in [-1,1] -> [M], for each the sum over the 13 ReLUs of the mean square difference
 * of their outputs. */
value vgg19_distance(nn *n, value a, value b);

#endif
